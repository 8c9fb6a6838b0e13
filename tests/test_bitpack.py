# SPDX-License-Identifier: Apache-2.0
"""Bit packing: every width, every length around a word, every refusal."""

import numpy as np
import pytest
import reference_coders as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core, bitpack
from fastae.errors import FormatError

SIZES = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 255, 1001]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("n", SIZES)
def test_pack_agrees_with_reference_and_unpack_inverts_it(n, bits, isa, rng):
    values = rng.integers(0, 1 << bits, n, dtype=np.uint8)
    packed = bitpack.pack(values, bits)
    assert packed.tobytes() == reference.pack(values, bits)
    np.testing.assert_array_equal(bitpack.unpack(packed, n, bits), values)


@given(st.integers(1, 8).flatmap(lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, (1 << bits) - 1)))))
@settings(deadline=None)
def test_any_values_come_back(case):
    bits, values = case
    packed = bitpack.pack(values, bits)
    assert packed.size == bitpack.packed_size(len(values), bits)
    assert bitpack.unpack(packed, len(values), bits).tolist() == values


@pytest.mark.parametrize("bits", range(1, 8))
@pytest.mark.parametrize("where", [0, 7, 8, 63, 64, 100])
def test_pack_refuses_a_value_too_wide_wherever_it_is(where, bits, isa):
    values = np.zeros(101, dtype=np.uint8)
    values[where] = 1 << bits
    with pytest.raises(ValueError, match=f"values holds {1 << bits}, which needs more than {bits} bits"):
        bitpack.pack(values, bits)


@pytest.mark.parametrize("values", [[0.5], ["a"], [None]])
def test_pack_refuses_what_is_not_an_integer(values):
    with pytest.raises(TypeError, match="values must hold integers"):
        bitpack.pack(values, 2)


@pytest.mark.parametrize(("values", "message"), [([-1], "holds -1"), ([256], "holds 256"), ([[1]], "one dimension")])
def test_pack_refuses_values_outside_a_byte_and_matrices(values, message):
    with pytest.raises(ValueError, match=message):
        bitpack.pack(values, 8)


@pytest.mark.parametrize("bits", [-1, 0, 9])
def test_bits_outside_1_to_8_are_refused(bits):
    message = f"bits must be 1 to 8, got {bits}"
    with pytest.raises(ValueError, match=message):
        bitpack.pack([], bits)
    with pytest.raises(ValueError, match=message):
        bitpack.unpack(b"", 0, bits)
    with pytest.raises(ValueError, match="bits per value"):
        _core.bitpack_pack(np.zeros(1, np.uint8), bits, np.zeros(1, np.uint8))
    with pytest.raises(TypeError, match="bits must be an integer, got float"):
        bitpack.pack([], 2.0)


@pytest.mark.parametrize("length", [0, 3, 5])
def test_unpack_refuses_another_length(length):
    with pytest.raises(FormatError, match=f"10 packed values of 3 bits take 4 bytes, got {length}"):
        bitpack.unpack(bytes(length), 10, 3)


def test_unpack_refuses_a_spare_bit_that_is_set():
    with pytest.raises(FormatError, match="corrupt"):
        bitpack.unpack(bytes([0, 0, 0, 1 << 6]), 10, 3)
    assert bitpack.unpack(bytes([0, 0, 0, 1 << 5]), 10, 3)[9] == 4


def test_unpack_refuses_a_negative_count_and_what_is_not_bytes():
    with pytest.raises(ValueError, match="n must be 0 or more, got -1"):
        bitpack.unpack(b"", -1, 3)
    with pytest.raises(TypeError, match="buf must be a contiguous bytes-like object, got str"):
        bitpack.unpack("abcd", 10, 3)


def test_read_only_and_strided_inputs_are_taken(rng):
    values = rng.integers(0, 8, 200, dtype=np.uint8)
    values.flags.writeable = False
    packed = bitpack.pack(values[::2], 3)
    packed.flags.writeable = False
    np.testing.assert_array_equal(bitpack.unpack(memoryview(packed), 100, 3), values[::2])


def test_out_is_written_and_returned():
    packed, values = np.empty(2, np.uint8), np.empty(4, np.uint8)
    assert bitpack.pack([1, 2, 3, 4], 3, out=packed) is packed
    assert bitpack.unpack(packed, 4, 3, out=values) is values
    assert values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("out", [np.empty(3, np.uint8), np.empty(2, np.int8), np.empty(4, np.uint8)[::2]])
def test_out_that_does_not_fit_is_refused(out):
    with pytest.raises(ValueError, match=r"out must be a writable C-contiguous uint8 array of shape \(2,\)"):
        bitpack.pack([1, 2, 3, 4], 3, out=out)
    with pytest.raises(TypeError, match="out must be a NumPy array, got bytearray"):
        bitpack.pack([1, 2, 3, 4], 3, out=bytearray(2))
