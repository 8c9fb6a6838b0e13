# SPDX-License-Identifier: Apache-2.0
"""VCF Zarr stores, as bio2zarr writes them, -> cohort streams; `vcfzarr_writer` has the other direction.

What a store says is taken as `vcztools view` takes it: INFO keys in the order of their names, floats as text of as few
digits as give the number back. Specification: https://github.com/sgkit-dev/vcf-zarr-spec.
"""

from __future__ import annotations

import contextlib
import os
import re
import warnings
import zipfile
from dataclasses import dataclass

import numpy as np

from ..cohort import FILL, FIXED_COLUMNS, MAX_ALLELE, Cohort, CohortStream, Sites, block_size, narrow
from ..errors import InputError
from .infofields import ValueRefusedError, restore
from .vcfzarr_writer import ATTRIBUTES, FIXED, import_zarr, write_vcfzarr

__all__ = ["read_vcfzarr", "write_vcfzarr"]

_WIDEST_CHUNK = 2**31  # bytes: what Blosc can pack, so that no store asks for more memory
_NEEDED = ("sample_id", "contig_id", "variant_contig", "variant_position", "variant_allele")
_ROOT = {"sample_id", "contig_id", "contig_length", "filter_id", "filter_description", "region_index"}
_CALLS = {"call_genotype", "call_genotype_phased", "call_genotype_mask"}
_KNOWN = _ROOT | _CALLS | {*FIXED}
_TYPES = {"b": "Flag", "i": "Integer", "u": "Integer", "f": "Float", "U": "String", "T": "String", "O": "String"}
_NUMBERS = {"alt_alleles": "A", "alleles": "R", "genotypes": "G"}
_BREAKS = re.compile(r"[\t\n\r]")
_COLUMNS = "#" + "\t".join(FIXED_COLUMNS)


def read_vcfzarr(path: str | os.PathLike[str], *, drop_format: bool = False) -> CohortStream:
    """Read a VCF Zarr store block by block.

    Parameters
    ----------
    path : path-like
        A directory or a .zip, of Zarr format 2 or 3.
    drop_format : bool
        Leave out what a cohort has no place for (``call_DP`` and other FORMAT arrays, ``sample_sex`` ...) instead of
        refusing it.

    Returns
    -------
    CohortStream
        Errors in a chunk are raised when its block is read. INFO keys come in the order of their names; the header is
        the store's ``vcf_header`` attribute, or made of its arrays as vcztools does.

    Raises
    ------
    InputError
        If this is no VCF Zarr store, arrays contradict each other, or there is what a cohort cannot
        hold: the message names it. Also if zarr is not installed.
    OSError
        If the store cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from fastae.cohort import Cohort
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny.vcz")
    ...     write_vcfzarr(path, Cohort.from_arrays([[[0, 1], [1, 1]]]).to_stream())
    ...     read_vcfzarr(path).read().call_genotype.tolist()
    [[[0, 1], [1, 1]]]
    """
    path = os.fspath(path)
    blocks = _read(path, drop_format)
    first = next(blocks)  # runs the generator up to the blocks, so that closing it closes the store
    return CohortStream(first.header, first.samples, blocks, attributes=first.cohort_attributes)


def _read(path, drop_format):
    zarr = import_zarr()
    if not os.path.exists(path):
        raise FileNotFoundError(2, "No such file or directory", path)
    with contextlib.ExitStack() as stack:
        with _refusing(path, "opened"):
            if os.path.isfile(path):
                if not zipfile.is_zipfile(path):
                    raise InputError(f"{path}: this is no VCF Zarr store: it is neither a directory nor a .zip")
                source = stack.enter_context(contextlib.closing(zarr.storage.ZipStore(path, mode="r")))
            else:
                source = path
            root = zarr.open_group(source, mode="r")
        store = _Store(path, root, drop_format)
        yield store
        for start in range(0, store.n_variants, store.step):
            yield store.block(start, min(start + store.step, store.n_variants))


@contextlib.contextmanager
def _refusing(path, what):
    """Whatever zarr raises for bytes that are not right (there is no one class of it) as InputError."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"{path}: the VCF Zarr store cannot be {what} ({str(error) or type(error).__name__}); write it again"
        ) from error


def _members(root):
    """Everything in a group; its own ``arrays()`` passes over what it cannot make out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of string types that Zarr format 3 does not name yet
        return {name: root[name] for name in sorted(root.keys())}


@dataclass
class _Field:
    """An INFO field that the store has."""

    name: str
    array: object
    type: str


