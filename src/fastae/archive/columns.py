# SPDX-License-Identifier: Apache-2.0
"""Calls as binary columns over rows, and back: the form in which every predictor sees a window of sites.

A site becomes one column per value other than 0 that occurs at it ("is allele 1", "is allele 2", "is missing", ...),
and, where they are needed, columns for phase and for the order of the alleles. So multi-allelic sites, missing alleles,
haploid calls and mixed phase need no case of their own further down. Columns without a single 1 are left out.

Rows are haplotypes, unless most heterozygous calls are unphased diploid ones: then the two alleles of a call are no
haplotypes, rows are samples, and a site has columns for its lower and for its higher allele (FORMAT.md §5.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastae.archive.container import ByteReader
from fastae.archive.packing import pack_array, unpack_array
from fastae.cohort import FILL, MISSING
from fastae.errors import FormatError

# Kinds of column: allele numbers 1..126, and
PHASE, KIND_MISSING, KIND_FILL, SWAPPED = 0, 127, 128, 129
_VALUE_OF_KIND = {KIND_MISSING: MISSING, KIND_FILL: FILL}
_KIND_OF_VALUE = {value: kind for kind, value in _VALUE_OF_KIND.items()}

FLIP = 0x80  # in a column's rate: 1 is the common bit, so events are zeros
NEVER = 0x7F  # in a column's rate: no event at all

MAX_COLUMNS = 1 << 22  # of a window


@dataclass(eq=False)
class ColumnTable:
    """What each column of a window means. Columns are ordered by site, slot and kind.

    Attributes
    ----------
    n_sites, ploidy : int
    by_sample : bool
        Rows are samples and columns name the slot of the allele; else rows are haplotypes, all slots 0.
    phased : ndarray of bool, shape (n_sites,)
        The usual phase at each site; a PHASE column marks the calls that differ.
    site : ndarray of int64; slot, kind : ndarray of uint8, shape (n_columns,)
    rate : ndarray of uint8, shape (n_columns,)
        How rare the rarer bit is over all rows, as `gaps` has it, or NEVER; plus FLIP.
    """

    n_sites: int
    ploidy: int
    by_sample: bool
    phased: np.ndarray
    site: np.ndarray
    slot: np.ndarray
    kind: np.ndarray
    rate: np.ndarray

    @property
    def rows_per_sample(self) -> int:
        return 1 if self.by_sample else self.ploidy

    @property
    def n_columns(self) -> int:
        return len(self.site)

    def n_cells(self, n_samples: int) -> int:
        """Bits or alleles in a block of so many samples, whichever are more."""
        return max(self.n_columns * self.rows_per_sample, self.n_sites * self.ploidy) * n_samples

    def to_bytes(self) -> bytes:
        per_site = np.bincount(self.site, minlength=self.n_sites).astype(np.uint16)
        arrays = (np.packbits(self.phased), per_site.astype(np.uint8), (per_site >> 8).astype(np.uint8))
        return bytes([int(self.by_sample)]) + b"".join(map(pack_array, (*arrays, self.slot, self.kind, self.rate)))

    @classmethod
    def from_bytes(cls, data: bytes, n_sites: int, ploidy: int) -> ColumnTable:
        what = "table of columns"
        reader = ByteReader(data, what)
        by_sample = reader.take(1)[0]
        phased = unpack_array(reader, (n_sites + 7) // 8)
        low, high = (unpack_array(reader, n_sites).astype(np.int64) for _ in range(2))
        per_site = low | high << 8
        n_columns = int(per_site.sum())
        if by_sample > 1 or (by_sample and ploidy != 2) or n_columns > MAX_COLUMNS:
            raise FormatError(f"the {what} is not one that a window can have: the archive is corrupt")
        slot, kind, rate = (unpack_array(reader, n_columns) for _ in range(3))
        reader.finish()
        table = cls(
            n_sites=n_sites,
            ploidy=ploidy,
            by_sample=bool(by_sample),
            phased=np.unpackbits(phased, count=n_sites).astype(bool),
            site=np.repeat(np.arange(n_sites), per_site),
            slot=slot,
            kind=kind,
            rate=rate,
        )
        key = (table.site << 9 | slot.astype(np.int64) << 8) + kind
        if n_columns and (slot.max() > by_sample or kind.max() > SWAPPED or (np.diff(key) <= 0).any()):
            raise FormatError(f"the {what} is out of order: the archive is corrupt")
        return table


def split(calls: np.ndarray, phased: np.ndarray) -> tuple[ColumnTable, np.ndarray]:
    """Columns of a window.

    Parameters
    ----------
    calls : ndarray of int8, shape (n_sites, n_samples, ploidy)
    phased : ndarray of bool, shape (n_sites, n_samples)

    Returns
    -------
    table : ColumnTable
    matrix : ndarray of uint8, shape (n_columns, n_rows)
        Bits. Rows run over samples, and within a sample over its haplotypes.
    """
    n_sites, n_samples, ploidy = calls.shape
    several = calls[:, :, 1] != FILL if ploidy > 1 else np.zeros((n_sites, n_samples), bool)
    usual = 2 * np.count_nonzero(phased & several, axis=1) > np.count_nonzero(several, axis=1)
    by_sample = ploidy == 2 and _is_unphased(calls, phased, several)
    planes: list[tuple[int, int, np.ndarray, np.ndarray]] = []  # slot, kind, sites, bits (len(sites), n_rows)
    if by_sample:
        first, second = calls[:, :, 0], calls[:, :, 1]
        swapped = (first > second) & (second >= 0)
        low, high = np.where(swapped, second, first), np.where(swapped, first, second)
        planes += _value_planes(low, 0) + _value_planes(high, 1)
        planes += _flag_plane(swapped, SWAPPED, 1)
    else:
        planes += _value_planes(calls.reshape(n_sites, n_samples * ploidy), 0)
    planes += _flag_plane(several & (phased != usual[:, None]), PHASE, 1 if by_sample else ploidy)

    site = np.concatenate([p[2] for p in planes] or [np.zeros(0, np.int64)])
    slot = np.concatenate([np.full(len(p[2]), p[0], np.uint8) for p in planes] or [np.zeros(0, np.uint8)])
    kind = np.concatenate([np.full(len(p[2]), p[1], np.uint8) for p in planes] or [np.zeros(0, np.uint8)])
    order = np.lexsort((kind, slot, site))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    n_rows = n_samples if by_sample else n_samples * ploidy
    matrix = np.empty((len(order), n_rows), np.uint8)
    start = 0
    for _, _, sites, bits in planes:
        matrix[place[start : start + len(sites)]] = bits
        start += len(sites)
    rate = _rates(np.count_nonzero(matrix, axis=1), n_rows)
    return ColumnTable(n_sites, ploidy, by_sample, usual, site[order], slot[order], kind[order], rate), matrix


def _is_unphased(calls: np.ndarray, phased: np.ndarray, several: np.ndarray) -> bool:
    heterozygous = several & (calls[:, :, 0] != calls[:, :, 1])
    if not heterozygous.any():
        heterozygous = several
    return bool(2 * np.count_nonzero(heterozygous & phased) < np.count_nonzero(heterozygous))


def _value_planes(values: np.ndarray, slot: int) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    planes = []
    present = np.bincount(values.view(np.uint8).ravel(), minlength=256) if values.flags.c_contiguous else None
    candidates = np.unique(values) if present is None else np.flatnonzero(present).astype(np.uint8).view(np.int8)
    for value in candidates.tolist():
        if value == 0:
            continue
        bits = values == value
        sites = np.flatnonzero(bits.any(axis=1))
        planes.append((slot, _KIND_OF_VALUE.get(value, value), sites, bits[sites]))
    return planes


def _flag_plane(flags: np.ndarray, kind: int, rows_per_sample: int) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """A fact about calls: it stands on the row of each sample's first haplotype."""
    sites = np.flatnonzero(flags.any(axis=1))
    if not len(sites):
        return []
    bits = np.zeros((len(sites), flags.shape[1], rows_per_sample), np.uint8)
    bits[:, :, 0] = flags[sites]
    return [(0, kind, sites, bits.reshape(len(sites), -1))]


