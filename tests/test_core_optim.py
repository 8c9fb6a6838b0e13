# SPDX-License-Identifier: Apache-2.0
"""The optimiser kernels against their NumPy twins."""

import numpy as np
import pytest
import reference

from fastae import _core

SIZES = [0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 1000]
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-14}

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


@dtypes
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_adam_agrees_with_reference(weight_decay, dtype, isa, rng):
    for n in SIZES:
        params = rng.normal(size=n).astype(dtype)
        m, v = np.zeros(n, dtype), np.zeros(n, dtype)
        exact = [m.astype(np.float64), v.astype(np.float64), params.astype(np.float64)]
        for step in (1, 2, 3, 50):
            grad = (rng.normal(size=n) * 10.0 ** rng.integers(-6, 3, n)).astype(dtype)
            _core.optim_adam(grad, m, v, params, step, 0.01, 0.9, 0.999, 1e-8, weight_decay)
            exact = reference.adam(grad.astype(np.float64), *exact, step, 0.01, 0.9, 0.999, 1e-8, weight_decay)
            for got, wanted in zip((m, v, params), exact, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=10 * TOLERANCE[dtype], atol=10 * TOLERANCE[dtype])


@dtypes
def test_adam_with_no_gradient_moves_nothing(dtype, isa):
    params = np.arange(20, dtype=dtype)
    m, v, grad = np.zeros((3, 20), dtype)
    _core.optim_adam(grad, m, v, params, 1, 0.01, 0.9, 0.999, 1e-8, 0.0)
    np.testing.assert_array_equal(params, np.arange(20))


@dtypes
def test_sgd_agrees_with_reference(dtype, isa, rng):
    for n in SIZES:
        params, velocity = rng.normal(size=(2, n)).astype(dtype)
        exact = [velocity.astype(np.float64), params.astype(np.float64)]
        for _ in range(3):
            grad = rng.normal(size=n).astype(dtype)
            _core.optim_sgd(grad, velocity, params, 0.1, 0.9)
            exact = reference.sgd(grad.astype(np.float64), *exact, 0.1, 0.9)
            for got, wanted in zip((velocity, params), exact, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=TOLERANCE[dtype], atol=10 * TOLERANCE[dtype])


@dtypes
def test_one_square_beyond_the_type_is_seen_anywhere(dtype, isa, rng):
    largest = np.sqrt(np.finfo(dtype).max)
    for n in SIZES:
        grad = rng.normal(size=n).astype(dtype)
        grad[n // 2 : n // 2 + 1] = -0.99 * largest
        assert _core.optim_squares_are_finite(grad)
        for place in {0, n // 2, n - 1} & set(range(n)):
            for bad in (1.01 * largest, -1.01 * largest, np.inf, -np.inf, np.nan):
                broken = grad.copy()
                broken[place] = bad
                assert not _core.optim_squares_are_finite(broken)


def test_optimisers_refuse():
    good, short, wide = np.zeros(5, np.float32), np.zeros(4, np.float32), np.zeros(5)
    with pytest.raises(ValueError, match="step is 0, steps count from 1"):
        _core.optim_adam(good, good.copy(), good.copy(), good.copy(), 0, 0.1, 0.9, 0.999, 1e-8, 0.0)
    for place, name in enumerate(["grad", "m", "v"]):
        arrays = [good.copy() for _ in range(4)]
        arrays[place] = short
        with pytest.raises(ValueError, match=rf"{name} has shape \(4,\), expected \(5,\)"):
            _core.optim_adam(*arrays, 1, 0.1, 0.9, 0.999, 1e-8, 0.0)
        arrays[place] = wide
        with pytest.raises(TypeError, match=f"{name} has dtype float64, expected float32"):
            _core.optim_adam(*arrays, 1, 0.1, 0.9, 0.999, 1e-8, 0.0)
    with pytest.raises(ValueError, match="velocity has shape"):
        _core.optim_sgd(good, short, good.copy(), 0.1, 0.9)
    frozen = good.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="params is read-only"):
        _core.optim_sgd(good, good.copy(), frozen, 0.1, 0.9)
