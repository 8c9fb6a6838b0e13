# SPDX-License-Identifier: Apache-2.0
"""Columns as changes from row to row, where rows that were alike so far stand side by side: §5.9."""

import math
from dataclasses import dataclass, field

import numpy as np

from .arithmetic import AdaptiveBit, Coder, FourBits
from .data import check, within

Z = 2**26  # the most that cells may cost in 2^-24 bits
N_MATCHES = 8


# ---- the head of a column, which §5.10 has in common -------------------------------------------------


def class_of(m):
    """κ, the class of M minor alleles."""
    return m if m <= 4 else 4 + (m.bit_length() - 1) // 2


@dataclass
class Head:
    """What is known of a column before its cells."""

    kappa: int
    flipped: bool
    octave: int = 0  # o
    n_runs: int = 0  # R; both only if κ > 4

    def check_alleles(self, m, n):
        """Refuse m minor alleles of n that the head does not agree with."""
        check(class_of(m) == self.kappa and 2 * m <= n - self.flipped, "another number of minor alleles")


# ---- the order of rows -------------------------------------------------------------------------------


class Order:
    """§5.9, "The order": rows, sorted by the columns before, and since when each is like the one before it."""

    def __init__(self, rows):
        self.rows = list(rows)
        self.starts = [0] * len(self.rows)
        self.time = 0

    def follow(self, bits):
        """Sort by a column, given as the bit of each row, the rows being in the order of the block."""
        ones = int(np.sum(bits))
        if min(ones, len(bits) - ones) < 6:
            return
        self.time += 1
        parts, starts, largest = ([], []), ([], []), [self.time, self.time]
        for row, start in zip(self.rows, self.starts, strict=True):
            largest = [max(start, of_bit) for of_bit in largest]
            bit = int(bits[row])
            parts[bit].append(row)
            starts[bit].append(largest[bit])
            largest[bit] = 0
        self.rows, self.starts = parts[0] + parts[1], starts[0] + starts[1]

    def lengths(self):
        """Of each place: for how many sortings its row has been like the row before it."""
        return [min(self.time - start, 1023) for start in self.starts]

    def matches(self, shift):
        """Of each place: how long that is, in eight grades."""
        bounds = (8, 16, 32, 64, 128, 256, 512)
        return [sum(bound <= (self.time - start) << shift for bound in bounds) for start in self.starts]


# ---- what is learnt ----------------------------------------------------------------------------------


