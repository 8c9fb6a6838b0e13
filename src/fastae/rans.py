# SPDX-License-Identifier: Apache-2.0
"""rANS, an entropy coder (J. Duda, arXiv:1311.2540), with static frequency tables (FORMAT.md §2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _core, _validate
from fastae.errors import FormatError

MAX_PRECISION = 15
_MAX_TABLE_BYTES = 640  # 12 bits of header, then at most 4 + 15 bits for each of 256 symbols


class FrequencyTable:
    """How often each symbol is expected, in units of 2**-precision.

    Parameters
    ----------
    frequencies : array_like of int, shape (n_symbols,)
        Of symbols 0 .. n_symbols - 1 (1 to 256 of them); they sum to 2**precision.
    precision : int
        1 to 15.

    Attributes
    ----------
    frequencies : ndarray of uint32, shape (n_symbols,), read-only
    precision : int

    Raises
    ------
    TypeError, ValueError
        If the frequencies are not integers or do not sum to 2**precision.

    Examples
    --------
    >>> table = FrequencyTable.from_counts([90, 9, 1, 0], precision=8)
    >>> table.frequencies
    array([230,  23,   3,   0], dtype=uint32)
    >>> FrequencyTable.from_bytes(table.to_bytes())[0] == table
    True
    """

    __slots__ = ("frequencies", "precision")

    def __init__(self, frequencies: ArrayLike, precision: int):
        self.precision = _validate.integer(precision, 1, MAX_PRECISION, name="precision")
        self.frequencies = _validate.vector(frequencies, np.uint32, name="frequencies").copy()
        if not 1 <= self.frequencies.size <= 256:
            raise ValueError(f"frequencies must hold 1 to 256 symbols, got {self.frequencies.size}")
        total = int(self.frequencies.sum(dtype=np.uint64))
        if total != 1 << self.precision:
            raise ValueError(f"frequencies must sum to {1 << self.precision} (2^{self.precision}), got {total}")
        self.frequencies.flags.writeable = False

    @classmethod
    def from_counts(cls, counts: ArrayLike, *, precision: int = 12) -> FrequencyTable:
        """The table that codes symbols of these counts in (nearly) the fewest bits.

        Parameters
        ----------
        counts : array_like of int, shape (n_symbols,)
            How often each symbol occurs; a symbol of count 0 cannot be encoded.
        precision : int
            1 to 15: frequencies sum to 2**precision.

        Raises
        ------
        TypeError, ValueError
            If counts are not integers, are negative or all 0, or more symbols occur than 2**precision.
        """
        precision = _validate.integer(precision, 1, MAX_PRECISION, name="precision")
        known = _validate.vector(counts, np.uint64, name="counts")
        if not 1 <= known.size <= 256:
            raise ValueError(f"counts must hold 1 to 256 symbols, got {known.size}")
        occurring = np.count_nonzero(known)
        if not 1 <= occurring <= 1 << precision:
            raise ValueError(
                f"counts has {occurring} symbols that occur, precision {precision} needs 1 to {1 << precision}"
            )
        frequencies = np.empty(known.size, dtype=np.uint32)
        _core.rans_normalize(known, precision, frequencies)
        return cls(frequencies, precision)

    def __eq__(self, other):
        if not isinstance(other, FrequencyTable):
            return NotImplemented
        return self.precision == other.precision and np.array_equal(self.frequencies, other.frequencies)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and arrays do not hash

    def __repr__(self):
        return f"FrequencyTable({self.frequencies.tolist()}, precision={self.precision})"

    def to_bytes(self) -> bytes:
        """The table in a few bytes that know where they end (FORMAT.md §2.2)."""
        bits = _BitWriter()
        bits.put(self.precision - 1, 4)
        bits.put(self.frequencies.size - 1, 8)
        frequencies = self.frequencies.tolist()
        left = 1 << self.precision
        s = 0
        while left and s < len(frequencies) - 1:
            frequency = frequencies[s]
            width = frequency.bit_length()
            bits.put_uniform(width, left.bit_length() + 1)
            if width:
                bits.put(frequency - (1 << width - 1), width - 1)
                left -= frequency
                s += 1
            else:
                run = s
                while run < len(frequencies) - 1 and frequencies[run] == 0:
                    run += 1
                bits.put_gamma(run - s)
                s = run
        return bits.getvalue()

    @classmethod
    def from_bytes(cls, buf: _validate.BytesLike) -> tuple[FrequencyTable, int]:
        """The table at the start of `buf`, and how many bytes it takes.

        Raises
        ------
        FormatError
            If the bytes are not those of a table.
        """
        bits = _BitReader(_validate.buffer(buf, name="buf")[:_MAX_TABLE_BYTES].tobytes())
        precision = bits.get(4) + 1
        if precision > MAX_PRECISION:
            raise FormatError(f"a frequency table of precision {precision}, the most is {MAX_PRECISION}")
        frequencies = [0] * (bits.get(8) + 1)
        left = 1 << precision
        s = 0
        while left and s < len(frequencies) - 1:
            width = bits.get_uniform(left.bit_length() + 1)
            if width:
                frequencies[s] = (1 << width - 1) + bits.get(width - 1)
                left -= frequencies[s]
                s += 1
            else:
                s += bits.get_gamma()
            if left < 0 or s > len(frequencies) - 1:
                raise FormatError("a frequency table whose frequencies do not sum to its total")
        frequencies[-1] += left
        return cls(frequencies, precision), bits.n_bytes()


class _BitWriter:
    """Bits gathered in an integer, the first in its lowest place."""

    def __init__(self):
        self.value = 0
        self.n_bits = 0

    def put(self, number, n_bits):
        self.value |= number << self.n_bits
        self.n_bits += n_bits

    def put_uniform(self, number, n):
        """A number of 0..n-1 in truncated binary: the first few take a bit less."""
        n_bits = n.bit_length() - 1
        short = (2 << n_bits) - n
        if number < short:
            self.put(number, n_bits)
        else:
            self.put((number + short) >> 1, n_bits)
            self.put((number + short) & 1, 1)

    def put_gamma(self, number):
        """A number of 1 or more in Elias' gamma code: as many zeros as bits follow its leading one, then all bits."""
        n_bits = number.bit_length() - 1
        self.put(0, n_bits)
        self.put(1, 1)
        self.put(number - (1 << n_bits), n_bits)

    def getvalue(self):
        return self.value.to_bytes((self.n_bits + 7) // 8, "little")


class _BitReader:
    """The inverse of _BitWriter."""

    def __init__(self, buf):
        self.value = int.from_bytes(buf, "little")
        self.size = 8 * len(buf)
        self.n_bits = 0

    def get(self, n_bits):
        if self.n_bits + n_bits > self.size:
            raise FormatError("a frequency table that ends too early")
        number = self.value >> self.n_bits & ((1 << n_bits) - 1)
        self.n_bits += n_bits
        return number

    def get_uniform(self, n):
        n_bits = n.bit_length() - 1
        short = (2 << n_bits) - n
        number = self.get(n_bits)
        if number < short:
            return number
        return (number << 1 | self.get(1)) - short

    def get_gamma(self):
        n_bits = 0
        while not self.get(1):
            n_bits += 1
        return 1 << n_bits | self.get(n_bits)

    def n_bytes(self):
        """Whole bytes read; the spare bits of the last one must be zero."""
        if self.get(-self.n_bits % 8):
            raise FormatError("a frequency table with spare bits set")
        return self.n_bits // 8


def encode(symbols: ArrayLike, table: FrequencyTable) -> bytes:
    """Encode symbols in about as many bits as the table says they are worth.

    Parameters
    ----------
    symbols : array_like of int, shape (n,)
    table : FrequencyTable

    Returns
    -------
    bytes
        Neither `n` nor the table is in them; no symbols are no bytes.

    Raises
    ------
    TypeError, ValueError
        If `symbols` are not integers, or one has frequency 0 or none.

    Examples
    --------
    >>> table = FrequencyTable.from_counts([7, 1])
    >>> decode(encode([0, 0, 1, 0], table), 4, table)
    array([0, 0, 1, 0], dtype=uint8)
    """
    src = _validate.vector(symbols, np.uint8, name="symbols")
    dst = np.empty(_core.rans_bound(src.size), dtype=np.uint8)
    try:
        n_bytes = _core.rans_encode(src, table.frequencies, table.precision, dst)
    except ValueError:
        unknown = np.setdiff1d(src, np.flatnonzero(table.frequencies))
        raise ValueError(f"symbols holds {unknown[0]}, to which the table gives no frequency") from None
    return dst[:n_bytes].tobytes()


def decode(
    buf: _validate.BytesLike, n: int, table: FrequencyTable, *, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Decode `n` symbols: the inverse of `encode`.

    Parameters
    ----------
    buf : bytes-like
        Exactly what `encode` gave.
    n : int
    table : FrequencyTable
    out : ndarray of uint8, shape (n,), optional
        Where to write; a new array by default.

    Returns
    -------
    ndarray of uint8, shape (n,)

    Raises
    ------
    FormatError
        If no encoder writes these bytes for `n` symbols. A stream has no checksum: bytes that changed may also
        decode to other symbols.
    TypeError, ValueError
        If `buf` is not bytes-like or `out` does not fit.
    """
    src = _validate.buffer(buf, name="buf")
    symbols = _validate.output(out, _validate.integer(n, 0, None, name="n"), np.uint8)
    _core.rans_decode(src, table.frequencies, table.precision, symbols)
    return symbols
