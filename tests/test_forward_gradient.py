# SPDX-License-Identifier: Apache-2.0
"""The forward gradient is unbiased, has the variance that theory says, and falls to the gradient at the rate 1/sqrt(k).

Bounds are four standard deviations and more of what they bound, so that a right estimator passes for nearly every seed.
"""

import numpy as np
import pytest
from networks import make

from fastae import forward_gradient, value_and_grad
from fastae import gradient_modes as module

NAMES = ["one layer each", "identity", "worked example", "logits"]
PERTURB = ["activity", "weight"]


def variance(model, loss, X, perturb):
    """Mean squared distance of an estimate from one tangent to the gradient, by theory.

    With signs v, entry i of (g·v) v has the variance |g|² - g_i². "weight": g is the gradient. "activity": g is a row's
    gradient with respect to all pre-activations; entry i meets its inputs and the bias.
    """
    gradient = value_and_grad(model, loss, X)[1]
    if perturb == "weight":
        return (gradient.size - 1) * (gradient**2).sum()
    encoder, decoder = model.encoder.stack, model.decoder.stack
    codes = loss.alphabet.to_codes(X)
    x = loss.alphabet.to_levels(codes, np.float64)
    h_encoder = encoder.forward(x)
    z = model.rounded(encoder.output(h_encoder))
    h_decoder = decoder.forward(z)
    _, xhat_bar = loss.loss_gradient(decoder.output(h_decoder), codes)
    inputs = [x, *encoder.outputs(h_encoder)[:-1], z, *decoder.outputs(h_decoder)[:-1]]
    total = 0.0
    for row in range(len(x)):
        decoder_bar, z_bar = decoder.reverse(*at(row, decoder, z), xhat_bar[row : row + 1])
        encoder_bar, _ = encoder.reverse(*at(row, encoder, x), z_bar)
        layers = encoder.with_params(encoder_bar).layers() + decoder.with_params(decoder_bar).layers()
        whole = sum((bias_bar**2).sum() for _, bias_bar in layers)
        for (_, bias_bar), h in zip(layers, inputs, strict=True):
            total += (bias_bar.size * whole - (bias_bar**2).sum()) * ((h[row] ** 2).sum() + 1)
    return total


def at(row, stack, x):
    return x[row : row + 1], stack.forward(x[row : row + 1])


@pytest.mark.parametrize("latent_bits", [None, 2])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("perturb", PERTURB)
def test_the_mean_of_many_directions_is_the_gradient(perturb, name, latent_bits):
    problem = make(name, latent_bits=latent_bits)
    k = 40_000
    value, gradient = value_and_grad(*problem)
    value_too, estimate = forward_gradient(*problem, n_tangents=k, perturb=perturb, seed=11)
    assert value == value_too
    # its length along the gradient, whose standard deviation is at most sqrt(2 / k): sees a wrong scale
    assert estimate @ gradient / (gradient @ gradient) == pytest.approx(1, abs=4 * np.sqrt(2 / k))
    # its distance from the gradient: sees an error in any other direction
    assert ((estimate - gradient) ** 2).sum() == pytest.approx(variance(*problem, perturb) / k, rel=0.7)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("perturb", PERTURB)
def test_squared_error_falls_as_one_over_the_number_of_tangents(perturb, name):
    problem = make(name)
    gradient = value_and_grad(*problem)[1]
    expected = variance(*problem, perturb)
    rng = np.random.default_rng(12)
    for k in (1, 4, 16, 64):
        runs = [forward_gradient(*problem, n_tangents=k, perturb=perturb, seed=rng)[1] for _ in range(400)]
        squared = ((np.array(runs) - gradient) ** 2).sum(axis=1)
        assert squared.mean() * k == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize("name", NAMES)
def test_activities_give_less_variance_than_weights(name):
    problem = make(name)
    gradient = value_and_grad(*problem)[1]
    error = {}
    for perturb in PERTURB:
        runs = [forward_gradient(*problem, perturb=perturb, seed=seed)[1] for seed in range(300)]
        error[perturb] = ((np.array(runs) - gradient) ** 2).sum(axis=1).mean()
    assert variance(*problem, "activity") < 0.6 * variance(*problem, "weight")
    assert error["activity"] < error["weight"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("perturb", PERTURB)
def test_a_seed_draws_the_same_tangents_however_many_travel_together(perturb, name, monkeypatch):
    problem = make(name)
    _, together = forward_gradient(*problem, n_tangents=50, perturb=perturb, seed=2)
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 1)
    real, drawn = module._signs, []
    monkeypatch.setattr(module, "_signs", lambda rng, k, *rest: drawn.append(k) or real(rng, k, *rest))
    _, alone = forward_gradient(*problem, n_tangents=50, perturb=perturb, seed=2)
    assert drawn == [1] * 50
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-12 * np.abs(together).max())


@pytest.mark.parametrize(
    ("numbers", "parts"), [(1, [10]), (2**16, [4, 4, 2]), (2**17 + 1, [1] * 10), (2**30, [1] * 10)]
)
def test_as_many_tangents_travel_together_as_memory_is_set_aside_for(numbers, parts):
    assert module.NUMBERS_AT_ONCE == 2**18
    assert list(module._parts(10, numbers)) == parts


@pytest.mark.parametrize("perturb", PERTURB)
def test_a_seed_gives_the_same_bits_and_a_generator_goes_on(perturb):
    problem = make("worked example", np.float32)

    def estimate(seed):
        return forward_gradient(*problem, n_tangents=3, perturb=perturb, seed=seed)[1]

    np.testing.assert_array_equal(estimate(7), estimate(7))
    assert (estimate(7) != estimate(8)).any()
    rng = np.random.default_rng(7)
    np.testing.assert_array_equal(estimate(rng), estimate(7))
    assert (estimate(rng) != estimate(7)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_signs_are_even_and_independent(dtype):
    parts = module._signs(np.random.default_rng(4), 1000, [(5, 3), (18,)], np.dtype(dtype))
    assert [part.shape for part in parts] == [(1000, 5, 3), (1000, 18)]
    signs = np.concatenate([part.reshape(1000, -1) for part in parts], axis=1)
    assert signs.dtype == dtype and set(np.unique(signs)) == {-1, 1}
    # each of 33 * 34 / 2 products has the mean 0 and the standard deviation 1 / sqrt(1000)
    assert np.abs(signs.T @ signs / 1000 - np.eye(33)).max() < 5 / np.sqrt(1000)
    assert np.abs(signs.mean(axis=0)).max() < 5 / np.sqrt(1000)
