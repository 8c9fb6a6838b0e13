# SPDX-License-Identifier: Apache-2.0
"""Arrays as chunks: every one comes back, the bytes are what FORMAT.md says, and damaged ones do no harm."""

import contextlib
import struct
import tracemalloc
import zlib
from pathlib import Path

import cohorts
import numpy as np
import pytest
from hostile import CHUNK_HEAD, chunk_with, mutations
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from independent_reader import read_chunk

from fastae.archive import chunks, container
from fastae.archive.chunks import decode_chunk, encode_chunk
from fastae.archive.predictors import mosaic, pbwt
from fastae.errors import ChecksumError, FastaeError, FormatError, VersionError

GOLDEN = Path(__file__).parent / "golden" / "chunk-v0"


def check(array, preset="default"):
    data = encode_chunk(array, preset)
    back = decode_chunk(data, array.shape, array.dtype)
    np.testing.assert_array_equal(back, array, strict=True)
    assert back.flags.f_contiguous == array.flags.f_contiguous or not array.flags.forc
    np.testing.assert_array_equal(read_chunk(data), array, strict=True)
    return data


def coding(data):
    return data[7]


def mend(data):
    """The bytes with a checksum that fits them."""
    return data[:8] + struct.pack("<I", zlib.crc32(data[12:], zlib.crc32(data[:8]))) + data[12:]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.int8, np.uint8, np.bool_]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9),
            elements=st.booleans() if dtype is np.bool_ else st.sampled_from([0, 0, 0, 1, 2, 3, 126, 127]),
        )
    ),
    st.sampled_from(["fast", "default"]),
    st.booleans(),
)
def test_any_array_comes_back(array, preset, as_fortran):
    check(np.asfortranarray(array) if as_fortran else array, preset)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.int8, hnp.array_shapes(min_dims=1, max_dims=3, max_side=7), elements=cohorts.alleles))
def test_any_calls_come_back(array):
    check(array)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_every_value_comes_back(dtype):
    check(np.arange(256, dtype=np.uint8).view(dtype))
    for value in range(256):
        array = np.zeros((3, 4, 2), np.uint8)
        array[1, 2, 1] = value
        check(array.view(dtype))


@pytest.mark.parametrize("preset", ["fast", "default", "max"])
def test_calls_are_coded_as_calls_and_dosages_as_dosages(rng, preset):
    calls = cohorts.related(rng, 150, 60, noise=0)
    unphased = np.sort(calls, axis=2)
    assert coding(check(calls, preset)) == coding(check(unphased, preset)) == 1
    assert coding(check(unphased.sum(axis=2, dtype=np.int8), preset)) == 2
    assert coding(check(rng.integers(0, 100, (40, 30), dtype=np.int8), preset)) == 0


def test_the_order_of_unphased_alleles_costs_nothing(rng):
    """Unphased calls are phased as an archive's are, so they are smaller than if their order told haplotypes."""
    calls = cohorts.related(rng, 400, 100, noise=0)
    unphased = encode_chunk(np.sort(calls, axis=2))
    assert len(unphased) < 1.5 * len(encode_chunk(calls))
    rng.permuted(calls, axis=2, out=calls)
    assert len(unphased) < 0.5 * len(encode_chunk(calls))


@pytest.mark.parametrize("are_related", [True, False])
def test_the_slowest_coder_is_tried_where_no_phase_was_found(rng, monkeypatch, are_related):
    if are_related:
        calls = np.sort(cohorts.related(rng, 200, 100), axis=2)
    else:
        calls = np.sort(rng.integers(0, 2, (200, 100, 2), dtype=np.int8), axis=2)
    tried = []
    monkeypatch.setattr(mosaic, "is_promising", lambda *args: True)
    monkeypatch.setattr(mosaic, "encode", lambda *args: tried.append(1) or bytes(1_000_000))
    check(calls)
    assert bool(tried) != are_related


def test_slabs_and_windows_come_back(rng, monkeypatch):
    calls = cohorts.related(rng, 150, 33, noise=0)
    monkeypatch.setattr(pbwt, "MAX_ROWS", 25)
    monkeypatch.setattr(chunks, "MAX_BLOCK_CELLS", 2000)
    monkeypatch.setattr(chunks, "_SMALL", 0)  # such small blocks are larger than a packed array
    data = check(calls)
    assert coding(data) == 1
    assert data[17] == 11 and data[18] < 30  # 33 samples in 3 slabs, for 25 rows are 12; sites of the first window
    monkeypatch.setattr(chunks.container, "MAX_WINDOW_SITES", 7)
    assert check(calls)[18] == 7
    check(calls[:, :, 0])


def test_views_come_back(rng):
    calls = cohorts.related(rng, 20, 12)
    for view in (calls[::2], calls[:, ::-1], calls.transpose(2, 0, 1), calls[:, 3:5, 1]):
        check(view)
    calls.flags.writeable = False
    check(calls)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros(3, np.int16), TypeError, "the array is int16; what is coded as calls are is int8, uint8 or bool"),
        (np.zeros((1, 1, 1, 1), np.int8), ValueError, "has shape .1, 1, 1, 1."),
        (np.zeros((), np.int8), ValueError, "1 to 3 axes"),
        (np.broadcast_to(np.int8(0), (1 << 16, 1 << 16)), ValueError, "give smaller chunks"),
    ],
)
def test_other_arrays_are_refused(array, error, message):
    with pytest.raises(error, match=message):
        encode_chunk(array)


def test_a_preset_that_is_none_is_refused():
    with pytest.raises(ValueError, match="preset is 'best'; it can be 'fast', 'default', 'max'"):
        encode_chunk(np.zeros(1, np.int8), "best")


