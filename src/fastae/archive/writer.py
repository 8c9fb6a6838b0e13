# SPDX-License-Identifier: Apache-2.0
"""Cohort to archive: windows of sites are modelled, coded, decoded again and compared, and only then written."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from fastae import _validate
from fastae.archive import container
from fastae.archive.columns import MAX_COLUMNS, ColumnTable, split
from fastae.archive.container import ContainerWriter, Index, Window, compress, counted, encode_text, varint
from fastae.archive.predictors import PREDICTORS, autoencoder, frequency, pbwt, training
from fastae.archive.reader import Archive
from fastae.archive.sites import decode_sites, encode_sites
from fastae.archive.window import MAX_BLOCK_CELLS, WindowDecoder
from fastae.cohort import FILL, MAX_ALLELE, Cohort, CohortStream, Sites
from fastae.errors import FastaeError, InputError
from fastae.fileio import atomic_output
from fastae.jobs import cancellable_pool

BLOCK_SHAPES = {  # sites and samples: more of them are fewer bytes to store and more to read for a part
    "auto": (16_384, 32_767),
    pbwt.NAME: (16_384, 32_767),
    frequency.NAME: (2048, 256),
    autoencoder.NAME: (2048, 256),
}
_QUICK_CELLS = 1 << 26  # of a block by pbwt: with no more than that, it has up to twice as many sites
_WINDOW_CELLS = 1 << 27  # calls of all samples that are held at a time


def write_archive(
    path: str | os.PathLike[str],
    cohort: Cohort | CohortStream | Archive | np.ndarray,
    *,
    predictor: str = "auto",
    block_variants: int | None = None,
    block_samples: int | None = None,
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
        An array is taken as `Cohort.from_arrays` does: int8 calls (variants, samples, ploidy), -1 missing, -2 fill.
    predictor : {"auto", "frequency", "autoencoder", "pbwt"}
        ``"auto"`` takes for each block the smaller of ``"pbwt"`` and ``"frequency"``; a name forces that one wherever a
        block has anything to predict.
    block_variants, block_samples : int
        Most sites and samples of a block, the unit of random access. By default 16,384 sites, up to 32,768 of
        few samples, fewer where the samples are so many that a window of them would not fit in memory; and all
        samples, up to 32,767. 2048 sites and 256 samples where ``"frequency"`` or ``"autoencoder"`` is named.
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
    >>> from fastae import open_archive, write_archive
    >>> calls = np.array([[[0, 1], [1, 1]], [[0, 0], [-1, 1]]], dtype=np.int8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "cohort.fae")
    ...     write_archive(path, calls)
    ...     with open_archive(path) as archive:
    ...         archive[:, 1].tolist()
    [[1, 1], [-1, 1]]
    """
    if predictor != "auto" and predictor not in PREDICTORS:
        names = ", ".join(map(repr, ("auto", *PREDICTORS)))
        raise ValueError(f"predictor is {predictor!r}; it can be {names}")
    path = os.fsdecode(path)
    inputs = [inputs] if isinstance(inputs, (str, bytes, os.PathLike)) else list(inputs)
    if isinstance(cohort, Archive):
        inputs.append(cohort.path)
        cohort = cohort.stream()
    elif not isinstance(cohort, (Cohort, CohortStream)):
        cohort = Cohort.from_arrays(cohort)
    n_samples = max(len(cohort.samples), 1)
    usual_variants, usual_samples = _default_shape(predictor, n_samples)
    block_variants = usual_variants if block_variants is None else block_variants
    block_samples = usual_samples if block_samples is None else block_samples
    block_variants = _validate.integer(block_variants, 1, container.MAX_WINDOW_SITES, name="block_variants")
    block_samples = _validate.integer(block_samples, 1, 1 << 20, name="block_samples")
    n_threads = _validate.integer(n_threads, 1, 1024, name="n_threads")
    seed = _validate.integer(seed, 0, None, name="seed")
    if len(cohort.samples) > container.MAX_SAMPLES:
        raise InputError(f"the cohort has {len(cohort.samples)} samples, an archive holds {container.MAX_SAMPLES}")
    with atomic_output(path, inputs) as file:
        # the ploidy is known when all sites have been seen: the index, written last, takes it then
        index = Index(len(cohort.samples), 0, min(block_samples, n_samples))
        writer = ContainerWriter(file, index)
        head = [counted(encode_text(text)) for text in (cohort.source, cohort.header)]
        head.append(varint(len(cohort.attributes)))
        head += [counted(encode_text(text)) for pair in cohort.attributes.items() for text in pair]
        if len(cohort.attributes) > container.MAX_ATTRIBUTES:
            raise InputError(
                f"the cohort has {len(cohort.attributes)} attributes, {container.MAX_ATTRIBUTES} can be held"
            )
        writer.add(container.HEADER, compress(b"".join(head)))
        writer.add(container.SAMPLES, compress(b"".join(counted(encode_text(name)) for name in cohort.samples)))
        windows = cohort.to_stream(block_variants) if isinstance(cohort, Cohort) else cohort.rebatch(block_variants)
        n_done = 0
        checked = _holdable(windows, cohort.samples)
        for coded in _code_in_order(checked, index.slab_samples, predictor, seed, n_threads):
            number = len(index.windows)
            index.windows.append(coded.window)
            index.ploidy = max(index.ploidy, coded.window.ploidy)
            writer.add(container.SITES, coded.sites, window=number)
            writer.add(container.COLUMNS, coded.columns, window=number)
            if coded.model is not None:
                codebook, decoder = coded.model
                writer.add(container.MODEL, codebook + decoder, window=number, latents=len(codebook))
            for slab, block in enumerate(coded.blocks):
                writer.add(
                    container.BLOCK,
                    block.latents + block.residual,
                    window=number,
                    slab=slab,
                    predictor=block.predictor,
                    latents=len(block.latents),
                )
            n_done += coded.window.n_sites
            if progress is not None:
                progress(n_done)
        index.ploidy = max(index.ploidy, 1)
        writer.finish()


