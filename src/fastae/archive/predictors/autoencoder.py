# SPDX-License-Identifier: Apache-2.0
"""The predictor that looks at latents: a code of few bits per row, and an integer decoder that says what codes lean to.

For each of the commoner columns the decoder gives every code a score, and the rows whose codes score above the middle
*lean* to a 1. Cells are then coded as those of `pbwt` are, by how long a row has been like the one above it, with that
as a further context. A code stands for what many columns have in common, such as ancestry, which rows that were alike
lately do not tell. FORMAT.md §5.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastae import _core
from fastae.archive.columns import ColumnTable
from fastae.archive.container import ByteReader, counted, varint
from fastae.archive.packing import pack_array, unpack_array
from fastae.archive.predictors.codebook import Codebook
from fastae.errors import FormatError
from fastae.quantize import IntDecoder

NUMBER, NAME = 1, "autoencoder"

MAX_ROWS = (1 << 16) - 1  # of a block
MAX_OUTPUTS = 1 << 16
MAX_LEANS = 1 << 25  # outputs times distinct codes: bounds memory
_MAX_WIDTH = 1 << 12  # of a layer but the last
_MAX_WEIGHTS = 1 << 24
_MAX_PRODUCTS = 1 << 32  # weights times distinct codes: bounds time


@dataclass(eq=False)
class Model:
    """What the blocks of a window share.

    Attributes
    ----------
    decoder : IntDecoder
        Its last layer has no biases.
    codebook : Codebook
        The distinct latent codes of the window's rows.
    """

    decoder: IntDecoder
    codebook: Codebook

    @cached_property
    def leans(self) -> np.ndarray:
        """Which codes lean to a 1: uint8 (n_outputs, n_codes)."""
        scores = self.decoder.scores(self.codebook.codes).T
        middle = scores.max(axis=1).astype(np.int64) + scores.min(axis=1)  # twice that
        return np.ascontiguousarray(scores > (middle // 2)[:, None]).view(np.uint8)

    def to_bytes(self) -> tuple[bytes, bytes]:
        """The codebook, and the decoder."""
        decoder = self.decoder
        sizes = decoder.sizes.tolist()
        out = [bytes([decoder.latent_bits]), varint(len(sizes) - 2)]
        out += [varint(size) for size in sizes]
        out += [varint(int(m)) + varint(int(s)) for m, s in zip(decoder.multipliers, decoder.shifts, strict=True)]
        start = 0
        for d_in, d_out in zip(sizes[:-1], sizes[1:], strict=True):
            out.append(pack_array((decoder.weights[start : start + d_in * d_out] ^ -128).view(np.uint8)))
            start += d_in * d_out
        out += [varint(_zigzag(int(bias))) for bias in decoder.biases[: -sizes[-1]]]
        return self.codebook.to_bytes(), b"".join(out)

    @classmethod
    def from_bytes(cls, codebook: bytes, data: bytes, table: ColumnTable) -> Model:
        reader = ByteReader(data, "decoder")
        latent_bits = reader.take(1)[0]
        n_hidden = reader.varint(16)
        sizes = [reader.varint(_MAX_WIDTH) for _ in range(n_hidden + 1)]
        sizes.append(reader.varint(min(MAX_OUTPUTS, int(np.count_nonzero(table.is_allele)))))
        pairs = [(reader.varint(2**31 - 1), reader.varint(62)) for _ in range(n_hidden)]
        layers = list(zip(sizes[:-1], sizes[1:], strict=True))
        n_weights = sum(d_in * d_out for d_in, d_out in layers)
        if n_weights > _MAX_WEIGHTS:
            raise FormatError(f"the decoder has {n_weights} weights, more than {_MAX_WEIGHTS}: the archive is corrupt")
        weights = [(unpack_array(reader, d_in * d_out) ^ 128).view(np.int8) for d_in, d_out in layers]
        biases = [_unzigzag(reader.varint(2**32 - 1)) for _ in range(sum(sizes[1:-1]))] + [0] * sizes[-1]
        reader.finish()
        try:
            decoder = IntDecoder(
                sizes,
                np.concatenate(weights),
                np.array(biases, np.int64).astype(np.int32),
                np.array([pair[0] for pair in pairs], np.int32),
                np.array([pair[1] for pair in pairs], np.int32),
                latent_bits=latent_bits,
            )
        except ValueError as error:
            raise FormatError(f"the decoder is not valid, {error}: the archive is corrupt") from None
        book = Codebook.from_bytes(codebook, sizes[0], latent_bits)
        n_codes = len(book.codes)
        if not n_codes:
            raise FormatError("the codebook holds no codes: the archive is corrupt")
        if n_codes * sizes[-1] > MAX_LEANS or n_codes * n_weights > _MAX_PRODUCTS:
            raise FormatError(
                f"{n_codes} codes for {n_weights} weights and {sizes[-1]} columns are too many: the archive is corrupt"
            )
        return cls(decoder, book)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return -((value + 1) >> 1) if value & 1 else value >> 1


def encode(
    matrix: np.ndarray, table: ColumnTable, model: Model, latent_codes: np.ndarray, guided: np.ndarray
) -> tuple[bytes, bytes]:
    """Latent and residual bytes of a block.

    Parameters
    ----------
    matrix : ndarray of uint8, shape (n_columns, n_rows)
        At most MAX_ROWS rows.
    table : ColumnTable
    model : Model
    latent_codes : ndarray of uint8, shape (n_rows, n_latents)
    guided : ndarray of bool, shape (n_columns,)
        The columns, of alleles, that are the decoder's outputs.
    """
    numbers = model.codebook.numbers(latent_codes)
    streams = []
    for members, leans in _streams(table, model):
        flags = guided[members].view(np.uint8)
        bits = np.ascontiguousarray(matrix if len(members) == len(matrix) else matrix[members])
        streams.append(_encode(bits, leans, _places(model, numbers), flags))
    return model.codebook.encode(numbers), counted(streams[0]) + streams[1]


def decode(
    latents: bytes | memoryview,
    residual: bytes | memoryview,
    table: ColumnTable,
    model: Model,
    n_rows: int,
    columns: slice,
) -> np.ndarray:
    """Bits of a block's columns from one to another, (columns, n_rows); those before them are decoded, too."""
    return _decode(latents, residual, table, model, n_rows, columns)[0]


