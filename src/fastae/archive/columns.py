# SPDX-License-Identifier: Apache-2.0
"""Calls as binary columns over rows, and back: the form in which every predictor sees a window of sites.

A site becomes one column per value other than 0 that occurs at it ("is allele 1", "is allele 2", "is missing", ...),
and, where they are needed, columns for phase and for the order of the alleles. Alleles above 126 have two digits of
base 127, with columns for each. So multi-allelic sites, missing alleles, haploid calls and mixed phase need no case of
their own further down. Columns without a single 1 are left out.

Rows are haplotypes. Where most heterozygous calls are unphased diploid ones, the alleles of a call are no haplotypes:
then either rows are samples, and a site has columns for its lower and for its higher allele; or rows are haplotypes
that a writer made up, and a reader puts a call's alleles in their one order again (FORMAT.md §5.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fastae.archive.container import ByteReader
from fastae.archive.packing import pack_array, unpack_array
from fastae.cohort import FILL, MAX_NARROW, MISSING, narrow
from fastae.errors import FormatError

# Kinds of column: allele numbers 1..126, and
PHASE, KIND_MISSING, KIND_FILL, SWAPPED = 0, 127, 128, 129  # kinds above: SWAPPED + the high digit of an allele
# What rows are, as the first byte of a table says it
HAPLOTYPES, SAMPLES, UNORDERED = 0, 1, 2

_VALUE_OF_KIND = {KIND_MISSING: MISSING, KIND_FILL: FILL}
_KIND_OF_VALUE = {value: kind for kind, value in _VALUE_OF_KIND.items()}
BASE = MAX_NARROW + 1  # of the digits of an allele
FLAGS = (PHASE, SWAPPED)  # kinds that say something of a call rather than of an allele

FLIP = 0x80  # in a column's rate: 1 is the common bit, so events are zeros
NEVER = 0x7F  # in a column's rate: no event at all

MAX_COLUMNS = 1 << 22  # of a window
_CHUNK_CELLS = 1 << 20  # handled at a time, so that what is made in between stays in the processor's cache


@dataclass(eq=False)
class ColumnTable:
    """What each column of a window means. Columns are ordered by site, slot and kind.

    Attributes
    ----------
    n_sites, ploidy : int
    rows : int
        HAPLOTYPES: all slots are 0. SAMPLES: columns name the slot of the allele. UNORDERED: haplotypes, but the order
        of the alleles of a call that is not phased says nothing.
    phased : ndarray of bool, shape (n_sites,)
        The usual phase at each site; a PHASE column marks the calls that differ.
    site : ndarray of int64; slot, kind : ndarray of uint8, shape (n_columns,)
    rate : ndarray of uint8, shape (n_columns,)
        How rare the rarer bit is over all rows, as `gaps` has it, or NEVER; plus FLIP. Zeros where no block needs it.
    """

    n_sites: int
    ploidy: int
    rows: int
    phased: np.ndarray
    site: np.ndarray
    slot: np.ndarray
    kind: np.ndarray
    rate: np.ndarray

    @property
    def rows_per_sample(self) -> int:
        return 1 if self.rows == SAMPLES else self.ploidy

    @property
    def n_columns(self) -> int:
        return len(self.site)

    @property
    def is_allele(self) -> np.ndarray:
        """Which columns say who has an allele: bool (n_columns,)."""
        return (self.kind != PHASE) & (self.kind < KIND_MISSING)

    @property
    def value(self) -> np.ndarray:
        """What an allele is where a column has a 1: int8 (n_columns,). Of a flag or high digit, it means nothing."""
        value = self.kind.view(np.int8).copy()
        for kind, other in _VALUE_OF_KIND.items():
            value[self.kind == kind] = other
        return value

    @property
    def is_hiding(self) -> np.ndarray:
        """Which columns say who has no allele, since it is missing or absent: bool (n_columns,)."""
        return (self.kind == KIND_MISSING) | (self.kind == KIND_FILL)

    @property
    def is_wide(self) -> bool:
        """If some allele is above 126."""
        return bool(self.kind.max(initial=0) > SWAPPED)

    @property
    def dtype(self) -> np.dtype:
        """Of the calls."""
        return np.dtype(np.int16 if self.is_wide else np.int8)

    def columns_of(self, sites: slice) -> slice:
        """The columns of sites from one to another."""
        first, last = np.searchsorted(self.site, [sites.start, sites.stop]).tolist()
        return slice(first, last)

    def part(self, sites: slice) -> ColumnTable:
        """The table of sites from one to another."""
        columns = self.columns_of(sites)
        return ColumnTable(
            sites.stop - sites.start,
            self.ploidy,
            self.rows,
            self.phased[sites],
            self.site[columns] - sites.start,
            self.slot[columns],
            self.kind[columns],
            self.rate[columns],
        )

    def without_rates(self) -> ColumnTable:
        return replace(self, rate=np.zeros_like(self.rate))

    def n_cells(self, n_samples: int) -> int:
        """Bits or alleles in a block of so many samples, whichever are more."""
        return max(self.n_columns * self.rows_per_sample, self.n_sites * self.ploidy) * n_samples

    def to_bytes(self) -> bytes:
        per_site = np.bincount(self.site, minlength=self.n_sites).astype(np.uint16)
        arrays = (np.packbits(self.phased), per_site.astype(np.uint8), (per_site >> 8).astype(np.uint8))
        alike = _order_of_alike(self.site, per_site)
        return bytes([self.rows]) + b"".join(map(pack_array, (*arrays, self.slot[alike], self.kind[alike], self.rate)))

    @classmethod
    def from_bytes(cls, data: bytes, n_sites: int, ploidy: int) -> ColumnTable:
        what = "table of columns"
        reader = ByteReader(data, what)
        rows = reader.take(1)[0]
        phased = unpack_array(reader, (n_sites + 7) // 8)
        low, high = (unpack_array(reader, n_sites).astype(np.int64) for _ in range(2))
        per_site = low | high << 8
        n_columns = int(per_site.sum())
        if rows > UNORDERED or (rows != HAPLOTYPES and ploidy != 2) or n_columns > MAX_COLUMNS:
            raise FormatError(f"the {what} is not one that a window can have: the archive is corrupt")
        site = np.repeat(np.arange(n_sites), per_site)
        slot, kind = np.empty(n_columns, np.uint8), np.empty(n_columns, np.uint8)
        alike = _order_of_alike(site, per_site)
        slot[alike], kind[alike], rate = (unpack_array(reader, n_columns) for _ in range(3))
        reader.finish()
        table = cls(
            n_sites=n_sites,
            ploidy=ploidy,
            rows=rows,
            phased=np.unpackbits(phased, count=n_sites).astype(bool),
            site=site,
            slot=slot,
            kind=kind,
            rate=rate,
        )
        key = (table.site << 9 | slot.astype(np.int64) << 8) + kind
        is_swapped = rows == HAPLOTYPES and (kind == SWAPPED).any()
        if n_columns and (slot.max() > (rows == SAMPLES) or is_swapped or (np.diff(key) <= 0).any()):
            raise FormatError(f"the {what} is out of order: the archive is corrupt")
        return table


def _order_of_alike(site: np.ndarray, per_site: np.ndarray) -> np.ndarray:
    """How slots and kinds are stored: by the number of columns of their site, then by which of them a column is."""
    first = np.cumsum(per_site, dtype=np.int64) - per_site
    return np.lexsort((np.arange(len(site)) - first[site], per_site[site]))


def split(calls: np.ndarray, phased: np.ndarray, rows: int | None = None) -> tuple[ColumnTable, np.ndarray]:
    """Columns of a window.

    Parameters
    ----------
    calls : ndarray of int8 or int16, shape (n_sites, n_samples, ploidy)
    phased : ndarray of bool, shape (n_sites, n_samples)
    rows : int, optional
        What rows are to be; if left out, SAMPLES where most heterozygous calls are unphased diploid ones, else
        HAPLOTYPES.

    Returns
    -------
    table : ColumnTable
    matrix : ndarray of uint8, shape (n_columns, n_rows)
        Bits. Rows run over samples, and within a sample over its haplotypes.
    """
    calls = narrow(calls)
    n_sites, n_samples, ploidy = calls.shape
    usual, unusual, is_unphased = _phase(calls, phased)
    if rows is None:
        rows = SAMPLES if is_unphased else HAPLOTYPES
    planes: list[_Plane] = []
    if rows == HAPLOTYPES:
        planes += _allele_planes(calls.reshape(n_sites, n_samples * ploidy), 0)
    else:
        swapped = _out_of_order(calls)
        if rows == UNORDERED:
            swapped &= ~phased
        low, high = _ordered(calls, swapped)
        if rows == SAMPLES:
            planes += _allele_planes(low, 0) + _allele_planes(high, 1)
        else:
            planes += _allele_planes(np.stack([low, high], axis=2).reshape(n_sites, 2 * n_samples), 0)
        planes += _flag_plane(swapped, SWAPPED)
    planes += _flag_plane(unusual, PHASE)

    site = np.concatenate([p.sites for p in planes] or [np.zeros(0, np.int64)])
    slot = np.repeat(np.array([p.slot for p in planes], np.uint8), [len(p.sites) for p in planes])
    kind = np.repeat(np.array([p.kind for p in planes], np.uint8), [len(p.sites) for p in planes])
    order = np.lexsort((kind, slot, site))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    n_rows = n_samples if rows == SAMPLES else n_samples * ploidy
    matrix = np.zeros((len(order), n_rows), np.uint8)
    start = 0
    for plane in planes:
        plane.copy_to(matrix, place[start : start + len(plane.sites)])
        start += len(plane.sites)
    return ColumnTable(n_sites, ploidy, rows, usual, site[order], slot[order], kind[order], rates_of(matrix)), matrix


@dataclass(eq=False)
class _Plane:
    """The columns of one slot and kind: in which rows, or each how-manieth row, a site has a value."""

    slot: int
    kind: int
    values: np.ndarray  # (n_sites, so many rows)
    value: int | bool
    sites: np.ndarray  # where it occurs

    def copy_to(self, matrix: np.ndarray, columns: np.ndarray) -> None:
        every = matrix.shape[1] // self.values.shape[1] if len(columns) else 1
        for part in chunks(len(columns), self.values.shape[1]):
            matrix[columns[part], ::every] = self.values[self.sites[part]] == self.value


def chunks(n: int, width: int) -> Iterator[slice]:
    """Slices of some rows each of n rows so wide."""
    step = max(_CHUNK_CELLS // max(width, 1), 1)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def _out_of_order(calls: np.ndarray) -> np.ndarray:
    """Which calls of two alleles have the higher one first: bool (n_sites, n_samples)."""
    first, second = calls[:, :, 0], calls[:, :, 1]
    return (first > second) & (second >= 0)


def _ordered(calls: np.ndarray, swapped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second alleles, those of some calls swapped."""
    first, second = calls[:, :, 0], calls[:, :, 1]
    return np.where(swapped, second, first), np.where(swapped, first, second)


