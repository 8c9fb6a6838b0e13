# SPDX-License-Identifier: Apache-2.0
"""A window's site columns, verbatim, as one compressed section. FORMAT.md §5.2."""
from __future__ import annotations

import numpy as np

from fastae.archive.container import ByteReader, compress, counted, decode_text, decompress, encode_text, varint
from fastae.cohort import Sites
from fastae.errors import FormatError


def encode_sites(sites: Sites) -> bytes:
    steps = np.diff(sites.pos, prepend=0)
    zigzag = (steps << 1) ^ (steps >> 63)
    columns = [
        encode_text("\n".join(map(str, column))) if isinstance(column, list) else b"".join(map(varint, zigzag.tolist()))
        for column in sites.columns()
    ]
    return compress(b"".join(map(counted, columns)))


def decode_sites(data: bytes, n_sites: int) -> Sites:
    what = "site columns"
    reader = ByteReader(decompress(data, what), what)
    columns: list[list[str] | np.ndarray] = []
    for number in range(8):
        part = reader.take(reader.count())
        if number == 1:
            steps = ByteReader(part, what)
            zigzag = np.array([steps.varint() for _ in range(n_sites)], np.int64)
            steps.finish()
            columns.append(np.cumsum((zigzag >> 1) ^ -(zigzag & 1)))
        else:
            texts = decode_text(bytes(part), what).split("\n") if n_sites else []
            if len(texts) != n_sites:
                raise FormatError(f"the {what} hold {len(texts)} values for {n_sites} sites: the archive is corrupt")
            columns.append(texts)
    reader.finish()
    return Sites(*columns)
