# SPDX-License-Identifier: Apache-2.0
"""Columns by their rare bits: the gaps between them, coded under each column's own rate. FORMAT.md §5.5."""

from __future__ import annotations

import numpy as np

from fastae import _core
from fastae.archive.columns import NEVER
from fastae.archive.container import ByteReader, varint
from fastae.errors import FormatError


class _Classes:
    """Columns grouped by rate, rarest last; cells of a class run column by column, and row by row within one."""

    def __init__(self, rates: np.ndarray, n_rows: int) -> None:
        rate = rates & NEVER
        columns = np.flatnonzero(rate != NEVER)
        self.order = columns[np.argsort(rate[columns], kind="stable")]
        self.rates, first, n_columns = np.unique(rate[self.order], return_index=True, return_counts=True)
        self.first_cell = first.astype(np.int64) * n_rows
        self.n_cells = (n_columns * n_rows).astype(np.uint32)
        if len(self.rates) and self.rates[-1] >= _core.GAPS_N_RATES:
            raise FormatError(f"a column has the rate {self.rates[-1]}: the archive is corrupt")


def encode_columns(matrix: np.ndarray, rates: np.ndarray) -> bytes:
    """Bytes of a matrix (n_columns, n_rows) of bits whose columns have these rates (with FLIP)."""
    n_rows = matrix.shape[1]
    classes = _Classes(rates, n_rows)
    if not len(classes.rates):
        return b""
    events = (matrix ^ (rates >> 7)[:, None])[classes.order]
    cells = np.flatnonzero(events)
    of_class = np.searchsorted(classes.first_cell, cells, side="right") - 1
    counts = np.bincount(of_class, minlength=len(classes.rates)).astype(np.uint32)
    positions = (cells - classes.first_cell[of_class]).astype(np.uint32)
    size = 64 + 8 * len(classes.rates) + 4 * len(positions)
    while True:
        out = np.empty(size, np.uint8)
        used = _core.gaps_encode(positions, counts, classes.n_cells, classes.rates, out)
        if used >= 0:
            return varint(len(positions)) + out[:used].tobytes()
        size *= 2


def decode_columns(data: bytes | memoryview, rates: np.ndarray, n_rows: int) -> np.ndarray:
    """The matrix (n_columns, n_rows) that `encode_columns` was given.

    Raises
    ------
    FormatError
        If the bytes are not such columns.
    """
    matrix = np.empty((len(rates), n_rows), np.uint8)
    matrix[:] = (rates >> 7)[:, None]
    classes = _Classes(rates, n_rows)
    if not len(classes.rates):
        if len(data):
            raise FormatError("a block has bytes for columns that never vary: the archive is corrupt")
        return matrix
    reader = ByteReader(data, "block")
    # an event takes a quarter of a bit at the very least, so few bytes cannot ask for much memory
    n_events = reader.varint(min(int(classes.n_cells.sum(dtype=np.int64)), 64 * reader.left + 64))
    positions, counts = np.empty(n_events, np.uint32), np.empty(len(classes.rates), np.uint32)
    stream = np.frombuffer(reader.take(reader.left), np.uint8)
    _core.gaps_decode(stream, classes.n_cells, classes.rates, positions, counts)
    cells = positions + np.repeat(classes.first_cell, counts)
    column, row = np.divmod(cells, n_rows)
    matrix[classes.order[column], row] ^= 1
    return matrix
