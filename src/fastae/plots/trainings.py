# SPDX-License-Identifier: Apache-2.0
"""Trainings, one or a sweep of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastae.plots.figures import BLUE, COLOURS, GREY, ORANGE, axes_of, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastae.history import History
    from fastae.sweep import Sweep


_FILLS = ("top", "none", "full", "left", "bottom", "right")  # of marks; those of points without latents have none


def plot_history(history: History, *, ax: Axes | None = None) -> Axes:
    """Draw the loss and the exact Hamming distance per cell over the epochs, of training and of held-out rows.

    Parameters
    ----------
    history : History
        Of `Trainer.fit`, at least one epoch long.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    ax : matplotlib.axes.Axes

    Raises
    ------
    ValueError
        The history is empty.

    Examples
    --------
    >>> from fastae import History
    >>> ax = plot_history(History(loss=[0.5, 0.2], hamming=[0.4, 0.1]))
    >>> ax.get_xlabel(), len(ax.lines)
    ('epoch', 2)
    """
    if not len(history):
        raise ValueError("the history has no epochs: nothing to draw before fit")
    ax = axes_of(ax)
    epochs = np.arange(1, len(history) + 1)
    curves = [
        (history.loss, BLUE, "--", "o", "training, loss"),
        (history.hamming, BLUE, "-", "o", "training, Hamming"),
        (history.heldout_loss, ORANGE, "--", "s", "held out, loss"),
        (history.heldout_hamming, ORANGE, "-", "s", "held out, Hamming"),
    ]
    curves = [curve for curve in curves if len(curve[0])]
    every = max(1, len(history) // 8)  # a mark now and then tells curves apart in black and white
    for values, colour, line, marker, label in curves:
        style: dict[str, Any] = {"marker": marker, "markersize": 4, "markevery": (every - 1, every)}
        ax.plot(epochs, values, color=colour, linestyle=line, label=label, **style)
    if history.best_epoch is not None:
        best = history.best_epoch + 1
        ax.axvline(best, label=f"best epoch, {best}", color=GREY, linestyle=":", zorder=0)
    ax.set_yscale("log" if min(values.min() for values, *_ in curves) > 0 else "linear")
    ax.set_xlabel("epoch")
    ax.set_ylabel("per cell")
    ax.legend(frameon=False)
    return ax


def plot_sweep(table: Sweep, *, lossy: bool = False, ax: Axes | None = None) -> Axes:
    """Draw every point of a sweep by bits per genotype and wrong alleles, and the Pareto front as a line.

    Colours and how marks are filled tell the bits of a latent, their shapes the depth; points of the front are labelled
    with latents x bits.

    Parameters
    ----------
    table : Sweep
    lossy : bool
        Count the bits of latents and weights only, not those of the residual that corrects the wrong alleles.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    ax : matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If ax is no axes.

    Examples
    --------
    >>> from fastae.sweep import Sweep, SweepPoint
    >>> ax = plot_sweep(Sweep((SweepPoint(2, 1, 2, 100, 80, 400, 320, 0.8, 0.1, 1.5),)))
    >>> ax.get_xlabel()
    'bits per genotype'
    """
    ax = axes_of(ax)

    def place(point):
        return point.lossy_bits_per_genotype if lossy else point.bits_per_genotype, point.hamming

    front = table.front(lossy=lossy)
    ax.plot(*zip(*map(place, front), strict=True), color="0.6", drawstyle="steps-post", label="Pareto front", zorder=0)
    several_bits = sorted({point.bits for point in table.points})
    kinds = sorted({(point.bits, point.depth) for point in table.points})
    for bits, depth in kinds:
        points = [place(point) for point in table.points if (point.bits, point.depth) == (bits, depth)]
        number = several_bits.index(bits) % len(COLOURS)
        style: dict[str, Any] = {
            "color": COLOURS[number],
            "marker": "xosD^vPh*"[depth],
            # full, hollow or in halves: so bits differ in black and white, too
            "fillstyle": _FILLS[number % len(_FILLS)],
            "markerfacecoloralt": "white",
        }
        label = f"{bits} bit{'s' * (bits > 1)}, depth {depth}" if depth else "no autoencoder"
        ax.plot(*zip(*points, strict=True), linestyle="", markersize=5, label=label, **style)
    for point in front:
        if point.n_latents:
            text = f"{point.n_latents}x{point.bits}"
            # below and left of the front there are no points to write over
            ax.annotate(
                text, place(point), xytext=(-4, -4), textcoords="offset points", ha="right", va="top", fontsize=8
            )
    ax.set_xlabel("bits per genotype" + (", latents and weights only" if lossy else ""))
    ax.set_ylabel("share of alleles wrong before the residual")
    ax.set_title("reconstruction without residual" if lossy else "lossless")
    ax.legend(frameon=False, fontsize=8)
    return ax


def front_figure(table: Sweep) -> Figure:
    """Both fronts of a sweep, without loss and with, side by side; see `plot_sweep`."""
    figure, axes = new_figure(2)
    for ax, lossy in zip(axes, (False, True), strict=True):
        plot_sweep(table, lossy=lossy, ax=ax)
    return figure
