# SPDX-License-Identifier: Apache-2.0
"""Optimisers of one flat parameter vector, and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastae import _core, _validate

_WANTED = "one of the same kind, over as many parameters of the same dtype"


def _decay(value, name):
    number = _validate.real(value, name=name)
    if not 0 <= number < 1:
        raise ValueError(f"{name} is {value}; it must be at least 0 and less than 1")
    return number


def _parameters(params):
    if not isinstance(params, np.ndarray):
        raise TypeError(f"params is {type(params).__name__}; give an array, which every update changes in place")
    dtype = _validate.float_dtype(params.dtype, name="the dtype of params")
    return _validate.output(params, params.size, dtype, name="params")


def _rate(learning_rate):
    if type(learning_rate) is not float:  # what a loop gives again and again
        learning_rate = _validate.real(learning_rate, name="learning_rate")
    if not 0 <= learning_rate < math.inf:  # nor is NaN
        raise ValueError(f"learning_rate is {learning_rate}; it must be at least 0 and finite")
    return learning_rate


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
    TypeError, ValueError
        If params is no contiguous, writable vector of floats, or momentum no number in [0, 1).

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
        self._params = _parameters(params)
        self._momentum = _decay(momentum, "momentum")
        self._velocity = np.zeros_like(params)

    def __repr__(self):
        return f"SGD(momentum={self._momentum!r})"

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Copies of what `update` remembers, for `set_state` to go on from.

        Returns
        -------
        state : dict of str to ndarray
            One-dimensional.
        """
        return {"velocity": self._velocity.copy()}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from where `get_state` was called, to the same bits.

        Parameters
        ----------
        state : dict of str to ndarray

        Raises
        ------
        TypeError, ValueError
            If that is no such dict, or of another optimiser; nothing is changed then.
        """
        self._velocity[:] = _validate.state(state, self.get_state(), name="SGD", wanted=_WANTED)["velocity"]

    def update(self, gradient: NDArray[Any], learning_rate: float) -> None:
        """One step along minus gradient.

        Parameters
        ----------
        gradient : ndarray of shape (n_params,), of the dtype of params
            It isn't searched for NaN, which would stay in params; `Trainer` does so.
        learning_rate : float
            At least 0, and finite.

        Raises
        ------
        TypeError, ValueError
            If gradient has another dtype or shape than params, or learning_rate is no such number; nothing is changed.
        """
        _core.optim_sgd(gradient, self._velocity, self._params, _rate(learning_rate), self._momentum)


class Adam:
    """Adam: steps scaled by running means of the gradient and of its square.

    Parameters
    ----------
    params : ndarray of shape (n_params,), float32 or float64
        Updated in place by every `update`.
    beta1, beta2 : float
        Decay of the two means, each in [0, 1).
    epsilon : float
        Positive and finite; keeps the step finite where gradients vanish.

    Raises
    ------
    TypeError, ValueError
        If params is no contiguous, writable vector of floats, a beta no number in [0, 1), or epsilon none that is
        positive and finite.

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
        self._params = _parameters(params)
        betas = _decay(beta1, "beta1"), _decay(beta2, "beta2")
        self._options = *betas, _validate.positive(epsilon, name="epsilon")
        self._weight_decay = 0.0
        self._mean = np.zeros_like(params)
        self._mean_square = np.zeros_like(params)
        self._n_updates = 0

    def __repr__(self):
        return "{}(beta1={!r}, beta2={!r}, epsilon={!r})".format(type(self).__name__, *self._options)

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Copies of what `update` remembers, for `set_state` to go on from.

        Returns
        -------
        state : dict of str to ndarray
            One-dimensional.
        """
        n_updates = np.array([self._n_updates])
        return {"mean": self._mean.copy(), "mean_square": self._mean_square.copy(), "n_updates": n_updates}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from where `get_state` was called, to the same bits.

        Parameters
        ----------
        state : dict of str to ndarray

        Raises
        ------
        TypeError, ValueError
            If that is no such dict, or of another optimiser; nothing is changed then.
        """
        _validate.state(state, self.get_state(), name=type(self).__name__, wanted=_WANTED)
        self._mean[:] = state["mean"]
        self._mean_square[:] = state["mean_square"]
        self._n_updates = int(state["n_updates"][0])

    def update(self, gradient: NDArray[Any], learning_rate: float) -> None:
        """One step along minus gradient.

        Parameters
        ----------
        gradient : ndarray of shape (n_params,), of the dtype of params
            It isn't searched for NaN, which would stay in params; `Trainer` does so.
        learning_rate : float
            At least 0, and finite.

        Raises
        ------
        TypeError, ValueError
            If gradient has another dtype or shape than params, or learning_rate is no such number; nothing is changed.
        """
        _core.optim_adam(
            gradient,
            self._mean,
            self._mean_square,
            self._params,
            self._n_updates + 1,
            _rate(learning_rate),
            *self._options,
            self._weight_decay,
        )
        self._n_updates += 1


