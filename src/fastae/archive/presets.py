# SPDX-License-Identifier: Apache-2.0
"""What a writer trades for what: bytes against the time that it takes to read a part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastae.archive.phasing import Effort
from fastae.archive.predictors import autoencoder, frequency, mosaic, pbwt, runs


@dataclass(frozen=True)
class Preset:
    """How a writer goes about it unless told otherwise.

    Attributes
    ----------
    predictors : tuple of str
        Names of those that are tried on every window.
    most_variants, most_samples : int
        Of a block: more of them are fewer bytes to store and more to decode for a part.
    most_cells : int
        Sites times twice the samples of a window, which bounds memory.
    phasing : Effort or None
        With which unphased calls are phased to be smaller; None: not at all.
    one_way_cells : int
        Of a block, if pbwt is to begin it at its start or end; one of more cells begins in its middle.
    """

    predictors: tuple[str, ...]
    most_variants: int
    most_samples: int
    most_cells: int
    phasing: Effort | None = None
    one_way_cells: int = pbwt.ONE_WAY_CELLS

    def block_shape(self, n_samples: int) -> tuple[int, int]:
        """Sites and samples of a block, slabs being of about one size."""
        n_slabs = -(-n_samples // self.most_samples)
        n_variants = int(np.clip(self.most_cells // (2 * n_samples), 64, self.most_variants))
        return n_variants, -(-n_samples // n_slabs)


PRESETS = {
    "fast": Preset((runs.NAME, frequency.NAME), 8192, 32_767, 1 << 26, Effort(rounds=1, beam=4, n_nearest=8)),
    "default": Preset((pbwt.NAME, mosaic.NAME, frequency.NAME), 32_768, 32_767, 1 << 28, Effort()),
    "max": Preset(
        (pbwt.NAME, mosaic.NAME, frequency.NAME),
        65_536,
        32_767,
        3 << 27,
        Effort(rounds=4, beam=8, n_nearest=32),
        one_way_cells=1 << 28,
    ),
}
FORCED = {  # by the name of a predictor that wants blocks of its own
    frequency.NAME: Preset((frequency.NAME,), 2048, 256, 1 << 27),
    autoencoder.NAME: Preset((autoencoder.NAME,), 32_768, 32_767, 3 << 26, Effort()),
}
