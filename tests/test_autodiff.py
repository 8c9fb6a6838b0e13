# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from fastae import (
    DNA,
    HAPLOTYPE,
    Activation,
    Chain,
    CrossEntropyLoss,
    Decoder,
    DenseStack,
    Encoder,
    HammingLoss,
    compose,
    jacobian,
    jvp,
    vjp,
)
from fastae import autodiff as module

TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}
N = 4
LOSS = HammingLoss(HAPLOTYPE).bind([[0]])


def functions(dtype):
    """Every kind of function that is differentiated, of rows of 10 numbers (a decoder's: 3)."""
    codes = np.random.default_rng(9).integers(-1, 2, (N, 10)).astype(np.int8)
    encoder = Encoder([10, 8, 6, 4, 3], seed=1, dtype=dtype)
    decoder = Decoder([3, 6, 10], output_activation="identity", seed=2, dtype=dtype)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "autoencoder": Chain(encoder, decoder),
        "stack": encoder.stack,
        "dense layer": DenseStack([10, 7], ["tanh"], np.linspace(-1, 1, 77).astype(dtype)),
        "affine layer": DenseStack([10, 7], ["identity"], np.linspace(-1, 1, 77).astype(dtype)),
        "activation after layer": compose(
            Activation("tanh"), DenseStack([10, 7], ["identity"], np.linspace(-1, 1, 77).astype(dtype))
        ),
        "layer after activation": compose(encoder, Activation("tanh")),
        "composed halves": compose(decoder, encoder),
        "composed thrice": compose(Activation("tanh"), compose(encoder, Chain(encoder, decoder))),
        "distance of model": compose(HammingLoss(HAPLOTYPE).bind(codes), Chain(encoder, decoder)),
        "bits of model": compose(CrossEntropyLoss(HAPLOTYPE).bind(codes), Chain(encoder, decoder)),
    }


NAMES = list(functions(np.float64))


