# SPDX-License-Identifier: Apache-2.0
"""Counts and products without unpacking are those of the unpacked matrix."""

import cohorts
import numpy as np
import pytest

from fastae import open_archive, write_archive
from fastae.archive.predictors import PREDICTORS

WAYS = [{"preset": name} for name in ("fast", "default", "max")] + [{"predictor": name} for name in PREDICTORS]
IDS = ["/".join(way.values()) for way in WAYS]


def counts_of(calls):
    """Of each allele, up to the highest that there is and at least two."""
    return np.stack([(calls == a).sum(axis=(1, 2)) for a in range(max(calls.max(initial=1), 1) + 1)], axis=1)


def padded(counts, width):
    return np.pad(counts, ((0, 0), (0, width - counts.shape[1])))


def assert_computes(archive, calls, rng, variants=None, samples=None):
    """Everything, of some variants and samples, against the matrix."""
    of_variants = slice(None) if variants is None else variants
    of_samples = slice(None) if samples is None else samples
    part = calls[of_variants][:, of_samples]
    dosages = (part > 0).sum(axis=2).astype(float)
    counts = archive.allele_counts(variants, samples)
    assert counts.dtype == np.int64 and counts.shape[1] >= 2
    np.testing.assert_array_equal(counts, padded(counts_of(part), counts.shape[1]))
    for shape in ((), (1,), (3,), (11,)):
        v, u = rng.standard_normal((dosages.shape[1], *shape)), rng.standard_normal((dosages.shape[0], *shape))
        np.testing.assert_allclose(archive.dot(v, variants, samples), dosages @ v, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(archive.rdot(u, variants, samples), dosages.T @ u, rtol=1e-10, atol=1e-10)


@pytest.fixture(scope="module", params=WAYS, ids=IDS)
def written(request, tmp_path_factory):
    """(path, calls) of oddities of every kind, by one preset or predictor."""
    path = tmp_path_factory.mktemp("compute") / "cohort.fae"
    cohort = cohorts.mixed(np.random.default_rng(7), 150, 40)
    if request.param.get("predictor") == "mosaic":
        cohort = cohorts.mixed(np.random.default_rng(7), 150, 40, phased=0.1)
    write_archive(path, cohort, block_variants=60, block_samples=23, **request.param)
    return path, cohort.call_genotype


def test_sums_are_those_of_the_unpacked_matrix(written, rng, isa):
    path, calls = written
    with open_archive(path) as archive:
        assert_computes(archive, calls, rng)


def test_sums_of_some_variants_and_samples_are_those_of_that_part(written, rng):
    path, calls = written
    mask = rng.random(40) < 0.4
    with open_archive(path) as archive:
        for variants, samples in (
            (slice(20, 100), None),
            (None, slice(30, None, -3)),
            ([70, 3, 3, -1], [39, 0, 0]),
            ([5], mask),
            (slice(0, 0), slice(0, 0)),
        ):
            assert_computes(archive, calls, rng, variants, samples)
