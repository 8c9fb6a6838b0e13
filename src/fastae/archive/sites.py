# SPDX-License-Identifier: Apache-2.0
"""A window's site columns, verbatim, as one section. FORMAT.md §5.2.

Positions, the bases of SNPs and IDs that are numbers behind a prefix, such as dbSNP's, are one stream of predicted
numbers; all else is text.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from fastae import _core
from fastae.archive.container import (
    ByteReader,
    compress,
    counted,
    decode_text,
    decompress,
    encode_text,
    varint,
)
from fastae.cohort import FIXED_COLUMNS, Sites
from fastae.errors import FormatError, InputError

_MAX_POSITION = (1 << 62) - 1
_MAX_SHORT_POSITION = (1 << 31) - 1  # of which the stream takes the steps
_LONG_POSITIONS = 1  # flag: positions are in the text
_BASE_PAIRS = {ref + "\t" + alt: 4 * r + a for r, ref in enumerate("ACGT") for a, alt in enumerate("ACGT")}
_NUMBERED = re.compile(r"([^0-9\n]*)([1-9][0-9]{0,9})")
_NO_ID, _TEXT_ID, _FIRST_NUMBER = 0, 1, 2  # an ID in the stream: ".", one that stands in the text, or its number + 2
_SERIES_GAP = 1 << 17  # a longer stretch of numbers that no ID has parts two series
_BASES = np.array(list("ACGT"), object)


def encode_sites(sites: Sites) -> bytes:
    """Bytes of a window's sites, of which there is one at least.

    Raises
    ------
    InputError
        If a text holds a line break or a position is no position.
    """
    positions = sites.pos
    if not 0 <= positions.min() <= positions.max() <= _MAX_POSITION:
        raise InputError(f"sites lie at {positions.min()} to {positions.max()}; positions are 0 or more")
    steps = np.diff(positions, prepend=0)
    texts: dict[str, list[str]] = {name: getattr(sites, name.lower()) for name in FIXED_COLUMNS if name != "POS"}
    for name, column in texts.items():
        if any("\n" in text for text in set(column)):
            raise InputError(f"{name} of a site holds a line break, which an archive cannot keep; take it out")
    is_long = int(positions.max()) > _MAX_SHORT_POSITION
    gaps = np.zeros(len(steps), np.int32) if is_long else steps.astype(np.int32)
    pairs = np.array(
        [_BASE_PAIRS.get(f"{ref}\t{alt}", _core.SITES_OTHER) for ref, alt in zip(sites.ref, sites.alt, strict=True)],
        np.uint8,
    )
    prefix, ids = _id_numbers(sites.id)
    starts, widths = _series(ids)
    for name in ("REF", "ALT"):
        texts[name] = [texts[name][i] for i in np.flatnonzero(pairs == _core.SITES_OTHER).tolist()]
    texts["ID"] = [texts["ID"][i] for i in np.flatnonzero(ids == _TEXT_ID).tolist()]
    parts = {name: encode_text(_joined(column)) for name, column in texts.items()}
    parts["POS"] = b"".join(map(varint, ((steps << 1) ^ (steps >> 63)).tolist())) if is_long else b""
    out = [bytes([_LONG_POSITIONS * is_long]), counted(encode_text(prefix)), varint(len(starts))]
    end = 0
    for start, width in zip(starts.tolist(), widths.tolist(), strict=True):
        out += [varint(start - end), varint(width - 1)]
        end = start + width
    stream = np.empty(64 + 24 * len(sites), np.uint8)
    used = _core.sites_encode(gaps, pairs, ids, starts, widths, stream)
    out.append(counted(stream[:used].tobytes()))
    return b"".join(out) + compress(b"".join(counted(parts[name]) for name in FIXED_COLUMNS))


def _joined(texts: list[str]) -> str:
    """The texts, a line each; once, if they are all alike."""
    return "\n".join(texts[:1] if len(set(texts)) == 1 else texts)


def _id_numbers(ids: list[str]) -> tuple[str, np.ndarray]:
    """The commonest text before a number, and of each ID what it is in the stream."""
    matches = [_NUMBERED.fullmatch(text) for text in ids]
    prefixes = Counter(match[1] for match in matches if match)
    prefix = prefixes.most_common(1)[0][0] if prefixes else ""
    numbers = [
        int(match[2]) + _FIRST_NUMBER if match and match[1] == prefix else _TEXT_ID if text != "." else _NO_ID
        for text, match in zip(ids, matches, strict=True)
    ]
    return prefix, np.array([n if n < (1 << 32) - 1 else _TEXT_ID for n in numbers], np.uint32)


def _series(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First numbers and widths of the series in which the IDs lie."""
    numbers = np.unique(ids).astype(np.int64)
    gaps = np.diff(numbers)
    cuts = np.flatnonzero((gaps > _SERIES_GAP) | (numbers[:-1] < _FIRST_NUMBER))
    must = int(np.count_nonzero(numbers[:-1] < _FIRST_NUMBER))
    widest = must + np.argsort(-gaps[cuts[must:]], kind="stable")
    cuts = np.sort(cuts[np.concatenate([np.arange(must), widest])[: _core.SITES_SERIES - 1]])
    starts = numbers[np.concatenate([[0], cuts + 1])]
    ends = numbers[np.concatenate([cuts, [len(numbers) - 1]])]
    return starts.astype(np.uint32), (ends - starts + 1).astype(np.uint32)


