# SPDX-License-Identifier: Apache-2.0
"""VCF and BCF <-> cohort streams.

The text of a VCF is what has to come back, so it is read as text: site columns are kept as they stand and calls are
parsed from the GT column itself. htslib (through cyvcf2) turns BCF into that text and text into BCF; it is not asked
about VCF, for it would write floats, filters and phases its own way.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable

import numpy as np

from ..cohort import FILL, FIXED_COLUMNS, Cohort, CohortStream, Sites, block_size, header_text
from ..errors import InputError
from ..fileio import atomic_output
from . import bcf
from .bgzf import BgzfWriter
from .calltext import CallError, format_calls, parse_any, parse_simple
from .plinkfiles import Losses
from .plinkpeople import beyond_vcf
from .text import Text

OUTPUT_TYPES = {"v": "VCF", "z": "VCF in BGZF", "b": "BCF", "u": "BCF, not compressed"}

_DEFINITION = re.compile(r"##(INFO|FORMAT|FILTER|contig|ALT)=<(?:.*,)?ID=([^,>]+)")
_MEANING = re.compile(r"[<,](Number|Type|length)=([^,>]*)")
_FORMAT_COLUMN = len(FIXED_COLUMNS)


def read_vcf(
    path: str | os.PathLike[str] | Text, *, drop_format: bool = False, n_variants: int | None = None
) -> CohortStream:
    """Read a VCF (plain, gzip or BGZF) or BCF block by block.

    Parameters
    ----------
    path : path-like or Text
        ``-`` is standard input.
    drop_format : bool
        Leave out FORMAT fields other than GT instead of refusing them.
    n_variants : int, optional
        Variants per block; `fastae.cohort.block_size` of them if left out.

    Returns
    -------
    CohortStream
        Errors in a record are raised when its block is read. Attributes are ``line_end``, ``crlf`` where every line
        ends in CR LF, and, once the last block has been read, ``final_newline``, ``no`` where the last line has no end.

    Raises
    ------
    InputError
        If the file is not a VCF, is truncated or contradicts itself, or holds what a cohort cannot: the message
        names it.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from fastae.cohort import Cohort
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny.vcf.gz")
    ...     write_vcf(path, Cohort.from_arrays([[[0, 1], [1, 1]]]).to_stream())
    ...     read_vcf(path).read().call_genotype.tolist()
    [[[0, 1], [1, 1]]]
    """
    text = path if isinstance(path, Text) else Text(path)
    blocks = _read(text, drop_format, n_variants)
    first = next(blocks)  # runs the generator up to the records, so that closing it closes the file
    return CohortStream(first.header, first.samples, blocks, attributes=first.attributes)


def _read(text, drop_format, n_variants):
    attributes: dict[str, str] = {}
    with text, contextlib.closing(_lines(text, attributes)) as lines:
        head = [_text(line) for line in _header_lines(text.name, lines)]
        columns = head[-1].rstrip("\n").split("\t")
        samples = columns[_FORMAT_COLUMN + 1 :]
        _check_header(text.name, head, columns, samples)
        header = "".join(head[:-1]) + "\t".join(columns[: _FORMAT_COLUMN + 1])
        records = _Records(text.name, header, samples, attributes, drop_format)
        yield records
        number = len(head) + 1
        size = n_variants or block_size(len(samples))
        while block := list(itertools.islice(lines, size)):
            yield records.parse(block, number)
            number += len(block)


def _lines(text, attributes):
    """All lines of the file as bytes, each ending in a line feed; of a BCF, the lines it would have as VCF.

    How they end is put into `attributes` as it shows.
    """
    if text.head.startswith(b"BCF"):
        yield from _bcf_lines(text)
        return
    lines = iter(text)
    first = next(lines)
    is_crlf = first.endswith(b"\r\n")
    if is_crlf:
        attributes["line_end"] = "crlf"
    for number, line in enumerate(itertools.chain([first], lines), 1):
        if not line.endswith(b"\n"):
            attributes["final_newline"] = "no"
            yield line + b"\n"
        elif line.endswith(b"\r\n") != is_crlf:
            this, others = ("LF alone", "CR LF") if is_crlf else ("CR LF", "LF alone")
            raise InputError(
                f"{text.name}: line {number} ends in {this} and those before it in {others}, which cannot be held; "
                "convert it with dos2unix first"
            )
        else:
            yield line[:-2] + b"\n" if is_crlf else line


def _bcf_lines(text):
    if not text.is_regular:  # htslib wants a file
        with tempfile.NamedTemporaryFile(suffix=".bcf") as whole:
            shutil.copyfileobj(text, whole)
            whole.flush()
            yield from bcf.lines(whole.name, text.name)
        return
    yield from bcf.lines(text.path, text.name)


def _text(raw):
    return raw.decode("utf-8", "surrogateescape")


def _header_lines(path, lines):
    first = next(lines)
    if not first.startswith(b"##fileformat=VCF"):
        raise InputError(f"{path}: this is neither VCF nor BCF: the first line is not ##fileformat=VCF...")
    yield first
    for number, line in enumerate(lines, 2):
        _refuse_blank(path, number, line)
        yield line
        if not line.startswith(b"##"):
            if line.startswith(b"#CHROM\t"):
                return
            break
    raise InputError(f"{path}: the header ends without a #CHROM line")


def _refuse_blank(path, number, line):
    if not line.strip():
        raise InputError(f"{path}: line {number} is blank; remove it")


def _check_header(path, head, columns, samples):
    expected = [f"#{FIXED_COLUMNS[0]}", *FIXED_COLUMNS[1:], "FORMAT"]
    if columns[: len(expected)] != expected and columns != expected[:-1]:
        raise InputError(f"{path}: the #CHROM line has {' '.join(columns[:9])}, expected {' '.join(expected)}")
    seen = set()
    for name in samples:
        if name in seen or not name:
            raise InputError(
                f"{path}: sample name {name!r} is given twice" if name else f"{path}: a sample has an empty name"
            )
        seen.add(name)
    meanings = {("FORMAT", "GT"): ("VCF", {"Number": "1", "Type": "String"})}
    for number, line in enumerate(head[1:-1], 2):
        if line.startswith("##fileformat="):
            raise InputError(f"{path}: line {number} is a second ##fileformat: the header contradicts itself")
        if match := _DEFINITION.match(line):
            kind, name = match.groups()
            meaning = dict(_MEANING.findall(line.split(',Description="')[0]))
            where, known = meanings.setdefault((kind, name), (f"line {number}", meaning))
            if any(meaning.get(key, value) != value for key, value in known.items()):
                this, other = (", ".join(map("=".join, what.items())) for what in (meaning, known))
                raise InputError(
                    f"{path}: line {number} contradicts {where}: it says {kind} {name} is {this}, {where} says {other}"
                )


class _Records:
    """Parser of record lines into cohorts."""

    def __init__(self, path, header, samples, attributes, drop_format):
        self.path = path
        self.header = header
        self.samples = samples
        self.attributes = attributes
        self.drop_format = drop_format
        self.has_format = header.endswith("\tFORMAT")
        self.n_columns = _FORMAT_COLUMN + self.has_format + len(samples)

    def parse(self, lines, first_number):
        rows, texts = [], []
        for number, line in enumerate(lines, first_number):
            fields = line.split(b"\t", _FORMAT_COLUMN + 1)
            if len(fields) == 1:
                _refuse_blank(self.path, number, line)
            if len(fields) != min(self.n_columns, _FORMAT_COLUMN + 2) or not all(fields):
                self._refuse(number, line, self._shape_error(line))
            if self.samples:
                texts.append(self._gt_text(number, line, fields))
            else:
                fields[-1] = fields[-1][:-1]
                if self.has_format and fields[_FORMAT_COLUMN] != b"GT":
                    self._refuse(number, line, "has a FORMAT other than GT and no samples, which cannot be held")
            if not fields[1].isdigit() or (fields[1][:1] == b"0" and fields[1] != b"0") or len(fields[1]) > 18:
                self._refuse(number, line, f"has POS {_text(fields[1])!r}, which is not a plain whole number")
            rows.append(fields[:_FORMAT_COLUMN])
        chrom, pos, *texts_of_sites = (list(map(_text, column)) for column in zip(*rows, strict=True))
        sites = Sites(chrom, np.array(pos, dtype=np.int64), *texts_of_sites)
        calls, phased = self._calls(lines, texts, first_number)
        n_alleles = np.array([0 if alt == "." else alt.count(",") + 1 for alt in sites.alt])
        beyond = calls.max(axis=(1, 2), initial=0) > n_alleles
        if beyond.any():
            row = int(np.argmax(beyond))
            found, named = int(calls[row].max()), int(n_alleles[row])
            self._refuse(first_number + row, lines[row], f"has allele {found} in GT and {named} in ALT")
        return Cohort(self.header, self.samples, sites, calls, phased, attributes=self.attributes)

    def _gt_text(self, number, line, fields):
        """Sample columns with nothing but GT in them; None for a record without GT."""
        form, text = fields[_FORMAT_COLUMN], fields[_FORMAT_COLUMN + 1]
        if form == b"GT":
            return text
        names = _text(form).split(":")
        others = [name for name in names if name not in ("GT", ".")]
        if others and not self.drop_format:
            what = f"has FORMAT fields {', '.join(others)}"
            self._refuse(number, line, f"{what}, which are not stored: drop_format (--drop-format) leaves them out")
        if text.count(b"\t") + 1 != len(self.samples):
            self._refuse(number, line, self._shape_error(line))
        if names[0] == "GT":
            return re.sub(rb":[^\t\n]*", b"", text)
        if "GT" in names:
            self._refuse(number, line, "has GT behind other FORMAT fields, where VCF does not allow it")
        if not others and text.strip(b".\t\n"):
            self._refuse(number, line, "has no FORMAT fields but values for samples")
        return None

    def _calls(self, lines, texts, first_number):
        n, n_samples = len(lines), len(self.samples)
        if not n_samples:
            return np.zeros((n, 0, 1), np.int8), np.zeros((n, 0), np.bool_)
        simple = [row for row, text in enumerate(texts) if text is not None and len(text) == 4 * n_samples]
        alleles, phased, good = parse_simple([texts[row] for row in simple], n_samples)
        if len(simple) == n and good.all():
            return alleles, phased
        done = dict(zip(np.array(simple)[good].tolist(), zip(alleles[good], phased[good], strict=True), strict=True))
        nothing = np.full((n_samples, 1), FILL, np.int8), np.zeros(n_samples, np.bool_)
        for row, text in enumerate(texts):
            if row not in done:
                number = first_number + row
                done[row] = nothing if text is None else self._any_calls(number, lines[row], text)
        ploidy = max(calls.shape[1] for calls, _ in done.values())
        dtype = np.result_type(*{calls.dtype for calls, _ in done.values()})
        all_calls = np.full((n, n_samples, ploidy), FILL, dtype)
        all_phased = np.empty((n, n_samples), np.bool_)
        for row, (calls, flags) in done.items():
            all_calls[row, :, : calls.shape[1]] = calls
            all_phased[row] = flags
        return all_calls, all_phased

    def _any_calls(self, number, line, text):
        try:
            return parse_any(text[:-1], len(self.samples))
        except CallError as error:
            self._refuse(number, line, f"has GT {error.text!r} for sample {self.samples[error.sample]}, which {error}")
        except ValueError:
            self._refuse(number, line, self._shape_error(line))

    def _shape_error(self, line):
        found = line.count(b"\t") + 1
        if found != self.n_columns:
            return f"has {found} columns and the header has {self.n_columns}"
        return "has an empty column"

    def _refuse(self, number, line, message):
        site = ":".join(map(_text, line.rstrip(b"\n").split(b"\t", 2)[:2]))
        raise InputError(f"{self.path}: line {number} ({site[:60]}) {message}")


def output_type_of(path: str | os.PathLike[str]) -> str:
    """Output type that a file name asks for: one of `OUTPUT_TYPES`.

    Examples
    --------
    >>> [output_type_of(name) for name in ("a.vcf", "a.VCF.GZ", "a.bcf", "-")]
    ['v', 'z', 'b', 'v']
    """
    name = os.fspath(path).lower()
    return "z" if name.endswith((".gz", ".bgz")) else "b" if name.endswith(".bcf") else "v"


def write_vcf(
    path: str | os.PathLike[str],
    stream: CohortStream,
    *,
    output_type: str | None = None,
    with_header: bool = True,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a cohort stream as VCF or BCF.

    Parameters
    ----------
    path : path-like
        ``-`` is standard output. A file appears only when it is complete.
    stream : CohortStream
        Read block by block.
    output_type : {"v", "z", "b", "u"}, optional
        As in bcftools: VCF, VCF in BGZF, BCF, BCF not compressed; by the name of the file if left out.
    with_header : bool
        False writes the records alone, which only VCF can do.
    inputs : iterable of path-like
        Files being read, which `path` must not be.

    Raises
    ------
    InputError
        If `path` is a directory or an input, or BCF is asked for without a header or with one that lacks a definition
        it needs.
    OSError
        If the file cannot be written.

    Warns
    -----
    LossWarning
        If the cohort came from PLINK: names what that knows of its people and VCF has no place for, such as their sex.

    Examples
    --------
    >>> import tempfile
    >>> cohort = Cohort.from_arrays(np.array([[[0, 1]]], dtype=np.int8), samples=["ann"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "one.vcf")
    ...     write_vcf(path, cohort.to_stream())
    ...     with read_vcf(path) as stream:
    ...         stream.read().call_genotype.tolist()
    [[[0, 1]]]
    """
    output_type = output_type or output_type_of(path)
    if output_type not in OUTPUT_TYPES:
        raise ValueError(f"output_type is {output_type!r}, expected one of {', '.join(OUTPUT_TYPES)}")
    if output_type in "bu" and not with_header:
        raise InputError(
            f"{os.fsdecode(path)}: BCF cannot be read without its header; write VCF, or leave the header in"
        )
    to_stdout = os.fspath(path) == "-"
    losses = Losses(path, "VCF", "", lossy=True)
    losses.add(beyond_vcf(path, stream))
    with contextlib.nullcontext(sys.stdout.buffer) if to_stdout else atomic_output(path, inputs) as file:
        head = header_text(stream.header, stream.samples).encode("utf-8", "surrogateescape")
        if output_type in "bu":
            _write_bcf(file, head, map(_record_lines, stream), output_type)
            losses.warn()
            return
        end = b"\r\n" if stream.attributes.get("line_end") == "crlf" else b"\n"
        with BgzfWriter(file) if output_type == "z" else contextlib.nullcontext(file) as out:
            between = b""  # the end of the line before is not written until there is another
            if with_header:
                out.write(head[:-1].replace(b"\n", end))
                between = end
            for lines in filter(None, map(_record_lines, stream)):
                lines[-1] = lines[-1][:-1]
                out.write(between)
                out.write(b"".join(lines).replace(b"\n", end))
                between = end
            if stream.attributes.get("final_newline") != "no":
                out.write(between)
        if to_stdout:
            file.flush()
    losses.warn()


