# SPDX-License-Identifier: Apache-2.0
"""A window's site columns, verbatim, as one compressed section. FORMAT.md §5.2.

Two columns are more than text: IDs that are all dbSNP's are numbers, and the alleles of SNPs are pairs of bases.
"""

from __future__ import annotations

import re

import numpy as np

from fastae.archive.container import ByteReader, compress, counted, decode_text, decompress, encode_text, varint
from fastae.archive.packing import pack_array, unpack_array
from fastae.cohort import FIXED_COLUMNS, Sites
from fastae.errors import FormatError, InputError

_MAX_POSITION = (1 << 62) - 1
_NUMBERED, _BASES = 1, 2  # flags: IDs are numbers; REF and ALT are bases
_BASE = {base: number for number, base in enumerate("ACGT")}
_RS_NUMBER = re.compile(r"rs([1-9][0-9]{0,8}|[1-3][0-9]{9})")  # below 2^32


def encode_sites(sites: Sites) -> bytes:
    """Bytes of a window's sites.

    Raises
    ------
    InputError
        If a text holds a line break or a position is no position.
    """
    columns = []
    numbers, bases = _rs_numbers(sites.id), _base_pairs(sites.ref, sites.alt)
    flags = _NUMBERED * (numbers is not None) | _BASES * (bases is not None)
    for name, column in zip(FIXED_COLUMNS, sites.columns(), strict=True):
        if name in _left_out(flags):
            columns.append(b"")
        elif isinstance(column, list):
            text = "\n".join(column)
            if text.count("\n") >= max(len(column), 1):
                raise InputError(f"{name} of a site holds a line break, which an archive cannot keep; take it out")
            columns.append(encode_text(text))
        else:
            if len(column) and not 0 <= column.min() <= column.max() <= _MAX_POSITION:
                raise InputError(f"sites lie at {column.min()} to {column.max()}; positions are 0 or more")
            steps = np.diff(column, prepend=0)
            columns.append(b"".join(map(varint, ((steps << 1) ^ (steps >> 63)).tolist())))
    out = [bytes([flags])]
    if numbers is not None:
        out += [pack_array((numbers >> shift).astype(np.uint8)) for shift in (0, 8, 16, 24)]
    if bases is not None:
        out.append(pack_array(bases))
    return b"".join(out) + compress(b"".join(map(counted, columns)))


def _left_out(flags: int) -> tuple[str, ...]:
    """The columns that do not stand in the text."""
    return ("ID",) * bool(flags & _NUMBERED) + ("REF", "ALT") * bool(flags & _BASES)


def _rs_numbers(ids: list[str]) -> np.ndarray | None:
    """Numbers of IDs that are all ``rs`` and a number, or "." (0); None if any is something else."""
    numbers = np.zeros(len(ids), np.uint32)
    for i, text in enumerate(ids):
        if text != ".":
            match = _RS_NUMBER.fullmatch(text)
            if match is None:
                return None
            numbers[i] = int(match[1])
    return numbers


def _base_pairs(refs: list[str], alts: list[str]) -> np.ndarray | None:
    """Four times the number of REF among A, C, G, T, plus ALT's; None if an allele is anything else."""
    try:
        return np.array([4 * _BASE[ref] + _BASE[alt] for ref, alt in zip(refs, alts, strict=True)], np.uint8)
    except KeyError:
        return None


def decode_sites(data: bytes, n_sites: int) -> Sites:
    """The inverse of `encode_sites`.

    Raises
    ------
    FormatError
        If the bytes are not such sites.
    """
    what = "site columns"
    outer = ByteReader(data, what)
    flags = outer.take(1)[0]
    if flags > (_NUMBERED | _BASES):
        raise FormatError(f"the {what} have the flags {flags}: the archive is corrupt")
    apart: dict[str, list[str]] = {}
    if flags & _NUMBERED:
        numbers = np.zeros(n_sites, np.int64)
        for shift in (0, 8, 16, 24):
            numbers |= unpack_array(outer, n_sites).astype(np.int64) << shift
        apart["ID"] = [f"rs{number}" if number else "." for number in numbers.tolist()]
    if flags & _BASES:
        pairs = unpack_array(outer, n_sites)
        if pairs.max(initial=0) > 15:
            raise FormatError(f"the {what} hold a pair of bases beyond T and T: the archive is corrupt")
        bases = np.array(list(_BASE), object)
        apart["REF"], apart["ALT"] = bases[pairs >> 2].tolist(), bases[pairs & 3].tolist()
    reader = ByteReader(decompress(outer.take(outer.left), what), what)
    columns: list = []
    for name in FIXED_COLUMNS:
        part = reader.take(reader.count())
        if name in apart:
            if len(part):
                raise FormatError(f"the {what} hold {name} twice: the archive is corrupt")
            columns.append(apart[name])
        elif name == "POS":
            steps = ByteReader(part, what)
            zigzag = np.array([steps.varint() for _ in range(n_sites)], np.int64)
            steps.finish()
            positions = np.cumsum((zigzag >> 1) ^ -(zigzag & 1))
            if not 0 <= positions.min(initial=0) <= positions.max(initial=0) <= _MAX_POSITION:
                raise FormatError(f"the {what} lie where no site can: the archive is corrupt")
            columns.append(positions)
        else:
            text = decode_text(bytes(part), what)
            n_texts = text.count("\n") + 1  # before a hostile text becomes a list
            if n_texts != n_sites:
                raise FormatError(f"the {what} hold {n_texts} values for {n_sites} sites: the archive is corrupt")
            columns.append(text.split("\n"))
    reader.finish()
    return Sites(*columns)
