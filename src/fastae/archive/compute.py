# SPDX-License-Identifier: Apache-2.0
"""Counts of alleles, and products of the matrix of dosages, of calls that are never unpacked.

Where a block's rows stand in an order in which a site is a few runs, who has the minor allele is copied run by run, and
time goes with the minor alleles rather than with the calls; counts need not even know who has them. Other blocks are
decoded to bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastae import _core, _validate
from fastae.archive.columns import BASE, SAMPLES, SWAPPED, ColumnTable
from fastae.archive.container import Section
from fastae.archive.named import Named, Selection
from fastae.archive.predictors import pbwt, runs
from fastae.archive.window import WindowDecoder
from fastae.errors import FormatError

_BY_RUNS = {module.NUMBER: module for module in (pbwt, runs)}
_MAX_ROWS = _core.PBWT_MAX_ROWS  # that are summed at a time


class Computing(Named):
    """The methods of `Archive` that compute."""

    def allele_counts(self, variants: Selection = None, samples: Selection = None) -> np.ndarray:
        """How many times each allele was called at each variant.

        Parameters
        ----------
        variants, samples : slice, array of int or bool, or names as in `Archive`, optional
            In the order given, a sample that is named twice counting twice; all, if left out.

        Returns
        -------
        ndarray of int64, shape (n_variants, n_alleles)
            Missing and absent alleles are not counted. There is a column for each allele number up to the highest that
            any sample has at any of these variants, and at least two.

        Raises
        ------
        IndexError
            If a number is out of range.
        FormatError
            If the archive is corrupt.

        See Also
        --------
        dot : Of which this is the case of weights that are ones, allele by allele.

        Examples
        --------
        >>> import tempfile, os
        >>> import fastae
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "cohort.fae")
        ...     fastae.write_archive(path, [[[0, 1], [1, 1]], [[0, 0], [-1, 2]]])
        ...     with fastae.open(path) as archive:
        ...         archive.allele_counts().tolist(), archive.allele_counts(samples=[0]).tolist()
        ([[1, 3, 0], [2, 0, 1]], [[1, 1, 0], [2, 0, 0]])
        """
        at_variants, at_samples = self._asked(variants, samples)
        weights = None
        if samples is not None:
            weights = np.bincount(at_samples, minlength=self._n_samples).astype(np.float64)[:, None]
        counts = np.zeros((len(at_variants), 2), np.int64)
        for part, sums in self._sums(at_variants, at_samples, row_weights=weights):
            here = sums.allele_counts()
            more = here.shape[1] - counts.shape[1]
            if more > 0:
                counts = np.pad(counts, ((0, 0), (0, more)))
            counts[part.asked, : here.shape[1]] += here[part.places]
        return counts

    def dot(self, v: ArrayLike, variants: Selection = None, samples: Selection = None) -> np.ndarray:
        """The matrix of dosages times a vector or a matrix.

        A dosage is the number of a call's alleles that are not 0; a missing one counts as 0. So the matrix, of shape
        (n_variants, n_samples), is ``(archive[:] > 0).sum(axis=2)``. It is not made.

        Parameters
        ----------
        v : array_like of float, shape (n_samples,) or (n_samples, k)
            Finite. Many columns at once take hardly more time than one, since blocks are decoded once for all.
        variants, samples : slice, array of int or bool, or names as in `Archive`, optional
            Rows and columns of the matrix, in the order given; all, if left out.

        Returns
        -------
        ndarray of float64, shape (n_variants,) or (n_variants, k)
            The same for any number of threads.

        Raises
        ------
        ValueError
            If v has another shape, or numbers that are not finite.
        IndexError
            If a number is out of range.
        FormatError
            If the archive is corrupt.

        See Also
        --------
        rdot : The same for the transposed matrix.

        Examples
        --------
        Principal components of centred dosages:

        >>> import os, tempfile
        >>> import numpy as np
        >>> from scipy.sparse.linalg import LinearOperator, svds
        >>> import fastae
        >>> calls = np.random.default_rng(0).integers(0, 2, (50, 20, 2), dtype=np.int8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "cohort.fae")
        ...     fastae.write_archive(path, calls)
        ...     with fastae.open(path) as archive:
        ...         n_variants, n_samples, _ = archive.shape
        ...         mean = archive.dot(np.full(n_samples, 1 / n_samples))
        ...         centred = LinearOperator(
        ...             (n_variants, n_samples),
        ...             matvec=lambda v: archive.dot(v.ravel()) - mean * v.sum(),
        ...             rmatvec=lambda u: archive.rdot(u.ravel()) - mean @ u,
        ...         )
        ...         _, sizes, components = svds(centred, k=2, random_state=0)
        >>> dosages = calls.sum(axis=2)
        >>> expected = np.linalg.svd(dosages - dosages.mean(axis=1, keepdims=True), compute_uv=False)
        >>> components.shape, bool(np.allclose(sizes, expected[1::-1]))
        ((2, 20), True)
        """
        at_variants, at_samples = self._asked(variants, samples)
        given, columns = _weights(v, len(at_samples), "v", "samples")
        weights = _spread(columns, at_samples, self._n_samples)
        out = np.zeros((len(at_variants), columns.shape[1]))
        for part, sums in self._sums(at_variants, at_samples, row_weights=weights):
            out[part.asked] += sums.of_sites()[part.places]
        return out.reshape(len(at_variants), *given.shape[1:])

    def rdot(self, u: ArrayLike, variants: Selection = None, samples: Selection = None) -> np.ndarray:
        """The transposed matrix of dosages, as `dot` has them, times a vector or a matrix.

        Parameters
        ----------
        u : array_like of float, shape (n_variants,) or (n_variants, k)
            Finite: weights of variants, as of a polygenic score.
        variants, samples : slice, array of int or bool, or names as in `Archive`, optional
            In the order given; all, if left out.

        Returns
        -------
        ndarray of float64, shape (n_samples,) or (n_samples, k)
            The same for any number of threads.

        Raises
        ------
        ValueError
            If u has another shape, or numbers that are not finite.
        IndexError
            If a number is out of range.
        FormatError
            If the archive is corrupt.

        Examples
        --------
        >>> import tempfile, os
        >>> import fastae
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "cohort.fae")
        ...     fastae.write_archive(path, [[[0, 1], [1, 1]], [[0, 0], [-1, 2]]])
        ...     with fastae.open(path) as archive:
        ...         archive.rdot([1, 10]).tolist(), archive.dot([1, 10]).tolist()
        ([1.0, 12.0], [21.0, 10.0])
        """
        at_variants, at_samples = self._asked(variants, samples)
        given, columns = _weights(u, len(at_variants), "u", "variants")
        out = np.zeros((self._n_samples, columns.shape[1]))
        for part, sums in self._sums(at_variants, at_samples, variant_weights=columns):
            out[part.slab] += sums.of_samples()
        return out[at_samples].reshape(len(at_samples), *given.shape[1:])

    # ---- blocks ------------------------------------------------------------------------------------------------

    @property
    def _n_samples(self) -> int:
        return self._reader.index.n_samples

    def _sums(
        self,
        variants: np.ndarray,
        samples: np.ndarray,
        *,
        row_weights: np.ndarray | None = None,
        variant_weights: np.ndarray | None = None,
    ) -> Iterator[tuple[_Part, _BlockSums]]:
        """Sums over the blocks in which there are some of the variants and samples, in the order of the file.

        Weights of rows are of all samples (n_samples, k), those of variants of the ones asked for (len(variants), k).
        """
        of_window = np.searchsorted(self._starts, variants, side="right") - 1
        slabs = np.flatnonzero(np.bincount(samples // self._reader.index.slab_samples)).tolist()

        def parts() -> Iterator[tuple[_Part]]:
            for window in np.flatnonzero(np.bincount(of_window)).tolist():
                asked = np.flatnonzero(of_window == window)
                sites = variants[asked] - self._starts[window]
                hull = slice(int(sites.min()), int(sites.max()) + 1)
                for number in slabs:
                    yield (_Part(window, number, self._slab(number), hull, asked, sites - hull.start),)

        def work(part: _Part) -> tuple[_Part, _BlockSums]:
            decoder, section = self._decoder(part.window), self._block(part.window, part.number)
            of_rows = of_sites = None
            if row_weights is not None:
                of_rows = np.repeat(row_weights[part.slab], decoder.table.rows_per_sample, axis=0)
            if variant_weights is not None:
                of_sites = _spread(variant_weights[part.asked], part.places, part.hull.stop - part.hull.start)
            payload, n_samples = self._reader.read_section(section), part.slab.stop - part.slab.start
            return part, _block_sums(decoder, payload, section, n_samples, part.hull, of_rows, of_sites)

        return self._in_order(work, parts())


@dataclass(frozen=True, eq=False)
class _Part:
    """What is asked of a block.

    Attributes
    ----------
    window, number : int
        Numbers of the window and of the slab.
    slab : slice
        Samples of the block.
    hull : slice
        The window's sites from the first asked for to the last.
    asked, places : ndarray of int64
        Which of the variants asked for these are, and where in the hull.
    """

    window: int
    number: int
    slab: slice
    hull: slice
    asked: np.ndarray
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class _BlockSums:
    """Sums over a block's columns of alleles.

    Attributes
    ----------
    table : ColumnTable
        Of the sites asked for.
    columns : ndarray of int64
        Those of alleles, in the table.
    sums : of the columns
    hidden : sums over masks, or None
    mask_sites : ndarray of int64
        The site of each mask.
    total : float
        Alleles at a site, or if rows have weights, weights.
    """

    table: ColumnTable
    columns: np.ndarray
    sums: _Sums
    hidden: _Sums | None
    mask_sites: np.ndarray
    total: float

    def of_sites(self) -> np.ndarray:
        """float64 (n_sites, k)."""
        out = np.zeros((self.table.n_sites, self.sums.of_columns.shape[1]))
        np.add.at(out, self.table.site[self.columns], self.sums.of_columns)
        return out

    def of_samples(self) -> np.ndarray:
        """float64 (n_samples, k)."""
        of_rows = self.sums.of_rows
        return of_rows.reshape(-1, self.table.rows_per_sample, of_rows.shape[1]).sum(axis=1)

    def allele_counts(self) -> np.ndarray:
        """int64 (n_sites, highest allele number + 1)."""
        kind, site = self.table.kind[self.columns], self.table.site[self.columns]
        out = np.zeros((self.table.n_sites, int(kind.max(initial=0)) + 1), np.int64)
        np.add.at(out, (site, kind), self.sums.counted())
        out[:, 0] = round(self.total) - out.sum(axis=1)
        if self.hidden is not None:
            np.subtract.at(out[:, 0], self.mask_sites, self.hidden.counted())
        if out.min(initial=0) < 0:
            raise FormatError("a block has more alleles at a site than it has calls: the archive is corrupt")
        return out


@dataclass(frozen=True, eq=False)
class _WideSums(_BlockSums):
    """Of a block in which some sites have alleles above 126, whose columns tell of digits: these by their calls.

    Attributes
    ----------
    wide : ndarray of int64
        These sites.
    calls : ndarray of int16, shape (len(wide), n_samples, ploidy)
    weights : ndarray of float64, shape (n_samples, k)
    wide_weights : ndarray of float64, shape (len(wide), k), or None
    """

    wide: np.ndarray
    calls: np.ndarray
    weights: np.ndarray
    wide_weights: np.ndarray | None

    def of_sites(self) -> np.ndarray:
        out = super().of_sites()
        out[self.wide] = np.count_nonzero(self.calls > 0, axis=2) @ self.weights
        return out

    def of_samples(self) -> np.ndarray:
        assert self.wide_weights is not None
        without_low_digit = (self.calls > 0) & (self.calls % BASE == 0)
        return super().of_samples() + np.count_nonzero(without_low_digit, axis=2).T @ self.wide_weights

    def allele_counts(self) -> np.ndarray:
        narrow = super().allele_counts()
        out = np.pad(narrow, ((0, 0), (0, max(int(self.calls.max(initial=0)) + 1 - narrow.shape[1], 0))))
        weights = np.broadcast_to(self.weights[:, :1], self.calls.shape[1:])
        for site, calls in zip(self.wide, self.calls, strict=True):
            known = calls >= 0
            out[site] = np.rint(np.bincount(calls[known], weights[known], out.shape[1]))
        return out


@dataclass(frozen=True, eq=False)
class _Sums:
    """What `_core.ColumnSums` found, of all rows."""

    counts: np.ndarray  # (n_columns,)
    of_columns: np.ndarray  # (n_columns, k); k is 0 where rows have no weights
    of_rows: np.ndarray  # (n_rows, k) likewise

    def counted(self) -> np.ndarray:
        """Ones of each column; where rows have weights, those of their first column, which are whole numbers."""
        return np.rint(self.of_columns[:, 0]).astype(np.int64) if self.of_columns.shape[1] else self.counts

    @classmethod
    def of(cls, sums: _core.ColumnSums) -> _Sums:
        nothing = np.zeros((len(sums.counts), 0)), np.zeros((0, 0))
        return cls(
            sums.counts.astype(np.int64),
            nothing[0] if sums.of_columns is None else sums.of_columns,
            nothing[1] if sums.of_rows is None else sums.of_rows,
        )

    @classmethod
    def of_bits(
        cls,
        bits: np.ndarray,
        masks: np.ndarray | None = None,
        mask_of: np.ndarray | None = None,
        row_weights: np.ndarray | None = None,
        column_weights: np.ndarray | None = None,
    ) -> _Sums:
        """Of bits (n_columns, n_rows), any number of rows."""
        parts = []
        for start in range(0, bits.shape[1], _MAX_ROWS) or [0]:
            rows = slice(start, start + _MAX_ROWS)
            sums = _core.ColumnSums(
                len(bits),
                bits[:, rows].shape[1],
                None if masks is None else np.ascontiguousarray(masks[:, rows]),
                mask_of,
                None if row_weights is None else row_weights[rows],
                column_weights,
            )
            sums.add_bits(np.ascontiguousarray(bits[:, rows]))
            parts.append(cls.of(sums))
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.sum([part.counts for part in parts], axis=0),
            np.sum([part.of_columns for part in parts], axis=0),
            np.concatenate([part.of_rows for part in parts]),
        )


def _block_sums(
    decoder: WindowDecoder,
    payload: bytes,
    section: Section,
    n_samples: int,
    sites: slice,
    row_weights: np.ndarray | None,
    site_weights: np.ndarray | None,
) -> _BlockSums:
    """Sums over some sites of a block; weights of rows (n_rows, k), of sites (len(sites), k)."""
    whole, n_rows = decoder.table, n_samples * decoder.table.rows_per_sample
    table, within = whole.part(sites), whole.columns_of(sites)
    columns, hiding = np.flatnonzero(table.is_allele), np.flatnonzero(table.is_hiding)
    column_weights = None if site_weights is None else site_weights[table.site[columns]]
    by_runs = _BY_RUNS.get(section.predictor) if not section.latents and n_rows else None
    masks = mask_of = hidden = None
    mask_sites = np.zeros(0, np.int64)
    if by_runs is None:
        bits = decoder.bits(payload, section.latents, section.predictor, n_samples, within)
    if len(hiding):
        hiding_bits = bits[hiding] if by_runs is None else by_runs.decode_others(payload, whole, n_rows, within)
        masks, mask_of, mask_sites = _masks(table, hiding, hiding_bits, columns)
        hidden = _Sums.of_bits(masks, row_weights=row_weights)
    if by_runs is None:
        sums = _Sums.of_bits(bits[columns], masks, mask_of, row_weights, column_weights)
    else:
        found = _core.ColumnSums(len(columns), n_rows, masks, mask_of, row_weights, column_weights)
        by_runs.add_alleles(payload, whole, n_rows, within, found)
        sums = _Sums.of(found)
    n_slots = 2 if table.rows == SAMPLES else 1
    total = n_slots * (n_rows if row_weights is None else float(row_weights.sum()))
    of_columns = table, columns, sums, hidden, mask_sites, total
    if not table.is_wide:
        return _BlockSums(*of_columns)
    wide = np.unique(table.site[table.kind > SWAPPED])
    hull = slice(sites.start + int(wide[0]), sites.start + int(wide[-1]) + 1)
    calls, _ = decoder.calls(payload, section.latents, section.predictor, n_samples, sites=hull)
    weights = np.ones((n_samples, 1)) if row_weights is None else row_weights[:: table.rows_per_sample]
    wide_weights = None if site_weights is None else site_weights[wide]
    return _WideSums(*of_columns, wide, calls[wide - wide[0]], weights, wide_weights)


def _masks(
    table: ColumnTable, hiding: np.ndarray, bits: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows have no allele, uint8 (n_masks, n_rows); the mask of each of some columns, or -1; each mask's site.

    `bits` (len(hiding), n_rows) are of the columns `hiding`, which say that alleles are missing or absent.
    """
    of_slot = 2 * table.site + table.slot
    slots, place = np.unique(of_slot[hiding], return_inverse=True)
    masks = np.zeros((len(slots), bits.shape[1]), np.uint8)
    for kind in np.unique(table.kind[hiding]):  # of which a slot has at most one column
        same = table.kind[hiding] == kind
        masks[place[same]] |= bits[same]
    mask_of = np.searchsorted(slots, of_slot[columns])
    has_one = slots[np.minimum(mask_of, len(slots) - 1)] == of_slot[columns]
    return masks, np.where(has_one, mask_of, -1), slots // 2


def _weights(given: ArrayLike, n: int, name: str, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """What was given, and the same with two axes."""
    array = _validate.array(given, np.float64, name=name, finite=True)
    if array.ndim not in (1, 2) or len(array) != n:
        raise ValueError(f"{name} has shape {array.shape}; there are {n} {axis}, so it must be ({n},) or ({n}, k)")
    return array, array.reshape(n, math.prod(array.shape[1:]))


def _spread(weights: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
    """Weights of what stands at some of n places, those that share a place summed up."""
    out = np.zeros((n, weights.shape[1]))
    np.add.at(out, at, weights)
    return out
