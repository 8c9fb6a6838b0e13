# SPDX-License-Identifier: Apache-2.0
"""Proofs over the table of gradient modes and over networks of every shape."""

import functools

import numpy as np
import pytest
from networks import NETWORKS, N, make

from fastae import (
    GRADIENT_MODES,
    Adam,
    Encoder,
    ForwardGradient,
    Trainer,
    compose,
    value_and_grad,
    vjp,
)
from fastae import gradient_modes as module

EXACT = [name for name, mode in GRADIENT_MODES.items() if mode.exact]
TOLERANCE = {np.float64: 1e-10, np.float32: 1e-4}


def assert_close(got, expected, tolerance):
    """Equal but for a share of the largest entry."""
    scale = np.abs(expected).max()
    assert scale > 1e-4
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


def loss_of(model, loss, X):
    """The function (params, x) -> mean loss, for jvp and vjp, and x."""
    codes = loss.alphabet.to_codes(X)
    return compose(loss.bind(codes), model), loss.alphabet.to_levels(codes, model.encoder.dtype)


def test_the_table_has_every_mode():
    assert list(GRADIENT_MODES) == ["forward", "mixed", "reverse", "forward_gradient", "naive"]
    assert set(GRADIENT_MODES) - set(EXACT) == {"forward_gradient"}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("latent_bits", [None, 2])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("mode", EXACT)
def test_exact_modes_agree_with_vjp_of_the_composition(mode, name, latent_bits, dtype):
    fun, x = loss_of(*make(name, np.float64, latent_bits))
    expected_value, pull = vjp(fun, fun.params, x)
    model, loss, X = make(name, dtype, latent_bits)
    value, gradient = value_and_grad(model, loss, X, mode)
    assert gradient.dtype == dtype
    assert value == pytest.approx(expected_value, rel=TOLERANCE[dtype])
    assert_close(gradient, pull(1.0)[0], TOLERANCE[dtype])


@functools.cache
def difference_quotients(name, latent_bits):
    """The gradient by central differences, rounding taken for a shift of the latents that stays: straight through."""
    model, loss, X = make(name, latent_bits=latent_bits)
    codes = loss.alphabet.to_codes(X)
    x = loss.alphabet.to_levels(codes, np.float64)
    shift = model.transform(x) - model.encoder(x)
    params, step = model.params, 1e-5

    def value(at):
        model.params = at
        return loss.loss(model.decoder(model.encoder(x) + shift), codes)

    units = step * np.eye(params.size)
    return np.array([(value(params + unit) - value(params - unit)) / (2 * step) for unit in units])


@pytest.mark.parametrize("latent_bits", [None, 2])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("mode", EXACT)
def test_exact_modes_agree_with_central_differences_of_every_parameter(mode, name, latent_bits):
    _, gradient = value_and_grad(*make(name, latent_bits=latent_bits), mode)
    assert_close(gradient, difference_quotients(name, latent_bits), 1e-7)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("mode", GRADIENT_MODES)
