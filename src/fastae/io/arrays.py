# SPDX-License-Identifier: Apache-2.0
"""NumPy files <-> cohort streams: .npz holds all of a cohort under VCF Zarr's names, .npy its calls alone.

An .npz is a ZIP of .npy files, whose rows are the variants: so they are read and written some rows at a time. Writing
keeps them in temporary files beside the output until their number and width, which an .npy begins with, are known.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable

import numpy as np

from ..archive.container import MAX_SAMPLES
from ..cohort import FILL, FIXED_COLUMNS, Cohort, CohortStream, Sites, block_size, narrow
from ..errors import InputError
from ..fileio import atomic_output
from .plinkfiles import Losses, vcf_header

_TEXTS = ("variant_id", "variant_quality", "variant_filter", "variant_info")  # verbatim, as in VCF
_CONTIGS, _ALLELES, _ATTRIBUTES = "contig_id", "variant_allele", "fastae_attributes"
_ROWS = ("call_genotype", "call_genotype_phased", "variant_contig", "variant_position", _ALLELES, *_TEXTS)
_WHOLE = ("sample_id", _CONTIGS, "vcf_header", _ATTRIBUTES)
_PART_BYTES = 1 << 26  # of an array to hold at a time
_COLUMNS = "#" + "\t".join(FIXED_COLUMNS)
_CORRUPT = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, NotImplementedError, RuntimeError)


def read_npz(path: str | os.PathLike[str], *, drop_format: bool = False) -> CohortStream:
    """Read a cohort from the arrays of an .npz, block by block.

    Parameters
    ----------
    path : path-like
        A file of `write_npz`, or one that has ``call_genotype`` (variants, samples[, ploidy]) and any of the arrays
        that this writes; what is not there is made up as by `Cohort.from_arrays`.
    drop_format : bool
        Leave out other arrays whose name begins with ``call_`` instead of refusing them.

    Returns
    -------
    CohortStream

    Raises
    ------
    InputError
        If the file is corrupt, arrays contradict each other or VCF, or there is one that a cohort has no place for.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny.npz")
    ...     np.savez(path, call_genotype=[[[0, 1], [1, 1]]], sample_id=["ann", "ben"])
    ...     cohort = read_npz(path).read()
    >>> cohort.samples, cohort.sites.alt, cohort.call_genotype.tolist()
    (['ann', 'ben'], ['<A1>'], [[[0, 1], [1, 1]]])
    """
    path = os.fsdecode(path)
    blocks = _refusing(path, _read(path, drop_format))
    first = next(blocks)  # runs the generator up to the blocks, so that closing it closes the file
    return CohortStream(first.header, first.samples, blocks, attributes=first.attributes, ploidy=first.ploidy)


def _refusing(path, blocks):
    """The blocks; whatever zipfile and NumPy raise for bytes that are not right becomes InputError."""
    try:
        yield from blocks
    except InputError:
        raise
    except _CORRUPT as error:
        raise InputError(f"{path}: the arrays cannot be read: {error}; write them again") from error


def _read(path, drop_format):
    with contextlib.ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(path))
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        kept = [name for name in names if not (drop_format and name.startswith("call_") and name not in _ROWS)]
        unknown = [name for name in kept if name not in _ROWS + _WHOLE]
        if "call_genotype" not in kept:
            raise InputError(f"{path}: there is no array call_genotype in this .npz; it has {', '.join(names[:9])}")
        if unknown:
            raise InputError(
                f"{path}: a cohort has no place for {', '.join(unknown[:9])}; leave it out of the .npz, or give "
                "drop_format (--drop-format) for arrays call_..."
            )
        arrays = {name: stack.enter_context(_Member(archive.open(f"{name}.npy"), name)) for name in kept}
        whole = {name: arrays.pop(name).whole() for name in _WHOLE if name in arrays}
        calls = arrays["call_genotype"]
        n_variants, n_samples = calls.called()
        for name, array in arrays.items():
            if array.shape[:1] != (n_variants,):
                raise InputError(f"{path}: {name} has shape {array.shape}, and call_genotype {n_variants} variants")
        samples = _texts("sample_id", whole["sample_id"]) if "sample_id" in whole else None
        contigs = _texts(_CONTIGS, whole[_CONTIGS]) if _CONTIGS in whole else ["1"]
        header = str(whole["vcf_header"][()]) if "vcf_header" in whole else vcf_header(contigs)
        if not header.startswith("##fileformat=VCF") or header.split("\n")[-1] not in (_COLUMNS, f"{_COLUMNS}\tFORMAT"):
            raise InputError(f"{path}: vcf_header is no header of VCF up to INFO or FORMAT, without sample names")
        attributes = dict(np.atleast_2d(whole[_ATTRIBUTES]).tolist()) if _ATTRIBUTES in whole else {}
        empty = np.zeros((0, *calls.shape[1:]), np.int8)
        if samples is not None and len(samples) != n_samples:
            raise InputError(f"{path}: sample_id has {len(samples)} names, and call_genotype {n_samples} samples")
        if n_variants and not any(array.row_bytes for array in arrays.values()):
            raise InputError(f"{path}: {n_variants} variants have neither calls nor sites; leave them out of the .npz")
        first = Cohort.from_arrays(empty, samples=samples)
        samples = first.samples
        yield dataclasses.replace(first, header=header, attributes=attributes)
        step = max(min([block_size(n_samples), *(_PART_BYTES // max(a.row_bytes, 1) for a in arrays.values())]), 1)
        for start in range(0, n_variants, step):
            n = min(step, n_variants - start)
            rows = {name: array.take(n) for name, array in arrays.items()}
            yield _block(path, start, rows, header, samples, contigs, attributes)
        for array in arrays.values():
            array.finish()


def _block(path, start, rows, header, samples, contigs, attributes):
    calls = rows["call_genotype"]
    n = len(calls)
    made_up = Sites.numbered(n, max(int(calls.max(initial=1)), 1) + 1)
    columns = {"chrom": made_up.chrom, "pos": made_up.pos + start, "ref": made_up.ref, "alt": made_up.alt}
    if "variant_contig" in rows:
        numbers = rows["variant_contig"]
        if numbers.dtype.kind not in "iu" or (n and not 0 <= numbers.min() <= numbers.max() < len(contigs)):
            raise InputError(f"{path}: variant_contig must be numbers of the {len(contigs)} names in contig_id, from 0")
        columns["chrom"] = [contigs[i] for i in numbers.tolist()]
    if "variant_position" in rows:
        columns["pos"] = rows["variant_position"]
        if columns["pos"].dtype.kind not in "iu" or (n and columns["pos"].min() < 0):
            raise InputError(f"{path}: variant_position must be whole numbers, none below 0")
    if _ALLELES in rows:
        alleles = rows[_ALLELES]
        if alleles.ndim != 2 or not alleles.shape[1]:
            raise InputError(f"{path}: {_ALLELES} has shape {alleles.shape}, expected (variants, alleles)")
        columns["ref"] = _texts(_ALLELES, alleles[:, 0])
        alts = [",".join(row).rstrip(",") for row in alleles[:, 1:].tolist()]
        columns["alt"] = _texts(_ALLELES, np.array([alt or "." for alt in alts], np.str_))
        n_alts = np.array([alt.count(",") + 1 if alt else 0 for alt in alts], np.int64)
        beyond = calls.reshape(n, -1).max(axis=1, initial=0) > n_alts
        if beyond.any():
            raise InputError(f"{path}: variant {start + int(beyond.argmax()) + 1} has calls beyond its {_ALLELES}")
    for name in _TEXTS:
        columns[name[8:] if name != "variant_quality" else "qual"] = (
            _texts(name, rows[name]) if name in rows else made_up.id
        )
    columns["pos"] = columns["pos"].astype(np.int64)
    phased = rows.get("call_genotype_phased", np.True_)
    cohort = Cohort.from_arrays(calls, phased=phased, samples=samples, sites=Sites(**columns))
    return dataclasses.replace(cohort, header=header, attributes=attributes)


def _texts(name, array):
    """A column of VCF: texts, or numbers where a quality is one."""
    if array.dtype.kind == "f" and name == "variant_quality":
        return ["." if np.isnan(x) else str(x).removesuffix(".0") for x in array]
    if array.dtype.kind != "U" or array.ndim != 1:
        raise InputError(f"{name} has type {array.dtype} and {array.ndim} axes, expected one axis of str")
    texts = array.tolist()
    for text in texts:
        if not text or "\t" in text or "\n" in text:
            raise InputError(f"{name} has {text[:60]!r}, and VCF no place for nothing, tabs and line ends")
    return texts


class _Member:
    """An .npy, read from the first row to the last."""

    def __init__(self, file, name):
        self.name = name
        self._file = file
        version = np.lib.format.read_magic(self._file)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if reader is None:
            raise InputError(f"{name} is an .npy of version {version}, expected 1.0 or 2.0")
        self.shape, is_fortran, self.dtype = reader(self._file)
        if self.dtype.hasobject or not self.dtype.itemsize or min(self.shape, default=0) < 0:
            raise InputError(f"{name} is {self.dtype} of shape {self.shape}; expected plain numbers or str")
        if is_fortran and len(self.shape) > 1:
            raise InputError(f"{name} is in Fortran order; store np.ascontiguousarray of it")
        self.row_bytes = int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._file.close()

    def called(self):
        """How many variants and samples calls have; raises InputError if the array holds none."""
        if self.dtype.kind not in "iu" or len(self.shape) not in (2, 3):
            raise InputError(
                f"{self.name} is {self.dtype} of shape {self.shape}; "
                "expected integers (variants, samples) or (variants, samples, ploidy)"
            )
        if self.shape[1] > MAX_SAMPLES:
            raise InputError(f"{self.name} has {self.shape[1]} samples, an archive holds up to {MAX_SAMPLES}")
        return self.shape[:2]

    def take(self, n):
        """The next `n` rows."""
        return self._array(n * self.row_bytes, (n, *self.shape[1:]))

    def whole(self):
        array = self._array(int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize, self.shape)
        self.finish()
        return array

    def _array(self, n_bytes, shape):
        data = self._file.read(n_bytes)  # takes memory for what is there, not for what is promised
        if len(data) != n_bytes:
            raise InputError(f"{self.name} ends after {len(data)} of {n_bytes} bytes")
        if not n_bytes:
            return np.zeros(shape, self.dtype)
        return np.frombuffer(data, self.dtype).reshape(shape)

    def finish(self):
        """Raises InputError if more follows; zipfile compares the checksum here."""
        if self._file.read(1):
            raise InputError(f"{self.name} has more bytes than its shape {self.shape} asks for")


class _Spool:
    """Rows of an array in a temporary file until all of them are there; those to come may be wider.

    It begins as an array without rows, and is filled up with `fill`.
    """

    def __init__(self, folder, empty, fill):
        self._file = tempfile.TemporaryFile(dir=folder)
        self._fill = fill
        self._n_parts = 0
        self.shape, self.dtype = empty.shape, empty.dtype

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._file.close()

    def add(self, array):
        self.shape = (self.shape[0] + len(array), *np.maximum(self.shape[1:], array.shape[1:]).tolist())
        self.dtype = np.promote_types(self.dtype, array.dtype)
        self._n_parts += 1
        np.save(self._file, array, allow_pickle=False)

    def add_texts(self, rows):
        """Texts, or lists of as many texts each."""
        width = 1 if not rows or isinstance(rows[0], str) else len(rows[0])
        longest = max((len(text) for row in rows for text in ([row] if isinstance(row, str) else row)), default=0)
        step = max(_PART_BYTES // (4 * width * max(longest, 1)), 1)
        for start in range(0, len(rows), step):
            self.add(_str_array(rows[start : start + step]))

    def parts(self, dtype):
        """All rows in order, some at a time, as wide as the widest and of one type."""
        self._file.seek(0)
        step = max(_PART_BYTES // max(int(np.prod(self.shape[1:])) * dtype.itemsize, 1), 1)
        for _ in range(self._n_parts):
            part = np.load(self._file, allow_pickle=False)
            for start in range(0, len(part), step):
                rows = part[start : start + step]
                wide = np.full((len(rows), *self.shape[1:]), self._fill, dtype)
                wide[tuple(slice(n) for n in rows.shape)] = rows
                yield wide


def _str_array(texts):
    array = np.array(texts, np.str_)
    if array.tolist() != texts:
        raise InputError("a text ends in a null character, which NumPy cannot hold; write VCF instead")
    return array


def _write_npy(file, shape, dtype, parts):
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
    for part in parts:
        file.write(part.tobytes())


def write_npz(
    path: str | os.PathLike[str],
    stream: CohortStream,
    *,
    lossy: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a cohort stream as the arrays of an .npz, all of it.

    The names are VCF Zarr's: ``call_genotype`` int8 or int16 (variants, samples, ploidy), ``call_genotype_phased``,
    ``sample_id``, ``contig_id``, ``variant_contig`` (numbers of it), ``variant_position``, ``variant_id``,
    ``variant_allele`` (variants, alleles; REF first, filled up with ``''``). QUAL, FILTER and INFO are texts as they
    stand in VCF, ``variant_quality``, ``variant_filter`` and ``variant_info``; so is ``vcf_header``.

    Parameters
    ----------
    path : path-like
        It appears only when it is complete.
    stream : CohortStream
        Read block by block.
    lossy : bool
        Changes nothing: there is nothing to leave out.
    inputs : iterable of path-like
        Files being read, which `path` must not be.

    Raises
    ------
    InputError
        If `path` is a directory or an input, or a text ends in a null or an ALT in a comma.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny.npz")
    ...     write_npz(path, Cohort.from_arrays([[[0, 1], [1, 1]]]).to_stream())
    ...     with np.load(path) as arrays:
    ...         arrays["call_genotype"].tolist(), arrays["variant_allele"].tolist()
    ([[[0, 1], [1, 1]]], [['N', '<A1>']])
    """
    path = os.fsdecode(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(atomic_output(path, inputs))
        folder = os.path.dirname(os.path.realpath(path))
        n_samples = len(stream.samples)
        starts = {
            "call_genotype": (stream.empty().call_genotype, FILL),
            "call_genotype_phased": (np.zeros((0, n_samples), np.bool_), False),
            "variant_contig": (np.zeros(0, np.int32), 0),
            "variant_position": (np.zeros(0, np.int64), 0),
            _ALLELES: (np.zeros((0, 1), "U1"), ""),
            **dict.fromkeys(_TEXTS, (np.zeros(0, "U1"), "")),
        }
        spools = {name: stack.enter_context(_Spool(folder, *start)) for name, start in starts.items()}
        contigs: dict[str, int] = {}
        for block in stream:
            _spool_block(path, spools, block, contigs)
        arrays = {name: (spool.shape, spool.dtype, spool.parts(spool.dtype)) for name, spool in spools.items()}
        for name, array in (
            ("sample_id", _str_array(stream.samples)),
            (_CONTIGS, _str_array(list(contigs))),
            ("vcf_header", np.array(stream.header)),
            (_ATTRIBUTES, np.array(list(stream.attributes.items()), np.str_).reshape(-1, 2)),
        ):
            arrays[name] = array.shape, array.dtype, [array]
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy")  # without the time, so that like cohorts give like files
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=True) as member:
                    _write_npy(member, *array)