def point(name, dtype, rng):
    """A function, parameters and input to differentiate it at, other than its own parameters."""
    fun = functions(dtype)[name]
    params = (fun.params + rng.normal(0, 0.1, fun.params.shape)).astype(dtype)
    return fun, params, rng.uniform(-1, 1, (N, 3 if name == "decoder" else 10)).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_jvp_agrees_with_central_differences(name, rng):
    fun, params, x = point(name, np.float64, rng)
    u, v = rng.normal(size=params.shape), rng.normal(size=x.shape)
    step = 1e-6

    def value(t):
        return jvp(fun, (params + t * u, x + t * v), (u, None))[0]

    y, y_dot = jvp(fun, (params, x), (u, v))
    np.testing.assert_array_equal(y, value(0))
    np.testing.assert_allclose(y_dot, (value(step) - value(-step)) / (2 * step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", NAMES)
def test_jvp_and_vjp_are_adjoint(name, dtype, rng):
    fun, params, x = point(name, dtype, rng)
    u, v = rng.normal(size=params.shape).astype(dtype), rng.normal(size=x.shape).astype(dtype)
    y, y_dot = jvp(fun, (params, x), (u, v))
    y_again, pull = vjp(fun, params, x)
    y_bar = np.asarray(rng.normal(size=np.shape(y)), dtype=dtype)
    params_bar, x_bar = pull(y_bar)
    np.testing.assert_array_equal(y, y_again)
    forward, reverse = (y_bar * y_dot).sum(), params_bar @ u + (x_bar * v).sum()
    assert forward == pytest.approx(reverse, rel=TOLERANCE[dtype], abs=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", NAMES)
def test_tangents_together_are_tangents_one_by_one(name, dtype, rng):
    fun, params, x = point(name, dtype, rng)
    u = rng.normal(size=(3, *params.shape)).astype(dtype)
    v = rng.normal(size=(3, *x.shape)).astype(dtype)
    _, together = jvp(fun, (params, x), (u, v))
    for k in range(3):
        _, alone = jvp(fun, (params, x), (u[k], v[k]))
        np.testing.assert_allclose(together[k], alone, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_primal_is_a_zero_tangent(name, rng):
    fun, params, x = point(name, np.float64, rng)
    u, v = rng.normal(size=params.shape), rng.normal(size=x.shape)
    both = jvp(fun, (params, x), (u, v))[1]
    only_params = jvp(fun, (params, x), (u, None))[1]
    only_x = jvp(fun, (params, x), (None, v))[1]
    np.testing.assert_allclose(only_params + only_x, both, rtol=1e-10, atol=1e-12)
    assert np.abs(only_params).max() > 0 < np.abs(only_x).max()


@pytest.mark.parametrize("name", NAMES)
def test_own_parameters_are_used_where_none_are_given(name, rng):
    fun, _, x = point(name, np.float64, rng)
    v = rng.normal(size=x.shape)
    y, y_dot = jvp(fun, (x,), (v,))
    y_again, y_dot_again = jvp(fun, (fun.params, x), (None, v))
    np.testing.assert_array_equal(y, y_again)
    np.testing.assert_array_equal(y_dot, y_dot_again)
    y_bar = rng.normal(size=np.shape(y))
    np.testing.assert_array_equal(vjp(fun, x)[1](y_bar)[0], vjp(fun, fun.params, x)[1](y_bar)[1])


@pytest.mark.parametrize("loss", [HammingLoss(DNA), CrossEntropyLoss(DNA)], ids=lambda loss: type(loss).__name__)
def test_losses_differentiate_forwards_and_backwards(loss, rng):
    xhat, codes = rng.uniform(-1, 1, (N, 10)), rng.integers(-1, 4, (N, 10)).astype(np.int8)
    fun = loss.bind(codes)
    xhat_dot = rng.normal(size=(2, N, 10))
    value, value_dot = jvp(fun, (xhat,), (xhat_dot,))
    again, pull = vjp(fun, xhat)
    assert value == again == fun(xhat)
    step = 1e-6
    for k in range(2):
        difference = (fun(xhat + step * xhat_dot[k]) - fun(xhat - step * xhat_dot[k])) / (2 * step)
        assert value_dot[k] == pytest.approx(difference, rel=1e-6)
        assert (pull(2.0)[0] * xhat_dot[k]).sum() == pytest.approx(2 * value_dot[k], rel=1e-10)
    assert jvp(fun, (xhat,), (xhat_dot[0],))[1] == pytest.approx(value_dot[0], rel=1e-12)


def test_the_chain_rule_runs_through_model_and_loss(rng):
    """Forward and reverse mode of loss(autoencoder(params)) agree, and with the difference of the whole."""
    model = functions(np.float64)["autoencoder"]
    codes = rng.integers(0, 2, (N, 10)).astype(np.int8)
    x = HAPLOTYPE.to_levels(codes, np.float64)
    loss = CrossEntropyLoss(HAPLOTYPE).bind(codes)
    params, u = model.params, rng.normal(size=model.params.shape)

    xhat, xhat_dot = jvp(model, (params, x), (u, None))
    _, slope = jvp(loss, (xhat,), (xhat_dot,))
    xhat, pull_model = vjp(model, params, x)
    _, pull_loss = vjp(loss, xhat)
    assert pull_model(*pull_loss(1.0))[0] @ u == pytest.approx(slope, rel=1e-10)

    step = 1e-6
    ahead, behind = (jvp(model, (params + t * u, x), (u, None))[0] for t in (step, -step))
    assert (loss(ahead) - loss(behind)) / (2 * step) == pytest.approx(slope, rel=1e-6)


def test_rounded_latents_pass_derivatives_straight_through(rng):
    halves = functions(np.float64)
    encoder, decoder = halves["encoder"], halves["decoder"]
    model = Chain(encoder, decoder, latent_bits=1)
    x, x_dot = rng.uniform(-1, 1, (N, 10)), rng.normal(size=(N, 10))
    _, z_dot = jvp(encoder, (x,), (x_dot,))
    expected = jvp(decoder, (model.transform(x),), (z_dot,))
    for got, want in zip(jvp(model, (x,), (x_dot,)), expected, strict=True):
        np.testing.assert_array_equal(got, want)
    xhat_bar = rng.normal(size=(N, 10))
    (x_bar,) = vjp(model, x)[1](xhat_bar)
    assert (x_bar * x_dot).sum() == pytest.approx((xhat_bar * expected[1]).sum(), rel=1e-10)


@pytest.mark.parametrize(
    ("primals", "tangents", "message"),
    [
        ((np.zeros((1, 10)),), (np.zeros((1, 9)),), r"tangent of X has shape \(1, 9\)"),
        ((np.zeros((1, 10)),), (np.zeros((2, 2, 1, 10)),), "tangent of X has shape"),
        ((np.zeros((1, 9)),), (np.zeros((1, 9)),), "X has 9 columns, expected 10"),
        ((np.zeros(5), np.zeros((1, 10))), (None, np.zeros((1, 10))), "params has 5 elements, expected 185"),
        ((np.zeros((1, 10)),), (None,), "at least one"),
        (
            (np.zeros((1, 10)),),
            (np.zeros(185), np.zeros((1, 10))),
            "there are 1 primals and 2 tangents; give a tangent",
        ),
        ((), (), "there are 0 primals; give one of X, or two, of params and of X"),
        ((np.zeros((1, 10)),), (None,) * 3, "there are 3 tangents; give one of X"),
        ((np.zeros(185), np.zeros((1, 10))), (np.zeros((2, 185)), np.zeros((3, 1, 10))), "2 tangents of params and 3"),
        ((np.zeros(185), np.zeros((1, 10))), (np.zeros((1, 185)), np.zeros((1, 10))), "leading axis"),
    ],
)
def test_primals_and_tangents_that_do_not_fit_are_refused(primals, tangents, message):
    with pytest.raises(ValueError, match=message):
        jvp(Encoder([10, 8, 6, 4, 3], dtype=np.float64), primals, tangents)


@pytest.mark.parametrize("wrong", [np.zeros((1, 10)), None, {"X": 0}, "X"])
def test_primals_and_tangents_of_no_tuple_are_refused(wrong):
    right = (np.zeros((1, 10)),)
    for name, arguments in {"primals": (wrong, right), "tangents": (right, wrong)}.items():
        with pytest.raises(TypeError, match=f"{name} is {type(wrong).__name__}; give a tuple"):
            jvp(Encoder([10, 3], dtype=np.float64), *arguments)


def test_primals_and_tangents_may_be_lists(rng):
    encoder, x, x_dot = Encoder([10, 3], dtype=np.float64), *rng.uniform(-1, 1, (2, 4, 10))
    for in_list, in_tuple in zip(jvp(encoder, [x], [x_dot]), jvp(encoder, (x,), (x_dot,)), strict=True):
        np.testing.assert_array_equal(in_list, in_tuple)


@pytest.mark.parametrize("x", [None, "levels", b"levels", {}])
def test_what_is_no_array_is_refused_by_its_kind(x):
    for call in (lambda: Encoder([10, 3])(x), lambda: vjp(Encoder([10, 3]), x), lambda: jacobian(Encoder([10, 3]), x)):
        with pytest.raises(TypeError, match=f"^[Xx] is {type(x).__name__}; give an array"):
            call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_cotangents_together_are_cotangents_one_by_one(name, dtype, rng):
    fun, params, x = point(name, dtype, rng)
    y, pull = vjp(fun, params, x)
    y_bars = rng.standard_normal((3, *np.shape(y)))
    together, single = pull(y_bars), [pull(y_bar) for y_bar in y_bars]
    assert len(together) == len(single[0])
    for bars, *one_by_one in zip(together, *single, strict=True):
        np.testing.assert_array_equal(bars, np.stack(one_by_one))
    assert [bars.shape[0] for bars in pull(y_bars[:0])] == [0] * len(together)


def test_cotangents_that_do_not_fit_are_refused():
    _, pull = vjp(Encoder([10, 3]), np.zeros((2, 10)))
    with pytest.raises(ValueError, match=r"cotangent has shape \(1, 3\), the value \(2, 3\)"):
        pull(np.zeros((1, 3)))


def test_a_loss_has_no_parameters():
    loss = HammingLoss(HAPLOTYPE).bind([[0]])
    with pytest.raises(ValueError, match="no parameters"):
        jvp(loss, (np.zeros(1), np.zeros((1, 1))), (None, np.zeros((1, 1))))
    with pytest.raises(ValueError, match="no parameters"):
        vjp(loss, np.zeros(1), np.zeros((1, 1)))


@pytest.mark.parametrize("derive", [lambda: jvp(np.tanh, (0.0,), (1.0,)), lambda: vjp(np.tanh, 0.0)])
def test_other_functions_are_refused_by_name(derive):
    with pytest.raises(TypeError, match="fun is ufunc; it can be an Encoder"):
        derive()


def test_a_composition_is_the_functions_one_inside_the_other(rng):
    halves = functions(np.float64)
    encoder, decoder, x = halves["encoder"], halves["decoder"], rng.uniform(-1, 1, (N, 10))
    fun = compose(decoder, encoder)
    np.testing.assert_array_equal(fun(x), decoder(encoder(x)))
    np.testing.assert_array_equal(fun.params, Chain(encoder, decoder).params)
    params = fun.params + 0.1
    u, v = rng.normal(size=(3, params.size)), rng.normal(size=(3, N, 10))
    for got, want in zip(jvp(fun, (params, x), (u, v)), jvp(Chain(encoder, decoder), (params, x), (u, v)), strict=True):
        np.testing.assert_array_equal(got, want)


def test_parameters_behind_what_stands_still_move_alone(rng):
    """No tangent reaches the innermost function: it has no parameters, and X is held fixed."""
    encoder, x = functions(np.float64)["encoder"], rng.uniform(-1, 1, (N, 10))
    u = rng.normal(size=encoder.params.shape)
    _, got = jvp(compose(encoder, Activation("tanh")), (encoder.params, x), (u, None))
    np.testing.assert_array_equal(got, jvp(encoder, (encoder.params, np.tanh(x)), (u, None))[1])


@pytest.mark.parametrize("name", ["tanh", "identity"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_an_activation_is_differentiated_number_by_number(name, dtype, rng):
    x, x_dot = rng.normal(size=(N, 3)).astype(dtype), rng.normal(size=(2, N, 3)).astype(dtype)
    fun = Activation(name)
    h, h_dot = jvp(fun, (x,), (x_dot,))
    _, pull = vjp(fun, x)
    slope = 1 - np.tanh(x) ** 2 if name == "tanh" else np.ones_like(x)
    assert h.dtype == h_dot.dtype == dtype
    np.testing.assert_array_equal(h, fun(x))
    assert not np.shares_memory(fun(x), x)
    np.testing.assert_array_equal(h, np.tanh(x) if name == "tanh" else x)
    np.testing.assert_allclose(h_dot, slope * x_dot, rtol=1e-6)
    np.testing.assert_allclose(pull(x_dot[0])[0], slope * x_dot[0], rtol=1e-6)
    np.testing.assert_array_equal(jvp(fun, (x,), (x_dot[1],))[1], h_dot[1])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", [*NAMES, "loss"])
def test_jacobians_by_both_modes_agree(name, dtype, rng, monkeypatch):
    if name == "loss":
        fun = HammingLoss(HAPLOTYPE).bind(rng.integers(-1, 2, (N, 10)).astype(np.int8))
        x = rng.uniform(-1, 1, (N, 10)).astype(dtype)
    else:
        fun, _, x = point(name, dtype, rng)
    forward, reverse = jacobian(fun, x), jacobian(fun, x, mode="reverse")
    y = fun(x)
    assert forward.shape == reverse.shape == (x.shape if np.ndim(y) == 0 else (*y.shape, x.shape[1]))
    np.testing.assert_allclose(forward, reverse, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * np.abs(reverse).max())
    x_dot = rng.normal(size=x.shape).astype(dtype)
    by_jvp = jvp(fun, (x,), (x_dot,))[1]
    by_hand = (forward * x_dot).sum() if np.ndim(y) == 0 else np.einsum("nij,nj->ni", forward, x_dot)
    np.testing.assert_allclose(by_hand, by_jvp, rtol=TOLERANCE[dtype], atol=10 * TOLERANCE[dtype])
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 1)
    np.testing.assert_allclose(jacobian(fun, x), forward, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_no_more_tangents_travel_at_once_than_memory_has_been_set_aside_for(monkeypatch, rng):
    encoder, x = Encoder([10, 7], dtype=np.float64), rng.uniform(-1, 1, (N, 10))
    whole, sizes = jacobian(encoder, x), []
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 3 * x.size)
    real = module.jvp
    monkeypatch.setattr(module, "jvp", lambda f, x, x_dot, **k: sizes.append(x_dot[0].size) or real(f, x, x_dot, **k))
    np.testing.assert_allclose(jacobian(encoder, x), whole, rtol=1e-12)
    assert sizes == [3 * x.size] * 3 + [x.size]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_single_row_has_a_jacobian_without_the_axis_of_rows(mode, rng):
    decoder, z = functions(np.float64)["decoder"], rng.uniform(-1, 1, 3)
    np.testing.assert_array_equal(jacobian(decoder, z, mode), jacobian(decoder, z[None], mode)[0])
    loss = HammingLoss(HAPLOTYPE).bind([[0, 1, 1]])
    np.testing.assert_array_equal(jacobian(loss, z, mode), jacobian(loss, z[None], mode)[0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.tanh, np.zeros((1, 10))), TypeError, "fun is ufunc"),
        ((Encoder([10, 2]), np.zeros((1, 10)), "backward"), ValueError, "mode is 'backward'; it can be 'forward' or"),
        ((Encoder([10, 2]), np.zeros(10), np.zeros((1, 10))), TypeError, "mode is ndarray; give jacobian"),
        ((Encoder([10, 2]), np.zeros((1, 1, 10))), ValueError, r"x has shape \(1, 1, 10\)"),
        ((Encoder([10, 2]), np.zeros(9)), ValueError, "X has 9 columns"),
        ((Encoder([10, 2]), np.zeros(10, int)), TypeError, "to_levels"),
        ((Encoder([10, 2]), [[0.0], [0.0, 1.0]]), ValueError, "rows of different lengths"),
    ],
)
def test_jacobian_refuses_what_does_not_fit(arguments, error, message):
    with pytest.raises(error, match=message):
        jacobian(*arguments)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: compose(), TypeError, "no function"),
        (lambda: compose(np.tanh), TypeError, "fun is ufunc"),
        (lambda: Activation("relu"), ValueError, "activation is 'relu'; it can be 'identity' or 'tanh'"),
        (lambda: vjp(Activation("tanh"), np.zeros(1), np.zeros((1, 1))), ValueError, "no parameters"),
        (lambda: vjp(compose(Encoder([2, 1])), np.zeros(2), np.zeros((1, 2))), ValueError, "has 3 parameters"),
        (lambda: compose(Encoder([2, 1]), LOSS), ValueError, r"HammingLoss\(.*bind.* gives one number.*put it first"),
        (lambda: compose(Encoder([2, 1]), compose(LOSS, Encoder([2, 1]))), ValueError, "put it first"),
    ],
)
def test_functions_that_do_not_compose_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("fun", [Encoder([2, 2]), Activation("tanh"), HammingLoss(HAPLOTYPE).bind([[0, 1]])])
def test_tangents_and_cotangents_must_be_finite_real_numbers(fun):
    x = np.zeros((1, 2))
    with pytest.raises(TypeError, match="the tangent of .* is int64; derivatives take real numbers"):
        jvp(fun, (x,), (np.ones((1, 2), int),))
    with pytest.raises(ValueError, match="the tangent of .* holds NaN or infinity"):
        jvp(fun, (x,), (np.array([[np.inf, 0.0]]),))
    value, pull = vjp(fun, x)
    with pytest.raises(TypeError, match="the cotangent is int64"):
        pull(np.ones(np.shape(value), int))
    with pytest.raises(ValueError, match="the cotangent holds NaN"):
        pull(np.full(np.shape(value), np.nan))
    with pytest.raises(ValueError, match="the cotangent has shape"):
        pull(np.ones((3, 3, *np.shape(value))))


