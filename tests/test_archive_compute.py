# SPDX-License-Identifier: Apache-2.0
"""Counts and products without unpacking are those of the unpacked matrix."""

import dataclasses

import cohorts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core
from fastae.archive import open_archive, write_archive
from fastae.archive.columns import split
from fastae.archive.predictors import PREDICTORS, pbwt, runs
from fastae.archive.presets import PRESETS
from fastae.errors import FormatError

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


@pytest.mark.parametrize("way", WAYS[:4] + [{"predictor": "runs"}], ids=str)
@pytest.mark.parametrize("phased", [0.1, 0.9])
def test_sums_of_one_block_are_those_of_the_unpacked_matrix(tmp_path, rng, phased, way):
    cohort = cohorts.mixed(rng, 120, 61, phased=phased)
    write_archive(tmp_path / "a", cohort, **way)
    with open_archive(tmp_path / "a") as archive:
        assert_computes(archive, cohort.call_genotype, rng)
        assert_computes(archive, cohort.call_genotype, rng, slice(7, 111), slice(1, 60, 2))


@given(cohorts.cohorts(), st.sampled_from(WAYS[:3]), st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_sums_of_any_cohort_are_those_of_the_unpacked_matrix(tmp_path_factory, cohort, way, seed):
    path, rng = tmp_path_factory.mktemp("any") / "a", np.random.default_rng(seed)
    write_archive(path, cohort, block_variants=3, block_samples=4, **way)
    with open_archive(path) as archive:
        calls = archive[:]
        assert_computes(archive, calls, rng)
        variants, samples = rng.integers(0, n, 3) if (n := len(calls)) else [], rng.permutation(calls.shape[1])[:2]
        assert_computes(archive, calls, rng, variants, samples)


@pytest.fixture(scope="module", params=["fast", "one wing", "two wings", "frequency"])
def large(request, tmp_path_factory):
    """(path, calls) of columns with every number of minor alleles, in several blocks and one slab."""
    rng, path = np.random.default_rng(4), tmp_path_factory.mktemp("large") / "a"
    calls = cohorts.related(rng, 500, 350)
    calls[::3] *= rng.random((167, 350, 2)) < 0.01
    calls[::5] = 1 - calls[::5]
    calls[7], calls[8] = 0, 1
    with pytest.MonkeyPatch.context() as patch:
        for name, cells in (("one wing", 1 << 26), ("two wings", 0)):
            patch.setitem(PRESETS, name, dataclasses.replace(PRESETS["default"], one_way_cells=cells))
        way = {"predictor" if request.param in PREDICTORS else "preset": request.param}
        write_archive(path, calls, block_variants=200, block_samples=350, **way)
    return path, calls


def test_columns_of_all_numbers_of_minor_alleles_are_summed(large, rng):
    path, calls = large
    with open_archive(path) as archive:
        assert_computes(archive, calls, rng)
        assert_computes(archive, calls, rng, slice(150, 290))


def test_sums_are_the_same_for_any_number_of_threads_and_any_instruction_set(large, rng, isa):
    path, calls = large
    v, u = rng.standard_normal((350, 9)), rng.standard_normal((500, 9))
    found = []
    for n_threads, mask in ((1, None), (1, 0), (3, None)):
        if mask is not None:
            _core.cpu_set_mask(mask)
        with open_archive(path, n_threads=n_threads) as archive:
            found.append([archive.dot(v), archive.rdot(u), archive.dot(v[:, 0]), archive.rdot(u[:, 0])])
    for others in found[1:]:
        for ours, theirs in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_more_rows_than_are_summed_at_a_time(tmp_path, rng):
    calls = cohorts.related(rng, 5, 70_000, ploidy=1)
    calls[2, rng.random(70_000) < 0.1] = -1
    write_archive(tmp_path / "a", calls, predictor="frequency", block_samples=70_000)
    with open_archive(tmp_path / "a") as archive:
        assert_computes(archive, calls, rng)


@pytest.mark.parametrize(
    ("way", "given", "message"),
    [
        ("dot", np.zeros(4), r"v has shape \(4,\); there are 3 samples, so it must be \(3,\) or \(3, k\)"),
        ("dot", np.zeros((3, 1, 1)), "v has shape"),
        ("dot", 1.0, "v has shape"),
        ("dot", [1, np.nan, 2], "NaN or infinity"),
        ("rdot", np.zeros(3), r"u has shape \(3,\); there are 2 variants"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, way, given, message):
    write_archive(tmp_path / "a", np.zeros((2, 3, 2), np.int8))
    with open_archive(tmp_path / "a") as archive:
        with pytest.raises(ValueError, match=message):
            getattr(archive, way)(given)
        with pytest.raises(TypeError, match="must hold numbers"):
            getattr(archive, way)(["a"])
        with pytest.raises(IndexError, match="out of range"):
            archive.allele_counts(2)


@pytest.mark.parametrize("module", [pbwt, runs])
def test_damaged_streams_are_refused_or_give_what_decoding_gives(module, rng):
    calls = cohorts.related(rng, 60, 40)
    table, matrix = split(calls, np.ones(calls.shape[:2], bool))
    residual, n_rows, whole = module.encode(matrix, table), matrix.shape[1], slice(0, len(matrix))
    n_refused = 0
    for at in rng.integers(0, len(residual), 150).tolist():
        damaged = bytearray(residual)
        damaged[at] ^= 1 << int(rng.integers(8))
        sums = _core.ColumnSums(len(matrix), n_rows, None, None)
        try:
            module.add_alleles(bytes(damaged), table, n_rows, whole, sums)
        except FormatError:
            n_refused += 1
        else:
            decoded = module.decode(bytes(damaged), table, n_rows, whole, None)
            np.testing.assert_array_equal(sums.counts, decoded.sum(axis=1))
    assert n_refused > 50


def test_more_alleles_than_calls_are_refused(tmp_path):
    calls = np.ones((3, 4, 2), np.int8)
    write_archive(tmp_path / "a", calls)
    with open_archive(tmp_path / "a") as archive:
        table = archive._decoder(0).table
        table.kind, table.site = np.array([1, 2, 1], np.uint8), np.array([0, 0, 2])
        with pytest.raises(FormatError, match="more alleles at a site than it has calls"):
            archive.allele_counts()
