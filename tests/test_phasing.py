# SPDX-License-Identifier: Apache-2.0
"""Phasing for compression: kernels as their twins, calls that stay what they are, and bytes that it saves."""

import cohorts
import numpy as np
import pytest
import reference_phase as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from test_core_pbwt import haplotypes

from fastae import _core
from fastae.archive import open_archive, phasing, write_archive
from fastae.archive.columns import HAPLOTYPES, SAMPLES, UNORDERED, join, split
from fastae.archive.phasing import Effort, phase_bits, split_phased
from fastae.archive.predictors import pbwt
from fastae.cohort import MISSING, Cohort
from fastae.difference import first_difference


def go_on():
    pass


def unphased(rng, n_columns, n_samples, missing=0.03, fixed=0.05, **options):
    """Bits and states of people whose haplotypes follow founders: the lower allele first, some missing or known."""
    bits = haplotypes(rng, n_columns, 2 * n_samples, **options)
    calls = np.where(bits[:, ::2] != bits[:, 1::2], _core.PHASE_SWAPPABLE, _core.PHASE_KNOWN).astype(np.uint8)
    drawn = rng.random(calls.shape)
    calls[drawn < missing] = _core.PHASE_UNKNOWN
    calls[drawn > 1 - fixed] = _core.PHASE_KNOWN
    pairs = bits.reshape(n_columns, n_samples, 2)
    pairs[calls == _core.PHASE_SWAPPABLE] = 0, 1
    pairs[calls == _core.PHASE_UNKNOWN] = 0
    return bits, calls


def words_of(bits, calls):
    states = (calls == _core.PHASE_SWAPPABLE, calls == _core.PHASE_UNKNOWN)
    return [phasing._packed(columns) for columns in (bits, *states)]


def refine(bits, calls, first, last, beam=4, n_nearest=None, n_threads=1):
    """Rows of some samples, (n_columns, 2 * (last - first))."""
    words, swappable, unknown = words_of(bits, calls)
    orders = np.empty((0 if n_nearest is None else words.shape[1] + 1, 2, bits.shape[1]), np.uint16)
    if n_nearest is not None:
        _core.phase_orders(words, len(bits), orders)
    found = np.empty((2 * (last - first), words.shape[1]), np.uint64)
    n = len(bits)
    _core.phase_refine(words, swappable, unknown, orders, n, first, last, n_nearest or 0, beam, n_threads, found)
    return phasing._unpacked(found, n)


def check_phased(before, after, calls):
    """Known calls are as they were, swappable ones still a 0 and a 1."""
    pairs, now = (bits.reshape(*calls.shape, 2) for bits in (before, after))
    assert after.max(initial=0) <= 1
    np.testing.assert_array_equal(now[calls == _core.PHASE_KNOWN], pairs[calls == _core.PHASE_KNOWN])
    assert (now[calls == _core.PHASE_SWAPPABLE].sum(axis=-1) == 1).all()


# ---- kernels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_columns", "n_samples"), [(0, 3), (5, 0), (4, 1), (60, 2), (80, 15), (60, 60)])
def test_one_pass_agrees_with_reference(n_columns, n_samples, rng):
    for options in ({}, {"missing": 0.4, "fixed": 0.4}, {"mutation": 0.3}):
        bits, calls = unphased(rng, n_columns, n_samples, **options)
        found = bits.copy()
        _core.phase_greedy(found, calls)
        np.testing.assert_array_equal(found, reference.greedy(bits, calls))
        check_phased(bits, found, calls)


@pytest.mark.parametrize("beam", [1, 3, 16])
@pytest.mark.parametrize(("n_columns", "n_samples"), [(1, 2), (63, 3), (64, 17), (130, 18), (70, 35)])
def test_phasing_against_all_others_agrees_with_reference(n_columns, n_samples, beam, isa, rng):
    bits, calls = unphased(rng, n_columns, n_samples, mutation=0.02)
    found = refine(bits, calls, 0, min(n_samples, 4), beam)
    for person in range(min(n_samples, 4)):
        expected = reference.refine(bits, calls, person, beam)
        np.testing.assert_array_equal(found[:, 2 * person : 2 * person + 2], expected)


@pytest.mark.parametrize("n_nearest", [1, 3, 60])
def test_phasing_against_those_nearest_agrees_with_reference(n_nearest, isa, rng):
    bits, calls = unphased(rng, 200, 30, switch=0.05)
    found = refine(bits, calls, 7, 11, 4, n_nearest)
    for i in range(4):
        expected = reference.refine(bits, calls, 7 + i, 4, n_nearest)
        np.testing.assert_array_equal(found[:, 2 * i : 2 * i + 2], expected)


