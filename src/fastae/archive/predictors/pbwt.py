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
from fastae.archive.container import ByteReader, counted, varint
from fastae.archive.predictors.streams import columns_of_streams, read_streams
from fastae.errors import FormatError

NUMBER, NAME = 2, "pbwt"

MAX_ROWS = (1 << 16) - 1  # of a block
ONE_WAY_CELLS = 1 << 26  # about 50 ms of decoding


def encode(matrix: np.ndarray, table: ColumnTable, one_way_cells: int = ONE_WAY_CELLS) -> bytes:
    """Residual bytes of a block's bits, (n_columns, n_rows) with at most MAX_ROWS rows.

    Parameters
    ----------
    matrix : ndarray of uint8
    table : ColumnTable
    one_way_cells : int
        Bits that a reader may have to pass before it comes to those it wants. More of them are coded from their middle
        on, to both sides, so that it passes half of them at most; which takes more bytes.

    Returns
    -------
    bytes
    """
    alleles, others = (_encode(matrix, members, one_way_cells) for members in columns_of_streams(table))
    return counted(alleles) + others


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
        From one column to another; those from where a wing starts to them are decoded, too, others are not.
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
    streams = read_streams(residual, n_rows, MAX_ROWS)
    parts, places = [], []
    for stream, members in zip(streams, columns_of_streams(table), strict=True):
        first, last = np.searchsorted(members, [columns.start, columns.stop]).tolist()
        parts.append(_decode(stream, len(members), n_rows, slice(first, last), rows))
        places.append(members[first:last] - columns.start)
    if not len(places[1]):
        return parts[0]
    matrix = np.empty((columns.stop - columns.start, parts[0].shape[1]), np.uint8)
    for part, place in zip(parts, places, strict=True):
        matrix[place] = part
    return matrix


def decode_others(residual: bytes | memoryview, table: ColumnTable, n_rows: int, columns: slice) -> np.ndarray:
    """Bits of the columns that say who has no allele, uint8 (such columns, n_rows), of some; see `decode`."""
    members = columns_of_streams(table)[1]
    first, last = np.searchsorted(members, [columns.start, columns.stop]).tolist()
    bits = _decode(read_streams(residual, n_rows, MAX_ROWS)[1], len(members), n_rows, slice(first, last), None)
    return bits[table.is_hiding[members[first:last]]]


def add_alleles(
    residual: bytes | memoryview, table: ColumnTable, n_rows: int, columns: slice, sums: _core.ColumnSums
) -> None:
    """Add those of some columns that are of alleles to as many sums, without unpacking them; see `decode`."""
    members = columns_of_streams(table)[0]
    first, last = np.searchsorted(members, [columns.start, columns.stop]).tolist()
    stream = read_streams(residual, n_rows, MAX_ROWS)[0]
    if first < last:
        source, n_right, start = _read_wings(stream, len(members))
        sums.add_pbwt(source, n_right, len(members), start, first)


def spent_bits(residual: bytes | memoryview, table: ColumnTable, n_rows: int) -> np.ndarray:
    """Bits that each column of such a block takes, float64 (n_columns,), by how far its decoder has read."""
    spent = np.zeros(table.n_columns)
    for stream, members in zip(read_streams(residual, n_rows, MAX_ROWS), columns_of_streams(table), strict=True):
        of_column = np.zeros(len(members), np.uint32)
        _decode(stream, len(members), n_rows, slice(0, len(members)), np.arange(min(1, n_rows)), of_column)
        spent[members] = of_column
    return spent


def _encode(matrix: np.ndarray, members: np.ndarray, one_way_cells: int) -> bytes:
    """Where the wings start, those to the right and those to the left."""
    if not len(members):
        return b""
    bits = np.ascontiguousarray(matrix if len(members) == len(matrix) else matrix[members])
    starts = [0, len(bits)] if bits.size <= one_way_cells else [len(bits) // 2]
    room = 1024 + bits.size // 16
    streams: list[bytes] = []
    while not streams:
        out = np.empty(room, np.uint8)
        shifts = range(_core.PBWT_SHIFTS)
        for start in starts:
            found = [(_encode_from(bits, start, shift, out), shift) for shift in shifts]
            stream, shift = min(found, key=lambda pair: len(pair[0]) or room)
            streams += [stream] if stream else []
            shifts = range(shift, shift + 1)  # which hardly depends on the direction
        room *= 2
    return min(streams, key=len)


def _encode_from(bits: np.ndarray, start: int, shift: int, out: np.ndarray) -> bytes:
    """Nothing where there is not room enough."""
    used = _core.pbwt_encode(bits, start, shift, out)
    if used is None:
        return b""
    right, both = used
    return varint(start) + counted(out[:right].tobytes()) + out[right:both].tobytes()


def _read_wings(stream: memoryview, n_columns: int) -> tuple[np.ndarray, int, int]:
    """Bytes of both wings, how many are the right one's, and the column that they start at."""
    reader = ByteReader(stream, "block")
    start, n_right = reader.varint(n_columns), reader.count()
    source = np.frombuffer(reader.take(reader.left), np.uint8)
    if n_right > len(source):
        raise FormatError("a block ends too early: the archive is corrupt")
    return source, n_right, start


def _decode(
    stream: memoryview,
    n_columns: int,
    n_rows: int,
    wanted: slice,
    rows: np.ndarray | None,
    spent: np.ndarray | None = None,
) -> np.ndarray:
    if not n_columns and len(stream):
        raise FormatError("a block has bytes for columns that its window does not have: the archive is corrupt")
    bits = np.empty((wanted.stop - wanted.start, n_rows if rows is None else len(rows)), np.uint8)
    if bits.size:
        source, n_right, start = _read_wings(stream, n_columns)
        if rows is not None:
            rows = rows.astype(np.uint32)
        _core.pbwt_decode(source, n_right, n_columns, n_rows, start, wanted.start, wanted.stop, rows, bits, spent)
    return bits
