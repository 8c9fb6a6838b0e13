# SPDX-License-Identifier: Apache-2.0
"""Columns of bits as runs in static tables: as their twin, in parts, painted, and from bytes gone bad."""

import functools
import time

import numpy as np
import pytest
import reference_runs as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from test_core_pbwt import haplotypes, noise

from fastae import _core
from fastae.errors import FormatError

SIZES = [1, 2, 3, 5, 11, 12, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 191, 193, 1000]


def encode(columns, n_symbols=None, room=None):
    """The stream, or None if it does not fit."""
    n_symbols = columns.size + 2 * len(columns) if n_symbols is None else n_symbols
    dst = np.empty(4 * columns.size + 4096 if room is None else room, np.uint8)
    used = _core.runs_encode(columns, n_symbols, dst)
    return dst[:used].tobytes() if used >= 0 else None


def decode(stream, shape, first=0, last=None, rows=None):
    last = shape[0] if last is None else last
    out = np.full((last - first, shape[1] if rows is None else len(rows)), 9, np.int8)
    places, values = np.arange(last - first), np.ones(last - first, np.int8)
    at = None if rows is None else np.array(rows, np.uint32)
    _core.runs_decode(np.frombuffer(stream, np.uint8), *shape, first, at, places, values, False, out)
    return out.view(np.uint8)


@functools.cache
def stream_of_twin(data, shape):
    """What the twin writes, and reads again: once for all code paths."""
    columns = np.frombuffer(data, np.uint8).reshape(shape)
    stream = reference.encode(columns)
    np.testing.assert_array_equal(reference.decode(stream, *shape), columns)
    return stream


def agrees(columns):
    stream = encode(columns)
    assert stream == stream_of_twin(columns.tobytes(), columns.shape)
    np.testing.assert_array_equal(decode(stream, columns.shape), columns)


@pytest.mark.parametrize("n_rows", SIZES)
def test_columns_agree_with_reference(n_rows, isa, rng):
    for p in (0.0, 0.01, 0.1, 0.5, 0.9, 1.0):
        agrees(noise(rng, 12, n_rows, p))
    agrees(haplotypes(rng, 40, n_rows))


def test_all_frequencies_agree_with_reference(isa, rng):
    """From none to all ones, at odd and even sizes: each class of counts, and both its ends."""
    for n_rows in (40, 41, 300):
        counts = np.arange(n_rows + 1)
        agrees(np.array([rng.permutation(np.arange(n_rows) < count) for count in counts], np.uint8))
        agrees(np.ascontiguousarray(np.tri(n_rows + 1, n_rows, -1, dtype=np.uint8)))


def test_one_state_and_many_agree_with_reference(isa, rng):
    """At 4096 symbols: columns of one minor allele are two each."""
    for n_columns in (2046, 2047, 2048, 2049):
        ones = np.zeros((n_columns, 77), np.uint8)
        ones[np.arange(n_columns), rng.integers(0, 77, n_columns)] = 1
        agrees(ones)
        agrees(1 - ones)


