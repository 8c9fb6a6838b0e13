# SPDX-License-Identifier: Apache-2.0
"""A window's site columns, verbatim, as one compressed section. FORMAT.md §5.2."""

from __future__ import annotations

import numpy as np

from fastae.archive.container import ByteReader, compress, counted, decode_text, decompress, encode_text, varint
from fastae.cohort import FIXED_COLUMNS, Sites
from fastae.errors import FormatError, InputError

_MAX_POSITION = (1 << 62) - 1


def encode_sites(sites: Sites) -> bytes:
    """Bytes of a window's sites.

    Raises
    ------
    InputError
        If a text holds a line break or a position is no position.
    """
    columns = []
    for name, column in zip(FIXED_COLUMNS, sites.columns(), strict=True):
        if isinstance(column, list):
            text = "\n".join(column)
            if text.count("\n") >= max(len(column), 1):
                raise InputError(f"{name} of a site holds a line break, which an archive cannot keep; take it out")
            columns.append(encode_text(text))
        else:
            if len(column) and not 0 <= column.min() <= column.max() <= _MAX_POSITION:
                raise InputError(f"sites lie at {column.min()} to {column.max()}; positions are 0 or more")
            steps = np.diff(column, prepend=0)
            columns.append(b"".join(map(varint, ((steps << 1) ^ (steps >> 63)).tolist())))
    return compress(b"".join(map(counted, columns)))


def decode_sites(data: bytes, n_sites: int) -> Sites:
    """The inverse of `encode_sites`.

    Raises
    ------
    FormatError
        If the bytes are not such sites.
    """
    what = "site columns"
    reader = ByteReader(decompress(data, what), what)
    columns: list = []
    for name in FIXED_COLUMNS:
        part = reader.take(reader.count())
        if name == "POS":
            steps = ByteReader(part, what)
            zigzag = np.array([steps.varint() for _ in range(n_sites)], np.int64)
            steps.finish()
            columns.append(np.cumsum((zigzag >> 1) ^ -(zigzag & 1)))
        else:
            text = decode_text(bytes(part), what)
            n_texts = text.count("\n") + 1  # before a hostile text becomes a list
            if n_texts != n_sites:
                raise FormatError(f"the {what} hold {n_texts} values for {n_sites} sites: the archive is corrupt")
            columns.append(text.split("\n"))
    reader.finish()
    return Sites(*columns)