def test_a_row_of_which_nothing_is_known_adds_nothing(mode, name):
    model, loss, X = make(name)  # the last row is such a one
    if GRADIENT_MODES[mode].exact:  # an estimate draws other directions for other rows
        value, gradient = value_and_grad(model, loss, X, mode)
        value_without, gradient_without = value_and_grad(model, loss, X[:-1], mode)
        assert value == pytest.approx(value_without, rel=1e-12)
        np.testing.assert_allclose(gradient, gradient_without, rtol=0, atol=1e-12)
    value, gradient = value_and_grad(model, loss, X[-1:], mode)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_naive_tangents_in_parts_give_what_they_give_together(monkeypatch):
    model, loss, X = make("worked example")
    together = value_and_grad(model, loss, X, "naive")[1]
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 1)
    alone = value_and_grad(model, loss, X, "naive")[1]
    np.testing.assert_allclose(alone, together, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("mode", GRADIENT_MODES)
def test_a_plan_can_be_used_again_and_sees_new_parameters(mode):
    model, loss, X = make("worked example")
    encoder, decoder = model.encoder.stack, model.decoder.stack
    gradient = GRADIENT_MODES[mode].plan(encoder, decoder, N, np.random.default_rng(3))
    codes = loss.alphabet.to_codes(X)
    x = loss.alphabet.to_levels(codes, np.float64)
    rng = np.random.default_rng(3)
    for _ in range(2):
        h_encoder = encoder.forward(x)
        z = encoder.output(h_encoder)
        h_decoder = decoder.forward(z)
        _, xhat_bar = loss.loss_gradient(decoder.output(h_decoder), codes)
        bars = np.full(encoder.n_params, np.nan), np.full(decoder.n_params, np.nan)
        gradient(x, h_encoder, z, h_decoder, xhat_bar, *bars)
        np.testing.assert_array_equal(np.concatenate(bars), value_and_grad(model, loss, X, mode, seed=rng)[1])
        model.params = model.params + 0.1


@pytest.mark.parametrize("mode", [*GRADIENT_MODES, ForwardGradient(3, "activity"), ForwardGradient(3, "weight")])
def test_threads_that_share_rows_give_the_same_bits(mode):
    problem = make("one layer each", np.float32, n=1500)
    expected = value_and_grad(*problem, mode)
    for n_threads in (2, 3):
        value, gradient = value_and_grad(*problem, mode, n_threads=n_threads)
        assert value == expected[0]
        np.testing.assert_array_equal(gradient, expected[1])


@pytest.mark.parametrize(
    "gradient", [*GRADIENT_MODES.values(), ForwardGradient(3, "weight")], ids=lambda mode: type(mode).__name__
)
def test_a_mode_object_serves_where_a_name_does(gradient):
    model, loss, X = make("worked example", np.float32)
    before = model.params
    value, _ = value_and_grad(model, loss, X, gradient)
    trainer = Trainer(model.encoder, model.decoder, loss=loss, gradient=gradient)
    assert trainer.step(X) == pytest.approx(value, rel=1e-6)
    assert (model.params != before).mean() > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_decides_what_a_trainer_estimates(seed):
    def train(seed):
        model, loss, X = make("worked example", np.float32)
        mode = ForwardGradient(n_tangents=2)
        trainer = Trainer(model.encoder, model.decoder, loss=loss, gradient=mode, batch_size=3, seed=seed)
        trainer.fit(X, n_epochs=3)
        return model.params

    np.testing.assert_array_equal(train(seed), train(seed))
    assert (train(seed) != train(seed + 1)).any()


def test_a_gradient_fits_the_parameters_and_an_optimiser_of_all_of_them():
    model, loss, X = make("worked example")
    params = model.params
    adam = Adam(params)
    values = []
    for _ in range(200):
        value, gradient = value_and_grad(model, loss, X)
        values.append(value)
        adam.update(gradient, 0.02)
        model.params = params
    assert values[-1] < 0.5 * values[0]
    np.testing.assert_array_equal(model.encoder.params, params[: model.encoder.params.size])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"gradient": "backward"}, ValueError, "gradient is 'backward'; it can be 'forward', 'mixed', 'reverse'"),
        ({"gradient": 3}, TypeError, "gradient is 3; it can be"),
        ({"gradient": ForwardGradient}, TypeError, "a mode such as ForwardGradient"),
        ({"model": Encoder([4, 2])}, TypeError, "model is Encoder; give a Chain"),
        ({"loss": "hamming"}, TypeError, "loss is 'hamming'; give a loss"),
        ({"X": [[b"A", b"C"]]}, ValueError, r"X has shape \(1, 2\); give one or more rows of 10 symbols"),
        ({"X": np.empty((0, 10), "S1")}, ValueError, "one or more rows"),
        ({"X": [[b"9"] * 10]}, ValueError, "9"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_value_and_grad_refuses_what_does_not_fit(arguments, error, message):
    model, loss, X = make("worked example")
    with pytest.raises(error, match=message):
        value_and_grad(**{"model": model, "loss": loss, "X": X} | arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_tangents": 0}, ValueError, "n_tangents must be 1 or more, got 0"),
        ({"n_tangents": 1.5}, TypeError, "n_tangents must be an integer"),
        ({"perturb": "weights"}, ValueError, "perturb is 'weights'; it can be 'activity' or 'weight'"),
        ({"perturb": None}, TypeError, "perturb is None; it can be 'activity' or 'weight'"),
    ],
)
def test_forward_gradient_refuses_options_that_cannot_be(options, error, message):
    with pytest.raises(error, match=message):
        ForwardGradient(**options)


def test_parameters_that_do_not_fit_a_chain_are_refused():
    model, _, _ = make("worked example")
    with pytest.raises(ValueError, match="params has 3 elements, expected 279"):
        model.params = np.zeros(3)
    with pytest.raises(ValueError, match="NaN"):
        model.params = np.full(279, np.nan)
