# SPDX-License-Identifier: Apache-2.0
"""Chunks of arrays, which the codec `fastae.genotype` makes: §8."""

import math

import numpy as np

from .archive import AUTOENCODER, PREDICTORS, read_matrix
from .columns import calls_of, read_columns
from .data import Bytes, check, crc32
from .packed import read_array

PIECE = 2**24  # cells of a packed array
TYPES = (np.int8, np.uint8, np.bool_)


def read_chunk(data):
    """§8: the array of a chunk."""
    source = Bytes(data)
    check(source.take(4) == b"FAEC" and source.unsigned(8) == 0, "not a chunk, or one of another version")
    dtype, fortran, coding, crc = (source.unsigned(bits) for bits in (8, 8, 8, 32))
    check(dtype < len(TYPES) and fortran <= 1 and coding <= 2, "a chunk of another kind")
    check(crc == crc32(data[:8] + data[12:]), "the chunk is damaged")
    n_axes = source.unsigned(8)
    check(1 <= n_axes <= 3, "no such number of axes")
    shape = tuple(source.varint() for _ in range(n_axes))
    check(math.prod(shape) <= 2**31, "too many cells")
    if coding == 0:
        cells = read_cells(source, math.prod(shape)).view(np.int8).reshape(shape)
    else:
        check(n_axes == 2 or (n_axes == 3 and coding == 1), "these axes are not those of calls")
        ploidy = 2 if coding == 2 else shape[2] if n_axes == 3 else 1
        cells = read_calls(source, shape[0], shape[1], ploidy)
        if coding == 2:
            check(((cells[:, :, 0] >= 0) == (cells[:, :, 1] >= 0)).all(), "a sum of a missing allele and another")
            cells = np.where(cells[:, :, 0] < 0, cells[:, :, 0], cells.sum(axis=2)).astype(np.int8)
    source.finish()
    check(dtype != 2 or ((cells == 0) | (cells == 1)).all(), "a bool that is neither 0 nor 1")
    return cells.reshape(shape).view(TYPES[dtype])


def read_cells(source, n):
    """§8, coding 0: bytes."""
    pieces = [read_array(source, min(PIECE, n - first)) for first in range(0, n, PIECE)]
    return np.concatenate([np.zeros(0, np.uint8), *pieces])


def read_calls(source, n_sites, n_samples, ploidy):
    """§8, coding 1: calls, (sites, samples, ploidy)."""
    calls = np.zeros((n_sites, n_samples, ploidy), np.int8)
    slab_samples = source.varint()
    check(1 <= slab_samples <= n_samples and 1 <= ploidy <= 2**10, "wrong sizes")
    first = 0
    while first < n_sites:
        n_here = source.varint()
        check(1 <= n_here <= min(2**16, n_sites - first), "wrong sizes of a window")
        table = read_columns(source.counted(), n_here, ploidy)
        for start in range(0, n_samples, slab_samples):
            part = calls[first : first + n_here, start : start + slab_samples]
            predictor = source.unsigned(8)
            check(predictor < len(PREDICTORS) and predictor != AUTOENCODER, f"no predictor {predictor}")
            matrix = read_matrix(predictor, source.counted(), table, part.shape[1], n_here, ploidy)
            part[:], _ = calls_of(table, matrix, n_here, ploidy)
        first += n_here
    return calls
