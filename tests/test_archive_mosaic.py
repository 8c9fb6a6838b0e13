# SPDX-License-Identifier: Apache-2.0
"""Blocks by mosaic: what goes as dosages and what does not, parts of them, when they are tried, and damage."""

import cohorts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import Cohort
from fastae.archive import open_archive, write_archive
from fastae.archive.columns import split
from fastae.archive.predictors import mosaic
from fastae.difference import first_difference
from fastae.errors import FormatError, InputError


def block_of(cohort):
    """(table, bits, residual) of a cohort as one block."""
    table, matrix = split(cohort.call_genotype, cohort.call_genotype_phased)
    return table, matrix, mosaic.encode(matrix, table)


@pytest.fixture(scope="module", params=[0.1, 0.9], ids=["unphased", "phased"])
def block(request):
    return block_of(cohorts.mixed(np.random.default_rng(3), 60, 40, phased=request.param))


def thinned(rng, n_variants, n_samples):
    """Unphased calls, some missing."""
    calls = cohorts.related(rng, n_variants, n_samples, n_founders=12, noise=0.05)
    calls[rng.random(calls.shape[:2]) < 0.02] = -1
    return Cohort.from_arrays(calls, phased=False)


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_any_columns_and_rows_are_those_of_the_whole(block, data):
    table, matrix, residual = block
    n_columns, n_rows = matrix.shape
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, n_columns)] * 2)))
    rows = data.draw(st.none() | st.sets(st.integers(0, n_rows - 1), max_size=n_rows))
    columns, rows = slice(first, last), None if rows is None else np.array(sorted(rows), np.int64)
    part = mosaic.decode(residual, table, n_rows, columns, rows)
    np.testing.assert_array_equal(part, matrix[columns] if rows is None else matrix[columns][:, rows])


@given(cohorts.cohorts())
@settings(deadline=None, max_examples=40)
def test_any_cohort_comes_back(tmp_path_factory, cohort):
    path = tmp_path_factory.getbasetemp() / "any.fae"
    write_archive(path, cohort, predictor="mosaic")
    with open_archive(path) as archive:
        archive.verify()
        back = archive.read()
    assert first_difference(cohort, back) is None


def test_half_missing_and_third_alleles_leave_the_other_sites_as_dosages():
    cohort = thinned(np.random.default_rng(2), 40, 30)
    calls = cohort.call_genotype
    calls[3, 4], calls[7, 8], calls[9, 1], calls[11, 2] = (-1, 1), (0, 2), (0, -2), (1, 0)
    table, matrix, _ = block_of(cohort)
    possible = mosaic._possible(table)
    others = mosaic._dosages(matrix, table, possible)[1]
    assert np.flatnonzero(~possible | others).tolist() == [3, 7, 9]


def test_thinned_unphased_calls_are_smaller_by_mosaic_and_taken_so(tmp_path, rng):
    cohort = thinned(rng, 300, 60)
    calls, sizes = cohort.call_genotype, {}
    for predictor in ("pbwt", "mosaic", "auto"):
        write_archive(tmp_path / predictor, cohort, predictor=predictor)
        with open_archive(tmp_path / predictor) as archive:
            sizes[predictor] = archive.info()["bytes"]["genotypes"]
            np.testing.assert_array_equal(archive[:], calls)
            np.testing.assert_array_equal(archive[120:130, [3, 50]], calls[120:130, [3, 50]])
    assert sizes["auto"] == sizes["mosaic"] < 0.9 * sizes["pbwt"]


def test_mosaic_is_not_tried_where_it_would_take_long_or_calls_are_phased(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(mosaic, "encode", lambda *_: pytest.fail("it was tried"))
    cohort = thinned(rng, 40, 30)
    write_archive(tmp_path / "a", cohort.call_genotype)
    write_archive(tmp_path / "a", cohort, preset="fast")
    monkeypatch.setattr(mosaic, "_PROMISING_WORK", 40 * 30**2 - 1)
    write_archive(tmp_path / "a", cohort)
    with pytest.raises(pytest.fail.Exception, match="it was tried"):
        write_archive(tmp_path / "a", cohort.select(slice(39)))


def test_more_samples_than_mosaic_takes_go_otherwise_or_are_refused_by_name(tmp_path, rng):
    calls = rng.integers(0, 2, (2, 1025, 2), np.int8)
    cohort = Cohort.from_arrays(calls, phased=False)
    write_archive(tmp_path / "a", cohort)
    with pytest.raises(
        InputError, match="a block has 1025 rows, mosaic takes 1024; give block_samples of at most 1024"
    ):
        write_archive(tmp_path / "a", cohort, predictor="mosaic")
    write_archive(tmp_path / "a", cohort, predictor="mosaic", block_samples=1000)
    with open_archive(tmp_path / "a") as archive:
        np.testing.assert_array_equal(archive[:], calls)


def test_more_work_than_a_reader_does_is_left_to_pbwt(tmp_path, rng, monkeypatch):
    cohort = thinned(rng, 40, 30)
    write_archive(tmp_path / "long", cohort, predictor="mosaic")
    monkeypatch.setattr(mosaic, "MAX_WORK", 40 * 30**2 - 1)
    with open_archive(tmp_path / "long") as archive, pytest.raises(FormatError, match="as its window has them"):
        archive.read()
    write_archive(tmp_path / "a", cohort, predictor="mosaic")
    with open_archive(tmp_path / "a") as archive:
        np.testing.assert_array_equal(archive[:], cohort.call_genotype)


def test_blocks_gone_bad_are_refused(block):
    table, matrix, residual = block
    n_rows, whole = matrix.shape[1], slice(0, len(matrix))
    for damaged in (*(residual[:n] for n in (0, 1, 2, 3, len(residual) // 2)), residual + b"\1"):
        with pytest.raises(FormatError):
            mosaic.decode(damaged, table, n_rows, whole, None)
    with pytest.raises(FormatError, match="a block has 1025 rows, 1024 are the most"):
        mosaic.decode(residual, table, 1025, whole, None)
    with pytest.raises(FormatError, match="not as its window has them"):
        mosaic.decode(b"\0\xff" + residual, table, n_rows, whole, None)
