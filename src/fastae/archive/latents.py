# SPDX-License-Identifier: Apache-2.0
"""Latents for analysis: a few numbers that tell of each row what the common sites of a window tell, for all to read.

They are no part of how calls are coded, so any predictor may have them beside it (FORMAT.md §5.12). An autoencoder is
trained on the window and forgotten: only the codes of its rows are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastae.alphabet import HAPLOTYPE
from fastae.archive.columns import ColumnTable
from fastae.archive.container import ByteReader, varint
from fastae.bitpack import pack, packed_size, unpack
from fastae.errors import FormatError
from fastae.latents import dequantize_latents, quantize_latents
from fastae.losses import CrossEntropyLoss
from fastae.models import Decoder, Encoder
from fastae.trainer import Trainer

MAX_LATENTS = 1 << 10

_MIN_SHARE = 0.01  # of rows with the rarer bit, of a column that is common; if none is, all that vary are looked at
_MAX_TRAINING_ROWS = 20_000
_N_HIDDEN = 128  # units of either half
_MAX_STEPS, _MAX_EPOCHS = 4_000, 300  # whichever comes first
_MAX_WORK = _MAX_STEPS * 2048  # steps times columns, which are evenly spread over the common ones if they are too many
_BATCH_SIZE = 128
_LEARNING_RATE = 2e-3
_ENCODED_ROWS = 4096  # at a time: bounds memory


@dataclass(eq=False)
class StoredLatents:
    """The latents of all rows of a window.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n_samples, rows_per_sample, n_latents)
    bits : int
        Of a code.
    """

    codes: np.ndarray
    bits: int

    def levels(self) -> np.ndarray:
        """What the codes stand for: float32, from -1 to 1, of the same shape."""
        flat = self.codes.reshape(-1, self.codes.shape[2])
        return dequantize_latents(flat, self.bits).reshape(self.codes.shape)

    def to_bytes(self) -> bytes:
        _, per_sample, n_latents = self.codes.shape
        head = bytes([self.bits]) + varint(per_sample) + varint(n_latents)
        return head + pack(self.codes.ravel(), self.bits).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, n_samples: int, ploidy: int) -> StoredLatents:
        reader = ByteReader(data, "section of latents")
        bits, per_sample, n_latents = reader.take(1)[0], reader.varint(ploidy), reader.varint(MAX_LATENTS)
        if not 1 <= bits <= 8 or per_sample not in (1, ploidy) or n_latents == 0:
            raise FormatError("the section of latents has a head that no writer makes: the archive is corrupt")
        shape = n_samples, per_sample, n_latents
        n = n_samples * per_sample * n_latents
        codes = unpack(reader.take(packed_size(n, bits)), n, bits)  # no more than 8 times the bytes that are there
        reader.finish()
        return cls(codes.reshape(shape), bits)


def learn(
    table: ColumnTable,
    matrix: np.ndarray,
    n_latents: int,
    bits: int,
    seed: tuple[int, ...],
    check_stop: Callable[[], object],
) -> StoredLatents | None:
    """Train an autoencoder on the common columns of a window's alleles.

    Encoder and decoder have a hidden layer each. Latents are rounded while they train, gradients passing straight
    through (Y. Bengio, N. Léonard and A. Courville, arXiv:1308.3432); the loss is the cross-entropy.

    Parameters
    ----------
    table : ColumnTable
    matrix : ndarray of uint8, shape (n_columns, n_rows)
        As `split` gives them. An allele that is missing is none of its site's.
    n_latents, bits : int
        Latents of a row, and bits of each.
    seed : tuple of int
    check_stop : function
        Called all the time; what it raises ends the training.

    Returns
    -------
    StoredLatents
    None if no allele varies.
    """
    n_training = min(matrix.shape[1], _MAX_TRAINING_ROWS)
    n_epochs = min(_MAX_EPOCHS, -(-_MAX_STEPS * _BATCH_SIZE // max(1, n_training)))
    n_steps = n_epochs * -(-n_training // _BATCH_SIZE)
    columns = _telling_columns(table, matrix, _MAX_WORK // min(max(1, n_steps), _MAX_STEPS))
    if not len(columns):
        return None
    rows = np.ascontiguousarray(matrix[columns].T).view(np.int8)
    n_rows, width = rows.shape
    rng = np.random.default_rng((*seed, n_latents, bits))
    encoder = Encoder([width, _N_HIDDEN, n_latents], seed=rng)
    decoder = Decoder([n_latents, _N_HIDDEN, width], output_activation="identity", seed=rng)
    share = (np.count_nonzero(rows, axis=0) + 0.5) / (n_rows + 1)
    decoder.layers[-1][1][:] = np.log(share / (1 - share))
    spacing = float(HAPLOTYPE.levels[1] - HAPLOTYPE.levels[0])
    trainer = Trainer(
        encoder,
        decoder,
        loss=CrossEntropyLoss(HAPLOTYPE, temperature=2 * spacing),  # so that an output is a logit in nats
        gradient="reverse",
        optimizer="adam",
        learning_rate=_LEARNING_RATE,
        batch_size=_BATCH_SIZE,
        schedule="onecycle",
        latent_bits=bits,
        seed=rng,
    )
    sample = rows
    if n_rows > n_training:
        sample = rows[np.sort(rng.choice(n_rows, n_training, replace=False))]
    trainer.fit(sample, n_epochs=n_epochs, callbacks=[lambda *_: check_stop()])
    codes = []
    for start in range(0, n_rows, _ENCODED_ROWS):
        check_stop()
        levels = HAPLOTYPE.to_levels(rows[start : start + _ENCODED_ROWS], np.float32)
        codes.append(quantize_latents(encoder.transform(levels), bits))
    return StoredLatents(np.concatenate(codes).reshape(-1, table.rows_per_sample, n_latents), bits)


def _telling_columns(table: ColumnTable, matrix: np.ndarray, most: int) -> np.ndarray:
    """The columns to learn from, ascending, `most` at most."""
    n_rows = matrix.shape[1]
    ones = np.count_nonzero(matrix, axis=1)
    n_rarer = np.where(table.is_allele, np.minimum(ones, n_rows - ones), 0)
    found = np.flatnonzero(n_rarer >= max(1, _MIN_SHARE * n_rows))
    if not len(found):
        found = np.flatnonzero(n_rarer)
    if len(found) > most:
        found = found[np.arange(most) * len(found) // most]
    return found
