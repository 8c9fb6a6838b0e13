# SPDX-License-Identifier: Apache-2.0
"""A cohort's common alleles as rows that an autoencoder can be trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastae.alphabet import DOSAGE, HAPLOTYPE, Alphabet
from fastae.cohort import FILL, Cohort, CohortStream
from fastae.errors import InputError


@dataclass(eq=False)
class TrainingRows:
    """Rows of symbols, one or more for each sample.

    Attributes
    ----------
    X : ndarray of int8, shape (n_samples * rows_per_sample, n_variants)
        Those of a sample follow each other. -1 is missing, also where a call has fewer alleles than others.
    alphabet : Alphabet
        `HAPLOTYPE`: 1 is any allele but the first. `DOSAGE`: how many such alleles a call has.
    variants : ndarray of int64, shape (n_variants,)
        Numbers of the variants in the cohort.
    samples : list of str
    rows_per_sample : int
    n_seen : int
        Variants of the cohort, kept or not.

    Examples
    --------
    >>> from fastae import Cohort, training_rows
    >>> training_rows(Cohort.from_arrays([[[0, 1], [1, 1]], [[0, 0], [0, 0]]]))
    <TrainingRows: 4 rows of 2 samples, 1 variants>
    """

    X: NDArray[np.int8]
    alphabet: Alphabet
    variants: NDArray[np.int64]
    samples: list[str]
    rows_per_sample: int
    n_seen: int

    def __repr__(self) -> str:
        return f"<TrainingRows: {len(self.X)} rows of {len(self.samples)} samples, {len(self.variants)} variants>"


def training_rows(cohort: Cohort | CohortStream, *, min_share: float = 0.01) -> TrainingRows:
    """Take the common alleles of a cohort, a row for each haplotype; of each person, where phase is unknown.

    Parameters
    ----------
    cohort : Cohort or CohortStream
        A stream is read to its end; memory holds what is kept of it, as one byte an allele.
    min_share : float
        Variants are kept whose rarer alleles, first against all others, are at least this share of those known, and
        at least one: rarer ones teach a network nothing. From 0 to 0.5.

    Returns
    -------
    TrainingRows
        Rows are people, and symbols dosages, where calls are diploid and a call of two different alleles is unphased.

    Raises
    ------
    ValueError
        If min_share is out of range.
    InputError
        If no variant is kept.

    Examples
    --------
    >>> from fastae import Cohort, training_rows
    >>> rows = training_rows(Cohort.from_arrays([[[0, 1], [1, 1]], [[0, 0], [0, 0]], [[0, 0], [2, -1]]]))
    >>> rows.X.tolist(), rows.variants.tolist()
    ([[0, 0], [1, 0], [1, 1], [1, -1]], [0, 2])
    """
    if not 0 <= min_share <= 0.5:
        raise ValueError(f"min_share is {min_share}; give a share from 0 to 0.5")
    kept: list[np.ndarray] = []
    numbers: list[np.ndarray] = [np.zeros(0, np.int64)]
    is_phased, start, ploidy = True, 0, 1
    for block in [cohort] if isinstance(cohort, Cohort) else cohort:
        calls = block.call_genotype
        known = calls >= 0
        n_known, n_other = known.sum(axis=(1, 2)), np.count_nonzero(calls > 0, axis=(1, 2))
        n_rarer = np.minimum(n_other, n_known - n_other)
        common = np.flatnonzero(n_rarer >= np.maximum(1, min_share * n_known))
        kept.append(np.where(known[common], np.minimum(calls[common], 1), np.minimum(calls[common], -1)))
        numbers.append(start + common)
        start += len(calls)
        ploidy = max(ploidy, calls.shape[2])
        if calls.shape[2] == 2:
            differ = known.all(axis=2) & (calls[:, :, 0] != calls[:, :, 1])
            is_phased = is_phased and bool(block.call_genotype_phased[differ].all())
    variants = np.concatenate(numbers)
    if not len(variants):
        raise InputError(
            f"none of {start:,} sites has rarer alleles of a share of {min_share:g} or more: nothing to learn from"
        )
    n_samples = len(cohort.samples)
    calls = np.full((len(variants), n_samples, ploidy), FILL, np.int8)
    first = 0
    for part in kept:
        calls[first : first + len(part), :, : part.shape[2]] = part
        first += len(part)
    if ploidy == 2 and not is_phased:
        dosages = np.where((calls == -1).any(axis=2), np.int8(-1), np.maximum(calls, 0).sum(axis=2, dtype=np.int8))
        return TrainingRows(np.ascontiguousarray(dosages.T), DOSAGE, variants, cohort.samples, 1, start)
    X = np.maximum(calls, -1).transpose(1, 2, 0).reshape(n_samples * ploidy, len(variants))
    return TrainingRows(np.ascontiguousarray(X), HAPLOTYPE, variants, cohort.samples, ploidy, start)
