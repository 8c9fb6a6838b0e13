# SPDX-License-Identifier: Apache-2.0
"""Cohort to archive: windows of sites are modelled, coded, decoded again and compared, and only then written."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count, islice

import numpy as np

from fastae import _validate
from fastae.archive import container
from fastae.archive.candidates import Coding, WindowCalls, smallest
from fastae.archive.columns import MAX_COLUMNS, ColumnTable
from fastae.archive.container import ContainerWriter, Index, Window
from fastae.archive.heads import encode_head, encode_names
from fastae.archive.latents import MAX_LATENTS, learn
from fastae.archive.predictors import PREDICTORS
from fastae.archive.presets import FORCED, PRESETS, Preset
from fastae.archive.reader import Archive
from fastae.archive.sites import decode_sites, encode_sites
from fastae.archive.window import MAX_BLOCK_CELLS, WindowDecoder
from fastae.cohort import FILL, MAX_ALLELE, Cohort, CohortStream, Sites
from fastae.errors import FastaeError, InputError
from fastae.fileio import atomic_output
from fastae.jobs import cancellable_pool

MOST_CALLS_AT_ONCE = 1 << 28  # of the windows that are in work: bounds memory, whatever the number of threads


def write_archive(
    path: str | os.PathLike[str],
    cohort: Cohort | CohortStream | Archive | np.ndarray,
    *,
    preset: str = "default",
    predictor: str = "auto",
    block_variants: int | None = None,
    block_samples: int | None = None,
    n_latents: int = 0,
    latent_bits: int = 4,
    n_threads: int = 1,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a cohort to an archive, exactly.

    Every block is decoded again and compared before the file gets its name; a run that fails leaves an existing file
    as it was. On one machine the same cohort and options give the same bytes, whatever the number of threads.

    Parameters
    ----------
    path : path-like
    cohort : Cohort, CohortStream, Archive or array_like
        An array is taken as `Cohort.from_arrays` does: calls (variants, samples, ploidy), -1 missing, -2 fill.
    preset : {"fast", "default", "max"}
        ``"fast"`` reads a part soonest, ``"max"`` takes the fewest bytes.
    predictor : {"auto", "frequency", "autoencoder", "pbwt", "runs", "mosaic"}
        ``"auto"`` tries those of the preset and takes for each block the one of the fewest bytes; a name forces
        that one wherever a block has anything to predict.
    block_variants, block_samples : int
        Most sites and samples of a block, the unit of random access. By default 8192 sites (fast), 32,768
        (default) or 65,536 (max), up to a quarter more in the last one of less than 65,536, fewer where the samples
        are so many that memory would not hold a window of them, and
        all samples, up to 32,767. 2048 sites and 256 samples where ``"frequency"`` is named.
    n_latents : int
        Latents to store for analysis of every row of every window, whatever the predictor; `Archive.latents` gives
        them. Rows are haplotypes, or samples where calls are unphased. It takes an autoencoder's training of some
        seconds a window, and n_latents * latent_bits / 8 bytes a row and window. 0: none, and at most 1024.
    latent_bits : int
        Of each of these, 1 to 8.
    n_threads : int
    seed : int
        Of the autoencoders' weights and of the order of their training rows.
    progress : function, optional
        Called with the number of variants written so far.
    inputs : path-like or iterable of path-like, optional
        Files the cohort is being read from, which `path` must not be. An `Archive` adds its own.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or value, or the stream has been read or closed.
    InputError
        If the cohort cannot be read to its end, or `path` is a directory or one of `inputs`.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> import fastae
    >>> calls = np.array([[[0, 1], [1, 1]], [[0, 0], [-1, 1]]], dtype=np.int8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "cohort.fae")
    ...     fastae.write_archive(path, calls)
    ...     with fastae.open(path) as archive:
    ...         archive[:, 1].tolist()
    [[1, 1], [-1, 1]]
    """
    for name, value, known in (("preset", preset, PRESETS), ("predictor", predictor, ("auto", *PREDICTORS))):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; it can be {', '.join(map(repr, known))}")
    path = os.fsdecode(path)
    inputs = [inputs] if isinstance(inputs, (str, bytes, os.PathLike)) else list(inputs)
    if isinstance(cohort, Archive):
        inputs.append(cohort.path)
        cohort = cohort.stream()
    elif not isinstance(cohort, (Cohort, CohortStream)):
        cohort = Cohort.from_arrays(cohort)
    n_samples = max(len(cohort.samples), 1)
    plan = FORCED.get(predictor, PRESETS[preset])
    if predictor != "auto":
        plan = replace(plan, predictors=(predictor,))
    usual_variants, usual_samples = plan.block_shape(n_samples)
    stub = usual_variants // 4 if block_variants is None else 0
    block_variants = usual_variants if block_variants is None else block_variants
    block_samples = usual_samples if block_samples is None else block_samples
    block_variants = _validate.integer(block_variants, 1, container.MAX_WINDOW_SITES, name="block_variants")
    block_samples = _validate.integer(block_samples, 1, 1 << 20, name="block_samples")
    n_threads = _validate.integer(n_threads, 1, 1024, name="n_threads")
    seed = _validate.integer(seed, 0, None, name="seed")
    n_latents = _validate.integer(n_latents, 0, MAX_LATENTS, name="n_latents")
    latent_bits = _validate.integer(latent_bits, 1, 8, name="latent_bits")
    if len(cohort.samples) > container.MAX_SAMPLES:
        raise InputError(f"the cohort has {len(cohort.samples)} samples, an archive holds {container.MAX_SAMPLES}")
    with atomic_output(path, inputs) as file:
        # the ploidy is known when all sites have been seen: the index, written last, takes it then
        index = Index(len(cohort.samples), 0, min(block_samples, n_samples))
        writer = ContainerWriter(file, index)
        writer.add(container.SAMPLES, encode_names(cohort.samples))
        stream = cohort.to_stream(block_variants) if isinstance(cohort, Cohort) else cohort
        how = Settings(plan, block_variants, stub, index.slab_samples, seed, n_latents, latent_bits, n_threads)
        add_windows(writer, stream, how, progress)
        if not index.windows:
            _check_ploidy(stream.ploidy)
            index.ploidy = stream.ploidy
        # after all windows: what stands at the end of a file becomes an attribute when it is read
        writer.add(container.HEADER, encode_head(cohort.source, cohort.header, cohort.attributes))
        writer.finish()


