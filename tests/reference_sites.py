# SPDX-License-Identifier: Apache-2.0
"""A plain reader of the stream of sites, written from FORMAT.md §5.2.1 and §5.2.2 and not from the C."""

from collections import defaultdict

import reference_pbwt

POINTS = [1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901]
POINTS += [3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094]


def squash(x):
    if abs(x) > 2047:
        return 4095 if x > 0 else 1
    z, r = x >> 7, x % 128
    return (POINTS[z + 16] * (128 - r) + POINTS[z + 17] * r + 64) >> 7


LOGITS = [next((x for x in range(-2047, 2048) if squash(x) >= v), 2047) for v in range(4096)]


class Mixer:
    def __init__(self, data):
        self.coder = reference_pbwt.Decoder(data)
        self.estimates = defaultdict(lambda: (2**21, 0))
        self.weights = defaultdict(lambda: 2**14)

    def uniform(self, n):
        return reference_pbwt.uniform(self.coder, n, None)

    def number(self, kind, width, *contexts):
        node = 1
        for place in range(width):
            node = 2 * node + self.bit(kind, place, node, contexts)
        return node - 2**width

    def bit(self, kind, place, node, contexts):
        keys = []
        for i, context in enumerate(contexts):
            h = (context * 0x9E3779B1 + kind * 0x85EBCA6B + node * 0xC2B2AE35) % 2**32
            h ^= h >> 15
            keys.append((i, (h * 0x2C1B3C6D) % 2**32 >> 18))
        x = [LOGITS[self.estimates[key][0] >> 10] for key in keys]
        p = squash(sum(self.weights[kind, place, i] * x_i for i, x_i in enumerate(x)) >> 16)
        start = (self.coder.width >> 32) * (2**32 - (p << 20))
        bit = self.coder.choose(start, None)
        self.coder.narrow(*((start, self.coder.width - start) if bit else (0, start)))
        for i, (key, x_i) in enumerate(zip(keys, x, strict=True)):
            moved = self.weights[kind, place, i] + (x_i * ((4095 if bit else 0) - p) >> 13)
            self.weights[kind, place, i] = min(max(moved, -(2**20)), 2**20)
            estimate, count = self.estimates[key]
            estimate += ((2**22 - 1 if bit else 0) - estimate) * (2**17 // (2 * count + 3)) >> 16
            self.estimates[key] = estimate, min(count + 1, 255)
        return int(bit)

    def rest(self, kind, digits, most, *contexts):
        """The whole number, of so many digits."""
        v = min(most, digits - 1)
        value = 2**v + self.number(kind, v, *contexts)
        left = digits - 1 - v
        return value * 2**left + self.uniform(2**left) if left else value


class Series:
    def __init__(self):
        self.history = self.part = self.step = self.site = 0
        self.recent = []


def decode(data, n, series):
    """(gaps, pairs, ids), given (first number, width) of each series."""
    mixer, states = Mixer(data), [Series() for _ in series]
    gaps, pairs, ids = [], [], []
    lengths, numbers = [0, 0], [0, 0, 0]  # the last first
    for site in range(n):
        before, earlier = (pairs[-1:] or [0])[0], (pairs[-2:-1] or [0])[0]
        two = 32 * before + earlier
        length = mixer.number(0, 6, 0, 64 * lengths[0] + lengths[1], before)
        gap = digits = length % 32
        if digits > 1:
            gap = mixer.rest(1, digits, 3, length, 64 * length + lengths[0])
        gap = gap if length < 32 else -gap
        close = gap if gap in (0, 1, 2) else 3
        pair = 16
        if not mixer.number(2, 1, int(before == 16), two):
            r = mixer.number(3, 2, 0, before, 4 * before + close, 4 * two + close, length)
            pair = 4 * r + mixer.number(4, 2, r, 4 * (4 * before + close) + r, 4 * two + r, 4 * length + r)
        s = 0
        if len(series) > 1:
            pair_of_series = 64 * numbers[0] + numbers[1]
            contexts = [0, numbers[0], pair_of_series, 64 * pair_of_series + numbers[2], pair]
            s = mixer.number(5, (len(series) - 1).bit_length(), *contexts, 64 * numbers[0] + length)
        start, width = series[s]
        if width <= 64:
            offset = mixer.uniform(width)
        else:
            offset = read_offset(mixer, states[s], s, width, site, length)
        gaps.append(gap)
        pairs.append(pair)
        ids.append(start + offset)
        lengths = [length, lengths[0]]
        numbers = [s, *numbers[:2]]
    assert mixer.coder.is_done()
    return gaps, pairs, ids


def read_offset(mixer, own, s, width, site, length):
    near = mixer.number(6, 1, s, 16 * s + own.history % 16, 256 * s + own.history % 256)
    own.history = 2 * own.history + near
    if near:
        which = mixer.number(7, 4, s, 16 * s + own.history % 16)
        below = mixer.number(8, 1, which, 16 * s + which)
        distance = digits = mixer.number(9, 4, which, 16 * s + which, length)
        if digits > 1:
            distance = mixer.rest(10, digits, 2, digits, 16 * s + digits)
        offset = own.recent.pop(which) + (-distance if below else distance)
    else:
        ago = site - own.site
        since = 5 if ago > 6 else min(ago, 4)
        place = 8 * s + own.part % 8
        contexts = [s, place, 8 * place + since, 8 * (64 * place + own.step) + since]
        own.step = mixer.number(11, 6, *contexts, 64 * s + own.part, 64 * place + own.step)
        own.part = (own.part + own.step) % 64
        first, end = (-(-(own.part + i) * width // 64) for i in (0, 1))
        offset = first + mixer.uniform(end - first)
    own.recent = [offset, *own.recent][:16]
    own.site = site
    return offset
