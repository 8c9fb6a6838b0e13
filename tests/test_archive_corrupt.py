# SPDX-License-Identifier: Apache-2.0
"""Damaged archives are refused, hostile ones do no harm, and a write that fails leaves things as they were.

A flipped bit is caught by a checksum. To see what stands behind the checksums, the second half mends them after the
damage: then the archive is refused, or decodes to something, within bounded time and memory.
"""

import contextlib
import dataclasses
import lzma
import os
import resource
import signal
import struct
import time

import independent_reader
import numpy as np
import pytest
from hostile import flipped_in_place, mutations, put_together, read_everything, taken_apart, use_everything, with_index

from fastae.archive import candidates, container, heads, open_archive, write_archive, writer
from fastae.archive.container import (
    Index,
    Window,
    compress,
    decompress,
    varint,
)
from fastae.archive.packing import pack_array
from fastae.archive.predictors import training
from fastae.cohort import MINIMAL_HEADER, Cohort, CohortStream, Sites
from fastae.errors import ChecksumError, FastaeError, FormatError, InputError

SPARE_MEMORY = 1 << 30
SECONDS = 10


def small_cohort():
    """32 people, 14 sites that two bits of each haplotype nearly explain, and some rare and odd calls."""
    rng = np.random.default_rng(11)
    a, b = rng.integers(0, 2, (2, 32, 2))
    calls = np.stack([a, b, a ^ b, 1 - a, 1 - b, 1 - a ^ b] * 2 + [a * 0, a * 0]).astype(np.int8)
    calls ^= (rng.random(calls.shape) < 0.03).astype(np.int8)
    calls[3, 5], calls[6, 7, 1], calls[9, 2, 0] = -1, -2, 2
    sites = Sites.numbered(14, 3)
    sites.chrom[9:] = ["2"] * 5
    return Cohort.from_arrays(calls, phased=np.arange(32) != 4, sites=sites)


def write_small(folder, predictor, **options):
    """Bytes of an archive of 2 x 2 blocks."""
    path = folder / "a.fae"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "MAX_EPOCHS", 40)
        write_archive(path, small_cohort(), predictor=predictor, block_variants=9, block_samples=20, **options)
    with open_archive(path) as archive:
        assert archive.info()["predictors"][predictor] >= 2
        assert archive.info()["bytes"]["total"] < 3000
    return path.read_bytes()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """An archive the first window of which is by an autoencoder."""
    return write_small(tmp_path_factory.mktemp("good"), "autoencoder")


@pytest.fixture(scope="module")
def by_pbwt(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("by_pbwt"), "pbwt")


@pytest.fixture(scope="module")
def by_runs(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("by_runs"), "runs")


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """An archive of alleles of two digits, and so of columns of all kinds."""
    path, cohort = tmp_path_factory.mktemp("wide") / "a.fae", small_cohort()
    calls = cohort.call_genotype.astype(np.int16)
    calls[3, ::2], calls[8, :9] = 127, [[300, 130]]
    write_archive(path, Cohort.from_arrays(calls, phased=cohort.call_genotype_phased), predictor="runs")
    return path.read_bytes()


@pytest.fixture(scope="module")
def with_latents(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("with_latents"), "runs", n_latents=3, latent_bits=3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "damaged.fae"


# ---- damage ------------------------------------------------------------------------------------------


def test_truncation_at_every_length_is_refused(good, path):
    path.write_bytes(good)
    read_everything(path)
    for length in reversed(range(len(good))):
        os.truncate(path, length)
        with pytest.raises(FormatError):
            open_archive(path)


def test_a_flip_of_every_bit_is_refused(good, path):
    by_checksum = 0
    path.write_bytes(good)
    for bit in range(8 * len(good)):
        with flipped_in_place(path, good, bit), pytest.raises(FormatError) as refusal, open_archive(path) as archive:
            archive.verify()
        by_checksum += refusal.type is ChecksumError
    assert by_checksum > 7 * len(good)


@pytest.mark.parametrize("written", ["by_pbwt", "by_runs", "with_latents"])
def test_a_flip_of_every_byte_of_sorted_blocks_is_refused(request, written, path):
    good = request.getfixturevalue(written)
    path.write_bytes(good)
    for position in range(len(good)):
        bit = 8 * position + position % 8
        with flipped_in_place(path, good, bit), pytest.raises(FormatError), open_archive(path) as archive:
            archive.verify()


def test_more_bytes_at_either_end_are_refused(good, path):
    for data in (good + b"\0", b"\0" + good, good + good):
        path.write_bytes(data)
        with pytest.raises(FormatError):
            open_archive(path)


def test_verify_looks_at_sections_that_no_call_needs(path):
    """Without samples no block is read, and what describes them would never be seen."""
    write_archive(path, np.zeros((5, 0, 2), np.int8))
    whole = path.read_bytes()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 1
        path.write_bytes(data)
        with pytest.raises(FormatError), open_archive(path) as archive:
            archive.verify()


# ---- hostile archives: all checksums fit -------------------------------------------------------------


@pytest.fixture
def bounds():
    """A limit on memory, beyond which Python raises MemoryError, and on time, beyond which TimeoutError."""
    with open("/proc/self/statm") as status:
        used = int(status.read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_MEMORY, limits[1]))

    def ring(*_):
        raise TimeoutError(f"an archive kept its reader busy for {SECONDS} seconds")

    handler = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, limits)


