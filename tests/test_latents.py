# SPDX-License-Identifier: Apache-2.0
"""Latents: codes, levels, and the bytes that hold them."""

import struct
import zlib

import numpy as np
import pytest
import reference_coders as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastae.errors import ChecksumError, FormatError, VersionError
from fastae.latents import dequantize_latents, pack_latents, quantize_latents, unpack_latents
from fastae.layers import round_latents

matrices = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 20), st.integers(1, 10)),
    elements=st.floats(-1, 1, width=32),
)


@given(matrices, st.integers(1, 8))
@settings(deadline=None)
def test_packed_latents_come_back_as_their_nearest_levels(z, bits):
    back = unpack_latents(pack_latents(z, bits))
    assert back.shape == z.shape and back.dtype == np.float32
    half_step = 1 / ((1 << bits) - 1)
    assert (np.abs(back - z) <= half_step + 1e-6).all()


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_code_keeps_its_value_through_its_level(bits):
    codes = np.arange(1 << bits, dtype=np.uint8)[:, None]
    for dtype in (np.float32, np.float64):
        levels = dequantize_latents(codes, bits, dtype)
        assert levels.dtype == dtype
        assert levels[0] == -1 and levels[-1] == 1
        np.testing.assert_allclose(levels, -levels[::-1], atol=0)
        np.testing.assert_array_equal(quantize_latents(levels, bits), codes)
        np.testing.assert_array_equal(unpack_latents(pack_latents(levels, bits)), levels.astype(np.float32))


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_training_rounds_as_storing_does(bits, rng):
    z = rng.uniform(-1.2, 1.2, (500, 4))
    np.testing.assert_allclose(
        dequantize_latents(quantize_latents(z, bits), bits, np.float64), round_latents(z, bits), atol=1e-15
    )


def test_packed_bytes_are_a_header_a_checksum_and_the_bits():
    buf = pack_latents([[-1.0, 1.0, 0.2], [0.4, -0.3, -0.9]], 2)
    head = b"FAEL" + bytes([1, 2]) + struct.pack("<HQI", 0, 2, 3)
    payload = reference.pack([0, 3, 2, 2, 1, 0], 2)
    assert buf == head + struct.pack("<I", zlib.crc32(head + payload)) + payload


def test_every_truncation_and_flipped_bit_is_refused(rng):
    buf = pack_latents(rng.uniform(-1, 1, (7, 3)), 5)
    for cut in range(len(buf)):
        with pytest.raises(FormatError):
            unpack_latents(buf[:cut])
    for bit in range(8 * len(buf)):
        flipped = bytearray(buf)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            unpack_latents(flipped)
    with pytest.raises(FormatError, match="do not fill"):
        unpack_latents(buf + b"\0")


def sealed(head, payload):
    return head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload


def test_each_refusal_says_what_is_wrong():
    with pytest.raises(FormatError, match="do not start with FAEL"):
        unpack_latents(b"PNG\r")
    with pytest.raises(FormatError, match="header of 24 bytes, got 8 bytes"):
        unpack_latents(b"FAEL\1\1\0\0")
    with pytest.raises(VersionError, match="version 2; this release reads up to 1"):
        unpack_latents(sealed(struct.pack("<4sBBHQI", b"FAEL", 2, 1, 0, 0, 1), b""))
    for version, bits, reserved, n_latents in [(0, 1, 0, 1), (1, 0, 0, 1), (1, 9, 0, 1), (1, 1, 1, 1), (1, 1, 0, 0)]:
        with pytest.raises(FormatError, match="header that no release writes"):
            unpack_latents(sealed(struct.pack("<4sBBHQI", b"FAEL", version, bits, reserved, 0, n_latents), b""))
    with pytest.raises(FormatError, match="do not fill"):  # refused before any memory is asked for
        unpack_latents(sealed(struct.pack("<4sBBHQI", b"FAEL", 1, 8, 0, 2**63, 2**31), b"\0"))
    with pytest.raises(FormatError, match="corrupt"):  # spare bits
        unpack_latents(sealed(struct.pack("<4sBBHQI", b"FAEL", 1, 1, 0, 1, 1), b"\x80"))
    good = bytearray(pack_latents([[1.0]], 1))
    good[-1] = 0
    with pytest.raises(ChecksumError, match="changed since they were written"):
        unpack_latents(good)


@pytest.mark.parametrize("z", [[[np.nan]], [[np.inf]]])
def test_latents_that_are_not_finite_are_refused(z):
    with pytest.raises(ValueError, match="Z holds NaN or infinity"):
        pack_latents(z, 1)


def test_latents_of_the_wrong_kind_or_shape_are_refused():
    with pytest.raises(TypeError, match="Z must hold numbers"):
        pack_latents([["a"]], 1)
    with pytest.raises(ValueError, match=r"Z must have two dimensions, got shape \(2,\)"):
        pack_latents([0.0, 1.0], 1)
    with pytest.raises(ValueError, match="Z has no columns"):
        pack_latents(np.empty((3, 0)), 1)
    with pytest.raises(ValueError, match="bits must be 1 to 8, got 0"):
        quantize_latents([[0.0]], 0)
    with pytest.raises(ValueError, match="codes holds 4, a code of 2 bits is at most 3"):
        dequantize_latents([[4]], 2)
    with pytest.raises(TypeError, match="codes must hold integers"):
        dequantize_latents([[0.5]], 2)


@pytest.mark.parametrize("value", [1.001, -1.5, 40.0])
def test_latents_out_of_range_are_not_packed(value):
    with pytest.raises(ValueError, match=f"Z holds {value:g}; packed latents lie from -1 to 1"):
        pack_latents([[0.5, value]], 4)


def test_latents_out_of_range_by_rounding_are_packed():
    ends = np.nextafter(np.array([[-1, 1]], np.float32), np.array([[-2, 2]], np.float32))
    np.testing.assert_array_equal(unpack_latents(pack_latents(ends, 4)), [[-1, 1]])


def test_a_number_of_bits_is_no_truth_value():
    for pack in (pack_latents, quantize_latents):
        with pytest.raises(TypeError, match="bits must be an integer, got bool"):
            pack([[0.5]], True)


def test_rounding_takes_what_is_out_of_range_to_the_nearer_end():
    np.testing.assert_array_equal(quantize_latents([[-2.0, 40.0]], 3), [[0, 7]])
