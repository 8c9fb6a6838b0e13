# SPDX-License-Identifier: Apache-2.0
"""Learns the autoencoder of a window: floats train here, integers decode elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastae.alphabet import HAPLOTYPE
from fastae.archive.columns import ColumnTable
from fastae.archive.predictors.autoencoder import MAX_LEANS, MAX_OUTPUTS, Model
from fastae.archive.predictors.codebook import MAX_CODES, Codebook
from fastae.archive.predictors.rounding import round_layer
from fastae.latents import dequantize_latents, quantize_latents
from fastae.losses import CrossEntropyLoss
from fastae.models import Decoder, Encoder
from fastae.quantize import IntDecoder
from fastae.trainer import Trainer

MIN_MINOR = 5  # a column with fewer minor alleles than this is not worth its weights
MAX_TRAINING_ROWS = 20_000
MAX_STEPS, MAX_EPOCHS = 1_500, 300  # whichever comes first
BATCH_SIZE = 128
LEARNING_RATE = 4e-3
WORTHS = (0.03, 0.1, 0.3, 1.0)  # of a bit of cross-entropy, beyond what other contexts tell; tried one after the other
_ROWS = 4096  # encoded at a time: bounds memory


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

    @classmethod
    def usual(cls, n_rows: int, n_columns: int) -> Shape:
        """For so many rows of so many columns: more rows pay for more weights."""
        return cls(int(np.clip(n_columns // 24, 1, 4)), int(np.clip(0.57 * np.sqrt(n_rows), 4, 8)))

    def encoder_sizes(self, width: int) -> list[int]:
        """Widths from `width` columns to the latents."""
        return [width, *[2 * self.n_latents + 16] * (self.n_layers - 1), self.n_latents]

    def decoder_sizes(self, width: int) -> list[int]:
        """Widths from the latents to `width` columns."""
        return [self.n_latents, *[self.n_hidden] * (self.n_layers - 1), width]


@dataclass(eq=False)
class Fitted:
    """An autoencoder of some columns.

    Attributes
    ----------
    encoder : Encoder
        From levels of alleles to latents.
    decoder : Decoder
        From latents to the logits, in nats, of a 1.
    codes : ndarray of uint8, shape (n_rows, n_latents)
        The latents of the rows, rounded.
    latent_bits : int
    """

    encoder: Encoder
    decoder: Decoder
    codes: np.ndarray
    latent_bits: int


def fit(
    bits: np.ndarray,
    shape: Shape,
    seed: int | tuple[int, ...],
    *,
    n_epochs: int | None = None,
    check_stop: Callable[[], object] = lambda: None,
) -> Fitted:
    """Train an autoencoder on the rows of a matrix of bits.

    Parameters
    ----------
    bits : ndarray of uint8, shape (n_columns, n_rows)
        At least one of either.
    shape : Shape
    seed : int or tuple of int
    n_epochs : int, optional
        Otherwise as many as make MAX_STEPS updates, at most MAX_EPOCHS.
    check_stop : function
        Called all the time; what it raises ends the training.

    Returns
    -------
    Fitted
    """
    width, n_rows = bits.shape
    rng = np.random.default_rng(seed)
    encoder = Encoder(shape.encoder_sizes(width), seed=rng)
    decoder = Decoder(shape.decoder_sizes(width), output_activation="identity", seed=rng)
    share = (np.count_nonzero(bits, axis=1) + 0.5) / (n_rows + 1)
    decoder.layers[-1][1][:] = np.log(share / (1 - share))
    sample = bits
    if n_rows > MAX_TRAINING_ROWS:
        sample = bits[:, np.sort(rng.choice(n_rows, MAX_TRAINING_ROWS, replace=False))]
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
        n_epochs = min(MAX_EPOCHS, -(-MAX_STEPS * BATCH_SIZE // sample.shape[1]))
    trainer.fit(_rows(sample), n_epochs=n_epochs, callbacks=[lambda *_: check_stop()])
    codes = []
    for start in range(0, n_rows, _ROWS):
        check_stop()
        latents = encoder.transform(HAPLOTYPE.to_levels(_rows(bits[:, start : start + _ROWS]), np.float32))
        codes.append(quantize_latents(latents, shape.latent_bits))
    return Fitted(encoder, decoder, np.concatenate(codes), shape.latent_bits)


def _rows(bits: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(bits.T).view(np.int8)


def guided_columns(matrix: np.ndarray, table: ColumnTable) -> np.ndarray:
    """A window's commoner columns of alleles, which are worth a decoder's weights: bool (n_columns,)."""
    ones = np.count_nonzero(matrix, axis=1)
    n_minor = np.where(table.is_allele, np.minimum(ones, matrix.shape[1] - ones), 0)
    least = max(1, min(MIN_MINOR, int(n_minor.max(initial=0))))
    if len(n_minor) > MAX_OUTPUTS:
        least = max(least, int(np.sort(n_minor)[-MAX_OUTPUTS]) + 1)
    return n_minor >= least


def fit_window(
    matrix: np.ndarray,
    table: ColumnTable,
    seed: int | tuple[int, ...],
    *,
    shape: Shape | None = None,
    n_epochs: int | None = None,
    check_stop: Callable[[], object] = lambda: None,
) -> tuple[Fitted, np.ndarray] | None:
    """Train an autoencoder on a window's commoner columns of alleles.

    Parameters
    ----------
    matrix : ndarray of uint8, shape (n_columns, n_rows)
    table : ColumnTable
    seed : int or tuple of int
    shape : Shape, optional
        Otherwise `Shape.usual`.
    n_epochs, check_stop
        As for `fit`.

    Returns
    -------
    fitted : Fitted
        Of no more codes than a reader takes.
    guided : ndarray of bool, shape (n_columns,)
        The columns.
    None if no allele varies.
    """
    guided = guided_columns(matrix, table)
    n_outputs = int(np.count_nonzero(guided))
    if not n_outputs:
        return None
    if shape is None:
        shape = Shape.usual(matrix.shape[1], n_outputs)
    fitted = fit(matrix[guided], shape, seed, n_epochs=n_epochs, check_stop=check_stop)
    fitted.codes = _fewer(fitted.codes, min(MAX_CODES, MAX_LEANS // n_outputs))
    return fitted, guided


def _fewer(codes: np.ndarray, most: int) -> np.ndarray:
    """The codes, those that fewer rows have than the `most` commonest replaced by the nearest of these."""
    distinct, numbers, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    if len(distinct) <= most:
        return codes
    order = np.argsort(-counts, kind="stable")
    kept = distinct[order[:most]].astype(np.int16)
    for rare in order[most:]:
        distinct[rare] = kept[np.abs(kept - distinct[rare]).sum(axis=1).argmin()]
    return distinct[numbers.ravel()]


def models(fitted: Fitted, check_stop: Callable[[], object] = lambda: None) -> list[Model]:
    """The autoencoder in integers, with more and more of its weights: what they are worth depends on the contexts.

    Decoders that tell nothing are left out, unless all are such.
    """
    codes, bits = fitted.codes, fitted.latent_bits
    distinct, n_rows = np.unique(codes, axis=0, return_counts=True)
    hidden = dequantize_latents(distinct, bits)
    for weights, biases in fitted.decoder.layers[:-1]:
        hidden = np.tanh(hidden @ weights.T + biases)
    plain = IntDecoder.from_float(fitted.decoder, latent_bits=bits)
    last_weights, last_biases = fitted.decoder.layers[-1]
    n_last, n_outputs = last_weights.size, len(last_biases)
    book = Codebook.fit(codes, bits)
    found = []
    for worth in WORTHS:
        integers = round_layer(last_weights, last_biases, hidden, n_rows, worth, check_stop)
        decoder = IntDecoder(
            plain.sizes,
            np.concatenate([plain.weights[:-n_last], integers.ravel()]),
            np.concatenate([plain.biases[:-n_outputs], np.zeros(n_outputs, np.int32)]),
            plain.multipliers,
            plain.shifts,
            latent_bits=bits,
        )
        found.append(Model(decoder, book))
    return [model for model in found if model.leans.any()] or found[-1:]