class Outcomes:
    """Reads archives that may be hostile; any exception but FormatError goes through."""

    def __init__(self, path):
        self.path, self.refused, self.decoded = path, 0, 0

    def add(self, data):
        self.path.write_bytes(data)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            read_everything(self.path)
        except FormatError:
            self.refused += 1
        else:
            self.decoded += 1
        signal.setitimer(signal.ITIMER_REAL, 0)


KINDS = {
    "header": container.HEADER,
    "samples": container.SAMPLES,
    "sites": container.SITES,
    "columns": container.COLUMNS,
    "model": container.MODEL,
    "block": container.BLOCK,
    "latents": container.LATENTS,
}


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        *(("good", kind) for kind in KINDS if kind != "latents"),
        ("with_latents", "latents"),
        ("by_pbwt", "columns"),
        ("by_pbwt", "block"),
        ("by_runs", "block"),
        ("wide", "columns"),
        ("wide", "block"),
    ],
)
def test_hostile_sections_are_refused_or_decode(request, path, bounds, rng, written, kind):
    good = request.getfixturevalue(written)
    index, payloads = taken_apart(good, path)
    assert put_together(index, payloads, path) == good
    outcomes = Outcomes(path)
    for number, section in enumerate(index.sections):
        if section.kind != KINDS[kind]:
            continue
        for damaged in mutations(rng, payloads[number], 150):
            sections = list(index.sections)
            sections[number] = dataclasses.replace(section, latents=min(section.latents, len(damaged)))
            changed = [*payloads[:number], damaged, *payloads[number + 1 :]]
            outcomes.add(put_together(index, changed, path, sections))
        if section.kind <= container.SITES:  # behind the compression, and what sites have before it
            start = before_text(payloads[number]) if section.kind == container.SITES else 0
            head, text = payloads[number][:start], decompress(payloads[number][start:], "test")
            for damaged in mutations(rng, text, 100):
                changed = [*payloads[:number], head + compress(damaged), *payloads[number + 1 :]]
                outcomes.add(put_together(index, changed, path))
    assert outcomes.refused > 30
    assert outcomes.decoded > 0 or kind == "samples"


def before_text(sites):
    """Bytes of a section of sites ahead of its compressed text."""
    reader = container.ByteReader(sites[1:], "test")
    reader.text()
    for _ in range(2 * reader.varint()):
        reader.varint()
    reader.take(reader.count())
    return len(sites) - reader.left


def test_hostile_indexes_are_refused_or_decode(good, path, bounds, rng):
    outcomes = Outcomes(path)
    index = with_index(good, lambda data: data)
    assert index == good
    length = struct.unpack("<Q", good[-32:-24])[0]
    for at in range(length):
        for byte in (0, 1, 0x7F, 0x80, 0xFF, None):
            other = byte if byte is not None else good[-32 - length + at] ^ 1
            outcomes.add(with_index(good, lambda data, at=at, new=other: data[:at] + bytes([new]) + data[at + 1 :]))
    for damaged in mutations(rng, good[-32 - length : -32], 300):
        outcomes.add(with_index(good, lambda data, damaged=damaged: damaged))
    assert outcomes.refused > 5 * length
    assert outcomes.decoded > 0


@pytest.mark.parametrize("n_samples", [0, 1, 31, 33, 1 << 24])
@pytest.mark.parametrize("slab_samples", [1, 20, 1 << 24])
def test_hostile_sizes_are_refused(good, path, bounds, n_samples, slab_samples):
    index, payloads = taken_apart(good, path)
    for ploidy in (1, 2, 3, 1024):
        for n_sites in (1, 9, 65536):
            windows = [Window(n_sites, ploidy, w.spans) for w in index.windows]
            path.write_bytes(
                put_together(Index(n_samples, ploidy, slab_samples, windows, index.sections), payloads, path)
            )
            with pytest.raises(FormatError):
                read_everything(path)


