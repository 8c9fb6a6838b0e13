# SPDX-License-Identifier: Apache-2.0
"""Plain twins of the phasing kernels: one value at a time, in Python's integers."""

import numpy as np

KNOWN, SWAPPABLE, UNKNOWN = 0, 1, 2


# ---- one pass in PBWT order --------------------------------------------------------------------------


def greedy(bits, calls):
    """Bits (n_columns, n_rows), those that calls (n_columns, n_rows / 2) leave open being decided column by column."""
    bits = bits.tolist()
    order, since, time = list(range(2 * calls.shape[1])), [0] * 2 * calls.shape[1], 0
    for column, states in zip(bits, calls.tolist(), strict=True):
        alleles = [column[row] if states[row // 2] == KNOWN else None for row in order]
        place = {row: i for i, row in enumerate(order)}
        for threshold in (4096, 2048, 0):
            for sample, state in enumerate(states):
                first, second = place[2 * sample], place[2 * sample + 1]
                if state == SWAPPABLE and alleles[first] is None:
                    lead = leaning(alleles, since, time, first) - leaning(alleles, since, time, second)
                    if abs(lead) >= threshold:
                        alleles[first], alleles[second] = int(lead >= 0), int(lead < 0)
        for sample, state in enumerate(states):
            if state == UNKNOWN:
                for row in (2 * sample, 2 * sample + 1):
                    alleles[place[row]] = int(leaning(alleles, since, time, place[row]) > 0)
        column[:] = [alleles[place[row]] for row in range(len(column))]
        if min(sum(column), len(column) - sum(column)) >= 6:
            # a row is like the one now before it since the latest time that stood between them
            sides = ([], [])
            latest = [time + 1, time + 1]
            for row, allele, start in zip(order, alleles, since, strict=True):
                latest = [max(start, value) for value in latest]
                sides[allele].append((row, latest[allele]))
                latest[allele] = 0
            order, since = map(list, zip(*sides[0], *sides[1], strict=True))
            time += 1
    return np.array(bits, np.uint8).reshape(calls.shape[0], 2 * calls.shape[1])


def leaning(alleles, since, time, at):
    """Votes of the up to 16 nearest decided rows within 39 on either side, each the cube of its match, in 1 / 4096."""
    votes = []
    for step in (-1, 1):
        start, asked, i = (since[at] if step < 0 else 0), 0, at + step
        while 0 <= i < len(alleles) and abs(i - at) < 40 and asked < 16:
            if step > 0:
                start = max(start, since[i])
            if alleles[i] is not None:
                votes.append((2 * alleles[i] - 1) * min(time - start + 1, 8192) ** 3)
                asked += 1
            if step < 0:
                start = max(start, since[i])
            i += step
    total, most = sum(votes) * 4096, 1 + sum(map(abs, votes))
    return abs(total) // most * (1 if total >= 0 else -1)


# ---- a person against all others ---------------------------------------------------------------------


def sorted_by(columns):
    """Rows in the order of their bits in some columns read backwards."""
    return sorted(range(columns.shape[1]), key=lambda row: (columns[::-1, row].tolist(), row))


def refine(bits, calls, person, beam, n_nearest=None):
    """The two rows (n_columns, 2) of a person as mosaics of others in `bits`; of all, or of those near it."""
    n_columns, n_rows = bits.shape
    state, panel, kept = calls[:, person], [], []
    for column in range(n_columns):
        if column % 64 == 0:
            last, panel = panel, panel_of(bits, person, column, n_nearest)
            if column == 0:
                ones = [1] * len(panel)
                kept = [{"vectors": [ones, ones], "weight": 0, "history": (), "rows": []}]
            else:
                for one in kept:
                    one["vectors"] = [carried(vector, last, panel) for vector in one["vectors"]]
        alleles = [int(bits[column, row]) for row in panel]
        if state[column] == KNOWN:
            kept = [followed(one, bits[column, 2 * person : 2 * person + 2].tolist(), alleles) for one in kept]
            continue
        for one in kept:
            one["vectors"] = [moved(vector) for vector in one["vectors"]]
        if state[column] == UNKNOWN:
            for one in kept:
                guess = [int(2 * sum(v for v, a in zip(f, alleles, strict=True) if a) > sum(f)) for f in one["vectors"]]
                one["rows"] = [*one["rows"], guess]
            continue
        forks = []
        for one in kept:
            weight, likely = one["weight"], []
            for vector in one["vectors"]:
                total, with_one = sum(vector), sum(v for v, a in zip(vector, alleles, strict=True) if a)
                likely.append([total - with_one + (with_one * 197 >> 16), with_one + ((total - with_one) * 197 >> 16)])
                weight -= log2(total)
            forks += [(weight + log2(likely[0][a]) + log2(likely[1][1 - a]), one, a) for a in (0, 1)]
        forks.sort(key=lambda fork: -fork[0])  # stable
        kept, histories = [], set()
        for weight, one, allele in forks:
            history = (*one["history"], allele)[-12:]
            if len(kept) < beam and weight + (17 << 16) >= forks[0][0] and history not in histories:
                histories.add(history)
                vectors = [seen(f, alleles, a) for f, a in zip(one["vectors"], (allele, 1 - allele), strict=True)]
                rows = [*one["rows"], [allele, 1 - allele]]
                kept.append({"vectors": vectors, "weight": weight, "history": history, "rows": rows})
    best = max(kept, key=lambda one: one["weight"])  # the first of those alike
    found = bits[:, 2 * person : 2 * person + 2].copy()
    if best["rows"]:
        found[state != KNOWN] = best["rows"]
    return found


def panel_of(bits, person, column, n_nearest):
    others = [row for row in range(bits.shape[1]) if row // 2 != person]
    if n_nearest is not None:
        others = []
        for end in (column, column + 64, column + 128):
            if end < bits.shape[0] + 64:
                order = sorted_by(bits[:end])
                for own in (2 * person, 2 * person + 1):
                    at = order.index(own)
                    near = order[max(at - n_nearest, 0) : at + n_nearest + 1]
                    others += [row for row in near if row // 2 != person and row not in others]
    n_filled = -(-len(others) // 32) * 32
    return others + [others[i % len(others)] for i in range(n_filled - len(others))]


def share_of(total, n):
    return max((total * 655 >> 16) // n, 1)


def carried(vector, last, panel):
    """What each of another panel had; those that are new what they would get by a switch."""
    return [vector[last.index(row)] if row in last else share_of(sum(vector), len(last)) for row in panel]


def scaled(vector):
    """Doubled as long as 16 bits hold all."""
    while vector and 0 < max(vector) < 32768:
        vector = [2 * v for v in vector]
    return vector


def moved(vector):
    vector = scaled(vector)
    share = share_of(sum(vector), len(vector))
    return [v - (v * 655 >> 16) + share for v in vector]


def seen(vector, alleles, allele):
    return [v if a == allele else v * 197 >> 16 for v, a in zip(vector, alleles, strict=True)]


def followed(one, own, alleles):
    vectors, weight = [], one["weight"]
    for vector, allele in zip(one["vectors"], own, strict=True):
        after = seen(moved(vector), alleles, allele)
        weight -= log2(sum(scaled(vector))) - log2(sum(after))
        vectors.append(after)
    return {**one, "vectors": vectors, "weight": weight}


def log2(x):
    """In 2^-16: whole bits, and m + 0.344 m (1 - m) for the rest m."""
    x = max(x, 1)
    whole = x.bit_length() - 1
    m = (x >> whole - 16 if whole > 16 else x << 16 - whole) & 0xFFFF
    return (whole << 16) + m + ((m * (65536 - m) >> 16) * 22544 >> 16)
