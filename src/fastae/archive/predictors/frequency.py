# SPDX-License-Identifier: Apache-2.0
"""The predictor that knows only how frequent each column's bits are: no latents, no model."""

from __future__ import annotations

import numpy as np

from fastae.archive.columns import ColumnTable
from fastae.archive.gaps import decode_columns, encode_columns

NUMBER, NAME = 0, "frequency"


def encode(matrix: np.ndarray, table: ColumnTable) -> bytes:
    """Residual bytes of a block's bits, (n_columns, n_rows)."""
    return encode_columns(matrix, table.rate)


def decode(residual: bytes | memoryview, table: ColumnTable, n_rows: int) -> np.ndarray:
    """The inverse of `encode`."""
    return decode_columns(residual, table.rate, n_rows)


def least_bytes(matrix: np.ndarray) -> float:
    """What no such residual of these bits is much below."""
    return float(column_bits(matrix).sum()) / 8


def column_bits(matrix: np.ndarray) -> np.ndarray:
    """The entropy of each column's frequency, in bits: float64 (n_columns,)."""
    n_rows = matrix.shape[1]
    share = matrix.view(bool).sum(axis=1) / max(n_rows, 1)
    bits = np.zeros(len(share))
    varies = (share > 0) & (share < 1)
    share = share[varies]
    bits[varies] = -n_rows * (share * np.log2(share) + (1 - share) * np.log2(1 - share))
    return bits


def spent_bits(residual: bytes | memoryview, table: ColumnTable, n_rows: int) -> np.ndarray:
    """Bits that each column takes, float64 (n_columns,): about, since columns of one rate are coded as one."""
    return column_bits(decode(residual, table, n_rows))
