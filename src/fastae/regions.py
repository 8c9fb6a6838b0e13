# SPDX-License-Identifier: Apache-2.0
"""Regions of chromosomes, as people write them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import numpy as np

from .errors import InputError

_LAST = int(np.iinfo(np.int64).max)
_NUMBER = r"(\d{1,3}(?:,\d{3})+|\d{1,19})(?:\.(\d{1,19}))?(?:[eE]\+?(\d{1,2}))?([kKmMgG]?)"
_SPAN = re.compile(rf"{_NUMBER}(?:(-)(?:{_NUMBER})?)?")
_ZEROS = {"": 0, "K": 3, "M": 6, "G": 9}
_THOUSANDS = re.compile(
    r"\d{3}(?:[-.eEkKmMgG]|$)"
)  # what a piece starts with that a separator of thousands has cut off
_MOST_LISTED = 10
_BRACES = re.compile(r"\{([^{}]+)\}(?::(.*))?", re.DOTALL)  # htslib's way to say where a name ends
_CONTIG = re.compile(r"^##contig=<(?:[^\n]*,)?ID=([^,>\n]+)", re.MULTILINE)


def parse_regions(regions: str | Iterable[str], chroms: Collection[str]) -> list[tuple[str, int, int]]:
    """Split regions into (chrom, first, last), 1-based and inclusive; `chroms` are the names that exist.

    Positions may have separators of thousands and an exponent, and end in K, M or G: ``22:50,300,000-50.4M``,
    ``22:5.03e7-``. A name wins over a range, so a chromosome called ``HLA:01`` can be asked for as it stands, or as
    ``{HLA:01}:5-9`` in braces; a comma before a name parts two regions.

    Raises
    ------
    InputError
        If a region is malformed or names a chromosome that is not in `chroms`.

    Examples
    --------
    >>> parse_regions("X:5-9,Y", ["X", "Y"])
    [('X', 5, 9), ('Y', 0, 9223372036854775807)]
    >>> parse_regions("X:1,500-2.5K", ["X", "Y"])
    [('X', 1500, 2500)]
    >>> parse_regions("{X}:1e3-2.5e3", ["X", "Y"])
    [('X', 1000, 2500)]
    """
    texts = [regions] if isinstance(regions, str) else regions
    return [_parse(part, chroms) for text in texts for part in split_regions(text, chroms)]


def header_contigs(header: str) -> list[str]:
    """Names of the chromosomes that a VCF header defines.

    Examples
    --------
    >>> header_contigs("##contig=<ID=22,length=51304566>\\n##contig=<ID=X>\\n#CHROM")
    ['22', 'X']
    """
    return _CONTIG.findall(header)


def names_chromosome(text: str, chroms: Collection[str]) -> bool:
    """Whether a text begins with the name of a chromosome, so that it can only be meant as a region.

    Examples
    --------
    >>> [names_chromosome(text, ["X"]) for text in ("X", "X:7-", "rs7", "X7")]
    [True, True, False, False]
    """
    return _chromosome(text, chroms)[0] in chroms


def named_chromosomes(parts: Iterable[str]) -> dict[str, None]:
    """What regions seem to name, for where it is not known yet which chromosomes there are.

    Examples
    --------
    >>> list(named_chromosomes(["X", "22:5-9", "{HLA:01}:7"]))
    ['X', '22', 'HLA:01']
    """
    braces = ((part, _BRACES.fullmatch(part)) for part in parts)
    return dict.fromkeys(match[1] if match else part.rpartition(":")[0] or part for part, match in braces)


def split_regions(text: str, chroms: Collection[str]) -> list[str]:
    """The regions between commas, those commas left that part thousands.

    Examples
    --------
    >>> split_regions("X:1,500-2,000,Y,X:7", ["X", "Y"])
    ['X:1,500-2,000', 'Y', 'X:7']
    """
    if text in chroms:
        return [text]
    parts: list[str] = []
    for piece in text.split(","):
        whole = f"{parts[-1]},{piece}" if parts and _THOUSANDS.match(piece) and piece not in chroms else ""
        # of a number, all that has been read is digits of one: the rest is looked at once it is complete
        if whole and re.fullmatch(r"(?:.*-)?\d{1,3}(?:,\d{3})*", parts[-1].rpartition(":")[2]) and ":" in parts[-1]:
            parts[-1] = whole
        else:
            parts.append(piece)
    return parts


def _chromosome(part: str, chroms: Collection[str]) -> tuple[str, str | None]:
    """The name that a region begins with, and what stands behind the colon, None if there is none."""
    if part in chroms:
        return part, None
    braces = _BRACES.fullmatch(part)
    if braces is not None and braces[1] in chroms:
        return braces[1], braces[2]
    chrom, colon, span = part.rpartition(":")
    return (chrom, span) if colon else (part, None)


def _parse(part: str, chroms: Collection[str]) -> tuple[str, int, int]:
    chrom, span = _chromosome(part, chroms)
    if chrom not in chroms:
        raise InputError(f"region {part!r} is on no chromosome here; {_listed(chroms)}")
    if span is None:
        return chrom, 0, _LAST
    match = _SPAN.fullmatch(span)
    if match is None:
        raise InputError(
            f"region {part!r} has {span!r} behind the chromosome, which is no span of positions; give "
            f"{chrom}:FROM-TO, {chrom}:FROM- or {chrom}:POS, such as {chrom}:50,300,000-50.4M"
        )
    first = _position(part, *match.group(1, 2, 3, 4))
    last = first
    if match[5]:
        last = _LAST if match[6] is None else _position(part, *match.group(6, 7, 8, 9))
    if last < first:
        raise InputError(f"region {part!r} ends before it starts; give chrom:from-to with from <= to")
    return chrom, first, last


def _position(part: str, whole: str, fraction: str | None, exponent: str | None, unit: str) -> int:
    n_zeros = int(exponent or 0) + _ZEROS[unit.upper()]
    decimals = (fraction or "").rstrip("0")
    if len(decimals) > n_zeros:
        raise InputError(f"region {part!r} has a position that is no whole number; give more digits or fewer decimals")
    position = int(whole.replace(",", "") + decimals.ljust(n_zeros, "0"))
    if position > _LAST:
        raise InputError(f"region {part!r} has a position beyond {_LAST}, where nothing can be; give a smaller one")
    return position


def _listed(chroms: Collection[str]) -> str:
    names = [repr(name) for name in chroms]
    if not names:
        return "there are none, since there are no sites"
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"those here are {', '.join(names[:_MOST_LISTED])}{more}"
