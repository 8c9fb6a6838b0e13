# SPDX-License-Identifier: Apache-2.0
"""The predictor by latents: what is learnt, how it is written, and what a reader refuses."""

import numpy as np
import pytest

from fastae.archive.columns import split
from fastae.archive.container import varint
from fastae.archive.packing import pack_array
from fastae.archive.predictors import autoencoder, training
from fastae.archive.predictors.autoencoder import Model
from fastae.archive.predictors.codebook import Codebook
from fastae.archive.predictors.rounding import round_layer
from fastae.archive.predictors.training import Shape
from fastae.errors import FormatError
from fastae.quantize import IntDecoder


def population(rng, n_sites=150, n_samples=100):
    """(table, matrix) of people of three kinds that have alleles by their kind, one site independent of the next."""
    share = rng.choice([0.02, 0.5, 0.98], (n_sites, 3))
    kinds = rng.integers(0, 3, n_samples)
    calls = (rng.random((n_sites, n_samples, 2)) < share[:, kinds][:, :, None]).astype(np.int8)
    return split(calls, np.ones((n_sites, n_samples), bool))


@pytest.fixture(scope="module")
def window():
    """(table, matrix, what was fitted, the guided columns)."""
    table, matrix = population(np.random.default_rng(3))
    return table, matrix, *training.fit_window(matrix, table, 5)


def decoder_of(sizes, weights):
    """A decoder without hidden layers or biases."""
    return IntDecoder(sizes, weights, np.zeros(sizes[-1], np.int32), [], [], latent_bits=1)


def test_codes_lean_to_a_1_where_they_score_above_the_middle():
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.uint8)
    model = Model(decoder_of([2, 4], [5, 1, 0, 0, -2, 2, 0, 3]), Codebook.fit(codes, 1))
    order = np.lexsort(model.codebook.codes.T[::-1])
    assert model.leans[:, order].tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 1]]


def test_models_come_back_from_their_bytes(window):
    table, _, fitted, guided = window
    for model in training.models(fitted):
        again = Model.from_bytes(*model.to_bytes(), table)
        assert tuple(again.decoder.sizes.tolist()) == fitted.decoder.sizes
        assert again.decoder.sizes[-1] == np.count_nonzero(guided)
        np.testing.assert_array_equal(again.codebook.codes, model.codebook.codes)
        np.testing.assert_array_equal(again.leans, model.leans)


def test_blocks_come_back_and_their_latents_tell_much_of_them(window):
    table, matrix, fitted, guided = window
    model = training.models(fitted)[-1]
    latents, residual = autoencoder.encode(matrix, table, model, fitted.codes, guided)
    for columns in (slice(0, len(matrix)), slice(20, 33), slice(149, 150), slice(7, 7)):
        back = autoencoder.decode(latents, residual, table, model, 200, columns)
        np.testing.assert_array_equal(back, matrix[columns])
    guess = autoencoder.predict(latents, residual, table, model, 200)
    commoner = 2 * matrix.sum(axis=1) > 200
    assert np.count_nonzero(guess != matrix) < 0.7 * np.count_nonzero(commoner[:, None] != matrix)


def test_leans_save_bytes_where_neighbours_tell_nothing(window):
    table, matrix, fitted, guided = window
    model = training.models(fitted)[-1]
    blind = Model(model.decoder, model.codebook)
    blind.leans = np.zeros_like(model.leans)
    sizes = [len(autoencoder.encode(matrix, table, m, fitted.codes, guided)[1]) for m in (model, blind)]
    assert sizes[0] < 0.93 * sizes[1]


def test_weights_of_more_worth_are_more(window):
    models = training.models(window[2])
    n_weights = [np.count_nonzero(model.decoder.weights[-len(model.leans) :]) for model in models]
    assert len(models) > 1
    assert n_weights == sorted(n_weights)


def test_rounding_keeps_no_weight_that_costs_more_than_it_saves(rng):
    hidden, n_rows = rng.uniform(-1, 1, (50, 3)), rng.integers(1, 90, 50)
    weights = np.concatenate([np.zeros((5, 3)), rng.normal(0, 3, (40, 3))])
    for worth, least, most in ((1e-6, 0, 0), (1, 80, 120)):
        integers = round_layer(weights, np.zeros(45), hidden, n_rows, worth, lambda: None)
        assert integers.dtype == np.int8
        assert not integers[:5].any()
        assert least <= np.count_nonzero(integers) <= most


def test_fit_learns_latents_of_any_bits(rng):
    _, matrix = population(rng)
    fitted = training.fit(matrix, Shape(3, 5, latent_bits=2), 1, n_epochs=30)
    assert fitted.codes.shape == (200, 3)
    assert 1 < fitted.codes.max() <= 3
    assert fitted.encoder.sizes[-1] == fitted.decoder.sizes[0] == 3
    again = training.fit(matrix, Shape(3, 5, latent_bits=2), 1, n_epochs=30)
    np.testing.assert_array_equal(again.codes, fitted.codes)


def test_nothing_is_learnt_where_no_allele_varies(rng):
    calls = np.zeros((4, 6, 2), np.int8)
    calls[2] = 1
    calls[1, 3] = -1  # missing
    table, matrix = split(calls, np.zeros((4, 6), bool))
    assert training.fit_window(matrix, table, 1) is None


@pytest.mark.parametrize(
    ("codebook", "outputs", "message"),
    [
        (np.zeros((1 << 16, 1), np.uint8), 600, "65536 codes for 600 weights and 600 columns are too many"),
        (np.zeros((0, 1), np.uint8), 3, "no codes"),
        (np.zeros((2, 1), np.uint8), 2000, "holds 2000 where at most 1000 can be"),
        (np.zeros((2, 1), np.uint8), 0, "the decoder is not valid"),
    ],
)
def test_decoders_that_no_reader_has_room_for_are_refused(codebook, outputs, message):
    table, _ = split((np.arange(4000).reshape(1000, 2, 2) % 2).astype(np.int8), np.ones((1000, 2), bool))
    weights = pack_array(np.full(outputs, 129, np.uint8))
    data = bytes([1, 0]) + varint(1) + varint(outputs) + weights
    book = Codebook(codebook, 1, Codebook.fit(np.zeros((1, 1), np.uint8), 1).magnitudes)
    with pytest.raises(FormatError, match=message):
        Model.from_bytes(book.to_bytes(), data, table)


def test_blocks_that_no_writer_makes_are_refused(window):
    table, matrix, fitted, guided = window
    model = training.models(fitted)[0]
    latents, residual = autoencoder.encode(matrix, table, model, fitted.codes, guided)
    with pytest.raises(FormatError, match="65536 rows, 65535 are the most"):
        autoencoder.decode(latents, residual, table, model, 65536, slice(0, 1))
    with pytest.raises(FormatError, match="columns that its window does not have"):
        autoencoder.decode(latents, residual + b"\0", table, model, 200, slice(0, 150))


def test_rare_codes_become_the_nearest_common_ones():
    common = [[0, 0, 0]] * 5 + [[3, 3, 3]] * 4
    rare = [[0, 1, 0], [3, 2, 2], [3, 3, 0], [0, 1, 0]]
    codes = np.array(rare[:2] + common + rare[2:], np.uint8)
    want = [[0, 0, 0], [3, 3, 3], *common, [3, 3, 3], [0, 0, 0]]
    assert training._fewer(codes, 2).tolist() == want
    np.testing.assert_array_equal(training._fewer(codes, 5), codes)