def test_what_would_not_come_back_is_not_given_out(rng, monkeypatch):
    monkeypatch.setattr(chunks, "decode_chunk", lambda data: np.zeros((5, 4, 2), np.int8))
    with pytest.raises(FastaeError, match=r"shape \(5, 4, 2\) did not decode to what it was"):
        encode_chunk(cohorts.related(rng, 5, 4))


# ---- damaged and hostile bytes -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def some_chunks():
    rng = np.random.default_rng(3)
    calls = cohorts.mixed(rng, 24, 12).call_genotype
    unphased = np.sort(cohorts.related(rng, 30, 16), axis=2)
    plain = rng.integers(0, 200, 300, dtype=np.uint8)
    arrays = (calls, unphased, unphased.sum(axis=2, dtype=np.int8), plain, calls[:, :, 0] > 0)
    return [encode_chunk(array, preset) for array in arrays for preset in ("fast", "default")]


def test_each_cut_and_each_flipped_bit_is_refused(some_chunks):
    for data in some_chunks:
        for end in range(len(data)):
            with pytest.raises(FormatError):
                decode_chunk(data[:end])
        for bit in range(8 * len(data)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(FormatError):
                decode_chunk(damaged)
        with pytest.raises(ChecksumError):
            decode_chunk(data + b"\0")


def test_hostile_chunks_are_refused_or_decode_to_something(some_chunks, rng):
    shape = decode_chunk(some_chunks[0]).shape
    refused = 0
    for data in some_chunks:
        for damaged in mutations(rng, data, 300):
            if len(damaged) < 12:
                continue
            try:
                decode_chunk(mend(damaged), shape)
            except FormatError:
                refused += 1
            with contextlib.suppress(FormatError, MemoryError):
                if len(damaged) > 20 and damaged[12:15] == data[12:15]:
                    decode_chunk(mend(damaged), decode_chunk(data).shape)
    assert refused > 1000


def test_another_shape_or_dtype_than_wanted_is_refused_before_memory_is_taken():
    vast = encode_chunk(np.zeros((2, 3, 2), np.int8))[:12] + bytes([3]) + 3 * b"\xff\x07"  # 1023 along each axis
    with pytest.raises(FormatError, match=r"a chunk of shape \(1023, 1023, 1023\) stands where one of shape \(2, 3\)"):
        decode_chunk(mend(vast), (2, 3))
    with pytest.raises(FormatError, match="a chunk of int8 stands where one of bool should"):
        decode_chunk(encode_chunk(np.zeros(4, np.int8)), (4,), np.bool_)
    with pytest.raises(FormatError, match="cells, 2147483648 are the most"):
        decode_chunk(mend(vast.replace(b"\xff\x07", b"\xff\xff\x07")))


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda d: b"", FormatError, "no chunk that fastae.genotype has written"),
        (lambda d: b"x" + d[1:], FormatError, "no chunk that fastae.genotype has written"),
        (lambda d: d[:4] + b"\x01" + d[5:], VersionError, "of version 1, this release reads up to 0: update fastae"),
        (lambda d: d[:5] + b"\x03" + d[6:], FormatError, "the head of a chunk"),
        (lambda d: d[:6] + b"\x02" + d[7:], FormatError, "the head of a chunk"),
        (lambda d: d[:7] + b"\x03" + d[8:], FormatError, "the head of a chunk"),
        (lambda d: d[:7] + b"\x02" + d[8:], FormatError, "is not coded as such one can be"),
        (lambda d: d[:12] + b"\x04" + d[13:], FormatError, "the head of a chunk"),
        (lambda d: d[:5] + b"\x02" + d[6:], FormatError, "holds other values than 0 and 1"),
        (lambda d: d + b"\x00", FormatError, "bytes too many"),
    ],
)
def test_a_chunk_that_cannot_be_is_refused_by_what_is_wrong(rng, damage, error, message):
    calls = cohorts.related(rng, 50, 40)
    calls[:, 0] = 3
    data = encode_chunk(calls)
    assert coding(data) == 1
    with pytest.raises(error, match=message):
        decode_chunk(mend(damage(data)) if len(damage(data)) > 12 else damage(data))


# ---- golden chunks: never made again, never edited ---------------------------------------------------


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.chunk")), ids=lambda path: path.stem)
def test_golden_chunks_decode_to_what_they_always_did(path, isa):
    want, data = np.load(GOLDEN / "arrays.npz")[path.name.split(".")[0]], path.read_bytes()
    np.testing.assert_array_equal(decode_chunk(data), want, strict=True)
    np.testing.assert_array_equal(read_chunk(data), want, strict=True)


def test_golden_chunks_have_every_dtype_and_coding():
    heads = [path.read_bytes()[:8] for path in GOLDEN.glob("*.chunk")]
    assert len(heads) == 20
    assert [{head[i] for head in heads} for i in (5, 6, 7)] == [{0, 1, 2}, {0, 1}, {0, 1, 2}]


def test_chunks_that_promise_more_than_they_hold_are_refused_before_memory_is_reserved():
    good = chunks.encode_chunk(np.zeros((40, 30), np.int8) + (np.arange(30) % 7 == 0).astype(np.int8))
    head = good[: CHUNK_HEAD - 5] + b"\x01"  # coded as calls
    body = b"\x02" + container.varint(1 << 20) + container.varint(1 << 10) + container.varint(1 << 10)
    tracemalloc.start()
    with pytest.raises(FormatError):
        chunks.decode_chunk(chunk_with(head, body + container.varint(65536) + b"\0"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
