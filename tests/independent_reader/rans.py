# SPDX-License-Identifier: Apache-2.0
"""rANS with a fixed table of frequencies: §2."""

from .data import Bits, Bytes, check


def read_table(source):
    """§2.2: a precision p and the frequency of each symbol, which sum to 2^p; `source` is left behind the table."""
    bits = Bits(source.data[source.position :])
    precision = bits.take(4) + 1
    check(precision <= 15, "a precision above 15")
    n_symbols = bits.take(8) + 1
    frequencies, left = [], 2**precision
    while left > 0 and len(frequencies) < n_symbols - 1:
        width = bits.uniform(2 + left.bit_length() - 1)
        if width:
            frequencies.append(2 ** (width - 1) + bits.take(width - 1))
            left -= frequencies[-1]
            check(left >= 0, "frequencies sum to more than 2^p")
        else:
            run = bits.gamma()
            check(run <= n_symbols - 1 - len(frequencies), "a run of zero frequencies is too long")
            frequencies += [0] * run
    frequencies += [0] * (n_symbols - len(frequencies))
    frequencies[-1] = left
    source.take(bits.pad())
    return precision, frequencies


class Table:
    """The slots of symbols: symbol s owns those from the sum of the frequencies before it on."""

    def __init__(self, frequencies):
        self.frequencies = frequencies
        self.starts, self.owner = [], []
        for symbol, frequency in enumerate(frequencies):
            self.starts.append(len(self.owner))
            self.owner += [symbol] * frequency

    @property
    def precision(self):
        return len(self.owner).bit_length() - 1

    @property
    def only_symbol(self):
        """The symbol that has all slots, if one does."""
        return next((s for s, f in enumerate(self.frequencies) if f == len(self.owner)), None)


class States:
    """The states of a stream, and the digits that fill them: §2.1."""

    FIRST, LOWEST_SHORT, LOWEST_LONG = 2**16, 2**23, 2**16

    def __init__(self, data, n_states, long):
        self.digits = Bytes(data)
        self.digit_bits = 16 if long else 8
        self.lowest = self.LOWEST_LONG if long else self.LOWEST_SHORT
        self.first = self.FIRST if long else 0
        if long:
            self.states = [self.digits.unsigned(32) for _ in range(n_states)]
            check(min(self.states) >= self.lowest, "a state is below the lowest value")
        else:
            self.states = [self.filled(0)]
            check(data[:1] != b"\0", "the first byte of a short stream is 0")

    def filled(self, x):
        while x < self.lowest and self.digits.position < len(self.digits.data):
            x = x << self.digit_bits | self.digits.unsigned(self.digit_bits)
        return x

    def symbol(self, number, table):
        """The next symbol, by the state of this number."""
        x = self.states[number]
        slot = x % 2**table.precision
        symbol = table.owner[slot]
        x = table.frequencies[symbol] * (x >> table.precision) + slot - table.starts[symbol]
        self.states[number] = self.filled(x)
        return symbol

    def finish(self):
        self.digits.finish()
        check(all(x == self.first for x in self.states), "a stream does not end as it should")


def is_long(frequencies, precision, n):
    """§2.1, "Short and long streams"."""
    size = sum(f * (precision - (f.bit_length() - 1)) for f in frequencies if f)
    return n * size >= 2 ** (18 + precision)


def decode(data, frequencies, precision, n):
    """§2.1: the n symbols of a stream, which are all of the bytes."""
    table = Table(frequencies)
    if n == 0 or table.only_symbol is not None:
        check(not data, "a stream of nothing has bytes")
        return [table.only_symbol] * n
    long = is_long(frequencies, precision, n)
    n_states = 32 if long else 1
    states = States(data, n_states, long)
    symbols = [states.symbol(i % n_states, table) for i in range(n)]
    states.finish()
    return symbols
