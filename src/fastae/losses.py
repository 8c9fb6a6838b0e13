# SPDX-License-Identifier: Apache-2.0
"""Losses over symbols: exact Hamming distance, and two smooth functions to train by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _core, _validate
from fastae.alphabet import Alphabet
from fastae.layers import pull_back

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_LEAST, _MOST = 1e-30, 1e30  # temperatures: by the least, float32 still divides the square of a distance of 10^4


class _SymbolLoss:
    """What the losses share: p_s = softmax over symbols s of -(x̂ - level_s)² / temperature, cell by cell.

    A subclass names its kernel and its default temperatures. Missing cells (code -1) add nothing and have gradient 0.
    """

    kernel_name: str  # as `_core.ChainGradient` knows it
    _kernel: Callable[..., float]
    _temperatures: tuple[float, float]  # defaults of first and last, in squared distances of neighbouring levels

    def __init__(
        self, alphabet: Alphabet, *, temperature: float | None = None, final_temperature: float | None = None
    ) -> None:
        if not isinstance(alphabet, Alphabet):
            raise TypeError(f"alphabet is {alphabet!r}; give an Alphabet, such as fastae.HAPLOTYPE")
        self.alphabet = alphabet
        first, last = self._temperatures
        if temperature is None:
            temperature = first * float(np.diff(alphabet.levels).min()) ** 2
        self.temperature = _temperature(temperature, "temperature")
        if final_temperature is None:
            final_temperature = self.temperature * last / first
        self.final_temperature = _temperature(final_temperature, "final_temperature")
        self._levels = {dtype: alphabet.levels.astype(dtype) for dtype in _FLOATS}

    def __repr__(self):
        return (
            f"{type(self).__name__}({self.alphabet!r}, temperature={self.temperature:.4g}, "
            f"final_temperature={self.final_temperature:.4g})"
        )

    def loss(self, xhat: ArrayLike, codes: ArrayLike) -> float:
        """Mean of the loss over the known cells, at the starting temperature; 0 where no cell is known.

        Parameters
        ----------
        xhat : array_like of shape (n_samples, n_features), float
            Reconstructions.
        codes : array_like of the same shape, integers
            The true symbols' codes; -1 where missing.

        Returns
        -------
        value : float

        Raises
        ------
        TypeError
            If xhat does not hold numbers, or codes integers.
        ValueError
            If the shapes differ, xhat holds NaN or infinity, or a code is outside the alphabet.
        """
        x, true = self._cells(xhat, codes)
        return self.sum_gradient(x, true, self.temperature, 0.0, None) / max(1, int(np.count_nonzero(true >= 0)))

    def gradient(self, xhat: ArrayLike, codes: ArrayLike) -> NDArray[Any]:
        """Gradient of `loss` with respect to xhat; an array like xhat. Parameters and Raises as `loss`."""
        return self.loss_gradient(xhat, codes)[1]

    def loss_gradient(self, xhat: ArrayLike, codes: ArrayLike) -> tuple[float, NDArray[Any]]:
        """`loss` and `gradient` together, for the price of one. Parameters and Raises as `loss`."""
        x, true = self._cells(xhat, codes)
        n_known = max(1, int(np.count_nonzero(true >= 0)))
        grad = np.empty_like(x)
        return self.sum_gradient(x, true, self.temperature, 1 / n_known, grad) / n_known, grad

    def exact(self, xhat: ArrayLike, codes: ArrayLike) -> int:
        """Hamming distance: how many known cells have another nearest symbol than the true one.

        Parameters and Raises as `loss`; an int comes back.
        """
        return self.count_wrong(*self._cells(xhat, codes))

    def bind(self, codes: ArrayLike) -> _BoundLoss:
        """The function xhat -> ``loss(xhat, codes)``, which `fastae.jvp` and `fastae.vjp` differentiate."""
        return _BoundLoss(self, codes)

    def sum_gradient(
        self,
        xhat: NDArray[Any],
        codes: NDArray[np.int8],
        temperature: float,
        scale: float,
        grad: NDArray[Any] | None,
        n_threads: int = 1,
    ) -> float:
        """Sum over cells; grad, unless None, receives scale times its gradient. The trainer's door: no checks here."""
        return self._kernel(xhat, codes, self._levels[xhat.dtype], temperature, scale, grad, n_threads)

    def count_wrong(self, xhat: NDArray[Any], codes: NDArray[np.int8]) -> int:
        """`exact` without checks."""
        return _core.loss_hamming(xhat, codes, self._levels[xhat.dtype])

    def _cells(self, xhat: ArrayLike, codes: ArrayLike) -> tuple[NDArray[Any], NDArray[np.int8]]:
        x = _validate.rectangular(xhat, name="xhat")
        x = _validate.matrix(x, x.dtype if x.dtype in _FLOATS else np.float64, name="xhat", finite=True)
        true = _validate.matrix(codes, np.int8, name="codes")
        if x.shape != true.shape:
            raise ValueError(f"xhat has shape {x.shape} and codes {true.shape}; they must agree")
        return x, true


