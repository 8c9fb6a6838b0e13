# SPDX-License-Identifier: Apache-2.0
"""Pictures of a training, of a cohort's latents and of a sweep, drawn with matplotlib (extra `plot`).

Nothing here touches pyplot's global state: a figure is made, drawn on, saved, and forgotten.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae.errors import InputError
from fastae.fileio import atomic_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastae.history import History
    from fastae.sweep import Sweep

PICTURE_FORMATS = ("png", "svg", "pdf")


def new_figure(n_axes: int, *, width: float = 6.4, height: float = 4.8) -> tuple[Figure, list[Axes]]:
    """Make a figure with axes side by side; it is saved by its own `savefig` and needs no display.

    Parameters
    ----------
    n_axes : int
        Number of axes, left to right.
    width, height : float
        Inches of each.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes, length n_axes

    Raises
    ------
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> figure, (left, right) = new_figure(2)
    >>> line = left.plot([1, 2, 3])
    >>> figure.savefig("empty.png")
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("drawing needs matplotlib, which is not installed: pip install 'fastae[plot]'") from error
    figure = Figure(figsize=(width * n_axes, height), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, n_axes)))


def check_picture(path: str | os.PathLike[str]) -> str:
    """Refuse the name of a picture that could not be drawn, before anything is computed for it.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str
        The format, by the name's ending: one of PICTURE_FORMATS.

    Raises
    ------
    InputError
        The ending is another.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> check_picture("sweep.svg")
    'svg'
    """
    name = os.fsdecode(path)
    ending = os.path.splitext(name)[1].lstrip(".").lower()
    if ending not in PICTURE_FORMATS:
        raise InputError(f"{name}: a picture's name ends in {', '.join('.' + known for known in PICTURE_FORMATS)}")
    new_figure(1)
    return ending


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a picture, which gets its name when it is complete; one figure always gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Its ending says the format, see PICTURE_FORMATS.

    Raises
    ------
    InputError
        The ending is another, or `fastae.fileio.check_output` refuses the path.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> figure, _ = new_figure(1)
    >>> save_figure(figure, "empty.svg")
    """
    kind = check_picture(path)
    from matplotlib import rc_context

    picture = io.BytesIO()  # a picture's writer hides why a file cannot be written
    stamp: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with rc_context({"svg.hashsalt": "fastae", "svg.fonttype": "none"}):
        figure.savefig(picture, format=kind, dpi=120, metadata=stamp)
    with atomic_output(path) as file:
        file.write(picture.getvalue())


def principal_components(X: ArrayLike, n_components: int = 2) -> NDArray[np.float64]:
    """Coordinates of rows on their first principal components (Pearson 1901), by a singular value decomposition.

    An axis has no sign of its own: the coordinate of largest size is made positive, so one picture comes of one X.

    Parameters
    ----------
    X : array_like, shape (n_samples, n_features)
    n_components : int
        At most min(n_samples, n_features).

    Returns
    -------
    T : ndarray of float64, shape (n_samples, n_components)

    Raises
    ------
    ValueError
        X is not a matrix, or has fewer rows or columns than n_components.

    Examples
    --------
    >>> principal_components([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], 1).ravel()
    array([-2., -1.,  3.])
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or min(X.shape) < n_components:
        raise ValueError(f"X has shape {X.shape}, a matrix with at least {n_components} rows and columns is needed")
    U, S, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    T = U[:, :n_components] * S[:n_components]
    extreme = T[np.argmax(np.abs(T), axis=0), np.arange(n_components)]
    return T * np.where(extreme < 0, -1.0, 1.0)


