# SPDX-License-Identifier: Apache-2.0
"""Fixed-width bit packing: values of 1 to 8 bits, one after the other, without padding (FORMAT.md §1)."""
from __future__ import annotations

import numpy as np

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


def pack(values, bits: int, *, out=None) -> np.ndarray:
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
    values = _validate.vector(values, np.uint8, name="values")
    out = _validate.output(out, packed_size(values.size, bits), np.uint8)
    if values.size and int(values.max()) >> bits:
        raise ValueError(f"values holds {values.max()}, which needs more than {bits} bits")
    _core.bitpack_pack(values, bits, out)
    return out


def unpack(buf, n: int, bits: int, *, out=None) -> np.ndarray:
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
    buf = _validate.buffer(buf, name="buf")
    needed = packed_size(n, bits)
    if buf.size != needed:
        raise FormatError(f"{n} packed values of {bits} bits take {needed} bytes, got {buf.size}")
    out = _validate.output(out, n, np.uint8)
    _core.bitpack_unpack(buf, bits, out)
    return out
