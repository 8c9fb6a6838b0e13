# SPDX-License-Identifier: Apache-2.0
"""A plain twin of the coder of dosages, written from FORMAT.md §5.11 and not from the C.

A `Stream` takes one call after the other through the same steps, whether a decoder finds what it is or an encoder is
told.
"""

import itertools

import numpy as np
from reference_pbwt import Decoder, Encoder, uniform

ROOTS = list(itertools.accumulate([2124350982] * 63, lambda root, factor: root * factor >> 31, initial=2**31))
MISSING = 3


def bounded(p):
    return min(max(p, 2**16), 2**32 - 2**16)


def log(p):
    h = p.bit_length() - 1
    top = (256 + (p << 8 >> h) % 256) << 22
    return 64 * h + max(k for k in range(64) if k == 0 or ROOTS[64 - k] <= top)


def logit(p):
    return log(p) - log(2**32 - p)


def squash(x):
    p = 2**63 // (2**31 + (ROOTS[abs(x) % 64] >> abs(x) // 64))
    return bounded(p if x >= 0 else 2**32 - p)


def allele_chance(ones, every, worth, usual):
    if every + worth == 0:
        return usual
    return min(max((2**16 * ones + worth * usual) // (every + worth), 1), 65535)


class Chance:
    def __init__(self, p, count):
        self.p, self.count = p, count

    def update(self, event):
        step = 131072 // (2 * self.count + 3)
        self.p += (2**32 - 1 - self.p) * step >> 16 if event else -(self.p * step >> 16)
        self.p = bounded(self.p)
        self.count = min(self.count + 1, 1000)


class Mixer:
    def __init__(self):
        self.weights = [13107] * 5

    def logit(self, inputs):
        x = sum(w * i for w, i in zip(self.weights, inputs, strict=True)) >> 16
        return min(max(x, -1023), 1023)

    def update(self, inputs, x, event):
        error = 2**16 * event - (squash(x) >> 16)
        moved = [w + (i * error + 2**12 >> 13) for w, i in zip(self.weights, inputs, strict=True)]
        self.weights = [min(max(w, -(2**20)), 2**20) for w in moved]


def bit(coder, p, wanted):
    split = (coder.width >> 32) * (2**32 - p)
    found = coder.choose(split, wanted)
    coder.narrow(*(split, coder.width - split) if found else (0, split))
    return int(found)


def how_many(limits, x):
    return sum(limit <= x for limit in limits)


def decision(d, x, y):
    none, both = (2**16 - x) * (2**16 - y), x * y
    return bounded(none if d == 0 else 2**32 * (2**32 - none - both) // (2**32 - none))


class Stream:
    def __init__(self, coder, n, rarity):
        self.coder, self.n = coder, n
        self.start = 13107 >> uniform(coder, 4, rarity)
        log_n = n.bit_length() - 1
        self.kin_bits = 15 + max(0, log_n - 3)
        self.others = ~np.eye(n, dtype=bool)
        self.share = self.others * np.int64(2**30 // max(n - 1, 1))
        self.weigh_kin()
        self.chains = np.repeat(self.others[:, None, None, :] * np.int64(2**14), 2, axis=1).repeat(2, axis=2)
        self.n_varying = 0
        self.last_missing = [0] * n
        self.models = {}

    def model(self, make, *key):
        if key not in self.models:
            self.models[key] = make()
        return self.models[key]

    def weigh_kin(self):
        floor = 2 ** (self.kin_bits - 4) // self.n
        self.kin = self.others * np.minimum(32767, (self.share >> (30 - self.kin_bits)) + floor)

    def site(self, kind, calls):
        """Calls of a site of which `kind` says what occurs: 1 it varies, 2 it misses."""
        self.alleles, self.linkage = np.zeros((2, self.n), np.int64), 0
        found = []
        for i, call in enumerate(calls):
            found.append(self.call(kind, found, i, int(call)))
        if kind & 2:
            self.last_missing = [int(call == MISSING) for call in found]
        if kind & 1:
            for i, call in enumerate(found):
                self.follow(i, call)
            self.weigh_kin()
            self.n_varying = min(self.n_varying + 1, 256)
        return found

    def call(self, kind, before, i, wanted):
        if kind & 2:
            share = min(15, 64 * before.count(MISSING) // (i + 8))
            chance = self.model(lambda: Chance(2**28, 1), "missing", self.last_missing[i], share)
            missing = bit(self.coder, chance.p, wanted == MISSING)
            chance.update(missing)
            if missing and not kind & 1:
                return MISSING
        if not kind & 1:
            return 0
        known = [call for call in before if call != MISSING]
        u = (20 * sum(known) + 7) * 2**16 // (40 * len(known) + 14)
        kin, chains, alleles = self.kin[i, :i], self.chains[i, :, :, :i], self.alleles[:, :i]
        k = allele_chance(int((kin * alleles).sum()), 2 * int(kin.sum()), 10 * 2**self.kin_bits // self.n, u)
        totals = self.chains[i].sum(axis=(1, 2)).tolist()
        g = [
            allele_chance(int((chain * alleles).sum()), int(chain.sum()), total // self.n, k)
            for chain, total in zip(chains, totals, strict=True)
        ]
        if kind & 2 and missing:
            self.alleles[:, i] = [x > 2**15 for x in g]
            return MISSING
        share_known = (int(chains.sum()), sum(totals))
        call = self.dosage(i, u, k, g, share_known, wanted)
        self.alleles[:, i] = [call == 2 or (call == 1 and (g[0] >= g[1]) == (z == 0)) for z in (0, 1)]
        return call

    def dosage(self, i, u, k, g, share_known, wanted):
        usual = int(u > 2**15)
        u, k, *g = (2**16 - x if usual else x for x in (u, k, *g))
        wanted = 2 - wanted if usual else wanted
        f = 5 if i < 8 else how_many((1311, 3277, 7864, 19661), min(u, 2**16 - u))
        b = 2 if self.n == 1 else (16 * share_known[0] >= share_known[1]) + (8 * share_known[0] >= 3 * share_known[1])
        bins = sorted((min(23, max(0, (logit(bounded(x << 16)) >> 6) + 12)) for x in g), reverse=True)
        for d in (0, 1):
            by_chains, by_kin, by_frequency = decision(d, *g), decision(d, k, k), decision(d, u, u)
            pair = self.model(lambda p=by_chains: Chance(p, 2), "pair", d, f, *bins)
            inputs = [*map(logit, (by_chains, by_kin, by_frequency, pair.p)), 32]
            linkage_class = 0 if i < 16 else 1 + how_many((-492, 328, 1311, 2621), self.linkage)
            mixers = [
                self.model(Mixer, "known", d, f, b),
                self.model(Mixer, "sample", d, i),
                self.model(Mixer, "linkage", d, linkage_class),
            ]
            logits = [mixer.logit(inputs) for mixer in mixers]
            p = squash(int(sum(logits) / 3))  # exact: the sum is small, and int() rounds towards 0
            event = bit(self.coder, p, wanted == d)
            for mixer, x in zip(mixers, logits, strict=True):
                mixer.update(inputs, x, event)
            pair.update(event)
            if not event:
                by_chains, by_kin = 2**32 - by_chains, 2**32 - by_kin
            self.linkage += 256 * (log(by_chains) - log(by_kin)) - self.linkage >> 4
            if event:
                return 2 - d if usual else d
        return 0 if usual else 2

    def follow(self, i, call):
        now = np.zeros(self.n, np.int64)
        for z in (0, 1):
            q, total = self.chains[i, z], int(self.chains[i, z].sum())
            most = int(q.max())
            s = 15 - most.bit_length() if most else 0
            fresh = (total * self.start << s) >> (self.kin_bits + 1)
            kept = 2**16 - self.start
            top = ((most * kept << s) >> 16) + (fresh * int(self.kin[i].max()) >> 16) + 2
            scale = 2**16 if top < 32767 else (32766 << 16) // top
            if fresh * scale >> 16 > 65535:
                scale = (65535 << 16) // fresh
            fits = (self.alleles == self.alleles[z, i]) | (call == MISSING)
            stay, start = (np.where(fits, x, x * 1311 >> 16) for x in (kept * scale >> 16, fresh * scale >> 16))
            self.chains[i, z] = ((q << s) * stay >> 16) + (self.kin[i] * start >> 16) + 1
            self.chains[i, z][:, i] = 0
            total = int(self.chains[i, z].sum())
            now += self.chains[i, z].sum(axis=0) * ((2**32 - 1) // max(total, 1)) >> 3
        rate = min(8, (self.n_varying + 2).bit_length() - 1)
        self.share[i] += now - self.share[i] >> rate


def decode(data, kinds, n):
    """Calls (n_sites, n)."""
    coder = Decoder(data)
    stream = Stream(coder, n, 0)
    calls = [stream.site(kind, [0] * n) for kind in kinds]
    assert coder.is_done()
    return np.array(calls, np.uint8).reshape(len(kinds), n)


def encode(calls, kinds, rarity):
    coder = Encoder()
    stream = Stream(coder, calls.shape[1], rarity)
    for kind, site in zip(kinds, calls, strict=True):
        assert stream.site(kind, site) == site.tolist()
    return coder.finish()
