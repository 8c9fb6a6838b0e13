# SPDX-License-Identifier: Apache-2.0
"""Cohort streams -> VCF Zarr stores with the arrays, types and chunks that bio2zarr gives the same VCF.

Types and widths of arrays depend on all records, so a cohort is taken twice: once to see how wide each array has to be,
its chunks going into a temporary file, and once from there into the store. Memory holds a chunk of variants at a time.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import re
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterable

import numpy as np

from ..cohort import FILL, CohortStream, header_text
from ..errors import InputError
from ..fileio import atomic_output, check_output
from .infofields import Definition, ValueRefusedError, definitions, int_dtype, parse, sentinels
from .plinkfiles import Losses

FIXED = (
    "variant_contig",
    "variant_position",
    "variant_length",
    "variant_id",
    "variant_id_mask",
    "variant_allele",
    "variant_quality",
    "variant_filter",
)
ATTRIBUTES = "fastae_attributes"  # of the cohort, which only its own format reads: what a .fam says, for one
_VERSION = "0.5"  # of the specification, as bio2zarr 0.2 says
_VARIANT_CHUNK, _SAMPLE_CHUNK = 1000, 10_000
_SHUFFLE, _BITSHUFFLE = 1, 2
_META = re.compile("##([^=]+)=(.*)")
_IN_ARRAYS = ("contig", "FILTER", "INFO", "FORMAT")
_DTYPES = {"Float": "f4", "Flag": "bool", "Character": "U1", "String": "T"}
_DESCRIPTIONS = {
    "variant_contig": "An identifier from the reference genome or an angle-bracketed ID string pointing to a contig in"
    " the assembly file",
    "variant_position": "The reference position",
    "variant_length": "The length of the variant measured in bases",
    "variant_id": "List of unique identifiers where applicable",
    "variant_allele": "List of the reference and alternate alleles",
    "variant_quality": "Phred-scaled quality score",
    "variant_filter": "Filter status of the variant",
}


def import_zarr():
    """The zarr package, of version 3: version 2 writes no strings that others read."""
    try:
        import zarr
    except ImportError as error:
        raise InputError("VCF Zarr needs zarr: pip install 'fastae[zarr]'") from error
    if int(zarr.__version__.split(".")[0]) < 3:
        raise InputError(f"VCF Zarr needs zarr 3 (Python 3.11 or newer), here is {zarr.__version__}: upgrade it")
    return zarr


def write_vcfzarr(
    path: str | os.PathLike[str],
    stream: CohortStream,
    *,
    lossy: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a cohort stream as a VCF Zarr store of Zarr format 2, as bio2zarr, vcztools and sgkit expect it.

    INFO becomes arrays typed by the header, which is kept as the attribute ``vcf_header``. As in BCF, floats
    are rounded to float32, and as in every store of this kind a record's INFO keys and filters have no order.

    Parameters
    ----------
    path : path-like
        A directory, or a file whose name ends in ``.zip``. It appears only when it is complete; a store that is there
        is replaced then, another directory is refused.
    stream : CohortStream
        Read block by block.
    lossy : bool
        Leave out INFO that typed arrays cannot hold, and name it in a `LossWarning`, instead of refusing it.
    inputs : iterable of path-like
        Files being read, which `path` must not be.

    Raises
    ------
    InputError
        If `path` cannot be written to or is an input, or the cohort has what a store cannot hold: INFO that the header
        does not define or that is not of its type, an integer -1 or -2 in INFO, text that is not UTF-8. Also if zarr is
        not installed.
    OSError
        If the store cannot be written.

    Examples
    --------
    >>> import tempfile, zarr
    >>> from fastae.cohort import Cohort
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "one.vcz")
    ...     write_vcfzarr(path, Cohort.from_arrays([[[0, 1]]], samples=["ann"]).to_stream())
    ...     store = zarr.open_group(path, mode="r")
    ...     store["sample_id"][:].tolist(), store["call_genotype"][:].tolist()
    (['ann'], [[[0, 1]]])
    """
    zarr = import_zarr()
    path = os.fsdecode(path).rstrip(os.sep)
    if stream.source != "vcf":
        raise InputError(f"{path}: VCF Zarr cannot hold sequences; write FASTA")
    is_zip = path.lower().endswith(".zip")
    target = os.path.realpath(path)
    _check_target(path, target, inputs, is_zip)
    temporary = f"{target}.{secrets.token_hex(4)}.{os.getpid()}.tmp"
    try:
        try:
            with tempfile.TemporaryFile(dir=os.path.dirname(target)) as spool:
                losses = Losses(path, "VCF Zarr", "write VCF", lossy)
                plan = _Plan(stream, losses)
                plan.take(stream, spool)
                spool.seek(0)
                _build(zarr.open_group(temporary, mode="w-", zarr_format=2), plan, spool)
        except UnicodeEncodeError as error:
            raise InputError("a VCF Zarr store cannot hold text that is not UTF-8; write VCF instead") from error
        if is_zip:
            with atomic_output(path, inputs) as file:
                _zip(temporary, file)
        else:
            _exchange(temporary, target)
        losses.warn()
    except OSError as error:
        if error.errno is not None and error.filename in (None, temporary):  # nobody knows of the one it is made under
            raise OSError(error.errno, error.strerror, path) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_target(path, target, inputs, is_zip):
    if is_zip or not os.path.isdir(path):
        if path == "-":
            raise InputError("a VCF Zarr store is a directory and cannot go to standard output; give a name")
        check_output(path, inputs)
        if not is_zip and os.path.exists(path):
            raise InputError(f"{path}: there is a file of this name, and a VCF Zarr store is a directory")
        return
    for source in inputs:
        if os.path.exists(source) and os.path.realpath(source) == target:
            raise InputError(f"{path}: the output is the input; give another name")
    if not any(os.path.isfile(os.path.join(path, name)) for name in (".zgroup", "zarr.json")):
        raise InputError(f"{path}: there is a directory of this name that is no Zarr store; give another name")


