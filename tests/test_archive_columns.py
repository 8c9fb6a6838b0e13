# SPDX-License-Identifier: Apache-2.0
"""Calls to columns of bits and back, columns to bytes, and arrays of small numbers to bytes."""

import cohorts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae.archive.columns import FLIP, HAPLOTYPES, NEVER, PHASE, SAMPLES, SWAPPED, UNORDERED, ColumnTable, join, split
from fastae.archive.container import ByteReader, varint
from fastae.archive.gaps import decode_columns, encode_columns
from fastae.archive.packing import pack_array, unpack_array
from fastae.cohort import MAX_NARROW, MISSING
from fastae.errors import FormatError


def check_split(calls, phased, rows=None):
    """Join gives back what split was given, of all samples and of some, also by way of the table's bytes."""
    table, matrix = split(calls, phased, rows)
    again = ColumnTable.from_bytes(table.to_bytes(), *calls.shape[::2])
    for n in (calls.shape[1], calls.shape[1] // 2):
        for known in (table, again):
            back, back_phased = join(known, np.ascontiguousarray(matrix[:, : n * table.rows_per_sample]))
            np.testing.assert_array_equal(back, calls[:, :n])
            np.testing.assert_array_equal(back_phased, phased[:, :n])
    assert matrix.any(axis=1).all()
    return table, matrix


@given(cohorts.calls_and_phase() | cohorts.calls_and_phase(wide=True))
@settings(deadline=None, max_examples=300)
def test_any_calls_come_back_from_columns(calls_and_phase):
    check_split(*calls_and_phase)
    if calls_and_phase[0].shape[2] == 2:
        for rows in (HAPLOTYPES, SAMPLES, UNORDERED):
            check_split(*calls_and_phase, rows)


@given(cohorts.calls_and_phase() | cohorts.calls_and_phase(wide=True), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=200)
def test_unordered_calls_come_back_whatever_their_order_and_what_stands_under_missing_ones(calls_and_phase, seed):
    calls, phased = calls_and_phase
    if calls.shape[2] != 2:
        return
    rng = np.random.default_rng(seed)
    table, matrix = split(calls, phased, UNORDERED)
    at = np.flatnonzero(table.is_allele)
    pairs = matrix[at].reshape(len(at), *calls.shape[1:])
    turned = ~phased & ((calls >= 0) & (calls <= MAX_NARROW)).all(axis=2) & (rng.random(phased.shape) < 0.5)
    pairs = np.where(turned[table.site[at], :, None], pairs[:, :, ::-1], pairs)
    missing = (calls == MISSING).all(axis=2)[table.site[at], :, None]
    matrix[at] = np.where(missing, rng.integers(0, 2, pairs.shape, np.uint8), pairs).reshape(matrix[at].shape)
    back, back_phased = join(table, matrix)
    np.testing.assert_array_equal(back, calls)
    np.testing.assert_array_equal(back_phased, phased)


@pytest.mark.parametrize("phased", [0.0, 0.3, 0.7, 1.0])
def test_calls_of_every_kind_come_back_from_either_layout(phased, rng):
    cohort = cohorts.mixed(rng, phased=phased)
    table, matrix = check_split(cohort.call_genotype, cohort.call_genotype_phased)
    assert table.rows == (SAMPLES if phased < 0.5 else HAPLOTYPES)
    assert matrix.shape[1] == (40 if phased < 0.5 else 80)


def test_common_sites_take_one_column_each(rng):
    calls = cohorts.related(rng, 30, 50)
    calls[:, 0, 0], calls[:, 0, 1] = 1, 0
    for phased, n_slots in ((True, 1), (False, 2)):
        table, _ = split(calls, np.full(calls.shape[:2], phased))
        assert set(table.kind.tolist()) == ({1} if phased else {1, SWAPPED})
        assert np.bincount(table.slot[table.kind == 1]).max() == 30
        assert len(np.unique(table.slot)) == n_slots


def test_mixed_phase_takes_a_column_only_where_it_occurs():
    calls = np.zeros((3, 4, 2), np.int8)
    phased = np.ones((3, 4), bool)
    phased[1, 2] = False
    table, matrix = split(calls, phased)
    assert (table.site.tolist(), table.kind.tolist()) == ([1], [PHASE])
    assert np.flatnonzero(matrix[0]).tolist() == [4]
    assert table.phased.all()


@pytest.mark.parametrize("n_rows", [1, 2, 9, 1000])
def test_rates_say_how_rare_the_rarer_bit_is(n_rows, rng):
    calls = (rng.random((60, n_rows)) < rng.random(60)[:, None] ** 3).astype(np.int8)[:, :, None]
    table, matrix = split(calls, np.zeros((60, n_rows), bool))
    ones = matrix.sum(axis=1)
    np.testing.assert_array_equal(table.rate >> 7, 2 * ones > n_rows)
    rarer = np.minimum(ones, n_rows - ones)
    np.testing.assert_array_equal((table.rate & NEVER) == NEVER, rarer == 0)
    rate = (table.rate & NEVER).astype(float)[rarer > 0]
    np.testing.assert_allclose(-4 * np.log2(rarer[rarer > 0] / n_rows) - 1, rate, atol=0.51)


def some_table():
    calls = np.array([[[0, 1], [2, 1]], [[1, -1], [1, -2]]], np.int8)
    return split(calls, np.array([[True, False], [False, False]]))[0]


def packed(rows=0, phased=(0,), per_site=(1, 1), high=(0, 0), slot=(0, 0), kind=(1, 1), rate=(5, 5)):
    arrays = (phased, per_site, high, slot, kind, rate)
    return bytes([rows]) + b"".join(pack_array(np.array(array, np.uint8)) for array in arrays)


def test_table_bytes_cut_short_or_longer_are_refused():
    data = some_table().to_bytes()
    assert ColumnTable.from_bytes(data, 2, 2).to_bytes() == data
    for cut in range(len(data)):
        with pytest.raises(FormatError):
            ColumnTable.from_bytes(data[:cut], 2, 2)
    with pytest.raises(FormatError, match="1 bytes too many"):
        ColumnTable.from_bytes(data + b"\0", 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 3}, "not one that a window can have"),
        ({"rows": 1}, "not one that a window can have"),  # of three alleles
        ({"per_site": (255, 255), "high": (255, 255), "n_sites": 1000}, "not one that a window can have"),
        ({"per_site": (2, 0)}, "out of order"),  # the same column twice
        ({"per_site": (2, 0), "kind": (2, 1)}, "out of order"),
        ({"slot": (0, 1)}, "out of order"),  # a second slot where rows are haplotypes
        ({"kind": (1, 129)}, "out of order"),  # swapped where rows are haplotypes
        ({"slot": (0, 1), "rows": 2, "ploidy": 2}, "out of order"),
    ],
)
def test_tables_that_split_never_makes_are_refused(change, message):
    change = dict(change)
    n_sites, ploidy = change.pop("n_sites", 2), change.pop("ploidy", 3)
    sound = {name: value for name, value in change.items() if name == "rows" and ploidy == 2}
    assert ColumnTable.from_bytes(packed(**sound), 2, ploidy).n_columns == 2
    with pytest.raises(FormatError, match=message):
        ColumnTable.from_bytes(packed(**change), n_sites, ploidy)


