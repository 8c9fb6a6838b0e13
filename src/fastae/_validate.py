# SPDX-License-Identifier: Apache-2.0
"""Array coercion: every refusal names the argument, what was got and what was wanted."""

from __future__ import annotations

import operator

import numpy as np


def integer(value, low, high, *, name):
    """`value` as an int inside low..high (either may be None)."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}") from None
    if (low is not None and number < low) or (high is not None and number > high):
        wanted = f"{low} or more" if high is None else f"{high} or less" if low is None else f"{low} to {high}"
        raise ValueError(f"{name} must be {wanted}, got {number}")
    return number


def array(x, dtype, *, name, finite=False):
    """`x` as a C-contiguous array of `dtype`; no value changes but by rounding of floats.

    Integers that do not fit `dtype`, and with `finite` NaN or infinity, raise ValueError; other kinds raise TypeError.
    """
    dtype = np.dtype(dtype)
    x = np.asarray(x)
    if x.size == 0 and x.dtype == np.float64 and dtype.kind in "iu":
        x = x.astype(dtype)  # np.asarray([]) is float64, but no value of it is
    kinds = "biu" if dtype.kind in "iu" else "biuf"
    if x.dtype.kind not in kinds:
        wanted = "integers" if dtype.kind in "iu" else "numbers"
        raise TypeError(f"{name} must hold {wanted} ({dtype.name}), got an array of {x.dtype.name}")
    if dtype.kind in "iu" and x.size and not np.can_cast(x.dtype, dtype):
        limits = np.iinfo(dtype)
        for extreme in (int(x.min()), int(x.max())):
            if not limits.min <= extreme <= limits.max:
                raise ValueError(f"{name} holds {extreme}, which lies outside {limits.min} to {limits.max}")
    if finite and x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError(f"{name} holds NaN or infinity; every number must be finite")
    return np.asarray(x, dtype=dtype, order="C")


def vector(x, dtype, *, name, size=None, finite=False):
    """`x` as a one-dimensional array, of `size` elements where given."""
    x = array(x, dtype, name=name, finite=finite)
    if x.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {x.shape}")
    if size is not None and x.size != size:
        raise ValueError(f"{name} has {x.size} elements, expected {size}")
    return x


def matrix(x, dtype, *, name, n_columns=None, finite=False):
    """`x` as a two-dimensional array (rows, columns), of `n_columns` columns where given."""
    x = array(x, dtype, name=name, finite=finite)
    if x.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, got shape {x.shape}")
    if n_columns is not None and x.shape[1] != n_columns:
        raise ValueError(f"{name} has {x.shape[1]} columns, expected {n_columns}")
    return x


def buffer(buf, *, name):
    """The bytes of a bytes-like object, without a copy, as a uint8 vector."""
    try:
        return np.frombuffer(buf, dtype=np.uint8)
    except (TypeError, BufferError, ValueError):
        raise TypeError(f"{name} must be a contiguous bytes-like object, got {type(buf).__name__}") from None


def output(out, shape, dtype, *, name="out"):
    """`out` if it can be written as a C-contiguous array of this shape and dtype; a new array where it is None."""
    if out is None:
        return np.empty(shape, dtype=dtype)
    shape = tuple(np.atleast_1d(shape).tolist())
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"{name} must be a writable C-contiguous {np.dtype(dtype).name} array of shape {shape}, "
            f"got {out.dtype.name} of shape {out.shape}"
        )
    return out


def float_dtype(dtype, *, name="dtype"):
    """`dtype` as a NumPy dtype, float32 or float64."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"{name} must be float32 or float64, got {dtype!r}")
    return found
