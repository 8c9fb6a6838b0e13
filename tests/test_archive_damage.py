# SPDX-License-Identifier: Apache-2.0
"""Golden archives with a bit flipped or the end cut off: what is damaged is named, all else still reads."""

import os
from pathlib import Path

import numpy as np
import pytest
from hostile import flipped_in_place, put_together, taken_apart

from fastae.archive import container, open_archive
from fastae.archive.container import Index, Window
from fastae.errors import ChecksumError, FormatError

GOLDEN = Path(__file__).parent / "golden" / "archive-v0"
PATHS = sorted(GOLDEN.glob("*.fae"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def golden(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "damaged.fae"


def flipped(data, bit):
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_every_truncation_and_every_flipped_bit_of_the_rest_is_refused_when_opened(golden, path):
    """The rest: header, index, footer, and what is read to open; so damage to a block alone is left to later."""
    whole = golden.read_bytes()
    index, _ = taken_apart(whole, path)
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        with pytest.raises(FormatError):
            open_archive(path)
    read_at_once = [s for s in index.sections if s.kind <= container.SAMPLES]
    first, last = min(s.offset for s in index.sections), max(s.offset + s.length for s in index.sections)
    places = [*range(first), *range(last, len(whole))]
    places += [place for s in read_at_once for place in range(s.offset, s.offset + s.length)]
    path.write_bytes(whole)
    for bit in (8 * place + bit for place in places for bit in range(8)):
        with flipped_in_place(path, whole, bit), pytest.raises(FormatError), open_archive(path) as archive:
            _ = archive.samples, archive.header
    open_archive(path).close()


def test_every_flipped_bit_of_a_section_is_found_when_the_section_is_read(golden, path):
    whole = golden.read_bytes()
    path.write_bytes(whole)
    with open_archive(path) as archive:
        reader = archive._reader
        for section in reader.index.sections:
            for bit in range(8 * section.offset, 8 * (section.offset + section.length)):
                with flipped_in_place(path, whole, bit), pytest.raises(ChecksumError):
                    reader.read_section(section)
            reader.read_section(section)


def test_blocks_beside_a_damaged_one_still_read_and_verify_names_it(golden, path, rng):
    whole = golden.read_bytes()
    index, _ = taken_apart(whole, path)
    starts = np.cumsum([0] + [window.n_sites for window in index.windows])
    with open_archive(golden) as archive:
        calls = archive[:]
    blocks = [section for section in index.sections if section.kind == container.BLOCK]
    assert len(blocks) > 1
    for section in blocks:
        path.write_bytes(flipped(whole, 8 * section.offset + int(rng.integers(8 * section.length))))
        with open_archive(path) as archive:
            for other in blocks:
                variants = slice(starts[other.window], starts[other.window + 1])
                samples = slice(other.slab * index.slab_samples, (other.slab + 1) * index.slab_samples)
                if other != section:
                    np.testing.assert_array_equal(archive[variants, samples], calls[variants, samples])
                    continue
                with pytest.raises(ChecksumError, match="do not match their checksum"):
                    archive[variants, samples]
            with pytest.raises(ChecksumError) as refusal:
                archive.verify()
        first, last = section.slab * index.slab_samples, min((section.slab + 1) * index.slab_samples, index.n_samples)
        lost = f"the calls of variants {starts[section.window]}:{starts[section.window + 1]}, samples {first}:{last}"
        assert f"has lost {lost}, all else can be read; the first of 1 damaged sections" in str(refusal.value)


def test_verify_names_all_that_is_lost(path):
    whole = (GOLDEN / "phased.fae").read_bytes()
    index, _ = taken_apart(whole, path)
    where = {(s.kind, s.window, s.slab): s.offset for s in index.sections}
    for kind, window, slab in (
        (container.COLUMNS, 0, 0),
        (container.MODEL, 0, 0),
        (container.SITES, 1, 0),
        (container.BLOCK, 1, 2),
    ):
        whole = flipped(whole, 8 * where[kind, window, slab])
    path.write_bytes(whole)
    with open_archive(path) as archive, pytest.raises(ChecksumError) as refusal:
        archive.verify()
    message = "the sites of variants 25:50; the calls of variants 25:50, samples 36:40, all else can be read; "
    assert "has lost all calls of variants 0:25; " in str(refusal.value)
    assert message + "the first of 4 damaged sections: " in str(refusal.value)


def test_verify_names_a_block_that_matches_its_checksum_and_is_none(path):
    index, payloads = taken_apart((GOLDEN / "pbwt_phased.fae").read_bytes(), path)
    number = next(i for i, s in enumerate(index.sections) if (s.kind, s.window, s.slab) == (container.BLOCK, 1, 1))
    payloads[number] = payloads[number][:20]
    path.write_bytes(put_together(index, payloads, path))
    with open_archive(path) as archive:
        with pytest.raises(
            FormatError, match="has lost the calls of variants 70:120, samples 50:90, all else"
        ) as refusal:
            archive.verify()
        assert refusal.type is FormatError
        assert archive[:, :50].shape == (120, 50, 2)


@pytest.mark.parametrize("missing", range(container.BLOCK + 1))
def test_what_the_index_does_not_list_is_missed_when_opened(golden, path, missing):
    index, payloads = taken_apart(golden.read_bytes(), path)
    number = max((i for i, s in enumerate(index.sections) if s.kind == missing), default=None)
    if number is None or missing == container.MODEL:
        pytest.skip("only windows by an autoencoder have a model, and those alone need it")
    del index.sections[number], payloads[number]
    path.write_bytes(put_together(index, payloads, path))
    with pytest.raises(FormatError, match="lacks a (section|block) that"):
        open_archive(path)


def test_windows_without_blocks_are_refused_before_memory_is_reserved_for_their_calls(path):
    """16 TB of calls are promised by a few bytes each 4 GB."""
    index, payloads = taken_apart((GOLDEN / "runs_phased.fae").read_bytes(), path)
    wide = Window(1 << 16, 1 << 10, index.windows[0].spans)
    hostile = Index(64, 1 << 10, index.slab_samples, [wide] * 4096, index.sections)
    path.write_bytes(put_together(hostile, payloads, path))
    with pytest.raises(FormatError, match="lacks a section that its index must list"):
        open_archive(path)