class AdamW(Adam):
    """Adam with decoupled weight decay: params shrink by the share learning_rate · weight_decay in every step.

    The decay is no part of the gradient, so it isn't scaled by the running means. It holds for every parameter,
    weights and biases alike.

    Parameters
    ----------
    params : ndarray of shape (n_params,), float32 or float64
        Updated in place by every `update`.
    weight_decay : float
        At least 0, and finite.
    beta1, beta2, epsilon : float
        As `Adam`.

    Raises
    ------
    TypeError, ValueError
        As `Adam`, or if weight_decay is no number, negative or not finite.

    Notes
    -----
    Source: Loshchilov & Hutter, *Decoupled weight decay regularization*, ICLR 2019, arXiv:1711.05101; their
    schedule multiplier and their step size are one number here, the learning rate.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import AdamW
    >>> params = np.array([1.0, -2.0])
    >>> AdamW(params, weight_decay=0.5).update(gradient=np.zeros(2), learning_rate=0.1)  # 5 % nearer to zero
    >>> params
    array([ 0.95, -1.9 ])
    """

    def __init__(
        self,
        params: NDArray[Any],
        *,
        weight_decay: float = 1e-2,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(params, beta1=beta1, beta2=beta2, epsilon=epsilon)
        self._weight_decay = _validate.real(weight_decay, name="weight_decay")
        if not 0 <= self._weight_decay < math.inf:
            raise ValueError(f"weight_decay is {weight_decay}; it must be at least 0 and finite")

    def __repr__(self):
        return f"{super().__repr__()[:-1]}, weight_decay={self._weight_decay!r})"


OPTIMIZERS: dict[str, Callable[..., Any]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD}


def constant(progress: float) -> float:
    """The full learning rate throughout.

    Parameters
    ----------
    progress : float
        Of the training, in [0, 1].

    Returns
    -------
    share : float
        Of the learning rate, in [0, 1].

    Examples
    --------
    >>> [constant(progress) for progress in (0.0, 0.5, 1.0)]
    [1.0, 1.0, 1.0]
    """
    return 1.0


def cosine(progress: float) -> float:
    """From the full rate down to zero along half a cosine.

    Parameters and Returns as `constant`.

    Notes
    -----
    Source: Loshchilov & Hutter, *SGDR: stochastic gradient descent with warm restarts*, ICLR 2017, arXiv:1608.03983;
    without restarts.

    Examples
    --------
    >>> [round(cosine(progress), 3) for progress in (0.0, 0.5, 1.0)]
    [1.0, 0.5, 0.0]
    """
    return (1 + math.cos(math.pi * progress)) / 2


def onecycle(progress: float) -> float:
    """Up from 1/25 to the full rate in the first 30 %, then down to zero, along cosines.

    Parameters and Returns as `constant`.

    Notes
    -----
    Source: Smith & Topin, *Super-convergence*, 2018, arXiv:1708.07120.

    Examples
    --------
    >>> [round(onecycle(progress), 3) for progress in (0.0, 0.3, 1.0)]
    [0.04, 1.0, 0.0]
    """
    warm_up, start = 0.3, 1 / 25
    if progress < warm_up:
        return 1 - (1 - start) * cosine(progress / warm_up)
    return cosine((progress - warm_up) / (1 - warm_up))


# progress in [0, 1) -> share of the rate
SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine, "onecycle": onecycle}
