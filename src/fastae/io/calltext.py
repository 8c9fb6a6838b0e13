# SPDX-License-Identifier: Apache-2.0
"""GT columns as text <-> arrays of alleles, with whole records per NumPy call."""

from __future__ import annotations

import itertools

import numpy as np

from ..cohort import FILL, MAX_ALLELE, MISSING, narrow

_DIGIT, _DOT, _SLASH, _BAR, _TAB, _OTHER = range(6)
_KIND = np.full(256, _OTHER, np.uint8)
_KIND[list(b"0123456789")] = _DIGIT
_KIND[list(b"./|\t")] = _DOT, _SLASH, _BAR, _TAB
_ZERO, _POINT = ord("0"), ord(".")
_BATCH_BYTES = 1 << 20  # of text at a time: NumPy's temporaries stay in the cache


class CallError(Exception):
    """A call that cannot be held: `sample` is its index, the message completes "GT <text> of sample <name> ..."."""

    def __init__(self, sample, text, message):
        super().__init__(message)
        self.sample = sample
        self.text = text


def parse_simple(texts, n_samples):
    """Parse records in which every call is diploid with alleles 0-9 or missing.

    Parameters
    ----------
    texts : list of bytes
        Sample columns of one record each, ``0|1<TAB>.|0...``, every one of ``4 * n_samples`` bytes with the line end.

    Returns
    -------
    alleles : ndarray of int8, shape (len(texts), n_samples, 2)
    phased : ndarray of bool, shape (len(texts), n_samples)
    good : ndarray of bool, shape (len(texts),)
        False for records that are not of this form; their rows in the other arrays mean nothing.
    """
    n = len(texts)
    alleles = np.empty((n, n_samples, 2), np.int8)
    phased = np.empty((n, n_samples), np.bool_)
    good = np.empty(n, np.bool_)
    step = max(_BATCH_BYTES // (4 * n_samples), 1)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        cells = np.frombuffer(b"".join(texts[rows]), np.uint8).reshape(-1, n_samples, 4)
        digits = cells[:, :, ::2] - np.uint8(_ZERO)  # '.' wraps around to 254
        is_missing = digits == np.uint8(_POINT - _ZERO + 256)
        is_bar = cells[:, :, 1] == ord("|")
        good[rows] = (
            ((digits < 10) | is_missing).all(axis=(1, 2))
            & (is_bar | (cells[:, :, 1] == ord("/"))).all(axis=1)
            & (cells[:, :-1, 3] == ord("\t")).all(axis=1)
            & (cells[:, -1, 3] == ord("\n"))
        )
        alleles[rows] = digits.view(np.int8)
        alleles[rows][is_missing] = MISSING
        phased[rows] = is_bar
    return alleles, phased, good


def parse_any(text, n_samples):
    """Parse the sample columns of one record, of any ploidy and number of alleles.

    Parameters
    ----------
    text : bytes
        Without line end.

    Returns
    -------
    alleles : ndarray of int8 or int16, shape (n_samples, ploidy of the widest call)
    phased : ndarray of bool, shape (n_samples,)

    Raises
    ------
    CallError
        If a call is malformed or cannot be held.
    ValueError
        If there are not `n_samples` columns; the message is the number there is.
    """
    raw = np.frombuffer(text + b"\t", np.uint8)
    kind = _KIND[raw]
    ends = np.flatnonzero(kind >= _SLASH)  # every allele ends at a separator, or at a byte that must not be there
    end_kind = kind[ends]
    sample = np.cumsum(end_kind == _TAB) - (end_kind == _TAB)  # which call each allele belongs to
    n_found = int(sample[-1]) + 1
    if n_found != n_samples:
        raise ValueError(n_found)
    starts = np.concatenate(([0], ends[:-1] + 1))
    length = ends - starts
    is_dot = kind[starts] == _DOT
    n_dots = np.add.reduceat(kind == _DOT, starts)

    def refuse(where, message):
        if where.any():
            at = int(sample[np.argmax(where)])
            raise CallError(at, text.split(b"\t")[at].decode("utf-8", "replace"), message)

    refuse(end_kind == _OTHER, "is not alleles parted by / or |")
    refuse(length == 0, "has an empty allele or a leading phase mark, which cannot be held")
    refuse((n_dots > 0) & ~(is_dot & (length == 1)), "is not alleles parted by / or |")
    refuse(length > len(str(MAX_ALLELE)), f"has an allele above {MAX_ALLELE}, the largest that can be held")
    refuse((length > 1) & (raw[starts] == _ZERO), "has an allele with leading zeros, which cannot be held")
    value = np.zeros(len(ends), np.int64)
    for place in range(int(length.max())):
        inside = length > place
        value[inside] = 10 * value[inside] + raw[starts[inside] + place] - _ZERO
    value[is_dot] = MISSING
    refuse(value > MAX_ALLELE, f"has an allele above {MAX_ALLELE}, the largest that can be held")

    first = np.flatnonzero(np.concatenate(([True], end_kind[:-1] == _TAB)))  # of the alleles of each call
    slot = np.arange(len(ends)) - first[sample]
    n_bars, n_slashes = (np.add.reduceat(end_kind == k, first) for k in (_BAR, _SLASH))
    refuse(((n_bars > 0) & (n_slashes > 0))[sample], "mixes / and | within one call, which cannot be held")
    value = narrow(value)
    alleles = np.full((n_samples, int(slot.max()) + 1), FILL, value.dtype)
    alleles[sample, slot] = value
    return alleles, n_bars > 0


def format_calls(alleles, phased):
    """Sample columns of some records as text.

    Parameters
    ----------
    alleles : ndarray of int8 or int16, shape (n, n_samples, ploidy)
    phased : ndarray of bool, shape (n, n_samples)

    Returns
    -------
    list of bytes, length n
        Each ends with a line feed; a record of fills only gives ``.`` for every sample.
    """
    n, n_samples, ploidy = alleles.shape
    width = len(str(int(alleles.max(initial=0))))
    cells = np.zeros((n, n_samples, ploidy, width + 1), np.uint8)  # 0 marks a place that is not written
    value = np.maximum(alleles, 0).view(f"u{alleles.itemsize}")
    for place in range(width):
        power = 10 ** (width - 1 - place)
        digit = value // value.dtype.type(power)
        cells[:, :, :, place] = digit % np.uint8(10) + np.uint8(_ZERO)
        if power > 1:
            cells[:, :, :, place][digit == 0] = 0
    if alleles.size and int(alleles.min()) < 0:
        cells[alleles < 0] = 0
        cells[:, :, :, 0][alleles == MISSING] = _POINT
        cells[:, :, 0, 0][alleles[:, :, 0] == FILL] = _POINT
    separator = np.where(phased, np.uint8(ord("|")), np.uint8(ord("/")))
    cells[:, :, :-1, width] = separator[:, :, np.newaxis]
    if ploidy > 1:
        cells[:, :, :-1, width][alleles[:, :, 1:] == FILL] = 0
    cells[:, :, -1, width] = ord("\t")
    cells[:, -1, -1, width] = ord("\n")
    text = cells.reshape(n, n_samples * ploidy * (width + 1))
    written = text != 0
    stops = np.cumsum(written.sum(axis=1)).tolist()
    data = text.tobytes() if written.all() else text[written].tobytes()
    return [data[start:stop] for start, stop in itertools.pairwise([0, *stops])]
