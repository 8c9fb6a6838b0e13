# SPDX-License-Identifier: Apache-2.0
"""Archives out of archives: windows that stay as they are keep their bytes, only cut ones are coded again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike

from fastae import _validate
from fastae.archive import container
from fastae.archive.container import ContainerReader, ContainerWriter, Index
from fastae.archive.heads import encode_head, encode_names
from fastae.archive.indexing import numbers
from fastae.archive.presets import PRESETS
from fastae.archive.reader import Archive, open_archive
from fastae.archive.writer import Settings, add_windows, write_archive
from fastae.errors import InputError
from fastae.fileio import atomic_output

_DEFINED = re.compile(r"##(\w+)=<(?:[^\n]*?,)?ID=([^,>\n]+)")
_FILE_FORMAT = "##fileformat="


def concat_archives(
    path: str | os.PathLike[str],
    parts: Sequence[str | os.PathLike[str]],
    *,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Join archives of the same people, as of one chromosome each, into one; nothing is decoded or coded again.

    Records stand in the order of `parts`, which must be that of their positions. Lines of a header that are not in the
    first one are put behind its own.

    Parameters
    ----------
    path : path-like
    parts : sequence of path-like
        Archives of the same samples in the same order, in blocks of as many samples each.
    progress : function, optional
        Called with the number of variants written so far.

    Raises
    ------
    InputError
        If `parts` are none, go back to a chromosome or to positions before those of the part ahead, or differ in
        samples, blocks of samples, kind of file or facts about its layout; if headers give one name two meanings; if
        one of them holds sequences, which have no records to join; or if `path` is one of them.
    OSError, FormatError
        If a part cannot be read, or bytes of it have changed.

    Examples
    --------
    >>> import tempfile, os, fastae
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, two, both = (os.path.join(folder, name) for name in ("1.fae", "2.fae", "both.fae"))
    ...     fastae.write_archive(one, [[[0, 1], [1, 1]]])
    ...     fastae.write_archive(two, [[[0, 0], [1, 0]]])
    ...     fastae.concat_archives(both, [one, two])
    ...     with fastae.open(both) as archive:
    ...         archive[:].tolist()
    [[[0, 1], [1, 1]], [[0, 0], [1, 0]]]
    """
    names = [os.fspath(part) for part in parts]
    if not names:
        raise InputError("there are no archives to join; give at least one")
    with ExitStack() as stack:
        archives = [stack.enter_context(open_archive(name)) for name in names]
        readers = [archive._reader for archive in archives]
        first, last = archives[0], archives[-1]
        for name, archive in zip(names, archives, strict=True):
            _check_joinable(names[0], first, name, archive)
        _check_order(names, archives)
        header = _joined_header(names, [archive.header for archive in archives])
        with atomic_output(path, names) as file:
            writer = ContainerWriter(file, Index(first.shape[1], 1, readers[0].index.slab_samples))
            writer.add(container.HEADER, encode_head(first.source, header, last.attributes))
            writer.add(container.SAMPLES, encode_names(first.samples))
            for reader in readers:
                for number in range(len(reader.index.windows)):
                    _copy_window(reader, number, writer)
                    if progress is not None:
                        progress(writer.index.n_sites)
            _finish(writer, archives)


