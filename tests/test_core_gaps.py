# SPDX-License-Identifier: Apache-2.0
"""The coder of gaps: against its twin, cut short, and with bits flipped."""

import numpy as np
import pytest
import reference_gaps as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core
from fastae.errors import FormatError


def u32(values):
    return np.array(values, dtype=np.uint32)


def encode(events_of_classes, n_cells, rates, room=None):
    """The stream, or None if it does not fit in `room` bytes."""
    positions = u32(np.concatenate([np.asarray(events, np.uint32) for events in events_of_classes]))
    counts = u32([len(events) for events in events_of_classes])
    dst = np.empty(1 << 20 if room is None else room, np.uint8)
    used = _core.gaps_encode(positions, counts, u32(n_cells), np.array(rates, np.uint8), dst)
    return dst[:used].tobytes() if used >= 0 else None


def decode(stream, n_cells, rates, n_events):
    positions, counts = np.empty(n_events, np.uint32), np.empty(len(n_cells), np.uint32)
    _core.gaps_decode(np.frombuffer(stream, np.uint8), u32(n_cells), np.array(rates, np.uint8), positions, counts)
    return [part.tolist() for part in np.split(positions, np.cumsum(counts)[:-1])]


def draw(rng, n_cells, rate):
    """Events as the rate expects them."""
    return np.flatnonzero(rng.random(n_cells) < 2 ** (-(rate + 1) / 4))


@pytest.mark.parametrize("rate", [0, 1, 2, 3, 14, 15, 16, 40, 58, 59, 60, 63, 98, 99])
@pytest.mark.parametrize("n_cells", [1, 2, 62, 63, 64, 65, 126, 127, 1000, 5003])
def test_gaps_agree_with_reference(n_cells, rate, rng):
    for events in ([], [0], [n_cells - 1], range(n_cells), draw(rng, n_cells, rate), draw(rng, n_cells, 8)):
        events = list(events)
        stream = encode([events], [n_cells], [rate])
        assert stream == reference.gaps_encode([events], [n_cells], [rate])
        assert decode(stream, [n_cells], [rate], len(events)) == [events]
        assert reference.gaps_decode(stream, [n_cells], [rate]) == [events]


@pytest.mark.parametrize("rate", [50, 80, 99])
def test_gaps_of_billions_of_cells_agree_with_reference(rate, rng):
    n_cells = 2**32 - 1
    events = sorted({0, 1, n_cells - 1, *rng.integers(0, n_cells, 20).tolist()})
    for some in (events, events[:-1], []):
        stream = encode([some], [n_cells], [rate])
        assert stream == reference.gaps_encode([some], [n_cells], [rate])
        assert decode(stream, [n_cells], [rate], len(some)) == [some]


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 99), st.integers(0, 40)), min_size=1, max_size=6), st.data()
)
@settings(deadline=None, max_examples=60)
def test_any_gaps_come_back(classes, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n_cells, rates = [n for n, _, _ in classes], [rate for _, rate, _ in classes]
    events_of_classes = [draw(rng, n, density).tolist() for n, _, density in classes]
    stream = encode(events_of_classes, n_cells, rates)
    assert stream == reference.gaps_encode(events_of_classes, n_cells, rates)
    assert decode(stream, n_cells, rates, sum(map(len, events_of_classes))) == events_of_classes


@pytest.mark.parametrize("rate", [3, 6, 11, 19, 30, 42])
def test_gaps_take_little_more_than_their_entropy(rate, rng):
    n_cells = 1 << 21
    events = draw(rng, n_cells, rate)
    p = 2 ** (-(rate + 1) / 4)
    bits = -len(events) * np.log2(p) - (n_cells - len(events)) * np.log2(1 - p)
    used = len(encode([events], [n_cells], [rate]))
    assert bits / 8 - 1 <= used <= 1.01 * bits / 8 + 64


def test_frequencies_of_gaps_are_positive_at_every_rate():
    for rate in range(_core.GAPS_N_RATES):
        k, cumulative = reference.gap_table(rate)
        assert (np.diff(cumulative) > 0).all()
        assert 0 <= k <= 22


def test_gaps_encode_refuses():
    for events in ([5, 4], [4, 4], [10], [2**32 - 1]):
        with pytest.raises(ValueError, match="symbol"):
            encode([events], [10], [20])
    with pytest.raises(ValueError, match="symbol"):
        encode([[0]], [0], [20])
    with pytest.raises(ValueError, match="frequencies"):
        encode([[1]], [10], [100])
    with pytest.raises(ValueError, match="rates has 1 values, 2 are needed"):
        encode([[1], [2]], [10, 10], [20])
    with pytest.raises(ValueError, match="n_cells has 1 values, 2 are needed"):
        encode([[1], [2]], [10], [20, 20])
    with pytest.raises(ValueError, match="positions has 1 values, 2 are needed"):
        _core.gaps_encode(u32([1]), u32([2]), u32([10]), np.array([20], np.uint8), np.empty(99, np.uint8))
    with pytest.raises(ValueError, match="at least one class and a buffer"):
        encode([[1]], [10], [20], room=0)


def test_gaps_encode_says_where_the_buffer_is_too_small(rng):
    events = draw(rng, 500, 9).tolist()
    stream = encode([events], [500], [9])
    assert encode([events], [500], [9], room=len(stream)) == stream
    for room in range(1, len(stream)):
        assert encode([events], [500], [9], room=room) is None


def test_gaps_decode_refuses(rng):
    events = draw(rng, 500, 9).tolist()
    stream = encode([events], [500], [9])
    for n_events in (len(events) - 1, len(events) + 1):
        with pytest.raises(FormatError):
            decode(stream, [500], [9], n_events)
    for cut in range(len(stream)):
        with pytest.raises(FormatError):
            decode(stream[:cut], [500], [9], len(events))
    for more in (b"\0", b"\xff", b"\x80\0"):
        with pytest.raises(FormatError):
            decode(stream + more, [500], [9], len(events))
    with pytest.raises(ValueError, match="frequencies"):
        decode(stream, [500], [100], len(events))
    with pytest.raises(ValueError, match="at least one class"):
        decode(stream, [], [], 0)
    with pytest.raises(ValueError, match="rates has 2 values, 1 are needed"):
        decode(stream, [500], [9, 9], len(events))


def test_flipped_gaps_are_refused_or_in_range(rng):
    n_cells, rates = [300, 400], [7, 60]
    events_of_classes = [draw(rng, 300, 7).tolist(), [17, 300]]
    stream = encode(events_of_classes, n_cells, rates)
    n_events = sum(map(len, events_of_classes))
    refused = 0
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = decode(flipped, n_cells, rates, n_events)
        except FormatError:
            refused += 1
            continue
        assert found != events_of_classes
        for events, cells in zip(found, n_cells, strict=True):
            assert (np.diff(events) > 0).all()
            assert all(event < cells for event in events)
    assert refused > 4 * len(stream)
