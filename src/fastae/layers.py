# SPDX-License-Identifier: Apache-2.0
"""Dense stacks: forward, tangent and reverse side by side, over the kernels; and the rounding of latents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _core, _validate

Pull: TypeAlias = Callable[[ArrayLike], tuple[NDArray[Any], ...]]  # a cotangent to those of the primals

MAX_LAYERS = 64
ACTIVATIONS = {"identity": 0, "tanh": 1}  # the numbers are those of the kernels and of saved models


def count_params(sizes: Iterable[int]) -> int:
    """Weights and biases of a stack of these widths; refuses widths that no stack can have."""
    widths = [_validate.integer(d, 1, 2**24, name="each of sizes") for d in sizes]
    if not 2 <= len(widths) <= MAX_LAYERS + 1:
        raise ValueError(f"sizes are {widths}; give an input width and 1 to {MAX_LAYERS} layers")
    return sum((d_in + 1) * d_out for d_in, d_out in zip(widths[:-1], widths[1:], strict=True))


class DenseStack:
    """Dense layers one after the other: h_0 = x, a_l = W_l h_{l-1} + b_l, h_l = f_l(a_l), y = h_L.

    Parameters
    ----------
    sizes : sequence of int
        Widths d_0, ..., d_L, of an input and 1 to 64 layers; each 1 to 2^24.
    activations : sequence of {"tanh", "identity"}
        f_1, ..., f_L.
    params : ndarray of shape (n_params,), float32 or float64
        W_1 (d_1, d_0), b_1 (d_1), W_2 (d_2, d_1), b_2, ...; kept, not copied. Its dtype is the stack's.

    Attributes
    ----------
    sizes, activations : tuple
    params : ndarray of shape (n_params,)
    dtype : numpy dtype

    Raises
    ------
    TypeError
        If params are no array of float32 or float64.
    ValueError
        If sizes, activations and params do not fit together.

    Notes
    -----
    Each derivative takes what `forward` took (x) and left (h), so that one forward pass serves them all. Forward
    mode carries tangents along, ȧ_l = Ẇ_l h + W_l ḣ + ḃ_l and ḣ_l = f'(a_l) ȧ_l; reverse mode carries cotangents
    back: Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import DenseStack
    >>> stack = DenseStack([2, 1], ["identity"], np.array([2.0, -1.0, 0.5]))  # y = 2 x_0 - x_1 + 0.5
    >>> x = np.array([[1.0, 1.0]])
    >>> h = stack.forward(x)
    >>> stack.output(h)
    array([[1.5]])
    >>> stack.tangent(x, h, x_dot=np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).ravel()  # two tangents at once
    array([ 2., -1.])
    >>> params_bar, x_bar = stack.reverse(x, h, np.ones((1, 1)))
    >>> params_bar, x_bar
    (array([1., 1., 1.]), array([[ 2., -1.]]))
    """

    def __init__(self, sizes: Sequence[int], activations: Iterable[str], params: NDArray[Any]) -> None:
        sizes = tuple(sizes)
        n_params = count_params(sizes)
        self.sizes = tuple(int(d) for d in sizes)
        self.activations = tuple(activations)
        for activation in self.activations:
            if not isinstance(activation, str) or activation not in ACTIVATIONS:
                raise ValueError(f"activation is {activation!r}; it can be {' or '.join(map(repr, ACTIVATIONS))}")
        if len(self.activations) != len(self.sizes) - 1:
            raise ValueError(f"{len(self.activations)} activations for {len(self.sizes) - 1} layers; give one each")
        self.kernel = _core.Stack(
            np.array(self.sizes, dtype=np.int64), np.array([ACTIVATIONS[a] for a in self.activations], dtype=np.int32)
        )
        self.n_params = n_params
        self.n_outputs = self.kernel.n_outputs  # numbers in h for each example
        if not isinstance(params, np.ndarray):
            raise TypeError(f"params is {type(params).__name__}; give an array, which the stack keeps as it is")
        self.dtype = _validate.float_dtype(params.dtype, name="the dtype of params")
        if params.shape != (n_params,) or not params.flags.c_contiguous:
            raise ValueError(f"params have shape {params.shape}, sizes {self.sizes} need ({n_params},) contiguous")
        if not params.flags.aligned:
            raise ValueError("params are not aligned in memory, as parts of a file's bytes may be; give params.copy()")
        self.params = params

    def __reduce__(self):
        return DenseStack, (self.sizes, self.activations, self.params)

    def with_params(self, params: NDArray[Any]) -> DenseStack:
        """The same layers over other parameters."""
        return DenseStack(self.sizes, self.activations, params)

    def layers(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Views ``(W, b)`` of the parameters, layer by layer; writing to them changes the stack."""
        views, start = [], 0
        for d_in, d_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            middle = start + d_in * d_out
            views.append((self.params[start:middle].reshape(d_out, d_in), self.params[middle : middle + d_out]))
            start = middle + d_out
        return views

    def __call__(self, X: ArrayLike, *, n_threads: int = 1) -> NDArray[Any]:
        """Outputs (n_samples, d_L) of rows X (n_samples, d_0) of real numbers."""
        return self.predict(_validate.levels(X, self.dtype, name="X", n_columns=self.sizes[0]), n_threads=n_threads)

    def predict(self, x: NDArray[Any], *, n_threads: int = 1) -> NDArray[Any]:
        """x (n, d_0), finite -> y (n, d_L): what `forward` and `output` give, without keeping the layers between."""
        return self.kernel.predict(self.params, x, n_threads)

    def forward(self, x: NDArray[Any], h: NDArray[Any] | None = None, *, n_threads: int = 1) -> NDArray[Any]:
        """The outputs of every layer.

        This and the methods that take its h are for loops: arrays are of the stack's dtype, C-contiguous and finite.

        Parameters
        ----------
        x : ndarray of shape (n_samples, d_0)
        h : ndarray of shape (n_samples * n_outputs,), optional
            To write to.
        n_threads : int
            Most threads that share the rows; the results are the same, to the bit, for every number.

        Returns
        -------
        h : ndarray of shape (n_samples * n_outputs,)
            h_1 (n_samples, d_1), then h_2 (n_samples, d_2), ...: see `outputs`.

        Raises
        ------
        TypeError, ValueError
            If an array is of another kind, dtype or shape.
        """
        if h is None:
            h = np.empty(len(x) * self.n_outputs, dtype=self.dtype)
        self.kernel.forward(self.params, x, h, n_threads)
        return h

    def output(self, h: NDArray[Any]) -> NDArray[Any]:
        """The view y (n, d_L) of h."""
        d_out = self.sizes[-1]
        n = h.size // self.n_outputs
        return h[h.size - n * d_out :].reshape(n, d_out)

    def outputs(self, h: NDArray[Any]) -> list[NDArray[Any]]:
        """The views h_1 (n, d_1), ..., h_L (n, d_L) of h."""
        n = h.size // self.n_outputs
        views, start = [], 0
        for d in self.sizes[1:]:
            views.append(h[start : start + n * d].reshape(n, d))
            start += n * d
        return views

    def tangent(
        self,
        x: NDArray[Any],
        h: NDArray[Any],
        params_dot: NDArray[Any] | None = None,
        x_dot: NDArray[Any] | None = None,
        *,
        n_threads: int = 1,
    ) -> NDArray[Any]:
        """Tangents of the last layer's outputs, by forward mode: k of them beside one primal.

        Parameters
        ----------
        x, h
            What `forward` took and gave.
        params_dot : ndarray of shape (n_params,) or (k, n_params), optional
            None where the parameters are held fixed.
        x_dot : ndarray of shape (n_samples, d_0) or (k, n_samples, d_0), optional
            None where x is held fixed.
        n_threads : int
            As `forward`.

        Returns
        -------
        y_dot : ndarray of shape (n_samples, d_L), or (k, n_samples, d_L) where the tangents have the leading axis

        Raises
        ------
        TypeError, ValueError
            If an array is of another kind, dtype or shape.
        """
        return self.kernel.tangent(self.params, x, h, params_dot, x_dot, n_threads)

    def reverse(
        self, x: NDArray[Any], h: NDArray[Any], y_bar: NDArray[Any], *, n_threads: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Cotangents of parameters and x from that of the last layer's outputs, by reverse mode.

        Parameters
        ----------
        x, h
            What `forward` took and gave.
        y_bar : ndarray of shape (n_samples, d_L)
        n_threads : int
            As `forward`.

        Returns
        -------
        params_bar : ndarray of shape (n_params,)
        x_bar : ndarray of shape (n_samples, d_0)

        Raises
        ------
        TypeError, ValueError
            If an array is of another kind, dtype or shape.
        """
        work = np.empty(self.kernel.reverse_work(len(x), n_threads), dtype=self.dtype)
        return self._pull(self.kernel.reverse, x, h, y_bar, work, n_threads)

    def unit_tangents(
        self, x: NDArray[Any], h: NDArray[Any], y_bar: NDArray[Any], *, n_threads: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """What `reverse` gives, by forward mode: exact gradients from unit tangents of the pre-activations.

        dL/dW_l[i, j] = (dL/da_l[i]) h_{l-1}[j], so d_l tangents, started at layer l, give all of its
        d_l (d_{l-1} + 1) parameters at once. Parameters, Returns and Raises as `reverse`.
        """
        work = np.empty(self.kernel.unit_tangents_work(len(x), n_threads), dtype=self.dtype)
        return self._pull(self.kernel.unit_tangents, x, h, y_bar, work, n_threads)

    def jvp_rule(
        self,
        params: ArrayLike | None,
        x: ArrayLike,
        params_dot: ArrayLike | None,
        x_dot: ArrayLike | None,
        n_threads: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See `fastae.jvp`: tangents may come one at a time or with a leading axis."""
        own = self.params if params is None else params
        if getattr(own, "dtype", None) == self.dtype:
            try:
                return self.kernel.jvp(own, x, params_dot, x_dot, n_threads)
            except (TypeError, ValueError):
                pass  # what the kernel does not take as it is, is made to fit below, or refused by name
        stack, x = self._at(params, x)
        of_params = of_x = None
        many_params = many_x = False
        if params_dot is not None:
            of_params, many_params = _validate.tangents(params_dot, stack.params, name="params")
        if x_dot is not None:
            of_x, many_x = _validate.tangents(x_dot, x, name="X")
        if of_params is not None and of_x is not None and (many_params, len(of_params)) != (many_x, len(of_x)):
            raise ValueError(
                f"{len(of_params)} tangents of params and {len(of_x)} of X; "
                "give as many of each, either both with a leading axis or both without"
            )
        y, y_dot = self.kernel.jvp(stack.params, x, of_params, of_x, n_threads)
        return y, y_dot if many_params or many_x else y_dot[0]

    def vjp_rule(self, params: ArrayLike | None, x: ArrayLike, n_threads: int = 1) -> tuple[NDArray[Any], Pull]:
        """See `fastae.vjp`."""
        stack, x = self._at(params, x)
        h = stack.forward(x, n_threads=n_threads)
        y = stack.output(h)

        def pull(y_bar):
            work = np.empty(stack.kernel.reverse_work(len(x), n_threads), dtype=stack.dtype)
            params_bar = None if params is None else np.empty(stack.n_params, dtype=stack.dtype)
            x_bar = np.empty_like(x)
            stack.kernel.reverse(stack.params, x, h, y_bar, work, params_bar, x_bar, n_threads)
            return (x_bar,) if params_bar is None else (params_bar, x_bar)

        return y, lambda y_bar: pull_back(pull, y_bar, y)

    def _at(self, params: ArrayLike | None, x: ArrayLike) -> tuple[DenseStack, NDArray[Any]]:
        """This stack, over params unless None, and x as an array that it takes."""
        x = _validate.levels(x, self.dtype, name="X", n_columns=self.sizes[0])
        if params is None:
            return self, x
        return self.with_params(_validate.vector(params, self.dtype, name="params", size=self.n_params, finite=True)), x

    def _pull(self, kernel, x, h, y_bar, work, n_threads):
        params_bar = np.empty(self.n_params, dtype=self.dtype)
        x_bar = np.empty((len(x), self.sizes[0]), dtype=self.dtype)
        kernel(self.params, x, h, y_bar, work, params_bar, x_bar, n_threads)
        return params_bar, x_bar


def pull_back(
    pull: Callable[[NDArray[Any]], tuple[NDArray[Any], ...]], bar: ArrayLike, value: NDArray[Any]
) -> tuple[NDArray[Any], ...]:
    """What pull makes of a cotangent of value, after checks; with a leading axis, of each of several."""
    bar = _validate.reals(bar, value.dtype, name="the cotangent")
    if bar.shape == value.shape:
        return pull(bar)
    if bar.shape[1:] != value.shape:
        raise ValueError(f"the cotangent has shape {bar.shape}, the value {value.shape}; add at most a leading axis")
    if not len(bar):
        return tuple(part[None][:0] for part in pull(np.zeros_like(value)))
    return tuple(map(np.stack, zip(*map(pull, bar), strict=True)))


def round_latents(z: NDArray[Any], bits: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The nearest of the 2^bits equally spaced values from -1 to 1: the latents that `bits` bits can store.

    With Q = 2^bits - 1: q = round((z + 1) / 2 * Q) gives (2 q - Q) / Q. The derivative is zero
    almost everywhere; training takes it for one (the straight-through estimator of Bengio, Léonard & Courville,
    arXiv:1308.3432), so gradients pass this function unchanged.
    """
    rounded = np.empty_like(z) if out is None else out
    _core.latents_round(z, bits, rounded)
    return rounded
