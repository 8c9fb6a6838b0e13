# SPDX-License-Identifier: Apache-2.0
"""rANS: streams and frequency tables, against their twins, at every truncation, with every bit flipped."""

import functools

import numpy as np
import pytest
import reference_coders as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import rans
from fastae.errors import FormatError
from fastae.rans import FrequencyTable

tables = st.builds(
    lambda counts, precision: FrequencyTable.from_counts(counts, precision=precision),
    st.lists(st.integers(0, 1000), min_size=1, max_size=256).filter(any),
    st.integers(8, rans.MAX_PRECISION),
)


def draw(rng, n, table):
    """Symbols as the table expects them."""
    p = table.frequencies / (1 << table.precision)
    return rng.choice(p.size, n, p=p).astype(np.uint8)


def skewed_table(rng, n_symbols, precision):
    return FrequencyTable.from_counts(rng.geometric(0.02, n_symbols), precision=precision)


def cost_in_bits(symbols, table):
    return -np.log2(table.frequencies[symbols] / (1 << table.precision)).sum()


@pytest.mark.parametrize("precision", [1, 4, 8, 12, 15])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 100, 9001])
def test_encode_agrees_with_reference_and_decode_inverts_it(n, precision, isa, rng):
    table = skewed_table(rng, min(1 << precision, 200), precision)
    symbols = draw(rng, n, table)
    buf = rans.encode(symbols, table)
    assert buf == reference.rans_encode(symbols, table.frequencies, precision)
    assert reference.rans_decode(buf, n, table.frequencies, precision) == symbols.tolist()
    np.testing.assert_array_equal(rans.decode(buf, n, table), symbols)


@functools.cache
def long_stream(n, precision):
    """A table, symbols and the stream that the twin makes of them, which takes it a while."""
    rng = np.random.default_rng(n)
    table = skewed_table(rng, min(1 << precision, 200), precision)
    symbols = draw(rng, n, table)
    assert reference.is_long(table.frequencies, precision, n)
    return table, symbols, reference.rans_encode(symbols, table.frequencies, precision)


LONG = [(270_000, 1), (90_001, 4), (50_016, 8), (45_031, 11), (45_032, 12), (45_033, 13), (45_063, 15)]


@pytest.mark.parametrize(("n", "precision"), LONG)
def test_long_streams_agree_with_reference_and_come_back(n, precision, isa):
    table, symbols, buf = long_stream(n, precision)
    assert rans.encode(symbols, table) == buf
    np.testing.assert_array_equal(rans.decode(buf, n, table), symbols)


def test_reference_decodes_long_streams():
    table, symbols, buf = long_stream(45_033, 13)
    assert reference.rans_decode(buf, symbols.size, table.frequencies, 13) == symbols.tolist()


def test_streams_are_long_from_32_kib_on():
    table = FrequencyTable([1, 1], 1)
    assert [len(rans.encode(np.ones(n, np.uint8), table)) for n in (262_143, 262_144)] == [32_768, 32_768 + 128]