def _exchange(temporary, target):
    """Give the complete store its name, in place of a store that has it."""
    old = f"{temporary}.old"
    with contextlib.suppress(FileNotFoundError):
        os.rename(target, old)
    try:
        os.rename(temporary, target)
    except OSError:
        if os.path.isdir(old):
            os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _zip(folder, file):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for where, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                whole = os.path.join(where, name)
                archive.write(whole, os.path.relpath(whole, folder))


class _Bounds:
    """The narrowest type of the integers seen so far; int8 where there are none."""

    def __init__(self):
        self.dtype = "i1"

    def update(self, values):
        if values.size:
            self.dtype = max(self.dtype, int_dtype(int(values.min()), int(values.max())))


class _InfoColumn:
    """An INFO field of the header and what has been seen of it."""

    def __init__(self, definition: Definition):
        self.definition = definition
        self.type = definition.type if definition.type in ("Integer", "Float", "Flag", "Character") else "String"
        self.width = int(definition.number) if definition.number.isdigit() else 0
        self.bounds = _Bounds()
        self.dots: dict[int, str] = {}  # widths of records that are missing throughout, and one of each

    def parse(self, texts):
        values, counts = parse(self.type, texts)
        self.width = max(self.width, values.shape[1])
        if self.type == "Integer":
            self.bounds.update(values[values > -1])
            self.bounds.update(values[values < FILL])
        for text in set(texts):
            if not text.strip(".,") and (self.type != "String" or set(text.split(",")) == {"."}):
                self.dots[text.count(",") + 1] = text
        return values

    def shape(self, dimensions):
        """The axis behind the variants', if there is one, and its length."""
        number = self.definition.number
        name = {"A": "alt_alleles", "R": "alleles", "G": "genotypes"}.get(number)
        if name and self.type != "Flag":
            if self.width > dimensions[name]:
                raise InputError(
                    f"INFO {self.definition.name} has {self.width} values in a record where Number={number} "
                    f"of the header allows no more than {dimensions[name]}; correct the header"
                )
            return (name, dimensions[name])
        if self.width > 1:
            return (f"INFO_{self.definition.name}_dim", self.width)
        return None