def _phase(calls: np.ndarray, phased: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """The usual phase at each site; which calls differ; whether most heterozygous calls are unphased diploid ones."""
    n_sites, n_samples, ploidy = calls.shape
    usual = np.zeros(n_sites, bool)
    unusual = np.zeros((n_sites, n_samples), bool)  # takes no memory where nothing is written
    counts = np.zeros((2, 2), np.int64)  # of calls of several alleles: of all and of heterozygous ones, phased ones too
    for part in chunks(n_sites if ploidy > 1 else 0, n_samples):
        several = calls[part, :, 1] != FILL
        with_phase = several & phased[part]
        usual[part] = 2 * np.count_nonzero(with_phase, axis=1) > np.count_nonzero(several, axis=1)
        differs = several & (phased[part] != usual[part, None])
        if differs.any():
            unusual[part] = differs
        heterozygous = calls[part, :, 0] != calls[part, :, 1]
        for number, flags in enumerate((several, with_phase)):
            counts[0, number] += np.count_nonzero(flags)
            counts[1, number] += np.count_nonzero(flags & heterozygous)
    n, n_phased = counts[1] if counts[1, 0] else counts[0]
    return usual, unusual, bool(ploidy == 2 and 2 * n_phased < n)


def occurring(values: np.ndarray) -> np.ndarray:
    """Which values other than 0 there are at each site of int8 values (n_sites, width): bool (n_sites, 256).

    A value is found by its number as a byte, so negative ones from the end on. Of 0 nobody asks: it is False.
    """
    n_sites, width = values.shape
    occurs = np.zeros((n_sites, 256), bool)
    for part in chunks(n_sites, width):
        chunk = values[part].view(np.uint8)
        most = chunk.max(axis=1, initial=0)
        if most.max(initial=0) <= 1:  # nearly always
            occurs[part, 1] = most == 1
            continue
        for byte in np.flatnonzero(np.bincount(chunk.ravel(), minlength=256)[1:]) + 1:
            occurs[part, byte] = (chunk == byte).any(axis=1)
    return occurs


def _allele_planes(alleles: np.ndarray, slot: int) -> list[_Plane]:
    """Of alleles (n_sites, width), and where they are int16, of both their digits."""
    if alleles.dtype == np.int8:
        return _value_planes(alleles, slot)
    high = np.maximum(alleles, 0) // np.int16(BASE)
    planes = _value_planes(high.astype(np.int8), slot)
    for plane in planes:
        plane.kind += SWAPPED
    return _value_planes((alleles - BASE * high).astype(np.int8), slot) + planes


def _value_planes(values: np.ndarray, slot: int) -> list[_Plane]:
    occurs = occurring(values)
    planes = []
    for value in np.flatnonzero(occurs.any(axis=0)).astype(np.uint8).view(np.int8).tolist():
        sites = np.flatnonzero(occurs[:, value])
        planes.append(_Plane(slot, _KIND_OF_VALUE.get(value, value), values, value, sites))
    return planes


def _flag_plane(flags: np.ndarray, kind: int) -> list[_Plane]:
    """A fact about calls: it stands on the row of each sample's first haplotype."""
    sites = np.flatnonzero(flags.any(axis=1))
    return [_Plane(0, kind, flags, True, sites)] if len(sites) else []


def rates_of(matrix: np.ndarray) -> np.ndarray:
    """The rate of each column of bits: uint8 (n_columns,)."""
    ones, n_rows = matrix.view(bool).sum(axis=1), matrix.shape[1]
    rarer = np.minimum(ones, n_rows - ones)
    share = np.maximum(rarer, 1) / max(n_rows, 1)
    rate = np.clip(np.round(-4 * np.log2(share)) - 1, 0, 99).astype(np.uint8)
    rate[rarer == 0] = NEVER
    rate[2 * ones > n_rows] |= FLIP
    return rate


def join(table: ColumnTable, matrix: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `split`, for any whole number of samples.

    Parameters
    ----------
    table : ColumnTable
    matrix : ndarray of uint8, shape (n_columns, n_rows)
    out : ndarray of the table's dtype, shape (n_sites, n_samples, ploidy), optional
        Where the calls may be put; then they are this array. A site's calls lie in one piece.

    Returns
    -------
    calls : ndarray of the table's dtype, shape (n_sites, n_samples, ploidy)
    phased : ndarray of bool, shape (n_sites, n_samples)

    Raises
    ------
    FormatError
        If a row has two high digits, or one without an allele.
    """
    n_rows = matrix.shape[1]
    n_samples = n_rows // table.rows_per_sample
    if table.rows == SAMPLES:
        slots = [np.zeros((table.n_sites, n_rows), table.dtype) for _ in range(2)]
    else:
        calls = np.empty((table.n_sites, n_samples, table.ploidy), table.dtype) if out is None else out
        calls[:] = 0
        slots = [calls.reshape(table.n_sites, n_rows)]
    flags: dict[int, np.ndarray] = {}
    for kind in np.unique(table.kind).tolist():
        for slot, values in enumerate(slots):
            columns = np.flatnonzero((table.kind == kind) & (table.slot == slot))
            sites = table.site[columns]
            if not len(columns):
                continue
            if kind in FLAGS:
                flags[kind] = np.zeros((table.n_sites, n_samples), bool)
                flags[kind][sites] = matrix[columns, :: table.rows_per_sample]
                continue
            for part in chunks(len(columns), n_rows):
                bits, there = matrix[columns[part]].view(np.int8), sites[part]
                if kind == 1:  # the first, and nearly always the only one
                    values[there] = bits
                elif kind > SWAPPED:
                    low = values[there]
                    if (bits.view(bool) & ((low < 0) | (low >= BASE))).any():
                        raise FormatError("a block gives a high digit to what cannot have it: the archive is corrupt")
                    values[there] = low + np.int16(BASE * (kind - SWAPPED)) * bits
                else:
                    values[there] = np.where(bits, np.int8(_VALUE_OF_KIND.get(kind, kind)), values[there])
    if table.rows == SAMPLES:
        calls = np.stack(slots, axis=2)
    return with_flags(table, calls, flags)


def with_flags(table: ColumnTable, calls: np.ndarray, flags: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Calls and phase from alleles as rows have them and, by kind, which calls (n_sites, n_samples) flag columns name.

    The calls are the array given where no call is to be put in another order.
    """
    n_samples = calls.shape[1]
    if table.ploidy == 1:
        return calls, np.zeros((table.n_sites, n_samples), bool)
    phased = np.broadcast_to(table.phased[:, None], (table.n_sites, n_samples))
    if PHASE in flags:
        phased = phased ^ flags[PHASE]
    swapped = flags.get(SWAPPED)
    if table.rows == UNORDERED:
        unordered = _out_of_order(calls) & ~phased
        swapped = unordered if swapped is None else unordered ^ swapped
    if swapped is not None:
        calls = np.stack(_ordered(calls, swapped), axis=2)
    if KIND_FILL not in table.kind:
        return calls, phased
    return calls, phased & (calls[:, :, 1] != FILL)
