# SPDX-License-Identifier: Apache-2.0
"""Coercion: what may pass, passes unchanged; what may not is named."""

import numpy as np
import pytest

from fastae import HAPLOTYPE, Autoencoder, Decoder, Encoder, HammingLoss, Trainer, _validate, jvp, vjp


@pytest.mark.parametrize("x", [[1, 2], (1, 2), np.array([1, 2], np.int64), np.array([1, 2], np.uint8), [True, False]])
def test_integers_of_any_kind_become_the_dtype_unchanged(x):
    given = _validate.vector(x, np.int8, name="x")
    assert given.dtype == np.int8 and given.flags.c_contiguous
    np.testing.assert_array_equal(given, x)


def test_an_array_that_fits_is_not_copied():
    x = np.zeros((3, 4), np.float32)
    assert _validate.matrix(x, np.float32, name="x") is x
    assert _validate.matrix(x.T, np.float32, name="x").flags.c_contiguous


@pytest.mark.parametrize(("x", "dtype"), [([1.0], np.int8), (["1"], np.int8), (["1"], np.float32), ([1j], np.float32)])
def test_other_kinds_are_refused_by_name(x, dtype):
    with pytest.raises(TypeError, match=f"weights must hold .* \\({np.dtype(dtype).name}\\), got an array of"):
        _validate.array(x, dtype, name="weights")


@pytest.mark.parametrize("value", [-129, 128, 2**63])
def test_integers_that_do_not_fit_are_refused_with_their_value(value):
    with pytest.raises(ValueError, match=f"x holds {value}, which lies outside -128 to 127"):
        _validate.array([value], np.int8, name="x")


def test_no_integers_at_all_are_integers():
    assert _validate.vector([], np.int8, name="x").dtype == np.int8


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_finite_refuses_what_is_not(value):
    _validate.array([value], np.float32, name="x")
    with pytest.raises(ValueError, match="x holds NaN or infinity"):
        _validate.array([value], np.float32, name="x", finite=True)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"x must have one dimension, got shape \(1, 1\)"):
        _validate.vector([[1]], np.int8, name="x")
    with pytest.raises(ValueError, match="x has 1 elements, expected 2"):
        _validate.vector([1], np.int8, name="x", size=2)
    with pytest.raises(ValueError, match=r"x must have two dimensions, got shape \(1,\)"):
        _validate.matrix([1], np.int8, name="x")
    with pytest.raises(ValueError, match="x has 1 columns, expected 2"):
        _validate.matrix([[1]], np.int8, name="x", n_columns=2)


def test_integers_are_inside_their_range():
    assert _validate.integer(np.int8(3), 1, 3, name="n") == 3
    for low, high, wanted in [(1, 2, "1 to 2"), (4, None, "4 or more"), (None, 2, "2 or less")]:
        with pytest.raises(ValueError, match=f"n must be {wanted}, got 3"):
            _validate.integer(3, low, high, name="n")
    for value, kind in ("3", "str"), (True, "bool"), (np.True_, "bool"), (2.0, "float"):
        with pytest.raises(TypeError, match=f"n must be an integer, got {kind}"):
            _validate.integer(value, 1, 3, name="n")


def test_positive_numbers_are_numbers_and_positive():
    assert _validate.positive(np.float32(0.5), name="t") == 0.5 and _validate.positive(2, name="t") == 2.0
    for value in 0, -1.0, np.nan, np.inf:
        with pytest.raises(ValueError, match=f"t is {value}; it must be positive and finite"):
            _validate.positive(value, name="t")
    for value in "1", True, [1.0], None:
        with pytest.raises(TypeError, match="t must be a number, got"):
            _validate.positive(value, name="t")


def test_uneven_lists_are_refused_in_one_sentence():
    for name in "array", "vector", "matrix":
        with pytest.raises(ValueError, match="^x has rows of different lengths; give all of them the same$"):
            getattr(_validate, name)([[1, 2], [3]], np.int8, name="x")


def test_a_number_too_large_for_single_precision_is_not_finite():
    with pytest.raises(ValueError, match="x holds NaN or infinity"):
        _validate.array([1e300], np.float32, name="x", finite=True)


def test_an_integer_beyond_all_floats_is_not_finite():
    with pytest.raises(ValueError, match="it must be positive and finite"):
        _validate.positive(10**400, name="rate")


def test_unaligned_numbers_are_copied():
    x = np.frombuffer(bytes(17), dtype=np.uint8)[1:].view(np.float64)
    assert not x.flags.aligned
    for fit in (_validate.array, _validate.reals):
        assert fit(x, np.float64, name="x").flags.aligned
    assert _validate.levels(x.reshape(1, 2), np.float64, name="x").flags.aligned


def test_masked_cells_are_refused_wherever_arrays_are_taken():
    real = np.ma.masked_array(np.full((1, 4), 0.5, np.float32), [[True, False, False, False]])
    symbols, codes = real.astype(np.int8), np.zeros((1, 4), np.int8)
    encoder, decoder, loss = Encoder([4, 2]), Decoder([2, 4]), HammingLoss(HAPLOTYPE)
    trainer = Trainer(encoder, decoder, loss=loss)
    plain, many = real.data, np.ma.masked_array(np.ones(encoder.params.size, np.float32), True)
    for call in (
        lambda: encoder(real),
        lambda: encoder.transform(real),
        lambda: encoder.stack(real),
        lambda: jvp(encoder, (real,), (plain,)),
        lambda: jvp(encoder, (plain,), (real,)),
        lambda: jvp(encoder, (encoder.params, plain), (many, plain)),
        lambda: vjp(encoder, real),
        lambda: vjp(encoder, many, plain),
        lambda: HAPLOTYPE.to_codes(symbols),
        lambda: HAPLOTYPE.to_levels(symbols),
        lambda: HAPLOTYPE.to_symbols(symbols),
        lambda: HAPLOTYPE.from_levels(real),
        lambda: HAPLOTYPE.split(symbols),
        lambda: loss.loss(real, codes),
        lambda: loss.loss(plain, symbols),
        lambda: loss.gradient(real, codes),
        lambda: trainer.step(symbols),
        lambda: trainer.fit(symbols, n_epochs=1),
        lambda: Autoencoder(2).fit(symbols),
    ):
        with pytest.raises(ValueError, match=r"has masked cells, .*; fill them first: \.filled\(-1\) makes symbols"):
            call()
    with pytest.raises(TypeError, match=r"x is a masked array, .*; fill it first"):
        encoder.stack.forward(real)
    whole = np.ma.masked_array(plain)  # nothing is masked
    np.testing.assert_array_equal(encoder(whole), encoder(plain))
    np.testing.assert_array_equal(jvp(encoder, (whole,), (whole,)), jvp(encoder, (plain,), (plain,)))
    assert HAPLOTYPE.to_codes(symbols.filled(-1)).tolist() == [[-1, 0, 0, 0]]
