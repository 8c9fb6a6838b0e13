# SPDX-License-Identifier: Apache-2.0
"""A plain reader of array chunks, written from FORMAT.md §8 and not from the code."""

import math
import struct
import zlib

import numpy as np
from reference_archive import SORTED, Bytes, read_calls, read_columns, read_gaps, read_mosaic, read_sorted


def read_chunk(data):
    magic, version, dtype, _, coding, crc = struct.unpack("<4s4BI", data[:12])
    assert (magic, version, crc) == (b"FAEC", 0, zlib.crc32(data[:8] + data[12:]))
    source = Bytes(data[12:])
    shape = [source.varint() for _ in range(source.u8())]
    if coding == 0:
        cells, left = [], math.prod(shape)
        while left:
            cells += source.packed_array(min(left, 1 << 24))
            left = math.prod(shape) - len(cells)
        array = np.array(cells, np.uint8).view(np.int8).reshape(shape)
    else:
        n, n_samples, *ploidy = shape
        array = np.empty((n, n_samples, 2 if coding == 2 else (ploidy or [1])[0]), np.int8)
        slab, start = source.varint(), 0
        while start < n:
            part = array[start : start + source.varint()]
            start += len(part)
            read_window(source, part, slab)
        if coding == 2:
            array = np.where(array[:, :, 0] < 0, array[:, :, 0], array.sum(axis=2))
    assert source.rest() == b""
    return array.reshape(shape).astype(np.int8).view([np.int8, np.uint8, bool][dtype])


def read_window(source, out, slab):
    n_sites, n_samples, ploidy = out.shape
    rows, usual, columns = read_columns(source.counted(), n_sites)
    for first in range(0, n_samples, slab):
        part = out[:, first : first + slab]
        n_rows = part.shape[1] * (1 if rows == 1 else ploidy)
        predictor, block = source.u8(), source.counted()
        if predictor == 0:
            bits = read_gaps(block, columns, n_rows)
        elif predictor == 4:
            bits = read_mosaic(block, rows, columns, n_sites, n_rows)
        else:
            bits = read_sorted(block, columns, n_rows, SORTED[predictor])
        part[:] = read_calls(bits, rows, usual, columns, n_sites, part.shape[1], ploidy)[0]
