# SPDX-License-Identifier: Apache-2.0
"""The archive's frame: numbers, texts, sections, index and footer; and what each refuses."""

import io
import os
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastae.archive import container, open_archive, write_archive
from fastae.archive.container import (
    ByteReader,
    ContainerReader,
    ContainerWriter,
    Index,
    Window,
    compress,
    counted,
    decode_text,
    decompress,
    encode_text,
    varint,
)
from fastae.errors import ChecksumError, FormatError, InputError, VersionError

# ---- numbers and texts -------------------------------------------------------------------------------


@given(st.integers(0, 2**63 - 1), st.binary(max_size=3))
def test_varints_come_back_and_know_where_they_end(value, rest):
    data = varint(value)
    assert len(data) == max(1, -(-value.bit_length() // 7))
    reader = ByteReader(data + rest, "test")
    assert reader.varint() == value
    assert bytes(reader.take(reader.left)) == rest
    with pytest.raises(FormatError, match="needs 1 more bytes and has 0"):
        ByteReader(data[:-1], "test").varint()


@pytest.mark.parametrize("value", [128, 2**31, 2**63 - 1])
def test_varints_above_their_limit_are_refused(value):
    with pytest.raises(FormatError, match=f"the test holds {value} where at most {value - 1} can be"):
        ByteReader(varint(value), "test").varint(value - 1)


def test_varints_without_end_are_refused():
    for data in (b"\xff" * 100, b"\x80" * 9 + b"\x7f", varint(2**63)):
        with pytest.raises(FormatError):
            ByteReader(data, "test").varint()


def test_counts_cannot_ask_for_more_items_than_bytes_are_left():
    assert ByteReader(varint(4) + bytes(8), "test").count(2) == 4
    with pytest.raises(FormatError, match="holds 5 where at most 4 can be"):
        ByteReader(varint(5) + bytes(8), "test").count(2)
    with pytest.raises(FormatError, match="3 bytes too many"):
        ByteReader(bytes(3), "test").finish()
    with pytest.raises(FormatError, match="needs 4 more bytes and has 3"):
        ByteReader(bytes(3), "test").take(4)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_text(data):
    text = decode_text(data, "test")
    assert encode_text(text) == data
    assert ByteReader(counted(data), "test").text() == text


@given(st.binary(max_size=300))
def test_compressed_bytes_come_back(data):
    packed = compress(data)
    assert decompress(packed, "test") == data
    for bad in (packed[:-1], packed + b"\0", b""):
        with pytest.raises(FormatError):
            decompress(bad, "test")


def test_a_compressed_text_never_unfolds_to_more_than_it_promises():
    bomb = compress(bytes(1 << 24))
    assert len(bomb) < 5000
    start = len(varint(1 << 24))
    for promised in (0, 1, 1000, (1 << 24) - 1, (1 << 24) + 1):
        with pytest.raises(FormatError, match=f"does not decompress to the {promised} bytes"):
            decompress(varint(promised) + bomb[start:], "test")
    with pytest.raises(FormatError, match="at most 268435456"):
        decompress(varint((1 << 28) + 1) + bomb[start:], "test")


def test_compressed_bytes_that_are_none_are_refused():
    for data in (b"\5", b"\5\xff\xff\xff", varint(5) + bytes(20)):
        with pytest.raises(FormatError, match="does not decompress"):
            decompress(data, "test")


# ---- sections, index, footer -------------------------------------------------------------------------

SECTIONS = [
    (container.HEADER, b"head", {}),
    (container.SAMPLES, b"", {}),
    (container.SITES, b"sites of 0", {"window": 0}),
    (container.COLUMNS, b"columns of 0", {"window": 0}),
    (container.BLOCK, b"block 0, 0", {"window": 0, "slab": 0, "predictor": 1, "latents": 7}),
    (container.BLOCK, b"block 0, 1", {"window": 0, "slab": 1}),
    (container.SITES, b"sites of 1", {"window": 1}),
    (container.COLUMNS, b"columns of 1", {"window": 1}),
    (container.MODEL, bytes(range(256)), {"window": 1}),
    (container.BLOCK, b"block 1, 0", {"window": 1, "slab": 0}),
    (container.BLOCK, b"block 1, 1", {"window": 1, "slab": 1}),
]


def some_index():
    spans = [("chr1", 5, 90), ("é", 0, 2**62)], [("chr1", 90, 90)]
    return Index(10, 2, 6, [Window(40, 1, spans[0]), Window(65536, 2, spans[1])])


def container_bytes(index=None, sections=SECTIONS):
    file = io.BytesIO()
    writer = ContainerWriter(file, index or some_index())
    for kind, data, where in sections:
        writer.add(kind, data, **where)
    writer.finish()
    return file.getvalue()


@pytest.fixture
def opened(tmp_path):
    readers = []

    def open_bytes(data):
        (tmp_path / "a").write_bytes(data)
        readers.append(ContainerReader(tmp_path / "a"))
        return readers[-1]

    yield open_bytes
    for reader in readers:
        reader.close()


def test_sections_and_index_come_back(opened):
    data = container_bytes()
    reader = opened(data)
    assert reader.index.windows == some_index().windows
    assert (reader.index.n_samples, reader.index.ploidy, reader.index.slab_samples) == (10, 2, 6)
    for kind, payload, where in SECTIONS:
        found = reader.find(kind, where.get("window", 0), where.get("slab", 0))
        assert (found.predictor, found.latents) == (where.get("predictor", 0), where.get("latents", 0))
        assert reader.read_section(found) == payload
    assert reader.find(container.MODEL, 0) is None
    assert reader.bytes_read == len(data)


@pytest.mark.parametrize("missing", [i for i, section in enumerate(SECTIONS) if section[0] != container.MODEL])
def test_an_index_without_a_section_that_it_needs_is_refused(opened, missing):
    with pytest.raises(FormatError, match="lacks a"):
        opened(container_bytes(sections=SECTIONS[:missing] + SECTIONS[missing + 1 :]))


def test_only_what_is_asked_for_is_read(opened):
    reader = opened(container_bytes())
    at_open = reader.bytes_read
    assert reader.read(container.BLOCK, 0, 1) == b"block 0, 1"
    assert reader.bytes_read == at_open + 10


def changed(**fields):
    index = some_index()
    for name, value in fields.items():
        setattr(index, name, value)
    return index


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (changed(n_samples=(1 << 24) + 1), "at most 16777216 can be"),
        (changed(ploidy=1025), "at most 1024 can be"),
        (changed(ploidy=0), "a block holds no alleles"),
        (changed(slab_samples=0), "a block holds no alleles"),
        (changed(slab_samples=10), "a block outside the cohort"),
        (changed(windows=[Window(65537, 1, [])] * 2), "at most 65536 can be"),
        (changed(windows=[Window(0, 1, [])] * 2), "a window holds no alleles"),
        (changed(windows=[Window(1, 0, [])] * 2), "a window holds no alleles"),
        (changed(windows=[Window(1, 3, [])] * 2), "holds 3 where at most 2 can be"),
        (changed(windows=[Window(1, 1, [])] * 2), "calls have 2 alleles, none has"),
        (changed(windows=[Window(1, 1, [])]), "holds 1 where at most 0 can be"),
        (changed(windows=[]), "a block outside the cohort"),
    ],
)
def test_an_index_that_cannot_be_is_refused(opened, index, message):
    with pytest.raises(FormatError, match=message):
        opened(container_bytes(index))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ((7, b"", {"window": 0}), "section of unknown kind 7"),
        ((container.HEADER, b"", {}), "lists a section twice"),
        ((container.BLOCK, b"", {"window": 0, "slab": 1}), "lists a section twice"),
        ((container.BLOCK, b"", {"window": 0, "slab": 2}), "a block outside the cohort"),
        ((container.BLOCK, b"1234", {"window": 1, "slab": 0, "latents": 5}), "holds 5 where at most 4 can be"),
    ],
)
def test_sections_that_cannot_be_are_refused(opened, extra, message):
    with pytest.raises(FormatError, match=message):
        opened(container_bytes(sections=[*SECTIONS, extra]))