@dataclass(frozen=True)
class Settings:
    """How windows are coded: as `write_archive` has it; up to `stub` sites that are left over join the last window."""

    plan: Preset
    block_variants: int
    stub: int
    slab_samples: int
    seed: int
    n_latents: int
    latent_bits: int
    n_threads: int


def add_windows(
    writer: ContainerWriter, stream: CohortStream, how: Settings, progress: Callable[[int], object] | None = None
) -> None:
    """Cut a cohort's sites into windows, code them and write them behind those that are there.

    `progress` gets the number of sites that have been written, those that were there before counted in.
    """
    index = writer.index
    n_samples = max(index.n_samples, 1)
    windows = stream.rebatch(how.block_variants, min(how.stub, container.MAX_WINDOW_SITES - how.block_variants))
    n_at_once = int(np.clip(MOST_CALLS_AT_ONCE // (how.block_variants * n_samples), 1, how.n_threads))
    for coded in _code_in_order(windows, how, n_at_once):
        number = writer.add_window(coded.window)
        writer.add(container.SITES, coded.sites, window=number)
        coding = coded.coding
        writer.add(container.COLUMNS, coding.columns, window=number)
        if coding.model is not None:
            codebook, decoder = coding.model
            writer.add(container.MODEL, codebook + decoder, window=number, latents=len(codebook))
        for slab, block in enumerate(coding.blocks):
            writer.add(
                container.BLOCK,
                block.latents + block.residual,
                window=number,
                slab=slab,
                predictor=block.predictor,
                latents=len(block.latents),
            )
        if coded.latents:
            writer.add(container.LATENTS, coded.latents, window=number)
        if progress is not None:
            progress(index.n_sites)


@dataclass
class _Coded:
    """A window, ready to be written."""

    window: Window
    sites: bytes
    coding: Coding
    latents: bytes = b""  # none if no allele varies


def _code_in_order(windows: CohortStream, how: Settings, n_at_once: int) -> Iterator[_Coded]:
    """Windows coded by some threads, given back in order; never more than a few are held."""
    if n_at_once == 1:
        for number, held in _numbered(windows):
            yield from _code_window(held.pop(), how, (how.seed, number), lambda: None)
        return
    pending: deque[Future[list[_Coded]]] = deque()
    with cancellable_pool(n_at_once) as (pool, check_stop):
        for number, held in _numbered(windows):
            pending.append(pool.submit(_code_window, held.pop(), how, (how.seed, number), check_stop))
            if len(pending) > n_at_once:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _numbered(windows: CohortStream) -> Iterator[tuple[int, list[Cohort]]]:
    """Each window in a list of its own, to be taken out: a name for it would hold it while the next one is read.

    Refuses what only a cohort that was put together by hand can hold.
    """
    blocks = iter(windows)
    for number in count():
        held = list(islice(blocks, 1))
        if not held:
            return
        _refuse_unholdable(held[0], windows.samples)
        yield number, held


def _refuse_unholdable(window: Cohort, samples: list[str]) -> None:
    calls = window.call_genotype
    if window.samples != samples:
        raise InputError("a block of the stream has other samples than the stream; give all blocks the same")
    if calls.size and not (FILL <= calls.min() and calls.max() <= MAX_ALLELE):
        raise InputError(f"alleles run from {calls.min()} to {calls.max()}, allowed are {FILL} to {MAX_ALLELE}")
    single = calls[:, :, 1] == FILL if window.ploidy > 1 else np.True_
    if (window.call_genotype_phased & single).any():
        raise InputError("a call of fewer than two alleles is phased, which means nothing; make it False")


def _code_window(cohort: Cohort, how: Settings, seed: tuple[int, int], check_stop: Callable[[], None]) -> list[_Coded]:
    """The window; or its halves, if it is more than a reader, which must not trust a file, would take memory for."""
    calls, phased = cohort.call_genotype, cohort.call_genotype_phased
    plan, slab_samples = how.plan, how.slab_samples
    window = WindowCalls(calls, phased, slab_samples, plan.one_way_cells, seed, check_stop, plan.phasing, how.n_threads)
    if not _is_readable(window.columns[0], window.calls.size, min(slab_samples, cohort.n_samples)):
        del window
        half = cohort.n_variants // 2
        parts = cohort.select(slice(half)), cohort.select(slice(half, None))
        return [coded for part in parts for coded in _code_window(part, how, seed, check_stop)]
    slabs, is_wide, coding = window.slabs, window.columns[0].is_wide, smallest(window, plan.predictors)
    latents = None
    if how.n_latents:
        latents = learn(*window.columns, how.n_latents, how.latent_bits, seed, check_stop)
    del window  # and its columns, before what is made of them takes as much memory
    extent = Window(cohort.n_variants, cohort.ploidy, _spans(cohort.sites), is_wide)
    kept = latents.to_bytes() if latents is not None else b""
    coded = _Coded(extent, encode_sites(cohort.sites), coding, kept)
    _check(coded, cohort, slabs)
    return [coded]


def _check_ploidy(ploidy: int) -> None:
    if ploidy > container.MAX_PLOIDY:
        raise InputError(f"calls have {ploidy} alleles each, an archive holds up to {container.MAX_PLOIDY}")


def _is_readable(table: ColumnTable, n_alleles: int, n_samples: int) -> bool:
    """If a reader would take memory for a window; refuses what it would not even take a site of."""
    _check_ploidy(table.ploidy)
    fits = (
        n_alleles <= container.MAX_WINDOW_CALLS
        and table.n_columns <= MAX_COLUMNS
        and table.n_cells(n_samples) <= MAX_BLOCK_CELLS
    )
    if not fits and table.n_sites == 1:
        raise InputError(
            f"a site of {n_samples} samples is too large for a reader's memory; give smaller block_samples"
        )
    return fits


def _spans(sites: Sites) -> list[tuple[str, int, int]]:
    """First and last position of each chromosome of a window."""
    spans: dict[str, tuple[int, int]] = {}
    for chrom, first, last in zip(sites.chrom, sites.pos.tolist(), sites.ends().tolist(), strict=True):
        low, high = spans.get(chrom, (first, first))
        spans[chrom] = min(low, first), max(high, first, last)
    return [(chrom, *span) for chrom, span in spans.items()]


def _check(coded: _Coded, cohort: Cohort, slabs: list[slice]) -> None:
    """Decode what is about to be written, from its bytes alone, and compare it with what it was made of."""
    window, coding = coded.window, coded.coding
    most = max((slab.stop - slab.start for slab in slabs), default=0)
    decoder = WindowDecoder(coding.columns, coding.model, window.n_sites, window.ploidy, most, window.is_wide)
    same = decode_sites(coded.sites, window.n_sites).columns()
    good = all(
        a == b if isinstance(a, list) else np.array_equal(a, b)
        for a, b in zip(same, cohort.sites.columns(), strict=True)
    )
    for slab, block in zip(slabs, coding.blocks, strict=True):
        payload, n_samples = block.latents + block.residual, slab.stop - slab.start
        for part, calls, phased in decoder.in_parts(payload, len(block.latents), block.predictor, n_samples):
            good &= np.array_equal(calls, cohort.call_genotype[part, slab])
            good &= np.array_equal(phased, cohort.call_genotype_phased[part, slab])
    if not good:
        raise FastaeError(
            f"the sites at {window.spans} did not decode to what they were made of: nothing was written; "
            "please report this as a bug"
        )
