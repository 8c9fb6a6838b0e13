# SPDX-License-Identifier: Apache-2.0
"""The pictures of archive.md: where things lie in a file, what a read touches of them, and what `pbwt` sees.

python docs/pictures_archive.py            # writes archive-*.svg beside this script
python docs/pictures_archive.py folder     # or elsewhere
"""

import importlib.resources
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from matplotlib.patches import Polygon, Rectangle

import fastae
from fastae.archive import container
from fastae.plots.figures import BLACK, BLUE, SKY, VERMILLION, new_figure, save_figure

SHIPPED = importlib.resources.files("fastae") / "data" / "kg3_chr20_eur300.vcf.gz"
REGION, PERSON = "20:2230000-2240000", 250
SITES = slice(500, 560)  # of the common ones, for the picture of their order
GREY = "0.85"


def canvas(width, height, right, top):
    """A figure without lines of axes, and its axes, which reach from (0, 0) at the lower left to (right, top)."""
    figure, (ax,) = new_figure(1, width=width, height=height)
    ax.set(xlim=(0, right), ylim=(0, top))
    ax.axis("off")
    return figure, ax


def box(ax, x, y, width, height, text="", *, face="white", fontsize=8, **options):
    """A box with words in its middle, white ones where it is dark."""
    colour = "white" if face in (BLACK, BLUE) else BLACK
    ax.add_patch(Rectangle((x, y), width, height, facecolor=face, edgecolor=BLACK, linewidth=0.8))
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=colour, fontsize=fontsize, **options)


def arrow(ax, start, end, **options):
    style = {"arrowstyle": "-|>", "color": BLACK, "shrinkA": 0, "shrinkB": 0, **options}
    ax.annotate("", end, start, arrowprops=style)


# ---- a file, and what reads take of it ----------------------------------------------------------------------------

READS = {
    "opened": lambda archive: archive.shape,
    "a region": lambda archive: archive[archive.query(REGION)],
    "a person": lambda archive: archive[:, PERSON],
    "a person in a region": lambda archive: archive[archive.query(REGION), PERSON],
}


def taken(path, read):
    """What a read takes from a file: sections, as (kind, window, slab), and the number of bytes."""
    seen, whole = set(), container.ContainerReader.read_section

    def noted(reader, section):
        seen.add((section.kind, section.window, section.slab))
        return whole(reader, section)

    with fastae.open(path) as archive, mock.patch.object(container.ContainerReader, "read_section", noted):
        read(archive)
        return seen, archive.bytes_read


