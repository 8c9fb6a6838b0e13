# SPDX-License-Identifier: Apache-2.0
"""Archives: what they spend along the chromosome, and beside other tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastae.plots.figures import BLUE, GREY, as_written, axes_of, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastae.archive import Archive

_BINS = 100  # along the axis


def plot_bits(archive: Archive, *, ax: Axes | None = None) -> Axes:
    """Draw the bits that an archive spends on a site's genotypes, along the chromosome.

    Of each of up to 100 equal parts of the axis: the bits of the file that its sites' calls take, over the number of
    sites, as `Archive.site_bits` finds them. A dashed line is the mean of all sites.

    Parameters
    ----------
    archive : Archive
        At least one site; all its blocks are decoded.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    ax : matplotlib.axes.Axes
        Positions in megabases; sites in the file's order, where they are on several chromosomes.

    Raises
    ------
    ValueError
        The archive has no sites.

    Examples
    --------
    >>> import numpy as np
    >>> import fastae
    >>> calls = np.random.default_rng(0).integers(0, 2, (90, 20, 2))
    >>> calls[30:60] = 0                                       # nothing to tell
    >>> fastae.write_archive("cohort.fae", calls)
    >>> with fastae.open("cohort.fae") as archive:
    ...     ax = plot_bits(archive)
    >>> bits = ax.patches[0].get_data().values
    >>> bool(bits[:7].min() > 4 * bits[8:14].max())
    True
    """
    parts = _Parts.of(archive)
    ax = axes_of(ax)
    bits = archive.site_bits()
    of_part = np.bincount(parts.of_site, weights=bits, minlength=parts.n) / np.maximum(parts.n_sites, 1)
    of_part[parts.n_sites == 0] = np.nan  # where there are no sites, there is no line
    steps = ax.stairs(of_part, parts.edges, baseline=None, color=BLUE, linewidth=1.5)
    line = ax.axhline(bits.mean(), color=GREY, linestyle="--", zorder=0)
    ax.legend(
        [steps, line],
        [f"means of about {len(bits) / np.count_nonzero(parts.n_sites):,.0f} sites", f"all sites: {bits.mean():.3g}"],
        frameon=False,
        loc="upper right",
    )
    ax.set_ylim(0, 1.35 * max(np.nanmax(of_part), 1e-3))  # room for the legend
    ax.set_xlabel(as_written(parts.label), parse_math=False)
    ax.set_ylabel("bits of the file per site")
    return ax


def plot_frequencies(archive: Archive, *, ax: Axes | None = None) -> Axes:
    """Draw how frequent the rarer alleles are along the chromosome, on the axis of `plot_bits`.

    Of each of up to 100 equal parts of the axis: the mean over its sites of the share of alleles that are not the
    commonest, and the share that nine tenths of the sites are below.

    Parameters
    ----------
    archive : Archive
        At least one site; all its blocks are decoded.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    ax : matplotlib.axes.Axes

    Raises
    ------
    ValueError
        The archive has no sites.

    Examples
    --------
    >>> import fastae
    >>> fastae.write_archive("cohort.fae", [[[0, 1], [1, 1]], [[0, 0], [0, 1]]])
    >>> with fastae.open("cohort.fae") as archive:
    ...     ax = plot_frequencies(archive)
    >>> ax.get_ylabel()
    "rarer alleles' share"
    """
    parts = _Parts.of(archive)
    ax = axes_of(ax)
    counts = archive.allele_counts()
    n_alleles = counts.sum(axis=1)
    share = 1 - counts.max(axis=1) / np.maximum(n_alleles, 1)
    share[n_alleles == 0] = 0.0
    mean, tenth = np.full((2, parts.n), np.nan)  # no line where there are no sites
    for number in np.flatnonzero(parts.n_sites):
        of_part = share[parts.of_site == number]
        mean[number], tenth[number] = of_part.mean(), np.quantile(of_part, 0.9)
    middle = (parts.edges[1:] + parts.edges[:-1]) / 2
    ax.fill_between(middle, tenth, color="0.85", label="nine of ten sites are below")
    ax.plot(middle, mean, color=BLUE, label="mean")
    ax.legend(frameon=False, loc="upper right")
    ax.set_ylim(0, 1.35 * max(np.nanmax(tenth), 1e-3))  # room for the legend
    ax.set_xlabel(as_written(parts.label), parse_math=False)
    ax.set_ylabel("rarer alleles' share")
    return ax


def plot_sizes(sizes: Mapping[str, float], *, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw how large tools make the same data, the smallest on top.

    Bars start at 0; those of names that start with "fastae" are dark, the others hatched.

    Parameters
    ----------
    sizes : mapping of str to float
        Bytes by name; finite, not negative.
    title : str
        What was stored.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    ax : matplotlib.axes.Axes

    Raises
    ------
    ValueError
        There are no sizes, or one is negative or not finite.

    Examples
    --------
    >>> ax = plot_sizes({"plink2 .pgen": 2_456_535, "fastae": 236_348})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['fastae', 'plink2 .pgen']
    """
    if not sizes or not all(0 <= size < np.inf for size in sizes.values()):
        raise ValueError(f"sizes are {dict(sizes)!r}; give at least one, finite and not negative")
    ax = axes_of(ax)
    ranked = sorted(sizes.items(), key=lambda item: item[1])
    for place, (name, size) in enumerate(ranked):
        ours = name.startswith("fastae")
        style: dict[str, Any] = {"color": BLUE} if ours else {"facecolor": "0.85", "edgecolor": "0.4", "hatch": "//"}
        ax.barh(place, size, height=0.7, **style)
        ax.annotate(f"{size:,.0f}", (size, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(range(len(ranked)))
    for text, (name, _) in zip(ax.set_yticklabels([name for name, _ in ranked]), ranked, strict=True):
        text.set_parse_math(False)
        text.set_text(shortened(name))
        text.set_fontweight("bold" if name.startswith("fastae") else "normal")
    ax.invert_yaxis()
    ax.set_xlim(0, 1.18 * max(1, ranked[-1][1]))  # room for the numbers
    ax.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("bytes")
    ax.set_title(shortened(title), parse_math=False)
    return ax


def bits_figure(archive: Archive) -> Figure:
    """What sites cost above how frequent alleles are, on one axis; see `plot_bits` and `plot_frequencies`."""
    figure, (above, below) = new_figure(2, width=8, height=2.8, stacked=True)
    plot_bits(archive, ax=above).set_xlabel("")
    plot_frequencies(archive, ax=below)
    return figure


def sizes_figure(sizes: Mapping[str, float], title: str) -> Figure:
    """The bars of `plot_sizes`, as high as they need to be."""
    figure, (ax,) = new_figure(1, width=8, height=1.2 + 0.3 * len(sizes))
    plot_sizes(sizes, title=title, ax=ax)
    return figure


def calls_bytes(archive: Archive) -> int:
    """What the calls of an archive take, without latents that no call depends on."""
    return int(archive.window_bytes().sum()) + archive.info()["bytes"]["index"]


@dataclass(frozen=True, eq=False)
class _Parts:
    """Equal parts of the horizontal axis, and the sites in each.

    Attributes
    ----------
    edges : ndarray of float64, shape (n + 1,)
    of_site : ndarray of int64, shape (n_variants,)
        The part that each site is in.
    n_sites : ndarray of int64, shape (n,)
    label : str
        The axis' name.
    """

    edges: np.ndarray
    of_site: np.ndarray
    n_sites: np.ndarray
    label: str

    @property
    def n(self) -> int:
        return len(self.n_sites)

    @classmethod
    def of(cls, archive: Archive) -> _Parts:
        x, label = _places(archive)
        n = max(1, min(_BINS, len(x) // 4))
        first, last = float(x.min()), float(x.max())
        edges = np.linspace(first, last, n + 1) if last > first else np.array([first - 0.5, first + 0.5])
        of_site = np.searchsorted(edges[1:-1], x, side="right")
        return cls(edges, of_site, np.bincount(of_site, minlength=len(edges) - 1), label)


def _places(archive: Archive) -> tuple[np.ndarray, str]:
    """Where each site stands on the horizontal axis, and the axis' name."""
    if not archive.shape[0]:
        raise ValueError("the archive has no sites: nothing to draw")
    chroms = list(dict.fromkeys(chrom for _, spans in archive.windows for chrom, *_ in spans))
    pos = archive.sites.pos
    if len(chroms) == 1 and (np.diff(pos) >= 0).all():
        return (
            pos / 1e6,
            f"position on {'' if chroms[0].startswith('chr') else 'chromosome '}{shortened(chroms[0])}, megabases",
        )
    return np.arange(archive.shape[0]), "site, in the order of the file"
