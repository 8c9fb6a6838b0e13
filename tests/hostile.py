# SPDX-License-Identifier: Apache-2.0
"""Archives that no writer makes, with checksums that fit, to test what stands behind the checksums."""

import contextlib
import dataclasses
import os
import struct
import zlib

import numpy as np

from fastae.archive import concat_archives, container, open_archive, subset_archive
from fastae.archive.container import ContainerReader, ContainerWriter, Index
from fastae.errors import FormatError, InputError

CHUNK_HEAD = 12  # bytes of a chunk before those that its checksum, the last four of these, is also of


def chunk_with(head, body):
    """A chunk of the codec of these bytes, with the checksum that fits: head is CHUNK_HEAD - 4 of them."""
    return bytes(head) + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + bytes(body)


def read_everything(path):
    with open_archive(path) as archive:
        archive.verify()
        archive.latents()
        archive.hamming()
        archive.info()
        with contextlib.suppress(InputError):  # a chromosome that a hostile index does not name
            archive.query(archive.sites.chrom[:1])
        return archive.read()


def use_everything(path, out=None):
    """Reads, computes on, and if there is an `out` cuts and joins an archive: each is refused by FormatError, or done.

    What is both read and computed on must agree; what is written to `out` must be an archive.
    """
    with open_archive(path) as archive:
        n_variants, n_samples, _ = archive.shape
        variants, samples = slice(n_variants // 3, None), slice(0, n_samples // 2 + 1)

        def edit(write, *args):
            with contextlib.suppress(InputError):  # such as positions that go back
                write(out, *args)
                read_everything(out)

        uses = {
            "calls": lambda: archive[:],
            "counts": archive.allele_counts,
            "some counts": lambda: archive.allele_counts(variants, samples),
            "products": lambda: archive.dot(np.arange(n_samples)),
            "products of rows": lambda: archive.rdot(np.arange(n_variants)),
            "one person": lambda: archive[:, :1],
            "a part": lambda: archive.read(variants, samples),
        }
        if out is not None:
            uses["cut"] = lambda: edit(subset_archive, archive, variants)
            uses["cut of people"] = lambda: edit(subset_archive, archive, variants, samples)
            uses["joined"] = lambda: edit(concat_archives, [path, path])
        found = {}
        for name, use in uses.items():
            with contextlib.suppress(FormatError):
                found[name] = use()
    if "calls" in found:
        calls = found["calls"]
        dosages = (calls > 0).sum(axis=2)
        wanted = {
            "counts": np.stack(
                [(calls == allele).sum(axis=(1, 2)) for allele in range(max(calls.max(initial=1), 1) + 1)]
            ),
            "products": dosages @ np.arange(n_samples),
            "products of rows": np.arange(n_variants) @ dosages,
            "one person": calls[:, :1],
        }
        for name, want in wanted.items():
            if name in found:
                np.testing.assert_array_equal(found[name].T if name == "counts" else found[name], want, err_msg=name)


@contextlib.contextmanager
def flipped_in_place(path, whole, bit):
    """The file, which holds `whole`, with a bit flipped for a while: a file to each flip takes the most time of all."""
    file = os.open(path, os.O_RDWR)
    try:
        os.pwrite(file, bytes([whole[bit // 8] ^ 1 << bit % 8]), bit // 8)
        yield
    finally:
        os.pwrite(file, whole[bit // 8 : bit // 8 + 1], bit // 8)
        os.close(file)


def taken_apart(data, path):
    """(index, sections' bytes) of an archive."""
    path.write_bytes(data)
    with contextlib.closing(ContainerReader(path)) as reader:
        return reader.index, [reader.read_section(section) for section in reader.index.sections]


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
