# SPDX-License-Identifier: Apache-2.0
"""Blocks by runs: parts of them are what the whole has, at the cost of the parts."""

import dataclasses
import tracemalloc

import cohorts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core
from fastae.archive import open_archive, write_archive
from fastae.archive.columns import split
from fastae.archive.predictors import runs
from fastae.errors import FormatError


@pytest.fixture(scope="module", params=[0.1, 0.9], ids=["unphased", "phased"])
def block(request):
    """(table, bits, residual) of a cohort as one block."""
    cohort = cohorts.mixed(np.random.default_rng(3), 60, 40, phased=request.param)
    table, matrix = split(cohort.call_genotype, cohort.call_genotype_phased)
    return table, matrix, runs.encode(matrix, table)


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_any_columns_and_rows_are_those_of_the_whole(block, data):
    table, matrix, residual = block
    n_columns, n_rows = matrix.shape
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, n_columns)] * 2)))
    rows = data.draw(st.none() | st.sets(st.integers(0, n_rows - 1), max_size=n_rows))
    columns, rows = slice(first, last), None if rows is None else np.array(sorted(rows), np.int64)
    part = runs.decode(residual, table, n_rows, columns, rows)
    np.testing.assert_array_equal(part, matrix[columns] if rows is None else matrix[columns][:, rows])


def test_few_rows_are_followed_and_many_are_picked_from_all(block, monkeypatch):
    table, matrix, residual = block
    real, widths = _core.runs_decode, []

    def decode(src, n_columns, n_rows, first, rows, places, values, over, out):
        widths.append(out.shape[1])
        real(src, n_columns, n_rows, first, rows, places, values, over, out)

    monkeypatch.setattr(_core, "runs_decode", decode)
    monkeypatch.setattr(runs, "FOLLOWED_ROWS", 12)
    for n, width in ((12, 12), (13, matrix.shape[1])):
        rows = np.arange(n) * 2
        part = runs.decode(residual, table, matrix.shape[1], slice(0, len(matrix)), rows)
        np.testing.assert_array_equal(part, matrix[:, rows])
        assert widths == [width] * 2
        widths.clear()


def test_bytes_for_columns_that_are_not_there_are_refused(block):
    table, matrix, residual = block
    at = np.flatnonzero(table.is_allele)
    alone = dataclasses.replace(
        table, site=table.site[at], slot=table.slot[at], kind=table.kind[at], rate=table.rate[at]
    )
    with pytest.raises(FormatError, match="bytes for columns that its window does not have"):
        runs.decode(residual, alone, matrix.shape[1], slice(0, len(at)), None)
    with pytest.raises(FormatError, match="a block has 65536 rows, 65535 are the most"):
        runs.decode(residual, table, 65536, slice(0, 1), None)


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_a_stream_that_is_cut_or_goes_on_is_refused(block, cut):
    table, matrix, residual = block
    whole = slice(0, len(matrix))
    for damaged in (residual[:-cut], residual + bytes(cut), residual + b"\1" * cut):
        for rows in (None, np.array([0])):
            with pytest.raises(FormatError):
                runs.decode(damaged, table, matrix.shape[1], whole, rows)


def test_more_rows_than_a_block_takes_are_slabs(tmp_path, rng):
    calls = cohorts.related(rng, 3, 66_000, ploidy=1)
    write_archive(tmp_path / "a", calls, predictor="runs")
    with open_archive(tmp_path / "a") as archive:
        assert archive.info()["predictors"]["runs"] == 3
        np.testing.assert_array_equal(archive[:], calls)
        np.testing.assert_array_equal(archive[:, 40_000:40_003], calls[:, 40_000:40_003])


def test_a_part_of_an_archive_takes_memory_for_itself_and_a_blocks_symbols(tmp_path, rng):
    calls = cohorts.related(rng, 6000, 1000)
    write_archive(tmp_path / "a", calls, preset="fast")
    with open_archive(tmp_path / "a") as archive:
        np.testing.assert_array_equal(archive[:3, 500], calls[:3, 500])  # what every read needs
        for key, share in (((slice(None), 500), 0.15), ((slice(5980, 6000),), 0.15)):
            tracemalloc.start()
            np.testing.assert_array_equal(archive[key], calls[key])
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < share * calls.size
