# SPDX-License-Identifier: Apache-2.0
"""CHROM, POS, ID, REF, ALT, QUAL, FILTER and INFO of the sites of a window: §5.2."""

from collections import defaultdict
from dataclasses import dataclass, field

from .arithmetic import Coder
from .data import Bytes, check, within

BASES = "ACGT"
TEXT_PAIR = 16  # REF and ALT are in the text
DOT, TEXT_ID = 0, 1  # IDs that are not a prefix and a number
GAP, GAP_REST, PAIR_IS_TEXT, REF, ALT, SERIES, NEAR, PLACE, BELOW, DIGITS, OFFSET_REST, STEP = range(12)  # kinds


def read_sites(data, n):
    """§5.2: the eight columns of n sites, as lists."""
    source = Bytes(data)
    form = source.unsigned(8)
    check(form <= 1, "no such form of sites")
    prefix = source.text()
    series, past = [], 0
    for _ in range(source.varint()):
        first = past + source.varint()
        width = source.varint() + 1
        past = first + width
        check(past < 2**32, "a series ends at 2^32 or above")
        series.append(Series(first, width))
    check(1 <= len(series) <= 64, "no such number of series")
    gaps, pairs, ids = SiteStream(source.counted(), series).decode(n)

    text = Bytes(source.compressed())
    chrom, pos, *others = (text.counted() for _ in range(8))
    text.finish()
    some_ids, some_pairs = ids.count(TEXT_ID), pairs.count(TEXT_PAIR)
    counts = (n, some_ids, some_pairs, some_pairs, n, n, n)
    chrom, texts_id, texts_ref, texts_alt, qual, filters, info = map(split, (chrom, *others), counts)
    positions = text_positions(Bytes(pos), n) if form == 1 else running(gaps)
    check(form == 1 or not pos, "positions are there twice")
    check(form == 0 or not any(gaps), "positions are there twice")
    check(all(0 <= position < 2**62 for position in positions), "a position is out of range")

    texts_id, texts_ref, texts_alt = iter(texts_id), iter(texts_ref), iter(texts_alt)
    id_ = ["." if i == DOT else next(texts_id) if i == TEXT_ID else f"{prefix}{i - 2}" for i in ids]
    ref = [next(texts_ref) if pair == TEXT_PAIR else BASES[pair // 4] for pair in pairs]
    alt = [next(texts_alt) if pair == TEXT_PAIR else BASES[pair % 4] for pair in pairs]
    return [chrom, positions, id_, ref, alt, qual, filters, info]


def split(part, m):
    """§5.2, step 4: the texts of m sites; where they are alike the part may hold the text once."""
    if m == 0:
        check(not part, "texts of no sites")
        return []
    texts = [text.decode("utf-8", "surrogateescape") for text in part.split(b"\n")]
    texts = texts * m if len(texts) == 1 else texts
    check(len(texts) == m, "another number of texts than of sites")
    return texts


def text_positions(part, n):
    """§5.2, step 4: POS as differences."""
    differences = [part.zigzag() for _ in range(n)]
    part.finish()
    return running(differences)


def running(differences):
    """Positions from the gaps between them."""
    positions = []
    for difference in differences:
        positions.append(difference + (positions[-1] if positions else 0))
    return positions


@dataclass
class Series:
    """A range of IDs' numbers, and what §5.2.1, step 4, remembers of it."""

    first: int
    width: int
    history: int = 0
    recent: list[int] = field(default_factory=list)  # the offsets, the last first
    part: int = 0
    step: int = 0
    site: int = 0


class SiteStream:
    """§5.2.1: three numbers for each site, each coded by what those before it were."""

    def __init__(self, data, series):
        self.coder = Coder(data)
        self.mixed = MixedBits(self.coder)
        self.series = series

    def decode(self, n):
        """The gaps, pairs and IDs of n sites."""
        gaps, pairs, ids = [], [], []
        last_lengths, last_pairs, last_numbers = (0, 0), (0, 0), (0, 0, 0)  # of the sites before, the last first
        for site in range(n):
            length, gap = self.gap(last_lengths, last_pairs)
            pair = self.pair(gap, length, last_pairs)
            number = self.number(last_numbers, pair, length)
            series = self.series[number]
            gaps.append(gap)
            pairs.append(pair)
            ids.append(series.first + self.offset(series, number, site, length))
            last_lengths, last_pairs = (length, last_lengths[0]), (pair, last_pairs[0])
            last_numbers = (number, *last_numbers[:2])
        self.coder.finish()
        return gaps, pairs, ids

    def rest(self, digits, u, kind, contexts):
        """The "rest" of a number of so many digits, and with it the number."""
        v = min(u, digits - 1)
        number = 2**v + self.mixed.number(kind, v, contexts)
        below = digits - 1 - v
        return number if not below else number * 2**below + self.coder.uniform(2**below)

    def gap(self, lengths, pairs):
        """Step 1: λ and the gap."""
        length = self.mixed.number(GAP, 6, [0, 64 * lengths[0] + lengths[1], pairs[0]])
        size = length % 32
        if size > 1:
            size = self.rest(size, 3, GAP_REST, [length, 64 * length + lengths[0]])
        return length, -size if length >= 32 else size

    def pair(self, gap, length, pairs):
        """Step 2: REF and ALT."""
        last, before = pairs
        if self.mixed.number(PAIR_IS_TEXT, 1, [int(last == TEXT_PAIR), 32 * last + before]):
            return TEXT_PAIR
        e = gap if gap in (0, 1, 2) else 3
        r = self.mixed.number(REF, 2, [0, last, 4 * last + e, 4 * (32 * last + before) + e, length])
        contexts = [0, 4 * last + e, 32 * last + before, length]
        return 4 * r + self.mixed.number(ALT, 2, [4 * context + r for context in contexts])

    def number(self, numbers, pair, length):
        """Step 3: the number of the ID's series."""
        if len(self.series) == 1:
            return 0
        s0, s1, s2 = numbers
        two = 64 * s0 + s1
        bits = (len(self.series) - 1).bit_length()
        number = self.mixed.number(SERIES, bits, [0, s0, two, 64 * two + s2, pair, 64 * s0 + length])
        check(number < len(self.series), "no such series")
        return number

    def offset(self, series, s, site, length):
        """Step 4: the ID's number minus the first of its series."""
        if series.width <= 64:
            return self.coder.uniform(series.width)
        h = series.history
        near = self.mixed.number(NEAR, 1, [s, 16 * s + h % 16, 256 * s + h % 256])
        series.history = 2 * h + near
        if near:
            y = self.mixed.number(PLACE, 4, [s, 16 * s + series.history % 16])
            check(y < len(series.recent), "no such offset")
            below = self.mixed.number(BELOW, 1, [y, 16 * s + y])
            distance = self.mixed.number(DIGITS, 4, [y, 16 * s + y, length])
            if distance > 1:
                distance = self.rest(distance, 2, OFFSET_REST, [distance, 16 * s + distance])
            x = series.recent.pop(y)
            offset = x - distance if below else x + distance
        else:
            since = site - series.site
            f = 5 if since > 6 else min(since, 4)
            q, t, p = 8 * s + series.part % 8, series.step, series.part
            contexts = [s, q, 8 * q + f, 8 * (64 * q + t) + f, 64 * s + p, 64 * q + t]
            series.step = self.mixed.number(STEP, 6, contexts)
            series.part = (p + series.step) % 64
            start = -(-series.part * series.width // 64)
            stop = -(-(series.part + 1) * series.width // 64)
            offset = start + self.coder.uniform(stop - start)
        check(0 <= offset < series.width, "an offset is outside of its series")
        series.recent = [offset, *series.recent][:16]
        series.site = site
        return offset


def make_sigmoid():
    """§5.2.2: Q(x) for x = -2047 .. 2047, as a function, and L."""
    t = [1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047]
    t += [2549, 2994, 3348, 3607, 3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094]

    def q(x):
        if x < -2047:
            return 1
        if x > 2047:
            return 4095
        z, r = x >> 7, x % 128
        return (t[z + 16] * (128 - r) + t[z + 17] * r + 64) >> 7

    inverse, x = [], -2047
    for v in range(4096):
        while x < 2047 and q(x) < v:
            x += 1
        inverse.append(x)
    return q, inverse


Q, L = make_sigmoid()


class MixedBits:
    """§5.2.2: bits whose probability is mixed of those that they had in several contexts."""

    def __init__(self, coder):
        self.coder = coder
        self.estimates = defaultdict(lambda: [2**21, 0])  # (input, place) -> E, m
        self.weights = defaultdict(lambda: 2**14)  # (kind, place of the bit, input)

    def number(self, kind, bits, contexts):
        """A decision: a number of so many bits."""
        node = 1
        for place in range(bits):
            node = 2 * node + self.bit(kind, place, node, contexts)
        return node - 2**bits

    def bit(self, kind, place, node, contexts):
        estimates = []
        for i, context in enumerate(contexts):
            h = (context * 0x9E3779B1 + kind * 0x85EBCA6B + node * 0xC2B2AE35) % 2**32
            h ^= h >> 15
            estimates.append(self.estimates[i, (h * 0x2C1B3C6D % 2**32) >> 18])
        keys = [(kind, place, i) for i in range(len(contexts))]
        inputs = [L[estimate[0] >> 10] for estimate in estimates]
        p = Q(sum(self.weights[key] * x for key, x in zip(keys, inputs, strict=True)) >> 16)
        bit = self.coder.bit(2**20 * p)

        error = (4095 if bit else 0) - p
        for key, x in zip(keys, inputs, strict=True):
            self.weights[key] = within(-(2**20), self.weights[key] + (x * error >> 13), 2**20)
        for estimate in estimates:
            e, m = estimate
            target = 2**22 - 1 if bit else 0
            estimate[:] = e + ((target - e) * (2**17 // (2 * m + 3)) >> 16), min(m + 1, 255)
        return bit
