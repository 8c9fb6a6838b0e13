# SPDX-License-Identifier: Apache-2.0
"""What the speed benches share: pinned threads, interleaved timing, one JSON line per case."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from fastae import _core

ROOT = Path(__file__).resolve().parents[1]
N_ROUNDS = 15
ROUND_SECONDS = 0.02  # a round repeats its function until it took this long
# Before a function on several threads: those of OpenBLAS wait for more work at full speed, for 0.105 seconds as
# measured, before they sleep, and would take a processor from whoever is next.
PAUSE_SECONDS = 0.15
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def pin_threads(n_threads=1):
    """So many threads for every library, on as many processors: they read variables as they load, so start again."""
    wanted = dict.fromkeys(THREAD_VARIABLES, str(n_threads))
    eigen = str(n_threads > 1).lower()
    wanted["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={n_threads}"
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        if len(available) < n_threads:
            raise SystemExit(f"{n_threads} threads need as many processors, here are {len(available)}")
        os.sched_setaffinity(0, available[:n_threads])
    if not wanted.items() <= os.environ.items():
        os.environ.update(wanted)
        os.execv(sys.executable, sys.orig_argv)


def cpu_name():
    """The processor as its maker calls it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def print_header(n_threads=1, **versions):
    """The line that says where and what was measured; all cases up to the next such line belong to it."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    features = [name for name, bit in _core.CPU_FEATURES.items() if _core.cpu_enabled() & bit]
    header = {"cpu": cpu_name(), "features": features, "threads": n_threads, "python": platform.python_version()}
    print(json.dumps({**header, "numpy": np.__version__, **versions, "commit": commit.stdout.strip()}), flush=True)


def _seconds(fun, n, clock):
    if clock is not time.process_time:
        time.sleep(PAUSE_SECONDS)
    start = clock()
    for _ in range(n):
        fun()
    return (clock() - start) / n


def _repeats(fun, clock):
    fun()  # the first call pays for caches and allocations
    n = 1
    while _seconds(fun, n, clock) * n < ROUND_SECONDS / 2:
        n *= 2
    return n


def race(functions, n_threads=1):
    """Median seconds of each function; they take turns, so that a busy machine slows all of them.

    On one thread they are seconds of the processor, which are those of the clock but for what other programs take; of
    several threads the processor's seconds would be counted for each, so there the clock's are taken.
    """
    clock = time.process_time if n_threads == 1 else time.perf_counter
    repeats = [_repeats(fun, clock) for fun in functions]
    rounds = [[_seconds(fun, n, clock) for fun, n in zip(functions, repeats, strict=True)] for _ in range(N_ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def print_race(name, params, ours, rivals, *, n_threads=1, **more):
    """Race ours against rivals, a dict of functions by name; print medians and the ratio to the fastest rival.

    `more` are functions of our seconds, by the name of what they add to the line.
    """
    seconds, *others = race([ours, *rivals.values()], n_threads)
    line = {"name": name, "params": params, "threads": n_threads, "seconds": seconds}
    if rivals:
        by_name = dict(zip(rivals, others, strict=True))
        best = min(by_name, key=by_name.__getitem__)
        line |= {"rival": best, "rival_seconds": by_name[best], "ratio": by_name[best] / seconds, "rivals": by_name}
    print(json.dumps(line | {key: fun(seconds) for key, fun in more.items()}), flush=True)


def print_case(name, params, ours, rival_name=None, rival=None):
    """`print_race` against one rival, or none."""
    print_race(name, params, ours, {} if rival is None else {rival_name: rival})


def note(message):
    """Something the reader of the bench should know; not a result, so not on stdout."""
    print(message, file=sys.stderr)