def with_footer(data, body, index, **fields):
    """An archive of this body and these index bytes, with a footer that fits but for `fields`."""
    total = len(body) + len(index) + 32
    values = {"length": len(index), "crc": zlib.crc32(index), "total": total, "magic": container.END_MAGIC} | fields
    foot = struct.pack("<QIQ", values["length"], values["crc"], values["total"])
    return body + index + foot + struct.pack("<I", zlib.crc32(foot)) + values["magic"]


def test_a_footer_that_does_not_fit_is_refused(opened):
    data = container_bytes()
    length = struct.unpack("<Q", data[-32:-24])[0]
    body, index = data[: -32 - length], data[-32 - length : -32]
    assert with_footer(data, body, index) == data
    for fields in ({"magic": b"FAEEND\r\r"}, {"total": len(data) - 1}):
        with pytest.raises(FormatError, match="does not end as an archive does"):
            opened(with_footer(data, body, index, **fields))
    with pytest.raises(FormatError, match="index is longer than the file"):
        opened(with_footer(data, body, index, length=len(data)))
    with pytest.raises(ChecksumError, match="index does not match its checksum"):
        opened(with_footer(data, body, index, crc=0))
    with pytest.raises(FormatError, match="describes 360 bytes of sections, 361 are there"):
        opened(with_footer(data, body + b"\0", index))
    with pytest.raises(FormatError, match="the index has 1 bytes too many"):
        opened(with_footer(data, body, index + b"\0"))


def test_a_newer_version_is_refused_by_name(opened):
    data = bytearray(container_bytes())
    data[8] = 1
    with pytest.raises(ChecksumError, match="header does not match its checksum"):
        opened(bytes(data))
    data[12:16] = struct.pack("<I", zlib.crc32(data[:12]))
    with pytest.raises(VersionError, match="is an archive of version 1, this release reads up to 0: update fastae"):
        opened(bytes(data))


@pytest.mark.parametrize("data", [b"", b"\x89FAE", b"##fileformat=VCFv4.2\n" * 9, bytes(100), b"\x89PNG\r\n\x1a\n" * 9])
def test_other_files_are_no_archives(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(FormatError, match="is not a fastae archive"):
        open_archive(tmp_path / "a")


def test_a_path_without_an_archive_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_archive(tmp_path / "none")
    with pytest.raises(IsADirectoryError, match="is a directory, an archive is a file"):
        open_archive(tmp_path)


def test_a_pipe_is_no_archive_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is a pipe or a device, an archive is read by pieces from a file"):
        open_archive(tmp_path / "pipe")


def test_a_file_cut_while_open_is_noticed(tmp_path, rng):
    path = tmp_path / "a"
    write_archive(path, rng.integers(0, 2, (50, 40, 2)), predictor="frequency")
    with open_archive(path) as archive:
        os.truncate(path, 300)
        with pytest.raises(FormatError, match="ends early: it was truncated while open"):
            archive[:]


def test_files_are_closed_after_a_refusal(tmp_path):
    (tmp_path / "a").write_bytes(container_bytes()[:-1])
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    for _ in range(3):
        with pytest.raises(FormatError):
            open_archive(tmp_path / "a")
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before