def predict(
    latents: bytes | memoryview, residual: bytes | memoryview, table: ColumnTable, model: Model, n_rows: int
) -> np.ndarray:
    """What latents alone tell: each column's bits (n_columns, n_rows) with rows that lean alike as most of them are."""
    matrix, guided, numbers = _decode(latents, residual, table, model, n_rows, slice(0, table.n_columns))
    leans = np.zeros((table.n_columns, len(model.codebook.codes)), bool)
    leans[guided] = model.leans[: len(guided)]
    for bits, lean in zip(matrix, leans, strict=True):
        for group in (lean[numbers], ~lean[numbers]):
            bits[group] = 2 * np.count_nonzero(bits[group]) > np.count_nonzero(group)
    return matrix


def spent_bits(
    latents: bytes | memoryview, residual: bytes | memoryview, table: ColumnTable, model: Model, n_rows: int
) -> np.ndarray:
    """Bits that each column takes, float64 (n_columns,), latents and weights apart: by how far its decoder has read."""
    spent = np.zeros(table.n_columns, np.uint32)
    _decode(latents, residual, table, model, n_rows, slice(0, table.n_columns), spent)
    return spent.astype(np.float64)


def _decode(
    latents: bytes | memoryview,
    residual: bytes | memoryview,
    table: ColumnTable,
    model: Model,
    n_rows: int,
    columns: slice,
    spent: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bits; the guided columns before the last; the rows' numbers in the codebook. `spent` takes bits of columns."""
    if n_rows > MAX_ROWS:
        raise FormatError(f"a block has {n_rows} rows, {MAX_ROWS} are the most: the archive is corrupt")
    reader = ByteReader(residual, "block")
    sources = [reader.take(reader.count()), reader.take(reader.left)]
    numbers = model.codebook.decode(latents, n_rows)
    matrix = np.empty((columns.stop - columns.start, n_rows), np.uint8)
    guided = np.zeros(table.n_columns, bool)
    for source, (members, leans) in zip(sources, _streams(table, model), strict=True):
        if not len(members) and len(source):
            raise FormatError("a block has bytes for columns that its window does not have: the archive is corrupt")
        first, last = np.searchsorted(members, [columns.start, columns.stop]).tolist()
        if first == last or not n_rows:
            continue
        bits, flags = np.empty((last - first, n_rows), np.uint8), np.zeros(len(members), np.uint8)
        places = _places(model, numbers)
        took = np.zeros(last - first, np.uint32)
        _core.guided_decode(np.frombuffer(source, np.uint8), first, last, leans, *places, flags, bits, took)
        matrix[members[first:last] - columns.start] = bits
        if spent is not None:
            spent[members[first:last] - columns.start] = took
        guided[members] = flags
    return matrix, np.flatnonzero(guided), numbers


def _streams(table: ColumnTable, model: Model) -> list[tuple[np.ndarray, np.ndarray]]:
    """Indices of the columns of each stream, and the leans it is guided by: what is missing leans to nothing."""
    alleles = table.is_allele
    return [(np.flatnonzero(alleles), model.leans), (np.flatnonzero(~alleles), model.leans[:0])]


def _places(model: Model, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows' numbers in the codebook, and the rows in the order of their codes, the first latent counting most."""
    codes = model.codebook.codes
    rank = np.empty(len(codes), np.int64)
    rank[np.lexsort(codes.T[::-1])] = np.arange(len(codes))
    return numbers.astype(np.uint16), np.argsort(rank[numbers], kind="stable").astype(np.uint16)


def _encode(bits: np.ndarray, leans: np.ndarray, places: tuple[np.ndarray, np.ndarray], guided: np.ndarray) -> bytes:
    if not bits.size:
        return b""
    room = 1024 + bits.size // 16
    streams: list[bytes] = []
    while not streams:
        out = np.empty(room, np.uint8)
        for shift in range(_core.PBWT_SHIFTS):
            used = _core.guided_encode(bits, shift, leans, *places, guided, out)
            streams += [out[:used].tobytes()] if used >= 0 else []
        room *= 2
    return min(streams, key=len)
