# SPDX-License-Identifier: Apache-2.0
"""The predictor to be read soon: rows in PBWT order, as by `pbwt`, but runs of equal bits are numbers in static tables.

All numbers of a block are decoded at once, many at a time, and few rows are followed through their columns without
putting the others in order. A block's alleles are one stream and all else another, as in `pbwt`. FORMAT.md §5.10.
"""

from __future__ import annotations

import numpy as np

from fastae import _core
from fastae.archive.columns import ColumnTable
from fastae.archive.container import ByteReader, counted
from fastae.errors import FormatError

NUMBER, NAME = 3, "runs"

MAX_ROWS = _core.RUNS_MAX_ROWS  # of a block
FOLLOWED_ROWS = 64  # up to so many are followed by themselves: more take longer than all rows do


def encode(matrix: np.ndarray, table: ColumnTable) -> bytes:
    """Residual bytes of a block's bits, (n_columns, n_rows) with at most MAX_ROWS rows."""
    alleles, others = _streams(table)
    return counted(_encode(matrix, alleles)) + _encode(matrix, others)


def decode(
    residual: bytes | memoryview, table: ColumnTable, n_rows: int, columns: slice, rows: np.ndarray | None
) -> np.ndarray:
    """Some of the bits that `encode` was given.

    Parameters
    ----------
    residual : bytes
    table : ColumnTable
    n_rows : int
        Of the block.
    columns : slice
        From one column to another.
    rows : ndarray of int64, optional
        Ascending; all, if left out.

    Returns
    -------
    ndarray of uint8, shape (columns, rows)

    Raises
    ------
    FormatError
        If the bytes are not such a block.
    """
    n_columns = columns.stop - columns.start
    bits = np.empty((n_columns, n_rows if rows is None else len(rows)), np.int8)
    _paint(residual, table, n_rows, columns, rows, np.arange(n_columns), np.ones(n_columns, np.int8), bits)
    return bits.view(np.uint8)


def _streams(table: ColumnTable) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the columns of each stream."""
    return np.flatnonzero(table.is_allele), np.flatnonzero(~table.is_allele)


def _encode(matrix: np.ndarray, members: np.ndarray) -> bytes:
    if not len(members):
        return b""
    bits = np.ascontiguousarray(matrix if len(members) == len(matrix) else matrix[members])
    n_symbols = 1024 + 32 * len(bits)
    while True:
        out = np.empty(1024 + 4 * n_symbols, np.uint8)
        used = _core.runs_encode(bits, n_symbols, out)
        if used >= 0:
            return out[:used].tobytes()
        n_symbols *= 4


def _paint(
    residual: bytes | memoryview,
    table: ColumnTable,
    n_rows: int,
    columns: slice,
    rows: np.ndarray | None,
    places: np.ndarray,
    values: np.ndarray,
    out: np.ndarray,
) -> None:
    """Put the value of each wanted column where it has ones in the row of `out` that is its place."""
    if n_rows > MAX_ROWS:
        raise FormatError(f"a block has {n_rows} rows, {MAX_ROWS} are the most: the archive is corrupt")
    reader = ByteReader(residual, "block")
    streams = [reader.take(reader.count()), reader.take(reader.left)]
    for stream, members in zip(streams, _streams(table), strict=True):
        if not len(members) and len(stream):
            raise FormatError("a block has bytes for columns that its window does not have: the archive is corrupt")
        first, last = np.searchsorted(members, [columns.start, columns.stop]).tolist()
        if first == last or not out.shape[1]:
            continue
        wanted = members[first:last] - columns.start
        source = np.frombuffer(stream, np.uint8)
        if rows is None or len(rows) <= FOLLOWED_ROWS:
            at = None if rows is None else rows.astype(np.uint32)
            _core.runs_decode(source, len(members), n_rows, first, at, places[wanted], values[wanted], False, out)
        else:
            bits = np.empty((last - first, n_rows), np.int8)
            _core.runs_decode(
                source, len(members), n_rows, first, None, np.arange(last - first), values[wanted], False, bits
            )
            out[places[wanted]] = bits[:, rows]
