# SPDX-License-Identifier: Apache-2.0
"""Every derivative agrees with that of JAX, over networks of every shape, in both precisions."""

import functools
import importlib.util
import itertools
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from networks import NETWORKS, make

from fastae import GRADIENT_MODES, compose, jacobian, jvp, value_and_grad, vjp

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")

TOLERANCE = {np.float64: 1e-10, np.float32: 1e-4}
CASES = [  # each takes JAX half a second to compile
    *itertools.product(NETWORKS, [None, 2], [np.float64]),
    *itertools.product(["identity", "worked example"], [None, 2], [np.float32]),
]
FAST_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
K = 3


def layers(half):
    return list(zip(half.sizes[:-1], half.sizes[1:], half.activations, strict=True))


def problem(name, latent_bits, dtype):
    """All that both sides need to know."""
    model, loss, X = make(name, dtype, latent_bits)
    rng = np.random.default_rng(8)
    codes = loss.alphabet.to_codes(X)
    x = loss.alphabet.to_levels(codes, dtype)
    return {
        "encoder": layers(model.encoder),
        "decoder": layers(model.decoder),
        "n_encoder": model.encoder.params.size,
        "latent_bits": latent_bits,
        "loss": type(loss).__name__,
        "levels": loss.alphabet.levels.astype(dtype),
        "temperature": dtype(loss.temperature),
        "codes": codes,
        "params": model.params,
        "x": x,
        "params_dot": rng.normal(size=(K, model.params.size)).astype(dtype),
        "x_dot": rng.normal(size=(K, *x.shape)).astype(dtype),
        "xhat_bar": rng.normal(size=x.shape).astype(dtype),
    }


@functools.cache
def results():
    """JAX's answer to every case, by one process that compiles them all."""
    with tempfile.TemporaryDirectory() as folder:
        problems, answers = Path(folder, "problems"), Path(folder, "answers")
        problems.write_bytes(pickle.dumps([problem(*case) for case in CASES]))
        twin = Path(__file__).with_name("jax_twin.py")
        environment = os.environ | {"XLA_FLAGS": FAST_COMPILE, "JAX_PLATFORMS": "cpu"}
        subprocess.run([sys.executable, twin, problems, answers], check=True, capture_output=True, env=environment)
        return dict(zip(CASES, pickle.loads(answers.read_bytes()), strict=True))


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2].__name__}")
def case(request):
    """(make's arguments, the problem, JAX's answer, a comparison to the case's precision)."""
    name, latent_bits, dtype = request.param

    def close(got, expected):
        assert np.asarray(got).dtype in (dtype, np.float64)
        assert np.shape(got) == np.shape(expected)
        np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE[dtype] * np.abs(expected).max())

    return (name, dtype, latent_bits), problem(*request.param), results()[request.param], close


@pytest.mark.parametrize("mode", [name for name, mode in GRADIENT_MODES.items() if mode.exact])
def test_value_and_gradient_are_those_of_jax(mode, case):
    arguments, _, expected, close = case
    value, gradient = value_and_grad(*make(*arguments), mode)
    close(value, expected["value"])
    close(gradient, expected["gradient"])


def test_jvp_of_many_tangents_is_that_of_jax(case):
    arguments, given, expected, close = case
    model, loss, _ = make(*arguments)
    primals, tangents = (given["params"], given["x"]), (given["params_dot"], given["x_dot"])
    xhat, xhat_dot = jvp(model, primals, tangents)
    close(xhat, expected["xhat"])
    close(xhat_dot, expected["xhat_dot"])
    value, value_dot = jvp(compose(loss.bind(given["codes"]), model), primals, tangents)
    close(value, expected["value"])
    close(value_dot, expected["value_dot"])


def test_vjp_is_that_of_jax(case):
    arguments, given, expected, close = case
    _, pull = vjp(make(*arguments)[0], given["params"], given["x"])
    for got, want in zip(pull(given["xhat_bar"]), expected["bars"], strict=True):
        close(got, want)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_rows_is_that_of_jax(mode, case):
    arguments, given, expected, close = case
    close(jacobian(make(*arguments)[0], given["x"], mode), expected["jacobian"])
