# SPDX-License-Identifier: Apache-2.0
"""Archive to calls, sites and latents: only the blocks that are asked for are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastae import _validate
from fastae.archive import container
from fastae.archive.compute import Computing
from fastae.archive.container import ContainerReader, Section
from fastae.archive.damage import Damage
from fastae.archive.handover import HandedOver
from fastae.archive.heads import decode_head, decode_names
from fastae.archive.indexing import hull
from fastae.archive.named import Selection
from fastae.archive.predictors import PREDICTORS
from fastae.archive.telling import Telling
from fastae.cohort import FILL, MAX_ALLELE, MAX_NARROW, Cohort, CohortStream


def open_archive(path: str | os.PathLike[str] | Any, *, n_threads: int = 1) -> Archive:
    """Open an archive for reading.

    Parameters
    ----------
    path : path-like, URL or file of fsspec
        A file here; a URL of any protocol that fsspec knows (``https://``, ``s3://``, ``zip://a.fae::b.zip``); or what
        ``fsspec.open`` gives, with which go credentials and the like. Of a file elsewhere, only what is asked for is
        read. URLs need the extra ``fastae[remote]``.
    n_threads : int
        Blocks that are decoded at a time. Beside what is asked for, memory holds as many blocks' bits, a byte for each
        haplotype and site; next to none of archives of preset "fast".

    Returns
    -------
    Archive
        Close it, or use it in a ``with`` statement. Threads and forked processes may share it; others are given it by
        pickling.

    Raises
    ------
    OSError
        If the file cannot be read.
    InputError
        If a URL's protocol is unknown or needs a package that is not installed, or a server gives no parts of files.
    FormatError
        If it is not an archive, or truncated; VersionError if it is newer than this release, ChecksumError if bytes
        have changed. Sections are checked when they are read, so reading raises this, too.

    Examples
    --------
    >>> import tempfile, os
    >>> import fastae
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "cohort.fae")
    ...     fastae.write_archive(path, [[[0, 1], [1, 1]], [[0, 0], [0, 1]]])
    ...     with fastae.open(path) as archive:
    ...         archive.shape, archive.samples, archive[0].tolist()
    ((2, 2, 2), ['S1', 'S2'], [[0, 1], [1, 1]])
    """
    return Archive(ContainerReader(path), _validate.integer(n_threads, 1, 1024, name="n_threads"))


class Archive(Computing, Telling, HandedOver):
    """A cohort in a file; `fastae.open` makes it.

    ``archive[variants, samples, alleles]`` gives calls as NumPy would give them from an array of `shape`: -1 is a
    missing allele, -2 stands behind the last allele of a call of lower ploidy. Iterating gives the calls of one variant
    after the other, each (n_samples, ploidy). `read_calls` gives the same into an array of yours, `read` with sites,
    names and phase.

    Names serve as indices, here and wherever variants and samples are parameters: of samples, a name or a list of
    names; of variants, an ID, a region (`query` has the syntax) or a list of such. What begins with a chromosome's name
    is a region, all else an ID. A name that stands for one sample is as one number; names of variants are as a list of
    numbers.

    Attributes
    ----------
    path : path-like
        Of the file, or its URL.
    shape : tuple of int
        (n_variants, n_samples, ploidy).
    ndim, dtype
        Of the array that it stands for: 3, int8; int16 if some allele is above 126.
    samples : list of str
    header : str
        Of the file the cohort came from, verbatim.
    source : {"vcf", "fasta"}
    attributes : dict of str to str
    sites : Sites
        All of them, as lists of texts; `to_pandas` makes a data frame of them.
    variants : ndarray, shape (n_variants,)
        All of the sites as one structured array, as `Sites.to_numpy` makes it, anew at each look-up. Names, header and
        sites are read when first asked for, and checked then.
    bytes_read : int
        Bytes read from the file so far.

    Examples
    --------
    >>> import tempfile, os
    >>> import fastae
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "cohort.fae")
    ...     fastae.write_archive(path, [[0, 1, 1], [1, 0, 0]])
    ...     with fastae.open(path) as archive:
    ...         archive[::-1, [0, 2], 0].tolist()
    ...         archive.query("1:2-"), archive.read(samples=[2]).samples
    ...         len(archive.latents()), archive.info()["blocks"], archive.hamming()
    ...         archive["1:2-", "S1"].tolist(), archive.variants["pos"].tolist()
    [[1, 0], [0, 1]]
    (array([1]), ['S3'])
    (1, 1, (2, 6))
    ([[1]], [1, 2])
    """

    ndim = 3

    def __reduce__(self) -> tuple:
        return type(self), (self._reader, self._n_threads)

    def __enter__(self) -> Archive:
        self._reader.check_open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file.

        Only `path`, `shape`, `dtype`, `ndim`, the length and `bytes_read` still answer then, and what `to_dask` and
        `to_xarray` have given; all else raises ValueError, whether it was asked for before or not. Closing again does
        nothing.
        """
        self._reader.close()

    def __repr__(self) -> str:
        n_variants, n_samples, ploidy = self.shape
        state = ", closed" if self._reader.is_closed else ""
        return f"<Archive {self.path}: {n_variants} variants, {n_samples} samples, ploidy {ploidy}{state}>"

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        samples = np.arange(self.shape[1])
        for start, stop in zip(self._starts, self._starts[1:], strict=False):  # each block is decoded once
            # copies, since a view would hold its whole block while the next one is decoded
            yield from (calls.copy() for calls in self._calls(np.arange(start, stop), samples, with_phase=False)[0])

    @property
    def path(self) -> str | os.PathLike[str]:
        return self._reader.path

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        return self._dtype

    @property
    def bytes_read(self) -> int:
        return self._reader.bytes_read

    # ---- calls -------------------------------------------------------------------------------------------------

    def __getitem__(self, key: object) -> np.ndarray:
        keys: list = list(key) if isinstance(key, tuple) else [key]
        if any(part is None for part in keys):
            raise IndexError("an archive cannot be given new axes; index the array that comes back")
        n_ellipses = sum(part is Ellipsis for part in keys)
        if n_ellipses > 1 or len(keys) - n_ellipses > 3:
            raise IndexError(f"too many indices: an archive has 3 axes (variants, samples, alleles), got {len(keys)}")
        at = next((i for i, part in enumerate(keys) if part is Ellipsis), len(keys))
        keys[at : at + 1] = [slice(None)] * (3 - len(keys) + n_ellipses)
        variants, keys[0] = hull(self._variant_key(keys[0]), self.shape[0], "variants")
        samples, keys[1] = hull(self._sample_key(keys[1]), self.shape[1], "samples")
        return self._calls(variants, samples, with_phase=False)[0][tuple(keys)]

    def read(self, variants: Selection = None, samples: Selection = None, *, n_threads: int | None = None) -> Cohort:
        """Part of the cohort, with sites, sample names and phase.

        Parameters
        ----------
        variants, samples : slice, array of int or bool, or names as in `Archive`, optional
            In the order given; all, if left out.
        n_threads : int, optional
            Blocks that are decoded at a time; as the archive was opened, if left out.

        Returns
        -------
        Cohort

        Raises
        ------
        IndexError
            If a number is out of range.
        InputError
            If there is no such name, or several have it.
        FormatError
            If the archive is corrupt.

        See Also
        --------
        read_calls : The calls alone, as an array.
        """
        at_variants, at_samples = self._asked(variants, samples)
        calls, phased = self._calls(at_variants, at_samples, n_threads=_threads(n_threads))
        names = [self.samples[i] for i in at_samples.tolist()]
        return Cohort(self.header, names, self._sites_at(at_variants), calls, phased, self.source, self.attributes)

    def region(self, region: str, samples: Selection = None) -> Cohort:
        """The variants that overlap a region, or several, with sites, sample names and phase.

        Parameters
        ----------
        region : str
            As `query` reads it: ``22:50.3M-50.4M``, ``22:50,300,000-50,400,000``, ``X``.
        samples : slice, array of int or bool, or names, optional
            In the order given; all, if left out.

        Returns
        -------
        Cohort
            With no variants, if the region has none.

        Raises
        ------
        InputError
            If the region is malformed or on no chromosome here, or there is no such sample.
        FormatError
            If the archive is corrupt.

        Examples
        --------
        >>> import tempfile, os
        >>> import fastae
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "cohort.fae")
        ...     fastae.write_archive(path, [[0, 1, 1], [1, 0, 0]])
        ...     with fastae.open(path) as archive:
        ...         archive.region("1:2-2.5K", ["S3", "S1"])
        <Cohort: 1 variants, 2 samples, ploidy 1>
        """
        return self.read(self.query(region), samples)

    def read_calls(
        self,
        variants: Selection = None,
        samples: Selection = None,
        *,
        out: np.ndarray | None = None,
        dtype: DTypeLike | None = None,
        n_threads: int | None = None,
    ) -> np.ndarray:
        """The calls at the crossings of some variants and samples.

        Parameters
        ----------
        variants, samples : slice, array of int or bool, or names as in `Archive`, optional
            In the order given; all, if left out.
        out : ndarray of shape (n_variants, n_samples, ploidy), optional
            Where to put them. Blocks are decoded straight into it, if it is of this dtype and contiguous.
        dtype : dtype, optional
            Of the result: signed integers or floating-point numbers; by default that of out, or the archive's. The
            values are those of VCF Zarr in any: -1 for a missing allele, -2 behind the last one of a call of lower
            ploidy.
        n_threads : int, optional
            Blocks that are decoded at a time; as the archive was opened, if left out.

        Returns
        -------
        ndarray of shape (n_variants, n_samples, ploidy)
            `out`, if that was given.

        Raises
        ------
        TypeError
            If the dtype cannot hold all that the archive's `dtype` does, or `out` is no array.
        ValueError
            If `out` has another shape or dtype, or cannot be written to.
        IndexError
            If a number is out of range.
        InputError
            If there is no such name, or several have it.
        FormatError
            If the archive is corrupt; `out` is then partly written.

        Examples
        --------
        >>> import tempfile, os
        >>> import numpy as np
        >>> import fastae
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "cohort.fae")
        ...     fastae.write_archive(path, [[[0, 1], [1, -1]], [[0, 0], [1, 1]]])
        ...     with fastae.open(path) as archive:
        ...         calls = np.empty((1, 2, 2), np.int8)
        ...         archive.read_calls([1], out=calls) is calls, calls.tolist()
        ...         archive.read_calls(samples="S2", dtype=np.float32).tolist()
        (True, [[[0, 0], [1, 1]]])
        [[[1.0, -1.0]], [[1.0, 1.0]]]
        """
        if out is not None and not isinstance(out, np.ndarray):
            raise TypeError(f"out must be a NumPy array, got {type(out).__name__}")
        at_variants, at_samples = self._asked(variants, samples)
        shape = len(at_variants), len(at_samples), self.shape[2]
        wanted = np.dtype(out.dtype if dtype is None and out is not None else self.dtype if dtype is None else dtype)
        if wanted.kind not in "if" or not np.can_cast(self.dtype, wanted):
            most = MAX_NARROW if self.dtype == np.int8 else MAX_ALLELE
            raise TypeError(f"dtype must be of signed integers or floats, to hold -2 to {most}; got {wanted}")
        if out is not None and (out.shape != shape or out.dtype != wanted or not out.flags.writeable):
            state = "" if out.flags.writeable else " that cannot be written to"
            raise ValueError(f"out must be of {wanted} and shape {shape}, got {out.dtype} {out.shape}{state}")
        straight = out is not None and wanted == self.dtype and out.flags.c_contiguous
        calls = self._calls(
            at_variants,
            at_samples,
            with_phase=False,
            out=out if straight else None,
            n_threads=_threads(n_threads),
        )[0]
        if out is None:
            return calls.astype(wanted, copy=False)
        if not straight:
            out[...] = calls
        return out

    def stream(self, variants: Selection = None, samples: Selection = None) -> CohortStream:
        """As `read`, window by window, so that memory holds some thousand variants at a time.

        Parameters
        ----------
        variants, samples : slice, array of int or bool, or names as in `Archive`, optional
            In the order given; all, if left out.

        Returns
        -------
        CohortStream

        Raises
        ------
        IndexError
            If a number is out of range.
        InputError
            If there is no such name, or several have it.
        FormatError
            If the archive is corrupt, also while the stream is read.
        """
        at, at_samples = self._asked([] if variants is None else variants, samples)
        if variants is None:
            parts: Iterable[np.ndarray] = (
                np.arange(a, b) for a, b in zip(self._starts, self._starts[1:], strict=False)
            )
        else:
            window_of = np.searchsorted(self._starts, at, side="right")
            parts = np.split(at, np.flatnonzero(np.diff(window_of)) + 1)
        names = [self.samples[i] for i in at_samples.tolist()]
        blocks = (block for part in parts if len(part) for block in self.read(part, at_samples).to_stream())
        return CohortStream(self.header, names, blocks, self.source, self.attributes, self.shape[2])

    # ---- the file ----------------------------------------------------------------------------------------------

    def info(self) -> dict:
        """What the archive holds and where its bytes go.

        Returns
        -------
        dict
            ``version`` of the format, ``source``, ``samples``, ``variants``, ``ploidy``, ``blocks``, ``windows``
            (numbers), ``block_variants`` and ``block_samples`` (of the largest block), ``latent_windows`` (those with
            latents), ``chromosomes`` (from where to where, by name), ``predictors`` (blocks of each) and ``bytes``:
            ``total`` = ``genotypes`` + ``sites`` + ``samples`` + ``header``, where ``genotypes`` = ``latents`` +
            ``decoder`` + ``residual`` + ``index``.
        """
        sections = self._reader.index.sections
        length = {kind: sum(s.length for s in sections if s.kind == kind) for kind in range(container.LATENTS + 1)}
        latents_of = {kind: sum(s.latents for s in sections if s.kind == kind) for kind in length}
        blocks = [s for s in sections if s.kind == container.BLOCK]
        size = {
            "total": self._reader.size,
            "genotypes": 0,
            "latents": sum(latents_of.values()) + length[container.LATENTS],
            "decoder": length[container.MODEL] - latents_of[container.MODEL],
            "residual": length[container.COLUMNS] + length[container.BLOCK] - latents_of[container.BLOCK],
            "index": self._reader.index_bytes,
            "sites": length[container.SITES],
            "samples": length[container.SAMPLES],
            "header": length[container.HEADER] + self._reader.header_bytes,
        }
        size["genotypes"] = size["latents"] + size["decoder"] + size["residual"] + size["index"]
        n_variants, n_samples, ploidy = self.shape
        index = self._reader.index
        chromosomes: dict[str, tuple[int, int]] = {}
        for window in index.windows:
            for chrom, first, last in window.spans:
                low, high = chromosomes.get(chrom, (first, last))
                chromosomes[chrom] = min(low, first), max(high, last)
        return {
            "version": self._reader.version,
            "source": self.source,
            "samples": n_samples,
            "variants": n_variants,
            "ploidy": ploidy,
            "chromosomes": chromosomes,
            "blocks": len(blocks),
            "windows": len(index.windows),
            "block_variants": max((window.n_sites for window in index.windows), default=0),
            "block_samples": min(index.slab_samples, n_samples),
            "latent_windows": len({s.window for s in sections if s.latents or s.kind == container.LATENTS}),
            "predictors": {name: sum(s.predictor == number for s in blocks) for name, number in PREDICTORS.items()},
            "bytes": size,
        }

    def verify(self, *, progress: Callable[[int], object] | None = None) -> None:
        """Read and decode everything.

        Parameters
        ----------
        progress : function, optional
            Called with the number of variants decoded so far.

        Raises
        ------
        FormatError
            If any byte of the file is not as it was written. It names all the variants and samples that are lost;
            the others can still be read.
        """
        damage, find = Damage(self._reader), self._reader.find
        for section in self._reader.index.sections:  # also those that decoding would not need, or has already seen
            damage.look(section, lambda section=section: self._reader.read_section(section))  # type: ignore[misc]
        head, names = find(container.HEADER), find(container.SAMPLES)
        damage.look(head, lambda: decode_head(self._reader.read(container.HEADER)))
        damage.look(names, lambda: decode_names(self._reader.read(container.SAMPLES), self.shape[1]))

        def decode(number: int, section: Section, slab: slice) -> None:
            def read() -> None:
                payload = self._reader.read_section(section)
                self._decoder(number).calls(payload, section.latents, section.predictor, slab.stop - slab.start)

            damage.look(section, read)

        for number in range(len(self._reader.index.windows)):
            columns = find(container.COLUMNS, number)
            if damage.is_whole(find(container.MODEL, number)):
                damage.look(columns, lambda number=number: self._decoder(number))  # type: ignore[misc]
                if damage.is_whole(columns):
                    self._do_all(decode, [(number, *block) for block in self._blocks(number)])
            damage.look(find(container.SITES, number), lambda number=number: self._sites_of(number))  # type: ignore[misc]
            stored = find(container.LATENTS, number)
            damage.look(stored, lambda number=number: self._stored_latents(number))  # type: ignore[misc]
            if progress is not None:
                progress(int(self._starts[number + 1]))
        damage.raise_if_any()

    def _calls(
        self,
        variants: np.ndarray,
        samples: np.ndarray,
        *,
        with_phase: bool = True,
        out: np.ndarray | None = None,
        n_threads: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Calls and phase at the crossings of some variants and samples, in the order given; or no phase at all."""
        index = self._reader.index
        calls = np.empty((len(variants), len(samples), index.ploidy), self.dtype) if out is None else out
        phased = np.empty(calls.shape[:2] if with_phase else (0, 0), bool)
        of_window = np.searchsorted(self._starts, variants, side="right") - 1
        of_slab = samples // index.slab_samples

        def decode(window: int, slab: int) -> None:
            decoder, section, where = self._decoder(window), self._block(window, slab), self._slab(slab)
            payload = self._reader.read_section(section)
            rows, columns = _span(of_window == window), _span(of_slab == slab)
            sites, people = variants[rows] - self._starts[window], samples[columns] - where.start
            first, last = int(sites.min()), int(sites.max()) + 1
            wanted = np.unique(people)
            at = _cross(rows, columns)
            source = _cross(_span_of(sites - first), _span_of(np.searchsorted(wanted, people)))
            in_place = decoder.table.ploidy == index.ploidy and all(isinstance(key, slice) for key in (*at, *source))
            out = calls[at] if in_place else None
            part, part_phased = decoder.calls(
                payload,
                section.latents,
                section.predictor,
                where.stop - where.start,
                sites=slice(first, last),
                samples=wanted if len(wanted) < where.stop - where.start else None,
                out=out,
            )
            if part is not out:
                calls[(*at, slice(part.shape[2]))] = part[source]
                calls[(*at, slice(part.shape[2], None))] = FILL
            if with_phase:
                phased[at] = part_phased[source]

        windows, slabs = (np.flatnonzero(np.bincount(numbers)).tolist() for numbers in (of_window, of_slab))
        jobs = [(window, slab) for window in windows for slab in slabs]
        self._do_all(decode, self._read_ahead(jobs), n_threads)
        return calls, phased


def _threads(n_threads: int | None) -> int | None:
    return None if n_threads is None else _validate.integer(n_threads, 1, 1024, name="n_threads")


def _span(mask: np.ndarray) -> slice | np.ndarray:
    """Where a mask is true: a slice if it is one run, which NumPy copies far faster than numbers."""
    return _span_of(np.flatnonzero(mask))


def _span_of(numbers: np.ndarray) -> slice | np.ndarray:
    if len(numbers) and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def _cross(rows: slice | np.ndarray, columns: slice | np.ndarray) -> tuple:
    if isinstance(rows, slice) or isinstance(columns, slice):
        return rows, columns
    return np.ix_(rows, columns)
