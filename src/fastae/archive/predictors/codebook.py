# SPDX-License-Identifier: Apache-2.0
"""Latent codes of rows as bytes: each distinct code once, and a number per row. FORMAT.md §5.7.

Few of the possible codes occur, and some in many rows. Codes are numbered by how many rows have them, the commonest
first; a number is split, as Elias gamma codes do, into its magnitude, which rANS codes, and the bits below it, which
are as good as random and packed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastae import rans
from fastae.archive.container import ByteReader, counted, varint
from fastae.bitpack import pack, unpack
from fastae.errors import FormatError

MAX_CODES = 1 << 16


@dataclass(eq=False)
class Codebook:
    """The distinct codes of a window.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n_codes, n_latents)
        The commonest first.
    bits : int
        Of a latent.
    magnitudes : FrequencyTable
        Of the magnitudes of the codes' numbers.
    """

    codes: np.ndarray
    bits: int
    magnitudes: rans.FrequencyTable

    @classmethod
    def fit(cls, codes: np.ndarray, bits: int) -> Codebook:
        """The codebook of rows of codes (n_rows, n_latents)."""
        distinct, numbers, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        magnitude, _, _ = _split(place[numbers.ravel()])
        table = rans.FrequencyTable.from_counts(np.bincount(magnitude), precision=12)
        return cls(np.ascontiguousarray(distinct[order]), bits, table)

    @cached_property
    def _number_of(self) -> dict[bytes, int]:
        return {code.tobytes(): number for number, code in enumerate(self.codes)}

    def to_bytes(self) -> bytes:
        return varint(len(self.codes)) + self.magnitudes.to_bytes() + bytes(pack(self.codes.ravel(), self.bits))

    @classmethod
    def from_bytes(cls, data: bytes, n_latents: int, bits: int) -> Codebook:
        reader = ByteReader(data, "codebook")
        n_codes = reader.varint(min(MAX_CODES, 8 * reader.left // max(n_latents * bits, 1)))
        rest = bytes(reader.take(reader.left))
        table, used = rans.FrequencyTable.from_bytes(rest)
        return cls(unpack(rest[used:], n_codes * n_latents, bits).reshape(n_codes, n_latents), bits, table)

    def numbers(self, codes: np.ndarray) -> np.ndarray:
        """Numbers of the codes of some rows, all of which are in the book: int64 (n_rows,)."""
        return np.fromiter((self._number_of[row.tobytes()] for row in codes), np.int64, len(codes))

    def encode(self, numbers: np.ndarray) -> bytes:
        """Bytes of the numbers of a block's rows."""
        magnitude, width, below = _split(numbers)
        row, bit = _bit_positions(width)
        bits = (below[row] >> bit & 1).astype(np.uint8)
        return counted(bytes(rans.encode(magnitude, self.magnitudes))) + bytes(pack(bits, 1))

    def decode(self, data: bytes | memoryview, n_rows: int) -> np.ndarray:
        """The inverse of `encode`: int64 (n_rows,), each below the number of codes."""
        reader = ByteReader(data, "latents")
        magnitude = rans.decode(bytes(reader.take(reader.count())), n_rows, self.magnitudes)
        width = _width(magnitude)
        if (width.sum() + 7) // 8 != reader.left:  # before so many bits take memory
            raise FormatError(f"the latents take {width.sum()} bits, not {reader.left} bytes: the archive is corrupt")
        if width.max(initial=0) > 32:
            raise FormatError("the latents name codes beyond any codebook: the archive is corrupt")
        row, bit = _bit_positions(width)
        bits = unpack(bytes(reader.take(reader.left)), len(row), 1)
        number = _smallest(magnitude)
        np.add.at(number, row, bits.astype(np.int64) << bit)
        if number.max(initial=0) >= len(self.codes):
            raise FormatError(
                f"the latents name code {number.max()} of {len(self.codes)} in the codebook: the archive is corrupt"
            )
        return number


# A number n stands as n + 1 = 1 m b...b in binary: its magnitude is twice the bits after the leading one, plus m; the
# bits b below are its rest. n = 0 has magnitude 0, n = 1 and 2 have magnitudes 2 and 3.


def _split(number: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Magnitudes (uint8), widths of the bits below, and those bits."""
    value = number.astype(np.int64) + 1
    exponent = np.frexp(value.astype(np.float64))[1] - 1
    width = np.maximum(exponent - 1, 0)
    magnitude = np.where(exponent > 0, 2 * exponent + (value >> width & 1), 0)
    return magnitude.astype(np.uint8), width, value & (1 << width) - 1


def _width(magnitude: np.ndarray) -> np.ndarray:
    return np.maximum(magnitude.astype(np.int64) // 2 - 1, 0)


def _smallest(magnitude: np.ndarray) -> np.ndarray:
    """The smallest number of each magnitude."""
    exponent = magnitude.astype(np.int64) // 2
    return np.where(exponent > 0, (2 + (magnitude & 1).astype(np.int64)) << np.maximum(exponent - 1, 0), 1) - 1


def _bit_positions(width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and place of every bit below, rows one after the other, lowest bit first."""
    row = np.repeat(np.arange(len(width)), width)
    first = np.cumsum(width) - width
    return row, np.arange(len(row)) - first[row]
