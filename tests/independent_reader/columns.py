# SPDX-License-Identifier: Apache-2.0
"""Calls as a matrix of bits, and back: §5.4."""

from dataclasses import dataclass

import numpy as np

from .data import Bytes, check
from .packed import read_array, read_flags

OTHER_PHASE, MISSING, FILL, SWAPPED = (
    0,
    127,
    128,
    129,
)  # kinds; those between are allele numbers, those above high digits
HAPLOTYPES, SAMPLES, UNORDERED = range(3)  # what rows are


def is_allele(kind):
    """Whether a column is an allele column (§5.8)."""
    return 1 <= kind <= 126


@dataclass
class Column:
    """A fact that is true of some rows."""

    site: int
    slot: int
    kind: int
    rate: int

    @property
    def rho(self):
        return self.rate & 127

    @property
    def common_bit(self):
        return self.rate >> 7


@dataclass
class Table:
    """The table of columns of a window."""

    rows: int
    phased: np.ndarray  # the usual phase of each site
    columns: list[Column]

    def n_rows(self, n_samples, ploidy):
        """The rows of so many samples."""
        return n_samples if self.rows == SAMPLES else n_samples * ploidy

    @property
    def of_alleles(self):
        """The numbers of the allele columns, and those of the others."""
        numbers = range(len(self.columns))
        alleles = [number for number in numbers if is_allele(self.columns[number].kind)]
        return alleles, [number for number in numbers if not is_allele(self.columns[number].kind)]


def read_columns(data, n, ploidy, is_wide=False):
    """§5.4: the table of columns of n sites, some of kinds above 129 if it is wide."""
    source = Bytes(data)
    rows = source.unsigned(8)
    check(rows == HAPLOTYPES or (rows <= UNORDERED and ploidy == 2), "rows are nothing that there is")
    phased = read_flags(source, n)
    counts = read_array(source, n).astype(int)
    counts += 256 * read_array(source, n).astype(int)
    total = int(counts.sum())
    check(total <= 2**22, "too many columns")
    slots, kinds, rates = (read_array(source, total).tolist() for _ in range(3))
    source.finish()

    # slots and kinds: those of sites of one column, then of two, and of these all first columns before all second ones
    first = np.cumsum(counts) - counts
    order = [
        int(first[site]) + k
        for count in sorted(set(counts.tolist()) - {0})
        for k in range(count)
        for site in np.flatnonzero(counts == count)
    ]
    columns = [None] * total
    sites = np.repeat(np.arange(n), counts).tolist()
    for place, number in enumerate(order):
        columns[number] = Column(sites[number], slots[place], kinds[place], rates[number])
    for one in columns:
        check(one.kind != SWAPPED or rows != HAPLOTYPES, "no such kind of columns")
        check(one.slot == 0 or (one.slot == 1 and rows == SAMPLES and one.kind not in (0, SWAPPED)), "no such slot")
        check(one.rho <= 99 or one.rho == 127, "no such rate")
    places = [(one.site, one.slot, one.kind) for one in columns]
    check(any(one.kind > SWAPPED for one in columns) == is_wide, "high digits that the index does not tell of")
    check(all(a < b for a, b in zip(places, places[1:], strict=False)), "columns are out of order")
    return Table(rows, phased, columns)


def calls_of(table, matrix, n_sites, ploidy):
    """§5.4: what the bits of some samples say.

    The matrix is (columns, rows); the calls are (sites, samples, ploidy), the phase is (sites, samples).
    """
    n_samples = matrix.shape[1] // (1 if table.rows == SAMPLES else ploidy)
    calls = np.zeros((n_sites, n_samples, ploidy), np.int16)
    other_phase = np.zeros((n_sites, n_samples), bool)
    swapped = np.zeros((n_sites, n_samples), bool)
    said = np.zeros((n_sites, n_samples, ploidy), bool)
    for one, bits in zip(table.columns, matrix.astype(bool), strict=True):  # the highest kind comes last, and counts
        if one.kind in (OTHER_PHASE, SWAPPED):
            firsts = bits if table.rows == SAMPLES else bits.reshape(n_samples, ploidy)[:, 0]
            (other_phase if one.kind == OTHER_PHASE else swapped)[one.site] = firsts
            continue
        here = calls[one.site, :, one.slot] if table.rows == SAMPLES else calls[one.site].reshape(-1)
        if one.kind > SWAPPED:
            check(((here[bits] >= 0) & (here[bits] <= 126)).all(), "a row has a high digit that it cannot have")
            here[bits] += 127 * (one.kind - SWAPPED)
            continue
        before = said[one.site, :, one.slot] if table.rows == SAMPLES else said[one.site].reshape(-1)
        check(not (is_allele(one.kind) and (before & bits).any()), "a row has two alleles")
        here[bits] = {MISSING: -1, FILL: -2}.get(one.kind, one.kind)
        before |= bits
    if ploidy == 1:
        return calls, np.zeros((n_sites, n_samples), bool)
    phased = (table.phased[:, None] ^ other_phase) & (calls[:, :, 1] != -2)
    if table.rows == UNORDERED:
        ascending = ~phased & (calls >= 0).all(axis=2)
        calls[ascending] = np.sort(calls[ascending], axis=1)
    calls[swapped] = calls[swapped][:, ::-1]
    return calls, phased
