# SPDX-License-Identifier: Apache-2.0
"""Arrays of small numbers as bytes, in the shortest of three ways: one value, rANS, or LZMA. FORMAT.md §5.3."""

from __future__ import annotations

import numpy as np

from fastae import rans
from fastae.archive.container import ByteReader, compress, counted, decompress
from fastae.errors import FormatError

_CONSTANT, _RANS, _LZMA = range(3)


def pack_array(values: np.ndarray) -> bytes:
    """Bytes of a uint8 array; its length is for the reader to know."""
    if values.size == 0 or (values == values[0]).all():
        return bytes([_CONSTANT, int(values[0]) if values.size else 0])
    counts = np.bincount(values)
    table = rans.FrequencyTable.from_counts(counts, precision=max(12, int(np.count_nonzero(counts)).bit_length() + 4))
    choices = [
        bytes([_RANS]) + counted(table.to_bytes() + bytes(rans.encode(values, table))),
        bytes([_LZMA]) + counted(compress(values.tobytes())),
    ]
    return min(choices, key=len)


def unpack_array(reader: ByteReader, n: int) -> np.ndarray:
    """The next array of `n` values."""
    form = reader.take(1)[0]
    if form == _CONSTANT:
        return np.full(n, reader.take(1)[0], np.uint8)
    data = bytes(reader.take(reader.count()))
    if form == _RANS:
        table, used = rans.FrequencyTable.from_bytes(data)
        return rans.decode(data[used:], n, table)
    if form == _LZMA:
        values = np.frombuffer(decompress(data, "packed array"), np.uint8)
        if len(values) == n:
            return values
    raise FormatError(f"a packed array of form {form} does not hold {n} values: the archive is corrupt")
