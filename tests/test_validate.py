# SPDX-License-Identifier: Apache-2.0
"""Coercion: what may pass, passes unchanged; what may not is named."""

import numpy as np
import pytest

from fastae import _validate


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
    with pytest.raises(TypeError, match="n must be an integer, got str"):
        _validate.integer("3", 1, 3, name="n")
