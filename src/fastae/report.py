# SPDX-License-Identifier: Apache-2.0
"""A report of an archive as one HTML page that needs no network: settings, bytes, people, sites and pictures.

Names come from files and may be anything: all are escaped, and the page allows neither scripts nor other files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from fastae import plots
from fastae.errors import FormatError, InputError
from fastae.plots.figures import escaped, html_page, inline_svg

if TYPE_CHECKING:
    from fastae.archive import Archive
    from fastae.history import History
    from fastae.sweep import Sweep

_MOST_NAMES = 100  # samples, or chromosomes, that are named one by one
_STYLE = """table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; padding: .3rem 0; }
th, td { border-bottom: 1px solid #bbb; padding: .25rem .9rem .25rem 0; text-align: left; overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.sum > * { border-top: 2px solid #111; font-weight: bold; }
figure { margin: 2rem 0; }
.state { border-left: .4rem solid #0072B2; padding: .4rem .8rem; background: #eef4f8; }
.damaged { border-left: .4rem double #D55E00; background: #fbeee6; }"""
_PARTS = {
    "residual": "alleles that are not predicted, and what columns mean",
    "decoder": "weights of autoencoders",
    "latents": "numbers of the rows, of autoencoders or for analysis",
    "index": "where everything is, with checksums",
    "sites": "CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO",
    "samples": "names",
    "header": "of the file that the archive was made of, and of the archive",
}


def html_report(
    archive: Archive,
    *,
    labels: Sequence[str] | None = None,
    history: History | None = None,
    sweep: Sweep | None = None,
    sizes: Mapping[str, float] | None = None,
) -> str:
    """Tell what an archive holds and what it costs, as one HTML page (extra `plot`).

    All of the archive is read and checked. What is damaged is said, and left out of the pictures.

    Parameters
    ----------
    archive : Archive
    labels : sequence of str, length n_samples, optional
        What people are coloured by, where the archive has latents.
    history : History, optional
        Of a training: its curves.
    sweep : Sweep, optional
        Its fronts.
    sizes : mapping of str to float, optional
        Bytes that other tools need for the same calls: bars beside the archive's own.

    Returns
    -------
    page : str
        The same for the same archive and release.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastae
    >>> from fastae.report import html_report
    >>> fastae.write_archive("cohort.fae", [[[0, 1], [1, 1]], [[0, 0], [0, 1]]])
    >>> with fastae.open("cohort.fae") as archive:
    ...     page = html_report(archive)
    >>> page.startswith("<!DOCTYPE html>"), page.count("<svg")
    (True, 1)
    """
    name = os.path.basename(os.fsdecode(archive.path))
    n_variants, n_samples, _ = archive.shape
    body = [
        "<main>",
        f"<h1>{escaped(name)}</h1>",
        f"<p>An archive of the genotypes of {_count(n_samples, 'sample')} at {_count(n_variants, 'site')}.</p>",
        _state(archive),
        "<h2>Settings</h2>",
        _if_whole(lambda: _settings(archive)),
        "<h2>Bytes</h2>",
        _if_whole(lambda: _bytes(archive)),
        "<h2>Pictures</h2>",
        *_pictures(archive, labels, history, sweep, sizes),
        "<h2>Sites</h2>",
        _if_whole(lambda: _sites(archive)),
        "<h2>Samples</h2>",
        _if_whole(lambda: _samples(archive)),
        f"<p><small>fastae {escaped(metadata.version('fastae'))}</small></p>",
        "</main>",
    ]
    return html_page(f"{name}: report of an archive", "\n".join(body), _STYLE)


def _state(archive: Archive) -> str:
    try:
        archive.verify()
    except FormatError as error:
        return f'<p class="state damaged" role="alert"><strong>Damaged.</strong> {escaped(error)}</p>'
    return '<p class="state"><strong>Whole.</strong> Every block was decoded and agrees with its checksum.</p>'


def _if_whole(make: Callable[[], str]) -> str:
    """What is made, or that it is damaged: the rest of a report is worth having."""
    try:
        return make()
    except FormatError as error:
        return f'<p class="state damaged">This part is damaged: {escaped(error)}</p>'


def _settings(archive: Archive) -> str:
    facts = archive.info()
    n_variants, n_samples, ploidy = archive.shape
    used = {name: number for name, number in facts["predictors"].items() if number}
    windows = archive.windows
    rows = [
        ("format", f"version {facts['version']}"),
        ("made of", {"vcf": "VCF, BCF or another format of sites", "fasta": "FASTA"}[facts["source"]]),
        ("samples", f"{n_samples:,}"),
        ("sites", f"{n_variants:,}"),
        ("ploidy", f"{ploidy:,}"),
        ("windows of sites", f"{len(windows):,}"),
        ("most sites of a window", f"{max((sites.stop - sites.start for sites, _ in windows), default=0):,}"),
        ("blocks", f"{facts['blocks']:,}"),
        ("predictors", ", ".join(f"{name} in {_count(number, 'block')}" for name, number in used.items()) or "none"),
    ]
    rows += [("kept beside", key) for key in archive.attributes]
    return _table("What is in it", ("", ""), rows)


def _bytes(archive: Archive) -> str:
    n_bytes = archive.info()["bytes"]
    n_calls = archive.shape[0] * archive.shape[1]

    def row(name, what):
        n = n_bytes[name]
        share = f"{n / n_bytes['total']:.1%}"
        return name, what, f"{n:,}", share, f"{8 * n / n_calls:.4f}" if n_calls else ""

    rows = [row(name, what) for name, what in _PARTS.items()]
    rows.append(row("genotypes", "residual, decoder, latents and index together"))
    return _table(
        "What each part takes",
        ("part", "what it is", "bytes", "share", "bits per call"),
        [*rows, row("total", "the file")],
        n_numbers=3,
        n_sums=2,
    )


def _pictures(
    archive: Archive,
    labels: Sequence[str] | None,
    history: History | None,
    sweep: Sweep | None,
    sizes: Mapping[str, float] | None,
) -> Iterator[str]:
    drawn: list[tuple[str, Callable[[], Any]]] = []
    if archive.shape[0] and archive.shape[1]:
        about = (
            "Above, the bits of the file that a site's calls take, along the chromosome: means of neighbouring sites. "
            "Below, the share of the rarer alleles: such means, and what nine tenths of the sites are below."
        )
        drawn.append((about, lambda: plots.bits_figure(archive)))
    if sizes:
        own = {"fastae": plots.calls_bytes(archive)}
        drawn.append(("Bytes of the same calls by tool.", lambda: plots.sizes_figure({**sizes, **own}, "")))
    if history is not None and len(history):
        about = "Loss and exact Hamming distance per cell over the epochs of a training."
        drawn.append((about, lambda: plots.plot_history(history).figure))
    if sweep is not None and sweep.points:
        about = "Autoencoders by bits per genotype and share of wrong alleles, without loss and with."
        drawn.append((about, lambda: plots.front_figure(sweep)))
    for number, (about, draw) in enumerate([*_people(archive, labels), *drawn], 1):
        yield _if_whole(lambda about=about, draw=draw, number=number: _figure(draw(), about, number))  # type: ignore[misc]


def _people(archive: Archive, labels: Sequence[str] | None) -> Iterator[tuple[str, Callable[[], Any]]]:
    try:
        Z = plots.people_latents(archive)
    except (FormatError, InputError):
        return  # damaged, as the state of the archive says, or there are none
    if min(Z.shape) >= 2:
        about = f"{_count(len(Z), 'sample')} by the first two principal components of their latents."
        yield about, lambda: plots.plot_latents(Z, labels).figure


def _figure(figure: Any, about: str, number: int) -> str:
    return f"<figure>\n{inline_svg(figure, about, number)}\n<figcaption>{escaped(about)}</figcaption>\n</figure>"


def _sites(archive: Archive) -> str:
    found: dict[str, list[int]] = {}
    n_alts = np.zeros(3, np.int64)
    for variants, _ in archive.windows:
        sites = archive.read(variants, samples=[]).sites
        for chrom, pos, alt in zip(sites.chrom, sites.pos.tolist(), sites.alt, strict=True):
            entry = found.setdefault(chrom, [0, pos, pos])
            entry[:] = entry[0] + 1, min(entry[1], pos), max(entry[2], pos)
            n_alts[0 if alt == "." else min(2, 1 + alt.count(","))] += 1
    rows = [(chrom, *(f"{number:,}" for number in entry)) for chrom, entry in found.items()]
    kinds = [
        ("two alleles", f"{n_alts[1]:,}"),
        ("more alleles", f"{n_alts[2]:,}"),
        ("no alternative allele", f"{n_alts[0]:,}"),
    ]
    heads = ("chromosome", "sites", "first position", "last position")
    more = f"<p>and {len(rows) - _MOST_NAMES:,} more</p>" if len(rows) > _MOST_NAMES else ""
    return (
        _table("By chromosome", heads, rows[:_MOST_NAMES], n_numbers=3)
        + more
        + _table("By alleles", ("sites with", "number"), kinds, n_numbers=1)
    )


def _samples(archive: Archive) -> str:
    names = archive.samples
    listed = ", ".join(escaped(name) for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f"<details><summary>{_count(len(names), 'name')}</summary><p>{listed}{more}</p></details>"


def _table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, n_numbers: int = 0, n_sums: int = 0
) -> str:
    """A table whose last columns are numbers and whose last rows are sums; every cell is escaped."""
    lines = [f"<table>\n<caption>{escaped(caption)}</caption>"]
    if any(heads):
        lines.append("<tr>" + "".join(f'<th scope="col">{escaped(head)}</th>' for head in heads) + "</tr>")
    for number, (first, *cells) in enumerate(rows):
        kind = ' class="sum"' if number >= len(rows) - n_sums else ""
        kinds = [""] * (len(cells) - n_numbers) + [' class="number"'] * n_numbers
        texts = [f"<td{of_cell}>{escaped(cell)}</td>" for of_cell, cell in zip(kinds, cells, strict=True)]
        lines.append(f'<tr{kind}><th scope="row">{escaped(first)}</th>{"".join(texts)}</tr>')
    return "\n".join([*lines, "</table>"])


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"
