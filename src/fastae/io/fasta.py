# SPDX-License-Identifier: Apache-2.0
"""Aligned FASTA <-> cohort: sequences are samples, columns of the alignment are variants, calls are haploid."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable

import numpy as np

from ..cohort import Cohort, Sites
from ..errors import InputError
from ..fileio import atomic_output
from .bgzf import BgzfWriter
from .text import Text

CHROM = "alignment"
_PRINTABLE = (33, 126)  # the symbols a sequence may have: ASCII without blanks and controls


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
    with path if isinstance(path, Text) else Text(path) as file:
        path = file.name
        data = file.read()
    if not data.startswith(b">"):
        raise InputError(f"{path}: this is not FASTA: it does not start with '>'")
    attributes = {}
    n_crlf = data.count(b"\r\n")
    if n_crlf:
        if n_crlf != data.count(b"\n"):
            raise InputError(f"{path}: some lines end in CR LF and others in LF alone; convert it with dos2unix first")
        data = data.replace(b"\r\n", b"\n")
        attributes["line_end"] = "crlf"
    names: list[str] = []
    sequences: list[bytes] = []
    widths = set()
    for record in data.removesuffix(b"\n")[1:].split(b"\n>"):
        name, *lines = record.split(b"\n")
        names.append(name.decode("utf-8", "surrogateescape"))
        sequence = b"".join(lines)
        width = len(lines[0]) if len(lines) > 1 else 0
        if not sequence:
            raise InputError(f"{path}: record {names[-1]!r} has no sequence")
        if b"\r" in record:
            raise InputError(
                f"{path}: record {names[-1]!r} has a CR within a line or without LF behind it; take it out"
            )
        if len(sequence) != len(sequences[0] if sequences else sequence):
            raise InputError(
                f"{path}: record {names[-1]!r} has {len(sequence)} symbols and the first {len(sequences[0])}; "
                "sequences must be aligned"
            )
        if lines != _wrap(sequence, width):
            raise InputError(f"{path}: record {names[-1]!r} has lines of uneven width or blank lines; wrap it evenly")
        sequences.append(sequence)
        widths.add(width)
    symbols = np.frombuffer(b"".join(sequences), np.uint8).reshape(len(sequences), -1)
    outside = (symbols < _PRINTABLE[0]) | (symbols > _PRINTABLE[1])
    if outside.any():
        row, column = map(int, np.argwhere(outside)[0])
        raise InputError(f"{path}: record {names[row]!r} has byte {symbols[row, column]} in its sequence: not a symbol")
    if len(widths) > 1:
        raise InputError(f"{path}: records are wrapped at different widths, {sorted(widths)}; wrap them evenly")
    attributes["line_width"] = str(widths.pop())  # 0: every sequence stands on one line
    if not data.endswith(b"\n"):
        attributes["final_newline"] = "no"
    calls, sites = _calls(symbols)
    phased = np.zeros(calls.shape[:2], np.bool_)
    return Cohort("", names, sites, calls, phased, "fasta", attributes)


def _wrap(sequence, width):
    return [sequence[i : i + width] for i in range(0, len(sequence), width)] if width else [sequence]


def _calls(symbols):
    """Allele numbers (n_columns, n_sequences, 1) and the sites whose alleles they count."""
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
    return calls, Sites([CHROM] * n, np.arange(1, n + 1), dots, refs, alts, dots, dots, dots)


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
    if cohort.source != "fasta":
        raise InputError(f"the cohort comes from {cohort.source.upper()}, not FASTA: write it as VCF")
    symbols = np.empty((cohort.n_variants, cohort.n_samples), np.uint8)
    for i, (ref, alt) in enumerate(zip(cohort.sites.ref, cohort.sites.alt, strict=True)):
        # every allele is one character, a comma too, so the commas between them are at the odd places
        alleles = np.frombuffer((ref + alt[::2]).encode("ascii"), np.uint8)
        np.take(alleles, cohort.call_genotype[i, :, 0], out=symbols[i])
    return np.ascontiguousarray(symbols.T)


def write_fasta(path: str | os.PathLike[str], cohort: Cohort, *, inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Write a cohort that came from `read_fasta`, or part of one, as FASTA; gzip if the name ends in ``.gz``.

    Parameters
    ----------
    path : path-like
        ``-`` is standard output. A file appears only when it is complete.
    cohort : Cohort
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
    rows = fasta_symbols(cohort)
    width = int(cohort.attributes["line_width"])
    text = b"".join(
        b">%b\n%b\n" % (name.encode("utf-8", "surrogateescape"), b"\n".join(_wrap(row.tobytes(), width)))
        for name, row in zip(cohort.samples, rows, strict=True)
    )
    if cohort.attributes.get("final_newline") == "no":
        text = text[:-1]
    if cohort.attributes.get("line_end") == "crlf":
        text = text.replace(b"\n", b"\r\n")
    if os.fspath(path) == "-":
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    with atomic_output(path, inputs) as file:
        with BgzfWriter(file) if os.fspath(path).lower().endswith(".gz") else contextlib.nullcontext(file) as out:
            out.write(text)