def with_sections(good, path, changed, n_sites=None):
    """The archive with other bytes for all sections of some kinds."""
    index, payloads = taken_apart(good, path)
    if n_sites is not None:
        index.windows = [Window(n_sites, 2, w.spans) for w in index.windows]
    return put_together(index, [changed.get(s.kind, p) for s, p in zip(index.sections, payloads, strict=True)], path)


@pytest.mark.parametrize("written", ["good", "by_pbwt", "by_runs", "with_latents"])
def test_what_hostile_blocks_decode_to_is_what_they_add_up_to(request, path, bounds, rng, written):
    """Counts and products come by other ways than calls, and blocks are copied unseen: each refuses, or all agree."""
    index, payloads = taken_apart(request.getfixturevalue(written), path)
    use_everything(path, path.with_name("edited.fae"))
    for number, section in enumerate(index.sections):
        if section.kind in (container.COLUMNS, container.BLOCK):
            for damaged in mutations(rng, payloads[number], 80):
                changed = [*payloads[:number], damaged, *payloads[number + 1 :]]
                put_together(index, changed, path)
                with contextlib.suppress(FormatError):
                    use_everything(path)


def packed(*arrays):
    return b"".join(pack_array(np.asarray(array, np.uint8)) for array in arrays)


def test_tables_of_too_many_columns_are_refused_before_they_take_memory(good, path, bounds):
    """Arrays of one value take two bytes however long they are said to be."""
    for per_site in (255, 64):
        columns = b"\0" + packed([0, 0], [255, 255], [per_site, per_site], [0, 0], [1, 1], [3, 3])
        path.write_bytes(with_sections(good, path, {container.COLUMNS: columns}, n_sites=65536))
        with pytest.raises(FormatError, match="is not one that a window can have"):
            read_everything(path)


def test_blocks_of_too_many_calls_are_refused_before_they_take_memory(good, path, bounds):
    index, payloads = taken_apart(good, path)
    index.ploidy = 1024
    index.windows = [Window(65536, 1024, w.spans) for w in index.windows]
    columns = b"\0" + packed([0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0])
    payloads = [columns if s.kind == container.COLUMNS else p for s, p in zip(index.sections, payloads, strict=True)]
    path.write_bytes(put_together(index, payloads, path))
    with pytest.raises(FormatError, match="a block has 1342177280 cells, 536870912 are allowed"):
        read_everything(path)


def test_blocks_by_pbwt_of_few_bytes_and_many_columns_are_refused_soon(by_pbwt, path, bounds):
    """Whatever a stream runs out of or has left, 32 people and a few bytes are no work for long."""
    for per_site, stream in ((60, b""), (60, b"\0"), (60, b"\3abc"), (0, b"\0"), (0, b"\1a"), (0, b"\0a")):
        counts = [per_site, per_site]
        kinds = np.repeat(np.arange(1, per_site + 1), 65536)
        columns = b"\0" + packed([0, 0], counts, [0, 0], [0, 0], kinds, [0, 0])
        changed = {container.COLUMNS: columns, container.BLOCK: stream}
        path.write_bytes(with_sections(by_pbwt, path, changed, n_sites=65536))
        with pytest.raises(FormatError, match="corrupt|too early"):
            read_everything(path)


def test_decoders_of_too_many_weights_are_refused_before_they_take_memory(good, path, bounds):
    kinds = np.repeat(np.arange(1, 31), 65536)
    columns = b"\0" + packed([0, 0], [30, 30], [0, 0], [0, 0], kinds, [3, 3])
    model = independent_reader.read_container(good).windows[0].sections[container.MODEL]
    book = model.data[: model.n_latent_bytes]
    for n_hidden in (1, 16):
        model = book + bytes([1, n_hidden]) + b"\xff\x1f" * (n_hidden + 2) + b"\1\1" * n_hidden + b"\0\1" * 100
        changed = {container.COLUMNS: columns, container.MODEL: model}
        path.write_bytes(with_sections(good, path, changed, n_sites=65536))
        with pytest.raises(FormatError, match="the decoder has"):
            read_everything(path)


def test_many_empty_texts_are_not_believed(good, path, bounds):
    n = 1 << 27
    quick = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 23}]
    names = varint(n) + lzma.compress(bytes(n), format=lzma.FORMAT_RAW, filters=quick)
    header = compress(b"\0\0" + varint(1 << 40) + bytes(1000))
    for kind, data in ((container.SAMPLES, names), (container.HEADER, names), (container.HEADER, header)):
        path.write_bytes(with_sections(good, path, {kind: data}))
        with open_archive(path) as archive, pytest.raises(FormatError):
            archive.samples, archive.header  # noqa: B018


