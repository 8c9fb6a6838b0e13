# SPDX-License-Identifier: Apache-2.0
"""Learns the autoencoder of a window: floats train here, integers decode elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastae import _core
from fastae.alphabet import HAPLOTYPE
from fastae.archive.columns import NEVER, ColumnTable
from fastae.archive.predictors.autoencoder import LEVEL_WIDTH, N_CONTEXTS, N_GROUPS, Model, row_order
from fastae.archive.predictors.codebook import Codebook
from fastae.archive.predictors.rounding import round_layer
from fastae.errors import InputError
from fastae.latents import dequantize_latents, quantize_latents
from fastae.losses import CrossEntropyLoss
from fastae.models import Decoder, Encoder
from fastae.quantize import HIDDEN_ONE, IntDecoder
from fastae.trainer import Trainer

MIN_EVENTS = 13  # a column with fewer rare bits than this is not worth its weights
MAX_OUTPUTS = 1 << 13  # of a decoder: bounds the memory of its rounding
MAX_TRAINING_ROWS = 20_000
MAX_STEPS, MAX_EPOCHS = 6_000, 300  # whichever comes first
BATCH_SIZE = 128
LEARNING_RATE = 4e-3
BIAS_STEP = 0.1  # nats
N_SWEEPS = 3  # over the latents, in search of better ones; the first looks at errors only
SEARCH_ROWS = 1024  # at a time: bounds the memory of the search
MIN_GAIN = 0.1  # bits


@dataclass(frozen=True)
class Shape:
    """Of an autoencoder.

    Attributes
    ----------
    n_latents : int
    n_hidden : int
        Units of each of the decoder's hidden layers; the encoder's have 2 n_latents + 16.
    n_layers : int
        Of either half, the one that gives the output included.
    latent_bits : int
        Of a latent.
    """

    n_latents: int
    n_hidden: int
    n_layers: int = 2
    latent_bits: int = 1

    def encoder_sizes(self, width: int) -> list[int]:
        """Widths from `width` columns to the latents."""
        return [width, *[2 * self.n_latents + 16] * (self.n_layers - 1), self.n_latents]

    def decoder_sizes(self, width: int) -> list[int]:
        """Widths from the latents to `width` columns."""
        return [self.n_latents, *[self.n_hidden] * (self.n_layers - 1), width]


def max_modelled_rate(rates: np.ndarray, n_rows: int) -> int:
    """The highest rate of a column that a decoder predicts: the commonest columns are, however rare."""
    worthwhile = int(np.clip(np.round(-4 * np.log2(min(MIN_EVENTS / max(n_rows, 1), 0.5))) - 1, 0, 99))
    varying = rates[rates != NEVER]
    return max(worthwhile, int(varying.min())) if len(varying) else worthwhile


def fit(
    matrix: np.ndarray,
    table: ColumnTable,
    slab_rows: int,
    seed: int | tuple[int, ...],
    *,
    shape: Shape | None = None,
    n_epochs: int | None = None,
    check_stop: Callable[[], object] = lambda: None,
) -> tuple[Model, np.ndarray] | None:
    """Train an autoencoder on a window.

    Parameters
    ----------
    matrix : ndarray of uint8, shape (n_columns, n_rows)
    table : ColumnTable
    slab_rows : int
        Rows of a block: the blocks the rates are for.
    seed : int or tuple of int
    shape : Shape, optional
        Otherwise `shape_of` gives one.
    n_epochs : int, optional
        Otherwise as many as make MAX_STEPS updates, at most MAX_EPOCHS.
    check_stop : function
        Called all the time; what it raises ends the training.

    Returns
    -------
    model : Model
    latent_codes : ndarray of uint8, shape (n_rows, n_latents)
    None if no column varies.

    Raises
    ------
    InputError
        If too many columns are to be modelled.
    """
    n_rows = matrix.shape[1]
    max_rate, modelled = modelled_columns(table, n_rows)
    if len(modelled) > MAX_OUTPUTS:
        raise InputError(
            f"an autoencoder predicts at most {MAX_OUTPUTS} columns and {table.n_sites} sites have {len(modelled)} "
            "common ones; give smaller block_variants"
        )
    if not len(modelled):
        return None
    rows = np.ascontiguousarray(matrix[modelled].T).view(np.int8)
    rng = np.random.default_rng(seed)
    if shape is None:
        shape = Shape(*shape_of(n_rows, len(modelled)))
    bits = shape.latent_bits
    encoder, decoder = _train(rows, shape, n_epochs, rng, check_stop)
    codes = np.concatenate(
        [
            quantize_latents(encoder.transform(HAPLOTYPE.to_levels(part, np.float32)), bits)
            for part in np.array_split(rows, -(-n_rows // 4096))
        ]
    )
    _improve(codes, bits, decoder, rows, check_stop)
    integer, bias_step = _to_integers(decoder, codes, bits, check_stop)
    # |score| * score_scale is the logit's size; the level is that over LEVEL_WIDTH, in fixed point
    shift = 31
    multiplier = int(np.clip(round(integer.score_scale / LEVEL_WIDTH * 2**shift), 1, 2**31))
    groups, rates = np.zeros(len(modelled), np.uint8), np.zeros(0, np.uint8)
    model = Model(max_rate, integer, bias_step, groups, multiplier, shift, rates, Codebook.fit(codes, bits))
    _fit_contexts(model, rows.view(np.uint8), codes, slab_rows)
    return model, codes


def modelled_columns(table: ColumnTable, n_rows: int) -> tuple[int, np.ndarray]:
    """The highest rate of a column that a decoder predicts, and the columns that it does."""
    rates = table.rate & NEVER
    max_rate = max_modelled_rate(rates, n_rows)
    return max_rate, np.flatnonzero(rates <= max_rate)


def _train(
    rows: np.ndarray,
    shape: Shape,
    n_epochs: int | None,
    rng: np.random.Generator,
    check_stop: Callable[[], object],
) -> tuple[Encoder, Decoder]:
    n_rows, width = rows.shape
    encoder = Encoder(shape.encoder_sizes(width), seed=rng)
    decoder = Decoder(shape.decoder_sizes(width), output_activation="identity", seed=rng)
    share = (np.count_nonzero(rows, axis=0) + 0.5) / (n_rows + 1)
    decoder.layers[-1][1][:] = np.log(share / (1 - share))
    sample = rows
    if n_rows > MAX_TRAINING_ROWS:
        sample = rows[np.sort(rng.choice(n_rows, MAX_TRAINING_ROWS, replace=False))]
    spacing = float(HAPLOTYPE.levels[1] - HAPLOTYPE.levels[0])
    trainer = Trainer(
        encoder,
        decoder,
        loss=CrossEntropyLoss(HAPLOTYPE, temperature=2 * spacing),  # so that an output is a logit in nats
        gradient="reverse",
        optimizer="adam",
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        schedule="onecycle",
        latent_bits=shape.latent_bits,
        seed=rng,
    )
    if n_epochs is None:
        n_epochs = min(MAX_EPOCHS, -(-MAX_STEPS * BATCH_SIZE // len(sample)))
    trainer.fit(sample, n_epochs=n_epochs, callbacks=[lambda *_: check_stop()])
    return encoder, decoder


def shape_of(n_rows: int, width: int) -> tuple[int, int]:
    """Latents and hidden units for so many rows of so many columns: more rows pay for more weights."""
    n_latents = int(np.clip(width // 24, 1, 16))
    n_hidden = int(np.clip(0.57 * np.sqrt(n_rows), 4, 64))
    return n_latents, n_hidden


def _improve(
    codes: np.ndarray, bits: int, decoder: Decoder, rows: np.ndarray, check_stop: Callable[[], object]
) -> None:
    """Move latents, in place, by one step where that makes their row cheaper: the encoder's guess is not the best.

    A row costs the bits of its errors and those of its code, and codes that many rows share are cheap.
    """
    for sweep in range(N_SWEEPS):
        prices = _CodePrices(codes, bits)
        for start in range(0, len(rows), SEARCH_ROWS):
            part = codes[start : start + SEARCH_ROWS]
            signs = 1 - 2 * rows[start : start + SEARCH_ROWS].astype(np.float32)
            cost = _row_bits(part, bits, decoder, signs) + (prices(part) if sweep else 0)
            for latent in range(codes.shape[1]):
                check_stop()
                for step in _STEPS_OF_ONE_BIT if bits == 1 else _STEPS:
                    moved = part.copy()
                    moved[:, latent] = step(part[:, latent], (1 << bits) - 1)
                    moved_cost = _row_bits(moved, bits, decoder, signs) + (prices(moved) if sweep else 0)
                    better = moved_cost < cost - MIN_GAIN
                    part[better, latent] = moved[better, latent]
                    cost[better] = moved_cost[better]


def _up(q: np.ndarray, top: int) -> np.ndarray:
    return np.where(q < top, q + 1, q - 1)


def _down(q: np.ndarray, top: int) -> np.ndarray:
    return np.where(q > 0, q - 1, q + 1)


_STEPS = (_up, _down)  # at an end, the only one there is
_STEPS_OF_ONE_BIT = (_up,)  # both are the flip


class _CodePrices:
    """Bits of a row's code where each distinct code is stored once, and rows say which: by how many rows share it."""

    def __init__(self, codes: np.ndarray, bits: int) -> None:
        n_latents = codes.shape[1]
        # two codes have the same sum modulo 2^64 about once in 10^19 pairs
        self._weights = np.random.default_rng(0).integers(0, 2**64, n_latents, np.uint64)
        self._keys, counts = np.unique(self._key(codes), return_counts=True)
        self._alone = np.log2(len(codes)) + bits * n_latents
        self._bits = np.where(counts > 1, np.log2(len(codes) / counts), self._alone)

    def _key(self, codes: np.ndarray) -> np.ndarray:
        return codes @ self._weights

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        key = self._key(codes)
        at = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        return np.where(self._keys[at] == key, self._bits[at], self._alone)