def _write_bcf(file, head, blocks, output_type):
    if isinstance(file.name, str) and os.path.isfile(file.name):
        bcf.write(file.name, head, blocks, output_type)
        return
    with tempfile.NamedTemporaryFile(suffix=".bcf") as whole:  # a pipe cannot be looked at once it is written
        bcf.write(whole.name, head, blocks, output_type)
        shutil.copyfileobj(whole, file)
        file.flush()


def _record_lines(block):
    """The lines of a cohort's records, as bytes."""
    *first, info = block.sites.columns()
    first[1] = first[1].tolist()
    if block.header.endswith("\tFORMAT"):
        without_gt = (block.call_genotype == FILL).all(axis=(1, 2)) & bool(block.samples)
        info = [f"{text}\t{'.' if bare else 'GT'}" for text, bare in zip(info, without_gt.tolist(), strict=True)]
    sites = ["\t".join(map(str, row)) for row in zip(*first, info, strict=True)]
    if not block.samples:
        return [f"{site}\n".encode("utf-8", "surrogateescape") for site in sites]
    calls = format_calls(block.call_genotype, block.call_genotype_phased)
    return [
        b"%b\t%b" % (site.encode("utf-8", "surrogateescape"), text) for site, text in zip(sites, calls, strict=True)
    ]