class _Store:
    """The arrays of a store, checked against each other, and the cohorts in them."""

    def __init__(self, path, root, drop_format):
        self.path = path
        with _refusing(path, "opened"):
            members = _members(root)
            self.arrays = {name: member for name, member in members.items() if hasattr(member, "chunks")}
            self.groups = members.keys() - self.arrays.keys()
            self.attributes = dict(root.attrs)
        if broken := [name for name in sorted(self.groups) if name in _KNOWN or name.startswith("variant_")]:
            raise InputError(f"{path}: the VCF Zarr store cannot be opened: {broken[0]} is no array; write it again")
        missing = [name for name in _NEEDED if name not in self.arrays]
        if missing:
            raise InputError(f"{path}: this is no VCF Zarr store: it has no {', '.join(missing)}")
        self.samples = self._texts("sample_id")
        self.contigs = self._texts("contig_id")
        self.filters = self._texts("filter_id") if "filter_id" in self.arrays else []
        self._check_names()
        self.n_variants = self._shape("variant_position", 1)[0]
        self._check_shapes()
        self.fields, others = self._fields()
        if others and not drop_format:
            raise InputError(
                f"{path}: the store has {', '.join(others)}, which a cohort has no place for: "
                "drop_format (--drop-format) leaves them out"
            )
        for name in [*_NEEDED, *FIXED, *_CALLS, *(f"variant_{field.name}" for field in self.fields)]:
            if name in self.arrays:
                self._check_chunks(name)
        self.header = self._header()
        self.cohort_attributes = self.attributes.get(ATTRIBUTES, {})
        if not _is_texts(self.cohort_attributes):
            raise InputError(f"{path}: the attribute {ATTRIBUTES} holds what is no text; remove it from the store")
        chunk = self.arrays["call_genotype" if "call_genotype" in self.arrays else "variant_position"].chunks[0]
        self.step = chunk * max(block_size(len(self.samples)) // chunk, 1)

    def _shape(self, name, *n_axes):
        shape = self.arrays[name].shape
        if len(shape) not in n_axes:
            raise InputError(f"{self.path}: {name} has {len(shape)} axes, expected {' or '.join(map(str, n_axes))}")
        return shape

    def _texts(self, name):
        self._shape(name, 1)
        self._check_chunks(name)
        return self._strings(name, self._values(name, slice(None))).tolist()

    def _values(self, name, rows):
        with _refusing(self.path, f"read at {name}"):
            return np.asarray(self.arrays[name][rows])

    def _strings(self, name, values):
        """An array of str objects that may stand in a VCF line."""
        if values.dtype.kind not in "UTO":
            raise InputError(f"{self.path}: {name} holds {values.dtype}, expected strings")
        values = values.astype(object)
        flat = values.ravel().tolist()
        if not all(isinstance(text, str) for text in flat):
            raise InputError(f"{self.path}: {name} holds what is no string")
        if _BREAKS.search("\0".join(flat)):
            raise InputError(f"{self.path}: {name} has a tab or a line end, which VCF cannot hold")
        return values

    def _check_names(self):
        for name, names in (("sample_id", self.samples), ("contig_id", self.contigs), ("filter_id", self.filters)):
            if len(set(names)) != len(names) or "" in names:
                raise InputError(f"{self.path}: {name} has a name twice or an empty one")
            if name == "filter_id" and (bad := [text for text in names if ";" in text or " " in text]):
                raise InputError(f"{self.path}: {name} has {bad[0]!r}, which VCF cannot hold")

    def _check_shapes(self):
        n, n_samples = self.n_variants, len(self.samples)
        if self._shape("variant_allele", 2)[1] < 1:
            raise InputError(f"{self.path}: variant_allele has no place for an allele")
        expected = {
            "variant_contig": (n,),
            "variant_allele": (n, self.arrays["variant_allele"].shape[1]),
            "variant_id": (n,),
            "variant_id_mask": (n,),
            "variant_quality": (n,),
            "variant_filter": (n, len(self.filters)),
            "call_genotype_phased": (n, n_samples),
            "contig_length": (len(self.contigs),),
            "filter_description": (len(self.filters),),
        }
        if "call_genotype" in self.arrays:
            expected["call_genotype"] = (n, n_samples, max(self._shape("call_genotype", 3)[2], 1))
        kinds = {"variant_contig": "iu", "variant_position": "iu", "variant_quality": "f", "variant_filter": "b"}
        kinds |= {"call_genotype": "iu", "call_genotype_phased": "b", "variant_id_mask": "b", "contig_length": "iu"}
        for name, array in self.arrays.items():
            if array.shape != expected.get(name, array.shape):
                raise InputError(f"{self.path}: {name} has shape {array.shape}, expected {expected[name]}")
            if array.dtype.kind not in kinds.get(name, array.dtype.kind):
                raise InputError(f"{self.path}: {name} holds {array.dtype}, which is not what it should")

    def _check_chunks(self, name):
        """No chunk may ask for more memory than one that Blosc can pack."""
        array = self.arrays[name]
        if np.prod(array.chunks, dtype=float) * array.dtype.itemsize > _WIDEST_CHUNK:
            raise InputError(f"{self.path}: {name} has chunks {array.chunks} of more than 2 GiB; write smaller ones")

    def _fields(self):
        fields, others = [], sorted(self.groups)
        for name, array in self.arrays.items():
            if name in _KNOWN:
                continue
            kind = _TYPES.get(array.dtype.kind, "")
            is_info = name.startswith("variant_") and len(array.shape) in (1, 2) and kind
            if not is_info or (kind == "Flag" and len(array.shape) == 2) or name.endswith(("_mask", "_fill")):
                if not name.endswith("_mask") or name.removesuffix("_mask") not in self.arrays:
                    others.append(name)
                continue
            if array.shape[0] != self.n_variants:
                raise InputError(f"{self.path}: {name} has {array.shape[0]} rows, there are {self.n_variants} variants")
            key = name.removeprefix("variant_")
            if re.search(r"[\s;=,<>]", key) or not key:
                raise InputError(f"{self.path}: {name} is a name that INFO cannot have")
            character = kind == "String" and array.dtype == np.dtype("U1")
            fields.append(_Field(key, array, "Character" if character else kind))
        return fields, others

    def _header(self):
        text = self.attributes.get("vcf_header")
        columns = _COLUMNS + ("\tFORMAT" if self.samples else "")
        if text is None:
            return "\n".join([*self._made_header(), columns])
        lines = text.rstrip("\n").split("\n") if isinstance(text, str) else []
        if not lines or not lines[0].startswith("##fileformat=VCF") or not lines[-1].startswith(_COLUMNS):
            raise InputError(f"{self.path}: the attribute vcf_header is no header of a VCF; remove it from the store")
        if any(not line.startswith("##") or "\r" in line for line in lines[:-1]):
            raise InputError(f"{self.path}: the attribute vcf_header has a line without ##; remove it from the store")
        if not self.samples and lines[-1].split("\t")[8:9] == ["FORMAT"]:
            columns += "\tFORMAT"
        return "\n".join([*lines[:-1], columns])

    def _made_header(self):
        """The lines that vcztools makes: of fields, filters, contigs and the other lines kept as an attribute."""
        said = dict.fromkeys(["fileformat", "source"])
        meta = self.attributes.get("vcf_meta_information", [])
        if not isinstance(meta, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in meta):
            raise InputError(f"{self.path}: the attribute vcf_meta_information is no list of keys and values")
        others = [(key, value) for key, value in meta if key not in said]
        said.update((key, value) for key, value in meta if key in said)
        yield f"##fileformat={_line(said['fileformat'] or 'VCFv4.3')}"
        if said["source"]:
            yield f"##source={_line(said['source'])}"
        for field in self.fields:
            description = _quoted(field.array.attrs.get("description", ""))
            what = f"Number={self._number(field)},Type={field.type},Description={description}"
            yield f"##INFO=<ID={field.name},{what}>"
        about = self._texts("filter_description") if "filter_description" in self.arrays else [""] * len(self.filters)
        yield from (f"##FILTER=<ID={n},Description={_quoted(d)}>" for n, d in zip(self.filters, about, strict=True))
        if self.samples:
            yield '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'
        lengths = [""] * len(self.contigs)
        if "contig_length" in self.arrays:
            lengths = [f",length={length}" for length in self._values("contig_length", slice(None)).tolist()]
        yield from (f"##contig=<ID={name}{length}>" for name, length in zip(self.contigs, lengths, strict=True))
        yield from (f"##{_line(key)}={_line(value)}" for key, value in others)

    def _number(self, field):
        """Number of the header; how many values an array is wide, so that writing it again gives the same array."""
        if field.type == "Flag":
            return 0
        if len(field.array.shape) == 1:
            return 1
        names = getattr(field.array.metadata, "dimension_names", None) or field.array.attrs.get("_ARRAY_DIMENSIONS")
        return _NUMBERS.get(names[-1] if names else "", field.array.shape[1])

    def block(self, start, stop):
        rows = slice(start, stop)
        alleles = self._strings("variant_allele", self._values("variant_allele", rows))
        n_alleles = self._count_alleles(alleles, start)
        calls, phased = self._calls(rows, n_alleles)
        lists = [row[:n] for row, n in zip(alleles.tolist(), n_alleles.tolist(), strict=True)]
        sites = Sites(
            self._chrom(rows),
            self._pos(rows),
            self._ids(rows),
            [row[0] for row in lists],
            [",".join(row[1:]) or "." for row in lists],
            self._quality(rows),
            self._filter(rows),
            self._info(rows),
        )
        return Cohort(self.header, self.samples, sites, calls, phased, attributes=self.cohort_attributes)

    def _refuse(self, name, row, message):
        raise InputError(f"{self.path}: {name} of variant {row + 1} {message}")

    def _count_alleles(self, alleles, start):
        is_fill = np.asarray(alleles == "", bool)
        bad = is_fill[:, 0] | (is_fill[:, :-1] & ~is_fill[:, 1:]).any(axis=1)
        bad |= [any("," in text for text in row) for row in alleles.tolist()]
        if bad.any():
            self._refuse("variant_allele", start + int(np.argmax(bad)), "is empty, has a gap or a comma in an allele")
        return (~is_fill).sum(axis=1)

    def _chrom(self, rows):
        numbers = self._values("variant_contig", rows)
        bad = (numbers < 0) | (numbers >= len(self.contigs))
        if bad.any():
            row = int(np.argmax(bad))
            self._refuse("variant_contig", rows.start + row, f"is {numbers[row]}, of {len(self.contigs)} contigs")
        return [self.contigs[number] for number in numbers.tolist()]

    def _pos(self, rows):
        pos = self._values("variant_position", rows).astype(np.int64)
        if (pos < 0).any():
            self._refuse("variant_position", rows.start + int(np.argmax(pos < 0)), f"is {pos.min()}, which is negative")
        return pos

    def _ids(self, rows):
        if "variant_id" not in self.arrays:
            return ["."] * (rows.stop - rows.start)
        ids = self._strings("variant_id", self._values("variant_id", rows)).tolist()
        if "variant_id_mask" in self.arrays:
            mask = self._values("variant_id_mask", rows).tolist()
            ids = ["." if missing else text for text, missing in zip(ids, mask, strict=True)]
        return [text or "." for text in ids]

    def _quality(self, rows):
        if "variant_quality" not in self.arrays:
            return ["."] * (rows.stop - rows.start)
        return [text or "." for text in self._restored("variant_quality", "Float", rows)]

    def _restored(self, name, kind, rows):
        values = self._values(name, rows)
        if kind in ("String", "Character"):
            values = self._strings(name, values)
        try:
            return restore(kind, values)
        except ValueRefusedError as error:
            raise InputError(f"{self.path}: {name} has {error}") from error

    def _filter(self, rows):
        n = rows.stop - rows.start
        if "variant_filter" not in self.arrays:
            return ["PASS"] * n  # as vcztools has it
        names: list[list[str]] = [[] for _ in range(n)]
        for row, column in np.argwhere(self._values("variant_filter", rows)).tolist():
            names[row].append(self.filters[column])
        return [";".join(found) or "." for found in names]

    def _info(self, rows):
        entries: list[list[str]] = [[] for _ in range(rows.stop - rows.start)]
        for field in self.fields:
            if field.type == "Flag":
                for row in np.flatnonzero(self._values(f"variant_{field.name}", rows)).tolist():
                    entries[row].append(field.name)
                continue
            for found, text in zip(entries, self._restored(f"variant_{field.name}", field.type, rows), strict=True):
                if text is not None:
                    if ";" in text:
                        raise InputError(f"{self.path}: variant_{field.name} has a semicolon, which INFO cannot hold")
                    found.append(f"{field.name}={text}")
        return [";".join(found) or "." for found in entries]

    def _calls(self, rows, n_alleles):
        shape = (rows.stop - rows.start, len(self.samples))
        if "call_genotype" not in self.arrays:
            return np.full((*shape, 1), FILL, np.int8), np.zeros(shape, bool)
        calls = self._values("call_genotype", rows)
        limits = np.minimum(n_alleles - 1, MAX_ALLELE)
        low, high = calls.min(axis=(1, 2), initial=0), calls.max(axis=(1, 2), initial=-1)
        fill = calls == FILL
        bare = fill[:, :, 0].all(axis=1)
        bad = (low < FILL) | (high > limits) | (fill[:, :, :-1] & ~fill[:, :, 1:]).any(axis=(1, 2))
        bad |= fill[:, :, 0].any(axis=1) & ~bare
        if bad.any():
            row = int(np.argmax(bad))
            self._refuse(
                "call_genotype",
                rows.start + row,
                f"has alleles from {low[row]} to {high[row]}, expected {FILL} (behind all others) to {limits[row]}",
            )
        phased = np.zeros(shape, bool)
        if "call_genotype_phased" in self.arrays and calls.shape[2] > 1:
            phased = self._values("call_genotype_phased", rows) & ~fill[:, :, 1]
        return narrow(calls), phased


def _line(text):
    text = str(text)
    if "\n" in text or "\r" in text:
        raise InputError("an attribute of the VCF Zarr store has a line end, which a header's line cannot hold")
    return text


def _quoted(text):
    return '"' + re.sub(r'\\?"', r"\"", _line(text)) + '"'


def _is_texts(attributes):
    return isinstance(attributes, dict) and all(isinstance(text, str) for text in attributes.values())
