# SPDX-License-Identifier: Apache-2.0
"""The predictor for unphased calls of not too many samples: dosages, by how samples are mosaics of each other.

Where sites are too far apart, or samples too few, for haplotypes to be put together, phase costs more than it tells.
So dosages are coded, and who decodes them phases them as it goes, by the chains that foretell them (N. Li & M. Stephens
2003, doi:10.1093/genetics/165.4.2213). Sites whose calls are no dosages go as in `pbwt`. FORMAT.md §5.11.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastae import _core
from fastae.archive.columns import KIND_MISSING, PHASE, SAMPLES, SWAPPED, ColumnTable
from fastae.archive.container import ByteReader, counted
from fastae.archive.packing import pack_array, unpack_array
from fastae.archive.predictors import pbwt
from fastae.errors import FormatError

NUMBER, NAME = 4, "mosaic"

MAX_ROWS = _core.MOSAIC_MAX_SAMPLES  # of a block, since time grows with their square
MAX_WORK = 1 << 33  # dosage sites x samples^2 of a block: some 15 s
_PROMISING_WORK = 1 << 31
_TRIED_SITES = 1000  # for each rarity
_MISSING = 3  # beside dosages 0 to 2


def encode(matrix: np.ndarray, table: ColumnTable) -> bytes:
    """Residual bytes of a block's bits, (n_columns, n_rows) with at most MAX_ROWS rows."""
    possible = _possible(table)
    dosages, others = _dosages(matrix, table, possible)
    if table.n_sites * matrix.shape[1] ** 2 > MAX_WORK:
        others = possible
    parts = _Parts.of(table, possible & ~others)
    return (
        pack_array(np.packbits(others))
        + counted(_encode(dosages[parts.sites], parts.kinds))
        + pbwt.encode(matrix[parts.rest], parts.rest_table)
    )


def is_promising(table: ColumnTable, n_rows: int) -> bool:
    """If a window is worth a try: most sites may go as dosages, and their decoding would not take long."""
    return table.rows == SAMPLES and table.n_sites * n_rows**2 <= _PROMISING_WORK


def decode(
    residual: bytes | memoryview, table: ColumnTable, n_rows: int, columns: slice, rows: np.ndarray | None
) -> np.ndarray:
    """Some of the bits that `encode` was given; parameters, result and exceptions are those of `pbwt.decode`."""
    stream, parts, rest_stream = _read(residual, table, n_rows)
    first, last = np.searchsorted(parts.rest, [columns.start, columns.stop]).tolist()
    rest = pbwt.decode(rest_stream, parts.rest_table, n_rows, slice(first, last), rows)
    matrix = np.empty((columns.stop - columns.start, rest.shape[1]), np.uint8)
    matrix[parts.rest[first:last] - columns.start] = rest
    wanted = parts.columns[slice(*np.searchsorted(parts.columns, [columns.start, columns.stop]))]
    if not len(wanted) or not n_rows:
        return matrix
    place = np.searchsorted(parts.sites, table.site[wanted])
    start, stop = int(place[0]), int(place[-1]) + 1
    dosages = np.empty((stop - start, n_rows), np.uint8)
    _core.mosaic_decode(stream, parts.kinds, start, stop, dosages)
    if rows is not None:
        dosages = dosages[:, rows]
    # a higher allele 1 where the dosage is 1 or 2, a lower one where it is 2; missing alleles come in pairs
    least = np.where(table.kind[wanted] == KIND_MISSING, _MISSING, 2 - table.slot[wanted])[:, None]
    called = dosages[place - start]
    matrix[wanted - columns.start] = (called >= least) & ((least == _MISSING) | (called != _MISSING))
    return matrix


def spent_bits(residual: bytes | memoryview, table: ColumnTable, n_rows: int) -> np.ndarray:
    """Bits that each column takes, float64 (n_columns,), by how far decoders have read; a site's columns share its."""
    stream, parts, rest_stream = _read(residual, table, n_rows)
    spent = np.zeros(table.n_columns)
    spent[parts.rest] = pbwt.spent_bits(rest_stream, parts.rest_table, n_rows)
    if len(parts.sites) and n_rows:
        of_site = np.empty(len(parts.sites), np.uint32)
        dosages = np.empty((len(parts.sites), n_rows), np.uint8)
        _core.mosaic_decode(stream, parts.kinds, 0, len(parts.sites), dosages, of_site)
        place = np.searchsorted(parts.sites, table.site[parts.columns])
        spent[parts.columns] = (of_site / np.bincount(place))[place]
    return spent


