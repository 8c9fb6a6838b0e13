# SPDX-License-Identifier: Apache-2.0
"""Numbers, bits and texts, the smallest parts that all others are made of: §1, §2.2, §5.1."""

import lzma
import zlib


class FormatError(ValueError):
    """The bytes are not what FORMAT.md says."""


def check(condition, message):
    """Refuse bytes that break a rule of the document."""
    if not condition:
        raise FormatError(message)


def within(low, value, high):
    """The value, "brought to within low .. high"."""
    return min(max(value, low), high)


class Bytes:
    """Bytes that are read from the first to the last.

    §5.1 has the numbers, texts and compressed bytes; all integers are little-endian.
    """

    def __init__(self, data):
        self.data = bytes(data)
        self.position = 0

    def take(self, count):
        """The next `count` bytes."""
        check(0 <= count <= len(self.data) - self.position, "the bytes end too early")
        self.position += count
        return self.data[self.position - count : self.position]

    def rest(self):
        """All bytes up to the end."""
        return self.take(len(self.data) - self.position)

    def finish(self):
        """Refuse bytes that nothing has asked for."""
        check(self.position == len(self.data), "bytes are left over")

    def unsigned(self, bits):
        """uN: an unsigned integer of N bits."""
        return int.from_bytes(self.take(bits // 8), "little")

    def varint(self):
        """§5.1: a number below 2^63, seven bits a byte, the lowest first; the top bit says that more follow."""
        value, shift, more = 0, 0, True
        while more:
            byte = self.unsigned(8)
            value |= (byte & 127) << shift
            shift += 7
            more = byte >= 128
            check(value < 2**63 and shift <= 63, "a number of 2^63 or more")
        return value

    def zigzag(self):
        """§5.1: an integer of either sign: 2 d for d >= 0, -2 d - 1 for d < 0."""
        value = self.varint()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def counted(self):
        """A varint and as many bytes."""
        return self.take(self.varint())

    def text(self):
        """§5.1: UTF-8; bytes that are not are kept as the surrogates that Python has for them."""
        return self.counted().decode("utf-8", "surrogateescape")

    def compressed(self):
        """§5.1: up to the end, a varint n and a raw LZMA2 stream of n bytes."""
        size = self.varint()
        check(size <= 2**28, "compressed bytes unfold to more than 2^28")
        unfolded = unfold(self.rest())
        check(len(unfolded) == size, "compressed bytes unfold to another length")
        return unfolded


def unfold(stream):
    """The bytes of a raw LZMA2 stream with a dictionary of 8 MiB."""
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 8 << 20}])
    try:
        unfolded = decoder.decompress(stream)
    except lzma.LZMAError as error:
        raise FormatError(f"no LZMA2 stream: {error}") from error
    check(decoder.eof and not decoder.unused_data, "an LZMA2 stream ends too early or too late")
    return unfolded


def crc32(data):
    """CRC-32 as in §4."""
    return zlib.crc32(data)


class Bits:
    """A sequence of bits in the order of §1: bit k is bit k mod 8, counted from the lowest, of byte k // 8."""

    def __init__(self, data):
        self.data = bytes(data)
        self.position = 0

    def take(self, count):
        """A number of `count` bits, its lowest bit first."""
        check(self.position + count <= 8 * len(self.data), "the bits end too early")
        value = 0
        for i in range(count):
            byte, place = divmod(self.position, 8)
            value |= (self.data[byte] >> place & 1) << i
            self.position += 1
        return value

    def gamma(self):
        """§2.2: q zero bits, a one bit, then r - 2^q in q bits."""
        q = 0
        while not self.take(1):
            q += 1
        return 2**q + self.take(q)

    def uniform(self, m):
        """§2.2: one of m possible numbers, in truncated binary."""
        q = m.bit_length() - 1
        u = 2 ** (q + 1) - m
        upper = self.take(q)
        return upper if upper < u else 2 * upper + self.take(1) - u

    def pad(self):
        """Skip zero bits up to a whole byte; the number of bytes so far."""
        check(self.take(-self.position % 8) == 0, "spare bits are not zero")
        return self.position // 8

    def finish(self):
        """Refuse bits other than the padding of the last byte."""
        check(self.pad() == len(self.data), "bits are left over")


def unpack(data, n, bits):
    """§1: n values of `bits` bits each, which fill all of the bytes."""
    stream = Bits(data)
    values = [stream.take(bits) for _ in range(n)]
    stream.finish()
    return values
