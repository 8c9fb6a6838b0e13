# SPDX-License-Identifier: Apache-2.0
"""Optimisers against their formulas, their states, and the schedules."""

import numpy as np
import pytest

from fastae import OPTIMIZERS, SCHEDULES, SGD, Adam, AdamW


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (SGD, {"momentum": 1.0}),
        (SGD, {"momentum": -0.1}),
        (Adam, {"beta1": 1.0}),
        (Adam, {"beta2": 2}),
        (Adam, {"epsilon": 0}),
        (Adam, {"epsilon": np.inf}),
        (AdamW, {"beta1": 1.0}),
        (AdamW, {"weight_decay": -0.1}),
        (AdamW, {"weight_decay": np.inf}),
        (AdamW, {"weight_decay": np.nan}),
    ],
)
def test_optimizers_refuse_options_that_diverge(optimizer, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        optimizer(np.zeros(3), **options)


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (SGD, {"momentum": "a"}),
        (Adam, {"beta1": None}),
        (Adam, {"beta2": "0.5"}),
        (Adam, {"epsilon": [1]}),
        (AdamW, {"weight_decay": "a"}),
    ],
)
def test_optimizers_refuse_options_that_are_no_numbers(optimizer, options):
    with pytest.raises(TypeError, match=f"{next(iter(options))} must be a number, got"):
        optimizer(np.zeros(3), **options)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_refuses_a_state_that_is_not_its_own(name):
    optimizer = OPTIMIZERS[name](np.zeros(3))
    optimizer.update(np.ones(3), 0.1)
    own = optimizer.get_state()
    kind = type(optimizer).__name__
    for other in ({}, {key: None for key in own}, OPTIMIZERS[name](np.zeros(4)).get_state()):
        with pytest.raises(
            ValueError, match=f"^(velocity|mean) is .*, this {kind}'s is float64 of shape \\(3,\\); give"
        ):
            optimizer.set_state(other)
    with pytest.raises(TypeError, match="the state is NoneType; give the dict"):
        optimizer.set_state(None)
    for key, array in optimizer.get_state().items():
        np.testing.assert_array_equal(array, own[key])


def test_adam_is_its_formula(rng):
    params = rng.normal(size=50)
    expected, mean, square = params.copy(), np.zeros(50), np.zeros(50)
    adam = Adam(params)
    for t in range(1, 6):
        gradient = rng.normal(size=50)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        expected -= 0.01 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        adam.update(gradient, 0.01)
    np.testing.assert_allclose(params, expected, rtol=1e-12)