def _spool_block(path, spools, block, contigs):
    sites = block.sites
    for name in sites.chrom:
        contigs.setdefault(name, len(contigs))
    spools["call_genotype"].add(narrow(block.call_genotype))
    spools["call_genotype_phased"].add(block.call_genotype_phased)
    spools["variant_contig"].add(np.array([contigs[name] for name in sites.chrom], np.int32))
    spools["variant_position"].add(sites.pos)
    if any(alt.endswith(",") for alt in sites.alt):
        raise InputError(f"{path}: an ALT ends in a comma, which an .npz cannot hold; write VCF instead")
    rows = [[ref, *([] if alt == "." else alt.split(","))] for ref, alt in zip(sites.ref, sites.alt, strict=True)]
    n_alleles = max(map(len, rows), default=1)
    spools[_ALLELES].add_texts([row + [""] * (n_alleles - len(row)) for row in rows])
    for name, texts in zip(_TEXTS, (sites.id, sites.qual, sites.filter, sites.info), strict=True):
        spools[name].add_texts(texts)


def read_npy(path: str | os.PathLike[str]) -> CohortStream:
    """Read calls from an .npy, block by block.

    Parameters
    ----------
    path : path-like
        An array of integers (variants, samples) or (variants, samples, ploidy): alleles, -1 missing, -2 fill.

    Returns
    -------
    CohortStream
        With the names, sites and phase that `Cohort.from_arrays` makes up; `write_npy` writes it as it was.

    Raises
    ------
    InputError
        If the file is corrupt, or holds another kind of array.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny.npy")
    ...     np.save(path, [[[0, 1], [1, 1]]])
    ...     read_npy(path).read().call_genotype.tolist()
    [[[0, 1], [1, 1]]]
    """
    path = os.fsdecode(path)
    blocks = _refusing(path, _read_npy(path))
    first = next(blocks)
    return CohortStream(first.header, first.samples, blocks, attributes=first.attributes, ploidy=first.ploidy)


