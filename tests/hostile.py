# SPDX-License-Identifier: Apache-2.0
"""Archives that no writer makes, with checksums that fit, to test what stands behind the checksums."""

import contextlib
import dataclasses
import struct
import zlib

from fastae.archive import container, open_archive
from fastae.archive.container import ContainerReader, ContainerWriter, Index
from fastae.errors import InputError


def read_everything(path):
    with open_archive(path) as archive:
        archive.verify()
        archive.latents()
        archive.hamming()
        archive.info()
        with contextlib.suppress(InputError):  # a chromosome that a hostile index does not name
            archive.query(archive.sites.chrom[:1])
        return archive.read()


def taken_apart(data, path):
    """(index, sections' bytes) of an archive."""
    path.write_bytes(data)
    reader = ContainerReader(path)
    payloads = [reader.read_section(section) for section in reader.index.sections]
    reader.close()
    return reader.index, payloads


def put_together(index, payloads, path, sections=None):
    """An archive of these sections with checksums that fit."""
    blank = Index(index.n_samples, index.ploidy, index.slab_samples, index.windows)
    with open(path, "wb") as file:
        made = ContainerWriter(file, blank)
        for s, payload in zip(sections or index.sections, payloads, strict=True):
            made.add(s.kind, payload, window=s.window, slab=s.slab, predictor=s.predictor, latents=s.latents)
        made.finish()
    return path.read_bytes()


def with_lengths(sections, payloads):
    """The sections with latents that the payloads have room for."""
    return [
        dataclasses.replace(section, latents=min(section.latents, len(payload)))
        for section, payload in zip(sections, payloads, strict=True)
    ]


def mutations(rng, data, n):
    """Random small damage: flips, other bytes, extreme bytes, cuts, insertions, swaps."""
    for _ in range(n):
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, max(len(damaged), 1)))
            kind = rng.integers(0, 6)
            if kind == 0 and damaged:
                damaged[at] ^= 1 << rng.integers(0, 8)
            elif kind == 1 and damaged:
                damaged[at] = rng.integers(0, 256)
            elif kind == 2 and damaged:
                damaged[at] = rng.choice([0, 1, 127, 128, 255])
            elif kind == 3:
                del damaged[at:]
            elif kind == 4:
                damaged[at:at] = rng.bytes(rng.integers(1, 12))
            else:
                other = int(rng.integers(0, max(len(damaged), 1)))
                damaged[at : at + 5], damaged[other : other + 5] = damaged[other : other + 5], damaged[at : at + 5]
        yield bytes(damaged)


def with_index(data, change):
    """The archive with other index bytes, and a footer that fits them."""
    length = struct.unpack("<Q", data[-32:-24])[0]
    body, index = data[: -32 - length], change(data[-32 - length : -32])
    foot = struct.pack("<QIQ", len(index), zlib.crc32(index), len(body) + len(index) + 32)
    return body + index + foot + struct.pack("<I", zlib.crc32(foot)) + container.END_MAGIC
