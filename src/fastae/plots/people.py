# SPDX-License-Identifier: Apache-2.0
"""People by their latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae.errors import InputError
from fastae.plots.figures import GREY, N_STYLES, add_legend, axes_of, style_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastae.archive import Archive

_MANY = 10  # labels that the usual size has room for


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


def people_latents(archive: Archive) -> NDArray[np.float64]:
    """The latents of all windows of an archive side by side, of each sample the mean over its haplotypes.

    Returns
    -------
    Z : ndarray of float64, shape (n_samples, n_latents)

    Raises
    ------
    InputError
        The archive has no latents.
    """
    parts = [latents.mean(axis=1) for latents in archive.latents() if latents.shape[2]]
    if not parts:
        raise InputError(f"{archive.path}: the archive has no latents; write one with `fastae compress --latents M`")
    return np.concatenate(parts, axis=1).astype(np.float64)


def plot_latents(
    Z: ArrayLike,
    labels: Sequence[str] | None = None,
    *,
    pair: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw rows by their latents, with a colour and a mark for each label.

    Parameters
    ----------
    Z : array_like, shape (n_samples, n_latents)
        n_latents of at least 2.
    labels : sequence of str, length n_samples, optional
        A group for each row; rows labelled "" are drawn in grey, below the others. At most 104 groups.
    pair : tuple of int, optional
        Which two latents, from 0, are drawn; the first two principal components, if left out.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    ax : matplotlib.axes.Axes

    Raises
    ------
    ValueError
        Z cannot be projected, there are more or fewer labels than rows, or too many groups to be told apart.

    Examples
    --------
    >>> ax = plot_latents([[0.1, 0.2, 0.0], [0.3, 0.1, 0.9], [0.2, 0.8, 0.4]], ["FIN", "FIN", ""])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['FIN (2)']
    """
    if pair is None:
        T, names = principal_components(Z), ["latents, component 1", "latents, component 2"]
    else:
        T, names = _chosen(Z, pair), [f"latent {number + 1}" for number in pair]
    labels = [""] * len(T) if labels is None else [str(label) for label in labels]
    if len(labels) != len(T):
        raise ValueError(f"labels has {len(labels)} entries, Z has {len(T)} rows: one label per row is needed")
    groups = sorted(set(labels) - {""})
    if len(groups) > N_STYLES:
        raise ValueError(f"{len(groups)} labels are more than the {N_STYLES} that can be told apart; give coarser ones")
    many = len(groups) > _MANY
    ax = axes_of(ax, width=9.6 if many else 7.4, height=6.4 if many else 4.8)
    of_row = np.asarray(labels, dtype=object)
    size = 26 if len(T) <= 500 else 12
    handles = []
    for number, name in enumerate(["", *groups]):
        rows = T[of_row == name]
        style: dict[str, Any] = style_of(number - 1) if name else {"color": GREY, "marker": "o", "zorder": 0}
        if not len(rows):
            continue
        points = ax.scatter(rows[:, 0], rows[:, 1], s=size, alpha=0.8, edgecolors="0.15", linewidths=0.3, **style)
        handles += [points] if name else []
    if groups:
        counts = [labels.count(name) for name in groups]
        legend_names = [f"{name} ({count:,})" for name, count in zip(groups, counts, strict=True)]
        add_legend(ax, handles, legend_names)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    return ax


def _chosen(Z: ArrayLike, pair: tuple[int, int]) -> NDArray[np.float64]:
    Z = np.asarray(Z, dtype=np.float64)
    if Z.ndim != 2 or len(pair) != 2 or not all(0 <= number < Z.shape[1] for number in pair):
        raise ValueError(f"pair is {pair} of Z of shape {Z.shape}; give two columns of a matrix, counted from 0")
    return Z[:, list(pair)]
