# SPDX-License-Identifier: Apache-2.0
"""Variants and samples that an index names, as numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from fastae import _validate


def numbers(key: object, n: int, axis: str) -> np.ndarray:
    """The numbers along an axis that a slice, a mask or an array of numbers names, in its order; all for None."""
    if key is None or isinstance(key, slice):
        return np.arange(n)[slice(None) if key is None else key]
    return _integers(key, n, axis).ravel()


def named(key: object) -> list[str] | None:
    """The names that an index is made of; None if it is no name or list of names."""
    if isinstance(key, str):
        return [key]
    if isinstance(key, np.ndarray) and key.ndim == 1 and key.dtype.kind in "UTO":
        key = key.tolist()
    if isinstance(key, (list, tuple)) and key and all(isinstance(name, str) for name in key):
        return [str(name) for name in key]
    return None


def places(names: Iterable[str], wanted: Collection[str]) -> dict[str, list[int]]:
    """Where each wanted name stands among some names, ascending; nothing of one that is not there."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if name in wanted:
            found.setdefault(name, []).append(place)
    return found


def hull(key: object, n: int, axis: str) -> tuple[np.ndarray, object]:
    """The numbers along an axis that an index needs, and the index of the result among those numbers."""
    if isinstance(key, slice):
        return np.arange(n)[key], slice(None)
    at = _integers(key, n, axis)
    needed, place = np.unique(at, return_inverse=True)
    return needed, place.item() if at.ndim == 0 else place.reshape(at.shape)


def _integers(key: object, n: int, axis: str) -> np.ndarray:
    """Numbers 0..n-1, in the key's own shape."""
    if isinstance(key, (set, frozenset, dict)):  # which have no order
        raise _no_index(key, axis)
    at = _validate.rectangular(key, name=f"the index of {axis}")
    if at.dtype == bool:
        if at.shape != (n,):
            raise IndexError(f"a mask of {axis} has shape {at.shape}, the archive has {n} {axis}")
        at = np.flatnonzero(at)
    if at.size == 0:
        at = at.astype(np.int64)
    if at.dtype.kind not in "iu":
        raise _no_index(key, axis, f" of {at.dtype}" if at.ndim else "")
    for extreme in (int(at.min(initial=0)), int(at.max(initial=0))):
        if at.size and not -n <= extreme < n:
            raise IndexError(f"index {extreme} is out of range for {n} {axis}")
    at = at.astype(np.int64)
    return np.where(at < 0, at + n, at)


def _no_index(key: object, axis: str, of: str = "") -> IndexError:
    return IndexError(f"{axis} are indexed by integers, slices, masks or names, got {type(key).__name__}{of}")
