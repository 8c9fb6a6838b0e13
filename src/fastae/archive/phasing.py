# SPDX-License-Identifier: Apache-2.0
"""Which allele of an unphased call goes to which haplotype, so that the columns of bits take few bytes.

Nobody reads the phase that is found here: a reader gives the alleles of unphased calls in one order whatever it is
(`columns.UNORDERED`). But haplotypes that are like others code far better than pairs of alleles. First comes one pass
in the order of the positional Burrows-Wheeler transform, then rounds in which each sample is phased anew against all
others (csrc/phase.c, csrc/phase_beam.c). Integers throughout: the same calls give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from fastae import _core
from fastae.archive.columns import UNORDERED, ColumnTable, rates_of, split
from fastae.cohort import MAX_NARROW, MISSING

LEAST_MINOR = 3  # minor alleles that a column needs to tell of relatives; rarer ones follow what the others say
AT_A_TIME = 16  # samples phased against the same haplotypes, whatever the number of threads
_ALL_AS_PANEL = 512  # haplotypes, up to which all others are looked at


@dataclass(frozen=True)
class Effort:
    """How hard to look: more of each is slower, and mostly better.

    Attributes
    ----------
    rounds : int
        How often each sample is phased against the others.
    beam : int
        Hypotheses that are kept.
    n_nearest : int
        Of many haplotypes those next to a sample's own are looked at, so many on either side.
    """

    rounds: int = 2
    beam: int = 6
    n_nearest: int = 16


def split_phased(
    calls: np.ndarray,
    phased: np.ndarray,
    slabs: list[slice],
    effort: Effort,
    n_threads: int = 1,
    check_stop: Callable[[], None] = lambda: None,
) -> tuple[ColumnTable, np.ndarray]:
    """Columns of a window of diploid calls whose rows are UNORDERED, phased to be small.

    Parameters
    ----------
    calls : ndarray of int8 or int16, shape (n_sites, n_samples, 2)
    phased : ndarray of bool, shape (n_sites, n_samples)
        Those calls stay as they are.
    slabs : list of slice
        Samples that are written, and so phased, together.
    effort : Effort
    n_threads : int
        The same bits come of every number.
    check_stop : function
        Called now and then; may raise.

    Returns
    -------
    table : ColumnTable
    matrix : ndarray of uint8, shape (n_columns, 2 * n_samples)
        As `split` has them, but for the order of alleles and for what stands under a missing call, which says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> calls = np.array([[[0, 1], [1, 1], [0, 0]]] * 2 + [[[0, 1], [0, 0], [1, 1]]] * 2, np.int8)
    >>> split_phased(calls, np.zeros((4, 3), bool), [slice(0, 3)], Effort())[1][:, :2].tolist()
    [[0, 1], [0, 1], [1, 0], [1, 0]]
    """
    table, matrix = split(calls, phased, UNORDERED)
    alleles = np.flatnonzero(table.is_allele)
    site = table.site[alleles]
    for slab in slabs:
        rows = slice(2 * slab.start, 2 * slab.stop)
        bits = matrix[alleles, rows]
        states = _states(calls[:, slab], phased[:, slab], bits, site)
        before = bits.copy()
        phase_bits(bits, states, effort, n_threads, check_stop)
        _swap_together(bits, before, states, site)
        matrix[alleles, rows] = bits
    return replace(table, rate=rates_of(matrix)), matrix


def _states(calls: np.ndarray, phased: np.ndarray, bits: np.ndarray, site: np.ndarray) -> np.ndarray:
    """What each allele column tells of calls: uint8 (n_columns, n_samples)."""
    first, second = calls[:, :, 0], calls[:, :, 1]
    free, missing = ~phased & (first >= 0) & (second >= 0), (first == MISSING) & (second == MISSING)
    if calls.dtype != np.int8:  # alleles of two digits stay, since columns of high digits are none of these
        free &= np.maximum(first, second) <= MAX_NARROW
    states = np.where(missing[site], np.uint8(_core.PHASE_UNKNOWN), np.uint8(_core.PHASE_KNOWN))
    states[free[site] & (bits[:, ::2] != bits[:, 1::2])] = _core.PHASE_SWAPPABLE
    for columns in _of_one_site(site):  # the first that differs decides
        swappable = np.zeros(states.shape[1], bool)
        for column in columns:
            here = states[column] == _core.PHASE_SWAPPABLE
            states[column, here & swappable] = _core.PHASE_UNKNOWN
            swappable |= here
    return states


def _swap_together(bits: np.ndarray, before: np.ndarray, states: np.ndarray, site: np.ndarray) -> None:
    """Swap a call's alleles in all columns of a site where they were swapped in one of them."""
    for columns in _of_one_site(site):
        swapped = (bits[columns, ::2] != before[columns, ::2]) & (states[columns] == _core.PHASE_SWAPPABLE)
        pairs = before[columns].reshape(len(columns), -1, 2)
        pairs = np.where(swapped.any(axis=0)[:, None], pairs[:, :, ::-1], pairs).reshape(len(columns), -1)
        known = (states[columns] != _core.PHASE_UNKNOWN).any(axis=0).repeat(2)
        bits[columns] = np.where(known, pairs, bits[columns])


