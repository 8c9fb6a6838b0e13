# SPDX-License-Identifier: Apache-2.0
"""Latents that many rows share: each distinct code once, and a number per row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import rans
from fastae.archive.container import counted, varint
from fastae.archive.predictors.codebook import Codebook
from fastae.bitpack import pack
from fastae.errors import FormatError


def shared_codes(rng, n_rows=400, n_codes=30, n_latents=12):
    """Rows of few distinct codes, some far commoner than others."""
    return rng.integers(0, 2, (n_codes, n_latents), np.uint8)[np.minimum(rng.geometric(0.1, n_rows), n_codes) - 1]


def table_of(*magnitudes):
    return rans.FrequencyTable.from_counts(np.bincount(magnitudes), precision=12)


def test_shared_codes_take_fewer_bytes_and_come_back(rng):
    codes = shared_codes(rng)
    book = Codebook.fit(codes, 1)
    again = Codebook.from_bytes(book.to_bytes(), 12, 1)
    data = book.encode(book.numbers(codes))
    assert len(book.to_bytes()) + len(data) < codes.size // 8
    for part in (codes, codes[:1], codes[7:90], codes[:0]):
        data = book.encode(book.numbers(part))
        np.testing.assert_array_equal(again.codes[again.decode(data, len(part))], part)


def test_codes_stand_in_the_order_of_how_many_rows_have_them(rng):
    codes = shared_codes(rng)
    book = Codebook.fit(codes, 1)
    n_rows = [np.count_nonzero((codes == code).all(axis=1)) for code in book.codes]
    assert n_rows == sorted(n_rows, reverse=True)
    assert sum(n_rows) == len(codes)


@given(st.integers(1, 200), st.integers(1, 60), st.integers(1, 5), st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_any_numbers_come_back(n_rows, n_codes, n_latents, bits, seed):
    rng = np.random.default_rng(seed)
    codes = np.unique(rng.integers(0, 1 << bits, (n_codes, n_latents), np.uint8), axis=0)
    numbers = rng.integers(0, len(codes), n_rows)
    book = Codebook(codes, bits, table_of(*range(40)))
    again = Codebook.from_bytes(book.to_bytes(), n_latents, bits)
    np.testing.assert_array_equal(again.codes, codes)
    np.testing.assert_array_equal(book.numbers(codes[numbers]), numbers)
    np.testing.assert_array_equal(again.decode(book.encode(numbers), n_rows), numbers)


@pytest.mark.parametrize(
    ("number", "magnitude", "below"), [(0, 0, ""), (1, 2, ""), (2, 3, ""), (3, 4, "0"), (8, 6, "01")]
)
def test_numbers_are_split_as_the_format_says(number, magnitude, below):
    codes = np.arange(20, dtype=np.uint8)[:, None]
    book = Codebook(codes, 8, table_of(*range(12)))
    stream = rans.encode(np.array([magnitude], np.uint8), book.magnitudes)
    bits = np.array([int(bit) for bit in below[::-1]], np.uint8)
    assert book.encode(np.array([number])) == counted(bytes(stream)) + bytes(pack(bits, 1))


def test_damaged_books_and_numbers_are_refused(rng):
    codes = shared_codes(rng)
    book = Codebook.fit(codes, 1)
    data, written = book.encode(book.numbers(codes)), book.to_bytes()
    for cut in range(len(written)):
        with pytest.raises(FormatError):
            Codebook.from_bytes(written[:cut], 12, 1)
    for cut in range(len(data)):
        with pytest.raises(FormatError):
            book.decode(data[:cut], 400)
    for more in (b"\0", b"\xff"):
        with pytest.raises(FormatError):
            Codebook.from_bytes(written + more, 12, 1)
        with pytest.raises(FormatError):
            book.decode(data + more, 400)
    with pytest.raises(FormatError, match="holds 1000000 where at most"):
        Codebook.from_bytes(varint(1_000_000) + written[1:], 12, 1)


def test_numbers_beyond_the_book_are_refused():
    book = Codebook(np.zeros((3, 2), np.uint8), 1, table_of(4, 5, 70))
    for magnitude, message in ((4, "name code 3 of 3"), (5, "name code 5 of 3"), (70, "beyond any codebook")):
        width = magnitude // 2 - 1
        stream = bytes(rans.encode(np.array([magnitude], np.uint8), book.magnitudes))
        with pytest.raises(FormatError, match=message):
            book.decode(counted(stream) + bytes((width + 7) // 8), 1)
        with pytest.raises(FormatError, match=f"take {width} bits, not 9 bytes"):
            book.decode(counted(stream) + bytes(9), 1)
