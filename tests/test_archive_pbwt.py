# SPDX-License-Identifier: Apache-2.0
"""Blocks by pbwt: parts of them are what the whole has, at the cost of the parts; and what a window keeps for them."""

import dataclasses
import tracemalloc

import cohorts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core
from fastae.archive import container, open_archive, write_archive
from fastae.archive.columns import split
from fastae.archive.container import ByteReader
from fastae.archive.predictors import pbwt
from fastae.errors import FormatError


@pytest.fixture(scope="module", params=[(0.1, 0), (0.9, 0), (0.9, 1 << 26)], ids=["unphased", "phased", "one_way"])
def block(request):
    """(table, bits, residual) of a cohort as one block."""
    phased, one_way_cells = request.param
    cohort = cohorts.mixed(np.random.default_rng(3), 60, 40, phased=phased)
    table, matrix = split(cohort.call_genotype, cohort.call_genotype_phased)
    return table, matrix, pbwt.encode(matrix, table, one_way_cells)


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_any_columns_and_rows_are_those_of_the_whole(block, data):
    table, matrix, residual = block
    n_columns, n_rows = matrix.shape
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, n_columns)] * 2)))
    rows = data.draw(st.none() | st.sets(st.integers(0, n_rows - 1), max_size=n_rows))
    columns, rows = slice(first, last), None if rows is None else np.array(sorted(rows), np.int64)
    part = pbwt.decode(residual, table, n_rows, columns, rows)
    np.testing.assert_array_equal(part, matrix[columns] if rows is None else matrix[columns][:, rows])


def test_columns_behind_the_last_wanted_one_are_not_decoded(block, monkeypatch):
    table, matrix, residual = block
    real, ends = _core.pbwt_decode, []

    def decode(*args):
        ends.append(args[5:7])
        real(*args)

    monkeypatch.setattr(_core, "pbwt_decode", decode)
    pbwt.decode(residual, table, matrix.shape[1], slice(10, 20), np.arange(3))
    n_alleles = [int(np.count_nonzero(table.is_allele[:n])) for n in (10, 20)]
    assert ends == [pair for pair in (tuple(n_alleles), (10 - n_alleles[0], 20 - n_alleles[1])) if pair[0] < pair[1]]


def test_blocks_start_where_they_are_read_soonest_or_smallest(block):
    table, matrix, _ = block
    n_alleles = int(np.count_nonzero(table.is_allele))
    starts = {}
    for one_way_cells in (0, matrix.size):
        stream = ByteReader(memoryview(pbwt.encode(matrix, table, one_way_cells)), "block")
        stream.count()
        starts[one_way_cells] = stream.varint()
    assert starts[0] == n_alleles // 2
    assert starts[matrix.size] in (0, n_alleles)
    assert len(pbwt.encode(matrix, table, matrix.size)) <= len(pbwt.encode(matrix, table, 0))


def test_what_is_missing_leaves_the_stream_of_alleles_as_it_was(block):
    table, matrix, _ = block
    at = table.is_allele
    assert not at.all()
    alone = dataclasses.replace(
        table, site=table.site[at], slot=table.slot[at], kind=table.kind[at], rate=table.rate[at]
    )
    alleles, both = (pbwt.encode(*what, matrix.size) for what in ((matrix[at], alone), (matrix, table)))
    assert both.startswith(alleles)
    assert len(both) > len(alleles)


def test_bytes_for_columns_that_are_not_there_are_refused(block):
    table, matrix, residual = block
    at = np.flatnonzero(table.is_allele)
    alone = dataclasses.replace(
        table, site=table.site[at], slot=table.slot[at], kind=table.kind[at], rate=table.rate[at]
    )
    with pytest.raises(FormatError, match="bytes for columns that its window does not have"):
        pbwt.decode(residual, alone, matrix.shape[1], slice(0, len(at)), None)
    with pytest.raises(FormatError, match="a block has 65536 rows, 65535 are the most"):
        pbwt.decode(residual, table, 65536, slice(0, 1), None)


@pytest.mark.parametrize("cut", [2, 5, 9])
def test_a_stream_that_is_cut_or_goes_on_is_refused(block, cut):
    table, matrix, residual = block
    whole = slice(0, len(matrix))
    for damaged in (residual[:-cut], residual + bytes(cut), residual + b"\1" * cut):
        with pytest.raises(FormatError):
            pbwt.decode(damaged, table, matrix.shape[1], whole, None)
        with pytest.raises(FormatError):
            pbwt.decode(damaged, table, matrix.shape[1], whole, np.array([0]))


def test_a_window_keeps_rates_only_for_blocks_that_need_them(tmp_path, rng):
    calls = cohorts.related(rng, 300, 100)
    sizes = {}
    for predictor in ("pbwt", "auto", "frequency"):
        write_archive(tmp_path / "a", calls, predictor=predictor)
        with open_archive(tmp_path / "a") as archive:
            sizes[predictor] = len(archive._reader.read(container.COLUMNS))
            assert archive._decoder(0).table.rate.any() == (predictor == "frequency")
    assert sizes["pbwt"] == sizes["auto"] < sizes["frequency"] - 100


def test_a_part_of_an_archive_takes_memory_for_little_more_than_itself(tmp_path, rng):
    calls = cohorts.related(rng, 6000, 1000)
    write_archive(tmp_path / "a", calls)
    with open_archive(tmp_path / "a") as archive:
        np.testing.assert_array_equal(archive[:3, 500], calls[:3, 500])  # what every read needs
        for key, share in (((slice(None), 500), 0.1), ((slice(5980, 6000),), 0.1)):
            tracemalloc.start()
            np.testing.assert_array_equal(archive[key], calls[key])
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < share * calls.size
