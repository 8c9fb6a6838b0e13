# SPDX-License-Identifier: Apache-2.0
"""Derivatives of models: forward mode (jvp), reverse mode (vjp), their compositions, and Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _validate
from fastae.layers import ACTIVATIONS, Pull, pull_back

_FUNCTIONS = "an Encoder, Decoder, Chain, DenseStack, Activation, loss.bind(codes), or compose() of these"
_NUMBERS_AT_ONCE = 2**22  # of tangents that travel at once: bounds the memory beside the result


def jvp(fun: Any, primals: tuple[Any, ...], tangents: tuple[Any, ...], *, n_threads: int = 1) -> tuple[Any, Any]:
    """Forward mode: the value of fun and its derivative along tangents, in one pass (J·v, the signature of JAX).

    Parameters
    ----------
    fun : Encoder, Decoder, Chain, DenseStack, Activation, a bound loss, or any of these composed
        A loss is bound to its symbols by ``loss.bind(codes)``; functions are composed by `compose`.
    primals : tuple or list
        ``(X,)``, or ``(params, X)`` to differentiate with respect to the parameters as well: X of shape
        (n_samples, n_features), params of shape (n_params,).
    tangents : tuple or list
        One for each primal, of its shape, or with a leading axis of n_tangents that all travel at once; None for
        a primal that is held fixed.
    n_threads : int
        Most threads that share the rows, from 1; the results are the same, to the bit, for every number.

    Returns
    -------
    value : ndarray of shape (n_samples, n_outputs), or float for a loss
    value_dot : ndarray of the shape of value, after the leading axis if tangents have one

    Raises
    ------
    TypeError
        If fun, primals or tangents are of another kind, tangents hold integers, or X holds integers for a model,
        which takes levels.
    ValueError
        If primals and tangents do not fit together or do not fit fun, or hold NaN or infinity.

    Notes
    -----
    Latents rounded by ``latent_bits`` pass tangents straight through, as in training.
    Source: Wengert, *A simple automatic derivative evaluation program*, CACM 7 (1964).

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import Encoder, jvp
    >>> encoder = Encoder([10, 4, 2], dtype=np.float64)
    >>> x, x_dot = np.zeros((1, 10)), np.eye(10)[:, None, :]
    >>> z, z_dot = jvp(encoder, (x,), (x_dot,))  # ten tangents: the whole Jacobian
    >>> z.shape, z_dot.shape
    ((1, 2), (10, 1, 2))
    >>> step = 1e-6
    >>> difference = (encoder(x + step * x_dot[3]) - encoder(x - step * x_dot[3])) / (2 * step)
    >>> bool(np.allclose(z_dot[3], difference))
    True
    """
    rule = _rule(fun, "jvp_rule")
    params, x = _pair(primals, "primals")
    params_dot, x_dot = _pair(tangents, "tangents")
    if len(tangents) != len(primals):
        raise ValueError(
            f"there are {len(primals)} primals and {len(tangents)} tangents; give a tangent for each primal, None for "
            "one that is held fixed"
        )
    if params_dot is None and x_dot is None:
        raise ValueError("all tangents are None; give at least one")
    return rule(params, x, params_dot, x_dot, _threads(n_threads))


def vjp(fun: Any, *primals: Any, n_threads: int = 1) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Reverse mode: the value of fun and the function that pulls cotangents back (vᵀ·J, the signature of JAX).

    Parameters
    ----------
    fun, primals, n_threads
        As `jvp`.

    Returns
    -------
    value : ndarray of shape (n_samples, n_outputs), or float for a loss
    pull : function
        ``pull(value_bar)`` gives a tuple with one cotangent, of its shape, for each primal. With a leading axis of
        several cotangents, value_bar gives them that axis too.

    Raises
    ------
    TypeError
        If fun is of another kind, a cotangent holds integers, or X holds integers for a model, which takes levels.
    ValueError
        If primals do not fit fun, or they or a cotangent hold NaN or infinity.

    Notes
    -----
    Source: Linnainmaa, *Taylor expansion of the accumulated rounding error*, BIT 16 (1976).

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, Chain, CrossEntropyLoss, Decoder, Encoder, compose, vjp
    >>> model = Chain(Encoder([6, 2]), Decoder([2, 6]))
    >>> codes = np.array([[0, 1, 1, 0, 0, 1]])
    >>> fun = compose(CrossEntropyLoss(HAPLOTYPE).bind(codes), model)
    >>> value, pull = vjp(fun, model.params, HAPLOTYPE.to_levels(codes))
    >>> params_bar, x_bar = pull(1.0)
    >>> params_bar.shape, x_bar.shape
    ((32,), (1, 6))
    >>> y, pull = vjp(model, HAPLOTYPE.to_levels(codes))
    >>> (x_bars,) = pull(np.eye(6)[:, None, :])  # six cotangents: the whole Jacobian
    >>> x_bars.shape
    (6, 1, 6)
    """
    rule = _rule(fun, "vjp_rule")
    return rule(*_pair(primals, "primals"), _threads(n_threads))