def decode_sites(data: bytes, n_sites: int) -> Sites:
    """The inverse of `encode_sites`.

    Raises
    ------
    FormatError
        If the bytes are not such sites.
    """
    what = "site columns"
    reader = ByteReader(data, what)
    flags = reader.take(1)[0]
    if flags > _LONG_POSITIONS:
        raise FormatError(f"the {what} have the flags {flags}: the archive is corrupt")
    prefix = reader.text()
    starts, widths = _read_series(reader, what)
    gaps, pairs, ids = np.empty(n_sites, np.int32), np.empty(n_sites, np.uint8), np.empty(n_sites, np.uint32)
    _core.sites_decode(np.frombuffer(reader.take(reader.count()), np.uint8), starts, widths, gaps, pairs, ids)
    inner = ByteReader(decompress(reader.take(reader.left), what), what)
    parts = {name: inner.take(inner.count()) for name in FIXED_COLUMNS}
    inner.finish()
    if flags & _LONG_POSITIONS:
        steps = ByteReader(parts["POS"], what)
        zigzag = np.array([steps.varint() for _ in range(n_sites)], np.int64)
        steps.finish()
        positions = np.cumsum((zigzag >> 1) ^ -(zigzag & 1))
    elif len(parts["POS"]):
        raise FormatError(f"the {what} hold POS twice: the archive is corrupt")
    else:
        positions = np.cumsum(gaps, dtype=np.int64)
    if not 0 <= positions.min() <= positions.max() <= _MAX_POSITION:
        raise FormatError(f"the {what} lie where no site can: the archive is corrupt")
    others, named = np.flatnonzero(pairs == _core.SITES_OTHER), np.flatnonzero(ids < _FIRST_NUMBER)
    bases = pairs & 15
    ref, alt = _BASES[bases >> 2].tolist(), _BASES[bases & 3].tolist()
    for name, column in (("REF", ref), ("ALT", alt)):
        for i, text in zip(others.tolist(), _texts(parts[name], len(others), what), strict=True):
            column[i] = text
    names = [prefix + str(number) for number in (ids.astype(np.int64) - _FIRST_NUMBER).tolist()]
    written = iter(_texts(parts["ID"], int(np.count_nonzero(ids == _TEXT_ID)), what))
    for i in named.tolist():
        names[i] = next(written) if ids[i] == _TEXT_ID else "."
    chrom, *rest = (_texts(parts[name], n_sites, what) for name in ("CHROM", "QUAL", "FILTER", "INFO"))
    return Sites(chrom, positions, names, ref, alt, *rest)


def _read_series(reader: ByteReader, what: str) -> tuple[np.ndarray, np.ndarray]:
    n_series = reader.varint(_core.SITES_SERIES)
    starts, widths, end = [], [], 0
    for _ in range(n_series):
        starts.append(end + reader.varint((1 << 32) - 1))
        widths.append(1 + reader.varint((1 << 32) - 1))
        end = starts[-1] + widths[-1]
    if not n_series or end >= 1 << 32:
        raise FormatError(f"the {what} have {n_series} series of IDs that reach to {end}: the archive is corrupt")
    return np.array(starts, np.uint32), np.array(widths, np.uint32)


def _texts(part: memoryview, n: int, what: str) -> list[str]:
    """So many texts, of which a part holds one that they all are, or each a line."""
    text = decode_text(bytes(part), what)
    n_lines = text.count("\n") + 1  # before a hostile text becomes a list
    if n_lines == 1 and (n or not text):
        return [text] * n
    if n_lines != n:
        raise FormatError(f"the {what} hold {n_lines} values for {n} sites: the archive is corrupt")
    return text.split("\n")
