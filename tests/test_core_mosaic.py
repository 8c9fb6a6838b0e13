# SPDX-License-Identifier: Apache-2.0
"""Dosages by mosaics of the other samples: as their twin, in parts, and from bytes gone bad."""

import functools
import math

import cohorts
import numpy as np
import pytest
import reference_mosaic as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core
from fastae.errors import FormatError

MISSING = 3
SIZES = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 65]


def kinds_of(calls):
    dosed = ((calls == 1) | (calls == 2)).any(axis=1)
    return (dosed + 2 * (calls == MISSING).any(axis=1)).astype(np.uint8)


def encode(calls, kinds, rarity=0, room=None):
    """The stream, or None if it does not fit in `room` bytes."""
    dst = np.empty(4 * calls.size + 64 if room is None else room, np.uint8)
    used = _core.mosaic_encode(calls, kinds, rarity, dst)
    return dst[:used].tobytes() if used >= 0 else None


def decode(stream, kinds, n_samples, first=0, last=None):
    last = len(kinds) if last is None else last
    calls = np.full((last - first, n_samples), 77, np.uint8)
    _core.mosaic_decode(np.frombuffer(stream, np.uint8), kinds, first, last, calls)
    return calls


def dosages(rng, n_sites, n_samples, missing=0.02, n_founders=6, switch=0.1):
    """Calls of samples that are mosaics of founders."""
    founders = rng.random((n_founders, n_sites)) < rng.beta(0.4, 0.6, n_sites)
    switches = rng.random((n_samples, 2, n_sites)) < switch
    switches[:, :, :1] = True
    since = np.maximum.accumulate(np.where(switches, np.arange(n_sites), 0), axis=2)
    drawn = np.take_along_axis(rng.integers(0, n_founders, since.shape), since, axis=2)
    calls = founders[drawn, np.arange(n_sites)].sum(axis=1).T.astype(np.uint8)
    calls[rng.random(calls.shape) < missing] = MISSING
    return np.ascontiguousarray(calls)


@functools.cache
def stream_of_twin(data, shape, kinds, rarity):
    """What the twin writes, and reads again: once for all code paths."""
    calls = np.frombuffer(data, np.uint8).reshape(shape)
    stream = reference.encode(calls, kinds, rarity)
    np.testing.assert_array_equal(reference.decode(stream, kinds, shape[1]), calls)
    return stream


def agrees(calls, rarity=0, kinds=None):
    kinds = kinds_of(calls) if kinds is None else kinds
    stream = encode(calls, kinds, rarity)
    assert stream == stream_of_twin(calls.tobytes(), calls.shape, tuple(kinds.tolist()), rarity)
    np.testing.assert_array_equal(decode(stream, kinds, calls.shape[1]), calls)


@pytest.mark.parametrize("n_samples", SIZES)
def test_calls_agree_with_reference(n_samples, isa):
    rng = np.random.default_rng(n_samples)
    agrees(dosages(rng, 12, n_samples), rarity=n_samples % _core.MOSAIC_RARITIES)


@pytest.mark.parametrize("rarity", range(_core.MOSAIC_RARITIES))
def test_noise_and_calls_that_say_less_than_they_may_agree_with_reference(rarity, isa):
    rng = np.random.default_rng(rarity)
    noise = rng.choice(4, (12, 21), p=[0.3, 0.2, 0.3, 0.2]).astype(np.uint8)
    agrees(noise, rarity)
    noise[3] = MISSING
    noise[6:] = 0
    noise[9] = np.where(noise[0] == MISSING, MISSING, 0)
    agrees(noise, rarity, np.array([3] * 7 + [1, 2, 2, 0, 3], np.uint8))


def test_kin_over_many_sites_agree_with_reference(isa):
    """Samples that are each other's twins, over more sites than kin are averaged over at first."""
    calls = dosages(np.random.default_rng(1), 300, 6, missing=0.01)
    calls[:, 3:] = np.where(np.random.default_rng(2).random((300, 3)) < 0.02, 0, calls[:, :3])
    agrees(calls)


def test_all_paths_write_the_same_of_many_samples(isa):
    """Sums and weights at their largest: all samples alike, then all unlike."""
    rng = np.random.default_rng(5)
    calls = np.concatenate([np.full((6, 1024), 2), rng.integers(0, 3, (3, 1024)), np.full((2, 1024), 1)]).astype(
        np.uint8
    )
    kinds = np.ones(len(calls), np.uint8)
    stream = encode(calls, kinds, 3)
    assert stream == stream_on_this_machine(calls.tobytes(), kinds.tobytes())
    np.testing.assert_array_equal(decode(stream, kinds, 1024), calls)