def _temperature(value, name):
    number = _validate.positive(value, name=name)
    if not _LEAST <= number <= _MOST:
        raise ValueError(f"{name} is {number:.3g}; it must be {_LEAST} to {_MOST}, for float32 to divide by it")
    return number


class _BoundLoss:
    """A loss with its true symbols: a function of the reconstruction alone."""

    gives_number = True  # where other functions give rows

    def __init__(self, loss, codes):
        self._loss = loss
        self._codes = codes

    def __repr__(self):
        return f"{self._loss!r}.bind(codes)"

    def __call__(self, xhat):
        return self._loss.loss(xhat, self._codes)

    def jvp_rule(self, params, xhat, params_dot, xhat_dot, n_threads=1):
        """(value, d value) for each of the k tangents xhat_dot (k, n, d)."""
        if params is not None:
            raise ValueError("a loss has no parameters; give primals (xhat,) and tangents (xhat_dot,)")
        value, grad = self._loss.loss_gradient(xhat, self._codes)
        dots, many = _validate.tangents(xhat_dot, grad, name="xhat")
        value_dot = np.tensordot(dots, grad, axes=2)
        return value, value_dot if many else float(value_dot[0])

    def vjp_rule(self, params, xhat, n_threads=1):
        """(value, its pull-back): the cotangent of a number scales the gradient."""
        if params is not None:
            raise ValueError("a loss has no parameters; give the one primal xhat")
        value, grad = self._loss.loss_gradient(xhat, self._codes)
        return value, lambda value_bar: pull_back(lambda bar: (float(bar) * grad,), value_bar, np.array(value))


class HammingLoss(_SymbolLoss):
    """Hamming distance per cell, trained through a smooth surrogate: the expected one, 1 - p_code.

    The exact distance, Σ [x ≠ nearest symbol of x̂], is piecewise constant, so its gradient is zero wherever it
    exists. The surrogate draws the symbol from p_s = softmax of -(x̂ - level_s)² / temperature and expects the
    distance; as the temperature goes to 0 it becomes the exact one. `Trainer.fit` lowers the temperature
    geometrically from `temperature` to `final_temperature`, and reports the exact distance beside the surrogate.

    Parameters
    ----------
    alphabet : Alphabet
    temperature, final_temperature : float, optional
        By default half the squared distance between neighbouring levels, and a tenth of the first.

    Raises
    ------
    TypeError
        If alphabet is not an Alphabet, or a temperature not a number.
    ValueError
        If a temperature is not 1e-30 to 1e30.

    Examples
    --------
    >>> from fastae import DNA, HammingLoss
    >>> loss = HammingLoss(DNA)
    >>> xhat, codes = [[-0.75, 0.3]], [[0, 3]]  # near A, and near G where T is true
    >>> loss.exact(xhat, codes)
    1
    >>> round(loss.loss(xhat, codes), 3)
    0.482
    >>> value, gradient = loss.loss_gradient(xhat, codes)
    >>> gradient.round(2)
    array([[ 0.42, -0.57]])
    """

    kernel_name = "hamming"
    _kernel = staticmethod(_core.loss_soft_hamming)
    _temperatures = 0.5, 0.05


class CrossEntropyLoss(_SymbolLoss):
    """Bits per cell that an ideal coder needs, given p_s = softmax of -(x̂ - level_s)² / temperature.

    It counts what an archive pays for its residual (Shannon 1948). For `HAPLOTYPE` at the default temperature the
    logit of symbol 1 is 2 x̂: a decoder with ``output_activation="identity"`` gives all probabilities.

    Parameters
    ----------
    alphabet : Alphabet
    temperature, final_temperature : float, optional
        By default the squared distance between neighbouring levels, and no annealing: the same at the end.

    Raises
    ------
    TypeError
        If alphabet is not an Alphabet, or a temperature not a number.
    ValueError
        If a temperature is not 1e-30 to 1e30.

    Examples
    --------
    >>> from fastae import HAPLOTYPE, CrossEntropyLoss
    >>> loss = CrossEntropyLoss(HAPLOTYPE)
    >>> loss.loss([[0.0]], [[1]])  # no idea: one bit
    1.0
    >>> loss.gradient([[0.0]], [[1]]).round(3)  # -1 / ln 2
    array([[-1.443]])
    >>> loss.loss([[3.0, 5.0]], [[1, -1]]) < 0.01  # the second cell is missing
    True
    """

    kernel_name = "cross_entropy"
    _kernel = staticmethod(_core.loss_cross_entropy)
    _temperatures = 1.0, 1.0


LOSSES: dict[str, type[HammingLoss] | type[CrossEntropyLoss]] = {
    "hamming": HammingLoss,
    "cross_entropy": CrossEntropyLoss,
}