def _row_bits(codes: np.ndarray, bits: int, decoder: Decoder, signs: np.ndarray) -> np.ndarray:
    """Cross-entropy of each row, in bits; signs are -1 where a bit is set, else 1."""
    logits = decoder.inverse_transform(dequantize_latents(codes, bits))
    logits *= signs
    return (np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))).sum(axis=1) / np.log(2)


def _to_integers(
    decoder: Decoder, codes: np.ndarray, latent_bits: int, check_stop: Callable[[], object]
) -> tuple[IntDecoder, int]:
    """The decoder in integers, and the step of its last biases."""
    hidden = _hidden(decoder, codes, latent_bits)
    weights, biases, step = round_layer(*decoder.layers[-1], hidden, BIAS_STEP, check_stop)
    plain = IntDecoder.from_float(decoder, latent_bits=latent_bits, weight_bits=8)
    one = HIDDEN_ONE if len(decoder.layers) > 1 else (1 << latent_bits) - 1  # what the last layer is given for 1
    scale = step / one  # of a score
    bias_step = max(1, round(BIAS_STEP / scale), int(np.ceil(np.abs(biases).max() / scale / 127)))
    n_outputs = len(biases)
    return IntDecoder(
        plain.sizes,
        np.concatenate([plain.weights[: -weights.size], weights.ravel()]),
        np.concatenate([plain.biases[:-n_outputs], np.rint(biases / scale / bias_step).astype(np.int32) * bias_step]),
        plain.multipliers,
        plain.shifts,
        latent_bits=latent_bits,
        score_scale=scale,
    ), bias_step


