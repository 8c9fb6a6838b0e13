# SPDX-License-Identifier: Apache-2.0
"""Optimisers of one flat parameter vector, and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastae import _core


class SGD:
    """Gradient descent with momentum: velocity = momentum · velocity + gradient; params -= rate · velocity.

    Parameters
    ----------
    params : ndarray of shape (n_params,), float32 or float64
        Updated in place by every `update`.
    momentum : float
        In [0, 1); 0 is plain gradient descent.

    Raises
    ------
    ValueError
        If momentum is outside [0, 1).

    Notes
    -----
    Source: Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import SGD
    >>> params = np.array([1.0, -2.0])
    >>> SGD(params, momentum=0.0).update(gradient=2 * params, learning_rate=0.25)
    >>> params
    array([ 0.5, -1. ])
    """

    def __init__(self, params: NDArray[Any], *, momentum: float = 0.9) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}; it must be at least 0 and less than 1")
        self._params = params
        self._momentum = float(momentum)
        self._velocity = np.zeros_like(params)

    def update(self, gradient: NDArray[Any], learning_rate: float) -> None:
        """One step along minus gradient (n_params,), in the dtype of params."""
        _core.optim_sgd(gradient, self._velocity, self._params, learning_rate, self._momentum)


class Adam:
    """Adam: steps scaled by running means of the gradient and of its square.

    Parameters
    ----------
    params : ndarray of shape (n_params,), float32 or float64
        Updated in place by every `update`.
    beta1, beta2 : float
        Decay of the two means, each in [0, 1).
    epsilon : float
        Positive; keeps the step finite where gradients vanish.

    Raises
    ------
    ValueError
        If a beta is outside [0, 1) or epsilon is not positive.

    Notes
    -----
    Source: Kingma & Ba, *Adam: a method for stochastic optimization*, ICLR 2015, arXiv:1412.6980.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import Adam
    >>> params = np.array([1.0, -2.0])
    >>> Adam(params).update(gradient=2 * params, learning_rate=0.1)  # the first step has the size of the rate
    >>> params
    array([ 0.9, -1.9])
    """

    def __init__(
        self, params: NDArray[Any], *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        for name, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{name} is {beta}; it must be at least 0 and less than 1")
        if not epsilon > 0:
            raise ValueError(f"epsilon is {epsilon}; it must be positive")
        self._params = params
        self._options = float(beta1), float(beta2), float(epsilon)
        self._mean = np.zeros_like(params)
        self._mean_square = np.zeros_like(params)
        self._n_updates = 0

    def update(self, gradient: NDArray[Any], learning_rate: float) -> None:
        """One step along minus gradient (n_params,), in the dtype of params."""
        self._n_updates += 1
        _core.optim_adam(
            gradient, self._mean, self._mean_square, self._params, self._n_updates, learning_rate, *self._options
        )


OPTIMIZERS: dict[str, Callable[..., Any]] = {"adam": Adam, "sgd": SGD}


def constant(progress: float) -> float:
    """The full learning rate throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """From the full rate down to zero along half a cosine (Loshchilov & Hutter 2017, without restarts)."""
    return (1 + math.cos(math.pi * progress)) / 2


def onecycle(progress: float) -> float:
    """Up from 1/25 to the full rate in the first 30 %, then down to zero, along cosines (Smith & Topin 2018)."""
    warm_up, start = 0.3, 1 / 25
    if progress < warm_up:
        return 1 - (1 - start) * cosine(progress / warm_up)
    return cosine((progress - warm_up) / (1 - warm_up))


# progress in [0, 1) -> share of the rate
SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine, "onecycle": onecycle}