def subset_archive(
    path: str | os.PathLike[str],
    archive: Archive | str | os.PathLike[str],
    variants: slice | ArrayLike | None = None,
    samples: slice | ArrayLike | None = None,
    *,
    preset: str = "default",
    n_threads: int = 1,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write some variants and samples of an archive as an archive of their own.

    Windows of sites that are taken whole, with all samples, keep their bytes. Others are coded again: those that a
    region cuts, or all if samples are left out. Stored latents are learnt again for these, as many as there were.

    Parameters
    ----------
    path : path-like
    archive : Archive or path-like
    variants : slice, or array of int or bool, optional
        In the archive's order, each once; all, if left out.
    samples : slice, or array of int or bool, optional
        In the order given; all, if left out.
    preset : {"fast", "default", "max"}
        With which windows are coded again.
    n_threads, seed : int
        As `write_archive` has them.
    progress : function, optional
        Called with the number of variants written so far.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or value, or variants are not ascending.
    IndexError
        If a number is out of range.
    InputError
        If `path` is the archive.
    OSError, FormatError
        If the archive cannot be read, or bytes of it have changed.

    Examples
    --------
    >>> import tempfile, os, fastae
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, part = os.path.join(folder, "cohort.fae"), os.path.join(folder, "part.fae")
    ...     fastae.write_archive(path, [[[0, 1], [1, 1]], [[0, 0], [1, 0]], [[1, 1], [1, 0]]])
    ...     fastae.subset_archive(part, path, slice(1, 3), [1])
    ...     with fastae.open(part) as archive:
    ...         archive.samples, archive[:].tolist()
    (['S2'], [[[1, 0]], [[1, 0]]])
    """
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}; it can be {', '.join(map(repr, PRESETS))}")
    n_threads = _validate.integer(n_threads, 1, 1024, name="n_threads")
    seed = _validate.integer(seed, 0, None, name="seed")
    with ExitStack() as stack:
        if not isinstance(archive, Archive):
            archive = stack.enter_context(open_archive(archive, n_threads=n_threads))
        reader = archive._reader
        at_variants = numbers(variants, archive.shape[0], "variants")
        if (np.diff(at_variants) <= 0).any():
            raise ValueError("variants are not ascending; give each once, in the archive's order")
        at_samples = numbers(samples, archive.shape[1], "samples")
        n_latents, latent_bits = _stored_latents(archive)
        if not np.array_equal(at_samples, np.arange(archive.shape[1])):
            write_archive(
                path,
                archive.stream(at_variants, at_samples),
                preset=preset,
                n_latents=n_latents,
                latent_bits=latent_bits,
                n_threads=n_threads,
                seed=seed,
                progress=progress,
                inputs=[archive.path],
            )
            return
        plan = PRESETS[preset]
        block_variants, _ = plan.block_shape(max(archive.shape[1], 1))
        slab_samples = reader.index.slab_samples
        how = Settings(plan, block_variants, block_variants // 4, slab_samples, seed, n_latents, latent_bits, n_threads)
        starts = np.cumsum([0] + [window.n_sites for window in reader.index.windows])
        parts = np.split(at_variants, np.searchsorted(at_variants, starts[1:-1]))
        asked = [number for number, part in enumerate(parts) if len(part)]

        def is_whole(number: int) -> bool:
            return len(parts[number]) == reader.index.windows[number].n_sites

        with atomic_output(path, [archive.path]) as file:
            writer = ContainerWriter(file, Index(archive.shape[1], 1, slab_samples))
            for kind in (container.HEADER, container.SAMPLES):
                writer.add(kind, reader.read(kind))
            for whole, group in groupby(asked, key=is_whole):
                if whole:
                    for number in group:
                        _copy_window(reader, number, writer)
                        if progress is not None:
                            progress(writer.index.n_sites)
                else:
                    at = np.concatenate([parts[number] for number in group])
                    add_windows(writer, archive.stream(at), how, progress)
            _finish(writer, [archive])


def _finish(writer: ContainerWriter, archives: list[Archive]) -> None:
    """End an archive; without windows, none of which says how many alleles a call has, it has the ploidy of others."""
    if not writer.index.windows:
        writer.index.ploidy = max(archive.shape[2] for archive in archives)
    writer.finish()


def _copy_window(reader: ContainerReader, number: int, writer: ContainerWriter) -> None:
    """Put a window behind those that are there, every byte of it looked at by its checksum."""
    place = writer.add_window(reader.index.windows[number])
    for section in reader.index.sections:
        if section.kind >= container.SITES and section.window == number:
            writer.add(
                section.kind,
                reader.read_section(section),
                window=place,
                slab=section.slab,
                predictor=section.predictor,
                latents=section.latents,
            )


def _stored_latents(archive: Archive) -> tuple[int, int]:
    """How many latents of how many bits are stored for analysis: those of the first window that has any."""
    for number in range(len(archive.windows)):
        stored = archive._stored_latents(number)
        if stored is not None:
            return stored.codes.shape[-1], stored.bits
    return 0, 4


def _check_joinable(first_name: str, first: Archive, name: str, archive: Archive) -> None:
    """Refuse an archive that cannot follow the first one; of a file's layout, how its last line ends may differ."""
    if archive.source == "fasta":
        raise InputError(f"{name} holds FASTA sequences, whose columns are not records to join; join the FASTA files")
    if archive.samples != first.samples:
        raise InputError(
            f"{name} has other samples than {first_name}, or in another order; `fastae subset -S` mends that"
        )
    block, first_block = (a._reader.index.slab_samples for a in (archive, first))
    if block != first_block:
        raise InputError(
            f"{name} has blocks of {block} samples and {first_name} of {first_block}; compress one of them again, as "
            "the other one was"
        )
    ours, theirs = ({k: v for k, v in a.attributes.items() if k != "final_newline"} for a in (archive, first))
    differing = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if differing:
        raise InputError(
            f"{name} and {first_name} come from files that differ in {', '.join(differing)}, which one archive cannot "
            "keep of both; join the files and compress the result"
        )


def _check_order(names: list[str], archives: list[Archive]) -> None:
    """Refuse a part that goes back: an archive named twice, or names in the order of a shell's pattern."""
    ended: dict[str, str] = {}  # the part that a chromosome was in
    last_chrom, last_pos = None, 0
    for name, archive in zip(names, archives, strict=True):
        if not archive.shape[0]:
            continue
        chroms = list(dict.fromkeys(chrom for _, spans in archive.windows for chrom, _, _ in spans))
        first, final = (archive._sites_at(np.array([at])) for at in (0, archive.shape[0] - 1))
        for chrom in chroms:
            goes_on = chrom == last_chrom == first.chrom[0] and int(first.pos[0]) >= last_pos
            if chrom in ended and not goes_on:
                raise InputError(
                    f"{name} goes back on chromosome {chrom}, which {ended[chrom]} has; give each archive once, in the "
                    "order of their positions"
                )
            ended[chrom] = name
        last_chrom, last_pos = final.chrom[0], int(final.pos[0])


def _joined_header(names: list[str], headers: list[str]) -> str:
    """The first header, with the lines of the others that it lacks put before its last one."""
    *lines, columns = headers[0].split("\n")
    seen = set(lines)
    meanings: dict[tuple[str, ...], str] = {}
    for name, header in zip(names, headers, strict=True):
        *others, other_columns = header.split("\n")
        if other_columns != columns:
            raise InputError(f"{name}: the #CHROM line is {other_columns!r}, in the first archive it is {columns!r}")
        for line in others:
            match = _DEFINED.match(line)
            key = match.groups() if match else ("", _FILE_FORMAT) if line.startswith(_FILE_FORMAT) else None
            if key is not None and meanings.setdefault(key, line) != line:
                raise InputError(f"{name}: the header says {line!r}, one before it {meanings[key]!r}; make them agree")
            if line not in seen:
                seen.add(line)
                lines.append(line)
    return "\n".join([*lines, columns])
