# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastae import DNA, DOSAGE, HAPLOTYPE, Alphabet, _core

ALPHABETS = [HAPLOTYPE, DOSAGE, DNA]


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: a.name)
def test_symbols_codes_and_levels_go_round(alphabet):
    codes = np.arange(-1, alphabet.n_symbols, dtype=np.int8).reshape(1, -1)
    np.testing.assert_array_equal(alphabet.to_codes(alphabet.to_symbols(codes)), codes)
    np.testing.assert_array_equal(alphabet.from_levels(alphabet.to_levels(codes[:, 1:])), codes[:, 1:])


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: a.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_are_evenly_spaced_symmetric_and_missing_is_zero(alphabet, dtype):
    levels = alphabet.to_levels(np.arange(alphabet.n_symbols), dtype)
    assert levels.dtype == dtype
    np.testing.assert_allclose(np.diff(levels), 2 / alphabet.n_symbols, rtol=1e-6)
    np.testing.assert_allclose(levels, -levels[::-1], atol=1e-7)
    assert abs(levels).max() < 1
    assert alphabet.to_levels(-1, dtype) == 0


def test_nearest_level_is_found_and_the_lower_code_wins_a_tie():
    assert DNA.from_levels([-9, -0.75, -0.5, -0.49, 0.0, 0.01, 9]).tolist() == [0, 0, 0, 1, 1, 2, 3]


def test_from_levels_refuses_nan():
    with pytest.raises(ValueError, match="NaN"):
        DNA.from_levels([0.1, np.nan])


@pytest.mark.parametrize(
    ("alphabet", "symbols", "message"),
    [
        (HAPLOTYPE, [[0, 1], [1, 2]], r"symbols\[1, 1\] is 2, but the haplotype alphabet has 0, 1 and -1 for missing"),
        (HAPLOTYPE, [0, -2], r"symbols\[1\] is -2"),
        (DOSAGE, [0, 255], r"symbols\[1\] is 255"),
        (DOSAGE, [0, 256], r"symbols\[1\] is 256"),
        (DOSAGE, [-257, 0], r"symbols\[0\] is -257"),
        (DNA, [b"A", b"a"], r"symbols\[1\] is b'a'"),
        (DNA, ["A", "ā"], r"symbols\[1\] is 'ā'"),  # U+0101, whose low byte is 1
        (DNA, ["A", "Ł"], r"symbols\[1\] is 'Ł'"),  # U+0141, whose low byte is A's
        (DNA, [b"A", b""], r"symbols\[1\] is b''"),
    ],
)
def test_a_symbol_outside_the_alphabet_is_named_with_its_place(alphabet, symbols, message):
    with pytest.raises(ValueError, match=message):
        alphabet.to_codes(symbols)


@pytest.mark.parametrize(
    ("alphabet", "symbols"),
    [(HAPLOTYPE, [0.0, 1.0]), (HAPLOTYPE, [True]), (HAPLOTYPE, [b"A"]), (DNA, [65]), (DNA, [b"AC"]), (DNA, ["AC"])],
)
def test_symbols_of_another_kind_are_refused(alphabet, symbols):
    with pytest.raises(TypeError, match=f"the {alphabet.name} alphabet wants"):
        alphabet.to_codes(symbols)


def test_others_become_missing_only_when_asked():
    assert DNA.to_codes([b"A", b"-"], others="missing").tolist() == [0, -1]
    with pytest.raises(ValueError, match="others"):
        DNA.to_codes([b"-"], others="drop")


@given(st.lists(st.integers(-200, 400)), st.sampled_from([np.int16, np.int64]))
def test_split_and_join_lose_no_integer(numbers, dtype):
    symbols = np.array(numbers, dtype=dtype)
    joined = DOSAGE.join(*DOSAGE.split(symbols))
    np.testing.assert_array_equal(joined, symbols)
    assert joined.dtype == dtype


@given(st.lists(st.characters(max_codepoint=400), min_size=1))
def test_split_and_join_lose_no_character(characters):
    symbols = np.array(characters, dtype="U1").reshape(1, -1)
    joined = DNA.join(*DNA.split(symbols))
    np.testing.assert_array_equal(joined, symbols)
    assert joined.dtype == symbols.dtype


def test_split_and_join_lose_no_byte():
    symbols = np.arange(256, dtype=np.uint8).view("S1").reshape(16, 16)
    codes, positions, others = DNA.split(symbols)
    assert len(positions) == len(others) == 251  # all but A, C, G, T and N
    np.testing.assert_array_equal(DNA.join(codes, positions, others), symbols)


def test_join_refuses_positions_outside_the_codes():
    with pytest.raises(ValueError, match="positions"):
        DNA.join(np.array([0, 1], dtype=np.int8), np.array([2]), np.array([b"-"]))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint8])
def test_memory_order_of_symbols_changes_nothing(dtype):
    symbols = np.arange(12).reshape(3, 4).astype(dtype) % 2
    codes = HAPLOTYPE.to_codes(np.asfortranarray(symbols))
    np.testing.assert_array_equal(codes, symbols)
    assert codes.flags.c_contiguous and HAPLOTYPE.to_levels(np.asfortranarray(codes)).flags.c_contiguous


