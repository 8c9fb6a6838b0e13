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
THREADS = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")


def pin_threads():
    """One thread for every library: they read these variables as they load, so the process starts again with them."""
    if not THREADS.items() <= os.environ.items():
        os.environ.update(THREADS)
        os.execv(sys.executable, sys.orig_argv)


def cpu_name():
    """The processor as its maker calls it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def print_header(**versions):
    """The line that says where and what was measured."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    features = [name for name, bit in _core.CPU_FEATURES.items() if _core.cpu_enabled() & bit]
    header = {"cpu": cpu_name(), "features": features, "threads": 1, "python": platform.python_version()}
    print(json.dumps({**header, "numpy": np.__version__, **versions, "commit": commit.stdout.strip()}), flush=True)


def _seconds(fun, n):
    """Seconds a call, of the processor: on one thread those of the clock, but for what other programs take."""
    start = time.process_time()
    for _ in range(n):
        fun()
    return (time.process_time() - start) / n


def _repeats(fun):
    fun()  # the first call pays for caches and allocations
    n = 1
    while _seconds(fun, n) * n < ROUND_SECONDS / 2:
        n *= 2
    return n


def race(functions):
    """Median seconds of each function; they take turns, so that a busy machine slows all of them."""
    repeats = [_repeats(fun) for fun in functions]
    rounds = [[_seconds(fun, n) for fun, n in zip(functions, repeats, strict=True)] for _ in range(N_ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def print_case(name, params, ours, rival_name=None, rival=None):
    """Race ours against its rival, where there is one; print the medians and their ratio."""
    seconds = race([ours] if rival is None else [ours, rival])
    line = {"name": name, "params": params, "seconds": seconds[0]}
    if rival is not None:
        line |= {"rival": rival_name, "rival_seconds": seconds[1], "ratio": seconds[1] / seconds[0]}
    print(json.dumps(line), flush=True)


def note(message):
    """Something the reader of the bench should know; not a result, so not on stdout."""
    print(message, file=sys.stderr)
