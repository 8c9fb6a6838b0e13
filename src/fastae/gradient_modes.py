# SPDX-License-Identifier: Apache-2.0
"""The ways to the gradient of a loss over a decoder over an encoder: exact in three ways, naive, and estimated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from fastae import _validate
from fastae.layers import DenseStack, count_params

# (x, h_encoder, z, h_decoder, xhat_bar, encoder_bar, decoder_bar) -> None: fills the last two from the input and the
# outputs of both halves and the loss's cotangent. z are the latents that the decoder was given: rounding passes
# derivatives straight through.
Gradient = Callable[..., None]

NUMBERS_AT_ONCE = 2**18  # of tangents that travel together: enough for full speed, and it bounds the memory


class GradientMode(Protocol):
    """What the values of `GRADIENT_MODES` share."""

    @property
    def exact(self) -> bool:
        """Whether it gives the gradient to rounding, or an estimate whose mean is the gradient."""

    def plan(
        self, encoder: DenseStack, decoder: DenseStack, n: int, rng: np.random.Generator, n_threads: int = 1
    ) -> Gradient:
        """The gradient of batches of n rows, made ready once; rng is drawn from by estimates only."""


Sweep = Literal["reverse", "unit_tangents"]  # a kernel of `_core.Stack` that gives the gradient of a stack


@dataclass(frozen=True)
class ExactMode:
    """The sweeps that give the gradient of a decoder, then of the encoder before it."""

    encoder: Sweep
    decoder: Sweep
    exact = True

    def plan(
        self, encoder: DenseStack, decoder: DenseStack, n: int, rng: np.random.Generator, n_threads: int = 1
    ) -> Gradient:
        """See `GradientMode`."""
        z_bar = np.empty((n, decoder.sizes[0]), dtype=decoder.dtype)
        pull_decoder = _pull(decoder, self.decoder, n, n_threads)
        pull_encoder = _pull(encoder, self.encoder, n, n_threads)

        def gradient(x, h_encoder, z, h_decoder, xhat_bar, encoder_bar, decoder_bar):
            pull_decoder(z, h_decoder, xhat_bar, decoder_bar, z_bar)
            pull_encoder(x, h_encoder, z_bar, encoder_bar, None)

        return gradient


def _pull(stack, sweep, n, n_threads):
    """(x, h, y_bar, params_bar, x_bar) -> None by a sweep over a stack, for n rows."""
    work = np.empty(getattr(stack.kernel, f"{sweep}_work")(n, n_threads), dtype=stack.dtype)
    kernel = getattr(stack.kernel, sweep)

    def pull(x, h, y_bar, params_bar, x_bar):
        kernel(stack.params, x, h, y_bar, work, params_bar, x_bar, n_threads)

    return pull


@dataclass(frozen=True)
class Naive:
    """One tangent for each parameter through both halves: the textbook's forward mode, a reference to compare with.

    Its slope along the unit tangent of a parameter is that entry of the gradient. As many tangents as there are
    parameters cost that many forward passes: use it to check, not to train.
    """

    exact = True

    def plan(
        self, encoder: DenseStack, decoder: DenseStack, n: int, rng: np.random.Generator, n_threads: int = 1
    ) -> Gradient:
        """See `GradientMode`."""

        def gradient(x, h_encoder, z, h_decoder, xhat_bar, encoder_bar, decoder_bar):
            for some, units in _units(encoder, xhat_bar.size):
                z_dot = encoder.tangent(x, h_encoder, params_dot=units, n_threads=n_threads)
                xhat_dot = decoder.tangent(z, h_decoder, x_dot=z_dot, n_threads=n_threads)
                encoder_bar[some] = np.tensordot(xhat_dot, xhat_bar, axes=2)
            for some, units in _units(decoder, xhat_bar.size):
                xhat_dot = decoder.tangent(z, h_decoder, params_dot=units, n_threads=n_threads)
                decoder_bar[some] = np.tensordot(xhat_dot, xhat_bar, axes=2)

        return gradient


def _units(stack, numbers):
    """(slice of the parameters, its unit tangents (k, n_params)), some at once, until all have moved."""
    start = 0
    for k in _parts(stack.n_params, stack.n_params + numbers):
        yield slice(start, start + k), np.eye(k, stack.n_params, start, dtype=stack.dtype)
        start += k


@dataclass(frozen=True)
class ForwardGradient:
    """An unbiased estimate of the gradient from slopes along random directions, without a pass back.

    Parameters
    ----------
    n_tangents : int, 1 or more
        Directions to average over, which travel together: the variance falls as 1 / n_tangents.
    perturb : {"activity", "weight"}
        What moves at random. "weight": the parameters, along v, the same for all rows; the estimate is (∇L · v) v.
        "activity": the pre-activations a of every layer, along u, another for each row; the estimate of the gradient
        with respect to a is (∇L · u) u, and with the layer's inputs it gives that of the parameters. There are far
        fewer pre-activations than weights, so its variance is far less.

    Raises
    ------
    TypeError, ValueError
        If n_tangents is not an integer of 1 or more, or perturb is another word.

    Notes
    -----
    Entries of directions are -1 or 1 with equal chance, which gives less variance than any other law of independent
    entries (Spall, *IEEE Trans. Automatic Control* 37, 1992): with P parameters, (P - 1) ‖∇L‖² / n_tangents in all
    for "weight". Sources: Baydin et al., *Gradients without backpropagation*, arXiv:2202.08587 (weights); Ren et al.,
    *Scaling forward gradient with local losses*, ICLR 2023, arXiv:2210.03310 (activities).

    Examples
    --------
    >>> from fastae import HAPLOTYPE, Decoder, Encoder, ForwardGradient, HammingLoss, Trainer
    >>> mode = ForwardGradient(n_tangents=8)
    >>> trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE), gradient=mode)
    >>> history = trainer.fit([[0, 0, 1, 1], [1, 1, 0, 0]] * 8, n_epochs=200)
    >>> float(history.hamming[-1])
    0.0
    """

    n_tangents: int = 1
    perturb: str = "activity"
    exact = False

    def __post_init__(self) -> None:
        _validate.integer(self.n_tangents, 1, None, name="n_tangents")
        if self.perturb not in ("activity", "weight"):
            error = ValueError if isinstance(self.perturb, str) else TypeError
            raise error(f"perturb is {self.perturb!r}; it can be 'activity' or 'weight'")

    def plan(
        self, encoder: DenseStack, decoder: DenseStack, n: int, rng: np.random.Generator, n_threads: int = 1
    ) -> Gradient:
        """See `GradientMode`."""
        if self.perturb == "weight":
            return self._plan_weight(encoder, decoder, rng, n_threads)
        return self._plan_activity(encoder, decoder, rng, n_threads)

    def _plan_weight(self, encoder, decoder, rng, n_threads):
        def gradient(x, h_encoder, z, h_decoder, xhat_bar, encoder_bar, decoder_bar):
            encoder_bar[:] = decoder_bar[:] = 0
            for k in _parts(self.n_tangents, encoder.n_params + decoder.n_params + xhat_bar.size):
                encoder_dot, decoder_dot = _signs(rng, k, [encoder.params.shape, decoder.params.shape], encoder.dtype)
                z_dot = encoder.tangent(x, h_encoder, params_dot=encoder_dot, n_threads=n_threads)
                xhat_dot = decoder.tangent(z, h_decoder, params_dot=decoder_dot, x_dot=z_dot, n_threads=n_threads)
                slopes = np.tensordot(xhat_dot, xhat_bar, axes=2) / self.n_tangents
                encoder_bar += slopes @ encoder_dot
                decoder_bar += slopes @ decoder_dot

        return gradient

    def _plan_activity(self, encoder, decoder, rng, n_threads):
        layers = _affine_layers(encoder) + _affine_layers(decoder)
        tanh = [name == "tanh" for name in encoder.activations + decoder.activations]

        def gradient(x, h_encoder, z, h_decoder, xhat_bar, encoder_bar, decoder_bar):
            outputs = encoder.outputs(h_encoder) + decoder.outputs(h_decoder)
            inputs = [x, *outputs[:-1]]
            inputs[len(encoder.activations)] = z
            derivatives = [1 - h**2 if is_tanh else np.ones_like(h) for h, is_tanh in zip(outputs, tanh, strict=True)]
            a_bars = [np.zeros_like(h) for h in outputs]
            for k in _parts(self.n_tangents, h_encoder.size + h_decoder.size):
                directions = _signs(rng, k, [h.shape for h in outputs], encoder.dtype)
                h_dot = directions[0] * derivatives[0]
                for layer, h_in, h, derivative, u in zip(
                    layers[1:], inputs[1:], outputs[1:], derivatives[1:], directions[1:], strict=True
                ):
                    h_dot = layer.tangent(h_in, h, x_dot=h_dot, n_threads=n_threads)
                    h_dot += u
                    h_dot *= derivative
                slopes = np.einsum("kij,ij->ki", h_dot, xhat_bar) / self.n_tangents  # one for each row
                for a_bar, u in zip(a_bars, directions, strict=True):
                    a_bar += np.einsum("ki,kij->ij", slopes, u)
            bars = encoder.with_params(encoder_bar).layers() + decoder.with_params(decoder_bar).layers()
            for (weights_bar, bias_bar), a_bar, h_in in zip(bars, a_bars, inputs, strict=True):
                np.matmul(a_bar.T, h_in, out=weights_bar)
                np.sum(a_bar, axis=0, out=bias_bar)

        return gradient


def _affine_layers(stack):
    """The maps h -> W h + b of the layers of a stack, over its parameters."""
    layers, start = [], 0
    for sizes in itertools.pairwise(stack.sizes):
        stop = start + count_params(sizes)
        layers.append(DenseStack(sizes, ["identity"], stack.params[start:stop]))
        start = stop
    return layers


def _parts(total, numbers):
    """The numbers of tangents that travel together, total in all, where one holds so many numbers."""
    most = max(1, NUMBERS_AT_ONCE // numbers)
    for start in range(0, total, most):
        yield min(most, total - start)


_BITS_OF_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
_SIGNS_OF_BYTE = {np.dtype(real): 1 - 2 * _BITS_OF_BYTE.astype(real) for real in (np.float32, np.float64)}


def _signs(rng, k, shapes, dtype):
    """For each shape an array (k, *shape) of -1 and 1 with equal chance, from a bit of randomness each.

    A tangent draws whole words of its own, so that a seed gives the same tangents however many are drawn together.
    """
    n_words = [-(-math.prod(shape) // 64) for shape in shapes]
    words = rng.integers(0, 2**64, (k, sum(n_words)), dtype=np.uint64)
    signs = []
    for shape, part in zip(shapes, np.split(words, np.cumsum(n_words)[:-1], axis=1), strict=True):
        octets = np.ascontiguousarray(part).view(np.uint8)
        found = np.take(_SIGNS_OF_BYTE[dtype], octets, axis=0, mode="clip")  # never clips, but is five times as fast
        signs.append(np.ascontiguousarray(found.reshape(k, -1)[:, : math.prod(shape)]).reshape(k, *shape))
    return signs


# All but "forward_gradient" give the same gradient to rounding. "forward" needs Σ d_l tangents where "naive" needs one
# for each parameter, and re-bases them at the latent: only the latents' unit tangents cross the decoder. "mixed" has
# forward mode where the input is narrow (the decoder) and reverse mode where it is wide (the encoder).
GRADIENT_MODES: dict[str, GradientMode] = {
    "forward": ExactMode(encoder="unit_tangents", decoder="unit_tangents"),
    "mixed": ExactMode(encoder="reverse", decoder="unit_tangents"),
    "reverse": ExactMode(encoder="reverse", decoder="reverse"),
    "forward_gradient": ForwardGradient(),
    "naive": Naive(),
}


def gradient_mode(gradient: str | GradientMode) -> GradientMode:
    """The mode that an option names, or is."""
    if isinstance(gradient, str):
        if gradient in GRADIENT_MODES:
            return GRADIENT_MODES[gradient]
        error: type[Exception] = ValueError
    elif hasattr(gradient, "plan") and not isinstance(gradient, type):
        return gradient
    else:
        error = TypeError
    raise error(
        f"gradient is {gradient!r}; it can be {', '.join(map(repr, GRADIENT_MODES))}, or a mode such as "
        "ForwardGradient(n_tangents=16)"
    )
