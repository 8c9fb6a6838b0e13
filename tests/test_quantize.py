# SPDX-License-Identifier: Apache-2.0
"""The integer decoder: exact against integers, near against floats, safe against overflow."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import reference_coders as reference

from fastae import Decoder, _core
from fastae.latents import dequantize_latents
from fastae.quantize import IntDecoder

INT32_MAX = 2**31 - 1


def random_decoder(rng, sizes, hidden="tanh"):
    """A float decoder with pre-activations of about -3 to 3."""
    layers = [
        (rng.normal(size=(d_out, d_in)) * 1.5 / np.sqrt(d_in), rng.normal(size=d_out) * 0.3)
        for d_in, d_out in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    activations = [hidden] * (len(sizes) - 2) + ["tanh"]
    return SimpleNamespace(sizes=sizes, layers=layers, activations=activations)


def float_pre_activations(decoder, codes, bits):
    """Of the last layer."""
    h = dequantize_latents(codes, bits, np.float64)
    for w, b in decoder.layers:
        a = h @ w.T + b
        h = np.tanh(a)
    return a


def random_codes(rng, n, decoder, bits):
    return rng.integers(0, 1 << bits, (n, decoder.sizes[0]), dtype=np.uint8)


SHAPES = [[90, 85, 100], [1, 1], [3, 10], [17, 33], [2, 5, 7], [24, 16, 256], [33, 31, 65], [8, 9, 20, 41]]


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("latent_bits", [1, 3, 8])
def test_scores_agree_with_reference(sizes, latent_bits, isa, rng):
    decoder = IntDecoder.from_float(random_decoder(rng, sizes), latent_bits=latent_bits)
    for n in (0, 1, 2, 5, 33, 48, 50):
        codes = random_codes(rng, n, decoder, latent_bits)
        scores = decoder.scores(codes)
        assert scores.dtype == np.int32
        np.testing.assert_array_equal(scores, reference.intdec_scores(decoder, codes))


def test_scores_agree_with_reference_at_any_widths_and_rows(isa, rng):
    for _ in range(40):
        sizes = rng.integers(1, 131, rng.integers(2, 5)).tolist()
        bits = int(rng.integers(1, 9))
        decoder = IntDecoder.from_float(random_decoder(rng, sizes), latent_bits=bits)
        codes = random_codes(rng, int(rng.integers(0, 71)), decoder, bits)
        np.testing.assert_array_equal(decoder.scores(codes), reference.intdec_scores(decoder, codes))


@pytest.mark.parametrize("steep", [1, 2, 7, 100, 12345, 2**30, INT32_MAX])
@pytest.mark.parametrize("shift", [1, 2, 8, 31, 32, 33, 54, 55, 56, 57, 62])
def test_requantisation_is_exact_for_every_multiplier_and_shift(steep, shift, isa, rng):
    edges = [index * 2**shift // steep + near for index in (0, 1, 2, 127, 128, 129) for near in range(-2, 3)]
    edges = [min(max(sign * edge, 1 - INT32_MAX), INT32_MAX - 1) for edge in edges for sign in (1, -1)]
    sums = np.concatenate([edges, rng.integers(1 - INT32_MAX, INT32_MAX, 50)])
    ones = np.eye(sums.size, dtype=np.int64).ravel()
    decoder = IntDecoder(
        [1, sums.size, sums.size],
        np.concatenate([np.zeros(sums.size, np.int64), ones]),
        np.concatenate([sums, np.zeros(sums.size, np.int64)]),
        [steep],
        [shift],
        latent_bits=1,
    )
    np.testing.assert_array_equal(decoder.scores([[1]]), reference.intdec_scores(decoder, [[1]]))


@pytest.mark.parametrize("d_in", [1, 2, 3, 15, 16, 17, 64])
def test_scores_are_exact_at_the_ends_of_every_range(d_in, isa, rng):
    """Weights of -128, inputs of 255, sums just below 2^31, and the largest multiplier."""
    weights = rng.choice([-128, 127], 40 * d_in + 9 * 40)
    biases = rng.choice([-1, 1], 49) * (INT32_MAX - 128 * 255 * 64)
    decoder = IntDecoder([d_in, 40, 9], weights, biases, [INT32_MAX], [1 + d_in % 62], latent_bits=8)
    codes = rng.choice([0, 255], (7, d_in))
    np.testing.assert_array_equal(decoder.scores(codes), reference.intdec_scores(decoder, codes))


def test_hidden_table_is_the_rounded_tanh():
    """A weight of 1 and a multiplier that only undoes the shift show each entry of the table as a score."""
    for index in [-40000, -300, *range(-128, 128), 300, 40000]:
        decoder = IntDecoder([1, 1, 1], [0, 1], [index, 0], [2], [1], latent_bits=1)
        assert decoder.scores([[0]]) == reference.TANH[min(max(index, -128), 127) + 128]


def test_requantisation_rounds_half_up_and_shifts_down(isa):
    """(sum * M + 2^(s-1)) >> s with floor: 0.5 goes to 1, -0.5 to 0, -1.5 to -1."""
    for total, index in [(1, 1), (-1, 0), (3, 2), (-3, -1), (-4, -2)]:
        decoder = IntDecoder([1, 1, 1], [0, 1], [total, 0], [1], [1], latent_bits=1)
        assert decoder.scores([[0]]) == reference.TANH[index + 128]


@pytest.mark.parametrize("sizes", [[4, 16, 100], [8, 300], [24, 16, 256], [6, 20, 30, 50]], ids=str)
@pytest.mark.parametrize("latent_bits", [1, 2, 8])
def test_scores_follow_the_float_decoder(sizes, latent_bits, rng):
    decoder = random_decoder(rng, sizes)
    codes = random_codes(rng, 1000, decoder, latent_bits)
    a = float_pre_activations(decoder, codes, latent_bits)
    rms = {}
    for weight_bits in (2, 4, 6, 8):
        quantised = IntDecoder.from_float(decoder, latent_bits=latent_bits, weight_bits=weight_bits)
        scores = quantised.scores(codes) * quantised.score_scale
        rms[weight_bits] = np.sqrt(((scores - a) ** 2).mean())
    assert rms[8] < 0.03
    assert rms[8] < rms[6] < rms[4] < rms[2] < 1.5
    certain = np.abs(a) > 0.1
    assert (np.sign(scores) == np.sign(a))[certain].mean() > 0.99


def test_scores_follow_a_decoder_of_the_library(rng):
    decoder = Decoder([5, 12, 40], seed=3)
    quantised = IntDecoder.from_float(decoder, latent_bits=4)
    codes = random_codes(rng, 300, decoder, 4)
    z = dequantize_latents(codes, 4)
    np.testing.assert_allclose(quantised.inverse_transform(z), decoder.inverse_transform(z), atol=0.05)
    np.testing.assert_array_equal(quantised.inverse_transform(z + 0.06), quantised.inverse_transform(z))


def test_weight_bits_may_differ_by_layer_and_bound_the_weights(rng):
    decoder = random_decoder(rng, [6, 20, 50])
    quantised = IntDecoder.from_float(decoder, latent_bits=2, weight_bits=[3, 5])
    assert np.abs(quantised.weights[: 6 * 20]).max() == 3
    assert np.abs(quantised.weights[6 * 20 :]).max() == 15


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_step_of_the_weights_is_nearly_the_best(bits, rng):
    """Outliers are clipped where that loses less."""
    w = np.append(rng.normal(size=300), [5.0, -7.0])
    decoder = SimpleNamespace(sizes=[1, w.size], layers=[(w[:, None], np.zeros(w.size))], activations=["tanh"])
    quantised = IntDecoder.from_float(decoder, latent_bits=1, weight_bits=bits)
    limit = 2 ** (bits - 1) - 1

    def error(step):
        return ((np.clip(np.rint(w / step), -limit, limit) * step - w) ** 2).sum()

    best = min(error(step) for step in np.geomspace(0.01, 8, 4000))
    np.testing.assert_array_equal(quantised.weights, np.clip(np.rint(w / quantised.score_scale), -limit, limit))
    assert error(quantised.score_scale) <= 1.03 * best


def test_layers_of_zeros_and_large_biases_keep_their_meaning():
    zeros = np.zeros((3, 2))
    for w, b in [
        (zeros, np.zeros(3)),
        (zeros, np.array([0.5, -0.25, 1e6])),
        (zeros + 1e-12, np.array([1.0, -2.0, 3.0])),
    ]:
        decoder = SimpleNamespace(sizes=[2, 3], layers=[(w, b)], activations=["tanh"])
        quantised = IntDecoder.from_float(decoder, latent_bits=3)
        scores = quantised.scores([[0, 7]]) * quantised.score_scale
        np.testing.assert_allclose(scores[0], b, atol=max(1, np.abs(b).max()) * 0.2, rtol=1e-6)
        assert (np.sign(scores[0]) == np.sign(b)).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e5])
def test_hidden_layers_of_any_scale_are_requantised(scale, rng):
    decoder = random_decoder(rng, [4, 8, 10])
    decoder.layers[0] = tuple(x * scale for x in decoder.layers[0])
    codes = random_codes(rng, 50, decoder, 3)
    quantised = IntDecoder.from_float(decoder, latent_bits=3)
    a = float_pre_activations(decoder, codes, 3)
    np.testing.assert_allclose(quantised.scores(codes) * quantised.score_scale, a, atol=0.3)


def test_from_float_refuses_what_integers_cannot_do(rng):
    with pytest.raises(ValueError, match="hidden layer 1 has activation 'identity'; integer decoders need tanh"):
        IntDecoder.from_float(random_decoder(rng, [2, 3, 4], hidden="identity"), latent_bits=1)
    decoder = random_decoder(rng, [2, 3, 4])
    for weight_bits in (1, 9, [8, 0]):
        with pytest.raises(ValueError, match="weight_bits must be 2 to 8"):
            IntDecoder.from_float(decoder, latent_bits=1, weight_bits=weight_bits)
    with pytest.raises(ValueError, match="weight_bits has 3 entries, the decoder has 2 layers"):
        IntDecoder.from_float(decoder, latent_bits=1, weight_bits=[8, 8, 8])
    with pytest.raises(ValueError, match="latent_bits must be 1 to 8, got 9"):
        IntDecoder.from_float(decoder, latent_bits=9)
    decoder.layers[0][0][0, 0] = 1e30
    with pytest.raises(ValueError, match="too large for an integer decoder"):
        IntDecoder.from_float(decoder, latent_bits=1)
    decoder.layers[1][0][0, 0] = np.nan
    decoder.layers[0][0][0, 0] = 0
    with pytest.raises(ValueError, match="weights of layer 2 holds NaN"):
        IntDecoder.from_float(decoder, latent_bits=1)


GOOD = {"sizes": [1, 2, 1], "weights": [1, 2, 3, 4], "biases": [0, 0, 0], "multipliers": [1], "shifts": [1]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": [1]}, "sizes has 1 widths"),
        ({"sizes": [1, 0, 1]}, r"sizes\[1\] is 0"),
        ({"sizes": [1, 65537, 1]}, r"sizes\[1\] is 65537"),
        ({"weights": [1, 2, 3]}, "weights has 3 values, 4 are needed"),
        ({"biases": [1, 2, 3, 4]}, "biases has 4 values, 3 are needed"),
        ({"multipliers": []}, "multipliers has 0 values, 1 are needed"),
        ({"shifts": [1, 1]}, "shifts has 2 values, 1 are needed"),
        ({"weights": [1, 2, 3, 128]}, "weights holds 128"),
        ({"shifts": [0]}, "table of parameters"),
        ({"shifts": [63]}, "table of parameters"),
        ({"multipliers": [-1]}, "table of parameters"),
        ({"biases": [0, INT32_MAX - 1, 0]}, "table of parameters"),
        ({"biases": [0, 0, -INT32_MAX + 888]}, "table of parameters"),
    ],
)
def test_parameters_that_do_not_fit_or_could_overflow_are_refused(change, message):
    IntDecoder(**GOOD, latent_bits=1)
    with pytest.raises(ValueError, match=message):
        IntDecoder(**(GOOD | change), latent_bits=1)


def test_the_largest_sums_that_fit_are_taken():
    IntDecoder(**(GOOD | {"biases": [0, INT32_MAX - 2, -INT32_MAX + 127 * 7]}), latent_bits=1)
    with pytest.raises(ValueError, match="table of parameters"):
        IntDecoder(**(GOOD | {"biases": [0, INT32_MAX - 2, -INT32_MAX + 127 * 7]}), latent_bits=2)


def test_scores_refuse_codes_that_the_decoder_does_not_know():
    decoder = IntDecoder(**GOOD, latent_bits=2)
    with pytest.raises(ValueError, match="latent_codes holds 4, a code of 2 bits is at most 3"):
        decoder.scores([[4]])
    with pytest.raises(ValueError, match="latent_codes has 2 columns, expected 1"):
        decoder.scores([[1, 1]])
    with pytest.raises(TypeError, match="latent_codes must hold integers"):
        decoder.scores([[1.0]])


def test_core_refuses_work_and_scores_of_the_wrong_size():
    decoder = IntDecoder(**GOOD, latent_bits=2)
    arrays = [getattr(decoder, name) for name in GOOD]
    core = _core.IntDecoderArrays(*arrays, 2)
    codes, scores = np.zeros((2, 1), np.uint8), np.zeros((2, 1), np.int32)
    work = np.zeros(core.work(2), np.uint8)
    core.forward(codes, work, scores)
    for bad_work, bad_scores, bad_codes, message in [
        (work[:-1], scores, codes, "work must be"),
        (work, scores[:1], codes, "scores has shape"),
        (work, scores, np.zeros((2, 2), np.uint8), "codes has 2 columns"),
        (work, scores, codes + np.uint8(4), "outside the alphabet"),
    ]:
        with pytest.raises(ValueError, match=message):
            core.forward(bad_codes, bad_work, bad_scores)


def test_scores_are_written_to_out_wherever_it_lies(isa, rng):
    decoder = IntDecoder.from_float(random_decoder(rng, [5, 20, 37]), latent_bits=2)
    codes = random_codes(rng, 50, decoder, 2)
    for offset in range(4):
        out = np.zeros(offset + 50 * 37 + 1, np.int32)
        scores = out[offset:-1].reshape(50, 37)
        assert decoder.scores(codes, out=scores) is scores
        np.testing.assert_array_equal(scores, reference.intdec_scores(decoder, codes))
        assert not out[:offset].any()
        assert out[-1] == 0
    with pytest.raises(ValueError, match="out must be"):
        decoder.scores(codes, out=np.zeros((50, 37)))


def test_scores_do_not_depend_on_the_threads(isa, rng):
    decoder = IntDecoder.from_float(random_decoder(rng, [64, 90, 201]), latent_bits=3)
    codes = random_codes(rng, 1301, decoder, 3)
    scores = decoder.scores(codes)
    np.testing.assert_array_equal(scores[::13], reference.intdec_scores(decoder, codes[::13]))
    for n_threads in (2, 3, 8):
        np.testing.assert_array_equal(decoder.scores(codes, n_threads=n_threads), scores)
    with pytest.raises(ValueError, match="n_threads must be 1 or more, got 0"):
        decoder.scores(codes, n_threads=0)


def test_a_decoder_can_be_pickled(rng):
    decoder = IntDecoder.from_float(random_decoder(rng, [3, 4, 5]), latent_bits=2)
    codes = random_codes(rng, 6, decoder, 2)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(decoder)).scores(codes), decoder.scores(codes))