@dataclass
class Stretches:
    """§5.9, "Costs": how many cells of a context there were, how many with a change, what one without costs."""

    n: int
    e: int  # in 256ths
    cost: int = 0
    n_priced: int = 0  # N'

    def __post_init__(self):
        self.price()

    def price(self):
        z = 2**31 * self.e // (512 * self.n - self.e)
        w = z * z >> 30
        cost = (z * (2**32 + w // 3 + (w * w >> 32) // 5) >> 31) * 48408813 >> 32
        self.cost = within(8, cost, Z)
        self.n_priced = self.n

    def learn(self, n_cells, change):
        self.n += n_cells
        self.e += 256 * change
        if self.n > 100000:
            self.n, self.e = (self.n + 1) // 2, (self.e + 1) // 2
        if change or not self.n_priced <= self.n <= self.n_priced + self.n_priced // 32:
            self.price()


def survival(cost):
    """§5.9: H, the probability of what costs so much, in 2^-32."""
    y = (cost % 2**18) * 11629080 >> 16
    q = y * y >> 33
    power = math.floor(2 ** (31 - (cost // 2**18) % 64 / 64))
    return (power * (2**32 - y + q - (q * y >> 32) // 3) >> 31) >> cost // 2**24


START_E = bytes.fromhex(
    "FFFFEEAD7A4C2F1AB08866442C190D0A864F311C0E0902034C2D190A060403025F1E100805030101FFFFB167FFFF783974371306"
)
START_P = bytes.fromhex(
    "40404040404040403237342C26201B1E312F2F28211715164B4C564E46403541312F2F221B1311104D48574F483F47494E494E44"
    "372D232D5F66676D5D58586035302C2219110D0F4D524D574C373E455344514C402E2239606676646C5C6A614B4B443527191411"
    "5B706C705C544F646159594D3A2B211F77777A776B66585BAABAC2C8C1B0A8B1993A2C208C83776E9B79655B9A4E2B1A9495949E"
    "988169676A29140D7969544C7D5A443B783E1D138981706D75624C4454210E07845442385A442C275135160E806C4C4659472D25"
    "481C0B06404040404040404040404040"
)


def is_guided(levels):
    """Whether these are levels of columns in which rows lean (§5.6)."""
    return levels[0][0]


def new_stretches(levels, context):
    """§5.9, "Starts": those of all columns, of a stretch's context."""
    _, when, match = context
    if is_guided(levels):
        return Stretches(2, 51 if when >= 5 else 3)
    return Stretches(8, START_E[8 * when + match if when < 5 else 40 + 4 * (when - 5) + match])


def new_bit(levels, context):
    """§5.9, "Starts": the bit of all columns, of a cell's context."""
    if is_guided(levels):
        return AdaptiveBit(2**30, 1)
    if len(context) == 3:
        _, history, match = context
        place = 8 * sum(bit << (3 - k) for k, bit in enumerate(history[:4])) + match
    else:
        _, run, ones_before, grade, match = context
        place = 128 + 4 * (3 * (2 * (run - 1) + ones_before) + grade) + match
    return AdaptiveBit(START_P[place] << 24, 7)


@dataclass
class Learnt:
    """§5.9: the adaptive bits of heads, by their names, and the "levels" of what is learnt from cells."""

    heads: dict = field(default_factory=dict)
    levels: dict = field(default_factory=dict)  # (level, context) -> Stretches or AdaptiveBit

    def head(self, name, kind, *first):
        """The adaptive bit or number of this name, new at first use."""
        if name not in self.heads:
            self.heads[name] = kind(*first)
        return self.heads[name]

    def of_level(self, levels, context):
        """What the first of some levels knows of a context; at first use made from the level above it."""
        key = levels[0], context
        if key not in self.levels:
            above = self.of_level(levels[1:], context) if len(levels) > 1 else None
            if context[0] == "stretch":
                made = Stretches(8, max(1, 8 * above.e // above.n)) if above else new_stretches(levels, context)
            else:
                made = AdaptiveBit(above.p, 7) if above else new_bit(levels, context)
            self.levels[key] = made
        return self.levels[key]


class Guide:
    """§5.6: what the latents say, output after output."""

    def __init__(self, leans, of_rows):
        self.leans = leans  # (codes, outputs)
        self.of_rows = of_rows  # the number of each row's code
        self.n_used = 0

    def next_output(self):
        """Of each row whether it leans to a 1; None where all codes lean alike."""
        check(self.n_used < self.leans.shape[1], "more guided columns than outputs")
        leans = self.leans[:, self.n_used]
        self.n_used += 1
        return None if leans.all() or not leans.any() else leans[self.of_rows]


# ---- the stream --------------------------------------------------------------------------------------


class SortedColumns:
    """§5.9: a stream of columns of n rows."""

    def __init__(self, data, n_rows, order=None, learnt=None, guide=None):
        self.coder = Coder(data)
        self.n = n_rows
        self.order = order if isinstance(order, Order) else Order(range(n_rows) if order is None else order)
        self.learnt = Learnt() if learnt is None else learnt
        self.guide = guide
        self.shift = self.coder.uniform(3)

    def finish(self):
        self.coder.finish()

    def column(self):
        """The next column: the bit of each row."""
        minor, head = self.minor_alleles()
        head.check_alleles(len(minor), self.n)
        bits = np.zeros(self.n, bool)
        bits[minor] = True
        bits ^= head.flipped
        self.order.follow(bits)
        return bits

    def minor_alleles(self):
        """The rows that have the minor allele, and the head."""
        head = self.head()
        rows = [self.coder.uniform(self.n)] if head.kappa == 1 else []
        leans, levels = self.guidance(head)
        if head.kappa > 1:
            rows = self.rows_of_cells(head, leans, levels)
        return rows, head

    def rows_of_cells(self, head, leans, levels):
        """Step 5: the rows whose cells have the minor allele."""
        matches = self.order.matches(self.shift)
        if leans is not None:
            of_rows = [bool(leans[row]) ^ head.flipped for row in self.order.rows]
            matches = [match // 2 + 4 * leans_so for match, leans_so in zip(matches, of_rows, strict=True)]
        cells = Cells(self.coder, self.learnt, levels, head, matches, self.order.lengths()).decode()
        runs = sum(bit > before for before, bit in zip([0, *cells], cells, strict=False))
        check(head.kappa <= 4 or runs == head.n_runs, "another number of runs")
        return [row for row, bit in zip(self.order.rows, cells, strict=True) if bit]

    def head(self):
        """Steps 1, 2 and 4 of a column."""
        kappa = self.learnt.head("class", FourBits).decode(self.coder)
        check(kappa <= class_of(self.n // 2), "a class is too large")
        head = Head(kappa, bool(self.learnt.head(("flipped", kappa), AdaptiveBit, 2**27, 2).decode(self.coder)))
        if kappa > 4:
            head.octave = o = self.learnt.head(("octave", kappa), FourBits).decode(self.coder)
            most = min(4 ** (kappa - 3) - 1, self.n // 2)
            check(2**o <= most, "more runs than minor alleles")
            head.n_runs = 2**o + self.coder.uniform(min(2 ** (o + 1) - 1, most) - 2**o + 1)
        return head

    def guidance(self, head):
        """§5.6: how the rows lean, if they do; and the levels of the column, its kind, its group, and all."""
        leans = None
        if self.guide and self.learnt.head(("guided", head.kappa), AdaptiveBit).decode(self.coder):
            leans = self.guide.next_output()
        guided = leans is not None
        group = head.octave if head.kappa > 4 else "few"
        return leans, [(guided, "kind", head.kappa, head.octave), (guided, "group", group), (guided, "all")]


class Cells:
    """§5.9, "The cells": those of one column, in the present order."""

    def __init__(self, coder, learnt, levels, head, matches, lengths):
        self.coder, self.learnt, self.levels, self.head = coder, learnt, levels, head
        self.matches, self.lengths = matches, lengths
        self.n = len(matches)
        self.cells = []  # 1 for the minor allele

    def decode(self):
        """All cells."""
        x = self.cells
        n_minor = n_runs = 0
        while len(x) < self.n:
            before = x[-1] if x else 0
            if self.head.kappa <= 4:
                is_done = n_minor == self.head.kappa  # which is M
            else:
                is_done = n_runs == self.head.n_runs and not before
            if is_done:
                break
            history = ([0] * 5 + x)[-5:]
            if 0 < sum(history) < 5:
                change = self.bit(history)
                x.append(before ^ change)
            else:
                x += self.stretch(before, n_runs)
            n_runs += x[-1] > before
            n_minor = sum(x)
        return x + [0] * (self.n - len(x))

    def bit(self, history):
        """Whether there is a change, where the five cells before are not alike."""
        i, x = len(self.cells), self.cells
        match = self.matches[i]
        if not x[-1]:
            context = ("bit", tuple(history), match)
        else:
            run = history[::-1].index(0)  # 1 to 4: the history is not all ones
            first = i - run
            ones_before = 1 in history[max(0, 2 - run) : 4 - run]  # none where the run is of 4
            grade = sum(self.lengths[i] >= times * self.lengths[first] for times in (1, 2))
            context = ("bit", run, ones_before, grade, match // 2)
        kind, *above = (self.learnt.of_level(self.levels[level:], context) for level in range(3))
        change = kind.decode(self.coder)
        for level in above:
            level.learn(change)
        return change

    def stretch(self, before, n_runs):
        """Cells without a change, with the cell of the first one behind them if there is one before the limit."""
        i, x = len(self.cells), self.cells
        limit = self.n
        if before:
            first = i - x[::-1].index(0) if 0 in x else 0
            of_first = self.matches[first]
            contexts = [("stretch", 6 + (m > of_first) - (m < of_first), m // 2) for m in range(N_MATCHES)]
        else:
            distance = i - max((j for j in range(i) if x[j]), default=-math.inf)
            when = 4 if distance == math.inf else sum(distance >= bound for bound in (16, 64, 256))
            if when < 3:
                limit = min(self.n, i - distance + (16, 64, 256)[when])
            contexts = [("stretch", when, m) for m in range(N_MATCHES)]
        known = [[self.learnt.of_level(self.levels[level:], c) for level in range(3)] for c in contexts]
        costs = [levels[0].cost for levels in known]
        end, change = self.first_change(i, limit, costs)
        for m in range(N_MATCHES):
            n_cells = self.matches[i : end + change].count(m)
            if n_cells:
                for level in known[m]:
                    level.learn(n_cells, bool(change and self.matches[end] == m))
        return [before] * (end - i) + [1 - before] * change

    def first_change(self, i, limit, costs):
        """§5.9, "A stretch": where the first change from i on is, or the limit; and whether there is one."""
        while i < limit:
            sums = [0]  # C_0, C_1, … of a segment
            for k in range(i, limit):
                if sums[-1] + costs[self.matches[k]] > Z:
                    break
                sums.append(sums[-1] + costs[self.matches[k]])
            unit = self.coder.width >> 32
            bounds = [unit * survival(cost) for cost in sums]
            if self.coder.value < bounds[-1]:
                self.coder.narrow(0, bounds[-1])
                i += len(sums) - 1
                continue
            k = next(k for k in range(len(sums) - 1) if self.coder.value >= bounds[k + 1])
            top = bounds[k] if k else self.coder.width
            self.coder.narrow(bounds[k + 1], top - bounds[k + 1])
            return i + k, 1
        return limit, 0