def _hidden(decoder: Decoder, codes: np.ndarray, latent_bits: int) -> np.ndarray:
    """What the last layer is given for rows of these codes."""
    h = dequantize_latents(codes, latent_bits)
    for weights, biases in decoder.layers[:-1]:
        h = np.tanh(h @ weights.T + biases)
    return h


def _fit_contexts(model: Model, bits: np.ndarray, codes: np.ndarray, slab_rows: int) -> None:
    """Groups of columns and the rates of all contexts, from the whole window."""
    slabs = [slice(start, start + slab_rows) for start in range(0, len(bits), slab_rows)]
    expected, wrong = np.zeros(bits.shape[1]), np.zeros(bits.shape[1])
    for slab in slabs:
        classes = model.classify(codes[slab])
        wrong += np.count_nonzero((classes >> 7) != bits[slab], axis=0)
        expected += (1 / (1 + np.exp(LEVEL_WIDTH * ((classes & 0x7F) + 0.5)))).sum(axis=0)
    excess = np.log2((wrong + 0.1) / (expected + 0.1))
    model.groups = np.clip(np.round(excess) + N_GROUPS // 2, 0, N_GROUPS - 1).astype(np.uint8)
    cells, events = np.zeros(N_CONTEXTS, np.uint64), np.zeros(N_CONTEXTS, np.uint64)
    history = np.empty(bits.shape[1], np.uint8)
    for slab in slabs:
        order = row_order(codes[slab])
        _core.residual_count(model.classify(codes[slab][order]), bits[slab][order], history, cells, events)
    share = (events + 0.4) / (cells + 0.8)
    rates = np.clip(np.round(96 + 8 * np.log(share / (1 - share))), 0, 127)
    rates[cells == 0] = 0
    model.rates = rates.astype(np.uint8)