def test_orders_are_those_of_the_columns_before(rng):
    for n_columns in (1, 64, 65, 200):
        bits, calls = unphased(rng, n_columns, 20)
        words = words_of(bits, calls)[0]
        orders = np.empty((words.shape[1] + 1, 2, 40), np.uint16)
        _core.phase_orders(words, n_columns, orders)
        for word, (order, place) in enumerate(orders):
            assert order.tolist() == reference.sorted_by(bits[: 64 * word])
            np.testing.assert_array_equal(order[place], np.arange(40))


@pytest.mark.parametrize("n_nearest", [None, 5])
def test_any_number_of_threads_finds_the_same(n_nearest, rng):
    bits, calls = unphased(rng, 150, 40)
    alone = refine(bits, calls, 3, 37, 6, n_nearest)
    for n_threads in (2, 3, 64):
        np.testing.assert_array_equal(refine(bits, calls, 3, 37, 6, n_nearest, n_threads), alone)


def test_faces_refuse(rng):
    bits, calls = unphased(rng, 70, 5)
    with pytest.raises(ValueError, match="a column of bits has 10 values, 8 are needed"):
        _core.phase_greedy(bits, np.ascontiguousarray(calls[:, :4]))
    for options, message in (
        ({"last": 6}, "samples 0 to 6 of 5 are wanted"),
        ({"first": 4, "last": 3}, "samples 4 to 3 of 5"),
        ({"beam": 17}, "beam is 17"),
        ({"beam": 0}, "beam is 0"),
        ({"n_threads": 0}, "n_threads 0"),
        ({"n_nearest": 0, "n_orders": 3}, "the panel would be empty"),
        ({"n_orders": 2}, "orders has 2 values, 3 are needed"),
        ({"n_columns": 200}, "a row of words has 2 values, 4 are needed"),
        ({"n_found": 3}, "found has 3 values, 10 are needed"),
    ):
        values = {"first": 0, "last": 5, "n_columns": 70, "n_nearest": 1, "beam": 2, "n_threads": 1} | options
        orders = np.zeros((options.get("n_orders", 0), 2, 10), np.uint16)
        found = np.empty((options.get("n_found", 10), 2), np.uint64)
        names = ("n_columns", "first", "last", "n_nearest", "beam", "n_threads")
        with pytest.raises(ValueError, match=message):
            _core.phase_refine(*words_of(bits, calls), orders, *(values[name] for name in names), found)
    with pytest.raises(ValueError, match="1 to 65535"):
        _core.phase_orders(np.zeros((0, 2), np.uint64), 70, np.zeros((3, 2, 0), np.uint16))


# ---- columns -----------------------------------------------------------------------------------------


def size(bits):
    """Bytes of columns by pbwt."""
    table, matrix = split(bits[:, :, np.newaxis].astype(np.int8), np.zeros(bits.shape, bool))
    return len(pbwt.encode(matrix, table))


@pytest.mark.parametrize("all_as_panel", [0, 512])
def test_haplotypes_are_found_again(all_as_panel, rng, monkeypatch):
    """Columns take little more than those of the true haplotypes did; unphased ones more than twice that."""
    monkeypatch.setattr(phasing, "_ALL_AS_PANEL", all_as_panel)
    true = haplotypes(rng, 600, 200, n_founders=12, switch=0.003, mutation=0.0003)
    calls = np.where(true[:, ::2] != true[:, 1::2], _core.PHASE_SWAPPABLE, _core.PHASE_KNOWN).astype(np.uint8)
    low = np.sort(true.reshape(600, -1, 2), axis=2).reshape(true.shape)
    sizes = []
    for rounds in (0, 1, 2):
        bits = low.copy()
        phase_bits(bits, calls, Effort(rounds), 1, go_on)
        check_phased(low, bits, calls)
        sizes.append(size(bits))
    assert size(low) > 2 * size(true)
    assert sizes[2] < 1.02 * size(true) < sizes[0] < 1.3 * size(true)


def test_missing_calls_are_filled_with_what_relatives_have(rng):
    true = haplotypes(rng, 300, 100, n_founders=5, switch=0.003, mutation=0)
    calls = np.zeros((300, 50), np.uint8)
    calls[rng.random(calls.shape) < 0.1] = _core.PHASE_UNKNOWN
    bits = true.copy()
    bits.reshape(300, 50, 2)[calls == _core.PHASE_UNKNOWN] = 0
    n_wrong = np.count_nonzero(bits != true)
    phase_bits(bits, calls, Effort(), 1, go_on)
    assert n_wrong > 500
    assert np.count_nonzero(bits != true) < 0.02 * n_wrong


