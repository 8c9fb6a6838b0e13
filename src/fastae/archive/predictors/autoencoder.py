# SPDX-License-Identifier: Apache-2.0
"""The predictor that looks at latents: an integer decoder per window, packed latents per row, coded errors.

The decoder gives every cell of the common columns a score; its sign is the predicted bit, its size the confidence. The
rarer columns are left to their frequencies. Rows of a block are coded in the order of their latents, so that rows of
alike latents, which the decoder gets wrong alike, stand together (FORMAT.md §5.6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastae import _core
from fastae.archive.columns import NEVER, ColumnTable
from fastae.archive.container import ByteReader, counted, varint
from fastae.archive.gaps import decode_columns, encode_columns
from fastae.archive.packing import pack_array, unpack_array
from fastae.archive.predictors.codebook import Codebook
from fastae.bitpack import pack, unpack
from fastae.errors import FormatError
from fastae.quantize import IntDecoder

NUMBER, NAME = 1, "autoencoder"

N_LEVELS = 16  # of confidence
LEVEL_WIDTH = 0.75  # of a level, in nats of the logit
N_GROUPS = 5  # of columns, by how much oftener than expected the decoder errs
_MAX_WIDTH = 1 << 12  # of a hidden layer
_MAX_WEIGHTS = 1 << 24
N_CONTEXTS = N_GROUPS * N_LEVELS * _core.RESIDUAL_N_NEIGHBOURS


@dataclass(eq=False)
class Model:
    """What the blocks of a window share.

    Attributes
    ----------
    max_rate : int
        Columns of at most this rate (without FLIP) are the decoder's outputs.
    decoder : IntDecoder
    bias_step : int
        The last layer's biases are multiples of it.
    groups : ndarray of uint8, shape (n_outputs,)
        Each output's group of columns.
    multiplier, shift : int
        (|score| * multiplier) >> shift is the level of confidence.
    rates : ndarray of uint8, shape (N_GROUPS * N_LEVELS * 9,)
        How probable an error is in each context, as the residual coder has it.
    codebook : Codebook or None
        The distinct latents of all rows, where rows share them; else each row's latents are packed as they are.
    """

    max_rate: int
    decoder: IntDecoder
    bias_step: int
    groups: np.ndarray
    multiplier: int
    shift: int
    rates: np.ndarray
    codebook: Codebook | None

    def columns(self, table: ColumnTable) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the columns that the decoder predicts, and of the others."""
        modelled = (table.rate & NEVER) <= self.max_rate
        return np.flatnonzero(modelled), np.flatnonzero(~modelled)

    def classify(self, latent_codes: np.ndarray) -> np.ndarray:
        """Predicted bit and class of every cell of some rows: uint8 (n_rows, n_outputs)."""
        scores = self.decoder.scores(latent_codes)
        classes = np.empty(scores.shape, np.uint8)
        _core.residual_classify(scores, self.groups, N_LEVELS, self.multiplier, self.shift, classes)
        return classes

    def encode_latents(self, latent_codes: np.ndarray) -> bytes:
        """Bytes of the latent codes (n_rows, n_latents) of a block's rows."""
        if self.codebook is not None:
            return self.codebook.encode(latent_codes)
        return bytes(pack(latent_codes.ravel(), self.decoder.latent_bits))

    def decode_latents(self, data: bytes | memoryview, n_rows: int) -> np.ndarray:
        """The inverse: latent codes, uint8 (n_rows, n_latents)."""
        if self.codebook is not None:
            return self.codebook.decode(data, n_rows)
        n_latents = int(self.decoder.sizes[0])
        return unpack(data, n_rows * n_latents, self.decoder.latent_bits).reshape(n_rows, n_latents)

    def to_bytes(self) -> tuple[bytes, bytes]:
        """The codebook, if any, and the rest."""
        decoder = self.decoder
        out = [bytes([self.max_rate, decoder.latent_bits]), varint(len(decoder.sizes) - 2)]
        out += [varint(int(size)) for size in decoder.sizes[:-1]]
        out += [varint(int(m)) + varint(int(s)) for m, s in zip(decoder.multipliers, decoder.shifts, strict=True)]
        start = 0
        for d_in, d_out in zip(decoder.sizes[:-1].tolist(), decoder.sizes[1:].tolist(), strict=True):
            out.append(pack_array((decoder.weights[start : start + d_in * d_out] ^ -128).view(np.uint8)))
            start += d_in * d_out
        n_outputs = int(decoder.sizes[-1])
        out += [varint(_zigzag(int(bias))) for bias in decoder.biases[:-n_outputs]]
        steps = decoder.biases[-n_outputs:] // self.bias_step
        out += [varint(self.bias_step), pack_array((steps + 128).astype(np.uint8)), pack_array(self.groups)]
        out += [varint(self.multiplier), varint(self.shift), pack_array(self.rates)]
        return self.codebook.to_bytes() if self.codebook is not None else b"", b"".join(out)

    @classmethod
    def from_bytes(cls, codebook: bytes, data: bytes, table: ColumnTable) -> Model:
        reader = ByteReader(data, "decoder")
        max_rate, latent_bits = reader.take(2)
        n_outputs = int(np.count_nonzero((table.rate & NEVER) <= max_rate))
        n_hidden = reader.varint(16)
        sizes = [reader.varint(_MAX_WIDTH) for _ in range(n_hidden + 1)] + [n_outputs]
        pairs = [(reader.varint(2**31 - 1), reader.varint(62)) for _ in range(n_hidden)]
        layers = list(zip(sizes[:-1], sizes[1:], strict=True))
        n_weights = sum(d_in * d_out for d_in, d_out in layers)
        if n_weights > _MAX_WEIGHTS:
            raise FormatError(f"the decoder has {n_weights} weights, more than {_MAX_WEIGHTS}: the archive is corrupt")
        weights = [(unpack_array(reader, d_in * d_out) ^ 128).view(np.int8) for d_in, d_out in layers]
        biases = np.array([_unzigzag(reader.varint(2**32 - 1)) for _ in range(sum(sizes[1:-1]))], np.int64)
        bias_step = reader.varint(1 << 23)
        steps = unpack_array(reader, n_outputs).astype(np.int64) - 128
        groups = unpack_array(reader, n_outputs)
        multiplier, shift = reader.varint(2**32 - 1), reader.varint(62)
        rates = unpack_array(reader, N_CONTEXTS)
        reader.finish()
        try:
            decoder = IntDecoder(
                sizes,
                np.concatenate(weights),
                np.concatenate([biases, steps * bias_step]).astype(np.int32),
                np.array([pair[0] for pair in pairs], np.int32),
                np.array([pair[1] for pair in pairs], np.int32),
                latent_bits=latent_bits,
            )
        except ValueError as error:
            raise FormatError(f"the decoder is not valid, {error}: the archive is corrupt") from None
        if groups.max(initial=0) >= N_GROUPS or rates.max(initial=0) > 127:
            raise FormatError("the decoder's contexts are out of range: the archive is corrupt")
        book = Codebook.from_bytes(codebook, sizes[0], latent_bits) if codebook else None
        return cls(max_rate, decoder, bias_step, groups, multiplier, shift, rates, book)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return -((value + 1) >> 1) if value & 1 else value >> 1