@functools.cache
def stream_on_this_machine(data, kinds):
    """By the first path of all that asks."""
    return encode(np.frombuffer(data, np.uint8).reshape(-1, 1024), np.frombuffer(kinds, np.uint8), 3)


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 40), st.data())
@settings(deadline=None, max_examples=60)
def test_any_sites_are_those_of_the_whole(seed, n_samples, n_sites, data):
    rng = np.random.default_rng(seed)
    calls = dosages(rng, n_sites, n_samples, missing=data.draw(st.sampled_from([0, 0.05, 0.9])))
    kinds = kinds_of(calls)
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, n_sites)] * 2)))
    stream = encode(calls, kinds, rarity=seed % _core.MOSAIC_RARITIES)
    np.testing.assert_array_equal(decode(stream, kinds, n_samples), calls)
    if first < last:
        np.testing.assert_array_equal(decode(stream, kinds, n_samples, first, last), calls[first:last])


def test_mosaics_take_fewer_bits_than_frequencies_and_noise_hardly_more_than_its_entropy(rng):
    calls = dosages(rng, 400, 100, missing=0, switch=0.01)
    shares = np.stack([(calls == dosage).mean(axis=1) for dosage in range(3)])
    entropy = -100 * np.sum(shares * np.log2(np.maximum(shares, 1e-9)))
    assert 8 * len(encode(calls, kinds_of(calls))) < 0.6 * entropy
    noise = rng.choice(3, (400, 100), p=[0.25, 0.5, 0.25]).astype(np.uint8)
    assert 8 * len(encode(noise, kinds_of(noise))) < 1.03 * 1.5 * noise.size


def test_the_encoder_says_when_there_is_no_room(rng):
    calls = dosages(rng, 30, 20)
    kinds = kinds_of(calls)
    stream = encode(calls, kinds)
    assert encode(calls, kinds, room=len(stream)) == stream
    assert all(encode(calls, kinds, room=room) is None for room in range(len(stream)))


def refused_share(streams, kinds, calls):
    """Of damaged streams; those that are streams, too, hold other calls."""
    refused = 0
    for stream in streams:
        try:
            found = decode(stream, kinds, calls.shape[1])
        except FormatError:
            refused += 1
            continue
        assert found.max() <= MISSING
        assert not np.array_equal(found, calls)
    return refused / len(streams)


def test_cut_streams_and_longer_ones_are_refused_or_hold_other_calls(rng):
    calls = dosages(rng, 30, 20)
    kinds = kinds_of(calls)
    stream = encode(calls, kinds)
    assert refused_share([stream[:n] for n in range(len(stream))], kinds, calls) > 0.9
    assert refused_share([stream + bytes([n]) for n in range(256)], kinds, calls) == 1


def test_flipped_bits_are_refused_or_give_other_calls(rng):
    calls = dosages(rng, 20, 12)
    kinds = kinds_of(calls)
    stream = encode(calls, kinds)
    flipped = [bytearray(stream) for _ in range(8 * len(stream))]
    for position, bits in enumerate(flipped):
        bits[position // 8] ^= 1 << position % 8
    assert refused_share(list(map(bytes, flipped)), kinds, calls) > 0.5


def test_what_does_not_fit_together_is_refused():
    calls, kinds = np.zeros((2, 5), np.uint8), np.ones(2, np.uint8)
    out = np.empty(64, np.uint8)
    for bad, message in (
        (lambda: _core.mosaic_encode(np.zeros((1, 1025), np.uint8), kinds[:1], 0, out), "1025 samples given"),
        (lambda: _core.mosaic_encode(np.zeros((1, 0), np.uint8), kinds[:1], 0, out), "0 samples given"),
        (lambda: _core.mosaic_encode(calls, kinds[:1], 0, out), "kinds"),
        (lambda: _core.mosaic_encode(calls, kinds, 4, out), "rarity is 4; it is below 4"),
        (lambda: _core.mosaic_decode(out, kinds, 1, 3, calls), "sites 1 to 3 of 2 are wanted"),
        (lambda: _core.mosaic_decode(out, kinds, 1, 2, calls), "calls"),
    ):
        with pytest.raises(ValueError, match=message):
            bad()


def test_haplotypes_of_the_cohorts_of_tests_are_found(rng):
    """Calls of few founders, whose mosaics they all are, take less than half a bit each."""
    calls = cohorts.related(rng, 300, 80, noise=0.001).sum(axis=2).astype(np.uint8)
    assert 8 * len(encode(calls, kinds_of(calls))) < 0.5 * calls.size < math.inf