def _read_npy(path):
    with open(path, "rb") as file, _Member(file, os.path.basename(path)) as array:
        n_variants, n_samples = array.called()
        if n_variants and not n_samples:
            raise InputError(f"{path}: the array has shape {array.shape}, which is no calls at all; give it samples")
        step = max(min(block_size(n_samples), _PART_BYTES // max(array.row_bytes, 1)), 1)
        starts = range(0, n_variants, step)  # no list: as many are promised as a header likes
        attributes = {"npy.dtype": array.dtype.str, "npy.axes": str(len(array.shape))}
        rows_start = file.tell()
        parts = (array.take(min(step, n_variants - start)) for start in starts)
        largest = max((int(part.max(initial=1)) for part in parts), default=1)  # all alleles have a name
        array.finish()
        file.seek(rows_start)
        first = Cohort.from_arrays(np.zeros((0, *array.shape[1:]), np.int8))
        yield dataclasses.replace(first, attributes=attributes)
        for start in starts:
            n = min(step, n_variants - start)
            sites = Sites.numbered(n, largest + 1)
            sites.pos[:] += start
            block = Cohort.from_arrays(array.take(n), sites=sites)
            yield dataclasses.replace(block, attributes=attributes)


def write_npy(
    path: str | os.PathLike[str],
    stream: CohortStream,
    *,
    lossy: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write the calls of a cohort stream as an .npy: int8, or int16 where alleles need it (variants, samples, ploidy).

    Parameters
    ----------
    path : path-like
        It appears only when it is complete.
    stream : CohortStream
        Read block by block.
    lossy : bool
        Leave out names, sites and phase, with a `LossWarning`, instead of refusing a cohort that has them. Those of
        `read_npy` have none, and are written as they were, in type and axes.
    inputs : iterable of path-like
        Files being read, which `path` must not be.

    Raises
    ------
    InputError
        If `path` is a directory or an input, or the cohort has more than calls and `lossy` does not allow to lose it.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, copy = os.path.join(folder, "tiny.npy"), os.path.join(folder, "copy.npy")
    ...     np.save(path, [[0, 1], [1, 1]])
    ...     write_npy(copy, read_npy(path))
    ...     np.load(copy).tolist()
    [[0, 1], [1, 1]]
    """
    path = os.fsdecode(path)
    losses = Losses(path, "NumPy's .npy", "write .npz", lossy)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(atomic_output(path, inputs))
        if "npy.dtype" not in stream.attributes:
            losses.add(["sample names", "sites", "phase"])
        folder = os.path.dirname(os.path.realpath(path))
        spool = stack.enter_context(_Spool(folder, stream.empty().call_genotype, FILL))
        for block in stream:
            spool.add(narrow(block.call_genotype))
        kind = stream.attributes.get("npy.dtype", "")
        dtype = np.dtype(kind if re.fullmatch("[<>|][iu][1248]", kind) else spool.dtype)
        is_flat = stream.attributes.get("npy.axes") == "2" and spool.shape[2] == 1
        _write_npy(file, spool.shape[:2] if is_flat else spool.shape, dtype, spool.parts(dtype))
    losses.warn()
