# SPDX-License-Identifier: Apache-2.0
"""A window's blocks, from bytes to calls, whatever predicted them. The writer checks its work with this, too."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastae.archive.columns import SAMPLES, ColumnTable, chunks, join, with_flags
from fastae.archive.predictors import autoencoder, frequency, mosaic, pbwt, runs
from fastae.errors import FormatError

# Predictors that decode some columns or rows by themselves
_SORTED = {module.NUMBER: module for module in (pbwt, runs, mosaic)}
MAX_BLOCK_CELLS = 1 << 29  # what one block may ask for in memory, be it bits of columns or calls


class WindowDecoder:
    """Decodes the blocks of one window.

    Parameters
    ----------
    columns : bytes
        The window's table of columns.
    model : tuple of bytes or None
        Codebook and decoder of its autoencoder, if blocks use one.
    n_sites, ploidy : int
    max_samples : int
        Most samples that a block has.
    is_wide : bool
        If some allele is above 126.

    Raises
    ------
    FormatError
        If the bytes are not such sections.
    """

    def __init__(
        self,
        columns: bytes,
        model: tuple[bytes, bytes] | None,
        n_sites: int,
        ploidy: int,
        max_samples: int,
        is_wide: bool = False,
    ) -> None:
        self.table = ColumnTable.from_bytes(columns, n_sites, ploidy)
        if self.table.is_wide != is_wide:
            raise FormatError("the table of columns has other alleles than its window: the archive is corrupt")
        most = self.table.n_cells(max_samples)
        if most > MAX_BLOCK_CELLS:
            raise FormatError(f"a block has {most} cells, {MAX_BLOCK_CELLS} are allowed: the archive is corrupt")
        self.model = autoencoder.Model.from_bytes(*model, self.table) if model is not None else None

    def calls(
        self,
        payload: bytes,
        n_latents: int,
        predictor: int,
        n_samples: int,
        *,
        sites: slice | None = None,
        samples: np.ndarray | None = None,
        out: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Calls (sites, samples, ploidy) and phase (sites, samples) of a block.

        Parameters
        ----------
        payload : bytes
            The block, of which the first `n_latents` bytes are packed latents.
        predictor : int
            Number of the predictor that wrote it.
        n_samples : int
            Of the block.
        sites : slice, optional
            From one site of the window to another; all, if left out.
        samples : ndarray of int64, optional
            Numbers of samples in the block, ascending; all, if left out.
        out : ndarray, shape (sites, samples, ploidy), optional
            Where the calls may be put, if it is of their dtype; then they are this array. A site's calls lie in one
            piece.

        Raises
        ------
        FormatError
            If the payload is not such a block.
        """
        if sites is None:
            sites = slice(0, self.table.n_sites)
        rows, per_sample = None, self.table.rows_per_sample
        if samples is not None:
            rows = (samples[:, None] * per_sample + np.arange(per_sample)).ravel()
        part = self.table.part(sites)
        if out is not None and out.dtype != part.dtype:
            out = None
        if predictor == runs.NUMBER and n_latents == 0 and part.rows != SAMPLES and not part.is_wide:
            if out is None:
                n_wanted = n_samples if samples is None else len(samples)
                out = np.empty((part.n_sites, n_wanted, part.ploidy), np.int8)
            alleles = out.reshape(part.n_sites, out.shape[1] * part.ploidy)
            flags = runs.decode_alleles(memoryview(payload), self.table, n_samples * per_sample, sites, rows, alleles)
            return with_flags(part, out, flags)
        columns = self.table.columns_of(sites)
        return join(part, self.bits(payload, n_latents, predictor, n_samples, columns, rows), out)

    def in_parts(
        self, payload: bytes, n_latents: int, predictor: int, n_samples: int
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """All calls and phase of a block, some sites at a time; the parameters are those of `calls`.

        Beside what is given, memory holds the block's bits, or calls, but not both.

        Yields
        ------
        sites : slice
        calls : ndarray of int8 or int16, shape (sites, samples, ploidy)
        phased : ndarray of bool, shape (sites, samples)

        Raises
        ------
        FormatError
            If the payload is not such a block.
        """
        parts = chunks(self.table.n_sites, n_samples * self.table.ploidy)
        if predictor == runs.NUMBER:
            calls, phased = self.calls(payload, n_latents, predictor, n_samples)
            yield from ((part, calls[part], phased[part]) for part in parts)
            return
        bits = self.bits(payload, n_latents, predictor, n_samples, slice(0, self.table.n_columns))
        for part in parts:
            yield part, *join(self.table.part(part), bits[self.table.columns_of(part)])

    def bits(
        self,
        payload: bytes,
        n_latents: int,
        predictor: int,
        n_samples: int,
        columns: slice,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """Bits of some columns and rows of a block."""
        n_rows = n_samples * self.table.rows_per_sample
        data = memoryview(payload)
        if predictor in _SORTED and n_latents == 0:
            return _SORTED[predictor].decode(data, self.table, n_rows, columns, rows)
        if predictor == frequency.NUMBER and n_latents == 0:
            matrix = frequency.decode(data, self.table, n_rows)
        else:
            model = self._model_for(predictor)
            bits = autoencoder.decode(data[:n_latents], data[n_latents:], self.table, model, n_rows, columns)
            return bits if rows is None else bits[:, rows]
        return matrix[columns] if rows is None else matrix[columns][:, rows]

    def predicted_calls(self, payload: bytes, n_latents: int, predictor: int, n_samples: int) -> np.ndarray:
        """Calls as they would be if no error were corrected: from the latents and the columns' common bits alone."""
        n_rows = n_samples * self.table.rows_per_sample
        if predictor in _SORTED:  # whose columns' common bits nothing else says
            matrix = self.bits(payload, n_latents, predictor, n_samples, slice(0, self.table.n_columns))
            matrix[:] = (2 * np.count_nonzero(matrix.view(bool), axis=1) > n_rows)[:, None]
        elif predictor == frequency.NUMBER:
            matrix = np.empty((self.table.n_columns, n_rows), np.uint8)
            matrix[:] = (self.table.rate >> 7)[:, None]
        else:
            model = self._model_for(predictor)
            matrix = autoencoder.predict(payload[:n_latents], payload[n_latents:], self.table, model, n_rows)
        return join(self.table, matrix)[0]

    def spent_bits(self, payload: bytes, n_latents: int, predictor: int, n_samples: int) -> np.ndarray:
        """Bits of a block that each site takes, float64 (n_sites,), which add up to all of it.

        What belongs to no site, such as latents, is shared by all of them alike.
        """
        n_rows, data = n_samples * self.table.rows_per_sample, memoryview(payload)
        if predictor in _SORTED and n_latents == 0:
            of_column = _SORTED[predictor].spent_bits(data, self.table, n_rows)
        elif predictor == frequency.NUMBER and n_latents == 0:
            of_column = frequency.spent_bits(data, self.table, n_rows)
        else:
            model = self._model_for(predictor)
            of_column = autoencoder.spent_bits(data[:n_latents], data[n_latents:], self.table, model, n_rows)
        found = float(of_column.sum())
        if found:
            of_column *= 8 * (len(payload) - n_latents) / found
        spent = np.bincount(self.table.site, weights=of_column, minlength=self.table.n_sites).astype(np.float64)
        return spent + (8 * len(payload) - spent.sum()) / self.table.n_sites

    def latent_codes(self, latents: bytes, predictor: int, n_samples: int) -> np.ndarray:
        """Latent codes of a block, uint8 (n_samples, rows_per_sample, n_latents)."""
        per_sample = self.table.rows_per_sample
        book = self._model_for(predictor).codebook
        codes = book.codes[book.decode(latents, n_samples * per_sample)]
        return codes.reshape(n_samples, per_sample, codes.shape[1])

    def _model_for(self, predictor: int) -> autoencoder.Model:
        if predictor != autoencoder.NUMBER or self.model is None:
            raise FormatError(
                f"a block has predictor {predictor}, which its window does not provide: the archive is corrupt"
            )
        return self.model