def test_adamw_is_adam_on_parameters_that_shrank_by_their_share(rng):
    params = rng.normal(size=50)
    expected, mean, square = params.copy(), np.zeros(50), np.zeros(50)
    adamw = AdamW(params, weight_decay=0.1)
    for t, rate in enumerate([0.01, 0.02, 0.005], start=1):
        gradient = rng.normal(size=50)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        expected *= 1 - rate * 0.1
        expected -= rate * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        adamw.update(gradient, rate)
    np.testing.assert_allclose(params, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adamw_without_decay_is_adam_to_the_bit(dtype, rng):
    params = rng.normal(size=50).astype(dtype)
    other = params.copy()
    adam, adamw = Adam(params), AdamW(other, weight_decay=0.0)
    for _ in range(5):
        gradient = rng.normal(size=50).astype(dtype)
        adam.update(gradient, 0.01)
        adamw.update(gradient, 0.01)
    assert params.tobytes() == other.tobytes()


def test_momentum_is_its_formula(rng):
    params = rng.normal(size=50)
    expected, velocity = params.copy(), np.zeros(50)
    sgd = SGD(params, momentum=0.8)
    for _ in range(5):
        gradient = rng.normal(size=50)
        velocity = 0.8 * velocity + gradient
        expected -= 0.01 * velocity
        sgd.update(gradient, 0.01)
    np.testing.assert_allclose(params, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_goes_on_from_its_saved_state_to_the_same_bits(name, dtype, rng):
    gradients = rng.normal(size=(7, 20)).astype(dtype)
    params = rng.normal(size=20).astype(dtype)
    whole = OPTIMIZERS[name](params)
    for gradient in gradients[:4]:
        whole.update(gradient, 0.01)
    copy, state = params.copy(), whole.get_state()
    for gradient in gradients[4:]:
        whole.update(gradient, 0.01)  # must not change the state that was taken before
    resumed = OPTIMIZERS[name](copy)
    resumed.set_state(state)
    for gradient in gradients[4:]:
        resumed.update(gradient, 0.01)
    assert copy.tobytes() == params.tobytes()
    fresh, again = OPTIMIZERS[name](params), params.copy()
    fresh.update(gradients[0], 0.01)
    whole_again = OPTIMIZERS[name](again)
    whole_again.set_state(resumed.get_state())
    whole_again.update(gradients[0], 0.01)
    assert again.tobytes() != params.tobytes()  # the state matters


READ_ONLY = np.zeros(3)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (None, TypeError, "params is NoneType; give an array"),
        ([1.0, 2.0], TypeError, "params is list; give an array"),
        (np.zeros(3, int), TypeError, "the dtype of params must be float32 or float64"),
        (np.zeros((2, 2)), ValueError, r"params must be a writable .* of shape \(4,\), got float64 of shape \(2, 2\)"),
        (np.zeros(6)[::2], ValueError, "params must be a writable C-contiguous"),
        (READ_ONLY, ValueError, "params must be a writable C-contiguous"),
    ],
)
def test_parameters_that_cannot_be_updated_are_refused_at_once(name, params, error, message):
    with pytest.raises(error, match=message):
        OPTIMIZERS[name](params)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    ("gradient", "rate", "error", "message"),
    [
        (np.ones(3), None, TypeError, "learning_rate must be a number, got NoneType"),
        (np.ones(3), "0.1", TypeError, "learning_rate must be a number, got str"),
        (np.ones(3), np.nan, ValueError, "learning_rate is nan; it must be at least 0 and finite"),
        (np.ones(3), np.inf, ValueError, "learning_rate is inf"),
        (np.ones(3), -0.1, ValueError, "learning_rate is -0.1"),
        (np.ones(4), 0.1, ValueError, "shape"),
        (np.ones(3, np.float32), 0.1, TypeError, "float32"),
        (None, 0.1, TypeError, "NoneType"),
    ],
)
def test_an_update_that_cannot_be_changes_nothing(name, gradient, rate, error, message):
    params = np.ones(3)
    optimizer = OPTIMIZERS[name](params)
    before = optimizer.get_state()
    with pytest.raises(error, match=message):
        optimizer.update(gradient, rate)
    assert params.tolist() == [1, 1, 1]
    for key, array in optimizer.get_state().items():
        np.testing.assert_array_equal(array, before[key])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("rate", [np.float32(0.25), 0, 1])
def test_a_rate_may_be_any_number(name, rate):
    params, as_float = np.ones(3), np.ones(3)
    OPTIMIZERS[name](params).update(np.ones(3), rate)
    OPTIMIZERS[name](as_float).update(np.ones(3), float(rate))
    np.testing.assert_array_equal(params, as_float)


def test_an_optimiser_shows_its_options():
    params = np.zeros(3)
    assert repr(SGD(params)) == "SGD(momentum=0.9)"
    assert repr(SGD(params, momentum=0.5)) == "SGD(momentum=0.5)"
    assert repr(Adam(params)) == "Adam(beta1=0.9, beta2=0.999, epsilon=1e-08)"
    assert repr(AdamW(params)) == "AdamW(beta1=0.9, beta2=0.999, epsilon=1e-08, weight_decay=0.01)"


def test_schedules_start_and_end_where_they_should():
    assert SCHEDULES["constant"](0.0) == SCHEDULES["constant"](0.9) == 1
    assert [SCHEDULES["cosine"](t) for t in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert [SCHEDULES["onecycle"](t) for t in (0, 0.3, 1)] == pytest.approx([1 / 25, 1, 0])
    rates = [SCHEDULES["onecycle"](t) for t in np.linspace(0, 1, 101)]
    assert np.argmax(rates) == 30 and max(rates) <= 1 and min(rates) >= 0