def plot_latents(ax: Axes, Z: ArrayLike, labels: list[str] | None = None) -> None:
    """Draw rows by their latents: the first two principal components, one colour per label.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    Z : array_like, shape (n_samples, n_latents)
        n_latents of at least 2.
    labels : list of str, length n_samples, optional
        A group for each row; rows labelled "" are drawn in grey, below the others.

    Raises
    ------
    ValueError
        Z cannot be projected, or the number of labels is not the number of rows.

    Examples
    --------
    >>> figure, (ax,) = new_figure(1)
    >>> plot_latents(ax, [[0.1, 0.2, 0.0], [0.3, 0.1, 0.9], [0.2, 0.8, 0.4]], ["FIN", "FIN", ""])
    """
    T = principal_components(Z)
    if labels is None:
        labels = [""] * len(T)
    if len(labels) != len(T):
        raise ValueError(f"labels has {len(labels)} entries, Z has {len(T)} rows: one label per row is needed")
    names = np.asarray(labels)
    for name in sorted(set(labels)):
        rows = T[names == name]
        style: dict[str, Any] = {"label": f"{name} ({len(rows)})"} if name else {"color": "0.7", "zorder": 0}
        ax.scatter(rows[:, 0], rows[:, 1], s=18, alpha=0.8, linewidths=0, **style)
    if any(labels):
        ax.legend(frameon=False)
    ax.set_xlabel("latent component 1")
    ax.set_ylabel("latent component 2")


def plot_history(ax: Axes, history: History) -> None:
    """Draw the loss and the exact Hamming distance per cell over the epochs, of training and of held-out rows.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    history : History
        Of `Trainer.fit`, at least one epoch long.

    Raises
    ------
    ValueError
        The history is empty.

    Examples
    --------
    >>> from fastae import History
    >>> figure, (ax,) = new_figure(1)
    >>> plot_history(ax, History(loss=[0.5, 0.2], hamming=[0.4, 0.1]))
    """
    if not len(history):
        raise ValueError("the history has no epochs: nothing to draw before fit")
    epochs = np.arange(1, len(history) + 1)
    curves = [
        (history.loss, "C0", "--", "training, loss"),
        (history.hamming, "C0", "-", "training, Hamming"),
        (history.heldout_loss, "C1", "--", "held out, loss"),
        (history.heldout_hamming, "C1", "-", "held out, Hamming"),
    ]
    for values, colour, style, label in curves:
        if len(values):
            ax.plot(epochs, values, color=colour, linestyle=style, label=label)
    ax.set_yscale("log" if min(min(values) for values, *_ in curves if len(values)) > 0 else "linear")
    ax.set_xlabel("epoch")
    ax.set_ylabel("per cell")
    ax.legend(frameon=False)


def plot_sweep(ax: Axes, table: Sweep, *, lossy: bool = False) -> None:
    """Draw every point of a sweep by bits per genotype and wrong alleles, and the Pareto front as a line.

    Colours tell the bits of a latent, marks the depth; points of the front are labelled with latents x bits.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    table : Sweep
    lossy : bool
        Count the bits of latents and weights only, not those of the residual that corrects the wrong alleles.

    Raises
    ------
    TypeError
        If ax is no axes.

    Examples
    --------
    >>> from fastae.sweep import Sweep, SweepPoint
    >>> figure, (ax,) = new_figure(1)
    >>> plot_sweep(ax, Sweep((SweepPoint(2, 1, 2, 100, 80, 400, 320, 0.8, 0.1, 1.5),)))
    """

    if not hasattr(ax, "annotate"):
        raise TypeError(
            f"ax is {type(ax).__name__}; plot_sweep(ax, table) draws on matplotlib's axes, as those of new_figure, and "
            "save_figure(figure, path) writes them"
        )

    def place(point):
        return point.lossy_bits_per_genotype if lossy else point.bits_per_genotype, point.hamming

    front = table.front(lossy=lossy)
    ax.plot(*zip(*map(place, front), strict=True), color="0.6", drawstyle="steps-post", label="Pareto front", zorder=0)
    several_bits = sorted({point.bits for point in table.points})
    kinds = sorted({(point.bits, point.depth) for point in table.points})
    for bits, depth in kinds:
        points = [place(point) for point in table.points if (point.bits, point.depth) == (bits, depth)]
        style: dict[str, Any] = {"color": f"C{several_bits.index(bits) % 10}", "marker": "xosD^vPh*"[depth]}
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