def test_stripes_agree_with_reference(isa):
    """Whose contexts have one symbol, which takes no bits."""
    rows = np.arange(200)
    for period in (1, 2, 3, 4, 5, 7, 64, 100):
        agrees(np.array([(rows + shift) // period % 2 for shift in range(10)], np.uint8))


def test_most_rows_agree_with_reference(isa, rng):
    n_rows = _core.RUNS_MAX_ROWS
    rows = np.arange(n_rows)
    columns = np.array([rows < 9, rows < n_rows // 2, rows >= 100, rows == n_rows - 1, rows // 9000 % 2 == 1, rows < 0])
    agrees(columns.astype(np.uint8))
    noisy = np.concatenate([noise(rng, 3, n_rows, 0.5), rows[np.newaxis] % 2, noise(rng, 3, n_rows, 0.01)]).astype(
        np.uint8
    )
    np.testing.assert_array_equal(decode(encode(noisy), noisy.shape), noisy)
    np.testing.assert_array_equal(decode(encode(noisy), noisy.shape, rows=[0, 9, 65534]), noisy[:, [0, 9, 65534]])


@given(st.integers(0, 30), st.integers(1, 300), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_any_columns_come_back(n_columns, n_rows, p, seed):
    rng = np.random.default_rng(seed)
    for columns in (noise(rng, n_columns, n_rows, p), haplotypes(rng, n_columns, n_rows, mutation=p / 10)):
        stream = encode(columns)
        np.testing.assert_array_equal(decode(stream, columns.shape), columns)
        assert stream == reference.encode(columns)


def test_some_columns_and_rows_are_those_of_all(isa, rng):
    columns = haplotypes(rng, 60, 100)
    stream = encode(columns)
    for first in range(0, 61, 4):
        for last in range(first, 61, 7):
            np.testing.assert_array_equal(decode(stream, columns.shape, first, last), columns[first:last])
            for rows in ([], [0], [99], [5, 5, 3], list(range(100)), rng.permutation(100)[:30].tolist()):
                some = decode(stream, columns.shape, first, last, rows)
                np.testing.assert_array_equal(some, columns[first:last, rows])


@pytest.mark.parametrize("over", [False, True])
def test_columns_are_painted_one_over_the_other(over, isa, rng):
    """Those of one place: the first on zeros or, if so asked, on what is there; a negative place is left out."""
    columns = np.concatenate([noise(rng, 20, 90, p) for p in (0.02, 0.4, 0.9, 0.0, 1.0)])[rng.permutation(100)]
    places = np.sort(rng.integers(0, 40, 100))
    places[rng.random(100) < 0.2] = -1
    values = rng.integers(-2, 100, 100).astype(np.int8)
    before = rng.integers(50, 90, (41, 96)).astype(np.int8)
    expected, fresh = before.copy(), np.full(41, not over)
    for column, place, value in zip(columns, places, values, strict=True):
        if place >= 0:
            row = np.zeros(90, np.int8) if fresh[place] else expected[place, 3:93]
            expected[place, 3:93] = np.where(column, value, row)
            fresh[place] = False
    source = np.frombuffer(encode(columns), np.uint8)
    out = before.copy()
    _core.runs_decode(source, 100, 90, 0, None, places, values, over, out[:, 3:93])
    np.testing.assert_array_equal(out, expected)
    rows = np.array([80, 2, 33], np.uint32)
    out = before[:, 3:93][:, rows].copy()
    _core.runs_decode(source, 100, 90, 0, rows, places, values, over, out)
    np.testing.assert_array_equal(out, expected[:, 3:93][:, rows])


def test_no_columns_are_no_bytes(isa):
    assert encode(np.zeros((0, 7), np.uint8)) == b""
    np.testing.assert_array_equal(decode(b"", (0, 7)), np.zeros((0, 7)))
    with pytest.raises(FormatError):
        decode(b"\0", (0, 7))


def test_haplotypes_take_few_bits_and_noise_hardly_more_than_it_must(rng):
    columns = haplotypes(rng, 2000, 1000, switch=0.001, mutation=0.0001)
    p = columns.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = -np.nansum(p * np.log2(p) + (1 - p) * np.log2(1 - p)) * 1000 / 8
    assert len(encode(columns)) < 0.15 * alone
    assert len(encode(noise(rng, 100, 5000, 0.5))) < 1.02 * 100 * 5000 / 8


@pytest.mark.parametrize("shape", [(40, 3), (12, 90), (3, 700)])
def test_encode_says_that_there_is_little_room(shape, isa, rng):
    columns = noise(rng, *shape, 0.4)
    stream = encode(columns)
    for room in range(len(stream)):
        assert encode(columns, room=room) is None
    assert encode(columns, room=len(stream) + 64) == stream
    n_symbols = sum(encode(columns, n_symbols=n) is None for n in range(columns.size + 2 * len(columns)))
    assert encode(columns, n_symbols=n_symbols) == stream
    assert encode(columns, n_symbols=n_symbols - 1) is None


def is_refused(stream, columns):
    """Whether it is, as by the twin; if not, both find the same columns, as where only a table is another."""
    try:
        twin = reference.decode(stream, *columns.shape)
    except reference.CorruptError:
        with pytest.raises(FormatError):
            decode(stream, columns.shape)
        with pytest.raises(FormatError):
            decode(stream, columns.shape, rows=[0])
        return True
    np.testing.assert_array_equal(decode(stream, columns.shape), twin)
    return False


@pytest.mark.parametrize("shape", [(30, 60), (300, 30)], ids=["one state", "many states"])
def test_truncated_and_longer_streams_are_refused(shape, isa, rng):
    columns = noise(rng, *shape, 0.3)
    stream = encode(columns)
    for cut in range(0, len(stream), 3):
        assert is_refused(stream[:cut], columns)
    for more in (b"\0", b"\1", b"\0\0", bytes(40)):
        assert is_refused(stream + more, columns)


def test_flipped_streams_are_refused_or_those_of_other_bits(isa, rng):
    columns = haplotypes(rng, 30, 60)
    stream = encode(columns)
    refused = 0
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        refused += is_refused(bytes(flipped), columns)
    assert refused > 6 * len(stream)


def test_random_bytes_are_refused_soon(isa, rng):
    start = time.process_time()
    for length in (1, 7, 8, 9, 100, 10000):
        for filler in (rng.integers(1, 256, length, dtype=np.uint8), np.full(length, 255, np.uint8)):
            with pytest.raises(FormatError):
                decode(filler, (20000, 1001))
    assert time.process_time() - start < 10


def test_faces_refuse(rng):
    columns = noise(rng, 6, 30, 0.3)
    stream = encode(columns)
    source = np.frombuffer(stream, np.uint8)
    places, values, out = np.arange(6), np.ones(6, np.int8), np.zeros((6, 30), np.int8)
    for shape in ((6, 0), (6, 65536)):
        with pytest.raises(ValueError, match="1 to 65535"):
            decode(stream, shape)
        with pytest.raises(ValueError, match="1 to 65535"):
            encode(np.zeros(shape, np.uint8), 10)
    with pytest.raises(ValueError, match="6 columns from 1 on are wanted of 6"):
        _core.runs_decode(source, 6, 30, 1, None, places, values, False, out)
    with pytest.raises(ValueError, match="place 5 is beyond the 5 rows of out"):
        _core.runs_decode(source, 6, 30, 0, None, places, values, False, out[:5])
    with pytest.raises(ValueError, match="values has 5 values, 6 are needed"):
        _core.runs_decode(source, 6, 30, 0, None, places, values[:5], False, out)
    with pytest.raises(ValueError, match="a row of out has 30 values, 29 are needed"):
        _core.runs_decode(source, 6, 29, 0, None, places, values, False, out)
    with pytest.raises(ValueError, match="must lie in one piece"):
        _core.runs_decode(source, 6, 30, 0, None, places, values, False, np.zeros((30, 6), np.int8).T)
    with pytest.raises(ValueError, match="row 30 is wanted, there are 30"):
        decode(stream, (6, 30), rows=[2, 30])
    with pytest.raises(ValueError, match="31 rows are wanted, there are 30"):
        decode(stream, (6, 30), rows=[0] * 31)
