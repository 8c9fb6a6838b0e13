# SPDX-License-Identifier: Apache-2.0
"""Aligned FASTA <-> cohort: sequences are samples, columns of the alignment are variants, calls are haploid."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

import numpy as np

from ..cohort import Cohort, CohortStream, Sites, block_size
from ..errors import InputError
from ..fileio import atomic_output
from .bgzf import BgzfWriter
from .text import Text

CHROM = "alignment"
_SYMBOLS = bytes(range(33, 127))  # that a sequence may have: ASCII without blanks and controls


def read_fasta(path: str | os.PathLike[str] | Text) -> Cohort:
    """Read aligned sequences.

    Every column of the alignment becomes a variant on the chromosome ``alignment``: its most frequent symbol is REF,
    the others are ALT in the order of their bytes, parted by commas. Upper and lower case, gaps and ambiguity
    codes are symbols like any other.

    Parameters
    ----------
    path : path-like or Text
        FASTA, plain or gzip; ``-`` is standard input.

    Returns
    -------
    Cohort
        With ``source="fasta"``; sample names are the whole header lines behind ``>``.

    Raises
    ------
    InputError
        If the file is not FASTA, is truncated, its sequences differ in length, or its layout is not uniform (one
        line width, one kind of line end, no blank lines): `write_fasta` could not give the same file back.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny.fa")
    ...     with open(path, "w") as file:
    ...         _ = file.write(">a\\nACG\\n>b\\nAC-\\n>c\\nNC-\\n")
    ...     cohort = read_fasta(path)
    >>> cohort.sites.ref, cohort.sites.alt, cohort.call_genotype[:, :, 0].tolist()
    (['A', 'C', '-'], ['N', '.', 'G'], [[0, 0, 1], [0, 0, 0], [1, 0, 0]])
    """
    with stream_fasta(path) as stream:
        return stream.read()


def stream_fasta(path: str | os.PathLike[str] | Text) -> CohortStream:
    """As `read_fasta`, in blocks of columns: memory holds a line of the file and a block.

    The file is read once, here; its symbols wait in a temporary file, since a column has some of every sequence.
    """
    spool = tempfile.TemporaryFile()
    try:
        with path if isinstance(path, Text) else Text(path) as file:
            names, length, attributes = _spool(file, spool)
    except BaseException:
        spool.close()
        raise
    return CohortStream("", names, _Columns(spool, names, length, attributes), "fasta", attributes)


@dataclass
class _Record:
    """What is known of a sequence, of which some lines have been read."""

    name: str
    width: int = 0  # of the first line
    last: int = 0  # and of the last one
    n_lines: int = 0
    n_symbols: int = 0
    is_even: bool = True
    has_cr: bool = False
    outside: int | None = None  # a byte that is no symbol

    def add(self, line: bytes) -> None:
        self.is_even &= self.n_lines == 0 or (self.last == self.width and 0 < len(line) <= self.width)
        self.width = len(line) if self.n_lines == 0 else self.width
        self.last, self.n_lines, self.n_symbols = len(line), self.n_lines + 1, self.n_symbols + len(line)
        rest = line.translate(None, _SYMBOLS)
        if rest:
            self.has_cr |= b"\r" in rest
            self.outside = rest[0] if self.outside is None else self.outside

    def check(self, path: str, length: int | None) -> None:
        """Refuse what could not be given back, or is not as long as the first."""
        told = f"{path}: record {self.name!r} has"
        if not self.n_symbols:
            raise InputError(f"{told} no sequence")
        if self.has_cr:
            raise InputError(f"{told} a CR within a line or without LF behind it; take it out")
        if length not in (None, self.n_symbols):
            raise InputError(f"{told} {self.n_symbols} symbols and the first {length}; sequences must be aligned")
        if not self.is_even:
            raise InputError(f"{told} lines of uneven width or blank lines; wrap it evenly")
        if self.outside is not None:
            raise InputError(f"{told} byte {self.outside} in its sequence: not a symbol")


def _spool(file: Text, spool: IO[bytes]) -> tuple[list[str], int, dict[str, str]]:
    """Write the symbols of all sequences one after the other; their names, common length and layout."""
    path, names = file.name, []
    ends: set[bytes] = set()
    widths: set[int] = set()
    if not file.head.startswith(b">"):
        raise InputError(f"{path}: this is not FASTA: it does not start with '>'")
    record: _Record | None = None
    length = None
    line = b""
    for line in file:
        if line.endswith(b"\n"):
            ends.add(b"\r\n" if line.endswith(b"\r\n") else b"\n")
            if len(ends) > 1:
                raise InputError(
                    f"{path}: some lines end in CR LF and others in LF alone; convert it with dos2unix first"
                )
        text = line.removesuffix(b"\n").removesuffix(b"\r" if b"\r\n" in ends and line.endswith(b"\n") else b"")
        if text.startswith(b">"):
            length = _end(record, path, length, widths)
            record = _Record(text[1:].decode("utf-8", "surrogateescape"), has_cr=b"\r" in text)
            names.append(record.name)
        elif record is not None:
            record.add(text)
            spool.write(text)
    length = _end(record, path, length, widths)
    spool.flush()
    if len(widths) > 1:
        raise InputError(f"{path}: records are wrapped at different widths, {sorted(widths)}; wrap them evenly")
    attributes = {"line_end": "crlf"} if b"\r\n" in ends else {}
    attributes["line_width"] = str(widths.pop())  # 0: every sequence stands on one line
    if not line.endswith(b"\n"):
        attributes["final_newline"] = "no"
    return names, length or 0, attributes


def _end(record: _Record | None, path: str, length: int | None, widths: set[int]) -> int | None:
    """After the last line of a record, if there is one: the length of all so far."""
    if record is None:
        return None
    record.check(path, length)
    widths.add(record.width if record.n_lines > 1 else 0)
    return record.n_symbols


class _Columns:
    """Blocks of columns out of rows of symbols, one after the other in a temporary file that goes with them."""

    def __init__(self, spool: IO[bytes], names: list[str], length: int, attributes: dict[str, str]) -> None:
        self._spool, self._names, self._length, self._attributes = spool, names, length, attributes
        self._at = 0

    def __iter__(self) -> _Columns:
        return self

    def __next__(self) -> Cohort:
        first, last = self._at, min(self._at + block_size(len(self._names)), self._length)
        if first == last or self._spool.closed:
            self.close()
            raise StopIteration
        self._at = last
        symbols = np.empty((len(self._names), last - first), np.uint8)
        for number, row in enumerate(symbols):
            self._spool.seek(number * self._length + first)
            self._spool.readinto(row)  # type: ignore[attr-defined]
        calls, sites = _calls(symbols, first)
        return Cohort("", self._names, sites, calls, np.zeros(calls.shape[:2], np.bool_), "fasta", self._attributes)

    def close(self) -> None:
        self._spool.close()


def _wrap(sequence, width):
    return [sequence[i : i + width] for i in range(0, len(sequence), width)] if width else [sequence]


def _calls(symbols, first):
    """Allele numbers (n_columns, n_sequences, 1), from column `first` on, and the sites whose alleles they count."""
    calls = np.empty((*symbols.T.shape, 1), np.int8)
    rank = np.empty(256, np.int8)
    refs, alts = [], []
    for column, cells in zip(np.ascontiguousarray(symbols.T), calls[:, :, 0], strict=True):
        counts = np.bincount(column, minlength=256)
        ref = int(counts.argmax())
        alleles = [ref, *(s for s in np.flatnonzero(counts).tolist() if s != ref)]
        rank[alleles] = np.arange(len(alleles))
        np.take(rank, column, out=cells)
        refs.append(chr(ref))
        alts.append(",".join(map(chr, alleles[1:])) or ".")
    n = len(refs)
    dots = ["."] * n
    return calls, Sites([CHROM] * n, np.arange(first + 1, first + n + 1), dots, refs, alts, dots, dots, dots)


def fasta_symbols(cohort: Cohort) -> np.ndarray:
    """The sequences of a FASTA cohort.

    Parameters
    ----------
    cohort : Cohort

    Returns
    -------
    ndarray of uint8, shape (n_samples, n_variants)
        ASCII symbols.

    Raises
    ------
    InputError
        If the cohort did not come from FASTA.
    """
    _check_source(cohort.source)
    symbols = np.empty((cohort.n_variants, cohort.n_samples), np.uint8)
    for i, (ref, alt) in enumerate(zip(cohort.sites.ref, cohort.sites.alt, strict=True)):
        # every allele is one character, a comma too, so the commas between them are at the odd places
        alleles = np.frombuffer((ref + alt[::2]).encode("ascii"), np.uint8)
        np.take(alleles, cohort.call_genotype[i, :, 0], out=symbols[i])
    return np.ascontiguousarray(symbols.T)


def write_fasta(
    path: str | os.PathLike[str], cohort: Cohort | CohortStream, *, inputs: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Write a cohort that came from `read_fasta`, or part of one, as FASTA; gzip if the name ends in ``.gz``.

    Parameters
    ----------
    path : path-like
        ``-`` is standard output. A file appears only when it is complete.
    cohort : Cohort or CohortStream
        Of a stream memory holds a block and a sequence; all others wait in a temporary file.
    inputs : iterable of path-like
        Files being read, which `path` must not be.

    Raises
    ------
    InputError
        If the cohort did not come from FASTA, or `path` is a directory or an input.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = os.path.join(folder, "first.fa"), os.path.join(folder, "second.fa")
    ...     with open(first, "w") as file:
    ...         _ = file.write(">a\\nACG\\n>b\\nAC-\\n")
    ...     write_fasta(second, read_fasta(first))
    ...     with open(second) as file:
    ...         file.read()
    '>a\\nACG\\n>b\\nAC-\\n'
    """
    stream = cohort.to_stream() if isinstance(cohort, Cohort) else cohort
    _check_source(stream.source)
    if os.fspath(path) == "-":
        _write(sys.stdout.buffer, stream)
        sys.stdout.buffer.flush()
        return
    with atomic_output(path, inputs) as file:
        with BgzfWriter(file) if os.fspath(path).lower().endswith(".gz") else contextlib.nullcontext(file) as out:
            _write(out, stream)


def _check_source(source):
    if source != "fasta":
        raise InputError(f"the cohort comes from {source.upper()}, not FASTA: write it as VCF")


def _write(out, stream):
    end = b"\r\n" if stream.attributes.get("line_end") == "crlf" else b"\n"
    width, last = int(stream.attributes["line_width"]), len(stream.samples) - 1
    blocks = []  # where its rows, one after the other, start, and how wide they are
    with tempfile.TemporaryFile() as spool:
        for block in stream:
            rows = fasta_symbols(block)
            blocks.append((spool.tell(), rows.shape[1]))
            spool.write(rows.data)
        for number, name in enumerate(stream.samples):
            parts = []
            for start, n_columns in blocks:
                spool.seek(start + number * n_columns)
                parts.append(spool.read(n_columns))
            lines = _wrap(b"".join(parts), width) or [b""]
            out.write(end.join([b">" + name.encode("utf-8", "surrogateescape"), *lines]))
            if number < last or stream.attributes.get("final_newline") != "no":
                out.write(end)