class _Plan:
    """What is known of a store before it is made: names, widths, types."""

    def __init__(self, stream, losses):
        self.losses = losses
        self.dropped: set[str] = set()
        self.header, self.samples, self.attributes = stream.header, stream.samples, stream.attributes
        self.defined = definitions(stream.header)
        names = [d.name for d in self.defined if d.kind == "FILTER" and d.name != "PASS"]
        self.filters = {name: number for number, name in enumerate(["PASS", *names])}
        self.contigs = {name: number for number, name in enumerate(d.name for d in self.defined if d.kind == "contig")}
        self.info = {d.name: _InfoColumn(d) for d in self.defined if d.kind == "INFO" and self._can_be_named(d.name)}
        self.has_calls = bool(self.samples) or any(d.kind == "FORMAT" and d.name == "GT" for d in self.defined)
        self.pos, self.length, self.calls = _Bounds(), _Bounds(), _Bounds()
        self.n_variants, self.n_alleles, self.ploidy = 0, 2, 1

    def _can_be_named(self, name):
        if f"variant_{name}" in FIXED or "/" in name or name.endswith(("_mask", "_fill")):
            return self._drop(name, "no name for an array")
        return True

    def _drop(self, name, why):
        if name not in self.dropped:  # once is enough, however many records have it
            self.dropped.add(name)
            self.losses.add([f"INFO {name} ({why})"])
        return False

    def take(self, stream, spool):
        """Put all blocks into the spool, and see what is in them."""
        for block in stream.rebatch(_VARIANT_CHUNK):
            self.n_variants += block.n_variants
            self.ploidy = max(self.ploidy, block.ploidy)
            pickle.dump(self._sites(block.sites), spool, pickle.HIGHEST_PROTOCOL)
            if self.has_calls:
                self.calls.update(block.call_genotype)
                for start in range(0, block.n_samples, _SAMPLE_CHUNK):
                    part = slice(start, start + _SAMPLE_CHUNK)
                    pieces = block.call_genotype[:, part], block.call_genotype_phased[:, part]
                    pickle.dump(pieces, spool, pickle.HIGHEST_PROTOCOL)
        self._check_dots()

    def _sites(self, sites):
        lengths = sites.ends() - sites.pos + 1
        if len(sites.pos) and sites.pos.max() >= 2**31:
            raise InputError(f"position {sites.pos.max()} is more than the 32 bits that VCF Zarr's readers take")
        self.pos.update(sites.pos)
        self.length.update(lengths)
        alleles = [
            [ref, *([] if alt == "." else alt.split(","))] for ref, alt in zip(sites.ref, sites.alt, strict=True)
        ]
        self.n_alleles = max(self.n_alleles, *map(len, alleles))
        return {
            "contig": np.array([self.contigs.setdefault(name, len(self.contigs)) for name in sites.chrom], np.int32),
            "pos": sites.pos,
            "length": lengths,
            "allele": alleles,
            "id": sites.id,
            "quality": self._quality(sites.qual),
            "filter": self._filter(sites.filter),
            "info": self._info(sites.info),
        }

    def _quality(self, texts):
        try:
            return parse("Float", texts)[0].reshape(len(texts))
        except (ValueRefusedError, ValueError) as error:
            raise InputError(f"VCF Zarr cannot hold a QUAL: {error}; write VCF") from error

    def _filter(self, texts):
        pairs = []
        for row, text in enumerate(texts):
            names = [] if text == "." else text.split(";")
            if len(set(names)) != len(names) or "." in names:
                raise InputError(f"FILTER {text} has a name twice or a dot; a VCF Zarr store cannot hold it")
            pairs += [(row, self.filters.setdefault(name, len(self.filters))) for name in names]
        return np.array(pairs, np.int64).reshape(-1, 2)

    def _info(self, texts):
        rows: dict[str, list[int]] = {}
        values: dict[str, list[str]] = {}
        for row, text in enumerate(texts):
            entries = [] if text == "." else text.split(";")
            names = set()
            for entry in entries:
                name, equals, value = entry.partition("=")
                if self._refuses(name, equals, name in names):
                    continue
                names.add(name)
                rows.setdefault(name, []).append(row)
                values.setdefault(name, []).append(value)
        found = {}
        for name, where in rows.items():
            column = self.info[name]
            if column.type == "Flag":
                found[name] = np.array(where), None
                continue
            try:
                found[name] = np.array(where), column.parse(values[name])
            except ValueRefusedError:
                kept = [
                    (row, text) for row, text in zip(where, values[name], strict=True) if self._parses(column, text)
                ]
                if kept:
                    found[name] = np.array([row for row, _ in kept]), column.parse([text for _, text in kept])
        return found

    def _parses(self, column, text):
        try:
            parse(column.type, [text])
        except ValueRefusedError as error:
            return self._drop(column.definition.name, str(error))
        return True

    def _refuses(self, name, equals, is_second):
        column = self.info.get(name)
        if column is None:
            what = "not defined in the header"
        elif is_second:
            what = "twice in a record"
        elif column.type == "Flag" and equals:
            what = "a flag with a value"
        elif column.type != "Flag" and not equals:
            what = "no flag and without a value"
        else:
            return False
        return not self._drop(name, what)

    def _check_dots(self):
        """A record that is missing throughout an array's width cannot be told from one without the field."""
        for name, column in self.info.items():
            axis = column.shape(self.dimensions)
            if (text := column.dots.get(axis[1] if axis else 1)) is not None:
                self._drop(name, f"{text} is the same as none there")

    @property
    def dimensions(self):
        genotypes = math.comb(self.n_alleles + self.ploidy - 1, self.ploidy) if self.has_calls else 0
        return {"alleles": self.n_alleles, "alt_alleles": self.n_alleles - 1, "genotypes": genotypes}