def file_figure():
    """The packaged region in three windows and three slabs. What is dark was in truth read for a part."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cohort.fae"
        with fastae.read_vcf(SHIPPED) as stream:
            fastae.write_archive(path, stream, block_variants=1500, block_samples=100)
        answers = {what: taken(path, read) for what, read in READS.items()}
        n_bytes = path.stat().st_size
        with fastae.open(path) as archive:
            windows, n_samples = [sites for sites, _ in archive.windows], archive.shape[1]
    strip = [
        ("start", None, 0.5),
        ("header", (container.HEADER, 0, 0), 0.75),
        ("names", (container.SAMPLES, 0, 0), 0.75),
    ]
    for window in range(3):
        strip += [("sites", (container.SITES, window, 0), 0.75), ("columns", (container.COLUMNS, window, 0), 0.75)]
        strip += [(f"{window + 1}{'abc'[slab]}", (container.BLOCK, window, slab), 0.9) for slab in range(3)]
    strip += [("index", None, 0.75), ("end", None, 0.5)]
    left, width, high = 2.5, sum(width for *_, width in strip), 0.75
    figure, ax = canvas(8.6, 4.5, left + width + 1.9, 11.0)

    for slab in range(3):  # the cohort
        people = range(100 * slab, min(100 * slab + 100, n_samples))
        words = f"people {people[0]}\u2013{people[-1]}"
        ax.text(left + 2.4 * slab + 1.2, 10.6, words, ha="center", va="center", fontsize=8)
        for window in range(3):
            box(ax, left + 2.4 * slab, 9.4 - 0.95 * window, 2.4, 0.95, f"block {window + 1}{'abc'[slab]}", face=GREY)
    for window, sites in enumerate(windows):
        words = f"sites {sites.start}\u2013{sites.stop - 1}"
        ax.text(left - 0.15, 9.85 - 0.95 * window, words, ha="right", va="center", fontsize=8)
        ax.text(left + 7.5, 9.85 - 0.95 * window, f"window {window + 1}", va="center", fontsize=8)

    rows = {"the file": (set(), None), **answers}
    for number, (what, (seen, read)) in enumerate(rows.items()):
        y, x = 5.0 - 1.15 * number + (0.25 if number == 0 else 0), left
        ax.text(left - 0.15, y + high / 2, what, ha="right", va="center", fontsize=8)
        said = f"{n_bytes:,} bytes" if read is None else f"{read:,} read"
        ax.text(left + width + 0.15, y + high / 2, said, va="center", fontsize=8)
        for name, key, wide in strip:
            is_block = key is not None and key[0] == container.BLOCK
            is_read = read is not None and (key is None or key in seen)
            face = BLUE if is_read else GREY if is_block and read is None else "white"
            box(ax, x, y, wide, high, name if read is None and is_block else "", face=face)
            if read is None and not is_block:
                ax.text(x + wide / 2, y + high + 0.1, name, ha="center", va="bottom", fontsize=7, rotation=90)
            x += wide
    return figure


# ---- haplotypes in order ------------------------------------------------------------------------------------------


def orders(bits):
    """The order of rows before each column of bits (n_columns, n_rows): by the columns before it, the last first."""
    order, found = np.arange(bits.shape[1]), []
    for column in bits:
        found.append(order)
        if min(column.sum(), len(column) - column.sum()) >= 6:  # as FORMAT.md has it: rarer alleles change nothing
            order = np.concatenate([order[column[order] == 0], order[column[order] == 1]])
    return np.array(found)


def order_figure():
    """Common sites of the packaged region, haplotypes as in the file and as `pbwt` sorts them; and one of them."""
    with fastae.read_vcf(SHIPPED) as stream:
        bits = stream.read().call_genotype.reshape(-1, 600)
    bits = bits[np.abs(bits.mean(axis=1) - 0.5) < 0.45]  # the rarer allele has a share of 5 % or more
    order = orders(bits)[SITES]
    bits = bits[SITES]
    figure, axes = new_figure(2, width=4.3, height=4.4)
    as_they_are = np.broadcast_to(np.arange(600), bits.shape)
    ways = {"as in the file": as_they_are, "sorted before each site": order}
    for ax, (title, here) in zip(axes, ways.items(), strict=True):
        shown = np.take_along_axis(bits, here, axis=1)
        n_runs = (np.diff(shown, axis=1) != 0).sum(axis=1) + 1
        ax.imshow(shown.T, cmap="gray_r", aspect="auto", interpolation="nearest", vmax=1.35)
        place = np.argsort(here, axis=1)[:, 2 * PERSON]
        for colour, width in (("white", 4), (VERMILLION, 2)):
            ax.step(np.arange(len(bits)), place, where="mid", color=colour, linewidth=width)
        ax.set(xlabel="common sites", yticks=[0, 599], yticklabels=["1", "600"])
        ax.set_title(f"{title}: {n_runs.mean():.0f} runs a site", fontsize=10)
    axes[0].set_ylabel("haplotypes")
    return figure


# ---- what is decoded for a region -----------------------------------------------------------------------------------


def wings_figure():
    """Blocks of 32,768 sites: where decoding begins, and how far it goes for one of two regions."""
    first, last = np.array([6, 25]), np.array([6.6, 25.6])  # the regions, in thousands of sites of 1,024
    middle, end, lead = 16, 32, 2
    ways = [  # what it is; where blocks end; from where to where is decoded for region A, B
        ("runs in blocks of 8,192 sites\n(fast)", [0, 8, 16, 24, 32], [(0, last[0]), (24, last[1])]),
        ("pbwt from the middle\n(default, many people)", [0, 16, 32], [(middle, first[0]), (middle, last[1])]),
        ("pbwt one way\n(max, and few people)", [0, 32], [(0, last[0]), (0, last[1])]),
    ]
    figure, ax = canvas(8.6, 3.3, 47, 11.9)
    left = 14
    for number, (name, bounds, decoded) in enumerate(ways):
        y = 8.3 - 3.6 * number
        ax.text(left - 0.6, y + 0.9, name, ha="right", va="center", fontsize=8)
        box(ax, left, y, end, 1.8)
        for low, (begin, stop) in zip((y + 0.9, y), decoded, strict=True):
            x, wide = left + min(begin, stop), abs(stop - begin)
            ax.add_patch(Rectangle((x, low), wide, 0.9, facecolor=SKY, linewidth=0))
            arrow(ax, (left + begin, low + 0.45), (left + stop, low + 0.45), linewidth=1.2)
        if middle in bounds and len(bounds) == 3:
            lower = Rectangle((left + middle, y + 0.9), lead, 0.9, facecolor=SKY, edgecolor=BLACK, hatch="////")
            ax.add_patch(lower)
        for bound in bounds:
            ax.plot([left + bound] * 2, [y - 0.25, y + 2.05], color=BLACK, linewidth=1.6)
    for start, stop, name in zip(first, last, ("region A", "region B"), strict=True):
        ax.add_patch(Rectangle((left + start, 0.6), stop - start, 10.2, facecolor=VERMILLION, alpha=0.55, linewidth=0))
        ax.text(left + (start + stop) / 2, 11.1, name, ha="center", fontsize=8)
    for site in (0, 8, 16, 24, 32):
        ax.text(left + site, 0.05, f"{1024 * site:,}", ha="center", va="bottom", fontsize=7)
    ax.text(left - 0.6, 0.05, "sites", ha="right", va="bottom", fontsize=8)
    return figure


# ---- latents ------------------------------------------------------------------------------------------------------


def network(ax, x, y, left, right, name, *, kept):
    """A network as a funnel from a height on its left to one on its right; dashed if it is not in the file."""
    corners = [(x, y - left), (x, y + left), (x + 2.6, y + right), (x + 2.6, y - right)]
    style = {"facecolor": GREY} if kept else {"facecolor": "white", "linestyle": (0, (4, 3))}
    ax.add_patch(Polygon(corners, edgecolor=BLACK, linewidth=0.8, **style))
    ax.text(x + 1.3, y, name, ha="center", va="center", fontsize=8)


def latents_figure():
    """How latents come to be, what the file keeps, and what they do there: as a predictor, and beside another one."""
    figure, ax = canvas(8.6, 3.9, 25.5, 12.6)
    for y, stored in ((9.2, True), (2.6, False)):
        title = "predictor autoencoder: latents help to code" if stored else "--latents: latents to look at"
        ax.text(0.1, y + 2.8, title, fontsize=9, fontweight="bold", va="center")
        box(ax, 0.2, y - 1.5, 3.0, 3.0, "haplotypes\nat a window's\ncommon sites")
        network(ax, 4.4, y, 1.5, 0.5, "encoder", kept=False)
        box(ax, 8.2, y - 1.0, 2.6, 2.0, "latents,\nrounded\nto bits", face=GREY)
        network(ax, 12.0, y, 0.5, 1.5, "decoder", kept=stored)
        words = "which rows lean\nto the other\nallele" if stored else "its guess of\nthe alleles,\nnot used"
        box(ax, 15.8, y - 1.2, 2.9, 2.4, words)
        for start, end in ((3.2, 4.4), (7.0, 8.2), (10.8, 12.0), (14.6, 15.8)):
            arrow(ax, (start, y), (end, y))
        words = "bits of the alleles,\ngiven the neighbours\nin sorted order"
        box(ax, 20.2, y - 1.5, 5.0, 3.0, words + "\nand the lean" * stored, face=GREY)
        if stored:
            arrow(ax, (18.7, y), (20.2, y))
    return figure


FIGURES = {"file": file_figure, "order": order_figure, "wings": wings_figure, "latents": latents_figure}


def main(folder):
    for name, figure in FIGURES.items():
        save_figure(figure(), Path(folder) / f"archive-{name}.svg")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