# ---- columns to bytes --------------------------------------------------------------------------------


@given(st.integers(0, 12), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_any_columns_come_back_at_any_rates(n_columns, n_rows, seed):
    rng = np.random.default_rng(seed)
    matrix = (rng.random((n_columns, n_rows)) < rng.random((n_columns, 1)) ** 3).astype(np.uint8)
    rates = rng.integers(0, 100, n_columns).astype(np.uint8) | np.uint8(FLIP) * rng.integers(0, 2, n_columns, np.uint8)
    rates[~matrix.any(axis=1)] = NEVER
    rates[matrix.all(axis=1)] = NEVER | FLIP
    np.testing.assert_array_equal(decode_columns(encode_columns(matrix, rates), rates, n_rows), matrix)


def test_columns_are_refused_where_they_cannot_be():
    rates = np.array([8, NEVER], np.uint8)
    data = encode_columns(np.array([[0, 1, 0], [0, 0, 0]], np.uint8), rates)
    for cut in range(len(data)):
        with pytest.raises(FormatError):
            decode_columns(data[:cut], rates, 3)
    with pytest.raises(FormatError, match="holds 4 where at most 3 can be"):
        decode_columns(varint(4) + data[1:], rates, 3)
    with pytest.raises(FormatError, match="rate 100"):
        decode_columns(data, np.array([100, NEVER], np.uint8), 3)
    with pytest.raises(FormatError, match="columns that never vary"):
        decode_columns(b"\0", rates[1:], 3)


# ---- arrays to bytes ---------------------------------------------------------------------------------

ARRAYS = {
    "empty": (np.zeros(0, np.uint8), 0),
    "constant": (np.full(1000, 7, np.uint8), 0),
    "skewed": (np.minimum(np.random.default_rng(1).geometric(0.4, 3000), 255).astype(np.uint8), 1),
    "repeated": (np.tile(np.arange(50, dtype=np.uint8), 100), 2),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_in_the_shortest_form(name):
    values, form = ARRAYS[name]
    data = pack_array(values)
    assert data[0] == form
    reader = ByteReader(data + b"rest", "test")
    np.testing.assert_array_equal(unpack_array(reader, len(values)), values)
    assert reader.left == 4
    if form == 2:
        for n in (len(values) - 1, len(values) + 1):
            with pytest.raises(FormatError):
                unpack_array(ByteReader(data, "test"), n)
    for cut in range(len(data)):
        with pytest.raises(FormatError):
            unpack_array(ByteReader(data[:cut], "test"), len(values))


@given(st.lists(st.integers(0, 255), max_size=300))
@settings(deadline=None)
def test_any_array_comes_back(values):
    data = pack_array(np.array(values, np.uint8))
    assert unpack_array(ByteReader(data, "test"), len(values)).tolist() == values


def test_an_array_of_unknown_form_is_refused():
    with pytest.raises(FormatError, match="form 3 does not hold 5 values"):
        unpack_array(ByteReader(b"\3\1x", "test"), 5)
