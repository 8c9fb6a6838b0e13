# SPDX-License-Identifier: Apache-2.0
"""Plain twins of the coders' kernels, written from FORMAT.md and not from the C."""

import math

import numpy as np

LOW = 1 << 23
TANH = [round(127 * math.tanh(i / 32)) for i in range(-128, 128)]


def pack(values, bits):
    """FORMAT.md §1."""
    number = sum(int(value) << bits * i for i, value in enumerate(values))
    return number.to_bytes((len(values) * bits + 7) // 8, "little")


def normalize(counts, precision):
    """Counts to frequencies: floors, then one slot at a time (fae_rans_normalize)."""
    counts = [int(c) for c in counts]
    total, sum_counts = 1 << precision, sum(counts)
    frequencies = [max(c * total // sum_counts, c > 0) for c in counts]
    coded = [s for s, c in enumerate(counts) if c]
    while sum(frequencies) < total:
        best = max(coded, key=lambda s: (counts[s] / (2 * frequencies[s] + 1), -s))
        frequencies[best] += 1
    while sum(frequencies) > total:
        shrinkable = [s for s in coded if frequencies[s] > 1]
        best = min(shrinkable, key=lambda s: (counts[s] / (2 * frequencies[s] - 1), s))
        frequencies[best] -= 1
    return frequencies


def is_long(frequencies, precision, n):
    """FORMAT.md §2.1: a stream is long where the table expects 32 KiB or more."""
    bits = sum(f * (precision - int(f).bit_length() + 1) for f in map(int, frequencies) if f)
    return n * bits >= 8 * 32768 << precision


def rans_encode(symbols, frequencies, precision):
    """FORMAT.md §2.1, from the last symbol to the first."""
    frequencies = [int(f) for f in frequencies]
    starts = [sum(frequencies[:s]) for s in range(len(frequencies))]
    long = is_long(frequencies, precision, len(symbols))
    states = [1 << 16] * 32 if long else [0]
    top, digit = (32, 1 << 16) if long else (31, 256)
    backwards = []
    for i in reversed(range(len(symbols))):
        frequency, start, x = frequencies[symbols[i]], starts[symbols[i]], states[i % len(states)]
        while x >= frequency << top - precision:
            backwards.append(x % digit)
            x //= digit
        states[i % len(states)] = (x // frequency << precision) + x % frequency + start
    if long:
        words = b"".join(word.to_bytes(2, "little") for word in reversed(backwards))
        return b"".join(x.to_bytes(4, "little") for x in states) + words
    x = states[0]
    return x.to_bytes((x.bit_length() + 7) // 8, "big") + bytes(reversed(backwards))


def rans_decode(buf, n_symbols, frequencies, precision):
    """FORMAT.md §2.1, for good streams."""
    frequencies = [int(f) for f in frequencies]
    starts = [sum(frequencies[:s]) for s in range(len(frequencies))]
    slots = [s for s, f in enumerate(frequencies) for _ in range(f)]
    if is_long(frequencies, precision, n_symbols):
        states = np.frombuffer(buf, "<u4", 32).tolist()
        digits, low, size = iter(np.frombuffer(buf, "<u2", offset=128).tolist()), 1 << 16, 16
    else:
        states, digits, low, size = [0], iter(buf), LOW, 8

    def fill(x):
        while x < low:
            digit = next(digits, None)
            if digit is None:
                break
            x = x << size | digit
        return x

    states = [fill(x) for x in states]
    symbols = []
    for i in range(n_symbols):
        x = states[i % len(states)]
        slot = x & ((1 << precision) - 1)
        symbol = slots[slot]
        states[i % len(states)] = fill(frequencies[symbol] * (x >> precision) + slot - starts[symbol])
        symbols.append(symbol)
    return symbols


def intdec_scores(decoder, codes):
    """FORMAT.md §3 in exact integers."""
    h = 2 * np.asarray(codes, dtype=np.int64) - ((1 << decoder.latent_bits) - 1)
    w_at = b_at = 0
    for layer, (d_in, d_out) in enumerate(zip(decoder.sizes[:-1], decoder.sizes[1:], strict=True)):
        w = decoder.weights[w_at : w_at + d_in * d_out].astype(np.int64).reshape(d_out, d_in)
        total = h @ w.T + decoder.biases[b_at : b_at + d_out]
        w_at, b_at = w_at + d_in * d_out, b_at + d_out
        if layer < len(decoder.sizes) - 2:
            shift = int(decoder.shifts[layer])
            index = (total * int(decoder.multipliers[layer]) + (1 << shift - 1)) >> shift
            h = np.array(TANH)[np.clip(index, -128, 127) + 128]
    return total
