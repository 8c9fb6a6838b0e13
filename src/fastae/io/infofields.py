# SPDX-License-Identifier: Apache-2.0
"""INFO of VCF as typed arrays and back, with the missing and fill values of VCF Zarr.

An integer -1, a string ``.`` and one NaN are missing; -2, an empty string and another NaN fill up a row that has fewer
values than the widest. A field that a record does not have is missing throughout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

DEFINITION = re.compile(r"##(INFO|FORMAT|FILTER|contig)=<(?:.*?,)?ID=([^,>]+)")
_KEYS = re.compile(r'[<,](Number|Type|length|Description)=("(?:[^"\\]|\\.)*"|[^,>]*)')
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_FLOAT = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf(?:inity)?)", re.ASCII | re.IGNORECASE
)
_MISSING_BITS = {2: 0x7C01, 4: 0x7F800001, 8: 0x7FF0000000000001}  # of a float; one more is the fill
_MAX_FLOAT = float(np.finfo(np.float32).max)
INT_MISSING, INT_FILL = -1, -2
SENTINELS = {"Integer": (INT_MISSING, INT_FILL), "Flag": (False, False)}


@dataclass(frozen=True)
class Definition:
    """A line of a VCF header that defines a name: the kind (INFO, FILTER ...), the name and what is said of it."""

    kind: str
    name: str
    number: str = "."
    type: str = "String"
    length: str = ""
    description: str = ""


def definitions(header: str) -> list[Definition]:
    """All INFO, FORMAT, FILTER and contig lines of a header, each name's first.

    Examples
    --------
    >>> definitions('##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">')[0].number
    'A'
    """
    found: dict[tuple[str, str], Definition] = {}
    for line in header.split("\n"):
        if match := DEFINITION.match(line):
            said = {key.lower(): value.strip('"') for key, value in _KEYS.findall(line)}
            kind, name = match.groups()
            found.setdefault((kind, name), Definition(kind, name, **said))
    return list(found.values())


def sentinels(kind: str, dtype: np.dtype | str) -> tuple:
    """The missing and the fill value of a type ("Integer", "Float" ...) in an array of `dtype`."""
    dtype = np.dtype(dtype)
    if kind == "Float":
        bits = _MISSING_BITS[dtype.itemsize]
        return tuple(np.array([bits, bits + 1], f"u{dtype.itemsize}").view(dtype))
    return SENTINELS.get(kind, (".", ""))


def int_dtype(low: int, high: int) -> str:
    """The narrowest signed integer that holds a range, as bio2zarr picks it."""
    return next(name for name in ("i1", "i2", "i4", "i8") if np.iinfo(name).min <= low and high <= np.iinfo(name).max)


class ValueRefusedError(Exception):
    """A value that the typed array cannot give back; the message says which and why."""


def parse(kind: str, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Values of one field in some records.

    Parameters
    ----------
    kind : {"Integer", "Float", "String", "Character"}
    texts : list of str
        What stands behind ``=`` in each record that has the field.

    Returns
    -------
    values : ndarray of int32, float32 or object, shape (len(texts), widest)
        Filled up with the fill value.
    counts : ndarray of int64, shape (len(texts),)
        Values of each record.

    Raises
    ------
    ValueRefusedError
        If a value is not of that type, or would be taken for a missing one.
    """
    lists = [text.split(",") for text in texts]
    counts = np.fromiter(map(len, lists), np.int64, len(lists))
    flat = [token for tokens in lists for token in tokens]
    numbers = {"Integer": _integers, "Float": _floats}.get(kind)
    typed = numbers(flat) if numbers else _strings(flat, kind)
    values = np.full((len(lists), counts.max(initial=0)), sentinels(kind, typed.dtype)[1], typed.dtype)
    values[np.arange(values.shape[1]) < counts[:, np.newaxis]] = typed
    return values, counts


def _integers(tokens):
    for token in set(tokens):
        if token != "." and not _INTEGER.fullmatch(token):
            raise ValueRefusedError(f"{token!r} is no integer")
    values = [INT_MISSING if token == "." else int(token) for token in tokens]
    for value, token in zip(values, tokens, strict=True):
        if value in (INT_MISSING, INT_FILL) and token != ".":
            raise ValueRefusedError(f"{token} means missing there")
        if not -(2**31) + 8 <= value < 2**31:  # the lowest eight have meanings of their own
            raise ValueRefusedError(f"{token} is more than 32 bits hold")
    return np.array(values, np.int32)


def _floats(tokens):
    missing = sentinels("Float", "f4")[0]
    values = np.empty(len(tokens), np.float32)
    for i, token in enumerate(tokens):
        if token == ".":
            values[i] = missing
            continue
        if not _FLOAT.fullmatch(token):
            raise ValueRefusedError(f"{token!r} is no number, or means missing there")
        number = float(token)
        if abs(number) > _MAX_FLOAT and "n" not in token.lower():
            raise ValueRefusedError(f"{token} is more than 32 bits hold")
        values[i] = number
    return values


def _strings(tokens, kind):
    for token in set(tokens):
        if not token:
            raise ValueRefusedError("an empty value means none there")
        if kind == "Character" and len(token) > 1:
            raise ValueRefusedError(f"{token!r} is no single character")
    return np.array(tokens, object)


def restore(kind: str, array: np.ndarray) -> list[str | None]:
    """Texts of an array's records, None where a record does not have the field.

    Parameters
    ----------
    kind : {"Integer", "Float", "String", "Character"}
    array : ndarray, shape (n,) or (n, width)

    Raises
    ------
    ValueRefusedError
        If a value stands behind a fill.

    Examples
    --------
    >>> restore("Integer", np.array([[4, -2], [-1, -1], [-1, -2], [5, -1]]))
    ['4', None, '.', '5,.']
    """
    array = array.reshape(len(array), -1)
    missing, fill = sentinels(kind, array.dtype)
    if kind == "Float":
        bits = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
        masks = [bits == np.asarray(mark).view(bits.dtype) for mark in (missing, fill)]
    else:
        masks = [np.asarray(array == mark, bool).reshape(array.shape) for mark in (missing, fill)]
    is_missing, is_fill = masks
    if (is_fill[:, :-1] & ~is_fill[:, 1:]).any():
        raise ValueRefusedError("a value behind the last of its record")
    write = format_float if kind == "Float" else str
    present = ~(is_missing.all(axis=1) | is_fill.all(axis=1))
    if array.shape[1] == 1:
        return [write(value) if is_there else None for value, is_there in zip(array[:, 0], present, strict=True)]
    texts: list[str | None] = [None] * len(array)
    for row in np.flatnonzero(present).tolist():
        columns = zip(
            array[row].tolist() if kind != "Float" else array[row], is_missing[row], is_fill[row], strict=True
        )
        texts[row] = ",".join("." if is_dot else write(value) for value, is_dot, is_end in columns if not is_end)
    return texts


def format_float(value: np.floating) -> str:
    """A float in htslib's six digits where they say it exactly, else in the fewest that do.

    Examples
    --------
    >>> format_float(np.float32(0.1)), format_float(np.float32(1e-7)), format_float(np.float32(1.2345678))
    ('0.1', '1e-07', '1.2345678')
    """
    text = format(float(value), "g")
    return text if value.dtype.type(text) == value or value != value else str(value)
