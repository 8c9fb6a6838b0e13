# SPDX-License-Identifier: Apache-2.0
"""The two streams of a block whose rows are sorted: its alleles, and all else, which would disturb their order."""

from __future__ import annotations

import numpy as np

from fastae.archive.columns import ColumnTable
from fastae.archive.container import ByteReader
from fastae.errors import FormatError


def columns_of_streams(table: ColumnTable) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the columns of each stream."""
    return np.flatnonzero(table.is_allele), np.flatnonzero(~table.is_allele)


def read_streams(residual: bytes | memoryview, n_rows: int, most_rows: int) -> tuple[memoryview, memoryview]:
    """Bytes of the allele columns and of the others.

    Raises
    ------
    FormatError
        If the block ends too early, or has more rows than it can have.
    """
    if n_rows > most_rows:
        raise FormatError(f"a block has {n_rows} rows, {most_rows} are the most: the archive is corrupt")
    reader = ByteReader(residual, "block")
    return reader.take(reader.count()), reader.take(reader.left)