def jacobian(fun: Any, x: ArrayLike, mode: str = "forward", *, n_threads: int = 1) -> NDArray[Any]:
    """All first derivatives of fun with respect to its input x, its parameters standing still.

    For those with respect to parameters see `vjp`, or `value_and_grad` for a loss.

    Parameters
    ----------
    fun
        As `jvp`.
    x : array_like of shape (n_samples, d_in), or (d_in,) for one row
    mode : {"forward", "reverse"}
        "forward" sends d_in unit tangents through at once, "reverse" pulls d_out unit cotangents back: take the
        one with fewer. They agree to rounding.
    n_threads : int
        As `jvp`.

    Returns
    -------
    J : ndarray of shape (n_samples, d_out, d_in), or (d_out, d_in) for one row
        A row's output depends on that row alone, so each has its own Jacobian. A function with one number for
        all rows, as a loss, gives an array like x, its gradient.

    Raises
    ------
    TypeError
        If fun, x or mode is of another kind.
    ValueError
        If x does not fit fun or holds NaN or infinity, or mode is another word.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import Decoder, jacobian
    >>> decoder = Decoder([3, 6, 10], dtype=np.float64)
    >>> J = jacobian(decoder, np.zeros((5, 3)))  # 3 tangents; "reverse" would pull 10 cotangents
    >>> J.shape, jacobian(decoder, np.zeros(3)).shape
    ((5, 10, 3), (10, 3))
    >>> bool(np.allclose(J, jacobian(decoder, np.zeros((5, 3)), mode="reverse")))
    True
    """
    if not isinstance(mode, str):
        raise TypeError(
            f"mode is {type(mode).__name__}; give jacobian(fun, x, mode), with 'forward' or 'reverse': it is with "
            "respect to x, and takes parameters from fun"
        )
    if mode not in ("forward", "reverse"):
        raise ValueError(f"mode is {mode!r}; it can be 'forward' or 'reverse'")
    _rule(fun, "jvp_rule")
    x = _validate.rectangular(x, name="x")
    if x.ndim not in (1, 2):
        raise ValueError(f"x has shape {x.shape}; give (n_samples, d_in), or (d_in,) for one row")
    find = _jacobian_forward if mode == "forward" else _jacobian_reverse
    found = find(fun, np.atleast_2d(x), _threads(n_threads))
    return found[0] if x.ndim == 1 else found


def _jacobian_forward(fun, x, n_threads):
    y = np.asarray(fun(x))
    n_units = x.size if y.ndim == 0 else x.shape[1]  # rows that share a number cannot move together
    found = np.empty((*y.shape, n_units), dtype=y.dtype if y.ndim else x.dtype)
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, x.size, y.size))
    for start in range(0, n_units, at_once):
        k = min(at_once, n_units - start)
        units = np.eye(k, n_units, start, dtype=x.dtype)
        x_dot = units.reshape(k, *x.shape) if y.ndim == 0 else np.repeat(units[:, None], len(x), axis=1)
        _, columns = jvp(fun, (x,), (x_dot,), n_threads=n_threads)
        found[..., start : start + k] = np.moveaxis(columns, 0, -1)
    return found.reshape(x.shape) if y.ndim == 0 else found


