# SPDX-License-Identifier: Apache-2.0
"""Bit-packed latents: arrays to codes of 1 to 8 bits, and to bytes that describe themselves (FORMAT.md §4)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastae import _validate, bitpack, quantize
from fastae.errors import ChecksumError, FormatError, VersionError

_MAGIC = b"FAEL"
_HEADER = struct.Struct("<4sBBHQI")  # magic, version, bits, reserved, n_rows, n_latents
_CRC = struct.Struct("<I")
_VERSION = 1
_ROUNDING = 1e-6  # what float32 arithmetic may put a latent beyond its range


def quantize_latents(Z: ArrayLike, bits: int) -> NDArray[np.uint8]:
    """Round latents to codes.

    Parameters
    ----------
    Z : array_like of float, shape (n_samples, n_latents)
        What lies outside [-1, 1] goes to its nearer end.
    bits : int
        1 to 8.

    Returns
    -------
    ndarray of uint8, shape (n_samples, n_latents)
        Code q stands for the level (2 q - Q) / Q, where Q = 2**bits - 1.

    Raises
    ------
    TypeError, ValueError
        If `Z` is not a finite matrix or `bits` is not 1 to 8.

    Examples
    --------
    >>> quantize_latents([[-1.0, -0.2, 0.3, 0.9]], 2)
    array([[0, 1, 2, 3]], dtype=uint8)
    """
    bits = _validate.integer(bits, 1, 8, name="bits")
    return quantize.latent_codes(_validate.matrix(Z, np.float64, name="Z", finite=True), bits)


def dequantize_latents(codes: ArrayLike, bits: int, dtype: DTypeLike = np.float32) -> NDArray[np.floating]:
    """The levels that codes stand for: the inverse of `quantize_latents` up to its rounding.

    Parameters
    ----------
    codes : array_like of int, shape (n_samples, n_latents)
    bits : int
        1 to 8.
    dtype : float32 or float64

    Returns
    -------
    ndarray of `dtype`, shape (n_samples, n_latents)

    Raises
    ------
    TypeError, ValueError
        If the codes are not integers below 2**bits, or `bits` is not 1 to 8.

    Examples
    --------
    >>> dequantize_latents([[0, 1]], 1)
    array([[-1.,  1.]], dtype=float32)
    """
    bits = _validate.integer(bits, 1, 8, name="bits")
    known = _validate.matrix(codes, np.uint8, name="codes")
    top = (1 << bits) - 1
    if known.size and known.max() > top:
        raise ValueError(f"codes holds {known.max()}, a code of {bits} bits is at most {top}")
    return ((2.0 * known - top) / top).astype(dtype)


def pack_latents(Z: ArrayLike, bits: int) -> bytes:
    """Latents as bytes: a header, then `bits` bits for each, without padding.

    Parameters
    ----------
    Z : array_like of float, shape (n_samples, n_latents)
        From -1 to 1, in at least one column.
    bits : int
        1 to 8.

    Raises
    ------
    TypeError, ValueError
        If `Z` is not a matrix with columns, of numbers from -1 to 1, or `bits` is not 1 to 8.

    Examples
    --------
    >>> buf = pack_latents([[-1.0, 1.0], [0.9, -0.8]], 1)
    >>> unpack_latents(buf)
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """
    known = _validate.matrix(Z, np.float64, name="Z", finite=True)
    farthest = known.flat[np.abs(known).argmax()] if known.size else 0.0
    if abs(farthest) > 1 + _ROUNDING:
        raise ValueError(f"Z holds {farthest:.6g}; packed latents lie from -1 to 1, as those of a tanh layer do")
    codes = quantize_latents(known, bits)
    if codes.shape[1] == 0:
        raise ValueError("Z has no columns; latents need at least one")
    head = _HEADER.pack(_MAGIC, _VERSION, bits, 0, *codes.shape)
    payload = bitpack.pack(codes.ravel(), bits).tobytes()
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def unpack_latents(buf: _validate.BytesLike) -> NDArray[np.float32]:
    """The inverse of `pack_latents`, up to its rounding.

    Parameters
    ----------
    buf : bytes-like

    Returns
    -------
    ndarray of float32, shape (n_samples, n_latents)

    Raises
    ------
    FormatError
        If the bytes are not packed latents, or are cut short; VersionError if a later release wrote them;
        ChecksumError if they changed.
    TypeError
        If `buf` is not bytes-like.

    Examples
    --------
    >>> unpack_latents(pack_latents([[-1.0, 0.4], [0.9, -0.4]], 2)).round(2)
    array([[-1.  ,  0.33],
           [ 1.  , -0.33]], dtype=float32)
    """
    view = _validate.buffer(buf, name="buf").data
    if len(view) < len(_MAGIC) or view[: len(_MAGIC)] != _MAGIC:
        raise FormatError("these bytes are not packed latents: they do not start with FAEL")
    start = _HEADER.size + _CRC.size
    if len(view) < start:
        raise FormatError(f"packed latents have a header of {start} bytes, got {len(view)} bytes")
    head, payload = view[: _HEADER.size], view[start:]
    _, version, bits, reserved, n_rows, n_latents = _HEADER.unpack(head)
    if version > _VERSION:
        raise VersionError(f"packed latents of version {version}; this release reads up to {_VERSION}")
    if version == 0 or not 1 <= bits <= 8 or reserved or n_latents == 0:
        raise FormatError("packed latents with a header that no release writes")
    if len(payload) != (n_rows * n_latents * bits + 7) // 8:
        raise FormatError(
            f"{n_rows} x {n_latents} latents of {bits} bits do not fill the {len(payload)} bytes that follow the header"
        )
    if zlib.crc32(payload, zlib.crc32(head)) != _CRC.unpack(view[_HEADER.size : start])[0]:
        raise ChecksumError("packed latents changed since they were written: the checksum differs")
    codes = bitpack.unpack(payload, n_rows * n_latents, bits)
    return dequantize_latents(codes.reshape(n_rows, n_latents), bits, np.float32)
