# SPDX-License-Identifier: Apache-2.0
"""One array of small numbers, such as a chunk of a Zarr store, as bytes, by the coders of an archive's windows.

Calls of a cohort, whether calls are phased, dosages: whatever is int8, uint8 or bool and has 1 to 3 axes comes back
exactly. What does not look like calls goes as a packed array. FORMAT.md §8.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from fastae import _validate
from fastae._validate import BytesLike
from fastae.archive import container
from fastae.archive.candidates import Coding, WindowCalls, smallest
from fastae.archive.columns import KIND_MISSING, MAX_COLUMNS, SAMPLES, UNORDERED, occurring
from fastae.archive.container import ByteReader, counted, varint
from fastae.archive.packing import pack_array, unpack_array
from fastae.archive.predictors import mosaic, pbwt
from fastae.archive.presets import PRESETS
from fastae.archive.window import MAX_BLOCK_CELLS, WindowDecoder
from fastae.cohort import FILL
from fastae.errors import ChecksumError, FastaeError, FormatError, VersionError

MAGIC = b"FAEC"
VERSION = 0
MAX_CELLS = 1 << 31
DTYPES = (np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.bool_))

_PLAIN, _CALLS, _DOSAGES = range(3)
_HEAD = struct.Struct("<4s4BI")  # magic, version, dtype, order, coding, crc32 of all else
_PIECE = 1 << 24  # cells of a packed array
_SMALL = 1 << 16  # cells of an array that may be smaller as a packed one, whatever it holds
_MOST_COLUMNS = 8  # a site, on average, of what is taken for calls
_LEAST_SWAPPED = 8  # calls are taken for unphased where of so many heterozygous ones less than one is out of order


def encode_chunk(array: np.ndarray, preset: str = "default") -> bytes:
    """Bytes of an array, exactly.

    Parameters
    ----------
    array : ndarray of int8, uint8 or bool, of 1 to 3 axes
        What is called of (variants, samples, ploidy) or (variants, samples) takes the fewest bytes: alleles, dosages,
        masks, phase.
    preset : {"fast", "default", "max"}
        As of `write_archive`, but that ``"default"`` looks for the phase of unphased calls as briefly as ``"fast"``
        does: 2 % more bytes in a fifth of the time.

    Returns
    -------
    bytes
        Decoded again and compared before they are given back.

    Raises
    ------
    TypeError
        If the array is of another dtype.
    ValueError
        If it has more axes or none, or more than 2^31 cells, or there is no such preset.

    Examples
    --------
    >>> import numpy as np
    >>> calls = np.zeros((1000, 50, 2), np.int8)
    >>> calls[::2, ::3, 1] = 1
    >>> data = encode_chunk(calls)
    >>> len(data) < 200, (decode_chunk(data) == calls).all()
    (True, np.True_)
    """
    check_preset(preset)
    if array.dtype not in DTYPES:
        raise TypeError(f"the array is {array.dtype}; what is coded as calls are is int8, uint8 or bool")
    if not 1 <= array.ndim <= 3:
        raise ValueError(f"the array has shape {array.shape}; what is coded as calls are has 1 to 3 axes")
    if array.size > MAX_CELLS:
        raise ValueError(f"the array has {array.size} cells, {MAX_CELLS} are the most: give smaller chunks")
    by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    values = np.ascontiguousarray(array).view(np.int8)
    coding, body = _body(values, preset)
    shape = bytes([array.ndim]) + b"".join(map(varint, array.shape))
    head = _HEAD.pack(MAGIC, VERSION, DTYPES.index(array.dtype), by_columns, coding, 0)[:-4]
    data = head + struct.pack("<I", zlib.crc32(shape + body, zlib.crc32(head))) + shape + body
    if not np.array_equal(decode_chunk(data), array):
        raise FastaeError(
            f"an array of shape {array.shape} did not decode to what it was: nothing was written; "
            "please report this as a bug"
        )
    return data


def decode_chunk(
    data: BytesLike, shape: tuple[int, ...] | None = None, dtype: np.dtype | type | None = None
) -> np.ndarray:
    """The array that `encode_chunk` was given.

    Parameters
    ----------
    data : bytes-like
    shape, dtype : optional
        What the array must be; else it is refused before memory is taken for it.

    Returns
    -------
    ndarray
        In C order, or in Fortran's where the array was in that and not in C's.

    Raises
    ------
    FormatError
        If the bytes are truncated or corrupt, or of another shape or dtype; VersionError if they are of a later
        release, ChecksumError if they have changed.

    Examples
    --------
    >>> import numpy as np
    >>> data = encode_chunk(np.array([[True, False]]))
    >>> decode_chunk(data)
    array([[ True, False]])
    >>> decode_chunk(data[:-1])
    Traceback (most recent call last):
    fastae.errors.ChecksumError: the chunk does not match its checksum: it is truncated or corrupt
    """
    head, reader = _open(data)
    if shape is not None and head.shape != tuple(shape):
        raise FormatError(f"a chunk of shape {head.shape} stands where one of shape {tuple(shape)} should")
    if dtype is not None and head.dtype != dtype:
        raise FormatError(f"a chunk of {head.dtype} stands where one of {np.dtype(dtype)} should")
    if head.coding == _PLAIN:
        values = np.empty(prod(head.shape), np.int8)
        for start in range(0, values.size, _PIECE):
            part = values[start : start + _PIECE]
            part[:] = unpack_array(reader, part.size).view(np.int8)
        values = values.reshape(head.shape)
    elif head.coding == _CALLS:
        n_sites, n_samples, ploidy = (*head.shape, 1)[:3]
        values = _decode_calls(reader, n_sites, n_samples, ploidy).reshape(head.shape)
    else:
        values = _dosages_of(_decode_calls(reader, head.shape[0], head.shape[1], 2))
    reader.finish()
    if head.dtype == bool and values.size and not 0 <= values.min() <= values.max() <= 1:
        raise FormatError("a chunk of bool holds other values than 0 and 1: it is corrupt")
    array = values.view(head.dtype)
    return np.asfortranarray(array) if head.by_columns else array


def check_preset(preset: str) -> None:
    """Refuse what is no preset, with a ValueError."""
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}; it can be {', '.join(map(repr, PRESETS))}")


@dataclass
class _Head:
    dtype: np.dtype
    by_columns: bool
    coding: int
    shape: tuple[int, ...]


def _open(data: BytesLike) -> tuple[_Head, ByteReader]:
    view = _validate.buffer(data, name="data").data
    if len(view) < _HEAD.size or view[: len(MAGIC)] != MAGIC:
        raise FormatError("the bytes are no chunk that fastae.genotype has written: their first ones are others")
    _, version, dtype, order, coding, crc = _HEAD.unpack(view[: _HEAD.size])
    if version != VERSION:
        raise VersionError(f"a chunk is of version {version}, this release reads up to {VERSION}: update fastae")
    if zlib.crc32(view[_HEAD.size :], zlib.crc32(view[: _HEAD.size - 4])) != crc:
        raise ChecksumError("the chunk does not match its checksum: it is truncated or corrupt")
    reader = ByteReader(view[_HEAD.size :], "chunk")
    n_axes = reader.take(1)[0]
    if dtype >= len(DTYPES) or order > 1 or coding > _DOSAGES or not 1 <= n_axes <= 3:
        raise FormatError("the head of a chunk is not one that a chunk can have: it is corrupt")
    shape = tuple(reader.varint(MAX_CELLS) for _ in range(n_axes))
    if prod(shape) > MAX_CELLS:
        raise FormatError(f"a chunk has {prod(shape)} cells, {MAX_CELLS} are the most: it is corrupt")
    if (coding == _CALLS and n_axes == 1) or (coding == _DOSAGES and n_axes != 2) or (coding != _PLAIN and 0 in shape):
        raise FormatError(f"a chunk of shape {shape} is not coded as such one can be: it is corrupt")
    return _Head(DTYPES[dtype], bool(order), coding, shape), reader


def _body(values: np.ndarray, preset: str) -> tuple[int, bytes]:
    """How int8 values are coded in the fewest bytes, and these."""
    candidates = []
    calls, coding, n_columns = _as_calls(values)
    if calls is not None:
        candidates.append((coding, _encode_calls(calls, n_columns, preset)))
    if calls is None or values.size <= _SMALL:
        cells = values.view(np.uint8).reshape(-1)
        pieces = (cells[start : start + _PIECE] for start in range(0, cells.size, _PIECE))
        candidates.append((_PLAIN, b"".join(map(pack_array, pieces))))
    return min(candidates, key=lambda candidate: len(candidate[1]))


def _as_calls(values: np.ndarray) -> tuple[np.ndarray | None, int, np.ndarray]:
    """The values as calls (sites, samples, ploidy), how so, and how many columns each site takes; or no calls."""
    nothing = None, _PLAIN, np.zeros(0, np.int64)
    if values.ndim == 1 or not values.size or (values.ndim == 3 and values.shape[2] > container.MAX_PLOIDY):
        return nothing
    there = occurring(values.reshape(len(values), -1))
    n_columns = np.count_nonzero(there, axis=1)
    if there[:, KIND_MISSING:FILL].any() or n_columns.sum() > _MOST_COLUMNS * len(values):
        return nothing
    highest = int(np.flatnonzero(there[:, :KIND_MISSING].any(axis=0)).max(initial=0))
    if values.ndim == 2 and highest == 2:
        return _calls_of(values), _DOSAGES, n_columns
    return values.reshape(*values.shape[:2], -1), _CALLS, n_columns


def _calls_of(dosages: np.ndarray) -> np.ndarray:
    """Unphased calls of such dosages."""
    calls = np.minimum(dosages[:, :, None], np.int8(1)) * np.ones(2, np.int8)
    calls[:, :, 0] -= dosages == 1
    return calls


def _dosages_of(calls: np.ndarray) -> np.ndarray:
    return np.where(calls[:, :, 0] < 0, calls[:, :, 0], calls[:, :, 0] + calls[:, :, 1])


def _are_unphased(calls: np.ndarray) -> bool:
    """If the alleles of most heterozygous calls are in order, as they are by chance in half of phased ones."""
    if calls.shape[2] != 2:
        return False
    first, second = calls[:, :, 0], calls[:, :, 1]
    in_order, swapped = np.count_nonzero((first >= 0) & (first < second)), np.count_nonzero(first > second)
    return bool(_LEAST_SWAPPED * swapped < in_order)


def _encode_calls(calls: np.ndarray, n_columns: np.ndarray, preset: str) -> bytes:
    """Samples of a slab; then each window: sites, columns, and of each slab the predictor and the block."""
    plan, (_, n_samples, ploidy) = PRESETS[preset], calls.shape
    n_slabs = -(-n_samples // (pbwt.MAX_ROWS // ploidy))
    slab_samples = -(-n_samples // n_slabs)
    phased = np.broadcast_to(np.bool_(not _are_unphased(calls)), calls.shape[:2])
    out = [varint(slab_samples)]
    phasing = PRESETS["fast"].phasing if preset == "default" else plan.phasing
    for sites in _windows(n_columns, slab_samples * ploidy):
        window = WindowCalls(
            calls[sites], phased[sites], slab_samples, plan.one_way_cells, (0, 0), lambda: None, phasing
        )
        coding = _smallest(window, plan.predictors)
        out += [varint(sites.stop - sites.start), counted(coding.columns)]
        out += [bytes([block.predictor]) + counted(block.residual) for block in coding.blocks]
    return b"".join(out)


def _smallest(window: WindowCalls, predictors: tuple[str, ...]) -> Coding:
    """The smallest coding, but for mosaic, by far the slowest, where a phase that was found says who is like whom."""
    others = tuple(name for name in predictors if name != mosaic.NAME)
    if len(others) == len(predictors) or window.columns[0].rows != SAMPLES:
        return smallest(window, predictors)
    coding = smallest(window, others)
    if coding.columns[0] == UNORDERED:
        return coding
    return min(coding, smallest(replace(window, phasing=None), (mosaic.NAME,)), key=lambda coding: coding.size)


def _windows(n_columns: np.ndarray, n_rows: int) -> Iterator[slice]:
    """Sites of each window, of so few columns that a reader takes memory for them, and for flags of their calls."""
    most = min(MAX_BLOCK_CELLS // 2 // n_rows, MAX_COLUMNS // 4)
    ends = np.cumsum(n_columns + 1)
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + most, side="right")), start + 1)
        stop = min(stop, start + container.MAX_WINDOW_SITES)
        yield slice(start, stop)
        start = stop


def _decode_calls(reader: ByteReader, n_sites: int, n_samples: int, ploidy: int) -> np.ndarray:
    slab_samples = reader.varint(n_samples)
    if slab_samples == 0 or ploidy > container.MAX_PLOIDY:
        raise FormatError(f"a chunk has blocks of {slab_samples} samples of ploidy {ploidy}: it is corrupt")
    windows, left = [], n_sites
    while left:
        n_here = reader.varint(min(left, container.MAX_WINDOW_SITES))
        if n_here == 0:
            raise FormatError("a chunk has a window without sites: it is corrupt")
        columns = bytes(reader.take(reader.count()))
        slabs = range(0, n_samples, slab_samples)
        windows.append((n_here, columns, [(reader.take(1)[0], bytes(reader.take(reader.count()))) for _ in slabs]))
        left -= n_here
    calls = np.empty((n_sites, n_samples, ploidy), np.int8)  # not before all that it promises is there
    start = 0
    for n_here, columns, blocks in windows:
        decoder = WindowDecoder(columns, None, n_here, ploidy, slab_samples)
        for number, (predictor, payload) in enumerate(blocks):
            first = number * slab_samples
            part = calls[start : start + n_here, first : first + slab_samples]
            found, _ = decoder.calls(payload, 0, predictor, part.shape[1], out=part)
            if found is not part:
                part[:] = found
        start += n_here
    return calls
