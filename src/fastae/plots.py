# SPDX-License-Identifier: Apache-2.0
"""Pictures of a training and of a cohort's latents, drawn with matplotlib (extra `plot`).

Nothing here touches pyplot's global state: a figure is made, drawn on, saved, and forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastae.trainer import History


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
    >>> from fastae.trainer import History
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
        if values:
            ax.plot(epochs, values, color=colour, linestyle=style, label=label)
    ax.set_yscale("log" if min(min(values) for values, *_ in curves if values) > 0 else "linear")
    ax.set_xlabel("epoch")
    ax.set_ylabel("per cell")
    ax.legend(frameon=False)
