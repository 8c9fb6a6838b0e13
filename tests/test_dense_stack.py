# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from fastae import DenseStack
from fastae.layers import count_params, round_latents

CASES = [
    ([3, 2], ["identity"]),
    ([1, 1, 1], ["tanh", "tanh"]),
    ([10, 8, 6, 4, 3, 6, 10], ["tanh"] * 6),
    ([5, 17, 33], ["tanh", "identity"]),
]
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}


def make(sizes, activations, dtype, n=5, seed=0):
    rng = np.random.default_rng(seed)
    params = rng.normal(0, 0.5, count_params(sizes)).astype(dtype)
    x = rng.uniform(-1, 1, (n, sizes[0])).astype(dtype)
    return DenseStack(sizes, activations, params), x, rng


def close(actual, desired, dtype):
    np.testing.assert_allclose(actual, desired, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize(("sizes", "activations"), CASES)
def test_forward_is_the_formula(sizes, activations):
    stack, x, _ = make(sizes, activations, np.float64)
    expected = x
    for (weights, biases), activation in zip(stack.layers(), activations, strict=True):
        expected = expected @ weights.T + biases
        expected = np.tanh(expected) if activation == "tanh" else expected
    np.testing.assert_allclose(stack.output(stack.forward(x)), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("sizes", "activations"), CASES)
def test_unit_tangents_give_the_gradient_of_reverse_mode(sizes, activations, dtype):
    stack, x, rng = make(sizes, activations, dtype)
    h = stack.forward(x)
    y_bar = rng.normal(size=(len(x), sizes[-1])).astype(dtype)
    for forward_mode, reverse_mode in zip(stack.unit_tangents(x, h, y_bar), stack.reverse(x, h, y_bar), strict=True):
        close(forward_mode, reverse_mode, dtype)


@pytest.mark.parametrize(("sizes", "activations"), CASES)
def test_gradients_agree_with_central_differences(sizes, activations):
    stack, x, rng = make(sizes, activations, np.float64)
    y_bar = rng.normal(size=(len(x), sizes[-1]))

    def value(params, x):
        other = stack.with_params(params)
        return (other.output(other.forward(x)) * y_bar).sum()

    params_bar, x_bar = stack.reverse(x, stack.forward(x), y_bar)
    step = 1e-6
    for _ in range(5):
        u, v = rng.normal(size=stack.n_params), rng.normal(size=x.shape)
        ahead, behind = value(stack.params + step * u, x + step * v), value(stack.params - step * u, x - step * v)
        slope = params_bar @ u + (x_bar * v).sum()
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("sizes", "activations"), CASES)
def test_tangents_together_are_tangents_one_by_one(sizes, activations, dtype):
    stack, x, rng = make(sizes, activations, dtype)
    h = stack.forward(x)
    params_dot = rng.normal(size=(4, stack.n_params)).astype(dtype)
    x_dot = rng.normal(size=(4, *x.shape)).astype(dtype)
    together = stack.tangent(x, h, params_dot, x_dot)
    for k in range(4):
        close(stack.tangent(x, h, params_dot[k : k + 1], x_dot[k : k + 1])[0], together[k], dtype)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_any_number_of_rows_passes(n):
    stack, x, _ = make([4, 3, 2], ["tanh", "tanh"], np.float32, n=n)
    h = stack.forward(x)
    assert stack.output(h).shape == (n, 2)
    params_bar, x_bar = stack.reverse(x, h, np.ones((n, 2), dtype=np.float32))
    assert x_bar.shape == (n, 4)
    assert params_bar.any() == (n > 0)


def test_layers_are_views_of_the_parameters():
    stack, x, _ = make([3, 2], ["identity"], np.float64)
    weights, biases = stack.layers()[0]
    weights[:] = 0
    biases[:] = [1, 2]
    np.testing.assert_array_equal(stack.output(stack.forward(x)), np.tile([1.0, 2.0], (5, 1)))


@pytest.mark.parametrize(
    ("sizes", "activations", "n_params", "message"),
    [
        ([3], [], 0, "1 to 64 layers"),
        ([3, 0], ["tanh"], 0, "1 to 16777216"),
        ([3, 2], ["tanh", "tanh"], 8, "2 activations for 1 layers"),
        ([3, 2], ["relu"], 8, "'identity' or 'tanh'"),
        ([3, 2], ["tanh"], 7, r"need \(8,\)"),
    ],
)
def test_stacks_that_do_not_fit_together_are_refused(sizes, activations, n_params, message):
    with pytest.raises(ValueError, match=message):
        DenseStack(sizes, activations, np.zeros(n_params))


def test_parameters_must_be_an_array_since_they_are_kept():
    with pytest.raises(TypeError, match="params is list; give an array"):
        DenseStack([1, 1], ["tanh"], [1.0, 2.0])


def test_sizes_can_come_from_an_iterator():
    assert DenseStack(iter([2, 1]), ["tanh"], np.zeros(3)).sizes == (2, 1)


def test_integer_parameters_are_refused():
    with pytest.raises(TypeError, match="float32 or float64"):
        DenseStack([3, 2], ["tanh"], np.zeros(8, dtype=int))


@pytest.mark.parametrize("bits", range(1, 9))
def test_rounded_latents_are_those_that_are_stored(bits):
    from fastae.latents import dequantize_latents, quantize_latents

    z = np.random.default_rng(0).uniform(-1, 1, (50, 7)).astype(np.float32)
    z[0] = [-1, 1, 0, -0.0, 1e-8, -1e-8, 0.5]
    rounded = round_latents(z, bits)
    np.testing.assert_array_equal(rounded, dequantize_latents(quantize_latents(z, bits), bits))
    np.testing.assert_array_equal(round_latents(rounded, bits), rounded)
    assert len(np.unique(rounded)) <= 2**bits


def test_latents_outside_their_range_round_to_its_ends():
    assert round_latents(np.array([[-3.0, 3.0]]), 2).tolist() == [[-1.0, 1.0]]


def test_parameters_that_are_not_aligned_are_refused_with_what_helps():
    params = np.frombuffer(bytes(25), dtype=np.uint8)[1:].view(np.float64)
    with pytest.raises(ValueError, match=r"params are not aligned in memory.*; give params.copy\(\)"):
        DenseStack([2, 1], ["tanh"], params)
    DenseStack([2, 1], ["tanh"], params.copy())
    stack, x = DenseStack([2, 1], ["tanh"], np.zeros(3)), params[:2].reshape(1, 2)
    with pytest.raises(ValueError, match=r"numpy.require\(array, requirements='CA'\) makes it so"):
        stack.predict(x)
    stack.predict(np.require(x, requirements="CA"))