def _read(residual: bytes | memoryview, table: ColumnTable, n_rows: int) -> tuple[np.ndarray, _Parts, memoryview]:
    """Bytes of the dosages, which columns they make, and the bytes of all others."""
    if n_rows > MAX_ROWS:
        raise FormatError(f"a block has {n_rows} rows, {MAX_ROWS} are the most: the archive is corrupt")
    reader = ByteReader(residual, "block")
    others = np.unpackbits(unpack_array(reader, (table.n_sites + 7) // 8), count=table.n_sites).astype(bool)
    stream = np.frombuffer(reader.take(reader.count()), np.uint8)
    possible = _possible(table)
    parts = _Parts.of(table, possible & ~others)
    if (others & ~possible).any() or (not len(parts.sites) and len(stream)) or len(parts.sites) * n_rows**2 > MAX_WORK:
        raise FormatError("a block's sites are not as its window has them: the archive is corrupt")
    return stream, parts, reader.take(reader.left)


@dataclass(eq=False)
class _Parts:
    """Which columns go as dosages.

    Attributes
    ----------
    sites : ndarray of int64
        With dosages.
    kinds : ndarray of uint8, shape (len(sites),)
        What occurs there, as the kernel has it.
    columns, rest : ndarray of int64
        Columns that are made of dosages, and all others.
    rest_table : ColumnTable
    """

    sites: np.ndarray
    kinds: np.ndarray
    columns: np.ndarray
    rest: np.ndarray
    rest_table: ColumnTable

    @classmethod
    def of(cls, table: ColumnTable, by_dosage: np.ndarray) -> _Parts:
        """Of sites that go as dosages, bool (n_sites,)."""
        made = by_dosage[table.site] & ~_is_flag(table)
        kinds = np.zeros(table.n_sites, np.uint8)
        np.bitwise_or.at(kinds, table.site[made], np.where(table.kind[made] == KIND_MISSING, 2, 1).astype(np.uint8))
        sites, rest = np.flatnonzero(kinds), np.flatnonzero(~made)
        rest_table = replace(
            table, site=table.site[rest], slot=table.slot[rest], kind=table.kind[rest], rate=table.rate[rest]
        )
        return cls(sites, kinds[sites], np.flatnonzero(made), rest, rest_table)


def _is_flag(table: ColumnTable) -> np.ndarray:
    """Columns that say nothing of which alleles a call has."""
    return (table.kind == PHASE) | (table.kind == SWAPPED)


def _possible(table: ColumnTable) -> np.ndarray:
    """Sites whose columns are such as dosages and missing calls have: bool (n_sites,)."""
    if table.rows != SAMPLES:
        return np.zeros(table.n_sites, bool)
    unknown = ~_is_flag(table) & (table.kind != 1) & (table.kind != KIND_MISSING)
    missing = np.bincount(table.site[table.kind == KIND_MISSING], minlength=table.n_sites)
    return (missing != 1) & (np.bincount(table.site[unknown], minlength=table.n_sites) == 0)


def _dosages(matrix: np.ndarray, table: ColumnTable, possible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dosages, uint8 (n_sites, n_rows), of the possible sites; and which of those have half-missing calls."""
    dosages = np.zeros((table.n_sites, matrix.shape[1]), np.uint8)
    one_missing = np.zeros(table.n_sites, bool)
    if table.rows == SAMPLES:
        for slot in (0, 1):
            columns = np.flatnonzero((table.kind == 1) & (table.slot == slot))
            dosages[table.site[columns]] += matrix[columns]
        halves = [np.flatnonzero((table.kind == KIND_MISSING) & (table.slot == slot)) for slot in (0, 1)]
        halves = [columns[possible[table.site[columns]]] for columns in halves]
        sites = table.site[halves[0]]
        low, high = (matrix[columns] for columns in halves)
        one_missing[sites] = (low != high).any(axis=1)
        dosages[sites] = np.where(high, _MISSING, dosages[sites])
    return dosages, one_missing


def _encode(dosages: np.ndarray, kinds: np.ndarray) -> bytes:
    if not dosages.size:
        return b""
    # some sites in the middle tell how long samples stay alike
    start = max((len(kinds) - _TRIED_SITES) // 2, 0)
    tried = slice(start, start + _TRIED_SITES)
    lengths = [len(_encode_with(rarity, dosages[tried], kinds[tried])) for rarity in range(_core.MOSAIC_RARITIES)]
    return _encode_with(int(np.argmin(lengths)), dosages, kinds)


def _encode_with(rarity: int, dosages: np.ndarray, kinds: np.ndarray) -> bytes:
    size = 1024 + dosages.size // 8
    while True:
        out = np.empty(size, np.uint8)
        used = _core.mosaic_encode(dosages, kinds, rarity, out)
        if used >= 0:
            return out[:used].tobytes()
        size *= 2