def row_order(latent_codes: np.ndarray) -> np.ndarray:
    """The order in which a block's rows are coded: by their latents, the first latent counting most."""
    return np.lexsort(latent_codes.T[::-1])


def encode(matrix: np.ndarray, table: ColumnTable, model: Model, latent_codes: np.ndarray) -> tuple[bytes, bytes]:
    """Latent and residual bytes of a block's bits, (n_columns, n_rows), whose rows have these latents."""
    modelled, others = model.columns(table)
    sparse = encode_columns(matrix[others], table.rate[others])
    order = row_order(latent_codes)
    bits = np.ascontiguousarray(matrix[modelled].T[order])
    classes = model.classify(latent_codes[order])
    history = np.empty(bits.shape[1], np.uint8)
    contexts = np.empty(bits.size, np.uint16)
    out = np.empty(2 * bits.size + 64, np.uint8)  # 15 bits a cell at the very most
    used = _core.residual_encode(classes, bits, model.rates, history, contexts, out)
    return model.encode_latents(latent_codes), counted(sparse) + out[:used].tobytes()


def decode(
    latents: bytes | memoryview, residual: bytes | memoryview, table: ColumnTable, model: Model, n_rows: int
) -> np.ndarray:
    """The inverse of `encode`: bits (n_columns, n_rows)."""
    modelled, others = model.columns(table)
    reader = ByteReader(residual, "block")
    sparse = reader.take(reader.count())
    stream = np.frombuffer(reader.take(reader.left), np.uint8)
    latent_codes = model.decode_latents(latents, n_rows)
    order = row_order(latent_codes)
    classes = model.classify(latent_codes[order])
    bits = np.empty(classes.shape, np.uint8)
    _core.residual_decode(stream, classes, model.rates, np.empty(len(modelled), np.uint8), bits)
    matrix = np.empty((table.n_columns, n_rows), np.uint8)
    matrix[others] = decode_columns(sparse, table.rate[others], n_rows)
    unsorted = np.empty_like(bits)
    unsorted[order] = bits
    matrix[modelled] = unsorted.T
    return matrix


def predict(latents: bytes | memoryview, model: Model, n_rows: int) -> np.ndarray:
    """What the decoder makes of the latents alone: bits (n_outputs, n_rows)."""
    return (model.classify(model.decode_latents(latents, n_rows)) >> 7).T