@given(cohorts.calls_and_phase(), st.integers(1, 6), st.sampled_from([0, 512]))
@settings(deadline=None, max_examples=150)
def test_any_calls_come_back_when_phased(calls_and_phase, slab, all_as_panel):
    calls, phased = calls_and_phase
    if calls.shape[2] != 2:
        return
    slabs = [slice(start, min(start + slab, calls.shape[1])) for start in range(0, calls.shape[1], slab)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phasing, "_ALL_AS_PANEL", all_as_panel)
        patch.setattr(phasing, "LEAST_MINOR", 1)
        table, matrix = split_phased(calls, phased, slabs, Effort(n_nearest=2))
    for known, want in zip(join(table, matrix), (calls, phased), strict=True):
        np.testing.assert_array_equal(known, want)
    plain, low = split(calls, phased, UNORDERED)
    np.testing.assert_array_equal(table.kind, plain.kind)
    flags = ~table.is_allele
    np.testing.assert_array_equal(matrix[flags], low[flags])
    shown = ~((calls == MISSING).all(axis=2))[table.site].repeat(2, axis=1)
    counts = [(bits & shown)[:, ::2] + (bits & shown)[:, 1::2] for bits in (matrix, low)]
    np.testing.assert_array_equal(*counts)


def test_phased_calls_stay_as_they_are(rng):
    cohort = cohorts.mixed(rng, 60, 30, phased=0.4)
    calls, phased = cohort.call_genotype, cohort.call_genotype_phased
    table, matrix = split_phased(calls, phased, [slice(0, 30)], Effort())
    _, low = split(calls, phased, UNORDERED)
    stays = (phased & (calls[:, :, 0] != MISSING))[table.site].repeat(2, axis=1) & table.is_allele[:, None]
    assert (matrix != low).any()
    np.testing.assert_array_equal(matrix[stays], low[stays])


def test_the_work_stops_when_it_is_to(rng):
    calls = cohorts.related(rng, 20, 70)
    asked = []

    def stop():
        asked.append(1)
        if len(asked) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split_phased(calls, np.zeros(calls.shape[:2], bool), [slice(0, 70)], Effort(), 1, stop)


# ---- archives ----------------------------------------------------------------------------------------


def people(rng, n_variants, n_samples):
    """Unphased calls of related people, with every oddity in some."""
    calls = haplotypes(rng, n_variants, 2 * n_samples, switch=0.003).reshape(n_variants, n_samples, 2).astype(np.int8)
    odd = cohorts.mixed(rng, n_variants, n_samples, phased=0.02)
    kept = rng.random(n_variants) < 0.04
    odd.call_genotype[~kept] = np.sort(calls[~kept], axis=2)
    odd.call_genotype_phased &= kept[:, None]
    return odd


def rows_of(path):
    with open_archive(path) as archive:
        return [archive._decoder(window).table.rows for window in range(len(archive._reader.index.windows))]


@pytest.mark.parametrize("preset", ["fast", "default", "max"])
def test_unphased_cohorts_are_phased_where_that_pays(tmp_path, preset, rng):
    cohort = people(rng, 600, 80)
    write_archive(tmp_path / "a", cohort, preset=preset, block_variants=250, block_samples=60)
    with open_archive(tmp_path / "a") as archive:
        assert first_difference(cohort, archive.read()) is None
        archive.verify()
        for samples in (slice(3, 7), [50], slice(None, None, 11)):
            np.testing.assert_array_equal(archive[100:200, samples], cohort.call_genotype[100:200, samples])
    assert UNORDERED in rows_of(tmp_path / "a")
    noise = Cohort.from_arrays((rng.random((50, 30, 2)) < 0.5).astype(np.int8), phased=False)
    write_archive(tmp_path / "a", noise, preset=preset)
    assert rows_of(tmp_path / "a") == [SAMPLES]
    noise.call_genotype_phased[:] = True
    write_archive(tmp_path / "a", noise, preset=preset)
    assert rows_of(tmp_path / "a") == [HAPLOTYPES]


def test_a_phased_archive_takes_no_more_for_calls_without_phase(tmp_path, rng):
    calls = haplotypes(rng, 800, 160, switch=0.003).reshape(800, 80, 2).astype(np.int8)
    sizes = []
    for phased in (True, False):
        cohort = Cohort.from_arrays(calls if phased else np.sort(calls, axis=2), phased=phased)
        write_archive(tmp_path / "a", cohort)
        with open_archive(tmp_path / "a") as archive:
            sizes.append(archive.info()["bytes"]["genotypes"])
    assert sizes[1] < 1.05 * sizes[0]


def test_bytes_are_the_same_whatever_the_number_of_threads(tmp_path, rng):
    cohort = people(rng, 200, 50)
    for n_threads in (1, 3):
        write_archive(tmp_path / str(n_threads), cohort, n_threads=n_threads, block_variants=120)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "3").read_bytes()
