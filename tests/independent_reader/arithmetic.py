# SPDX-License-Identifier: Apache-2.0
"""The arithmetic coder that most of an archive is written with, and bits whose probability adapts: §5.9."""

from dataclasses import dataclass

from .data import check, within


class Coder:
    """§5.9, "The coder": a value V in an interval of width W."""

    def __init__(self, data):
        self.data = bytes(data)
        self.n_read = 0
        self.last = 0  # D: what the last eight bytes read make
        self.value = 0
        self.width = 2**64 - 1
        for _ in range(8):
            self.value = self.value << 8 | self._byte()
        check(self.value < self.width, "the first eight bytes are all 255")

    def _byte(self):
        byte = self.data[self.n_read] if self.n_read < len(self.data) else 0
        self.n_read += 1
        self.last = (self.last << 8 | byte) % 2**64
        return byte

    def narrow(self, start, width):
        self.value -= start
        self.width = width
        while self.width < 2**48:
            self.width <<= 16
            self.value = self.value << 16 | self._byte() << 8 | self._byte()

    def bit(self, probability):
        """A bit that is 1 with this probability, in 2^-32."""
        split = (self.width >> 32) * (2**32 - probability)
        if self.value >= split:
            self.narrow(split, self.width - split)
            return 1
        self.narrow(0, split)
        return 0

    def uniform(self, m):
        """A number below m, all of them alike."""
        part = self.width // m
        number = self.value // part
        check(number < m, "a uniform number is too large")
        self.narrow(number * part, part)
        return number

    def finish(self):
        """§5.9, "The end": the stream is the shortest that says what it said."""
        low = (self.last - self.value) % 2**64
        for k in range(9):
            unit = 2 ** (64 - 8 * k)
            shortest = -(-low // unit) * unit
            if shortest < 2**64 and shortest < low + self.width:
                break
        check(len(self.data) == self.n_read - 8 + k and self.last == shortest, "a stream does not end as it should")


@dataclass
class AdaptiveBit:
    """§5.9, "Adaptive bits": the probability of a 1, and a count of what it was learnt from."""

    p: int = 2**31
    count: int = 0

    def learn(self, bit):
        rate = 131072 // (2 * self.count + 3)
        self.p += (2**32 - 1 - self.p) * rate >> 16 if bit else -(self.p * rate >> 16)
        self.p = within(2**14, self.p, 2**32 - 2**14)
        self.count = min(self.count + 1, 250)

    def decode(self, coder):
        bit = coder.bit(self.p)
        self.learn(bit)
        return bit


class FourBits:
    """§5.9: a number of four bits, coded with 15 adaptive ones."""

    def __init__(self):
        self.bits = [AdaptiveBit() for _ in range(16)]  # that of number 0 is not used

    def decode(self, coder):
        x = 1
        for _ in range(4):
            x = 2 * x + self.bits[x].decode(coder)
        return x - 16
