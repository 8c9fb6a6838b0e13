# SPDX-License-Identifier: Apache-2.0
"""The archive's bytes: a header, sections one after the other, an index of them, a footer. FORMAT.md §5.

Every byte is under a checksum, and nothing is believed before its checksum and its bounds have been looked at.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from fastae.archive.source import Source, open_source
from fastae.errors import ChecksumError, FormatError, InputError, VersionError
from fastae.jobs import ForkLock

MAGIC = b"\x89FAE\r\n\x1a\n"
END_MAGIC = b"FAEEND\r\n"
VERSION = 0
_HEADER = struct.Struct("<8sHHI")  # magic, version, reserved, crc32 of what precedes it
_FOOTER = struct.Struct("<QIQI8s")  # index length, index crc32, file length, crc32 of what precedes it, magic
MAX_TEXT = 1 << 28  # bytes one compressed text may unfold to
MAX_SAMPLES = 1 << 24
MAX_WINDOW_SITES = 1 << 16
MAX_PLOIDY = 1 << 10
_WIDE = 1 << 11  # added to the ploidy of a window with alleles of two digits
MAX_ATTRIBUTES = 1 << 16
MAX_WINDOW_CALLS = 1 << 32  # alleles of all samples that a reader may have to hold at a time

# What a section holds. The order is the order of writing: all that a window's blocks share comes before them.
HEADER, SAMPLES, SITES, COLUMNS, MODEL, BLOCK, LATENTS = range(7)
_MAX_GAP = 1 << 12  # bytes that nobody asked for, between two pieces that are read at once from far away
_PARTLY_LATENTS = (MODEL, BLOCK)  # kinds of sections whose first bytes may be latents of a predictor


@dataclass(frozen=True)
class Section:
    """Where a section lies and what it is; the first `latents` bytes of a block or model are of latents."""

    kind: int
    window: int
    slab: int
    offset: int
    length: int
    crc: int
    predictor: int = 0
    latents: int = 0


@dataclass
class Window:
    """A range of sites: how many, the ploidy of their calls, and from where to where they reach on each chromosome."""

    n_sites: int
    ploidy: int
    spans: list[tuple[str, int, int]]  # (chromosome, first position, last position that a record reaches)
    is_wide: bool = False  # some allele is above 126


@dataclass
class Index:
    """What a reader knows of an archive before it reads any section."""

    n_samples: int
    ploidy: int
    slab_samples: int
    windows: list[Window] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    @property
    def n_slabs(self) -> int:
        return -(-self.n_samples // self.slab_samples)

    @property
    def is_wide(self) -> bool:
        return any(window.is_wide for window in self.windows)

    @property
    def n_sites(self) -> int:
        return sum(window.n_sites for window in self.windows)


class ByteReader:
    """Reads numbers off bytes that may be hostile: each step is checked against what is left."""

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        self._data, self._at, self._what = memoryview(data), 0, what

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, n: int) -> memoryview:
        if n > self.left:
            raise FormatError(f"the {self._what} needs {n} more bytes and has {self.left}: the archive is corrupt")
        self._at += n
        return self._data[self._at - n : self._at]

    def varint(self, limit: int = (1 << 63) - 1) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 63:
                break
        if value > limit:
            raise FormatError(f"the {self._what} holds {value} where at most {limit} can be: the archive is corrupt")
        return value

    def count(self, item_bytes: int = 1) -> int:
        """A number of items that each take at least `item_bytes` of what is left."""
        return self.varint(self.left // item_bytes)

    def text(self) -> str:
        return decode_text(bytes(self.take(self.count())), self._what)

    def finish(self) -> None:
        if self.left:
            raise FormatError(f"the {self._what} has {self.left} bytes too many: the archive is corrupt")


def varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte, lowest first; a set top bit says that more follow (LEB128)."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def counted(data: bytes) -> bytes:
    return varint(len(data)) + data


def encode_text(text: str) -> bytes:
    """Bytes of any text a file held, valid UTF-8 or not."""
    return text.encode("utf-8", "surrogateescape")


def decode_text(data: bytes, what: str) -> str:
    return data.decode("utf-8", "surrogateescape")


# One LZMA stream without a container: the index has the checksum, and a dictionary of 8 MiB bounds the memory.
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 23}]


def compress(data: bytes) -> bytes:
    """Length, then the bytes as one raw LZMA2 stream.

    Raises
    ------
    InputError
        If the bytes are more than a reader unfolds.
    """
    if len(data) > MAX_TEXT:
        raise InputError(
            f"{len(data)} bytes of text are to be held in one piece, a reader unfolds at most {MAX_TEXT}; "
            "give smaller block_variants, or a shorter header or list of samples"
        )
    return varint(len(data)) + lzma.compress(data, format=lzma.FORMAT_RAW, filters=_LZMA)


def decompress(data: bytes | memoryview, what: str) -> bytes:
    """Undoes `compress`; never gives, nor holds, more than the length it was told."""
    reader = ByteReader(data, what)
    length = reader.varint(MAX_TEXT)
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_LZMA)
    try:
        out = decoder.decompress(bytes(reader.take(reader.left)), max_length=length + 1)
    except lzma.LZMAError:
        raise FormatError(f"the {what} does not decompress: the archive is corrupt") from None
    if len(out) != length or not decoder.eof or decoder.unused_data:
        raise FormatError(f"the {what} does not decompress to the {length} bytes it promises: the archive is corrupt")
    return out


class ContainerWriter:
    """Writes sections to an open file and, at the end, the index of what it wrote."""

    def __init__(self, file: BinaryIO, index: Index) -> None:
        self._file, self.index = file, index
        head = _HEADER.pack(MAGIC, VERSION, 0, 0)[:-4]
        self._offset = file.write(head + struct.pack("<I", zlib.crc32(head)))

    def add_window(self, window: Window) -> int:
        """Begin a window behind those that are there; its number, for its sections."""
        self.index.windows.append(window)
        self.index.ploidy = max(self.index.ploidy, window.ploidy)
        return len(self.index.windows) - 1

    def add(
        self, kind: int, data: bytes, *, window: int = 0, slab: int = 0, predictor: int = 0, latents: int = 0
    ) -> None:
        self.index.sections.append(
            Section(kind, window, slab, self._offset, len(data), zlib.crc32(data), predictor, latents)
        )
        self._file.write(data)
        self._offset += len(data)

    def finish(self) -> None:
        data = _index_bytes(self.index)
        total = self._offset + len(data) + _FOOTER.size
        foot = _FOOTER.pack(len(data), zlib.crc32(data), total, 0, END_MAGIC)
        foot = foot[:20] + struct.pack("<I", zlib.crc32(foot[:20])) + END_MAGIC
        self._file.write(data + foot)


def _index_bytes(index: Index) -> bytes:
    names = list(dict.fromkeys(name for window in index.windows for name, _, _ in window.spans))
    number = {name: i for i, name in enumerate(names)}
    out = [varint(index.n_samples), varint(index.ploidy), varint(index.slab_samples)]
    out += [varint(len(names)), *(counted(encode_text(name)) for name in names)]
    out.append(varint(len(index.windows)))
    for window in index.windows:
        out += [varint(window.n_sites), varint(window.ploidy + _WIDE * window.is_wide), varint(len(window.spans))]
        for name, first, last in window.spans:
            out += [varint(number[name]), varint(first), varint(last - first)]
    out.append(varint(len(index.sections)))
    for section in index.sections:
        out += [bytes([section.kind]), varint(section.length), struct.pack("<I", section.crc)]
        if section.kind >= SITES:
            out.append(varint(section.window))
        if section.kind == BLOCK:
            out += [varint(section.slab), bytes([section.predictor])]
        if section.kind in _PARTLY_LATENTS:
            out.append(varint(section.latents))
    return b"".join(out)


def _parse_index(data: bytes, sections_end: int) -> Index:
    reader = ByteReader(data, "index")
    index = Index(reader.varint(MAX_SAMPLES), reader.varint(MAX_PLOIDY), reader.varint(MAX_SAMPLES))
    if index.slab_samples == 0 or index.ploidy == 0:
        raise FormatError("the index says that a block holds no alleles: the archive is corrupt")
    names = [reader.text() for _ in range(reader.count())]
    for _ in range(reader.count(3)):
        n_sites, ploidy = reader.varint(MAX_WINDOW_SITES), reader.varint(index.ploidy + _WIDE)
        window = Window(n_sites, ploidy % _WIDE, [], ploidy >= _WIDE)
        if window.n_sites == 0 or window.ploidy == 0:
            raise FormatError("the index says that a window holds no alleles: the archive is corrupt")
        if window.ploidy > index.ploidy:
            raise FormatError(f"the index holds {window.ploidy} where at most {index.ploidy} can be: it is corrupt")
        if window.n_sites * index.n_samples * window.ploidy > MAX_WINDOW_CALLS:
            raise FormatError("the index says that a window holds more than 2^32 alleles: the archive is corrupt")
        for _ in range(reader.count(3)):
            name = names[reader.varint(len(names) - 1)] if names else ""
            first = reader.varint()
            window.spans.append((name, first, first + reader.varint()))
        index.windows.append(window)
    offset = _HEADER.size
    for _ in range(reader.count(6)):
        kind, length = reader.take(1)[0], reader.varint()
        (crc,) = struct.unpack("<I", reader.take(4))
        number = slab = predictor = latents = 0
        if kind > LATENTS:
            raise FormatError(f"the index lists a section of unknown kind {kind}: the archive is corrupt")
        if kind >= SITES:
            number = reader.varint(len(index.windows) - 1) if index.windows else -1
        if kind == BLOCK:
            slab, predictor = reader.varint(), reader.take(1)[0]
        if kind in _PARTLY_LATENTS:
            latents = reader.varint(length)
        if number < 0 or (kind == BLOCK and slab >= index.n_slabs):
            raise FormatError("the index lists a block outside the cohort: the archive is corrupt")
        index.sections.append(Section(kind, number, slab, offset, length, crc, predictor, latents))
        offset += length
    reader.finish()
    if index.windows and index.ploidy != max(window.ploidy for window in index.windows):
        raise FormatError(f"the index says that calls have {index.ploidy} alleles, none has: the archive is corrupt")
    if offset != sections_end:
        raise FormatError(
            f"the index describes {offset} bytes of sections, {sections_end} are there: the archive is corrupt"
        )
    return index


_READERS = {0: _parse_index}  # of the index, by version: all else is read alike


class ContainerReader:
    """An archive's sections, each read and checked when asked for. `bytes_read` counts what was read from the file.

    Pickling takes the index along, so that whoever gets the copy opens the file when a section is first asked for.
    """

    def __init__(self, place: Any) -> None:
        self._source: Source | None = open_source(place)
        self.path, self.is_remote, self.size = self._source.name, self._source.is_remote, self._source.size
        self._place: Any = place
        self.is_closed = False
        self._start()
        try:
            self._index_data = self._open()
            self._parse()
        except BaseException:
            self.close()
            raise

    @property
    def index(self) -> Index:
        self.check_open()  # also what is in memory ends with the file, so that no answer hangs on what was asked before
        return self._index

    def check_open(self) -> None:
        """Refuse to go on after `close`, with a ValueError."""
        if self.is_closed:
            raise ValueError(f"{self.path} is closed: open the archive again to read from it")

    def _start(self) -> None:
        self.bytes_read = 0
        self._lock = ForkLock()  # of the count, and of opening the file again
        self._ahead: dict[Section, bytes] = {}  # sections that were read together with another

    def _parse(self) -> None:
        sections_end = self.size - self.index_bytes
        self._index = _READERS[self.version](self._index_data, sections_end)
        self._by_key = {(s.kind, s.window, s.slab): s for s in self.index.sections}
        if len(self._by_key) != len(self.index.sections):
            raise FormatError("the index lists a section twice: the archive is corrupt")
        self._check_complete()

    def __getstate__(self) -> dict[str, Any]:
        place = self._opened().place() if self._source is not None or self.is_closed else self._place
        left_out = ("_place", "_source", "_lock", "_ahead", "_index", "_by_key", "bytes_read")
        return {"_place": place, **{name: value for name, value in vars(self).items() if name not in left_out}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._source = None
        self._start()
        self._parse()

    def _opened(self) -> Source:
        """The file, opened again where this is a copy of a reader in another process."""
        self.check_open()
        if self._source is None:
            with self._lock:
                if self._source is None:
                    source = open_source(self._place)
                    if source.size != self.size:
                        source.close()
                        raise FormatError(f"{self.path} is not the file that it was: open the archive again")
                    self._source = source
        return self._source

    def _open(self) -> bytes:
        """Check header and footer; the index, still bytes."""
        size = self.size
        head = self._read(0, min(size, _HEADER.size))
        if len(head) < len(MAGIC) or head[: len(MAGIC)] != MAGIC:
            raise FormatError(f"{self.path} is not a fastae archive: its first bytes are not an archive's")
        if size < _HEADER.size + _FOOTER.size:
            raise FormatError(f"{self.path} ends after {size} bytes: the archive is truncated")
        _, version, _, crc = _HEADER.unpack(head)
        if zlib.crc32(head[:-4]) != crc:
            raise ChecksumError(f"{self.path}: the header does not match its checksum: the archive is corrupt")
        if version not in _READERS:
            raise VersionError(
                f"{self.path} is an archive of version {version}, this release reads up to {VERSION}: update fastae"
            )
        foot = self._read(size - _FOOTER.size, _FOOTER.size)
        length, index_crc, total, foot_crc, magic = _FOOTER.unpack(foot)
        if magic != END_MAGIC or zlib.crc32(foot[:20]) != foot_crc or total != size:
            raise FormatError(f"{self.path} does not end as an archive does: it is truncated or corrupt")
        if length > size - _HEADER.size - _FOOTER.size:
            raise FormatError(f"{self.path}: the index is longer than the file: the archive is corrupt")
        data = self._read(size - _FOOTER.size - length, length)
        if zlib.crc32(data) != index_crc:
            raise ChecksumError(f"{self.path}: the index does not match its checksum: the archive is corrupt")
        self.version, self.header_bytes, self.index_bytes = version, len(head), length + _FOOTER.size
        return data

    def _check_complete(self) -> None:
        """Nothing is promised that is not there, before memory is reserved for it."""
        n_windows = len(self.index.windows)
        there = Counter(section.kind for section in self.index.sections)
        for kind, n in ((HEADER, 1), (SAMPLES, 1), (SITES, n_windows), (COLUMNS, n_windows)):
            if there[kind] != n:
                raise FormatError(f"{self.path} lacks a section that its index must list: the archive is corrupt")
        if there[BLOCK] != n_windows * self.index.n_slabs:
            raise FormatError(f"{self.path} lacks a block that it must have: the archive is corrupt")

    def _read(self, offset: int, length: int) -> bytes:
        data = self._opened().read(offset, length)
        with self._lock:
            self.bytes_read += length
        return data

    def read_ahead(self, sections: Iterable[Section]) -> None:
        """Ask at once for what lies side by side of sections that are to be read, where asking takes long."""
        if not self.is_remote:
            return
        run: list[Section] = []
        for section in sorted(sections, key=lambda section: section.offset):
            if run and section.offset > run[-1].offset + run[-1].length + _MAX_GAP:
                self._read_run(run)
                run = []
            run.append(section)
        self._read_run(run)

    def _read_run(self, run: list[Section]) -> None:
        if len(run) < 2:
            return
        start = run[0].offset
        data = self._read(start, run[-1].offset + run[-1].length - start)
        self._ahead |= {s: data[s.offset - start : s.offset - start + s.length] for s in run}

    def find(self, kind: int, window: int = 0, slab: int = 0) -> Section | None:
        return self._by_key.get((kind, window, slab))

    def section(self, kind: int, window: int = 0, slab: int = 0) -> Section:
        """One that every archive has."""
        return self._by_key[kind, window, slab]

    def read(self, kind: int, window: int = 0, slab: int = 0) -> bytes:
        return self.read_section(self.section(kind, window, slab))

    def read_section(self, section: Section) -> bytes:
        data = self._ahead.pop(section, None)
        if data is None:
            data = self._read(section.offset, section.length)
        if zlib.crc32(data) != section.crc:
            raise ChecksumError(
                f"{self.path}: {section.length} bytes at {section.offset} do not match their checksum: "
                "the archive is corrupt"
            )
        return data

    def close(self) -> None:
        self.is_closed = True
        self._ahead.clear()
        if self._source is not None:
            self._source.close()
