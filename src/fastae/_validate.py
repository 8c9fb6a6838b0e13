# SPDX-License-Identifier: Apache-2.0
"""Array coercion: every refusal names the argument, what was got and what was wanted."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastae import _core

BytesLike = bytes | bytearray | memoryview | NDArray[np.uint8]


def integer(value: Any, low: int | None, high: int | None, *, name: str) -> int:
    """`value` as an int inside low..high (either may be None)."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}") from None
    if (low is not None and number < low) or (high is not None and number > high):
        wanted = f"{low} or more" if high is None else f"{high} or less" if low is None else f"{low} to {high}"
        raise ValueError(f"{name} must be {wanted}, got {number}")
    return number


def real(value: Any, *, name: str) -> float:
    """`value` as a float of any size; infinity where it is larger than all of them."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if operator.gt(value, 0) else -math.inf


def positive(value: Any, *, name: str) -> float:
    """`value` as a float above zero, and finite."""
    number = real(value, name=name)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} is {value}; it must be positive and finite")
    return number


def state(
    given: dict[str, NDArray[Any]], own: dict[str, NDArray[Any]], *, name: str, wanted: str
) -> dict[str, NDArray[Any]]:
    """`given`, with arrays of the names, shapes and dtypes of `own`, the state of the thing called `name`."""
    if not isinstance(given, dict):
        raise TypeError(f"the state is {type(given).__name__}; give the dict of arrays that get_state gave")
    for key, array in own.items():
        found = given.get(key)
        if not isinstance(found, np.ndarray) or found.shape != array.shape or found.dtype != array.dtype:
            kind = "missing" if found is None else type(found).__name__
            got = f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else kind
            raise ValueError(
                f"{key} is {got}, this {name}'s is {array.dtype} of shape {array.shape}; give the state of {wanted}"
            )
    return given


def generator(seed: Any) -> np.random.Generator:
    """`seed` if it is a generator, else a new one from an integer of 0 or more."""
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(integer(seed, 0, None, name="seed"))


def rectangular(x: Any, *, name: str) -> NDArray[Any]:
    """`x` as an array; nested lists of uneven lengths, and masked cells, are refused in one sentence."""
    if np.ma.is_masked(x):
        raise ValueError(
            f"{name} has masked cells, and what they hold would be taken for known; "
            "fill them first: .filled(-1) makes symbols missing, .filled(0) levels"
        )
    try:
        found = np.asarray(x)
    except ValueError:
        raise ValueError(f"{name} has rows of different lengths; give all of them the same") from None
    if found.ndim == 0 and found.dtype.kind not in "biuf":  # None, a text, a dict
        raise TypeError(f"{name} is {type(x).__name__}; give an array")
    return found


def array(x: ArrayLike, dtype: DTypeLike, *, name: str, finite: bool = False) -> NDArray[Any]:
    """`x` as a C-contiguous array of `dtype`; no value changes but by rounding of floats.

    Integers that do not fit `dtype`, and with `finite` NaN or infinity, raise ValueError; other kinds raise TypeError.
    """
    wanted = np.dtype(dtype)
    given = rectangular(x, name=name)
    if given.size == 0 and given.dtype == np.float64 and wanted.kind in "iu":
        given = given.astype(wanted)  # np.asarray([]) is float64, though no value of it is
    if given.dtype.kind not in ("biu" if wanted.kind in "iu" else "biuf"):
        kind = "integers" if wanted.kind in "iu" else "numbers"
        raise TypeError(f"{name} must hold {kind} ({wanted.name}), got an array of {given.dtype.name}")
    if wanted.kind in "iu" and given.size and not np.can_cast(given.dtype, wanted):
        limits = np.iinfo(wanted)
        for extreme in (int(given.min()), int(given.max())):
            if not limits.min <= extreme <= limits.max:
                raise ValueError(f"{name} holds {extreme}, which lies outside {limits.min} to {limits.max}")
    with np.errstate(over="ignore" if finite else "warn"):  # a number too large for float32 becomes infinity
        cast = np.asarray(given, dtype=wanted, order="C")
    if not cast.flags.aligned:  # as views of files may be; kernels take aligned ones only
        cast = cast.copy()
    if finite and cast.dtype.kind == "f" and not _core.dense_is_finite(cast):
        raise ValueError(f"{name} holds NaN or infinity; every number must be finite")
    return cast


def vector(x: ArrayLike, dtype: DTypeLike, *, name: str, size: int | None = None, finite: bool = False) -> NDArray[Any]:
    """`x` as a one-dimensional array, of `size` elements where given."""
    given = array(x, dtype, name=name, finite=finite)
    if given.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {given.shape}")
    if size is not None and given.size != size:
        raise ValueError(f"{name} has {given.size} elements, expected {size}")
    return given


def matrix(
    x: ArrayLike, dtype: DTypeLike, *, name: str, n_columns: int | None = None, finite: bool = False
) -> NDArray[Any]:
    """`x` as a two-dimensional array (rows, columns), of `n_columns` columns where given."""
    given = array(x, dtype, name=name, finite=finite)
    if given.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, got shape {given.shape}")
    if n_columns is not None and given.shape[1] != n_columns:
        raise ValueError(f"{name} has {given.shape[1]} columns, expected {n_columns}")
    return given


def levels(x: ArrayLike, dtype: DTypeLike, *, name: str, n_columns: int | None = None) -> NDArray[Any]:
    """`x` as a finite matrix of real numbers, what models take; integers are more likely symbols or codes."""
    if (
        type(x) is np.ndarray
        and x.dtype == dtype
        and x.ndim == 2
        and x.flags.c_contiguous
        and x.flags.aligned
        and x.dtype.kind == "f"
    ):
        # what a loop hands over again and again: two microseconds matter beside a small network's one
        if _core.dense_is_finite(x) and n_columns in (None, x.shape[1]):
            return x
    given = rectangular(x, name=name)
    if given.dtype.kind in "biuSU":
        raise TypeError(f"{name} is {given.dtype}; models take levels, real numbers: use alphabet.to_levels(codes)")
    return matrix(given, dtype, name=name, n_columns=n_columns, finite=True)


def reals(x: ArrayLike, dtype: DTypeLike, *, name: str) -> NDArray[Any]:
    """`x` as a finite C-contiguous array of `dtype`; integers, a slip where derivatives are meant, are refused."""
    if (
        type(x) is np.ndarray
        and x.dtype == dtype
        and x.flags.c_contiguous
        and x.flags.aligned
        and _core.dense_is_finite(x)
    ):
        return x
    given = rectangular(x, name=name)
    if given.dtype.kind != "f":
        raise TypeError(f"{name} is {given.dtype}; derivatives take real numbers, such as {np.dtype(dtype).name}")
    return array(given, dtype, name=name, finite=True)


def tangents(dot: ArrayLike, primal: NDArray[Any], *, name: str) -> tuple[NDArray[Any], bool]:
    """Tangents of `primal`, the argument `name`, with a leading axis, and whether they came with it."""
    given = reals(dot, primal.dtype, name=f"the tangent of {name}")
    many = given.ndim > primal.ndim
    if given.shape[many:] != primal.shape:
        raise ValueError(
            f"the tangent of {name} has shape {given.shape}; {name} has {primal.shape}; add at most a leading axis"
        )
    return given if many else given[None], many


def buffer(buf: BytesLike, *, name: str) -> NDArray[np.uint8]:
    """The bytes of a bytes-like object, without a copy, as a uint8 vector."""
    try:
        return np.frombuffer(buf, dtype=np.uint8)
    except (TypeError, BufferError, ValueError):
        raise TypeError(f"{name} must be a contiguous bytes-like object, got {type(buf).__name__}") from None


def output(
    out: NDArray[Any] | None, shape: int | tuple[int, ...], dtype: DTypeLike, *, name: str = "out"
) -> NDArray[Any]:
    """`out` if it can be written as a C-contiguous array of this shape and dtype; a new array where it is None."""
    if out is None:
        return np.empty(shape, dtype=dtype)
    shape = (shape,) if isinstance(shape, int) else shape
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
