# SPDX-License-Identifier: Apache-2.0
"""The loss kernels against their NumPy twins and finite differences."""

import numpy as np
import pytest
import reference

from fastae import _core

KERNELS = {"soft_hamming": _core.loss_soft_hamming, "cross_entropy": _core.loss_cross_entropy}
SIZES = [0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 5000]
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-13}

kinds = pytest.mark.parametrize("kind", KERNELS)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
level_counts = pytest.mark.parametrize("n_levels", [2, 3, 4, 9])


def cells(rng, n, n_levels, dtype, missing=0.2):
    """Reconstructions around and beyond the levels, with some codes missing."""
    levels = np.sort(rng.uniform(-1, 1, n_levels)).astype(dtype)
    codes = rng.integers(0, n_levels, (n, 1), dtype=np.int8)
    codes[rng.random((n, 1)) < missing] = -1
    return rng.uniform(-1.5, 1.5, (n, 1)).astype(dtype), codes, levels


@kinds
@dtypes
@level_counts
def test_smooth_losses_agree_with_reference(kind, dtype, n_levels, isa, rng):
    for n in SIZES:
        for temperature in (3.0, 0.3, 0.02):
            x, codes, levels = cells(rng, n, n_levels, dtype)
            grad = np.full_like(x, np.nan)
            value = KERNELS[kind](x, codes, levels, temperature, 0.7, grad)
            wanted, wanted_grad = reference.smooth_loss(
                kind, x.astype(np.float64), codes, levels.astype(np.float64), temperature, 0.7
            )
            # one rounding of a score (x - level)^2 / temperature is a relative error of the probabilities
            slack = TOLERANCE[dtype] * (1 + 6 / temperature)
            assert value == pytest.approx(wanted, rel=slack, abs=slack)
            np.testing.assert_allclose(grad, wanted_grad, rtol=slack, atol=slack * 2 / temperature)


@kinds
@dtypes
@level_counts
def test_value_is_the_same_without_gradient(kind, dtype, n_levels, isa, rng):
    x, codes, levels = cells(rng, 1001, n_levels, dtype)
    grad = np.empty_like(x)
    assert KERNELS[kind](x, codes, levels, 0.3, 1.0, None) == KERNELS[kind](x, codes, levels, 0.3, 1.0, grad)


@kinds
@dtypes
@pytest.mark.parametrize("n", [8191, 8192, 8193, 200_000, 70 * 8192 + 5])  # in one part, in some, in parts of 2 x 8192
def test_threads_change_no_bit_and_lose_no_cell(kind, n, dtype, rng):
    x, codes, levels = cells(rng, n, 2, dtype)
    grad, other = np.full_like(x, np.nan), np.full_like(x, np.nan)
    value = KERNELS[kind](x, codes, levels, 0.3, 0.7, grad)
    for n_threads in (2, 3, 100):
        assert KERNELS[kind](x, codes, levels, 0.3, 0.7, other, n_threads) == value
        np.testing.assert_array_equal(other, grad)
    wanted, wanted_grad = reference.smooth_loss(kind, x.astype(np.float64), codes, levels.astype(np.float64), 0.3, 0.7)
    assert value == pytest.approx(wanted, rel=20 * TOLERANCE[dtype])
    np.testing.assert_allclose(grad, wanted_grad, rtol=0, atol=100 * TOLERANCE[dtype])


@kinds
@level_counts
def test_gradient_agrees_with_central_differences(kind, n_levels, isa, rng):
    step = 1e-6
    x, codes, levels = cells(rng, 1, n_levels, np.float64, missing=0)
    for _ in range(20):
        grad = np.empty_like(x)
        KERNELS[kind](x, codes, levels, 0.3, 1.0, grad)
        ends = [KERNELS[kind](x + sign * step, codes, levels, 0.3, 1.0, None) for sign in (1, -1)]
        assert grad[0, 0] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-7)
        x, codes, levels = cells(rng, 1, n_levels, np.float64, missing=0)


