# SPDX-License-Identifier: Apache-2.0
"""Fixed-width bit packing: values of 1 to 8 bits, one after the other, without padding (FORMAT.md §1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _core, _validate
from fastae.errors import FormatError


def packed_size(n: int, bits: int) -> int:
    """Bytes that `n` values of `bits` bits fill.

    Examples
    --------
    >>> packed_size(10, 3)
    4
    """
    n = _validate.integer(n, 0, None, name="n")
    bits = _validate.integer(bits, 1, 8, name="bits")
    return (n * bits + 7) // 8


def pack(values: ArrayLike, bits: int, *, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Pack integers into `bits` bits each, the first in the lowest bits of the first byte.

    Parameters
    ----------
    values : array_like of int, shape (n,)
        Each in 0 .. 2**bits - 1.
    bits : int
        1 to 8.
    out : ndarray of uint8, shape (packed_size(n, bits),), optional
        Where to write; a new array by default.

    Returns
    -------
    ndarray of uint8, shape (packed_size(n, bits),)
        Spare bits of the last byte are zero.

    Raises
    ------
    TypeError
        If `values` are not integers.
    ValueError
        If a value needs more bits, `bits` is not 1 to 8, or `out` does not fit.

    Examples
    --------
    >>> bytes(pack([1, 2, 3, 1], 2)).hex()
    '79'
    """
    symbols = _validate.vector(values, np.uint8, name="values")
    dst = _validate.output(out, packed_size(symbols.size, bits), np.uint8)
    try:
        _core.bitpack_pack(symbols, bits, dst)
    except ValueError:
        raise ValueError(f"values holds {symbols.max()}, which needs more than {bits} bits") from None
    return dst


def unpack(buf: _validate.BytesLike, n: int, bits: int, *, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Unpack `n` integers of `bits` bits: the inverse of `pack`.

    Parameters
    ----------
    buf : bytes-like
        Exactly packed_size(n, bits) bytes.
    n, bits : int
        As packed.
    out : ndarray of uint8, shape (n,), optional
        Where to write; a new array by default.

    Returns
    -------
    ndarray of uint8, shape (n,)

    Raises
    ------
    FormatError
        If `buf` is shorter or longer, or a spare bit is set.
    TypeError, ValueError
        If `buf` is not bytes-like, `bits` is not 1 to 8, or `out` does not fit.

    Examples
    --------
    >>> unpack(bytes([0x79]), 4, 2)
    array([1, 2, 3, 1], dtype=uint8)
    """
    src = _validate.buffer(buf, name="buf")
    needed = packed_size(n, bits)
    if src.size != needed:
        raise FormatError(f"{n} packed values of {bits} bits take {needed} bytes, got {src.size}")
    values = _validate.output(out, n, np.uint8)
    _core.bitpack_unpack(src, bits, values)
    return values
