# SPDX-License-Identifier: Apache-2.0
"""The container of an archive, a header, sections, an index and a footer, and the two small sections: §5.1."""

from dataclasses import dataclass, field

from .data import Bytes, check, crc32

HEADER, SAMPLES, SITES, COLUMNS, MODEL, BLOCK, ANALYSIS = range(7)


@dataclass
class Section:
    """A section: its bytes, and what the index says of them."""

    data: bytes
    slab: int = 0
    predictor: int = 0
    n_latent_bytes: int = 0  # λ


@dataclass
class Window:
    """A window: its sites, its ploidy, how wide alleles are; its sections by kind; of blocks, a list of one a slab."""

    n_sites: int
    ploidy: int
    is_wide: bool  # columns have kinds above 129
    sections: dict[int, Section] = field(default_factory=dict)
    blocks: dict[int, Section] = field(default_factory=dict)


@dataclass
class Container:
    """An archive taken apart."""

    n_samples: int
    ploidy: int
    slab_samples: int
    header: bytes
    samples: bytes
    windows: list[Window]

    @property
    def slabs(self):
        """The samples of each slab, as slices."""
        return [
            slice(first, min(first + self.slab_samples, self.n_samples))
            for first in range(0, self.n_samples, self.slab_samples)
        ]


def read_container(data):
    """§5.1: all sections of a file."""
    check(len(data) >= 48 and data[:8] == bytes.fromhex("89 46 41 45 0D 0A 1A 0A"), "not an archive")
    check(data[-8:] == bytes.fromhex("46 41 45 45 4E 44 0D 0A"), "the end is missing")
    header = Bytes(data[8:16])
    check(header.unsigned(16) == 0, "another version")
    check(header.unsigned(16) == 0, "bytes 10 and 11 are not 0")
    check(header.unsigned(32) == crc32(data[:12]), "the header is damaged")
    footer = Bytes(data[-32:-8])
    index_length, index_crc, file_length = footer.unsigned(64), footer.unsigned(32), footer.unsigned(64)
    check(footer.unsigned(32) == crc32(data[-32:-12]), "the footer is damaged")
    check(file_length == len(data) and index_length <= len(data) - 48, "the file has another length")
    index = data[len(data) - 32 - index_length : -32]
    check(crc32(index) == index_crc, "the index is damaged")
    return read_index(Bytes(index), Bytes(data[16 : len(data) - 32 - index_length]))


def read_index(index, sections):
    """§5.1, "The index", and the sections that it lists."""
    n_samples, ploidy, slab_samples = index.varint(), index.varint(), index.varint()
    check(n_samples <= 2**24 and 1 <= ploidy <= 2**10 and 1 <= slab_samples <= 2**24, "wrong sizes")
    names = [index.text() for _ in range(index.varint())]
    windows = []
    for _ in range(index.varint()):
        n_here, said = index.varint(), index.varint()
        window = Window(n_here, said % 2**11, said >= 2**11)
        check(said < 2**12, "no such ploidy")
        check(1 <= window.n_sites <= 2**16 and 1 <= window.ploidy <= ploidy, "wrong sizes of a window")
        check(window.n_sites * n_samples * window.ploidy <= 2**32, "a window is too large")
        windows.append(window)
        for _ in range(index.varint()):  # the spans only tell which windows a region may lie in
            name, _first, _more = index.varint(), index.varint(), index.varint()
            check(name < len(names), "a span names no chromosome")
    check(ploidy == max((window.ploidy for window in windows), default=ploidy), "the ploidy is not that of the windows")
    whole = {}
    for _ in range(index.varint()):
        kind, length, crc = index.unsigned(8), index.varint(), index.unsigned(32)
        section = Section(sections.take(length))
        check(kind <= ANALYSIS, f"no kind {kind} of sections")
        check(crc32(section.data) == crc, "a section is damaged")
        if kind < SITES:
            home, key = whole, kind
        else:
            number = index.varint()
            check(number < len(windows), "a section of no window")
            home, key = windows[number].sections, kind
            if kind == BLOCK:
                section.slab, section.predictor = index.varint(), index.unsigned(8)
                check(section.predictor <= 4, f"no predictor {section.predictor}")
                home, key = windows[number].blocks, section.slab
            if kind in (MODEL, BLOCK):
                section.n_latent_bytes = index.varint()
                check(section.n_latent_bytes <= length, "more latents than bytes")
        check(key not in home, "a section is there twice")
        home[key] = section
    index.finish()
    sections.finish()
    check(whole.keys() == {HEADER, SAMPLES}, "the header or the samples are missing")
    container = Container(n_samples, ploidy, slab_samples, whole[HEADER].data, whole[SAMPLES].data, windows)
    for window in windows:
        check(window.sections.keys() >= {SITES, COLUMNS}, "sites or columns are missing")
        check(window.blocks.keys() == set(range(len(container.slabs))), "a block is missing")
    return container


def read_header(data):
    """§5.1, kind 0: the source, the header and the attributes."""
    header = Bytes(Bytes(data).compressed())
    source, text = header.text(), header.text()
    check(source in ("vcf", "fasta"), "another source")
    n_attributes = header.varint()
    check(n_attributes <= 2**16, "too many attributes")
    attributes = {}
    for _ in range(n_attributes):
        name = header.text()
        attributes[name] = header.text()
    header.finish()
    return source, text, attributes


def read_samples(data, n_samples):
    """§5.1, kind 1: the names of the samples."""
    names = Bytes(data).compressed()
    if n_samples == 0:
        check(not names, "names of no samples")
        return []
    texts = [name.decode("utf-8", "surrogateescape") for name in names.split(b"\n")]
    check(len(texts) == n_samples, "another number of names than of samples")
    return texts
