# SPDX-License-Identifier: Apache-2.0
"""Threads that stop when they are no longer wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


class CancelledError(Exception):
    """Another job failed, or the user interrupted: this one's result is not wanted."""


@contextmanager
def cancellable_pool(n_threads: int) -> Iterator[tuple[ThreadPoolExecutor, Callable[[], None]]]:
    """A pool whose jobs, if they ask now and then, stop soon where the block fails.

    Parameters
    ----------
    n_threads : int

    Yields
    ------
    pool : ThreadPoolExecutor
    check_stop : function
        For jobs to call; it raises CancelledError once the block has failed.

    Examples
    --------
    >>> with cancellable_pool(2) as (pool, check_stop):
    ...     pool.submit(check_stop).result()
    """
    stop = threading.Event()

    def check_stop() -> None:
        if stop.is_set():
            raise CancelledError

    with ThreadPoolExecutor(n_threads) as pool:
        try:
            yield pool, check_stop
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
