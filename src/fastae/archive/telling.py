# SPDX-License-Identifier: Apache-2.0
"""What an archive's latents are, and how much of the cohort they tell."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastae.archive import container
from fastae.archive.blocks import Blocks
from fastae.archive.indexing import numbers
from fastae.archive.latents import StoredLatents


class Telling(Blocks):
    """The methods of `Archive` that look at latents."""

    def latents(self, windows: Iterable[int] | None = None) -> list[np.ndarray]:
        """The stored latents: those that `write_archive` was told to store, or else those of the autoencoder's blocks.

        Parameters
        ----------
        windows : iterable of int, optional
            Places in `windows`; all, if left out.

        Returns
        -------
        list of ndarray of float32, shape (n_samples, rows_per_sample, n_latents)
            One array per window of sites; values from -1 to 1. Rows are haplotypes, or whole
            samples where calls are unphased. NaN where a block has no latents; n_latents is 0 where a whole window
            has none. The mean over a sample's rows tells of the sample whatever the order of its haplotypes.

        Raises
        ------
        IndexError
            If a number is out of range.
        FormatError
            If the archive is corrupt.

        Examples
        --------
        >>> import numpy as np, tempfile, os
        >>> import fastae
        >>> calls = np.random.default_rng(0).integers(0, 2, (20, 30, 2), dtype=np.int8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "cohort.fae")
        ...     fastae.write_archive(path, calls, n_latents=3, block_variants=10)
        ...     with fastae.open(path) as archive:
        ...         of_windows = archive.latents()
        >>> [latents.shape for latents in of_windows]
        [(30, 2, 3), (30, 2, 3)]
        >>> np.concatenate([latents.mean(axis=1) for latents in of_windows], axis=1).shape  # a row for each sample
        (30, 6)
        """
        at = numbers(None if windows is None else list(windows), len(self._reader.index.windows), "windows")
        return [self._latents_of(number) for number in at.tolist()]

    def _latents_of(self, number: int) -> np.ndarray:
        if (stored := self._stored_latents(number)) is not None:
            return stored.levels()
        decoder = self._decoder(number)
        width = int(decoder.model.decoder.sizes[0]) if decoder.model is not None else 0
        latents = np.full((self._reader.index.n_samples, decoder.table.rows_per_sample, width), np.nan, np.float32)
        for section, slab in self._blocks(number):
            if section.latents and decoder.model is not None:
                data = self._reader.read_section(section)[: section.latents]
                codes = decoder.latent_codes(data, section.predictor, slab.stop - slab.start)
                latents[slab] = StoredLatents(codes, decoder.model.decoder.latent_bits).levels()
        return latents

    def _stored_latents(self, number: int) -> StoredLatents | None:
        section = self._reader.find(container.LATENTS, number)
        if section is None:
            return None
        ploidy = self._reader.index.windows[number].ploidy
        return StoredLatents.from_bytes(self._reader.read_section(section), self._reader.index.n_samples, ploidy)

    def hamming(self) -> tuple[int, int]:
        """Exact Hamming distance between the cohort and what decoders make of the latents alone, with no residual.

        Returns
        -------
        n_wrong, n_alleles : int
            Where a block has no latents, each column's commoner value is what counts as predicted.

        Raises
        ------
        FormatError
            If the archive is corrupt.
        """
        n_wrong = n_alleles = 0
        for number in range(len(self._reader.index.windows)):
            decoder = self._decoder(number)
            for section, slab in self._blocks(number):
                payload, n_samples = self._reader.read_section(section), slab.stop - slab.start
                calls, _ = decoder.calls(payload, section.latents, section.predictor, n_samples)
                guess = decoder.predicted_calls(payload, section.latents, section.predictor, n_samples)
                n_wrong += int(np.count_nonzero(calls != guess))
                n_alleles += calls.size
        return n_wrong, n_alleles
