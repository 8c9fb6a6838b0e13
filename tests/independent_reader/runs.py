# SPDX-License-Identifier: Apache-2.0
"""Predictor 3, `runs`: sorted columns as numbers, the lengths of runs and of the gaps between them: §5.10."""

import numpy as np

from .data import Bits, Bytes, check
from .rans import States, Table
from .sorted_columns import Head, class_of

N_CONTEXTS = 148
PRECISION = 11


def read_block(data, table, n_rows):
    """§5.10: the matrix of a block, of all columns of the table."""
    source = Bytes(data)
    matrix = np.zeros((len(table.columns), n_rows), bool)
    for numbers, part in zip(table.of_alleles, (source.counted(), source.rest()), strict=True):
        if not numbers:
            check(not part, "a stream of no columns has bytes")
            continue
        stream = RunColumns(part, n_rows)
        for number in numbers:
            matrix[number] = stream.column()
        stream.finish()
    return matrix


class RunOrder:
    """§5.10, "The order": rows without the minor allele first."""

    def __init__(self, n_rows):
        self.rows = list(range(n_rows))

    def follow(self, bits):
        """Sort by a column, given as the bit of each row, the rows being in the order of the block."""
        ones = int(np.sum(bits))
        if min(ones, len(bits) - ones) >= 6:
            minor = bits if 2 * ones <= len(bits) else ~bits
            self.rows.sort(key=lambda row: minor[row])


class RunColumns:
    """§5.10: a stream of columns of n rows."""

    def __init__(self, data, n_rows):
        self.n = n_rows
        self.order = RunOrder(n_rows)
        head = Bits(data)
        n_symbols, n_bits = head.gamma() - 1, head.gamma() - 1
        counts, tables = [], []
        for context in range(N_CONTEXTS):
            counts.append(head.gamma() - 1)
            tables.append(read_table(head, 64 if context >= 9 else 256) if counts[-1] else None)
        check(sum(counts) == n_symbols, "the symbols of the contexts are not all")
        end_of_head = head.pad()
        end_of_bits = end_of_head + -(-n_bits // 8)
        self.bits = Bits(data[end_of_head:end_of_bits])
        self.n_bits = n_bits
        self.symbols = [iter(symbols) for symbols in read_symbols(data[end_of_bits:], n_symbols, counts, tables)]

    def symbol(self, context):
        """The next symbol of a context."""
        symbol = next(self.symbols[context], None)
        check(symbol is not None, "a context has too few symbols")
        return symbol

    def number(self, context):
        """A number of a context."""
        symbol = self.symbol(context)
        if symbol < 8:
            return symbol
        bits = symbol // 4 - 1
        return 2**bits * (4 + symbol % 4) + self.bits.take(bits)

    def column(self):
        """The next column: the bit of each row."""
        kappa, flipped = divmod(self.symbol(0), 2)
        check(kappa <= class_of(self.n // 2), "a class is too large")
        head = Head(kappa, bool(flipped))
        if kappa == 1:
            width = (self.n - 1).bit_length()
            low_bits = max(0, width - 6)
            minor = [(self.symbol(1) << low_bits) + self.bits.take(low_bits)]
        else:
            minor = [self.order.rows[place] for place in self.places(head)] if kappa else []
        check(all(row < self.n for row in minor), "a row that is not there")
        head.check_alleles(len(minor), self.n)
        bits = np.zeros(self.n, bool)
        bits[minor] = True
        bits ^= head.flipped
        self.order.follow(bits)
        return bits

    def places(self, head):
        """Steps 3 and 4: where, in the present order, minor alleles stand."""
        kappa = head.kappa
        if kappa > 4:
            octave = self.symbol(2 + kappa - 5)
            check(octave <= 14, "too many runs")
            n_runs = 2**octave + self.bits.take(octave)
            check(n_runs <= -(-self.n // 2), "too many runs")
            group, of_length = 1 + octave, 92 + 8 * (kappa - 5) + min(octave, 7)
        else:
            n_runs, group, of_length = kappa, 0, 89 + kappa - 2
        places, end, h = [], 0, 0
        for run in range(n_runs):
            if kappa <= 4 and len(places) >= kappa:
                break
            gap = self.number(9 + 5 * group + h)
            h = 1 + sum(gap >= bound for bound in (4, 16, 64))
            single = kappa <= 4 and len(places) == kappa - 1
            length = 1 if single else 1 + self.number(of_length)
            start = end + gap + (run > 0)
            end = start + length
            check(end <= self.n, "a run ends behind the last row")
            places += range(start, end)
        return places

    def finish(self):
        check(all(next(symbols, None) is None for symbols in self.symbols), "symbols are left over")
        check(self.bits.position == self.n_bits, "bits are left over")
        self.bits.finish()


def read_table(head, most):
    """§5.10, "The head": the frequencies of a context's symbols, which sum to 2^11."""
    n_symbols = head.gamma()
    check(n_symbols <= most, "too many symbols")
    classes, before = [], 0
    for _ in range(n_symbols):
        code = head.gamma()
        before += (code - 1) // 2 if code % 2 else -(code // 2)
        check(0 <= before <= 63, "no such class of symbols")
        classes.append(before)
    check(classes[-1] > 0, "the highest symbol does not occur")
    weights = [(2 + (q - 1) % 2) * 2 ** ((q - 1) // 2) if q else 0 for q in classes]
    spare = 2**PRECISION - sum(q > 0 for q in classes)
    frequencies = [1 + weight * spare // sum(weights) if weight else 0 for weight in weights]
    frequencies[classes.index(max(classes))] += 2**PRECISION - sum(frequencies)
    return Table(frequencies)


def read_symbols(data, n_symbols, counts, tables):
    """§5.10, "Symbols": those of each context."""
    n_states = 32 if n_symbols >= 4096 else 1
    states = States(data, n_states, long=True)
    symbols = []
    for count, table in zip(counts, tables, strict=True):
        if count == 0:
            symbols.append([])
        elif table.only_symbol is not None:
            symbols.append([table.only_symbol] * count)
        else:
            symbols.append([states.symbol(i % n_states, table) for i in range(count)])
    states.finish()
    return symbols