# what chunks that are left out hold is for the fill value to say, and bio2zarr gives none: zarr 2 makes up anything
_ALL_CHUNKS = {"write_empty_chunks": True}


class _Arrays:
    """A group's arrays, made as bio2zarr makes them."""

    def __init__(self, group):
        import numcodecs

        self.group = group
        self.codecs = numcodecs
        self.made = {}

    def blosc(self, shuffle=_SHUFFLE, level=7):
        return self.codecs.Blosc(cname="zstd", clevel=level, shuffle=shuffle)

    def whole(self, name, values, axes, *, compressor=None, **options):
        """An array with all its values at once."""
        compressors = [compressor or self.blosc()]
        array = self.group.create_array(name, data=values, compressors=compressors, config=_ALL_CHUNKS, **options)
        array.attrs["_ARRAY_DIMENSIONS"] = axes

    def empty(self, name, dtype, shape, axes, description=""):
        """An array to be filled chunk by chunk."""
        bits = _BITSHUFFLE if name == "call_genotype" or name in _BOOLEANS else _SHUFFLE
        chunks = [max(min(size, most), 1) for size, most in zip(shape, (_VARIANT_CHUNK, _SAMPLE_CHUNK), strict=False)]
        if axes[1:2] != ["samples"]:
            chunks = chunks[:1] + [max(size, 1) for size in shape[1:]]
        array = self.group.create_array(
            name,
            shape=shape,
            chunks=(*chunks, *(max(size, 1) for size in shape[len(chunks) :])),
            dtype=dtype,
            compressors=[self.blosc(bits)],
            filters=[self.codecs.VLenUTF8()] if dtype == "T" else None,
            fill_value=None,
            config=_ALL_CHUNKS,
        )
        array.attrs["_ARRAY_DIMENSIONS"] = axes
        array.attrs["description"] = description or _DESCRIPTIONS.get(name, "")
        self.made[name] = array

    def __getitem__(self, name):
        return self.made[name]


_BOOLEANS = {"variant_filter", "variant_id_mask", "call_genotype_mask", "call_genotype_phased"}


def _build(group, plan, spool):
    arrays = _Arrays(group)
    _write_attributes(group, plan)
    _write_names(arrays, plan)
    _make_arrays(arrays, plan)
    index: list[tuple[int, ...]] = []
    for number, start in enumerate(range(0, plan.n_variants, _VARIANT_CHUNK)):
        rows = slice(start, min(start + _VARIANT_CHUNK, plan.n_variants))
        sites = pickle.load(spool)
        _write_sites(arrays, plan, rows, sites)
        if plan.has_calls:
            _write_calls(arrays, plan, rows, spool)
        index += _indexed(number, sites)
    widest = int_dtype(0, max((max(row) for row in index), default=0))
    table = np.array(index, np.promote_types(widest, plan.pos.dtype)).reshape(-1, 6)
    axes = ["region_index_values", "region_index_fields"]
    chunks = (max(len(index), 1), 6)
    arrays.whole("region_index", table, axes, compressor=arrays.blosc(0, 9), chunks=chunks, fill_value=None)


def _write_attributes(group, plan):
    lines = [match.groups() for line in plan.header.split("\n") if (match := _META.fullmatch(line))]
    group.attrs.update(
        {
            "vcf_zarr_version": _VERSION,
            "source": "fastae",
            "vcf_meta_information": [list(pair) for pair in lines if pair[0] not in _IN_ARRAYS],
            "vcf_header": header_text(plan.header, plan.samples),
        }
    )
    if plan.attributes:
        group.attrs[ATTRIBUTES] = plan.attributes