def test_read_only_strided_and_empty_symbols_are_taken():
    symbols = np.arange(12, dtype=np.int8).reshape(3, 4) % 2
    symbols.flags.writeable = False
    np.testing.assert_array_equal(HAPLOTYPE.to_codes(symbols[:, ::2]), symbols[:, ::2])
    assert HAPLOTYPE.to_codes(np.empty((0, 4))).shape == (0, 4)
    assert HAPLOTYPE.to_levels(np.empty((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 1023, 1024, 1025, 5000])
def test_one_byte_symbols_and_wide_ones_have_the_same_codes_and_levels(n, rng):
    numbers = rng.integers(-1, 3, n)
    codes = DOSAGE.to_codes(numbers.astype(np.int8))
    np.testing.assert_array_equal(codes, numbers)
    np.testing.assert_array_equal(DOSAGE.to_codes(numbers), codes)
    np.testing.assert_array_equal(DNA.to_codes(DNA.to_symbols(codes)), codes)


@pytest.mark.parametrize("n_symbols", [2, 3, 8, 9, 127])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_of_codes_are_looked_up_and_the_known_counted(n_symbols, dtype, isa, rng):
    alphabet = Alphabet("some", range(n_symbols))
    for n in (0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33, 1000):
        codes = rng.integers(-1, n_symbols, n, dtype=np.int8)
        levels = np.full(n, np.nan, dtype)
        assert alphabet.fill_levels(codes, levels) == np.count_nonzero(codes >= 0)
        np.testing.assert_array_equal(levels, np.append(alphabet.levels, 0).astype(dtype)[codes])
        np.testing.assert_array_equal(alphabet.to_levels(codes, dtype), levels)


@pytest.mark.parametrize("at", [0, 1, 1023, 1024, 1025, 2999])
def test_the_first_of_two_unknown_one_byte_symbols_is_named(at):
    symbols = np.zeros((3, 1000), dtype=np.int8)
    symbols.flat[at] = 7
    symbols[2, 999] = 7
    with pytest.raises(ValueError, match=rf"^symbols\[{at // 1000}, {at % 1000}\] is 7, but"):
        HAPLOTYPE.to_codes(symbols)
    assert HAPLOTYPE.to_codes(symbols, others="missing").sum() == -len({at, 2999})


def test_look_ups_refuse_what_would_be_read_or_written_beyond_its_end():
    table, codes, levels = np.zeros(256, np.int8), np.zeros(3, np.int8), np.zeros(3, np.float32)
    level_of = np.zeros(3, np.float32)
    for symbols, code_of, out, error in [
        (np.zeros(4, np.int8), table, codes, ValueError),
        (np.zeros(3, np.int16), table, codes, ValueError),
        (np.zeros(6, np.int8)[::2], table, codes, ValueError),
        ([0, 0, 0], table, codes, TypeError),
        (codes, table[:255], codes, ValueError),
        (codes, table, levels, TypeError),
    ]:
        with pytest.raises(error):
            _core.alphabet_codes(symbols, code_of, out)
    for bad_codes, bad_levels, error, message in [
        (np.array([0, 2, 0], np.int8), level_of, ValueError, "-1 .missing. or 0 to 1, got 2"),
        (np.array([0, -2, 0], np.int8), level_of, ValueError, "got -2"),
        (np.zeros(4, np.int8), level_of, ValueError, "shape"),
        (codes, np.zeros(2, np.float32), ValueError, "2 to 127 levels"),
        (codes, np.zeros((3, 1), np.float32), ValueError, "one axis"),
        (codes, np.zeros(3), TypeError, "float64"),
    ]:
        with pytest.raises(error, match=message):
            _core.alphabet_levels(bad_codes, bad_levels, levels)


@pytest.mark.parametrize("codes", [[2], [-2], [0.5]])
def test_codes_outside_the_alphabet_are_refused(codes):
    for method in (HAPLOTYPE.to_levels, HAPLOTYPE.to_symbols):
        with pytest.raises(ValueError, match="from -1 to 1"):
            method(codes)


@pytest.mark.parametrize(
    ("symbols", "levels"),
    [
        ([0], None),
        ([], None),
        ([0, 0], None),
        ([0, 127], None),
        ([-1, 0], None),
        ([0, 1.5], None),
        ([b"A", b"N"], None),
        ([b"A", b"CG"], None),
        ([0, 1], [0.5, -0.5]),
        ([0, 1], [-1.0, 1.0]),
        ([0, 1], [0.0]),
    ],
)
def test_an_alphabet_that_cannot_work_is_refused(symbols, levels):
    with pytest.raises(ValueError, match="'mine'"):
        Alphabet("mine", symbols, levels)


def test_only_float_dtypes_have_levels():
    with pytest.raises(TypeError, match="float32 or float64"):
        HAPLOTYPE.to_levels([0], np.int8)
