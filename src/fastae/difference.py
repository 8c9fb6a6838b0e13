# SPDX-License-Identifier: Apache-2.0
"""Where two cohorts differ: what says of a file that it came back as it was."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from .cohort import FIXED_COLUMNS, Cohort, CohortStream, block_size, format_call


class Difference(NamedTuple):
    """Where two cohorts differ first.

    Attributes
    ----------
    kind : {"source", "header", "samples", "variants", "sites", "calls", "attributes"}
        What of them differs: the kind of file, the header's lines, the samples' names, how many variants there are,
        a column of a site, a call, or a fact about the layout of the file.
    text : str
        A sentence that names it.
    """

    kind: str
    text: str


def first_difference(a: Cohort | CohortStream, b: Cohort | CohortStream, *, ignore_header: bool = False) -> str | None:
    """Say where two cohorts differ first.

    Parameters
    ----------
    a, b : Cohort or CohortStream
        Streams are read block by block and need not be cut alike.
    ignore_header : bool
        Pass over the lines of the header and the attributes, in which files differ that went through another tool.

    Returns
    -------
    str or None
        A sentence naming the first difference, None if there is none. Everything counts: header, samples, sites
        and calls; only the width of the ploidy axis does not.

    Examples
    --------
    >>> from fastae import Cohort
    >>> first_difference(Cohort.from_arrays([[0, 1]]), Cohort.from_arrays([[0, 0]]))
    'variant 1 (1:1), sample S2: GT is 1 in the first and 0 in the second'
    """
    found = find_difference(a, b, ignore_header=ignore_header)
    return None if found is None else found.text


def find_difference(
    a: Cohort | CohortStream, b: Cohort | CohortStream, *, ignore_header: bool = False
) -> Difference | None:
    """As `first_difference`, with the kind of it."""
    if a.source != b.source:
        return Difference("source", f"source is {a.source!r} in the first and {b.source!r} in the second")
    if a.samples != b.samples:
        return Difference("samples", "samples: " + _list_difference(a.samples, b.samples, "name"))
    if a.header != b.header and not ignore_header:
        return Difference("header", _header_difference(a.header.split("\n"), b.header.split("\n")))
    size = block_size(len(a.samples))
    pairs = [iter(side.to_stream(size) if isinstance(side, Cohort) else side.rebatch(size)) for side in (a, b)]
    start = 0
    for left, right in zip_longest(*pairs):
        n = min(side.n_variants if side is not None else 0 for side in (left, right))
        if n:
            found = _block_difference(left.select(slice(n)), right.select(slice(n)), start)
            if found:
                return found
        start += n
        if left is None or right is None or left.n_variants != right.n_variants:
            longer = "first" if n < (left.n_variants if left is not None else 0) else "second"
            return Difference("variants", f"the {longer} has more than the {start} variants of the other")
    if a.attributes != b.attributes and not ignore_header:  # complete when all blocks have been read
        keys = sorted(a.attributes.keys() | b.attributes.keys())
        differing = [key for key in keys if a.attributes.get(key) != b.attributes.get(key)]
        return Difference("attributes", f"the attributes {', '.join(differing)} are not the same")
    return None


def _list_difference(a, b, what):
    for i, (x, y) in enumerate(zip(a, b, strict=False), 1):
        if x != y:
            return f"{what} {i} is {x!r} in the first and {y!r} in the second"
    return f"has {len(a)} {what}s in the first and {len(b)} in the second"


def _header_difference(a, b):
    """The first line that differs, and what kinds of lines only one of two headers has, with their number."""
    counts = [Counter(lines) for lines in (a, b)]
    alone = [list((one - other).elements()) for one, other in (counts, counts[::-1])]
    if not any(alone):
        return "header has the same lines in another order: " + _list_difference(a, b, "line")
    told = [f"header {_list_difference(a, b, 'line')}"]
    for lines, which in zip(alone, ("first", "second"), strict=True):
        keys = [f"{key} ({n})" if n > 1 else key for key, n in Counter(map(_key, lines)).items()]
        told += [f"only in the {which}: {', '.join(keys)}"] if keys else []
    return "; ".join(told)


def _key(line):
    """What kind of line it is: ``##contig``, ``#CHROM``."""
    return line.partition("=")[0].partition("\t")[0]


def _block_difference(a, b, start):
    rows = [i for i in range(a.n_variants) if a.sites.pos[i] != b.sites.pos[i]]
    for x, y in zip(a.sites.columns(), b.sites.columns(), strict=True):
        if isinstance(x, list) and x != y:
            rows.append(next(i for i, (p, q) in enumerate(zip(x, y, strict=True)) if p != q))
    ploidy = max(a.ploidy, b.ploidy)
    a, b = a.with_ploidy(ploidy), b.with_ploidy(ploidy)
    wrong = (a.call_genotype != b.call_genotype).any(axis=2) | (a.call_genotype_phased != b.call_genotype_phased)
    bad_calls = np.argwhere(wrong)
    if len(bad_calls) and (not rows or bad_calls[0][0] < min(rows)):
        row, sample = map(int, bad_calls[0])
        x, y = (format_call(c.call_genotype[row, sample], c.call_genotype_phased[row, sample]) for c in (a, b))
        where = f"variant {start + row + 1} ({a.sites.chrom[row]}:{a.sites.pos[row]}), sample {a.samples[sample]}"
        return Difference("calls", f"{where}: GT is {x} in the first and {y} in the second")
    if rows:
        row = min(rows)
        for name, x, y in zip(FIXED_COLUMNS, a.sites.columns(), b.sites.columns(), strict=True):
            if x[row] != y[row]:
                where = f"variant {start + row + 1} ({a.sites.chrom[row]}:{a.sites.pos[row]})"
                return Difference("sites", f"{where}: {name} is {x[row]} in the first and {y[row]} in the second")
    return None
