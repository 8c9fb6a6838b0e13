# SPDX-License-Identifier: Apache-2.0
"""What a window of calls can be written as: each way gives a table of columns and blocks, and the smallest is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from fastae.archive.columns import SAMPLES, ColumnTable, split
from fastae.archive.phasing import Effort, split_phased
from fastae.archive.predictors import autoencoder, frequency, mosaic, pbwt, runs, training
from fastae.errors import InputError


@dataclass
class Block:
    predictor: int
    latents: bytes
    residual: bytes

    @property
    def size(self) -> int:
        return len(self.latents) + len(self.residual)


@dataclass
class Coding:
    """A window's calls, ready to be written: the section of columns, the model's two parts, a block of each slab."""

    columns: bytes
    blocks: list[Block]
    model: tuple[bytes, bytes] | None = None

    @property
    def size(self) -> int:
        return len(self.columns) + sum(map(len, self.model or ())) + sum(block.size for block in self.blocks)


@dataclass(eq=False)
class WindowCalls:
    """What is to be coded.

    Attributes
    ----------
    calls : ndarray of int8 or int16, shape (n_sites, n_samples, ploidy)
    phased : ndarray of bool, shape (n_sites, n_samples)
    slab_samples : int
        Most samples of a block.
    one_way_cells : int
        Bits of a block that a reader may have to pass to those it wants, if it has so many.
    seed : tuple of int
    check_stop : function
        Raises where the work is to end; called between its parts.
    phasing : Effort, optional
        How hard to look for a phase of unphased calls.
    n_threads : int
        That such a search may use.
    """

    calls: np.ndarray
    phased: np.ndarray
    slab_samples: int
    one_way_cells: int
    seed: tuple[int, int]
    check_stop: Callable[[], None]
    phasing: Effort | None = None
    n_threads: int = 1

    @property
    def slabs(self) -> list[slice]:
        """Samples of each block."""
        n_samples = self.calls.shape[1]
        starts = range(0, n_samples, self.slab_samples)
        return [slice(start, min(start + self.slab_samples, n_samples)) for start in starts]

    def rows(self, table: ColumnTable) -> list[slice]:
        """Rows of each block."""
        each = table.rows_per_sample
        return [slice(slab.start * each, slab.stop * each) for slab in self.slabs]

    @cached_property
    def columns(self) -> tuple[ColumnTable, np.ndarray]:
        """The calls as `split` has them."""
        return split(self.calls, self.phased)


def smallest(window: WindowCalls, predictors: tuple[str, ...]) -> Coding:
    """The smallest of all ways to write a window with some predictors; the first of those that are alike."""
    codings = (coding for way in _WAYS for coding in way(window, predictors))
    return min(codings, key=lambda coding: coding.size)


def _as_called(window: WindowCalls, predictors: tuple[str, ...]) -> Iterable[Coding]:
    """Columns as they are in the calls."""
    table, matrix = window.columns
    yield from _by_columns(matrix, table, predictors, window)


def _as_phased(window: WindowCalls, predictors: tuple[str, ...]) -> Iterable[Coding]:
    """Columns of haplotypes that unphased calls are made up of."""
    able = tuple(name for name in predictors if name != mosaic.NAME)
    if window.phasing is None or not able or not window.slabs or window.columns[0].rows != SAMPLES:
        return
    if 2 * window.slabs[0].stop <= pbwt.MAX_ROWS:
        table, matrix = split_phased(
            window.calls, window.phased, window.slabs, window.phasing, window.n_threads, window.check_stop
        )
        yield from _by_columns(matrix, table, able, window)


_WAYS = (_as_called, _as_phased)


def _by_columns(
    matrix: np.ndarray, table: ColumnTable, predictors: tuple[str, ...], window: WindowCalls
) -> Iterator[Coding]:
    rows = window.rows(table)
    if autoencoder.NAME in predictors and rows:
        yield from _by_autoencoder(matrix, table, rows, window)
    others = tuple(name for name in predictors if name != autoencoder.NAME)
    if others or not rows:
        yield _by_blocks(matrix, table, rows, others, window)


def _by_autoencoder(matrix: np.ndarray, table: ColumnTable, rows: list[slice], window: WindowCalls) -> Iterator[Coding]:
    """A block of each slab's rows, and a model, of which there are several; or neither, if no allele varies."""
    if rows[0].stop > autoencoder.MAX_ROWS:
        raise _too_many_rows(rows[0].stop, table, autoencoder)
    trained = training.fit_window(matrix, table, window.seed, check_stop=window.check_stop)
    if trained is None:
        yield Coding(table.to_bytes(), [_by_frequency(matrix[:, part], table) for part in rows])
        return
    fitted, guided = trained
    columns = table.without_rates().to_bytes()
    for model in training.models(fitted, window.check_stop):
        blocks = []
        for part in rows:
            window.check_stop()
            parts = autoencoder.encode(matrix[:, part], table, model, fitted.codes[part], guided)
            blocks.append(Block(autoencoder.NUMBER, *parts))
        yield Coding(columns, blocks, model.to_bytes())


def _by_frequency(bits: np.ndarray, table: ColumnTable) -> Block:
    return Block(frequency.NUMBER, b"", frequency.encode(bits, table))


def _too_many_rows(n_rows: int, table: ColumnTable, module: ModuleType) -> InputError:
    most = module.MAX_ROWS // table.rows_per_sample
    return InputError(
        f"a block has {n_rows} rows, {module.NAME} takes {module.MAX_ROWS}; give block_samples of at most {most}"
    )


_SORTED = {pbwt.NAME: pbwt, runs.NAME: runs, mosaic.NAME: mosaic}  # predictors without use for rates


def _by_blocks(
    matrix: np.ndarray, table: ColumnTable, rows: list[slice], predictors: tuple[str, ...], window: WindowCalls
) -> Coding:
    """The smallest block of each slab's rows; with the columns' rates only where they pay."""
    n_rows = rows[0].stop if rows else 0
    able = [_SORTED[name] for name in predictors if name in _SORTED and n_rows <= _SORTED[name].MAX_ROWS]
    if mosaic in able and len(able) > 1 and not mosaic.is_promising(table, n_rows):
        able.remove(mosaic)
    if not able and frequency.NAME in predictors:
        return Coding(table.to_bytes(), [_by_frequency(matrix[:, part], table) for part in rows])
    if not able and rows:
        raise _too_many_rows(n_rows, table, _SORTED[predictors[0]])
    by_sorting, blocks = [], []
    for part in rows:
        bits, found = matrix[:, part], []
        for module in able:
            window.check_stop()
            options = {"one_way_cells": window.one_way_cells} if module is pbwt else {}
            found.append(Block(module.NUMBER, b"", module.encode(bits, table, **options)))
        best = min(found, key=lambda block: block.size)
        by_sorting.append(best)
        if frequency.NAME in predictors and frequency.least_bytes(bits) < best.size:
            best = min(best, _by_frequency(bits, table), key=lambda block: block.size)
        blocks.append(best)
    plain, rated = Coding(table.without_rates().to_bytes(), by_sorting), Coding(table.to_bytes(), blocks)
    return min(plain, rated, key=lambda coding: coding.size)