@pytest.mark.parametrize("n_samples", [0, 1, 3])
def test_names_of_more_or_fewer_samples_are_refused(n_samples, bounds):
    lines = b"\n" * (1 << 27)  # which as a list would take a gigabyte
    quick = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 23}]
    bomb = varint(len(lines)) + lzma.compress(lines, format=lzma.FORMAT_RAW, filters=quick)
    names = [f"name {i}" for i in range(n_samples)]
    assert heads.decode_names(heads.encode_names(names), n_samples) == names
    for other in (heads.encode_names([*names, "b"]), heads.encode_names(["a", "b"]), bomb):
        with pytest.raises(FormatError, match=f"names where {n_samples} must be"):
            heads.decode_names(other, n_samples)


def test_damaged_names_and_header_are_refused_when_they_are_asked_for(good, path):
    """What does not need them is read as ever."""
    index, _ = taken_apart(good, path)
    with open_archive(path) as archive:
        calls = archive[2:5, 7:9]
    damaged = bytearray(good)
    for section in index.sections:
        if section.kind in (container.HEADER, container.SAMPLES):
            damaged[section.offset + 3] ^= 1
    path.write_bytes(damaged)
    with open_archive(path) as archive:
        np.testing.assert_array_equal(archive[2:5, 7:9], calls)
        for name in ("samples", "header", "source", "attributes"):
            with pytest.raises(ChecksumError):
                getattr(archive, name)
        with pytest.raises(ChecksumError):
            archive.verify()


# ---- writes that fail --------------------------------------------------------------------------------


def failing_stream(error):
    cohort = small_cohort()

    def blocks():
        yield cohort.select(slice(0, 9))
        raise error

    return CohortStream(cohort.header, cohort.samples, blocks())


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("existing", [None, b"precious"])
@pytest.mark.parametrize("error", [InputError("record 10 is ragged"), KeyboardInterrupt(), MemoryError()], ids=type)
def test_a_stream_that_fails_leaves_files_as_they_were(path, error, existing, n_threads):
    if existing is not None:
        path.write_bytes(existing)
    with pytest.raises(type(error)):
        write_archive(path, failing_stream(error), predictor="frequency", block_variants=3, n_threads=n_threads)
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [(path.name, existing)] * (
        existing is not None
    )


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_while_writing_leaves_files_as_they_were(path, n_threads):
    path.write_bytes(b"precious")

    def interrupt(n_done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(path, small_cohort(), block_variants=2, progress=interrupt, n_threads=n_threads)
    assert [file.read_bytes() for file in path.parent.iterdir()] == [b"precious"]


def test_an_interrupt_stops_training_soon(path, monkeypatch, rng):
    """The window being trained is not finished first: it would take minutes."""
    monkeypatch.setattr(training, "MAX_EPOCHS", 10**6)
    monkeypatch.setattr(training, "MAX_STEPS", 10**6)
    start = time.monotonic()
    calls = np.concatenate([np.zeros((4, 400, 2), np.int8), rng.integers(0, 2, (4, 400, 2), np.int8)])

    def interrupt(n_done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(path, calls, block_variants=4, progress=interrupt, n_threads=2)
    assert time.monotonic() - start < 15


def test_blocks_that_do_not_decode_are_never_written(path, monkeypatch):
    """Each part of a window is spoilt in turn behind the writer's back."""
    real_split, real_sites = candidates.split, writer.encode_sites

    def spoilt_split(calls, phased):
        table, matrix = real_split(calls, phased)
        matrix[2, 6] ^= 1
        return table, matrix

    for module, name, spoilt in (
        (candidates, "split", spoilt_split),
        (writer, "encode_sites", lambda sites: real_sites(Sites.numbered(len(sites)))),
    ):
        for predictor in ("frequency", "autoencoder", "pbwt", "runs"):
            with monkeypatch.context() as patch:
                patch.setattr(training, "MAX_EPOCHS", 5)
                patch.setattr(module, name, spoilt)
                with pytest.raises(FastaeError, match="did not decode to what they were made of: nothing was written"):
                    write_archive(path, small_cohort(), predictor=predictor)
                assert not list(path.parent.iterdir())


def test_an_archive_cannot_be_written_over_its_input_or_a_directory(path):
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="the output is the input file"):
        write_archive(path, small_cohort(), inputs=[path])
    with pytest.raises(InputError, match="the output is a directory"):
        write_archive(path.parent, small_cohort())
    with pytest.raises(InputError, match="there is no directory"):
        write_archive(path.parent / "none" / "a.fae", small_cohort())
    assert [file.read_bytes() for file in path.parent.iterdir()] == [b"precious"]


def test_an_archive_replaces_an_older_one_whole(good, path):
    path.write_bytes(b"x" * 10_000)
    write_archive(path, small_cohort(), predictor="frequency")
    assert read_everything(path).header == MINIMAL_HEADER
