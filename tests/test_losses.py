# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from fastae import DNA, DOSAGE, HAPLOTYPE, LOSSES, Alphabet, CrossEntropyLoss, HammingLoss

ALPHABETS = [HAPLOTYPE, DOSAGE, DNA]


def cells(alphabet, dtype=np.float64, shape=(6, 5), seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, alphabet.n_symbols, shape).astype(np.int8)
    return rng.uniform(-1.2, 1.2, shape).astype(dtype), codes


def probabilities(xhat, alphabet, temperature):
    exponent = -((xhat[..., None] - alphabet.levels) ** 2) / temperature
    p = np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: a.name)
def test_losses_are_their_formulas(alphabet):
    xhat, codes = cells(alphabet)
    known = codes >= 0
    p = np.take_along_axis(probabilities(xhat, alphabet, 0.3), np.maximum(codes, 0)[..., None].astype(int), -1)[..., 0]
    assert HammingLoss(alphabet, temperature=0.3).loss(xhat, codes) == pytest.approx((1 - p)[known].mean(), rel=1e-12)
    assert CrossEntropyLoss(alphabet, temperature=0.3).loss(xhat, codes) == pytest.approx(
        -np.log2(p[known]).mean(), rel=1e-12
    )
    assert HammingLoss(alphabet).exact(xhat, codes) == (alphabet.from_levels(xhat) != codes)[known].sum()


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: a.name)
@pytest.mark.parametrize("name", LOSSES)
def test_gradient_agrees_with_central_differences(name, alphabet):
    loss = LOSSES[name](alphabet)
    xhat, codes = cells(alphabet)
    value, gradient = loss.loss_gradient(xhat, codes)
    assert value == pytest.approx(loss.loss(xhat, codes), rel=1e-14)
    np.testing.assert_array_equal(gradient, loss.gradient(xhat, codes))
    step = 1e-6
    for place in np.ndindex(xhat.shape):
        nudge = np.zeros_like(xhat)
        nudge[place] = step
        difference = (loss.loss(xhat + nudge, codes) - loss.loss(xhat - nudge, codes)) / (2 * step)
        assert gradient[place] == pytest.approx(difference, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_single_precision_agrees_with_double(name):
    loss = LOSSES[name](DNA)
    xhat, codes = cells(DNA, np.float32)
    value, gradient = loss.loss_gradient(xhat, codes)
    value64, gradient64 = loss.loss_gradient(xhat.astype(np.float64), codes)
    assert gradient.dtype == np.float32
    assert value == pytest.approx(value64, rel=1e-4)
    np.testing.assert_allclose(gradient, gradient64, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_missing_cells_neither_count_nor_pull(name):
    loss = LOSSES[name](HAPLOTYPE)
    value, gradient = loss.loss_gradient([[0.2, 0.9]], [[1, -1]])
    assert value == loss.loss([[0.2]], [[1]])
    assert gradient[0, 1] == 0 != gradient[0, 0]
    assert loss.loss([[0.2]], [[-1]]) == 0
    assert loss.exact([[0.2]], [[-1]]) == 0


def test_surrogate_becomes_the_exact_distance_as_it_cools():
    xhat, codes = cells(DNA, shape=(40, 40))
    exact = HammingLoss(DNA).exact(xhat, codes) / (codes >= 0).sum()
    assert HammingLoss(DNA, temperature=1e-5).loss(xhat, codes) == pytest.approx(exact, rel=1e-3)
    near = DNA.to_levels(codes, np.float64) + 0.1  # all right, but not sure of it while it is warm
    assert HammingLoss(DNA).exact(near, codes) == 0
    assert HammingLoss(DNA, temperature=0.2).loss(near, codes) > 0.1
    assert HammingLoss(DNA, temperature=1e-2).loss(near, codes) < 1e-3


def test_haplotype_logit_is_twice_the_output():
    for x in (-2.0, 0.3, 5.0):
        bits = CrossEntropyLoss(HAPLOTYPE).loss([[x]], [[1]])
        assert bits == pytest.approx(np.log2(1 + np.exp(-2 * x)), rel=1e-12)


def test_losses_stay_finite_far_out():
    for loss in (HammingLoss(DNA, temperature=1e-3), CrossEntropyLoss(DNA, temperature=1e-3)):
        for dtype in (np.float32, np.float64):
            value, gradient = loss.loss_gradient(np.array([[-50, 50]], dtype=dtype), [[3, 0]])
            assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("xhat", "codes", "error"),
    [
        ([[0.1, 0.2]], [[0]], ValueError),
        ([0.1], [0], ValueError),
        ([[0.1]], [[2]], ValueError),
        ([[0.1]], [[-2]], ValueError),
        ([[np.nan]], [[0]], ValueError),
        ([[-np.inf]], [[0]], ValueError),
        ([["a"]], [[0]], TypeError),
        (None, [[0]], TypeError),
        ([[0.1]], None, TypeError),
        ([[0.1]], [[0.5]], TypeError),
    ],
)
def test_cells_that_are_none_are_refused(xhat, codes, error):
    loss = HammingLoss(HAPLOTYPE)
    for method in (loss.loss, loss.gradient, loss.exact):
        with pytest.raises(error):
            method(xhat, codes)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": np.nan}, {"final_temperature": -1.0}])
def test_temperatures_must_be_positive(options):
    with pytest.raises(ValueError, match="positive"):
        HammingLoss(HAPLOTYPE, **options)


def test_temperatures_follow_the_nearest_levels_of_an_alphabet():
    uneven = Alphabet("uneven", [0, 1, 2], levels=[-0.5, -0.3, 0.7])
    assert HammingLoss(uneven).temperature == pytest.approx(0.5 * 0.2**2)
    assert HammingLoss(uneven).final_temperature == pytest.approx(0.05 * 0.2**2)
    assert CrossEntropyLoss(uneven).temperature == CrossEntropyLoss(uneven).final_temperature == pytest.approx(0.2**2)


@pytest.mark.parametrize("loss", LOSSES.values())
@pytest.mark.parametrize("alphabet", ["DNA", None, (0, 1)])
def test_a_loss_wants_an_alphabet(loss, alphabet):
    with pytest.raises(TypeError, match="give an Alphabet, such as fastae.HAPLOTYPE"):
        loss(alphabet)


@pytest.mark.parametrize("name", ["temperature", "final_temperature"])
def test_temperatures_must_be_numbers(name):
    with pytest.raises(TypeError, match=f"^{name} must be a number, got str"):
        HammingLoss(DNA, **{name: "x"})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: a.name)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("temperature", [1e-30, 1e30])
def test_the_extreme_temperatures_give_numbers(temperature, name, alphabet, dtype):
    loss = LOSSES[name](alphabet, temperature=temperature, final_temperature=temperature)
    xhat = np.array([[-1e4, -1, 0, 0.1, 0.5, 2, 1e4]], dtype)
    for code in range(-1, alphabet.n_symbols):
        value, gradient = loss.loss_gradient(xhat, np.full(xhat.shape, code))
        assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", LOSSES)
def test_temperatures_beyond_the_arithmetic_are_refused(name):
    for temperature in 1e-320, 9e-31, 2e30, 1e300:
        with pytest.raises(ValueError, match=r"^temperature is .*; it must be 1e-30 to 1e\+30, for float32"):
            LOSSES[name](DNA, temperature=temperature)
        with pytest.raises(ValueError, match=r"^final_temperature is .*; it must be 1e-30 to 1e\+30, for float32"):
            LOSSES[name](DNA, final_temperature=temperature)
