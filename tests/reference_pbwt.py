# SPDX-License-Identifier: Apache-2.0
"""A plain twin of the coder of columns of bits, written from FORMAT.md §5.9 and not from the C.

A `Block` takes one column after the other through the same steps, whether a `Decoder` finds what is there or an
`Encoder` is told. Cells are looked at one by one, and nothing is counted ahead.
"""

import copy

import numpy as np

COST_LEAST, SEGMENT = 8, 1 << 26
ROOTS = [int(2 ** (31 - i / 64)) for i in range(64)]
MATCHES = np.array([8, 16, 32, 64, 128, 256, 512])
LENGTH_MOST = 1023
NONE_YET = 4
REACHES = [16, 64, 256]
START_RATES = bytes.fromhex(
    "FFFFEEAD7A4C2F1AB08866442C190D0A864F311C0E0902034C2D190A060403025F1E100805030101FFFFB167FFFF783974371306"
)
START_BITS = bytes.fromhex(
    "40404040404040403237342C26201B1E312F2F28211715164B4C564E46403541312F2F221B1311104D48574F483F47494E494E44"
    "372D232D5F66676D5D58586035302C2219110D0F4D524D574C373E455344514C402E2239606676646C5C6A614B4B443527191411"
    "5B706C705C544F646159594D3A2B211F77777A776B66585BAABAC2C8C1B0A8B1993A2C208C83776E9B79655B9A4E2B1A9495949E"
    "988169676A29140D7969544C7D5A443B783E1D138981706D75624C4454210E07845442385A442C275135160E806C4C4659472D25"
    "481C0B06404040404040404040404040"
)


def survival(cost):
    """2^32 times the probability that nothing happens in cells of this cost."""
    y = (cost % 2**18) * 11629080 >> 16
    y2 = y * y >> 33
    y3 = (y2 * y >> 32) // 3
    return (ROOTS[(cost >> 18) % 64] * (2**32 - y + y2 - y3) >> 31) >> (cost >> 24)


