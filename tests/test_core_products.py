# SPDX-License-Identifier: Apache-2.0
"""Large products, most of float32: a layer without activation is one, its reverse mode two more, in other orders of
strides, and its forward mode two that are summed."""

import numpy as np
import pytest
from conftest import ISAS

from fastae import _core

# rows, width in, width out: just large enough for tiles, and awkward beyond them
SHAPES = [(64, 64, 64), (65, 97, 66), (79, 64, 95), (96, 79, 64), (200, 300, 70), (256, 64, 520), (257, 130, 129)]
BLOCKS = (43, 1030, 521)  # so wide that both operands are packed, in several blocks
ULP = np.finfo(np.float32).eps


def products(x, w, bias, y_bar):
    """x w^T + bias, y_bar^T x, y_bar w of arrays of one type."""
    kernel = _core.Stack(np.array([w.shape[1], w.shape[0]]), np.zeros(1, np.int32))
    params = np.concatenate([w.ravel(), bias])
    y = np.full(y_bar.shape, np.nan, x.dtype)
    kernel.forward(params, x, y.reshape(-1))
    work = np.full(kernel.reverse_work(len(x)), np.nan, x.dtype)
    params_bar, x_bar = np.full_like(params, np.nan), np.full_like(x, np.nan)
    kernel.reverse(params, x, y.reshape(-1), y_bar, work, params_bar, x_bar)
    return y, params_bar[: w.size].reshape(w.shape), x_bar


def exact_and_magnitude(x, w, bias, y_bar):
    """The same in float64, and the sums of the terms' magnitudes, which errors are measured by."""
    x, w, bias, y_bar = (array.astype(np.float64) for array in (x, w, bias, y_bar))
    exact = x @ w.T + bias, y_bar.T @ x, y_bar @ w
    x, w, bias, y_bar = map(np.abs, (x, w, bias, y_bar))
    return exact, (x @ w.T + bias, y_bar.T @ x, y_bar @ w)


def draw(rng, shape, scaling):
    numbers = rng.normal(size=shape)
    if scaling == "positive":
        numbers = np.abs(numbers)
    elif scaling == "rows":
        numbers *= 10 ** rng.uniform(-5, 5, (*shape[:-1], 1))
    elif scaling == "all":
        numbers *= 10 ** rng.uniform(-4, 4, shape)
    elif scaling == "cancelling":  # sums of the whole depth are far smaller than their terms
        half = shape[-1] // 2
        numbers[..., half : 2 * half] = -numbers[..., :half] * (1 + 1e-6 * rng.normal(size=numbers[..., :half].shape))
    elif scaling == "tiny":
        numbers *= 1e-15
    return numbers.astype(np.float32)


def draw_layer(rng, shape, scaling="plain"):
    n, d_in, d_out = shape
    x, w = draw(rng, (n, d_in), scaling), draw(rng, (d_out, d_in), "plain" if scaling == "cancelling" else scaling)
    if scaling == "cancelling":
        half = d_in // 2
        w[:, half : 2 * half] = w[:, :half]
    return x, w, draw(rng, (d_out,), "plain") * np.float32(scaling == "plain"), draw(rng, (n, d_out), scaling)


@pytest.fixture(params=["plain", "positive", "rows", "all", "cancelling", "tiny"])
def scaling(request):
    return request.param


@pytest.mark.parametrize("shape", [*SHAPES, BLOCKS], ids=lambda shape: "x".join(map(str, shape)))
def test_products_have_the_error_of_float32(shape, scaling, isa, rng):
    """At most what summation one by one in float32 loses by random roundings."""
    layer = draw_layer(rng, shape, scaling)
    exact, magnitude = exact_and_magnitude(*layer)
    for got, wanted, scale, depth in zip(
        products(*layer), exact, magnitude, (shape[1], shape[0], shape[2]), strict=True
    ):
        error = np.abs(got - wanted) / np.maximum(scale, np.finfo(np.float32).tiny)
        assert error.max() <= ULP * (4 + 0.5 * np.sqrt(depth))


@pytest.mark.parametrize("shape", [(65, 97, 66), BLOCKS], ids=lambda shape: "x".join(map(str, shape)))
def test_products_have_the_error_of_float64(shape, isa, rng):
    n, d_in, d_out = shape
    x, w, bias, y_bar = (rng.normal(size=size) for size in ((n, d_in), (d_out, d_in), d_out, (n, d_out)))
    for got, wanted in zip(products(x, w, bias, y_bar), (x @ w.T + bias, y_bar.T @ x, y_bar @ w), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)


