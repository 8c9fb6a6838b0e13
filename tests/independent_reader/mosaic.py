# SPDX-License-Identifier: Apache-2.0
"""Predictor 4, `mosaic`: each sample's two haplotypes as mosaics of those of all others: §5.11."""

from dataclasses import dataclass

import numpy as np

from . import wings
from .arithmetic import Coder
from .columns import MISSING, OTHER_PHASE, SAMPLES, SWAPPED, Table
from .data import Bytes, check, within
from .packed import read_flags

UNKNOWN = 3  # the call of a sample whose alleles are missing

# ---- numbers -----------------------------------------------------------------------------------------

R = [2**31]
while len(R) <= 64:
    R.append(R[-1] * 2124350982 >> 31)


def bounded(p):
    """A probability, in 2^-32, that is neither too small nor too large."""
    return within(2**16, p, 2**32 - 2**16)


def log(p):
    """λ: the logarithm of a probability, in 64ths of an octave."""
    h = p.bit_length() - 1
    mantissa = 256 + (p >> (h - 8)) % 256
    return 64 * h + max(k for k in range(64) if k == 0 or R[64 - k] <= mantissa * 2**22)


def logit(p):
    return log(p) - log(2**32 - p)


def from_logit(x):
    """H: the probability of a logit."""
    if x < 0:
        return bounded(2**32 - from_logit(-x))
    return bounded(2**63 // (2**31 + (R[x % 64] >> (x // 64))))


@dataclass
class Chance:
    """How likely an event was, and how often it was looked for."""

    p: int
    count: int

    def learn(self, event):
        t = 131072 // (2 * self.count + 3)
        self.p = bounded(self.p + ((2**32 - 1 - self.p) * t >> 16) if event else self.p - (self.p * t >> 16))
        self.count = min(self.count + 1, 1000)


class Mixer:
    """Makes one logit of five inputs."""

    def __init__(self):
        self.weights = [13107] * 5

    def mix(self, inputs):
        self.inputs = inputs
        self.x = within(-1023, sum(w * x for w, x in zip(self.weights, inputs, strict=True)) >> 16, 1023)
        return self.x

    def learn(self, event):
        e = (2**16 if event else 0) - (from_logit(self.x) >> 16)
        self.weights = [
            within(-(2**20), w + ((x * e + 2**12) >> 13), 2**20) for w, x in zip(self.weights, self.inputs, strict=True)
        ]


def share(a, b, w, v):
    """P: a of b said 1, and w more say it with the probability v, all probabilities in 2^-16."""
    return within(1, (2**16 * a + w * v) // (b + w), 2**16 - 1) if b + w else v


def decision(d, x, y):
    """D_d: the probability of decision d for alleles of the chances x and y."""
    none, both = (2**16 - x) * (2**16 - y), x * y
    return bounded(none if d == 0 else 2**32 * (2**32 - none - both) // (2**32 - none))


# ---- the block ---------------------------------------------------------------------------------------


def read_block(data, table, n_rows, n_sites):
    """§5.11: the matrix of a block."""
    check(n_rows <= 1024, "too many rows")
    of_site = [[] for _ in range(n_sites)]
    for number, one in enumerate(table.columns):
        of_site[one.site].append(number)

    def facts(site):
        """The columns of a site that a dosage says, as (slot, kind)."""
        columns = (table.columns[number] for number in of_site[site])
        return {(one.slot, one.kind) for one in columns if one.kind not in (OTHER_PHASE, SWAPPED)}

    source = Bytes(data)
    not_so = read_flags(source, n_sites)
    dosage_sites = []
    for site in range(n_sites):
        can = table.rows == SAMPLES and can_be_dosage(facts(site))
        check(can or not not_so[site], "a site that cannot go as dosages")
        if can and not not_so[site] and facts(site):
            dosage_sites.append(site)
    check(len(dosage_sites) * n_rows**2 <= 2**33, "too many dosages")

    matrix = np.zeros((len(table.columns), n_rows), bool)
    stream = source.counted()
    if dosage_sites:
        mosaic = Mosaic(stream, n_rows)
        for site in dosage_sites:
            kinds = {kind for _, kind in facts(site)}
            calls = mosaic.site(varies=1 in kinds, misses=MISSING in kinds)
            for number in of_site[site]:
                one = table.columns[number]
                if one.kind == MISSING:
                    matrix[number] = calls == UNKNOWN
                elif one.kind == 1:
                    matrix[number] = (calls == 2) | ((calls == 1) & (one.slot == 1))
        mosaic.coder.finish()
    else:
        check(not stream, "dosages of no sites")
    left = [
        number
        for number, one in enumerate(table.columns)
        if one.site not in dosage_sites or one.kind in (OTHER_PHASE, SWAPPED)
    ]
    rest = Table(table.rows, table.phased, [table.columns[number] for number in left])
    matrix[left] = wings.read_block(source.rest(), rest, n_rows)
    return matrix


def can_be_dosage(facts):
    """Whether calls of these facts are 0, 1 or 2 alleles 1, or missing."""
    n_missing = sum(kind == MISSING for _, kind in facts)
    return all(kind in (1, MISSING) for _, kind in facts) and n_missing in (0, 2)


# ---- the stream --------------------------------------------------------------------------------------


class Mosaic:
    """§5.11, "The stream": what is known of N samples, site after site."""

    def __init__(self, data, n_samples):
        self.coder = Coder(data)
        self.rate = self.coder.uniform(4)  # r
        n = self.n = n_samples
        self.kappa = 15 + max(0, n.bit_length() - 1 - 3)
        self.others = ~np.eye(n, dtype=bool)
        self.kin_shares = np.where(self.others, 2**30 // max(1, n - 1), 0)  # S, (sample, other sample)
        self.weigh_kin()
        # Q, (sample, chain, haplotype, other sample)
        self.chains = np.where(self.others[:, None, None, :], 2**14, 0) * np.ones((1, 2, 2, 1), np.int64)
        self.n_varying = 0  # sites so far
        self.was_missing = np.zeros(n, bool)
        self.missing_chances, self.pairs, self.mixers = {}, {}, {}

    def weigh_kin(self):
        """K, (sample, other sample), from S."""
        floor = 2 ** (self.kappa - 4) // self.n  # F
        weights = np.minimum(32767, (self.kin_shares >> (30 - self.kappa)) + floor)
        self.kin = np.where(self.others, weights, 0)

    def site(self, varies, misses):
        """The calls of a site: 0, 1, 2 or 3 of each sample."""
        calls = np.zeros(self.n, int)
        alleles = np.zeros((2, self.n), np.int64)  # a, (haplotype, sample)
        trust = 0  # L
        for i in range(self.n):
            missing = misses and self.is_missing(i, int((calls[:i] == UNKNOWN).sum()))
            if not varies:
                calls[i] = UNKNOWN if missing else 0
                continue
            u, k, g = self.chances(i, calls, alleles)
            if missing:
                calls[i] = UNKNOWN
                alleles[:, i] = [g[0] > 2**15, g[1] > 2**15]
                continue
            calls[i], trust = self.call(i, u, k, g, trust)
            one_is_first = g[0] >= g[1]
            alleles[:, i] = [(0, 0), (one_is_first, not one_is_first), (1, 1)][calls[i]]
        if misses:
            self.was_missing = calls == UNKNOWN
        if varies:
            self.move(calls, alleles)
        return calls

    def is_missing(self, i, m):
        """Step 1: whether the call is 3."""
        context = bool(self.was_missing[i]), min(15, 64 * m // (i + 8))
        chance = self.missing_chances.setdefault(context, Chance(2**28, 1))
        missing = self.coder.bit(chance.p)
        chance.learn(missing)
        return missing

    def chances(self, i, calls, alleles):
        """Step 2: that an allele is 1, in 2^-16: by its frequency, by kin, and by each chain."""
        known = calls[:i] != UNKNOWN
        o, n = int(alleles[:, :i][:, known].sum()), int(known.sum())
        u = (20 * o + 7) * 2**16 // (40 * n + 14)
        kin, chains = self.kin[i, :i], self.chains[i, :, :, :i]
        k = share(int((kin * alleles[:, :i]).sum()), 2 * int(kin.sum()), 10 * 2**self.kappa // self.n, u)
        g = [
            share(int((q[:, :i] * alleles[:, :i]).sum()), int(q[:, :i].sum()), int(whole.sum()) // self.n, k)
            for q, whole in zip(chains, self.chains[i], strict=True)
        ]
        return u, k, g

    def call(self, i, u, k, g, trust):
        """Step 4: how many alleles are 1; and the new L."""
        minor_is_one = u <= 2**15
        w = min(u, 2**16 - u)
        if not minor_is_one:
            u, k, g = 2**16 - u, 2**16 - k, [2**16 - x for x in g]
        f = 5 if i < 8 else sum(bound <= w for bound in (1311, 3277, 7864, 19661))
        seen, total = int(self.chains[i, :, :, :i].sum()), int(self.chains[i].sum())
        b = 2 if self.n == 1 else (16 * seen >= total) + (8 * seen >= 3 * total)
        grade = sorted((within(0, (logit(bounded(2**16 * x)) >> 6) + 12, 23) for x in g), reverse=True)

        for d in (0, 1):
            l = 0 if i < 16 else 1 + sum(bound <= trust for bound in (-492, 328, 1311, 2621))
            by_chains, by_kin, by_frequency = decision(d, *g), decision(d, k, k), decision(d, u, u)
            pair = self.pairs.setdefault((d, f, *grade), Chance(by_chains, 2))
            inputs = [*map(logit, (by_chains, by_kin, by_frequency, pair.p)), 32]
            mixers = [self.mixers.setdefault(key, Mixer()) for key in (("b", d, f, b), ("sample", d, i), ("l", d, l))]
            x = sum(mixer.mix(inputs) for mixer in mixers)
            bit = self.coder.bit(from_logit(x // 3 if x >= 0 else -(-x // 3)))
            for learner in (*mixers, pair):
                learner.learn(bit)
            if not bit:
                by_chains, by_kin = 2**32 - by_chains, 2**32 - by_kin
            trust += (256 * (log(by_chains) - log(by_kin)) - trust) >> 4
            if bit:
                break
        n_minor = d if bit else 2  # decision d says: it has d
        return (n_minor if minor_is_one else 2 - n_minor), trust

    def move(self, calls, alleles):
        """§5.11, "After a site that varies": the chains move on, and with them the shares of kin."""
        kappa, nu = self.kappa, 13107 >> self.rate
        for i in range(self.n if self.n > 1 else 0):
            for z in (0, 1):
                q = self.chains[i, z]
                total, most, s = int(q.sum()), int(q.max()), 0
                while most << s < 2**14:
                    s += 1
                e = (total << s) * nu >> (kappa + 1)
                top = ((most << s) * (2**16 - nu) >> 16) + (e * int(self.kin[i].max()) >> 16) + 2
                scale = 2**16 if top < 32767 else 32766 * 2**16 // top  # G
                if e * scale >> 16 > 65535:
                    scale = 65535 * 2**16 // e
                stay, start = (2**16 - nu) * scale >> 16, e * scale >> 16
                like = (alleles == alleles[z, i]) | (calls[i] == UNKNOWN)
                stays = np.where(like, stay, stay * 1311 >> 16)
                starts = np.where(like, start, start * 1311 >> 16)
                moved = ((q << s) * stays >> 16) + (self.kin[i] * starts >> 16) + 1
                self.chains[i, z] = np.where(self.others[i], moved, 0)
            by_chain = [q.sum(axis=0) * ((2**32 - 1) // int(q.sum())) >> 3 for q in self.chains[i]]
            y = min(256, self.n_varying)
            slowness = min(8, (y + 2).bit_length() - 1)
            self.kin_shares[i] += (sum(by_chain) - self.kin_shares[i]) >> slowness
        self.weigh_kin()
        self.n_varying += 1