@given(tables, st.integers(0, 5000) | st.integers(40_000, 80_000), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_any_symbols_come_back(table, n, seed):
    symbols = draw(np.random.default_rng(seed), n, table)
    np.testing.assert_array_equal(rans.decode(rans.encode(symbols, table), n, table), symbols)


@pytest.mark.parametrize("n", [10, 1000, 100_000])
def test_a_stream_takes_the_bits_its_table_says(n, rng):
    table = skewed_table(rng, 50, 12)
    symbols = draw(rng, n, table)
    overhead = len(rans.encode(symbols, table)) - cost_in_bits(symbols, table) / 8
    assert -1e-9 <= overhead <= (3 if n < 10_000 else 128 + 1e-4 * n)


def test_no_symbols_and_certain_symbols_take_no_bytes():
    table = FrequencyTable.from_counts([0, 5], precision=12)
    assert rans.encode([], table) == b""
    assert rans.encode(np.ones(100_000, np.uint8), table) == b""
    assert rans.decode(b"", 3, table).tolist() == [1, 1, 1]
    with pytest.raises(FormatError, match="corrupt"):
        rans.decode(b"\0", 3, table)


def decodes_to(buf, symbols, table):
    try:
        return np.array_equal(rans.decode(buf, symbols.size, table), symbols)
    except FormatError:
        return False


def test_long_streams_cut_short_or_longer_are_refused(isa, rng):
    table = skewed_table(rng, 200, 12)
    symbols = draw(rng, 45_000, table)
    buf = rans.encode(symbols, table)
    for cut in {*range(0, len(buf), 1 + len(buf) // 300), *range(100, 200), *range(len(buf) - 70, len(buf))}:
        with pytest.raises(FormatError):
            rans.decode(buf[:cut], 45_000, table)
    for more in (b"\0", b"\0\0", bytes(100)):
        with pytest.raises(FormatError, match="corrupt"):
            rans.decode(buf + more, 45_000, table)


@pytest.mark.parametrize("lane", [0, 1, 15, 16, 31])
def test_long_streams_whose_states_are_too_small_are_refused(lane, isa):
    table, symbols, buf = long_stream(45_032, 12)
    damaged = bytearray(buf)
    damaged[4 * lane + 2 : 4 * lane + 4] = b"\0\0"
    with pytest.raises(FormatError, match="corrupt"):
        rans.decode(damaged, symbols.size, table)


@pytest.mark.parametrize("n", [60, 45_000])
def test_no_other_bytes_decode_to_the_same_symbols(n, rng):
    """A stream has no room for a checksum, but it is the only one of its symbols."""
    table = skewed_table(rng, 200, 12)
    symbols = draw(rng, n, table)
    buf = rans.encode(symbols, table)
    assert decodes_to(buf, symbols, table)
    for bit in range(8 * len(buf)) if n < 100 else rng.integers(0, 8 * len(buf), 200):
        flipped = bytearray(buf)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not decodes_to(flipped, symbols, table)
    for cut in range(len(buf)) if n < 100 else ():
        assert not decodes_to(buf[:cut], symbols, table)
    for more in (b"\0" + buf, buf + b"\0", buf + b"\1"):
        assert not decodes_to(more, symbols, table)


def test_encode_refuses_symbols_outside_the_table():
    table = FrequencyTable.from_counts([1, 0, 1])
    for symbol in (1, 3, 255):
        with pytest.raises(ValueError, match=f"symbols holds {symbol}, to which the table gives no frequency"):
            rans.encode([0, symbol, 2], table)
    with pytest.raises(TypeError, match="symbols must hold integers"):
        rans.encode([0.0], table)


def test_decode_refuses_a_bad_count_buffer_or_out():
    table = FrequencyTable.from_counts([1, 1])
    with pytest.raises(ValueError, match="n must be 0 or more, got -3"):
        rans.decode(b"", -3, table)
    with pytest.raises(TypeError, match="buf must be a contiguous bytes-like object, got list"):
        rans.decode([1], 1, table)
    with pytest.raises(ValueError, match="out must be"):
        rans.decode(b"", 2, table, out=np.empty(3, np.uint8))


@pytest.mark.parametrize("precision", [1, 5, 12, 15])
@pytest.mark.parametrize("n_symbols", [1, 2, 3, 30, 256])
def test_from_counts_agrees_with_reference(n_symbols, precision, rng):
    counts = rng.geometric(0.01, n_symbols) * rng.integers(0, 2, n_symbols)
    counts[min(n_symbols, 1 << precision) :] = 0
    counts[0] += 1
    table = FrequencyTable.from_counts(counts, precision=precision)
    assert table.frequencies.tolist() == reference.normalize(counts, precision)
    assert ((table.frequencies > 0) == (counts > 0)).all()


def test_from_counts_costs_no_more_than_moving_any_one_slot(rng):
    counts = rng.geometric(0.01, 12)
    table = FrequencyTable.from_counts(counts, precision=6)
    best = (counts * -np.log2(table.frequencies)).sum()
    for giver in np.flatnonzero(table.frequencies > 1):
        for taker in range(12):
            moved = table.frequencies.astype(float)
            moved[giver] -= 1
            moved[taker] += 1
            assert (counts * -np.log2(moved)).sum() >= best - 0.01 * counts.sum()


def test_from_counts_takes_counts_of_any_size():
    table = FrequencyTable.from_counts(np.array([2**64 - 1, 2**64 - 1, 1, 0], dtype=np.uint64), precision=15)
    assert table.frequencies.tolist() == [16384, 16383, 1, 0]


@pytest.mark.parametrize(
    ("counts", "precision", "message"),
    [
        ([], 12, "counts must hold 1 to 256 symbols, got 0"),
        ([1] * 257, 12, "counts must hold 1 to 256 symbols, got 257"),
        ([0, 0], 12, "0 symbols that occur"),
        ([1, 1, 1], 1, "3 symbols that occur, precision 1 needs 1 to 2"),
        ([1], 0, "precision must be 1 to 15, got 0"),
        ([1], 16, "precision must be 1 to 15, got 16"),
        ([3, -1], 12, "counts holds -1"),
    ],
)
def test_from_counts_refuses(counts, precision, message):
    with pytest.raises(ValueError, match=message):
        FrequencyTable.from_counts(counts, precision=precision)


def test_a_table_must_sum_to_its_total_and_cannot_be_changed():
    for frequencies in ([1, 2], [4, 1], [], [2**32 - 1, 5]):
        with pytest.raises(ValueError, match="frequencies must"):
            FrequencyTable(frequencies, 2)
    table = FrequencyTable([1, 3], 2)
    with pytest.raises(ValueError, match="read-only"):
        table.frequencies[0] = 2
    assert table == FrequencyTable([1, 3], 2) != FrequencyTable([3, 1], 2)
    assert repr(table) == "FrequencyTable([1, 3], precision=2)"


@given(tables, st.binary(max_size=4))
@settings(deadline=None)
def test_table_bytes_come_back_and_know_where_they_end(table, rest):
    buf = table.to_bytes()
    assert FrequencyTable.from_bytes(buf + rest) == (table, len(buf))


def test_table_bytes_are_few(rng):
    assert len(FrequencyTable.from_counts([99, 1]).to_bytes()) <= 4
    assert len(FrequencyTable.from_counts([0] * 255 + [1]).to_bytes()) <= 5
    assert len(FrequencyTable.from_counts(rng.integers(1, 100, 256)).to_bytes()) <= 260


def test_table_bytes_cut_short_are_refused(rng):
    buf = skewed_table(rng, 100, 12).to_bytes()
    for cut in range(len(buf)):
        with pytest.raises(FormatError):
            FrequencyTable.from_bytes(buf[:cut])


@given(st.binary(max_size=40))
def test_any_bytes_are_a_table_or_refused(buf):
    try:
        table, n_bytes = FrequencyTable.from_bytes(buf)
    except FormatError:
        return
    assert n_bytes <= len(buf)
    assert table.frequencies.sum() == 1 << table.precision


def test_table_bytes_of_every_wrong_kind_are_refused():
    with pytest.raises(FormatError, match="precision 16, the most is 15"):
        FrequencyTable.from_bytes(b"\xff" * 40)
    with pytest.raises(FormatError, match="ends too early"):
        FrequencyTable.from_bytes(b"\x1b" + bytes(1000))  # a run of zeros without end
    good = FrequencyTable([1, 1], 1).to_bytes()
    assert good == b"\x10\x10"
    with pytest.raises(FormatError, match="spare bits"):
        FrequencyTable.from_bytes(b"\x10\x90")
    with pytest.raises(FormatError, match="do not sum"):
        FrequencyTable.from_bytes(b"\x10\x70")  # 3 of 2