@pytest.mark.parametrize("params", [np.full(6, np.nan), np.full(6, 1e300)])
def test_parameters_must_be_finite(params):
    with pytest.raises(ValueError, match="params holds NaN or infinity"):
        vjp(Encoder([2, 2]), params, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="the tangent of params holds NaN or infinity"):
        jvp(Encoder([2, 2]), (np.zeros(6), np.zeros((1, 2))), (params, None))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "layer after activation"])
def test_derivatives_have_the_precision_of_the_function(name, rng):
    """Of its parameters, that is: an activation has none, and works in its input's."""
    fun, params, x = point(name, np.float32, rng)
    wide = params.astype(np.float64), x.astype(np.float64)
    y, pull = vjp(fun, *wide)
    assert {bar.dtype for bar in pull(np.asarray(y, dtype=np.float64))} == {np.dtype(np.float32)}
    if np.ndim(y):  # a loss gives Python's floats
        assert {y.dtype, *(part.dtype for part in jvp(fun, wide, wide))} == {np.dtype(np.float32)}


def test_a_bound_loss_gives_a_number_for_each_tangent(rng):
    loss, xhat = HammingLoss(HAPLOTYPE).bind([[0, 1]]), np.zeros((1, 2))
    value, value_dot = jvp(loss, (xhat,), (np.ones((1, 2)),))
    assert isinstance(value, float) and isinstance(value_dot, float)
    assert jvp(loss, (xhat,), (np.ones((3, 1, 2)),))[1].shape == (3,)
    with pytest.raises(ValueError, match=r"the tangent of xhat has shape \(3,\); xhat has \(1, 2\)"):
        jvp(loss, (xhat,), (np.ones(3),))