def cell_cost(events, cells):
    z = (events << 31) // (512 * cells - events)
    w = z * z >> 30
    cost = (z * (2**32 + w // 3 + (w * w >> 32) // 5) >> 31) * 48408813 >> 32
    return min(max(cost, COST_LEAST), SEGMENT)


# ---- the range coder -------------------------------------------------------------------------------------------


def tail(low, width):
    """(The shortest digits that lie in the interval when zeros follow, as a number of 64 bits; how many.)"""
    for n in range(9):
        unit = 1 << (64 - 8 * n)
        number = -(-low // unit) * unit
        if low <= number < min(low + width, 2**64):
            return number, n
    raise AssertionError("nine digits do")


class Decoder:
    def __init__(self, data):
        self.data, self.at = data, 8
        self.digits = self.value = int.from_bytes(data[:8].ljust(8, b"\0"), "big")
        self.width = 2**64 - 1
        assert self.value < self.width

    def narrow(self, start, width):
        self.value -= start
        self.width = width
        assert 0 <= self.value < width
        while self.width < 2**48:
            pair = int.from_bytes(self.data[self.at : self.at + 2].ljust(2, b"\0"), "big")
            self.at += 2
            self.width <<= 16
            self.value = self.value << 16 | pair
            self.digits = (self.digits << 16 | pair) % 2**64

    def choose(self, start, _wanted):
        """Whether the value is at `start` or above."""
        return self.value >= start

    def piece(self, width, _wanted):
        return self.value // width

    def is_done(self):
        number, n = tail((self.digits - self.value) % 2**64, self.width)
        return number == self.digits and self.at - 8 + n == len(self.data)


class Encoder:
    """`low` is exact, as no machine's number is: carries look after themselves."""

    def __init__(self):
        self.low, self.n_digits = 0, 0
        self.width = 2**64 - 1

    def narrow(self, start, width):
        self.low += start
        self.width = width
        while self.width < 2**48:
            self.width <<= 16
            self.low <<= 16
            self.n_digits += 2

    def choose(self, _start, wanted):
        return wanted

    def piece(self, _width, wanted):
        return wanted

    def finish(self):
        number, n = tail(self.low % 2**64, self.width)
        written = (self.low >> 64).to_bytes(self.n_digits, "big")
        return written + number.to_bytes(8, "big")[:n]


def uniform(coder, n, wanted):
    """A number below n."""
    width = coder.width // n
    number = coder.piece(width, wanted)
    assert number < n
    coder.narrow(number * width, width)
    return number


# ---- adaptive models -------------------------------------------------------------------------------------------


class Bit:
    """A bit and how likely a 1 is."""

    def __init__(self, p1, count):
        self.p1, self.count = p1, count

    def update(self, bit):
        step = 131072 // (2 * self.count + 3)
        self.p1 += (2**32 - 1 - self.p1) * step >> 16 if bit else -(self.p1 * step >> 16)
        self.p1 = min(max(self.p1, 2**14), 2**32 - 2**14)
        self.count = min(self.count + 1, 250)

    def code(self, coder, wanted):
        split = (coder.width >> 32) * (2**32 - self.p1)
        bit = coder.choose(split, wanted)
        coder.narrow(*(split, coder.width - split) if bit else (0, split))
        self.update(bit)
        return int(bit)


class Tree:
    """A number of four bits."""

    def __init__(self):
        self.bits = [Bit(2**31, 0) for _ in range(16)]

    def code(self, coder, wanted):
        node = 1
        for i in (3, 2, 1, 0):
            node = 2 * node + self.bits[node].code(coder, wanted >> i & 1)
        return node - 16


class Rate:
    """Cells, and changes in 256ths among them, and what a cell costs."""

    def __init__(self, cells, changes):
        self.cells, self.changes, self.costed = cells, changes, cells
        self.cost = cell_cost(changes, cells)

    def update(self, cells, changed):
        self.cells += cells
        self.changes += 256 * changed
        if self.cells > 100000:
            self.cells = (self.cells + 1) // 2
            self.changes = (self.changes + 1) // 2
        if changed or not self.costed <= self.cells <= self.costed + self.costed // 32:
            self.cost = cell_cost(self.changes, self.cells)
            self.costed = self.cells


# ---- columns ---------------------------------------------------------------------------------------------------


def minor_class(n_minor):
    return n_minor if n_minor <= 4 else 4 + (n_minor.bit_length() - 1) // 2


def start_of_rate(context):
    """Which number of START_RATES it has."""
    name, state, match = context
    return 8 * state + match if name == "zeros" else 40 + 4 * state + match


def start_of_bit(context):
    """Which number of START_BITS it has."""
    if context[0] == "zero":
        return 8 * int("".join(map(str, context[1][:4])), 2) + context[2]
    _, run, close, grade, match = context
    return 128 + 4 * (3 * (2 * (run - 1) + close) + grade) + match


def is_leaning(levels):
    """Whether the columns' rows lean: these have starts of their own."""
    return levels[-1][-1]


def relation(first, other, twice):
    return 0 if other < first else 1 if other < twice else 2


class Block:
    """Columns of some rows, maybe guided: `leans` (n_outputs, n_codes), `codes` (n_rows), `rows`, their first order."""

    def __init__(self, n_rows, guide=None):
        self.n_rows = n_rows
        self.order, self.since, self.time = np.arange(n_rows), np.zeros(n_rows, int), 0
        self.leans, self.guide, self.lean = None, guide, None
        if guide is not None:
            self.leans, self.order = iter(guide.leans), guide.rows.copy()
        self.guided = [Bit(2**31, 0) for _ in range(12)]
        self.classes, self.octaves = Tree(), [Tree() for _ in range(12)]
        self.flips = [Bit(2**27, 2) for _ in range(12)]
        self.rates, self.mixed = {}, {}

    def begin(self, coder, shift=0):
        self.coder, self.shift = coder, uniform(coder, 3, shift)

    def rate_of(self, levels, context):
        """That of the first level; at first use a faint copy of that of the next."""
        key = levels[0], context
        if key not in self.rates and len(levels) == 1:
            number = start_of_rate(context)
            neutral = Rate(2, 51 if context[0] == "ones" else 3)
            self.rates[key] = neutral if is_leaning(levels) else Rate(8, START_RATES[number])
        elif key not in self.rates:
            above = self.rate_of(levels[1:], context)
            self.rates[key] = Rate(8, max(1, 8 * above.changes // above.cells))
        return self.rates[key]

    def mixed_of(self, levels, context):
        key = levels[0], context
        if key not in self.mixed and len(levels) == 1:
            self.mixed[key] = Bit(2**30, 1) if is_leaning(levels) else Bit(START_BITS[start_of_bit(context)] << 24, 7)
        elif key not in self.mixed:
            self.mixed[key] = Bit(self.mixed_of(levels[1:], context).p1, 7)
        return self.mixed[key]

    def column(self, wanted=None, guided=0):
        """The next column; an encoder is told it, and whether it is guided."""
        n, coder = self.n_rows, self.coder
        ones = 0 if wanted is None else int(wanted.sum())
        flipped = 2 * ones > n
        n_minor = min(ones, n - ones)
        minor = np.zeros(n, np.uint8) if wanted is None else wanted[self.order] ^ np.uint8(flipped)
        kind = self.classes.code(coder, minor_class(n_minor))
        assert kind <= minor_class(n // 2)
        flipped = self.flips[kind].code(coder, flipped)
        if kind == 1:
            row = uniform(coder, n, 0 if wanted is None else int(np.flatnonzero(wanted ^ flipped)[0]))
            minor = (self.order == row).astype(np.uint8)
        n_runs = int((np.diff(minor, prepend=0) == 1).sum())
        if kind > 4:
            n_runs = self.code_runs(kind, n_runs)
        self.lean = self.code_guide(kind, flipped, guided)
        if kind > 1:
            leant = self.lean is not None
            if kind > 4:
                octave = n_runs.bit_length() - 1
                levels = ("kind", kind, octave, leant), ("runs", octave, leant), ("all", leant)
                minor = self.cells(levels, minor, None, n_runs)
            else:
                minor = self.cells((("kind", kind, leant), ("rare", leant), ("all", leant)), minor, kind, None)
            assert minor_class(int(minor.sum())) == kind
            assert kind <= 4 or (np.diff(minor, prepend=0) == 1).sum() == n_runs
        assert 2 * minor.sum() + flipped <= n
        bits = np.empty(n, np.uint8)
        bits[self.order] = minor ^ np.uint8(flipped)
        if minor.sum() >= 6:
            self.reorder(bits)
        return bits

    def code_guide(self, kind, flipped, guided):
        """Which rows, in the present order, lean to the minor allele; None if none or all."""
        if self.guide is None or not self.guided[kind].code(self.coder, guided):
            return None
        lean = next(self.leans)
        return (lean[self.guide.codes[self.order]] ^ flipped) if len(set(lean.tolist())) == 2 else None

    def code_runs(self, kind, wanted):
        most = min(4 ** (kind - 3) - 1, self.n_rows // 2)
        octave = self.octaves[kind].code(self.coder, max(wanted, 1).bit_length() - 1)
        assert 2**octave <= most
        most = min(most, 2 ** (octave + 1) - 1)
        return 2**octave + uniform(self.coder, most - 2**octave + 1, wanted - 2**octave)

    def cells(self, levels, wanted, n_minor, n_runs):
        """The column's minor alleles in the present order. One of n_minor and n_runs is known."""
        n = self.n_rows
        length = self.time - self.since
        match = np.searchsorted(MATCHES, length << self.shift, side="right")
        match = (match if self.lean is None else match // 2 + 4 * self.lean).tolist()
        length = np.minimum(length, LENGTH_MOST).tolist()
        changes = np.flatnonzero(np.diff(wanted, prepend=0))
        minor = np.zeros(n, np.uint8)
        allele, history, i = 0, [0, 0, 0, 0, 0], 0
        last = first = None  # minor allele, of all and of its run
        minor_left = np.inf if n_minor is None else n_minor
        runs_left = np.inf if n_runs is None else n_runs
        while i < n and minor_left and (runs_left or allele):
            if len(set(history)) == 1:
                state, limit = self.steady_state(allele, i, last)
                if allele:
                    limit = int(min(n, i + minor_left))
                contexts = [("zeros", state, m) for m in range(8)]
                if allele:
                    contexts = [("ones", relation(match[first], m, match[first] + 1), m // 2) for m in range(8)]
                costs = [self.rate_of(levels, context).cost for context in contexts]
                later = changes[changes >= i]
                stop = self.stretch(np.array(costs)[match[:limit]], i, int(later[0]) if later.size else n)
                changed = stop < limit
                for m in range(8):
                    cells = match[i : stop + changed].count(m)
                    for level in range(3):
                        if cells:
                            here = changed and m == match[stop]
                            self.rate_of(levels[level:], contexts[m]).update(cells, here)
                minor[i:stop] = allele
                if allele:
                    minor_left -= stop - i
                    last = stop - 1
                i = stop
                if not changed:
                    continue
            else:
                context = ("zero", tuple(history), match[i])
                if allele:
                    run = history[::-1].index(0)
                    close = run < 4 and 1 in history[::-1][run + 1 : run + 3]
                    context = ("one", run, close, relation(length[first], length[i], 2 * length[first]), match[i] // 2)
                models = [self.mixed_of(levels[level:], context) for level in range(3)]
                changed = models[0].code(self.coder, i in changes)
                for model in models[1:]:
                    model.update(changed)
            if changed:
                allele, first = 1 - allele, i
                runs_left -= allele
            if allele:
                minor[i], last = 1, i
                minor_left -= 1
            history = [*history[1:], allele]
            i += 1
        return minor

    def steady_state(self, allele, i, last):
        """(State, the position before which it ends); a run of minor alleles has none of its own."""
        if allele:
            return None, self.n_rows
        if last is None:
            return NONE_YET, self.n_rows
        for state, reach in enumerate(REACHES):
            if i - last < reach:
                return state, min(self.n_rows, last + reach)
        return 3, self.n_rows

    def stretch(self, costs, start, wanted):
        """The position of the next change, or costs.size, from the costs of all cells before the limit."""
        coder = self.coder
        while start < costs.size:
            through = np.cumsum(costs[start:])
            n = int((through <= SEGMENT).sum())
            unit = coder.width >> 32
            split = unit * survival(int(through[n - 1]))
            if not coder.choose(split, wanted < start + n):
                coder.narrow(0, split)
                start += n
                continue
            for j in range(n):
                bottom = unit * survival(int(through[j]))
                if coder.choose(bottom, wanted == start + j):
                    top = unit * survival(int(through[j - 1])) if j else coder.width
                    coder.narrow(bottom, top - bottom)
                    return start + j
        return start

    def reorder(self, bits):
        """Rows with a 0 first, then those with a 1, else as they were."""
        self.time += 1
        sorted_bits = bits[self.order]
        parts = []
        for bit in (0, 1):
            rows, since, latest = [], [], self.time
            for row, own, start in zip(self.order, sorted_bits, self.since, strict=True):
                latest = max(latest, start)
                if own == bit:
                    rows.append(row)
                    since.append(latest)
                    latest = 0
            parts.append((rows, since))
        self.order = np.array([*parts[0][0], *parts[1][0]])
        self.since = np.array([*parts[0][1], *parts[1][1]])

    def turn(self, lead):
        """A block for the other wing, which has learnt from this one, and passes its lead backwards."""
        other = copy.deepcopy(self)
        other.order, other.since, other.time = np.arange(self.n_rows), np.zeros(self.n_rows, int), 0
        for bits in lead[::-1]:
            if min(bits.sum(), self.n_rows - bits.sum()) >= 6:
                other.reorder(bits)
        return other


def n_leading(n_columns, start):
    return min(2048, (n_columns - start) // 4)


def encode(columns, start=0, shift=0):
    """The two wings of a matrix (n_columns, n_rows) of 0 and 1."""
    wings = []
    n_lead = n_leading(len(columns), start)
    block = left = Block(columns.shape[1])
    for columns_of_wing in (columns[start:], columns[:start][::-1]):
        coder = Encoder()
        if len(columns_of_wing):
            block.begin(coder, shift)
        for i, column in enumerate(columns_of_wing):
            if not wings and i == n_lead:
                left = block.turn(columns[start : start + n_lead])
            assert (block.column(column) == column).all()
        wings.append(coder.finish())
        block = left
    return tuple(wings)


def decode(right, left, n_columns, n_rows, start):
    """For good streams."""
    columns = np.empty((n_columns, n_rows), np.uint8)
    n_lead = n_leading(n_columns, start)
    block = Block(n_rows)
    turned = block
    for data, order in ((right, range(start, n_columns)), (left, range(start)[::-1])):
        if not order:
            assert not data
            block = turned
            continue
        coder = Decoder(bytes(data))
        block.begin(coder)
        for i in order:
            if i == start + n_lead:
                turned = block.turn(columns[start:i])
            columns[i] = block.column()
        assert coder.is_done()
        block = turned
    return columns


def encode_guided(columns, shift, guide, guided):
    """As the right wing of `encode`; `guided` says of each column whether the guide has an output for it."""
    coder = Encoder()
    block = Block(columns.shape[1], guide)
    block.begin(coder, shift)
    for column, flag in zip(columns, guided, strict=True):
        assert (block.column(column, flag) == column).all()
    return coder.finish()


def decode_guided(data, n_columns, guide):
    """For good streams."""
    coder = Decoder(bytes(data))
    block = Block(len(guide.codes), guide)
    block.begin(coder)
    columns = [block.column() for _ in range(n_columns)]
    assert coder.is_done()
    return np.array(columns, np.uint8).reshape(n_columns, len(guide.codes))