def _write_names(arrays, plan):
    said = {(d.kind, d.name): d for d in plan.defined}
    chunk = max(min(len(plan.samples), _SAMPLE_CHUNK), 1)
    arrays.whole("sample_id", np.array(plan.samples, "T"), ["samples"], chunks=(chunk,))
    arrays.whole("filter_id", np.array(list(plan.filters), "T"), ["filters"])
    about = [said["FILTER", name].description if ("FILTER", name) in said else "" for name in plan.filters]
    if ("FILTER", "PASS") not in said:
        about[0] = "All filters passed"  # which htslib adds to every header
    arrays.whole("filter_description", np.array(about, "T"), ["filters"])
    arrays.whole("contig_id", np.array(list(plan.contigs), "T"), ["contigs"])
    lengths = [said["contig", name].length if ("contig", name) in said else "" for name in plan.contigs]
    if all(text.isdigit() and int(text) < 2**63 for text in lengths):
        arrays.whole("contig_length", np.array(lengths, object).astype(np.int64), ["contigs"])


def _make_arrays(arrays, plan):
    n, n_samples = plan.n_variants, len(plan.samples)
    v, calls = ["variants"], ["variants", "samples"]
    arrays.empty("variant_contig", int_dtype(0, len(plan.contigs)), (n,), v)
    arrays.empty("variant_filter", "bool", (n, len(plan.filters)), [*v, "filters"])
    arrays.empty("variant_allele", "T", (n, plan.n_alleles), [*v, "alleles"])
    arrays.empty("variant_length", plan.length.dtype, (n,), v)
    arrays.empty("variant_id", "T", (n,), v)
    arrays.empty("variant_id_mask", "bool", (n,), v)
    arrays.empty("variant_quality", "f4", (n,), v)
    arrays.empty("variant_position", plan.pos.dtype, (n,), v)
    for name, column in plan.info.items():
        axis = column.shape(plan.dimensions)
        dtype = _DTYPES.get(column.type, column.bounds.dtype)
        shape, axes = ((n, axis[1]), [*v, axis[0]]) if axis else ((n,), v)
        arrays.empty(f"variant_{name}", dtype, shape, axes, column.definition.description)
    if plan.has_calls:
        shape = n, n_samples
        arrays.empty("call_genotype_phased", "bool", shape, calls)
        arrays.empty("call_genotype", plan.calls.dtype, (*shape, plan.ploidy), [*calls, "ploidy"])
        arrays.empty("call_genotype_mask", "bool", (*shape, plan.ploidy), [*calls, "ploidy"])


def _write_sites(arrays, plan, rows, sites):
    n = rows.stop - rows.start
    for name in ("contig", "length", "quality"):
        arrays[f"variant_{name}"][rows] = sites[name]
    arrays["variant_position"][rows] = sites["pos"]
    alleles = [[*row, *[""] * (plan.n_alleles - len(row))] for row in sites["allele"]]
    arrays["variant_allele"][rows] = np.array(alleles, "T")
    arrays["variant_id"][rows] = np.array(sites["id"], "T")
    arrays["variant_id_mask"][rows] = np.array([text == "." for text in sites["id"]])
    passed = np.zeros((n, len(plan.filters)), bool)
    passed[tuple(sites["filter"].T)] = True
    arrays["variant_filter"][rows] = passed
    for name, column in plan.info.items():
        array = arrays[f"variant_{name}"]
        missing, fill = sentinels(column.type, array.dtype)
        whole = np.full((n, *array.shape[1:]), missing, array.dtype)
        if name in sites["info"]:
            where, values = sites["info"][name]
            if values is None:
                whole[where] = True
            else:
                part = np.full((len(where), *array.shape[1:]), fill, array.dtype)
                part.reshape(len(where), -1)[:, : values.shape[1]] = values
                whole[where] = part
        array[rows] = whole


def _write_calls(arrays, plan, rows, spool):
    for start in range(0, len(plan.samples), _SAMPLE_CHUNK):
        calls, phased = pickle.load(spool)
        there = (rows, slice(start, start + calls.shape[1]))
        wide = np.full((*calls.shape[:2], plan.ploidy), FILL, plan.calls.dtype)
        wide[:, :, : calls.shape[2]] = calls
        arrays["call_genotype"][there] = wide
        arrays["call_genotype_mask"][there] = wide < 0
        # as in bio2zarr, a call of one allele is phased
        single = (wide[:, :, 0] != FILL) & (wide[:, :, 1] == FILL) if plan.ploidy > 1 else True
        arrays["call_genotype_phased"][there] = phased | single


def _indexed(chunk, sites):
    """Rows of the region index: chunk, contig, first and last position, end and number of each run of one contig."""
    contig, pos = sites["contig"], sites["pos"]
    ends = pos + sites["length"] - 1
    starts = np.flatnonzero(np.diff(contig, prepend=-1))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(contig)], strict=True):
        last = stop - 1
        yield chunk, int(contig[start]), int(pos[start]), int(pos[last]), int(ends[start:stop].max()), stop - start