def _of_one_site(site: np.ndarray) -> Iterator[np.ndarray]:
    """Columns of each site that has several."""
    bounds = np.flatnonzero(np.diff(site, prepend=-1, append=-1))
    for start, end in zip(bounds, bounds[1:], strict=False):
        if end - start > 1:
            yield np.arange(start, end)


def phase_bits(
    bits: np.ndarray, calls: np.ndarray, effort: Effort, n_threads: int, check_stop: Callable[[], None]
) -> None:
    """Phase columns, in place.

    Parameters
    ----------
    bits : ndarray of uint8, shape (n_columns, 2 * n_samples)
    calls : ndarray of uint8, shape (n_columns, n_samples)
        `_core.PHASE_KNOWN`, ``PHASE_SWAPPABLE`` or ``PHASE_UNKNOWN``.
    """
    n_samples = calls.shape[1]
    check_stop()
    _core.phase_greedy(bits, calls)
    ones = bits.view(bool).sum(axis=1)
    telling = np.flatnonzero(np.minimum(ones, 2 * n_samples - ones) >= LEAST_MINOR)
    if n_samples < 2 or not len(telling) or not effort.rounds:
        return
    words = _packed(bits[telling])
    swappable, unknown = (_packed(calls[telling] == state) for state in (_core.PHASE_SWAPPABLE, _core.PHASE_UNKNOWN))
    n_orders = words.shape[1] + 1 if 2 * n_samples > _ALL_AS_PANEL else 0
    orders = np.empty((n_orders, 2, 2 * n_samples), np.uint16)
    for _ in range(effort.rounds):
        if n_orders:
            _core.phase_orders(words, len(telling), orders)
        for first in range(0, n_samples, AT_A_TIME):
            check_stop()
            last = min(first + AT_A_TIME, n_samples)
            found = np.empty((2 * (last - first), words.shape[1]), np.uint64)
            _core.phase_refine(
                words,
                swappable,
                unknown,
                orders,
                len(telling),
                first,
                last,
                effort.n_nearest,
                effort.beam,
                n_threads,
                found,
            )
            words[2 * first : 2 * last] = found
    bits[telling] = _unpacked(words, len(telling))
    rest = calls.copy()
    rest[telling] = _core.PHASE_KNOWN
    _core.phase_greedy(bits, rest)


def _packed(columns: np.ndarray) -> np.ndarray:
    """Columns, (n_columns, n), as words of 64 columns, (n, n_words), the first in the lowest bit."""
    n_columns, n = columns.shape
    data = np.zeros((n, -(-n_columns // 64) * 8), np.uint8)
    data[:, : -(-n_columns // 8)] = np.packbits(columns.T, axis=1, bitorder="little")
    return data.view("<u8").astype(np.uint64)


def _unpacked(words: np.ndarray, n_columns: int) -> np.ndarray:
    return np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, bitorder="little")[:, :n_columns].T
