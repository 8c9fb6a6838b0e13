# SPDX-License-Identifier: Apache-2.0
"""Packed arrays: §5.3."""

import numpy as np

from . import rans
from .data import Bytes, check


def read_array(source, n):
    """§5.3: n bytes, as a NumPy array."""
    form = source.unsigned(8)
    if form == 0:
        return np.full(n, source.unsigned(8), np.uint8)
    check(form in (1, 2), f"no form {form} of packed arrays")
    part = Bytes(source.counted())
    if form == 1:
        precision, frequencies = rans.read_table(part)
        return np.array(rans.decode(part.rest(), frequencies, precision, n), np.uint8)
    values = np.frombuffer(part.compressed(), np.uint8)
    check(len(values) == n, "a packed array has another length")
    return values


def read_flags(source, n):
    """§5.4: a bit for each of n sites, in a packed array; site i is bit 7 - i mod 8 of byte i // 8."""
    bits = np.unpackbits(read_array(source, -(-n // 8)))
    check(not bits[n:].any(), "spare bits are not zero")
    return bits[:n].astype(bool)
