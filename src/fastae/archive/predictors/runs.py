# SPDX-License-Identifier: Apache-2.0
"""The predictor to be read soon: rows in PBWT order, as by `pbwt`, but runs of equal bits are numbers in static tables.

All numbers of a block are decoded at once, many at a time, and few rows are followed through their columns without
putting the others in order. A block's alleles are one stream and all else another, as in `pbwt`. FORMAT.md §5.10.
"""

from __future__ import annotations

import numpy as np

from fastae import _core
from fastae.archive.columns import FLAGS, ColumnTable
from fastae.archive.container import counted
from fastae.archive.predictors import pbwt
from fastae.archive.predictors.streams import columns_of_streams, read_streams
from fastae.errors import FormatError

NUMBER, NAME = 3, "runs"

MAX_ROWS = _core.RUNS_MAX_ROWS  # of a block
FOLLOWED_ROWS = 64  # up to so many are followed by themselves: more take longer than all rows do


def encode(matrix: np.ndarray, table: ColumnTable) -> bytes:
    """Residual bytes of a block's bits, (n_columns, n_rows) with at most MAX_ROWS rows."""
    alleles, others = columns_of_streams(table)
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


def decode_alleles(
    residual: bytes | memoryview,
    table: ColumnTable,
    n_rows: int,
    sites: slice,
    rows: np.ndarray | None,
    out: np.ndarray,
) -> dict[int, np.ndarray]:
    """The alleles of some sites, without a detour by bits, where rows are haplotypes.

    Parameters
    ----------
    residual, table, n_rows, rows
        As for `decode`.
    sites : slice
        From one site to another.
    out : ndarray of int8, shape (sites, rows)
        Takes the alleles. A row lies in one piece.

    Returns
    -------
    dict of int to ndarray of bool, shape (sites, samples)
        By kind, which calls the columns of flags name.

    Raises
    ------
    FormatError
        If the bytes are not such a block.
    """
    columns = table.columns_of(sites)
    kinds, site = table.kind[columns], table.site[columns] - sites.start
    is_flag = np.logical_or.reduce([kinds == kind for kind in FLAGS])
    _paint(residual, table, n_rows, columns, rows, np.where(is_flag, -1, site), table.value[columns], out)
    flags = {}
    for kind in np.unique(kinds[is_flag]).tolist():
        flag, ones = np.empty(out.shape, np.int8), np.ones(len(kinds), np.int8)
        _paint(residual, table, n_rows, columns, rows, np.where(kinds == kind, site, -1), ones, flag)
        flags[kind] = flag[:, :: table.rows_per_sample].astype(bool)
    return flags


def decode_others(residual: bytes | memoryview, table: ColumnTable, n_rows: int, columns: slice) -> np.ndarray:
    """Bits of the columns that say who has no allele, uint8 (such columns, n_rows), of some; see `decode`."""
    hiding = table.is_hiding[columns]
    places = np.where(hiding, np.cumsum(hiding) - 1, -1)
    bits = np.empty((np.count_nonzero(hiding), n_rows), np.int8)
    _paint(residual, table, n_rows, columns, None, places, np.ones(len(hiding), np.int8), bits)
    return bits.view(np.uint8)


def add_alleles(
    residual: bytes | memoryview, table: ColumnTable, n_rows: int, columns: slice, sums: _core.ColumnSums
) -> None:
    """Add those of some columns that are of alleles to as many sums, without unpacking them; see `decode`."""
    members = columns_of_streams(table)[0]
    first, last = np.searchsorted(members, [columns.start, columns.stop]).tolist()
    stream = read_streams(residual, n_rows, MAX_ROWS)[0]
    if first < last:
        sums.add_runs(np.frombuffer(stream, np.uint8), len(members), first)


def spent_bits(residual: bytes | memoryview, table: ColumnTable, n_rows: int) -> np.ndarray:
    """Bits that each column takes, float64 (n_columns,): about, by what its runs take in `pbwt`.

    The numbers of all columns are coded together, so that nothing in the bytes is a column's own.
    """
    bits = decode(residual, table, n_rows, slice(0, table.n_columns), None)
    return pbwt.spent_bits(pbwt.encode(bits, table), table, n_rows)


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
    """Put the value of each wanted column, unless its place is negative, where it has ones in that row of `out`.

    Alleles come first, then what is said of them; all else is 0.
    """
    if rows is not None and len(rows) > FOLLOWED_ROWS:
        all_rows = np.empty((len(out), n_rows), np.int8)
        _paint(residual, table, n_rows, columns, None, places, values, all_rows)
        out[:] = all_rows[:, rows]
        return
    streams = read_streams(residual, n_rows, MAX_ROWS)
    for number, (stream, members) in enumerate(zip(streams, columns_of_streams(table), strict=True)):
        if not len(members) and len(stream):
            raise FormatError("a block has bytes for columns that its window does not have: the archive is corrupt")
        first, last = np.searchsorted(members, [columns.start, columns.stop]).tolist()
        wanted = slice(None) if last - first == len(places) else members[first:last] - columns.start
        there = places[wanted]
        if number == 0:
            bare = np.ones(len(out), bool)
            bare[there[there >= 0]] = False
            out[bare] = 0
        if out.shape[1] and (there >= 0).any():
            at = None if rows is None else rows.astype(np.uint32)
            source = np.frombuffer(stream, np.uint8)
            _core.runs_decode(source, len(members), n_rows, first, at, there, values[wanted], number == 1, out)
