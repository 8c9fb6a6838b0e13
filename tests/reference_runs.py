# SPDX-License-Identifier: Apache-2.0
"""Twin of `csrc/runs.c`, written from FORMAT.md §5.10 alone: for tests, slow and plain."""

import numpy as np

N_CONTEXTS, TOTAL = 148, 1 << 11


class CorruptError(Exception):
    """No stream of columns."""


def need(condition):
    if not condition:
        raise CorruptError


def class_of(n_minor):
    return n_minor if n_minor <= 4 else 4 + (n_minor.bit_length() - 1) // 2


def gap_class(gap):
    return 1 + (gap >= 4) + (gap >= 16) + (gap >= 64)


def length_context(kappa, octave):
    return 89 + kappa - 2 if kappa <= 4 else 92 + 8 * (kappa - 5) + min(octave, 7)


def spare_row_bits(n_rows):
    return max(0, (n_rows - 1).bit_length() - 6)


def frequencies(classes):
    """Of all symbols of a table."""
    weights = [(2 + (q - 1) % 2) << (q - 1) // 2 if q else 0 for q in classes]
    n = sum(w > 0 for w in weights)
    found = [1 + w * (TOTAL - n) // sum(weights) if w else 0 for w in weights]
    found[classes.index(max(classes))] += TOTAL - sum(found)
    return found


class Bits:
    """Bits off bytes, each byte's lowest first."""

    def __init__(self, data):
        self.value, self.size, self.at = int.from_bytes(data, "little"), 8 * len(data), 0

    def take(self, n):
        need(self.at + n <= self.size)
        self.at += n
        return self.value >> (self.at - n) & ((1 << n) - 1)

    def gamma(self):
        n = 0
        while not self.take(1):
            n += 1
            need(n < 40)
        return 1 << n | self.take(n)


class Stream:
    """What a stream says: the symbols of each context, and the bits."""

    def __init__(self, data, n_columns, n_rows):
        head = Bits(data)
        n_symbols, n_bits = head.gamma() - 1, head.gamma() - 1
        need(n_symbols <= n_columns * (n_rows + 2) and n_bits <= 8 * len(data))
        tables = []
        for context in range(N_CONTEXTS):
            n, classes = head.gamma() - 1, []
            if n:
                k, q = head.gamma(), 0
                need(k <= (64 if context >= 9 else 256))
                for _ in range(k):
                    step = head.gamma()
                    q += (step - 1) // 2 if step % 2 else -(step // 2)
                    need(0 <= q <= 63)
                    classes.append(q)
                need(q)
            tables.append((n, classes))
        need(sum(n for n, _ in tables) == n_symbols)
        need(head.take(-head.at % 8) == 0)
        data = data[head.at // 8 :]
        self.bits, self.n_bits = Bits(data[: (n_bits + 7) // 8]), n_bits
        need(self.bits.size >= n_bits and self.bits.value >> n_bits == 0)
        self.symbols = [iter(part) for part in rans_decode(data[(n_bits + 7) // 8 :], tables, n_symbols)]

    def next(self, context):
        symbol = next(self.symbols[context], None)
        need(symbol is not None)
        return symbol

    def number(self, context):
        symbol = self.next(context)
        if symbol < 8:
            return symbol
        n = symbol // 4 - 1
        return ((4 + symbol % 4) << n) + self.take(n)

    def take(self, n):
        need(self.bits.at + n <= self.n_bits)
        return self.bits.take(n)

    def finish(self):
        need(self.bits.at == self.n_bits and all(next(part, None) is None for part in self.symbols))


def rans_decode(data, tables, n_symbols):
    n_states = 32 if n_symbols >= 4096 else 1
    need(len(data) >= 4 * n_states)
    states = [int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in range(n_states)]
    need(min(states) >= 1 << 16)
    at, parts = 4 * n_states, []
    for n, classes in tables:
        if sum(q > 0 for q in classes) == 1:
            parts.append([len(classes) - 1] * n)
            continue
        part, table = [], frequencies(classes) if n else []
        starts = [sum(table[:s]) for s in range(len(table))]
        owner = [s for s, f in enumerate(table) for _ in range(f)]
        for i in range(n):
            x = states[i % n_states]
            s = owner[x % TOTAL]
            x = table[s] * (x // TOTAL) + x % TOTAL - starts[s]
            if x < 1 << 16:
                need(at + 2 <= len(data))
                x = x << 16 | int.from_bytes(data[at : at + 2], "little")
                at += 2
            states[i % n_states] = x
            part.append(s)
        parts.append(part)
    need(at == len(data) and set(states) == {1 << 16})
    return parts


def decode(data, n_columns, n_rows):
    """Columns (n_columns, n_rows) of a stream; CorruptError if it is none."""
    if n_columns == 0:
        need(not data)
        return np.zeros((0, n_rows), np.uint8)
    stream = Stream(data, n_columns, n_rows)
    order = np.arange(n_rows)
    columns = np.zeros((n_columns, n_rows), np.uint8)
    for column in columns:
        kappa, flipped = divmod(stream.next(0), 2)
        need(kappa <= class_of(n_rows // 2))
        if kappa == 1:
            n_bits = spare_row_bits(n_rows)
            row = stream.next(1) << n_bits
            row += stream.take(n_bits)
            need(row < n_rows)
            column[row] = 1
        elif kappa > 1:
            cells = np.array(runs(stream, kappa, n_rows), np.uint8)
            column[order] = cells
            if cells.sum() >= 6:
                order = np.concatenate([order[cells == 0], order[cells == 1]])
        need(2 * int(column.sum()) + flipped <= n_rows)
        column ^= flipped
    stream.finish()
    return columns


def runs(stream, kappa, n_rows):
    """The cells of a column in the present order."""
    octave, n_runs, group = 0, n_rows, 0
    if kappa > 4:
        octave = stream.next(2 + kappa - 5)
        need(octave <= 14)
        n_runs, group = (1 << octave) + stream.take(octave), 1 + octave
        need(n_runs <= (n_rows + 1) // 2)
    cells, h, n_minor = [], 0, 0
    while n_runs and (kappa > 4 or n_minor < kappa):
        gap = stream.number(9 + 5 * group + h)
        cells += [0] * (gap + (h > 0))
        length = 1
        if kappa > 4 or kappa - n_minor > 1:
            length += stream.number(length_context(kappa, octave))
        cells += [1] * length
        need(len(cells) <= n_rows)
        h, n_minor, n_runs = gap_class(gap), n_minor + length, n_runs - 1
    need(class_of(n_minor) == kappa)
    return cells + [0] * (n_rows - len(cells))


# ---- encoder ----------------------------------------------------------------------------------------------------


class BitWriter:
    def __init__(self):
        self.value = self.at = 0

    def put(self, number, n):
        self.value |= number << self.at
        self.at += n

    def gamma(self, number):
        n = number.bit_length() - 1
        self.put(1 << n, n + 1)
        self.put(number - (1 << n), n)

    def to_bytes(self):
        return self.value.to_bytes((self.at + 7) // 8, "little")


def class_of_count(count):
    """The class whose w is nearest to twice the count."""
    weight = [None, *((2 + q % 2) << q // 2 for q in range(63))]
    q = 1
    while count and q < 63 and weight[q] + weight[q + 1] <= 4 * count:
        q += 1
    return q if count else 0


def encode(columns):
    n_columns, n_rows = columns.shape
    if n_columns == 0:
        return b""
    symbols, bits, order = [[] for _ in range(N_CONTEXTS)], BitWriter(), np.arange(n_rows)

    def put_number(context, number):
        n = max(0, number.bit_length() - 3)
        symbols[context].append(4 * n + (number >> n))
        bits.put(number & ((1 << n) - 1), n)

    for column in columns:
        flipped = int(2 * column.sum() > n_rows)
        minor = column ^ flipped
        n_minor = int(minor.sum())
        kappa = class_of(n_minor)
        symbols[0].append(2 * kappa + flipped)
        if kappa == 1:
            row, n = int(minor.argmax()), spare_row_bits(n_rows)
            symbols[1].append(row >> n)
            bits.put(row & ((1 << n) - 1), n)
        if kappa < 2:
            continue
        edges = np.flatnonzero(np.diff(minor[order], prepend=0, append=0)).tolist()
        octave, group = (len(edges) // 2).bit_length() - 1, 0
        if kappa > 4:
            symbols[2 + kappa - 5].append(octave)
            bits.put(len(edges) // 2 - (1 << octave), octave)
            group = 1 + octave
        left, h, at = n_minor, 0, 0
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            put_number(9 + 5 * group + h, start - at)
            if kappa > 4 or left > 1:
                put_number(length_context(kappa, octave), end - start - 1)
            left, h, at = left - (end - start), gap_class(start - at), end + 1
        if n_minor >= 6:
            order = np.concatenate([order[minor[order] == 0], order[minor[order] == 1]])
    head, tables = BitWriter(), []
    head.gamma(1 + sum(map(len, symbols)))
    head.gamma(1 + bits.at)
    for part in symbols:
        head.gamma(1 + len(part))
        classes = [class_of_count(part.count(s)) for s in range(max(part, default=-1) + 1)]
        tables.append(classes)
        if part:
            head.gamma(len(classes))
        for before, q in zip([0, *classes], classes, strict=False):
            head.gamma(2 * (q - before) + 1 if q >= before else 2 * (before - q))
    return head.to_bytes() + bits.to_bytes() + rans_encode(symbols, tables)


def rans_encode(symbols, tables):
    states = [1 << 16] * (32 if sum(map(len, symbols)) >= 4096 else 1)
    words = []
    for part, classes in zip(reversed(symbols), reversed(tables), strict=True):
        if sum(q > 0 for q in classes) < 2:
            continue
        table = frequencies(classes)
        starts = [sum(table[:s]) for s in range(len(table))]
        for i in range(len(part) - 1, -1, -1):
            f, x = table[part[i]], states[i % len(states)]
            if x >= f * (1 << 32) // TOTAL:
                words.append(x & 0xFFFF)
                x >>= 16
            states[i % len(states)] = x // f * TOTAL + x % f + starts[part[i]]
    return b"".join(x.to_bytes(4, "little") for x in states) + b"".join(w.to_bytes(2, "little") for w in words[::-1])
