# SPDX-License-Identifier: Apache-2.0
"""A plain twin of the coder of gaps, written from FORMAT.md §5.5 and not from the C.

Each stream is a list of steps in the order of decoding, (start, frequency, precision), and one rANS state over them.
"""

LOW = 1 << 23
PRECISION = 15
ESCAPE = 63
QUARTERS = [round(2 ** (32 - j / 4)) for j in range(4)]


def rans_encode(steps):
    state, backwards = LOW, bytearray()
    for start, frequency, precision in reversed(steps):
        while state >= frequency << 31 - precision:
            backwards.append(state & 255)
            state >>= 8
        state = (state // frequency << precision) + state % frequency + start
    return state.to_bytes(4, "big") + bytes(reversed(backwards))


class RansDecoder:
    """For good streams."""

    def __init__(self, data):
        self.state, self.rest = int.from_bytes(data[:4], "big"), iter(data[4:])

    def slot(self, precision):
        return self.state & ((1 << precision) - 1)

    def advance(self, start, frequency, precision):
        self.state = frequency * (self.state >> precision) + self.slot(precision) - start
        while self.state < LOW:
            self.state = self.state << 8 | next(self.rest)

    def is_done(self):
        return self.state == LOW and next(self.rest, None) is None


def gap_table(rate):
    """(k, the 65 cumulative frequencies of a rate's symbols)."""
    octave = (rate + 1) // 4
    k = max(octave - 3, 0)
    stay = 2**32 - (QUARTERS[(rate + 1) % 4] >> octave)
    for _ in range(k):
        stay = stay * stay >> 32
    cumulative, survive = [], 2**32
    for symbol in range(ESCAPE + 1):
        cumulative.append(symbol + ((2**15 - 64) * (2**32 - survive) >> 32))
        survive = survive * stay >> 32
    return k, [*cumulative, 2**15]


def pieces(k):
    """Widths of the pieces of an offset of k bits, the highest bits first."""
    return [k % 12] * (k % 12 > 0) + [12] * (k // 12)


def gaps_encode(events_of_classes, n_cells, rates):
    """`events_of_classes`: a list of ascending positions per class."""
    steps = []
    for events, cells, rate in zip(events_of_classes, n_cells, rates, strict=True):
        k, cumulative = gap_table(rate)

        def put(symbol, cumulative=cumulative):
            steps.append((cumulative[symbol], cumulative[symbol + 1] - cumulative[symbol], PRECISION))

        at = 0
        for event in map(int, events):
            gap, at = event - at, event + 1
            while gap >= ESCAPE << k:
                put(ESCAPE)
                gap -= ESCAPE << k
            put(gap >> k)
            left = k
            for width in pieces(k):
                left -= width
                steps.append((gap >> left & ((1 << width) - 1), 1, width))
        buckets = int(cells) - at + (1 << k) - 1 >> k
        for _ in range(buckets // ESCAPE):
            put(ESCAPE)
        if buckets % ESCAPE:
            put(buckets % ESCAPE)
    return rans_encode(steps)


def gaps_decode(data, n_cells, rates):
    decoder = RansDecoder(data)
    events_of_classes = []
    for cells, rate in zip(map(int, n_cells), rates, strict=True):
        k, cumulative = gap_table(rate)
        events, at = [], 0
        while at < cells:
            slot = decoder.slot(PRECISION)
            symbol = max(s for s in range(ESCAPE + 1) if cumulative[s] <= slot)
            decoder.advance(cumulative[symbol], cumulative[symbol + 1] - cumulative[symbol], PRECISION)
            at += symbol << k
            if symbol == ESCAPE or at >= cells:
                continue
            offset = 0
            for width in pieces(k):
                piece = decoder.slot(width)
                decoder.advance(piece, 1, width)
                offset = offset << width | piece
            at += offset
            assert at < cells
            events.append(at)
            at += 1
        events_of_classes.append(events)
    assert decoder.is_done()
    return events_of_classes
