# SPDX-License-Identifier: Apache-2.0
"""Columns of bits by the positional Burrows-Wheeler transform: as their twin, in parts, and from bytes gone bad."""

import functools
import math
import time

import numpy as np
import pytest
import reference_pbwt as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core
from fastae.errors import FormatError

SIZES = [1, 2, 3, 5, 11, 12, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 191, 193, 1000]


def encode_wings(columns, start, shift=0, room=None):
    """The streams of the columns from `start` on and of those before it, or None if they do not fit in `room` bytes."""
    dst = np.empty(2 * columns.size + 64 if room is None else room, np.uint8)
    used = _core.pbwt_encode(columns, start, shift, dst)
    return None if used is None else (dst[: used[0]].tobytes(), dst[used[0] : used[1]].tobytes())


def decode_wings(wings, shape, start, first=0, last=None, rows=None):
    last = shape[0] if last is None else last
    columns = np.full((last - first, shape[1] if rows is None else len(rows)), 2, np.uint8)
    rows = None if rows is None else np.array(rows, np.uint32)
    src = np.frombuffer(b"".join(wings), np.uint8)
    _core.pbwt_decode(src, len(wings[0]), *shape, start, first, last, rows, columns)
    return columns


def encode(columns, room=None):
    wings = encode_wings(columns, 0, room=room)
    return None if wings is None else wings[0]


def decode(stream, shape, first=0, last=None, rows=None):
    return decode_wings((stream, b""), shape, 0, first, last, rows)


def haplotypes(rng, n_columns, n_rows, n_founders=8, switch=0.02, mutation=0.001):
    """Rows that follow one founder after another, as those of a population do; some columns are mostly ones."""
    founders = rng.random((n_founders, n_columns)) < rng.beta(0.2, 0.4, n_columns)
    switches = rng.random((n_rows, n_columns)) < switch
    switches[:, :1] = True
    drawn = rng.integers(0, n_founders, (n_rows, n_columns))
    since = np.maximum.accumulate(np.where(switches, np.arange(n_columns), 0), axis=1)
    rows = founders[np.take_along_axis(drawn, since, axis=1), np.arange(n_columns)]
    return np.ascontiguousarray((rows ^ (rng.random(rows.shape) < mutation)).T.astype(np.uint8))


def noise(rng, n_columns, n_rows, p):
    return (rng.random((n_columns, n_rows)) < p).astype(np.uint8)


@functools.cache
def wings_of_twin(data, shape, start, shift):
    """What the twin writes, and reads again: once for all code paths."""
    columns = np.frombuffer(data, np.uint8).reshape(shape)
    wings = reference.encode(columns, start, shift)
    np.testing.assert_array_equal(reference.decode(*wings, *shape, start), columns)
    return wings


def agrees(columns, start=0, shift=0):
    wings = encode_wings(columns, start, shift)
    assert wings == wings_of_twin(columns.tobytes(), columns.shape, start, shift)
    np.testing.assert_array_equal(decode_wings(wings, columns.shape, start), columns)


@pytest.mark.parametrize("n_rows", SIZES)
def test_columns_agree_with_reference(n_rows, isa, rng):
    for p in (0.0, 0.01, 0.1, 0.5, 0.9, 1.0):
        agrees(noise(rng, 12, n_rows, p))
    agrees(haplotypes(rng, 40, n_rows))


@pytest.mark.parametrize("shift", range(_core.PBWT_SHIFTS))
def test_long_matches_agree_with_reference(isa, rng, shift):
    agrees(haplotypes(rng, 900, 60, n_founders=4, switch=0.0005, mutation=0.0002), 0, shift)


def test_all_frequencies_agree_with_reference(isa, rng):
    """From none to all ones, at odd and even sizes: each class of counts, and both its ends."""
    for n_rows in (40, 41, 300):
        counts = np.arange(n_rows + 1)
        scattered = np.array([rng.permutation(np.arange(n_rows) < count) for count in counts], np.uint8)
        agrees(scattered)
        agrees(np.ascontiguousarray(np.tri(n_rows + 1, n_rows, -1, dtype=np.uint8)))