def _rates(ones: np.ndarray, n_rows: int) -> np.ndarray:
    rarer = np.minimum(ones, n_rows - ones)
    share = np.maximum(rarer, 1) / max(n_rows, 1)
    rate = np.clip(np.round(-4 * np.log2(share)) - 1, 0, 99).astype(np.uint8)
    rate[rarer == 0] = NEVER
    rate[2 * ones > n_rows] |= FLIP
    return rate


def join(table: ColumnTable, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `split`, for any whole number of samples.

    Parameters
    ----------
    table : ColumnTable
    matrix : ndarray of uint8, shape (n_columns, n_rows)

    Returns
    -------
    calls : ndarray of int8, shape (n_sites, n_samples, ploidy)
    phased : ndarray of bool, shape (n_sites, n_samples)
    """
    n_rows = matrix.shape[1]
    n_samples = n_rows // table.rows_per_sample
    slots = [np.zeros((table.n_sites, n_rows), np.int8) for _ in range(2 if table.by_sample else 1)]
    flags: dict[int, np.ndarray] = {}
    for kind in np.unique(table.kind).tolist():
        for slot, values in enumerate(slots):
            columns = np.flatnonzero((table.kind == kind) & (table.slot == slot))
            sites = table.site[columns]
            if not len(columns):
                continue
            if kind in (PHASE, SWAPPED):
                flags[kind] = np.zeros((table.n_sites, n_samples), bool)
                flags[kind][sites] = matrix[columns, :: table.rows_per_sample]
            elif kind == 1:  # the first, and nearly always the only one
                values[sites] = matrix[columns].view(np.int8)
            else:
                values[sites] = np.where(matrix[columns], np.int8(_VALUE_OF_KIND.get(kind, kind)), values[sites])
    if table.by_sample:
        low, high = slots
        swapped = flags.get(SWAPPED, np.zeros((1, 1), bool))
        calls = np.stack([np.where(swapped, high, low), np.where(swapped, low, high)], axis=2)
    else:
        calls = slots[0].reshape(table.n_sites, n_samples, table.ploidy)
    if table.ploidy == 1:
        return calls, np.zeros((table.n_sites, n_samples), bool)
    phased = np.broadcast_to(table.phased[:, None], (table.n_sites, n_samples))
    if PHASE in flags:
        phased = phased ^ flags[PHASE]
    return calls, phased & (calls[:, :, 1] != FILL)
