# SPDX-License-Identifier: Apache-2.0
"""Predictor 0, `frequency`: each column by itself, as the gaps between its rare bits: §5.5."""

import numpy as np

from .data import Bytes, check


class State:
    """§5.5, "The coder": one state of rANS."""

    def __init__(self, data):
        self.source = Bytes(data)
        self.x = int.from_bytes(self.source.take(4), "big")
        check(2**23 <= self.x < 2**31, "the state is out of range")

    def step(self, precision, starts):
        """The symbol of a step; symbol i has the slots starts[i] .. starts[i + 1] - 1."""
        slot = self.x % 2**precision
        symbol = int(np.searchsorted(starts, slot, side="right")) - 1
        self._leave(precision, slot, starts[symbol], starts[symbol + 1] - starts[symbol])
        return symbol

    def piece(self, width):
        """A number of so many bits."""
        slot = self.x % 2**width
        self._leave(width, slot, slot, 1)
        return slot

    def _leave(self, precision, slot, start, frequency):
        self.x = frequency * (self.x >> precision) + slot - start
        while self.x < 2**23:
            self.x = 256 * self.x + self.source.unsigned(8)

    def finish(self):
        check(self.x == 2**23, "the state does not end as it should")
        self.source.finish()


def starts_of(rho):
    """§5.5, "The symbols": their starts, and k, as a symbol skips 2^k cells times its number."""
    o = (rho + 1) // 4
    k = max(0, o - 3)
    s = 2**32 - ((4294967296, 3611622603, 3037000500, 2553802834)[(rho + 1) % 4] >> o)
    for _ in range(k):
        s = s * s >> 32
    v, starts = 2**32, []
    for i in range(64):
        starts.append(i + (32704 * (2**32 - v) >> 32))
        v = v * s >> 32
    return [*starts, 2**15], k


def events_of(state, rho, n_cells):
    """§5.5, "Decoding": the cells of a class that are events."""
    starts, k = starts_of(rho)
    events, a = [], 0
    while a < n_cells:
        symbol = state.step(15, starts)
        a += symbol * 2**k
        if symbol == 63 or a >= n_cells:
            continue
        offset = 0
        for width in [k % 12] * (k % 12 > 0) + [12] * (k // 12):
            offset = offset << width | state.piece(width)
        a += offset
        check(a < n_cells, "an event is behind the last cell")
        events.append(a)
        a += 1
    return events


def read_block(data, table, n_rows):
    """§5.5: the matrix of a block."""
    columns = table.columns
    matrix = np.array([[one.common_bit] * n_rows for one in columns], bool).reshape(len(columns), n_rows)
    classes = sorted({one.rho for one in columns} - {127})
    source = Bytes(data)
    if classes:
        n_events = source.varint()
        state = State(source.rest())
        for rho in classes:
            members = [number for number, one in enumerate(columns) if one.rho == rho]
            events = events_of(state, rho, len(members) * n_rows)
            n_events -= len(events)
            for event in events:
                matrix[members[event // n_rows], event % n_rows] ^= True
        state.finish()
        check(n_events == 0, "another number of events")
    source.finish()
    return matrix
