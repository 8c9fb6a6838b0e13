# SPDX-License-Identifier: Apache-2.0
"""The predictor that looks at the rows that were alike so far: rows in PBWT order, runs of equal bits coded.

Ahead of each column the rows stand in the order of their bits in the columns before it, read backwards, so those that
have been alike longest are neighbours and mostly go on alike (R. Durbin 2014, doi:10.1093/bioinformatics/btu014). A
block's alleles are one stream and all else, such as missing calls, another: what is missing says little of which rows
are alike. FORMAT.md §5.8.
"""

from __future__ import annotations

import numpy as np

from fastae import _core
from fastae.archive.columns import ColumnTable
from fastae.archive.container import ByteReader, counted
from fastae.errors import FormatError

NUMBER, NAME = 2, "pbwt"

MAX_ROWS = (1 << 16) - 1  # of a block
FOLLOWED_ROWS = 128  # up to so many are followed by themselves, so that memory holds no others


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
        From one column to another; those before them are decoded, too, those behind are not.
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
    if n_rows > MAX_ROWS:
        raise FormatError(f"a block has {n_rows} rows, {MAX_ROWS} are the most: the archive is corrupt")
    reader = ByteReader(residual, "block")
    streams = [reader.take(reader.count()), reader.take(reader.left)]
    parts, places = [], []
    for stream, members in zip(streams, _streams(table), strict=True):
        first, last = np.searchsorted(members, [columns.start, columns.stop]).tolist()
        parts.append(_decode(stream, len(members), n_rows, slice(first, last), rows))
        places.append(members[first:last] - columns.start)
    if not len(places[1]):
        return parts[0]
    matrix = np.empty((columns.stop - columns.start, parts[0].shape[1]), np.uint8)
    for part, place in zip(parts, places, strict=True):
        matrix[place] = part
    return matrix


def _streams(table: ColumnTable) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the columns of each stream."""
    return np.flatnonzero(table.is_allele), np.flatnonzero(~table.is_allele)


def _encode(matrix: np.ndarray, members: np.ndarray) -> bytes:
    if not len(members):
        return b""
    bits = np.ascontiguousarray(matrix if len(members) == len(matrix) else matrix[members])
    room = 1024 + bits.size // 16
    streams: list[bytes] = []
    while not streams:
        out = np.empty(room, np.uint8)
        for shift in range(_core.PBWT_SHIFTS):
            used = _core.pbwt_encode(bits, shift, out)
            streams += [out[:used].tobytes()] if used >= 0 else []
        room *= 2
    return min(streams, key=len)


def _decode(stream: memoryview, n_columns: int, n_rows: int, wanted: slice, rows: np.ndarray | None) -> np.ndarray:
    if not n_columns and len(stream):
        raise FormatError("a block has bytes for columns that its window does not have: the archive is corrupt")
    n_wanted = n_rows if rows is None else len(rows)
    if wanted.start == wanted.stop or not n_wanted:
        return np.empty((wanted.stop - wanted.start, n_wanted), np.uint8)
    source = np.frombuffer(stream, np.uint8)
    # rows are followed through all columns, which is in vain where the wanted ones are among the first
    if rows is not None and len(rows) <= FOLLOWED_ROWS and 2 * wanted.stop > n_columns:
        bits = np.empty((n_columns, len(rows)), np.uint8)
        _core.pbwt_decode_rows(source, n_columns, n_rows, rows.astype(np.uint32), bits)
        return bits[wanted]
    bits = np.empty((wanted.stop - wanted.start, n_rows), np.uint8)
    _core.pbwt_decode(source, n_columns, n_rows, wanted.start, wanted.stop, bits)
    return bits if rows is None else bits[:, rows]
