# SPDX-License-Identifier: Apache-2.0
"""Threads that stop when they are no longer wanted, and locks that a fork does not leave locked."""

from __future__ import annotations

import os
import threading
import weakref
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


class ForkLock:
    """A lock that is open in a forked child, whichever thread of the parent held it.

    That thread is not in the child, so it would never let go. What the lock guards must be whole between any two
    steps of Python.

    Examples
    --------
    >>> with ForkLock():
    ...     pass
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _LOCKS.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()


_LOCKS: weakref.WeakSet[ForkLock] = weakref.WeakSet()


def _open_all() -> None:
    for lock in list(_LOCKS):
        lock._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)
