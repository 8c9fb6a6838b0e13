# SPDX-License-Identifier: Apache-2.0
"""Sorted columns guided by which rows lean to a 1: as their twin, in parts, and from bytes gone bad."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import reference_pbwt as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core
from fastae.errors import FormatError


def clustered(rng, n_columns, n_rows, n_codes=5, noise=0.05):
    """(columns, guide, guided): rows of a code mostly have what its lean says, where a column is guided."""
    codes = rng.integers(0, n_codes, n_rows).astype(np.uint16)
    rows = np.argsort(codes, kind="stable").astype(np.uint16)
    leans = (rng.random((n_columns, n_codes)) < rng.beta(0.4, 0.6, (n_columns, 1))).astype(np.uint8)
    columns = leans[:, codes] ^ (rng.random((n_columns, n_rows)) < noise)
    guided = (rng.random(n_columns) < 0.7).astype(np.uint8)
    guide = SimpleNamespace(leans=np.ascontiguousarray(leans[guided == 1]), codes=codes, rows=rows)
    return columns.astype(np.uint8), guide, guided


def encode(columns, guide, guided, shift=0, room=None):
    """The stream, or None if it does not fit in `room` bytes."""
    dst = np.empty(2 * columns.size + 64 if room is None else room, np.uint8)
    used = _core.guided_encode(columns, shift, guide.leans, guide.codes, guide.rows, guided, dst)
    return dst[:used].tobytes() if used >= 0 else None


def decode(stream, shape, guide, first=0, last=None):
    """(columns, which of all columns are guided)."""
    last = shape[0] if last is None else last
    columns, guided = np.empty((last - first, shape[1]), np.uint8), np.zeros(shape[0], np.uint8)
    source = np.frombuffer(stream, np.uint8)
    _core.guided_decode(source, first, last, guide.leans, guide.codes, guide.rows, guided, columns)
    return columns, guided


@functools.cache
def examples(n_rows, shift):
    """What is coded, and the twin's stream, which the twin reads again: once for all code paths."""
    rng, found = np.random.default_rng(n_rows), []
    for n_codes, noise in ((1, 0.3), (3, 0.02), (40, 0.1)):
        columns, guide, guided = clustered(rng, 25, n_rows, n_codes, noise)
        stream = reference.encode_guided(columns, shift, guide, guided.tolist())
        np.testing.assert_array_equal(reference.decode_guided(stream, len(columns), guide), columns)
        found.append((columns, guide, guided, stream))
    return found


@pytest.mark.parametrize(("n_rows", "shift"), [(1, 0), (2, 2), (3, 0), (12, 1), (13, 0), (64, 2), (65, 0), (200, 0)])
def test_guided_columns_agree_with_reference(n_rows, shift, isa):
    for columns, guide, guided, stream in examples(n_rows, shift):
        assert encode(columns, guide, guided, shift) == stream
        back, found = decode(stream, columns.shape, guide)
        np.testing.assert_array_equal(back, columns)
        np.testing.assert_array_equal(found, guided)


@given(st.integers(1, 60), st.integers(1, 90), st.integers(1, 9), st.floats(0, 0.5), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_any_guided_columns_come_back(n_columns, n_rows, n_codes, noise, seed):
    rng = np.random.default_rng(seed)
    columns, guide, guided = clustered(rng, n_columns, n_rows, n_codes, noise)
    back, found = decode(encode(columns, guide, guided), columns.shape, guide)
    np.testing.assert_array_equal(back, columns)
    np.testing.assert_array_equal(found, guided)


def test_a_guide_that_is_right_saves_bytes_and_one_that_is_wrong_costs_few(rng):
    """Rows of no order but their codes: who has what, only the leans tell."""
    columns, guide, guided = clustered(rng, 300, 400, noise=0.01)
    np.copyto(columns[1::2], rng.permuted(columns[1::2], axis=1), where=(guided[1::2] == 0)[:, None])
    sizes = {}
    for name, leans in (
        ("right", guide.leans),
        ("none", 0 * guide.leans),
        ("wrong", rng.permuted(guide.leans, axis=1)),
    ):
        sizes[name] = len(encode(columns, SimpleNamespace(**vars(guide) | {"leans": leans}), guided))
    assert sizes["right"] < 0.95 * sizes["none"]
    assert sizes["wrong"] < 1.05 * sizes["none"]


def test_parts_are_those_of_the_whole(rng):
    columns, guide, guided = clustered(rng, 50, 70)
    stream = encode(columns, guide, guided)
    for first, last in ((0, 1), (0, 50), (7, 30), (49, 50)):
        part, found = decode(stream, columns.shape, guide, first, last)
        np.testing.assert_array_equal(part, columns[first:last])
        np.testing.assert_array_equal(found, np.where(np.arange(50) < last, guided, 0))


def test_bytes_gone_bad_are_refused_or_other_columns(rng, isa):
    columns, guide, guided = clustered(rng, 30, 40)
    stream = encode(columns, guide, guided)
    for room in range(1, len(stream)):
        assert encode(columns, guide, guided, room=room) is None
    flips = [1 << bit for bit in range(8 * len(stream))]
    flipped = [(int.from_bytes(stream, "big") ^ flip).to_bytes(len(stream), "big") for flip in flips]
    refused = 0
    for bad in [stream + b"\0", stream + b"\1", *(stream[:cut] for cut in range(len(stream))), *flipped]:
        try:
            found, flags = decode(bad, columns.shape, guide)
        except FormatError:
            refused += 1
            continue
        assert found.max() <= 1
        assert (found != columns).any() or (flags != guided).any()
    assert refused > len(stream)


def test_more_guided_columns_than_outputs_are_refused(rng):
    columns, guide, guided = clustered(rng, 40, 40)
    stream = encode(columns, guide, guided)
    fewer = SimpleNamespace(**vars(guide) | {"leans": guide.leans[:-1]})
    with pytest.raises(FormatError):
        decode(stream, columns.shape, fewer)


def test_what_does_not_fit_is_refused(rng):
    columns, guide, guided = clustered(rng, 10, 20)
    stream = encode(columns, guide, guided)

    def but(**changes):
        return SimpleNamespace(**vars(guide) | changes)

    codes = guide.codes.copy()
    codes[3] = 5
    rows = guide.rows.copy()
    rows[0] = 20
    for wrong, message in (
        (but(codes=codes), "code 5 of 5"),
        (but(rows=rows), "row 20 of 20"),
        (but(rows=guide.rows[:-1]), "rows has 19 values, 20 are needed"),
        (but(leans=guide.leans[:-1]), "leans has"),
        (but(codes=guide.codes[:-1]), "codes has 19 values, 20 are needed"),
    ):
        with pytest.raises(ValueError, match=message):
            encode(columns, wrong, guided)
    with pytest.raises(ValueError, match="guided has 9 values, 10 are needed"):
        encode(columns, guide, guided[:-1].copy())
    with pytest.raises(ValueError, match="shift of 3"):
        encode(columns, guide, guided, shift=3)
    with pytest.raises(ValueError, match="at least one column"):
        encode(columns[:0], but(leans=guide.leans[:0]), guided[:0])
    with pytest.raises(ValueError, match="columns 3 to 3 of 10 are wanted"):
        decode(stream, columns.shape, guide, 3, 3)
    with pytest.raises(ValueError, match="columns 3 to 11 of 10 are wanted"):
        decode(stream, columns.shape, guide, 3, 11)