@pytest.mark.skipif("amx" not in ISAS, reason="this machine has no AMX")
@pytest.mark.parametrize("shape", [(256, 512, 128), (256, 64, 512)])
def test_amx_is_as_accurate_as_fma(shape, scaling, rng):
    layer = draw_layer(rng, shape, scaling)
    exact, magnitude = exact_and_magnitude(*layer)
    errors = []
    for mask in (0xFFFFFFFF, ~_core.CPU_FEATURES["amx_bf16"] & 0xFFFFFFFF):
        _core.cpu_set_mask(mask)
        errors.append([np.abs(got - e) / m for got, e, m in zip(products(*layer), exact, magnitude, strict=True)])
    _core.cpu_set_mask(0xFFFFFFFF)
    for amx, fma in zip(*errors, strict=True):
        assert not np.array_equal(amx, fma)  # they are two bodies
        assert amx.max() <= 2 * fma.max()
        assert np.sqrt((amx**2).mean()) <= np.sqrt((fma**2).mean())


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-38, 1e-41, 1.5e-45])
@pytest.mark.parametrize("where", ["x", "w", "all of x", "a row of x"])
def test_numbers_at_the_ends_of_float32_are_as_in_scalar_code(value, where, isa, rng):
    """Infinities, NaN and overflow stay in their row or column; the smallest numbers lose nothing by the way."""
    x, w, bias, y_bar = draw_layer(rng, (100, 70, 90))
    target = {"x": x[50:51, 20:21], "w": w[80:81, 3:4], "all of x": x, "a row of x": x[99:]}[where]
    target[...] = value
    bias[:] = 0
    if where == "all of x" and abs(value) < 1:  # products of two small numbers, and sums of them that are none
        w *= np.float32(1e-3)
    with np.errstate(invalid="ignore", over="ignore"):
        exact, magnitude = exact_and_magnitude(x, w, bias, y_bar)
        wanted = [array.astype(np.float32) for array in exact]
    for got, want, scale in zip(products(x, w, bias, y_bar), wanted, magnitude, strict=True):
        sure = ~(np.isfinite(scale) & (scale > 3e38))  # whether such a sum overflows on its way is the order's affair
        np.testing.assert_array_equal(np.isnan(got[sure]), np.isnan(want[sure]))
        np.testing.assert_array_equal(got[sure & np.isinf(want)], want[sure & np.isinf(want)])
        finite = sure & np.isfinite(want)
        error = np.abs(got[finite].astype(np.float64) - want[finite])
        assert np.all(error <= 8 * ULP * scale[finite] + 70 * 2.0**-149)


@pytest.mark.parametrize("shape", SHAPES[4:])
@pytest.mark.parametrize("short", ["x", "w", "both"])
def test_factors_of_few_bits_are_multiplied_as_beside_others(shape, short, isa, rng):
    """Tiles leave out products that are zero where all numbers are bfloat16: no bit may tell."""
    x, w, bias, y_bar = draw_layer(rng, shape)
    for name, numbers in (("x", x), ("w", w)):
        if short in (name, "both"):
            numbers[:] = rng.choice([-0.75, -0.25, 0.25, 0.75], numbers.shape)
    levels_only = products(x, w, bias, y_bar)[0]
    x[::16, 0] = w[::16, 0] = 1 / 3  # in every tile a number of more bits
    mixed = products(x, w, bias, y_bar)[0]
    rows, columns = (np.arange(size) % 16 != 0 for size in mixed.shape)
    np.testing.assert_array_equal(mixed[rows][:, columns], levels_only[rows][:, columns])
    exact, magnitude = exact_and_magnitude(x, w, bias, y_bar)
    assert (np.abs(mixed - exact[0]) <= np.sqrt(shape[1]) * ULP * magnitude[0]).all()


def with_tangents(x, w, bias, x_dot, w_dot, bias_dot):
    """The layer and its tangent by forward mode; of a tangent with one part held fixed, None stands for it."""
    kernel = _core.Stack(np.array([w.shape[1], w.shape[0]]), np.zeros(1, np.int32))
    params_dot = None if w_dot is None else np.concatenate([w_dot.ravel(), bias_dot])
    return kernel.jvp(np.concatenate([w.ravel(), bias]), x, params_dot, x_dot)


