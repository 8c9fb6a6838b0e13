# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests."""

import signal

import numpy as np
import pytest

from fastae import _core

# Each code path: the CPU features it may use. A path is run where this machine has all of them; "scalar" always.
ISA_FEATURES = {
    "scalar": (),
    "avx2": ("avx2",),
    "avx512": ("avx2", "avx512"),
    "avx512_vnni": ("avx2", "avx512", "avx512_vnni"),
    "amx": ("avx2", "avx512", "avx512_vnni", "amx_bf16", "amx_int8"),
    "neon": ("neon",),
    "dotprod": ("neon", "dotprod"),
}


def pytest_configure():
    """Take the signals that tests send: a run in the background, or under nohup, starts with some of them ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)


def _mask(isa):
    return sum(_core.CPU_FEATURES[name] for name in ISA_FEATURES[isa])


ISAS = [isa for isa in ISA_FEATURES if _mask(isa) & ~_core.cpu_detected() == 0]


@pytest.fixture
def rng():
    """A generator with a fixed seed, new for each test."""
    return np.random.default_rng(20240229)


@pytest.fixture(params=ISAS)
def isa(request):
    """Runs the test once per code path that this machine has, with all others masked away."""
    _core.cpu_set_mask(_mask(request.param))
    yield request.param
    _core.cpu_set_mask(0xFFFFFFFF)