def test_blocks_and_stripes_agree_with_reference(isa):
    rows = np.arange(200)
    for period in (1, 2, 3, 4, 5, 7, 64, 100):
        agrees(np.array([(rows + shift) // period % 2 for shift in range(10)], np.uint8))


def test_singletons_agree_with_reference(isa, rng):
    ones = np.zeros((50, 77), np.uint8)
    ones[np.arange(50), rng.integers(0, 77, 50)] = 1
    agrees(ones)
    agrees(1 - ones)


def test_time_that_starts_again_agrees_with_reference(isa, rng):
    """Over columns enough that the kernel, whose times have 16 bits, takes them back twice."""
    same = np.tile(np.array([0, 1], np.uint8), 6)
    agrees(np.concatenate([np.tile(same, (7500, 1)), haplotypes(rng, 700, 12, n_founders=3, switch=0.01)]))


def test_most_rows_agree_with_reference(isa, rng):
    n_rows = _core.PBWT_MAX_ROWS
    rows = np.arange(n_rows)
    columns = np.array([rows < 9, rows < n_rows // 2, rows >= 100, rows == n_rows - 1, rows // 9000 % 2 == 1, rows < 0])
    agrees(columns.astype(np.uint8))
    noisy = np.concatenate([noise(rng, 3, n_rows, 0.5), rows[np.newaxis] % 2, noise(rng, 3, n_rows, 0.01)]).astype(
        np.uint8
    )
    np.testing.assert_array_equal(decode(encode(noisy), noisy.shape), noisy)


@given(st.integers(0, 30), st.integers(1, 300), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_any_columns_come_back(n_columns, n_rows, p, seed):
    rng = np.random.default_rng(seed)
    for columns in (noise(rng, n_columns, n_rows, p), haplotypes(rng, n_columns, n_rows, mutation=p / 10)):
        stream = encode(columns)
        np.testing.assert_array_equal(decode(stream, columns.shape), columns)
        assert (stream, b"") == reference.encode(columns)


def test_some_columns_are_those_of_all(isa, rng):
    columns = haplotypes(rng, 60, 100)
    stream = encode(columns)
    for first in range(0, 61, 4):
        for last in range(first, 61, 7):
            np.testing.assert_array_equal(decode(stream, columns.shape, first, last), columns[first:last])


def test_some_rows_are_those_of_all(isa, rng):
    columns = haplotypes(rng, 300, 70)
    stream = encode(columns)
    for rows in ([], [0], [69], [3, 5], list(range(70)), sorted(rng.permutation(70)[:30].tolist())):
        np.testing.assert_array_equal(decode(stream, columns.shape, rows=rows), columns[:, rows])
        np.testing.assert_array_equal(decode(stream, columns.shape, 100, 200, rows), columns[100:200, rows])


@pytest.mark.parametrize("n_columns", [1, 2, 5, 9, 50])
def test_wings_agree_with_reference(n_columns, isa, rng):
    """From any start, the first and the last columns among them; and any part of any rows comes back."""
    columns = haplotypes(rng, n_columns, 45, switch=0.1)
    for start in sorted({0, 1, 2, n_columns // 2, n_columns - 1, n_columns} & set(range(n_columns + 1))):
        agrees(columns, start)
        wings = encode_wings(columns, start)
        for first, last in [(0, 1), (n_columns - 1, n_columns), (n_columns // 3, n_columns), (0, n_columns // 2)]:
            part = columns[first:last]
            np.testing.assert_array_equal(decode_wings(wings, columns.shape, start, first, last), part)
            for rows in ([44], [0, 7, 8, 30]):
                found = decode_wings(wings, columns.shape, start, first, last, rows)
                np.testing.assert_array_equal(found, part[:, rows])


@pytest.mark.parametrize("shift", [0, 2])
def test_wings_with_the_longest_lead_agree_with_reference(isa, rng, shift):
    agrees(haplotypes(rng, 9000, 10, switch=0.01), 500, shift)


def test_second_wing_takes_less_than_a_start_from_nothing(rng):
    """And columns of one wing are read from the lead and that wing alone: the rest may be anything."""
    columns = haplotypes(rng, 3000, 400, n_founders=60, switch=0.002)
    right, left = encode_wings(columns, 1500)
    alone = encode(np.ascontiguousarray(columns[:1500][::-1]))
    assert len(right + left) < len(right) + 0.97 * len(alone)
    for cut, part in (((right, b""), slice(1500, 3000)), ((right[: len(right) // 2], left), slice(0, 1500))):
        np.testing.assert_array_equal(decode_wings(cut, columns.shape, 1500, part.start, part.stop), columns[part])
    # of a stream less its last byte the last column may come out as another
    for cut in ((right[: len(right) // 2], left), (right, left[: len(left) // 2]), (right, left + b"\0")):
        with pytest.raises(FormatError):
            decode_wings(cut, columns.shape, 1500)


def test_no_columns_and_zeros_are_no_bytes(isa):
    for n_columns in (0, 5):
        zeros = np.zeros((n_columns, 7), np.uint8)
        assert encode(zeros) == b""
        np.testing.assert_array_equal(decode(b"", zeros.shape), zeros)
    with pytest.raises(FormatError):
        decode(b"\0", (0, 7))


def test_haplotypes_take_few_bits(rng):
    """Far fewer than any coder of columns by themselves takes, and noise no more than it must."""
    columns = haplotypes(rng, 2000, 1000, switch=0.001, mutation=0.0001)
    p = columns.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = -np.nansum(p * np.log2(p) + (1 - p) * np.log2(1 - p)) * 1000 / 8
    assert len(encode(columns)) < 0.1 * alone
    assert len(encode(noise(rng, 100, 5000, 0.5))) < 1.01 * 100 * 5000 / 8


def test_numbers_are_those_of_the_format():
    for i, root in enumerate(reference.ROOTS):
        assert root**64 <= 2 ** (31 * 64 - i) < (root + 1) ** 64
    for cost in [*range(0, 2**26, 99991), *range(2**18 - 3, 2**18 + 3), 2**26 - 1, 2**26]:
        assert abs(reference.survival(cost) - 2 ** (32 - cost / 2**24)) < 16
        assert reference.survival(cost) > reference.survival(cost + 1)
    for events, cells in [(3, 2), (51, 2), (1, 8), (256, 100000), (70000, 1000), (200000, 1000)]:
        exact = -math.log2(1 - events / 256 / cells) * 2**24
        assert abs(reference.cell_cost(events, cells) - exact) < 0.03 * exact + 8
    assert reference.cell_cost(1, 160000) == 8
    assert reference.cell_cost(256 * 50, 50) == 2**26


@pytest.mark.parametrize("shape", [(40, 3), (12, 90), (3, 700)])
def test_encode_says_that_the_buffer_is_small(shape, isa, rng):
    columns = noise(rng, *shape, 0.4)
    stream = encode(columns)
    for room in range(len(stream)):
        assert encode(columns, room) is None
    assert encode(columns, len(stream)) == stream


def is_refused(stream, columns):
    """Whether it is; if not, it is the one stream of other columns."""
    try:
        found = decode(stream, columns.shape)
    except FormatError:
        return True
    assert found.max() <= 1
    assert (found != columns).any()
    assert encode(found) == stream
    return False


def test_truncated_and_longer_streams_are_refused_or_those_of_other_bits(isa, rng):
    """Nearly every number below 1 is a stream, so a checksum is up to what holds it."""
    columns = haplotypes(rng, 60, 90)
    stream = encode(columns)
    assert sum(is_refused(stream[:cut], columns) for cut in range(len(stream))) > 0.95 * len(stream)
    for more in (b"\0", b"\1", b"\0\0", bytes(40)):
        with pytest.raises(FormatError, match="corrupt"):
            decode(stream + more, columns.shape)
        with pytest.raises(FormatError, match="corrupt"):
            decode(stream + more, columns.shape, rows=[3])


def test_flipped_streams_are_refused_or_those_of_other_bits(isa, rng):
    columns = haplotypes(rng, 60, 90)
    stream = encode(columns)
    refused = 0
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        refused += is_refused(bytes(flipped), columns)
    assert refused > 7 * len(stream)


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
    for shape in ((6, 0), (6, 65536)):
        with pytest.raises(ValueError, match="1 to 65535"):
            decode(stream, shape)
        with pytest.raises(ValueError, match="1 to 65535"):
            encode(np.zeros(shape, np.uint8), 10)
    with pytest.raises(ValueError, match="a shift of 3 was given, it is less than 3"):
        encode_wings(columns, 0, shift=3)
    with pytest.raises(ValueError, match="wings are to start at column 7 of 6"):
        encode_wings(columns, 7)
    with pytest.raises(ValueError, match="columns 3 to 7 of 6 are wanted"):
        decode(stream, (6, 30), 3, 7)
    source = np.frombuffer(stream, np.uint8)
    with pytest.raises(ValueError, match="bits has 6 values, 5 are needed"):
        _core.pbwt_decode(source, len(stream), 6, 30, 0, 1, 6, None, columns)
    with pytest.raises(ValueError, match="a column of bits has 30 values, 29 are needed"):
        _core.pbwt_decode(source, len(stream), 6, 29, 0, 0, 6, None, columns)
    with pytest.raises(ValueError, match="bytes of the columns from 0 on are wanted"):
        _core.pbwt_decode(source, len(stream) + 1, 6, 30, 0, 0, 6, None, columns)
    with pytest.raises(ValueError, match="row 30 is wanted as number 1; they ascend, and there are 30"):
        decode(stream, (6, 30), rows=[2, 30])
    with pytest.raises(ValueError, match="row 5 is wanted as number 2; they ascend"):
        decode(stream, (6, 30), rows=[2, 5, 5])