def _jacobian_reverse(fun, x, n_threads):
    y, pull = vjp(fun, x, n_threads=n_threads)
    if np.ndim(y) == 0:
        return pull(1.0)[0]
    found = np.empty((*y.shape, x.shape[1]), dtype=y.dtype)
    for i in range(y.shape[1]):
        unit = np.zeros_like(y)
        unit[:, i] = 1
        found[:, i] = pull(unit)[0]
    return found


class Activation:
    """An activation as a function of its own, number by number, to compose; `DenseStack` has its own built in.

    Parameters
    ----------
    name : {"tanh", "identity"}

    Raises
    ------
    ValueError
        If name is another word.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import Activation, jvp
    >>> jvp(Activation("tanh"), (np.zeros((1, 2)),), (np.array([[1.0, -3.0]]),))
    (array([[0., 0.]]), array([[ 1., -3.]]))
    """

    def __init__(self, name: str) -> None:
        if name not in ACTIVATIONS:
            raise ValueError(f"activation is {name!r}; it can be {' or '.join(map(repr, ACTIVATIONS))}")
        self.name = name

    def __repr__(self):
        return f"Activation({self.name!r})"

    def __call__(self, X: ArrayLike) -> NDArray[Any]:
        """Rows like X, float32 or float64."""
        X = _validate.rectangular(X, name="X")
        X = _validate.levels(X, X.dtype if X.dtype == np.float32 else np.float64, name="X")
        return np.tanh(X) if self.name == "tanh" else X.copy()

    def jvp_rule(
        self, params: None, x: ArrayLike, params_dot: None, x_dot: ArrayLike, n_threads: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See `fastae.jvp`."""
        h = self._outputs(params, x)
        dots, many = _validate.tangents(x_dot, h, name="X")
        h_dot = dots * self._slopes(h)
        return h, h_dot if many else h_dot[0]

    def vjp_rule(self, params: None, x: ArrayLike, n_threads: int = 1) -> tuple[NDArray[Any], Pull]:
        """See `fastae.vjp`."""
        h = self._outputs(params, x)
        slopes = self._slopes(h)
        return h, lambda h_bar: pull_back(lambda bar: (bar * slopes,), h_bar, h)

    def _outputs(self, params, x):
        if params is not None:
            raise ValueError("an activation has no parameters; give X alone")
        return self(x)

    def _slopes(self, h):
        return 1 - h**2 if self.name == "tanh" else np.ones_like(h)


def compose(*functions: Any) -> Composition:
    """The function x -> functions[0](functions[1](... x)), which `jvp` and `vjp` differentiate as a whole.

    Parameters
    ----------
    *functions
        As `jvp` takes them, the last applied first; a loss can only be the outermost, the first.

    Returns
    -------
    fun : Composition
        Callable. Its ``params`` are those of its functions one after the other, in the order in which they are applied,
        as a Chain has the encoder's before the decoder's.

    Raises
    ------
    TypeError
        If there is no function, or one is of another kind.
    ValueError
        If a loss is not the outermost.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, Chain, Decoder, Encoder, HammingLoss, compose, jvp
    >>> codes = np.array([[0, 1, 1, 0]])
    >>> model = Chain(Encoder([4, 2], dtype=np.float64), Decoder([2, 4], dtype=np.float64))
    >>> fun = compose(HammingLoss(HAPLOTYPE).bind(codes), model)
    >>> directions = np.eye(model.params.size)  # one tangent for each parameter
    >>> value, slopes = jvp(fun, (fun.params, HAPLOTYPE.to_levels(codes)), (directions, None))
    >>> slopes.shape
    (22,)
    """
    if not functions:
        raise TypeError("compose() got no function; give at least one")
    return Composition(functions)


class Composition:
    """What `compose` makes."""

    def __init__(self, functions: tuple[Any, ...]) -> None:
        for fun in functions:
            _rule(fun, "jvp_rule")
        for fun in functions[1:]:
            if getattr(fun, "gives_number", False):
                raise ValueError(f"{fun!r} gives one number, of which nothing else is a function; put it first")
        self._steps = functions[::-1]
        self.gives_number: bool = getattr(functions[0], "gives_number", False)
        self._n_params = [getattr(fun, "params", _NO_PARAMS).size for fun in self._steps]

    @property
    def params(self) -> NDArray[Any]:
        """A copy of the parameters of all functions, those of the first applied first."""
        return np.concatenate([getattr(fun, "params", _NO_PARAMS) for fun in self._steps])

    def __repr__(self):
        return f"compose({', '.join(map(repr, self._steps[::-1]))})"

    def __call__(self, X: ArrayLike) -> Any:
        """The value at X, with the functions' own parameters."""
        for fun in self._steps:
            X = fun(X)
        return X

    def jvp_rule(
        self, params: ArrayLike | None, x: Any, params_dot: ArrayLike | None, x_dot: Any, n_threads: int = 1
    ) -> tuple[Any, Any]:
        """See `fastae.jvp`: tangents pass from each function to the next."""
        for fun, own, own_dot in zip(self._steps, self._split(params), self._split(params_dot), strict=True):
            if own_dot is None and x_dot is None:  # nothing moves yet
                x = fun(x)
            else:
                x, x_dot = fun.jvp_rule(own, x, own_dot, x_dot, n_threads)
        return x, x_dot

    def vjp_rule(self, params: ArrayLike | None, x: Any, n_threads: int = 1) -> tuple[Any, Pull]:
        """See `fastae.vjp`: cotangents pass from each function to the one before."""
        pulls = []
        for fun, own in zip(self._steps, self._split(params), strict=True):
            x, pull = fun.vjp_rule(own, x, n_threads)
            pulls.append(pull)

        def pull_all(bar):
            params_bars: list[NDArray[Any]] = []
            for pull in reversed(pulls):
                *own_bar, bar = pull(bar)
                params_bars = own_bar + params_bars
            return (bar,) if params is None else (np.concatenate(params_bars, axis=-1), bar)

        return x, pull_all

    def _split(self, params):
        """Each function's own part of params, or of their tangents; None for a function that has none."""
        if params is None:
            return [None] * len(self._steps)
        params = _validate.rectangular(params, name="params")
        if params.shape[-1:] != (sum(self._n_params),):
            raise ValueError(f"params have shape {params.shape}; the composition has {sum(self._n_params)} parameters")
        parts = np.split(params, np.cumsum(self._n_params)[:-1], axis=-1)
        return [part if size else None for part, size in zip(parts, self._n_params, strict=True)]


_NO_PARAMS = np.empty(0)


def _rule(fun, name):
    rule = None if isinstance(fun, type) else getattr(fun, name, None)
    if rule is None:
        raise TypeError(
            f"fun is {fun.__name__ if isinstance(fun, type) else type(fun).__name__}; it can be {_FUNCTIONS}"
        )
    return rule


def _threads(n_threads):
    # a kernel refuses such a number too; but not every function has one to ask
    return (
        n_threads
        if type(n_threads) is int and n_threads > 0
        else _validate.integer(n_threads, 1, None, name="n_threads")
    )


def _pair(values, name):
    """(params, X), with params None where only X is given."""
    if not isinstance(values, (tuple, list)):
        raise TypeError(f"{name} is {type(values).__name__}; give a tuple, of X or of params and X")
    if len(values) not in (1, 2):
        raise ValueError(f"there are {len(values)} {name}; give one of X, or two, of params and of X")
    return values if len(values) == 2 else (None, values[0])
