# SPDX-License-Identifier: Apache-2.0
"""The decoder of an autoencoder, in integers only: §3."""

from dataclasses import dataclass

import numpy as np

from .data import check

# fmt: off
POSITIVE = (
      0,   4,   8,  12,  16,  20,  24,  27,  31,  35,  38,  42,  46,  49,  52,  56,
     59,  62,  65,  68,  70,  73,  76,  78,  81,  83,  85,  87,  89,  91,  93,  95,
     97,  98, 100, 101, 103, 104, 105, 107, 108, 109, 110, 111, 112, 113, 113, 114,
    115, 116, 116, 117, 118, 118, 119, 119, 120, 120, 120, 121, 121, 122, 122, 122,
    122, 123, 123, 123, 123, 124, 124, 124, 124, 124, 125, 125, 125, 125, 125, 125,
    125, 125, 125, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126,
    126, 126, 126, 126, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
)  # T[0 .. 127] of §3
# fmt: on
T = np.array([-127, *(-value for value in POSITIVE[:0:-1]), *POSITIVE], np.int64)  # of -128 .. 127


@dataclass
class IntegerDecoder:
    """A dense network whose every number is whole."""

    bits: int  # β, of a latent code
    weights: list[np.ndarray]  # W_l, (d_l, d_(l-1))
    biases: list[np.ndarray]  # b_l
    multipliers: list[int]  # M_l, of all layers but the last
    shifts: list[int]  # s_l

    def __post_init__(self):
        check(1 <= self.bits <= 8, "a latent code has 1 to 8 bits")
        largest = 2**self.bits - 1
        for weights, biases in zip(self.weights, self.biases, strict=True):
            sums = np.abs(weights).sum(axis=1) * largest + np.abs(biases)
            check((sums < 2**31).all(), "a sum may reach 2^31")
            largest = 127
        check(all(0 <= m < 2**31 for m in self.multipliers), "a multiplier is out of range")
        check(all(1 <= s <= 62 for s in self.shifts), "a shift is out of range")

    def scores(self, codes):
        """The scores (rows, d_L) of latent codes (rows, d_0)."""
        h = 2 * np.asarray(codes, np.int64) - (2**self.bits - 1)
        layers = list(zip(self.weights, self.biases, strict=True))
        for (weights, biases), multiplier, shift in zip(layers[:-1], self.multipliers, self.shifts, strict=True):
            a = h @ weights.T + biases
            h = T[np.clip((a * multiplier + 2 ** (shift - 1)) >> shift, -128, 127) + 128]
        weights, biases = layers[-1]
        return h @ weights.T + biases
