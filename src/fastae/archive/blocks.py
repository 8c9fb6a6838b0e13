# SPDX-License-Identifier: Apache-2.0
"""An archive's windows and blocks, of which some can be worked on at a time."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from fastae.archive import container
from fastae.archive.container import ContainerReader, Section
from fastae.archive.window import WindowDecoder
from fastae.jobs import ForkLock

_KEPT_WINDOWS = 64  # whose tables, models and sites stay in memory
_BATCH_BYTES = 1 << 23  # about as much of a file far away is held before it is decoded
_T = TypeVar("_T")


class Blocks:
    """What is made of an archive's blocks builds on this."""

    def __init__(self, reader: ContainerReader, n_threads: int) -> None:
        self._reader, self._n_threads = reader, n_threads
        self._lock = ForkLock()
        self._windows: OrderedDict[int, WindowDecoder] = OrderedDict()
        index = reader.index
        self._starts = np.cumsum([0] + [window.n_sites for window in index.windows])
        self._shape = index.n_sites, index.n_samples, index.ploidy
        self._dtype = np.dtype(np.int16 if index.is_wide else np.int8)

    def _decoder(self, number: int) -> WindowDecoder:
        with self._lock:  # held while a decoder is made: all threads begin with the same window and need it once
            if number not in self._windows:
                self._windows[number] = self._make_decoder(number)
            return kept(self._windows, number)

    def _make_decoder(self, number: int) -> WindowDecoder:
        window, index = self._reader.index.windows[number], self._reader.index
        section = self._reader.find(container.MODEL, number)
        model = None
        if section is not None:
            data = self._reader.read_section(section)
            model = data[: section.latents], data[section.latents :]
        columns, most = self._reader.read(container.COLUMNS, number), min(index.slab_samples, index.n_samples)
        return WindowDecoder(columns, model, window.n_sites, window.ploidy, most, window.is_wide)

    def _slab(self, slab: int) -> slice:
        index = self._reader.index
        return slice(slab * index.slab_samples, min((slab + 1) * index.slab_samples, index.n_samples))

    def _blocks(self, number: int) -> Iterator[tuple[Section, slice]]:
        for slab in range(self._reader.index.n_slabs):
            yield self._block(number, slab), self._slab(slab)

    def _block(self, number: int, slab: int) -> Section:
        return self._reader.section(container.BLOCK, number, slab)

    def _read_ahead(self, blocks: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
        """The same blocks (window, slab); those of a file far away in few requests, shortly before they are taken."""
        return self._in_batches(blocks) if self._reader.is_remote else blocks

    def _in_batches(self, blocks: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        ends = np.cumsum([self._block(*block).length for block in blocks]) // _BATCH_BYTES
        for batch in np.split(np.array(blocks, np.int64).reshape(-1, 2), np.flatnonzero(np.diff(ends)) + 1):
            taken: list[tuple[int, int]] = [(window, slab) for window, slab in batch.tolist()]
            new = {window for window, _ in taken} - set(self._windows)
            shared = (self._reader.find(kind, at) for at in new for kind in (container.COLUMNS, container.MODEL))
            self._reader.read_ahead([*filter(None, shared), *(self._block(*block) for block in taken)])
            yield from taken

    def _do_all(self, work: Callable[..., object], jobs: Iterable[tuple], n_threads: int | None = None) -> None:
        """Call `work` with each tuple of arguments, some at a time."""
        for _ in self._in_order(work, jobs, n_threads):
            pass

    def _in_order(self, work: Callable[..., _T], jobs: Iterable[tuple], n_threads: int | None = None) -> Iterator[_T]:
        """What `work` gives for each tuple of arguments, some at a time and few ahead of the one that is taken."""
        n_threads = n_threads or self._n_threads
        if n_threads == 1:
            for job in jobs:
                yield work(*job)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            ahead: deque[Future[_T]] = deque()
            for job in jobs:
                ahead.append(pool.submit(work, *job))
                if len(ahead) > 2 * n_threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()


def kept(cache: OrderedDict[int, _T], key: int) -> _T:
    """What a cache has of a key; the key used longest ago leaves a cache that is too large."""
    cache.move_to_end(key)
    if len(cache) > _KEPT_WINDOWS:
        cache.popitem(last=False)
    return cache[key]