@kinds
@dtypes
@level_counts
def test_missing_cells_add_nothing(kind, dtype, n_levels, isa, rng):
    x, codes, levels = cells(rng, 100, n_levels, dtype)
    codes[:] = -1
    x[::7] = 1e30  # whatever was reconstructed there
    grad = np.full_like(x, np.nan)
    assert KERNELS[kind](x, codes, levels, 0.3, 1.0, grad) == 0
    np.testing.assert_array_equal(grad, 0)
    assert _core.loss_hamming(x, codes, levels) == 0


@kinds
@dtypes
@level_counts
def test_losses_stay_finite_at_any_temperature(kind, dtype, n_levels, isa, rng):
    x, codes, levels = cells(rng, 1000, n_levels, dtype)
    for temperature in (1e-6, 1e-3, 1e3, 1e6):
        grad = np.empty_like(x)
        assert np.isfinite(KERNELS[kind](x, codes, levels, temperature, 1.0, grad))
        assert np.isfinite(grad).all()


@dtypes
@level_counts
def test_cold_soft_hamming_is_the_exact_distance(dtype, n_levels, isa, rng):
    x, codes, _ = cells(rng, 1000, n_levels, dtype)
    levels = np.linspace(-0.9, 0.9, n_levels, dtype=dtype)
    middle = np.abs(x - (levels[:-1] + levels[1:]) / 2).min(axis=1)
    codes[middle < 1e-3] = -1  # too near a tie to be decided
    value = _core.loss_soft_hamming(x, codes, levels, 1e-5, 1.0, None)
    assert value == pytest.approx(_core.loss_hamming(x, codes, levels), abs=1e-3)


@dtypes
@level_counts
def test_hamming_counts_exactly(dtype, n_levels, isa, rng):
    for n in SIZES:
        x, codes, levels = cells(rng, n, n_levels, dtype)
        assert _core.loss_hamming(x, codes, levels) == reference.hamming(x, codes, levels)


@dtypes
def test_hamming_takes_the_lower_symbol_on_a_tie(dtype, isa):
    levels = np.array([-0.5, 0.5], dtype)
    x = np.zeros((40, 1), dtype)
    assert _core.loss_hamming(x, np.zeros((40, 1), np.int8), levels) == 0
    assert _core.loss_hamming(x, np.ones((40, 1), np.int8), levels) == 40


@dtypes
@level_counts
def test_hamming_counts_nan_as_some_symbol(dtype, n_levels, isa, rng):
    """No reconstruction, however broken, is worse than one wrong cell each."""
    x, codes, levels = cells(rng, 100, n_levels, dtype, missing=0)
    x[:] = np.nan
    assert 0 <= _core.loss_hamming(x, codes, levels) <= 100


@kinds
def test_losses_refuse(kind):
    x = np.zeros((4, 3), np.float32)
    codes = np.zeros((4, 3), np.int8)
    levels = np.array([-0.5, 0.5], np.float32)
    loss = KERNELS[kind]
    bad_code = codes.copy()
    for code, shown in [(2, "got 2"), (127, "got 127"), (-2, "got -2"), (-128, "got -128")]:
        bad_code[3, 2] = code
        with pytest.raises(ValueError, match=rf"codes must be -1 \(missing\) or 0 to 1, {shown}"):
            loss(x, bad_code, levels, 1.0, 1.0, None)
        with pytest.raises(ValueError, match="codes must be -1"):
            _core.loss_hamming(x, bad_code, levels)
    with pytest.raises(ValueError, match=r"codes has shape \(3, 4\), x has \(4, 3\)"):
        loss(x, codes.reshape(3, 4), levels, 1.0, 1.0, None)
    with pytest.raises(ValueError, match=r"grad has shape \(4, 2\)"):
        loss(x, codes, levels, 1.0, 1.0, np.zeros((4, 2), np.float32))
    with pytest.raises(TypeError, match="levels has dtype float64, expected float32"):
        loss(x, codes, levels.astype(np.float64), 1.0, 1.0, None)
    with pytest.raises(TypeError, match="codes has dtype int64"):
        loss(x, codes.astype(np.int64), levels, 1.0, 1.0, None)
    for n_levels in (1, 128):
        with pytest.raises(ValueError, match="expected 2 to 127 levels"):
            loss(x, codes, np.zeros(n_levels, np.float32), 1.0, 1.0, None)
