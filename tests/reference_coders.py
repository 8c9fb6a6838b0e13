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


def n_states(frequencies, precision, n):
    """FORMAT.md §2.1: four states where the table expects 4 KiB or more, else one."""
    bits = sum(f * (precision - int(f).bit_length() + 1) for f in map(int, frequencies) if f)
    return 4 if n and bits >= (8 * 4096 << precision) // n else 1


def rans_encode(symbols, frequencies, precision):
    """FORMAT.md §2.1, from the last symbol to the first."""
    frequencies = [int(f) for f in frequencies]
    starts = [sum(frequencies[:s]) for s in range(len(frequencies))]
    n = n_states(frequencies, precision, len(symbols))
    states = [0 if n == 1 else LOW] * n
    backwards = bytearray()
    for i in reversed(range(len(symbols))):
        frequency, start, x = frequencies[symbols[i]], starts[symbols[i]], states[i % n]
        while x >= (LOW >> precision << 8) * frequency:
            backwards.append(x & 255)
            x >>= 8
        states[i % n] = (x // frequency << precision) + x % frequency + start
    for x in reversed(states):
        while x:
            backwards.append(x & 255)
            x >>= 8
    return bytes(reversed(backwards))


def rans_decode(buf, n_symbols, frequencies, precision):
    """FORMAT.md §2.1, for good streams."""
    frequencies = [int(f) for f in frequencies]
    starts = [sum(frequencies[:s]) for s in range(len(frequencies))]
    slots = [s for s, f in enumerate(frequencies) for _ in range(f)]
    n = n_states(frequencies, precision, n_symbols)
    source = iter(buf)

    def fill(x):
        while x < LOW:
            byte = next(source, None)
            if byte is None:
                break
            x = x << 8 | byte
        return x

    states = [fill(0) for _ in range(n)]
    symbols = []
    for i in range(n_symbols):
        x = states[i % n]
        slot = x & ((1 << precision) - 1)
        symbol = slots[slot]
        states[i % n] = fill(frequencies[symbol] * (x >> precision) + slot - starts[symbol])
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
