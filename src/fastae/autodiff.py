# SPDX-License-Identifier: Apache-2.0
"""Derivatives of models: forward mode (jvp), reverse mode (vjp), and the exact gradient modes that train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastae import _core
from fastae.layers import DenseStack


def jvp(fun: Any, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Forward mode: the value of fun and its derivative along tangents, in one pass (J·v, the signature of JAX).

    Parameters
    ----------
    fun : Encoder, Decoder, Chain, DenseStack, or a loss bound to its symbols (``loss.bind(codes)``)
    primals : tuple
        ``(X,)``, or ``(params, X)`` to differentiate with respect to the parameters as well: X of shape
        (n_samples, n_features), params of shape (n_params,).
    tangents : tuple
        One for each primal, of its shape, or with a leading axis of n_tangents that all travel at once; None for
        a primal that is held fixed.

    Returns
    -------
    value : ndarray of shape (n_samples, n_outputs), or float for a loss
    value_dot : ndarray of the shape of value, after the leading axis if tangents have one

    Raises
    ------
    TypeError
        If fun is of another kind, or X holds integers for a model, which takes levels.
    ValueError
        If primals and tangents do not fit together or do not fit fun, or X holds NaN or infinity.

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
    params_dot, x_dot = _pair(tangents, "tangents", n=len(primals))
    if params_dot is None and x_dot is None:
        raise ValueError("all tangents are None; give at least one")
    return rule(params, x, params_dot, x_dot)


def vjp(fun: Any, *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Reverse mode: the value of fun and the function that pulls cotangents back (vᵀ·J, the signature of JAX).

    Parameters
    ----------
    fun, primals
        As `jvp`.

    Returns
    -------
    value : ndarray of shape (n_samples, n_outputs), or float for a loss
    pull : function
        ``pull(value_bar)`` gives a tuple with one cotangent, of its shape, for each primal.

    Raises
    ------
    TypeError
        If fun is of another kind, or X holds integers for a model, which takes levels.
    ValueError
        If primals do not fit fun, or X holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, Chain, CrossEntropyLoss, Decoder, Encoder, vjp
    >>> model = Chain(Encoder([6, 2]), Decoder([2, 6]))
    >>> codes = np.array([[0, 1, 1, 0, 0, 1]])
    >>> xhat, pull_model = vjp(model, model.params, HAPLOTYPE.to_levels(codes))
    >>> value, pull_loss = vjp(CrossEntropyLoss(HAPLOTYPE).bind(codes), xhat)
    >>> params_bar, x_bar = pull_model(*pull_loss(1.0))
    >>> params_bar.shape, x_bar.shape
    ((32,), (1, 6))
    """
    rule = _rule(fun, "vjp_rule")
    return rule(*_pair(primals, "primals"))


def _rule(fun, name):
    rule = getattr(fun, name, None)
    if rule is None:
        raise TypeError(
            f"fun is {type(fun).__name__}; it can be an Encoder, Decoder, Chain, DenseStack or loss.bind(codes)"
        )
    return rule


def _pair(values, name, n=None):
    """(params, X), with params None where only X is given."""
    if not isinstance(values, tuple) or len(values) not in (1, 2) or (n is not None and len(values) != n):
        wanted = "a tuple (X,) or (params, X)" if n is None else f"a tuple of {n}, one for each primal"
        raise ValueError(f"{name} must be {wanted}")
    return values if len(values) == 2 else (None, values[0])


class Sweep(NamedTuple):
    """One exact way to the gradient of a stack: a kernel and the scratch it needs."""

    kernel: Callable[..., None]
    work: Callable[..., int]


REVERSE = Sweep(_core.stack_reverse, _core.stack_reverse_work)
UNIT_TANGENTS = Sweep(_core.stack_unit_tangents, _core.stack_unit_tangents_work)


class ExactMode(NamedTuple):
    """The sweeps that give the gradient of a decoder, then of the encoder before it."""

    encoder: Sweep
    decoder: Sweep

    def plan(self, encoder: DenseStack, decoder: DenseStack, n: int) -> ExactGradient:
        """The gradient of batches of n rows, its buffers made once."""
        return ExactGradient(self, encoder, decoder, n)


class ExactGradient:
    """The gradient of batches of n rows by an `ExactMode`."""

    def __init__(self, mode: ExactMode, encoder: DenseStack, decoder: DenseStack, n: int) -> None:
        self._mode = mode
        self._stacks = encoder, decoder
        self._z_bar = np.empty((n, decoder.sizes[0]), dtype=decoder.dtype)
        self._scratch = tuple(
            np.empty(sweep.work(stack.kernel_sizes, n), dtype=stack.dtype)
            for sweep, stack in zip(mode, self._stacks, strict=True)
        )

    def __call__(
        self,
        x: NDArray[Any],
        h_encoder: NDArray[Any],
        z: NDArray[Any],
        h_decoder: NDArray[Any],
        xhat_bar: NDArray[Any],
        encoder_bar: NDArray[Any],
        decoder_bar: NDArray[Any],
    ) -> None:
        """Fill encoder_bar and decoder_bar from the outputs of both halves and the loss's cotangent xhat_bar.

        z are the latents that the decoder was given: rounding passes the cotangent straight through.
        """
        encoder, decoder = self._stacks
        self._mode.decoder.kernel(
            decoder.kernel_sizes,
            decoder.kernel_activations,
            decoder.params,
            z,
            h_decoder,
            xhat_bar,
            self._scratch[1],
            decoder_bar,
            self._z_bar,
        )
        self._mode.encoder.kernel(
            encoder.kernel_sizes,
            encoder.kernel_activations,
            encoder.params,
            x,
            h_encoder,
            self._z_bar,
            self._scratch[0],
            encoder_bar,
            None,
        )


# All give the same gradient to rounding. "forward" needs Σ d_l tangents instead of one for each parameter, and
# re-bases them at the latent: only the latents' unit tangents cross the decoder. "mixed" has forward mode where the
# input is narrow (the decoder) and reverse mode where it is wide (the encoder).
GRADIENT_MODES = {
    "forward": ExactMode(UNIT_TANGENTS, UNIT_TANGENTS),
    "reverse": ExactMode(REVERSE, REVERSE),
    "mixed": ExactMode(REVERSE, UNIT_TANGENTS),
}
