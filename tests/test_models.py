# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from fastae import HAPLOTYPE, Chain, Decoder, Encoder

SIZES = [10, 8, 6, 4, 3]


def by_formula(model, x):
    for weights, biases in model.layers[:-1]:
        x = np.tanh(x @ weights.T + biases)
    weights, biases = model.layers[-1]
    x = x @ weights.T + biases
    return np.tanh(x) if model.output_activation == "tanh" else x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 256, 257, 2055])  # the kernels take 256 rows at a time
def test_transforms_are_the_formula_for_any_number_of_rows(n, dtype, rng):
    encoder = Encoder(SIZES, dtype=dtype)
    decoder = Decoder(SIZES[::-1], output_activation="identity", dtype=dtype)
    x = rng.uniform(-1, 1, (n, 10)).astype(dtype)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-13}
    z = encoder.transform(x)
    assert z.shape == (n, 3) and z.dtype == dtype
    np.testing.assert_allclose(z, by_formula(encoder, x), **tolerance)
    np.testing.assert_allclose(decoder.inverse_transform(z), by_formula(decoder, z), **tolerance)


def test_models_are_callable():
    encoder, decoder = Encoder([4, 2]), Decoder([2, 4])
    model = Chain(encoder, decoder)
    x = HAPLOTYPE.to_levels([[0, 1, 1, 0]])
    np.testing.assert_array_equal(encoder(x), encoder.transform(x))
    np.testing.assert_array_equal(decoder(encoder(x)), decoder.inverse_transform(encoder.transform(x)))
    np.testing.assert_array_equal(model(x), decoder(encoder(x)))
    np.testing.assert_array_equal(model.inverse_transform(model.transform(x)), model(x))


def test_the_seed_draws_the_weights():
    assert (Encoder(SIZES, seed=1).params == Encoder(SIZES, seed=1).params).all()
    assert (Encoder(SIZES, seed=1).params != Encoder(SIZES, seed=2).params).any()
    single, double = Encoder(SIZES, seed=1), Encoder(SIZES, seed=1, dtype=np.float64)
    np.testing.assert_allclose(single.params, double.params, rtol=1e-6)


def test_drawn_weights_are_glorot_uniform_and_biases_zero():
    for weights, biases in Encoder([300, 200, 100]).layers:
        limit = np.sqrt(6 / sum(weights.shape))
        assert 0.99 * limit < abs(weights).max() <= limit
        assert weights.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)
        assert not biases.any()


def test_parameters_are_written_through_views_and_copied_when_given():
    params = np.arange(8, dtype=np.float32)
    encoder = Encoder([3, 2], params=params)
    weights, biases = encoder.layers[0]
    np.testing.assert_array_equal(weights, params[:6].reshape(2, 3))
    np.testing.assert_array_equal(biases, params[6:])
    weights[:] = 0
    assert not encoder.params[:6].any()
    assert params[1] == 1


def test_decoder_output_activation_is_its_own():
    assert Decoder([3, 6, 10]).stack.activations == ("tanh", "tanh")
    assert Decoder([3, 6, 10], output_activation="identity").stack.activations == ("tanh", "identity")
    assert Decoder([3, 6, 10], activation="identity").stack.activations == ("identity", "identity")


def test_rounded_latents_have_the_values_that_bits_can_say(rng):
    x = rng.uniform(-1, 1, (100, 10)).astype(np.float32)
    encoder, decoder = Encoder(SIZES), Decoder(SIZES[::-1])
    model = Chain(encoder, decoder, latent_bits=2)
    np.testing.assert_allclose(np.unique(model.transform(x)), [-1, -1 / 3, 1 / 3, 1], rtol=1e-6)
    assert abs(model.transform(x) - encoder.transform(x)).max() <= 1 / 3 + 1e-6
    np.testing.assert_array_equal(model(x), decoder(model.transform(x)))


def test_lists_strided_and_double_inputs_are_taken(rng):
    encoder = Encoder([4, 2])
    wide = rng.uniform(-1, 1, (5, 8))
    x = wide[:, ::2]
    expected = encoder.transform(np.ascontiguousarray(x, dtype=np.float32))
    np.testing.assert_array_equal(encoder.transform(x), expected)
    np.testing.assert_array_equal(encoder.transform(x.tolist()), expected)