def _default_shape(predictor: str, n_samples: int) -> tuple[int, int]:
    """Sites and samples of a block."""
    most_variants, most_samples = BLOCK_SHAPES[predictor]
    if predictor in ("auto", pbwt.NAME):
        most_variants = int(np.clip(_QUICK_CELLS // (2 * n_samples), most_variants, 2 * most_variants))
    n_slabs = -(-n_samples // most_samples)
    return int(np.clip(_WINDOW_CELLS // (2 * n_samples), 64, most_variants)), -(-n_samples // n_slabs)


@dataclass
class _Block:
    predictor: int
    latents: bytes
    residual: bytes

    @property
    def size(self) -> int:
        return len(self.latents) + len(self.residual)


@dataclass
class _Coded:
    """A window, ready to be written."""

    window: Window
    sites: bytes
    columns: bytes
    model: tuple[bytes, bytes] | None  # codebook, decoder
    blocks: list[_Block]


def _code_in_order(
    windows: Iterable[Cohort], slab_samples: int, predictor: str, seed: int, n_threads: int
) -> Iterator[_Coded]:
    """Windows coded by some threads, given back in order; never more than a few are held."""
    pending: deque[Future[list[_Coded]]] = deque()
    with cancellable_pool(n_threads) as (pool, check_stop):
        for number, cohort in enumerate(windows):
            pending.append(pool.submit(_code_window, cohort, slab_samples, predictor, (seed, number), check_stop))
            if len(pending) > n_threads:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _holdable(windows: Iterable[Cohort], samples: list[str]) -> Iterator[Cohort]:
    """The same windows; refuses what only a cohort that was put together by hand can hold."""
    for window in windows:
        calls = window.call_genotype
        if window.samples != samples:
            raise InputError("a block of the stream has other samples than the stream; give all blocks the same")
        if calls.size and not (FILL <= calls.min() and calls.max() <= MAX_ALLELE):
            raise InputError(f"alleles run from {calls.min()} to {calls.max()}, allowed are {FILL} to {MAX_ALLELE}")
        single = calls[:, :, 1] == FILL if window.ploidy > 1 else np.True_
        if (window.call_genotype_phased & single).any():
            raise InputError("a call of fewer than two alleles is phased, which means nothing; make it False")
        yield window


def _code_window(
    cohort: Cohort,
    slab_samples: int,
    predictor: str,
    seed: tuple[int, int],
    check_stop: Callable[[], None],
) -> list[_Coded]:
    """The window; or its halves, if it is more than a reader, which must not trust a file, would take memory for."""
    calls, phased = cohort.call_genotype, cohort.call_genotype_phased
    table, matrix = split(calls, phased)
    if not _is_readable(table, calls.size, min(slab_samples, cohort.n_samples)):
        del matrix
        half = cohort.n_variants // 2
        parts = cohort.select(slice(half)), cohort.select(slice(half, None))
        return [coded for part in parts for coded in _code_window(part, slab_samples, predictor, seed, check_stop)]
    slabs = [slice(start, start + slab_samples) for start in range(0, cohort.n_samples, slab_samples)]
    rows = [slice(slab.start * table.rows_per_sample, slab.stop * table.rows_per_sample) for slab in slabs]
    model = None
    if predictor == autoencoder.NAME and rows:
        blocks, model = _by_autoencoder(matrix, table, rows, seed, check_stop)
    else:
        blocks, table = _by_bytes(matrix, table, rows, predictor, check_stop)
    del matrix  # before what is made of it takes as much memory
    coded = _Coded(
        window=Window(cohort.n_variants, calls.shape[2], _spans(cohort.sites)),
        sites=encode_sites(cohort.sites),
        columns=table.to_bytes(),
        model=model.to_bytes() if model is not None else None,
        blocks=blocks,
    )
    _check(coded, cohort, slabs)
    return [coded]


def _by_autoencoder(
    matrix: np.ndarray,
    table: ColumnTable,
    rows: list[slice],
    seed: tuple[int, int],
    check_stop: Callable[[], None],
) -> tuple[list[_Block], autoencoder.Model | None]:
    """A block of each slab's rows, and the model of a window in which anything varies."""
    fitted = training.fit(matrix, table, rows[0].stop, seed, check_stop=check_stop)
    if fitted is None:
        return [_by_frequency(matrix[:, part], table) for part in rows], None
    model, codes = fitted
    blocks = [
        _Block(autoencoder.NUMBER, *autoencoder.encode(matrix[:, part], table, model, codes[part])) for part in rows
    ]
    return blocks, model


def _by_frequency(matrix: np.ndarray, table: ColumnTable) -> _Block:
    return _Block(frequency.NUMBER, b"", frequency.encode(matrix, table))


def _by_bytes(
    matrix: np.ndarray, table: ColumnTable, rows: list[slice], predictor: str, check_stop: Callable[[], None]
) -> tuple[list[_Block], ColumnTable]:
    """A block of each slab's rows, and the window's table: with rates only where they pay."""
    n_rows = rows[0].stop if rows else 0
    if predictor == frequency.NAME or (predictor == "auto" and n_rows > pbwt.MAX_ROWS):
        return [_by_frequency(matrix[:, part], table) for part in rows], table
    if n_rows > pbwt.MAX_ROWS:
        most = pbwt.MAX_ROWS // table.rows_per_sample
        raise InputError(f"a block has {n_rows} rows, pbwt takes {pbwt.MAX_ROWS}; give block_samples of at most {most}")
    by_pbwt, smallest = [], []
    for part in rows:
        check_stop()
        bits = matrix[:, part]
        block = _Block(pbwt.NUMBER, b"", pbwt.encode(bits, table))
        by_pbwt.append(block)
        if predictor == "auto" and frequency.least_bytes(bits) < block.size:
            block = min(block, _by_frequency(bits, table), key=lambda b: b.size)
        smallest.append(block)
    bare = table.without_rates()
    saved = sum(b.size for b in by_pbwt) - sum(b.size for b in smallest)
    if saved and saved > len(table.to_bytes()) - len(bare.to_bytes()):
        return smallest, table
    return by_pbwt, bare


def _is_readable(table: ColumnTable, n_alleles: int, n_samples: int) -> bool:
    """If a reader would take memory for a window; refuses what it would not even take a site of."""
    if table.ploidy > container.MAX_PLOIDY:
        raise InputError(f"calls have {table.ploidy} alleles each, an archive holds up to {container.MAX_PLOIDY}")
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
    window = coded.window
    most = max((slab.stop - slab.start for slab in slabs), default=0)
    decoder = WindowDecoder(coded.columns, coded.model, window.n_sites, window.ploidy, most)
    same = decode_sites(coded.sites, window.n_sites).columns()
    good = all(
        a == b if isinstance(a, list) else np.array_equal(a, b)
        for a, b in zip(same, cohort.sites.columns(), strict=True)
    )
    for slab, block in zip(slabs, coded.blocks, strict=True):
        part = cohort.call_genotype[:, slab]
        calls, phased = decoder.calls(
            block.latents + block.residual, len(block.latents), block.predictor, part.shape[1]
        )
        good &= np.array_equal(calls, part) and np.array_equal(phased, cohort.call_genotype_phased[:, slab])
    if not good:
        raise FastaeError(
            f"the sites at {window.spans} did not decode to what they were made of: nothing was written; "
            "please report this as a bug"
        )