@pytest.mark.parametrize("fun", [Encoder([4, 2]), Chain(Encoder([4, 2]), Decoder([2, 4]))])
def test_models_differentiate_at_levels_only(fun):
    x_dot = np.ones((1, 4))
    with pytest.raises(TypeError, match="to_levels"):
        jvp(fun, (np.ones((1, 4), int),), (x_dot,))
    with pytest.raises(TypeError, match="to_levels"):
        vjp(fun, np.ones((1, 4), int))
    with pytest.raises(ValueError, match="X holds NaN or infinity"):
        jvp(fun, (np.full((1, 4), np.nan),), (x_dot,))


@pytest.mark.parametrize("derive", [lambda f, x: jvp(f, (x,), (x,)), vjp])
def test_a_class_is_no_function_to_differentiate(derive):
    with pytest.raises(TypeError, match="fun is Encoder; it can be an Encoder,"):
        derive(Encoder, np.zeros((1, 2)))


@pytest.mark.parametrize("params", [np.float64(1), "params", [[1.0], [2.0, 3.0]]])
def test_parameters_of_no_vector_are_refused(params):
    model = Chain(Encoder([2, 1], dtype=np.float64), Decoder([1, 2], dtype=np.float64))
    for fun in (model, model.encoder, compose(model)):
        with pytest.raises((TypeError, ValueError), match="params"):
            jvp(fun, (params, np.zeros((1, 2))), (params, None))
        with pytest.raises((TypeError, ValueError), match="params"):
            vjp(fun, params, np.zeros((1, 2)))


def test_any_number_of_threads_is_one_that_can_be_had():
    model, x = Encoder([3, 2], dtype=np.float64), np.ones((4, 3))
    for n_threads in (2**63, 10**30):
        assert jvp(model, (x,), (x,), n_threads=n_threads)[1].tobytes() == jvp(model, (x,), (x,))[1].tobytes()
        assert model(x, n_threads=n_threads).tobytes() == model(x).tobytes()
