# SPDX-License-Identifier: Apache-2.0
"""Float decoder -> integer decoder: the same scores on every machine (FORMAT.md §3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _core, _validate

HIDDEN_ONE = 127  # the integer that stands for 1 in a hidden layer
TANH_STEP = 32  # entries of the tanh table per unit of pre-activation
_BIAS_LIMIT = 1 << 29  # leaves room for the weights' share of an int32 sum


class FloatDecoder(Protocol):
    """What is read of a float decoder."""

    @property
    def sizes(self) -> Sequence[int] | NDArray[np.int64]: ...
    @property
    def layers(self) -> Sequence[tuple[np.ndarray, np.ndarray]]: ...
    @property
    def activations(self) -> Sequence[str]: ...


class IntDecoder:
    """A dense decoder in integers: int8 weights, int32 sums, tanh by table; bit-exact on every CPU.

    A latent code q of b bits enters as the odd number 2 q - (2**b - 1). Hidden layers are tanh, in units of 1/127. The
    last layer's sums are the scores: their signs are those of the float decoder's outputs, up to quantisation.

    Parameters
    ----------
    sizes : array_like of int, shape (n_layers + 1,)
        Widths from latents to outputs.
    weights : array_like of int8, shape (sum(sizes[:-1] * sizes[1:]),)
        W_1 (sizes[1], sizes[0]), row by row, then W_2, ...
    biases : array_like of int32, shape (sum(sizes[1:]),)
    multipliers, shifts : array_like of int32, shape (n_layers - 1,)
        (sum * multiplier + 2**(shift - 1)) >> shift is 32 times a hidden unit's pre-activation.
    latent_bits : int
        1 to 8.
    score_scale : float
        A float pre-activation of the last layer is about its score times this.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other or a sum could overflow.

    Examples
    --------
    >>> decoder = IntDecoder([1, 2], weights=[3, -1], biases=[0, 5], multipliers=[], shifts=[], latent_bits=1)
    >>> decoder.scores([[0], [1]])
    array([[-3,  6],
           [ 3,  4]], dtype=int32)
    """

    def __init__(
        self,
        sizes: ArrayLike,
        weights: ArrayLike,
        biases: ArrayLike,
        multipliers: ArrayLike,
        shifts: ArrayLike,
        *,
        latent_bits: int,
        score_scale: float = 1.0,
    ):
        self.sizes = _validate.vector(sizes, np.int64, name="sizes")
        self.weights = _validate.vector(weights, np.int8, name="weights")
        self.biases = _validate.vector(biases, np.int32, name="biases")
        self.multipliers = _validate.vector(multipliers, np.int32, name="multipliers")
        self.shifts = _validate.vector(shifts, np.int32, name="shifts")
        self.latent_bits = _validate.integer(latent_bits, 1, 8, name="latent_bits")
        self.score_scale = float(score_scale)
        arrays = (self.sizes, self.weights, self.biases, self.multipliers, self.shifts)
        self._arrays = _core.IntDecoderArrays(*arrays, self.latent_bits)

    @classmethod
    def from_float(cls, decoder: FloatDecoder, *, latent_bits: int, weight_bits: int | Sequence[int] = 8) -> IntDecoder:
        """Quantise a trained float decoder.

        Each layer has one symmetric scale, chosen to lose the least squared weight error at its number of bits.

        Parameters
        ----------
        decoder : Decoder
            Read are `sizes`, `layers` [(W (d_out, d_in), b (d_out,)), ...] and `activations`.
        latent_bits : int
            1 to 8, the bits of a latent code.
        weight_bits : int or sequence of int
            2 to 8, for all layers or one for each.

        Raises
        ------
        TypeError, ValueError
            If a hidden layer is not tanh, a weight is not finite, or the bits are out of range.
        """
        latent_bits = _validate.integer(latent_bits, 1, 8, name="latent_bits")
        n_layers = len(decoder.layers)
        bits = list(weight_bits) if isinstance(weight_bits, Sequence) else [weight_bits] * n_layers
        if len(bits) != n_layers:
            raise ValueError(f"weight_bits has {len(bits)} entries, the decoder has {n_layers} layers")
        for number, activation in enumerate(decoder.activations[:-1]):
            if activation != "tanh":
                raise ValueError(f"hidden layer {number + 1} has activation {activation!r}; integer decoders need tanh")

        weights, biases, multipliers, shifts = [], [], [], []
        one = (1 << latent_bits) - 1  # the integer that stands for an input of 1
        for number, ((w, b), n_bits) in enumerate(zip(decoder.layers, bits, strict=True), start=1):
            n_bits = _validate.integer(n_bits, 2, 8, name="weight_bits")
            w = _validate.matrix(w, np.float64, name=f"weights of layer {number}", finite=True)
            b = _validate.vector(b, np.float64, name=f"biases of layer {number}", size=w.shape[0], finite=True)
            scale = _weight_scale(w, n_bits)
            scale = max(scale, np.abs(b).max() * one / _BIAS_LIMIT)
            unit = scale / one  # what 1 in the sum stands for
            weights.append(_round_to(w / scale, (1 << n_bits - 1) - 1).astype(np.int8).ravel())
            biases.append(np.rint(b / unit).astype(np.int32))
            if number < n_layers:
                multiplier, shift = _fixed_point(TANH_STEP * unit)
                multipliers.append(multiplier)
                shifts.append(shift)
            one = HIDDEN_ONE
        return cls(
            decoder.sizes,
            np.concatenate(weights),
            np.concatenate(biases),
            np.array(multipliers, dtype=np.int32),
            np.array(shifts, dtype=np.int32),
            latent_bits=latent_bits,
            score_scale=unit,
        )

    def scores(
        self, latent_codes: ArrayLike, *, out: NDArray[np.int32] | None = None, n_threads: int = 1
    ) -> NDArray[np.int32]:
        """The last layer's integer sums.

        Parameters
        ----------
        latent_codes : array_like of int, shape (n_samples, n_latents)
            Each in 0 .. 2**latent_bits - 1.
        out : ndarray of int32, shape (n_samples, n_outputs), optional
            Where to write; a new array by default.
        n_threads : int
            Among which the rows are shared out. The scores do not depend on it.

        Returns
        -------
        ndarray of int32, shape (n_samples, n_outputs)

        Raises
        ------
        TypeError, ValueError
            If the codes are not integers, out of range, or of another width than the decoder's, or `out` does not fit.
        """
        codes = _validate.matrix(latent_codes, np.uint8, name="latent_codes", n_columns=int(self.sizes[0]))
        n = len(codes)
        n_threads = _validate.integer(n_threads, 1, None, name="n_threads")
        shape = n, int(self.sizes[-1])
        scores = _lined_up(shape) if out is None else _validate.output(out, shape, np.int32)
        work = np.empty(self._arrays.work(n, n_threads), dtype=np.uint8)
        try:
            self._arrays.forward(codes, work, scores, n_threads)
        except ValueError:
            most = (1 << self.latent_bits) - 1
            raise ValueError(
                f"latent_codes holds {codes.max()}, a code of {self.latent_bits} bits is at most {most}"
            ) from None
        return scores

    def inverse_transform(self, Z: ArrayLike, *, n_threads: int = 1) -> NDArray[np.float32]:
        """Reconstructions in (-1, 1) of latents, which are rounded to their nearest codes first.

        Parameters
        ----------
        Z : array_like of float, shape (n_samples, n_latents)
        n_threads : int
            As for `scores`.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_outputs)
        """
        z = _validate.matrix(Z, np.float64, name="Z", n_columns=int(self.sizes[0]), finite=True)
        scores = self.scores(latent_codes(z, self.latent_bits), n_threads=n_threads)
        return np.tanh(scores * self.score_scale).astype(np.float32)


def _lined_up(shape):
    """A new int32 array that starts with a cache line: rows stored by tiles and vectors then take a third less time."""
    size = shape[0] * shape[1]
    room = np.empty(size + 15, dtype=np.int32)
    start = -room.__array_interface__["data"][0] % 64 // 4
    return room[start : start + size].reshape(shape)


def latent_codes(z, bits):
    """Codes uint8 of finite latents: the nearest of 2**bits even steps from -1 to 1."""
    top = (1 << bits) - 1
    return np.clip(np.rint(z * (top / 2) + top / 2), 0, top).astype(np.uint8)


def _round_to(x, limit):
    return np.clip(np.rint(x), -limit, limit)


def _weight_scale(w, bits):
    """The step that rounds w to 2^bits - 1 levels with the least squared error: a search over how much to clip."""
    limit = (1 << bits - 1) - 1
    largest = np.abs(w).max()
    if largest == 0:
        return 1.0
    best_scale, best_error = 0.0, np.inf
    for clip in np.geomspace(0.1, 1.0, 60):
        scale = clip * largest / limit
        q = _round_to(w / scale, limit)
        if q.any():
            scale = float((w * q).sum() / (q * q).sum())  # the best step for these levels
        error = float(((w - scale * _round_to(w / scale, limit)) ** 2).sum())
        if error < best_error:
            best_scale, best_error = scale, error
    return best_scale


def _fixed_point(x):
    """(multiplier, shift) with multiplier * 2^-shift nearest to x > 0, the multiplier below 2^31, the shift 1 to 62."""
    fraction, exponent = np.frexp(x)
    shift = min(30 - int(exponent), 62)
    if shift < 1:
        raise ValueError(f"a layer's weights are too large for an integer decoder: one step is {x / TANH_STEP:.3g}")
    return int(np.rint(np.ldexp(x, shift))), shift