def test_input_is_not_changed(rng):
    x = rng.uniform(-1, 1, (5, 4)).astype(np.float32)
    x.flags.writeable = False
    before = x.copy()
    Chain(Encoder([4, 2]), Decoder([2, 4]), latent_bits=1)(x)
    np.testing.assert_array_equal(x, before)


def test_a_wrong_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="X has 9 columns, the Encoder expects 10"):
        Encoder([10, 3]).transform(np.zeros((1, 9), dtype=np.float32))
    with pytest.raises(ValueError, match="Z has 10 columns, the Decoder expects 3"):
        Decoder([3, 10]).inverse_transform(np.zeros((1, 10)))
    with pytest.raises(ValueError, match="two dimensions"):
        Encoder([10, 3]).transform(np.zeros(10))


@pytest.mark.parametrize("x", [np.zeros((1, 10), dtype=np.int8), [[b"A"] * 10]])
def test_symbols_given_for_levels_are_refused(x):
    with pytest.raises(TypeError, match="to_levels"):
        Encoder([10, 3]).transform(x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_levels_and_latents_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="X holds NaN or infinity"):
        Encoder([2, 1]).transform([[0.5, value]])
    with pytest.raises(ValueError, match="Z holds NaN or infinity"):
        Decoder([2, 3]).inverse_transform(np.array([[value, 0.5]], np.float32))


def test_rows_of_uneven_lengths_are_refused_in_one_sentence():
    alphabet = (HAPLOTYPE.to_codes, "symbols"), (HAPLOTYPE.to_levels, "codes"), (HAPLOTYPE.from_levels, "x")
    for call, name in (Encoder([2, 1]), "X"), (Decoder([2, 3]), "Z"), *alphabet:
        with pytest.raises(ValueError, match=f"^{name} has rows of different lengths; give all of them the same$"):
            call([[0.0, 1.0], [1.0]])


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ([[10]], {}, ValueError),
        ([[10, 0]], {}, ValueError),
        ([[10, -3]], {}, ValueError),
        ([[10, 2.5]], {}, TypeError),
        ([10], {}, TypeError),
        ([None], {}, TypeError),
        ([[10, 3]], {"seed": "a"}, TypeError),
        ([[10, 3]], {"seed": -1}, ValueError),
        ([[10, 3]], {"activation": "relu"}, ValueError),
        ([[10, 3]], {"activation": ["tanh"]}, ValueError),
        ([[10, 3]], {"dtype": np.int8}, TypeError),
        ([[10, 3]], {"dtype": "float16"}, TypeError),
        ([[10, 3]], {"params": np.zeros(32)}, ValueError),
        ([[10, 3]], {"params": np.full(33, np.nan)}, ValueError),
    ],
)
@pytest.mark.parametrize("kind", [Encoder, Decoder])
def test_models_that_cannot_be_are_refused(kind, arguments, options, error):
    with pytest.raises(error):
        kind(*arguments, **options)


@pytest.mark.parametrize(
    ("encoder", "decoder", "options", "error"),
    [
        (Encoder([10, 3]), Decoder([4, 10]), {}, ValueError),
        (Encoder([10, 3]), Decoder([3, 9]), {}, ValueError),
        (Encoder([10, 3]), Decoder([3, 10], dtype=np.float64), {}, TypeError),
        (Decoder([3, 10]), Encoder([10, 3]), {}, TypeError),
        (Encoder([10, 3]), Decoder([3, 10]), {"latent_bits": 0}, ValueError),
        (Encoder([10, 3]), Decoder([3, 10]), {"latent_bits": 9}, ValueError),
        (Encoder([10, 3]), Decoder([3, 10]), {"latent_bits": 1.5}, TypeError),
    ],
)
def test_halves_that_do_not_fit_are_refused(encoder, decoder, options, error):
    with pytest.raises(error):
        Chain(encoder, decoder, **options)


def test_numbers_whose_squares_overflow_are_finite_still():
    x = np.full((2, 4), 3e38, dtype=np.float32)
    assert np.isfinite(Encoder([4, 2])(x)).all()
    with pytest.raises(ValueError, match="NaN or infinity"):
        Encoder([4, 2])(np.where(x > 0, np.float32("inf"), x))