@pytest.mark.parametrize("moving", ["both", "x", "params"])
@pytest.mark.parametrize("shape", [*SHAPES, (300, 600, 600)], ids=lambda shape: "x".join(map(str, shape)))
def test_tangents_have_the_error_of_float32(shape, moving, isa, rng):
    (x, w, bias, _), (x_dot, w_dot, bias_dot, _) = draw_layer(rng, shape), draw_layer(rng, shape, "rows")
    x_dot, w_dot, bias_dot = x_dot * (moving != "params"), w_dot * (moving != "x"), bias_dot * (moving != "x")
    exact = [array.astype(np.float64) for array in (x, w, x_dot, w_dot, bias_dot)]
    wanted, scale = (a @ e.T + c @ b.T + d for a, b, c, e, d in (map(f, exact) for f in (np.asarray, np.abs)))
    y, y_dot = with_tangents(
        x, w, bias, x_dot if moving != "params" else None, w_dot if moving != "x" else None, bias_dot
    )
    assert np.all(np.abs(y_dot - wanted) <= ULP * (4 + 0.5 * np.sqrt(2 * shape[1])) * scale)
    kernel = _core.Stack(np.array([w.shape[1], w.shape[0]]), np.zeros(1, np.int32))
    np.testing.assert_array_equal(y, kernel.predict(np.concatenate([w.ravel(), bias]), x))


@pytest.mark.skipif("amx" not in ISAS, reason="this machine has no AMX")
@pytest.mark.parametrize("shape", [(256, 512, 128), (256, 64, 512)])
def test_tangents_by_amx_are_as_accurate_as_by_fma(shape, scaling, rng):
    (x, w, bias, _), (x_dot, w_dot, bias_dot, _) = draw_layer(rng, shape, scaling), draw_layer(rng, shape, scaling)
    exact = [array.astype(np.float64) for array in (x, w, x_dot, w_dot, bias_dot)]
    wanted, scale = (a @ e.T + c @ b.T + d for a, b, c, e, d in (map(f, exact) for f in (np.asarray, np.abs)))
    errors = []
    for mask in (0xFFFFFFFF, ~_core.CPU_FEATURES["amx_bf16"] & 0xFFFFFFFF):
        _core.cpu_set_mask(mask)
        errors.append(np.abs(with_tangents(x, w, bias, x_dot, w_dot, bias_dot)[1] - wanted) / scale)
    _core.cpu_set_mask(0xFFFFFFFF)
    amx, fma = errors
    assert not np.array_equal(amx, fma)
    assert amx.max() <= 2 * fma.max()
    assert np.sqrt((amx**2).mean()) <= np.sqrt((fma**2).mean())


@pytest.mark.parametrize("value", [1e30, -3e38, 1e-41])
def test_tangents_at_the_ends_of_float32_stay_in_their_rows(value, isa, rng):
    (x, w, bias, _), (x_dot, w_dot, bias_dot, _) = draw_layer(rng, (200, 70, 90)), draw_layer(rng, (200, 70, 90))
    _, plain = with_tangents(x, w, bias, x_dot, w_dot, bias_dot)
    x_dot[100, 20] = value
    exact = [array.astype(np.float64) for array in (x, w, x_dot, w_dot, bias_dot)]
    wanted, scale = (a @ e.T + c @ b.T + d for a, b, c, e, d in (map(f, exact) for f in (np.asarray, np.abs)))
    with np.errstate(over="ignore"):
        _, y_dot = with_tangents(x, w, bias, x_dot, w_dot, bias_dot)
    sure = scale < 3e38
    assert sure.sum() >= 199 * 90
    assert np.all(np.abs(y_dot - wanted)[sure] <= 16 * ULP * scale[sure])
    np.testing.assert_array_equal(y_dot[:96], plain[:96])  # the next 32 may be made by another body
    np.testing.assert_array_equal(y_dot[128:], plain[128:])


@pytest.mark.parametrize("where", ["x", "x_dot", "params", "params_dot"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_number_that_is_not_finite_is_found_among_many(where, value, isa, rng):
    kernel = _core.Stack(np.array([100, 70, 40]), np.ones(2, np.int32))
    shapes = {"params": kernel.n_params, "x": (600, 100), "params_dot": kernel.n_params, "x_dot": (600, 100)}
    arrays = {name: draw(rng, shape, "plain") for name, shape in shapes.items()}
    kernel.jvp(*arrays.values())
    for at in (0, arrays[where].size // 2, arrays[where].size - 1):
        before = arrays[where].flat[at]
        arrays[where].flat[at] = value
        with pytest.raises(ValueError, match=f"^{where} holds NaN or infinity"):
            kernel.jvp(*arrays.values())
        arrays[where].flat[at] = before


def test_a_row_does_not_depend_on_the_others(isa, rng):
    x, w, bias, y_bar = draw_layer(rng, (256, 130, 96))
    whole, _, whole_bar = products(x, w, bias, y_bar)
    for first, last in [(0, 70), (33, 140), (190, 256)]:
        some, _, some_bar = products(x[first:last], w, bias, y_bar[first:last])
        np.testing.assert_array_equal(some, whole[first:last])
        np.testing.assert_array_equal(some_bar, whole_bar[first:last])
