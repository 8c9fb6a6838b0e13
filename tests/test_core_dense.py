# SPDX-License-Identifier: Apache-2.0
"""The dense-stack kernels against their NumPy twins, each other, and finite differences."""

import numpy as np
import pytest
import reference

from fastae import _core

IDENTITY, TANH = 0, 1
# Widths around every vector length and block of the kernels, one to many layers, with and without tanh at the end.
STACKS = [
    ([1, 1], [TANH]),
    ([3, 7], [IDENTITY]),
    ([10, 8, 6, 4, 3, 6, 10], [TANH] * 6),
    ([8, 15, 16, 17], [TANH, IDENTITY, TANH]),
    ([31, 33, 7, 40], [TANH, TANH, IDENTITY]),
    ([300, 24, 70], [TANH, TANH]),
    ([5, 600, 2], [TANH, IDENTITY]),
]
ROWS = [0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 300]
DTYPES = [np.float32, np.float64]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-13}

stacks = pytest.mark.parametrize(("sizes", "activations"), STACKS, ids=["-".join(map(str, s)) for s, _ in STACKS])
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


class Stack:
    """Random parameters and inputs of a stack, and the kernels over them."""

    def __init__(self, rng, sizes, activations, n, dtype, n_threads=1):
        self.n_threads = n_threads
        self.sizes = np.array(sizes)
        self.activations = np.array(activations, dtype=np.int32)
        self.kernel = _core.Stack(self.sizes, self.activations)
        parts = []
        for d_in, d_out in zip(sizes[:-1], sizes[1:], strict=True):
            parts += [rng.normal(size=d_in * d_out) / np.sqrt(d_in), 0.3 * rng.normal(size=d_out)]
        self.params = np.concatenate(parts).astype(dtype)
        self.x = rng.normal(size=(n, sizes[0])).astype(dtype)
        self.h = np.full(n * sum(sizes[1:]), np.nan, dtype=dtype)
        self.y_bar = rng.normal(size=(n, sizes[-1])).astype(dtype)

    @property
    def exact(self):
        """What the NumPy twins take: the same numbers in float64."""
        return self.sizes, self.activations, self.params.astype(np.float64), self.x.astype(np.float64)

    @property
    def given(self):
        return self.params, self.x

    def forward(self):
        self.kernel.forward(*self.given, self.h, self.n_threads)
        return self.h

    @property
    def y(self):
        """The last layer that forward left."""
        return self.h[self.h.size - len(self.x) * self.sizes[-1] :].reshape(-1, self.sizes[-1])

    def predict(self):
        return self.kernel.predict(*self.given, self.n_threads)

    def tangent(self, params_dot, x_dot):
        return self.kernel.tangent(*self.given, self.h, params_dot, x_dot, self.n_threads)

    def jvp(self, params_dot, x_dot):
        return self.kernel.jvp(*self.given, params_dot, x_dot, self.n_threads)

    def gradient(self, mode, with_params=True, with_x=True):
        size = getattr(self.kernel, mode + "_work")(len(self.x), self.n_threads)
        work = np.full(size, np.nan, dtype=self.x.dtype)
        params_bar = np.full_like(self.params, np.nan) if with_params else None
        x_bar = np.full_like(self.x, np.nan) if with_x else None
        getattr(self.kernel, mode)(*self.given, self.h, self.y_bar, work, params_bar, x_bar, self.n_threads)
        return params_bar, x_bar


def tanh_of(x):
    """The layer of one weight, 1, and no bias."""
    h = np.empty_like(x)
    _core.Stack(np.array([1, 1]), np.array([TANH], np.int32)).forward(np.array([1, 0], x.dtype), x[:, None], h)
    return h


def assert_close(got, wanted, dtype):
    """To rounding, measured by the largest number wanted: sums cancel."""
    scale = max(1.0, np.abs(wanted).max(initial=0.0))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE[dtype] * scale)


@dtypes
@stacks
def test_forward_agrees_with_reference(sizes, activations, dtype, isa, rng):
    for n in ROWS:
        stack = Stack(rng, sizes, activations, n, dtype)
        wanted = reference.forward(*stack.exact)
        assert_close(stack.forward(), np.concatenate([h.ravel() for h in wanted]), dtype)


@dtypes
@stacks
def test_predict_is_the_last_layer_of_forward(sizes, activations, dtype, isa, rng):
    for n in ROWS:
        stack = Stack(rng, sizes, activations, n, dtype)
        stack.forward()
        np.testing.assert_array_equal(stack.predict(), stack.y)


@dtypes
@stacks
def test_jvp_is_forward_and_tangents_in_one_pass(sizes, activations, dtype, isa, rng):
    for n, k in [(0, 2), (1, 300), (7, 3), (300, 2)]:
        stack = Stack(rng, sizes, activations, n, dtype)
        stack.forward()
        params_dot = rng.normal(size=(k, stack.params.size)).astype(dtype)
        x_dot = rng.normal(size=(k, *stack.x.shape)).astype(dtype)
        for p, q in [(params_dot, x_dot), (params_dot, None), (None, x_dot)]:
            y, y_dot = stack.jvp(p, q)
            np.testing.assert_array_equal(y, stack.y)
            np.testing.assert_array_equal(y_dot, stack.tangent(p, q))


@dtypes
@pytest.mark.parametrize(
    ("sizes", "n"), [([40, 33, 5, 40], 5000), ([10, 8, 6, 4, 3, 6, 10], 9000), ([300, 90, 150], 257)]
)
def test_results_are_the_same_bits_for_every_number_of_threads(sizes, n, dtype, isa, rng):
    activations = [TANH] * (len(sizes) - 1)
    stack = Stack(rng, sizes, activations, n, dtype)
    params_dot = rng.normal(size=(2, stack.params.size)).astype(dtype)
    x_dot = rng.normal(size=(2, *stack.x.shape)).astype(dtype)

    def everything(n_threads):
        stack.n_threads = n_threads
        return [
            stack.forward().copy(),
            stack.predict(),
            stack.tangent(params_dot, x_dot),
            *stack.jvp(params_dot, x_dot),
            *stack.gradient("reverse"),
            *stack.gradient("unit_tangents"),
        ]

    one = everything(1)
    for n_threads in (2, 3, 8, 1000):
        for alone, together in zip(one, everything(n_threads), strict=True):
            np.testing.assert_array_equal(alone, together)


@dtypes
def test_tanh_is_accurate_over_its_whole_range(dtype, isa):
    """One 1-1 layer of weight 1 is tanh itself: within 5 ulp of float32, 1e-15 relative in float64."""
    magnitudes = np.geomspace(1e-30, 40, 20_000)
    x = np.concatenate([-magnitudes, [0.0, -0.0], magnitudes, np.linspace(-2, 2, 20_001)]).astype(dtype)
    h = tanh_of(x)
    wanted = np.tanh(x.astype(np.longdouble))
    error = np.abs(h - wanted)
    allowed = 5 * np.spacing(np.abs(wanted.astype(dtype))) if dtype == np.float32 else 1e-15 * np.abs(wanted)
    assert np.all(error <= allowed)
    assert np.abs(h).max() <= 1


@dtypes
@pytest.mark.parametrize("n", [1, 40])
def test_tanh_keeps_infinities_and_nan(n, dtype, isa):
    for value, wanted in [(np.inf, 1.0), (-np.inf, -1.0), (np.nan, np.nan)]:
        np.testing.assert_array_equal(tanh_of(np.full(n, value, dtype)), wanted)


@dtypes
@stacks
def test_reverse_agrees_with_reference(sizes, activations, dtype, isa, rng):
    for n in ROWS:
        stack = Stack(rng, sizes, activations, n, dtype)
        stack.forward()
        for got, wanted in zip(
            stack.gradient("reverse"),
            reference.reverse(*stack.exact, stack.y_bar.astype(np.float64)),
            strict=True,
        ):
            assert_close(got, wanted, dtype)


@dtypes
@stacks
def test_unit_tangents_give_the_gradient_of_reverse(sizes, activations, dtype, isa, rng):
    for n in [0, 1, 7, 17, 33, 300]:
        stack = Stack(rng, sizes, activations, n, dtype)
        stack.forward()
        for forward, reverse in zip(stack.gradient("unit_tangents"), stack.gradient("reverse"), strict=True):
            assert_close(forward, reverse, dtype)


@pytest.mark.parametrize("kernel", ["reverse", "unit_tangents"])
def test_half_a_gradient_is_half_of_the_whole(kernel, isa, rng):
    stack = Stack(rng, [10, 8, 6, 4, 3], [TANH] * 4, 70, np.float64)
    stack.forward()
    params_bar, x_bar = stack.gradient(kernel)
    assert_close(stack.gradient(kernel, with_x=False)[0], params_bar, np.float64)
    assert_close(stack.gradient(kernel, with_params=False)[1], x_bar, np.float64)
    assert stack.gradient(kernel, with_params=False, with_x=False) == (None, None)


@dtypes
@stacks
def test_tangents_agree_with_reference(sizes, activations, dtype, isa, rng):
    for n, k in [(0, 2), (1, 1), (1, 300), (7, 3), (33, 17), (300, 2)]:
        stack = Stack(rng, sizes, activations, n, dtype)
        stack.forward()
        params_dot = (rng.normal(size=(k, stack.params.size)) / np.sqrt(sizes[0])).astype(dtype)
        x_dot = rng.normal(size=(k, *stack.x.shape)).astype(dtype)
        for p, q in [(params_dot, x_dot), (params_dot, None), (None, x_dot)]:
            all_p = np.zeros((k, stack.params.size)) if p is None else p.astype(np.float64)
            all_q = np.zeros((k, *stack.x.shape)) if q is None else q.astype(np.float64)
            wanted = [reference.tangent(*stack.exact, all_p[t], all_q[t]) for t in range(k)]
            assert_close(stack.tangent(p, q), np.array(wanted), dtype)


def test_no_tangent_at_all_gives_zero(isa, rng):
    stack = Stack(rng, [3, 4, 2], [TANH, TANH], 5, np.float32)
    stack.forward()
    np.testing.assert_array_equal(stack.tangent(None, None), np.zeros((5, 2)))
    np.testing.assert_array_equal(stack.jvp(None, None)[1], np.zeros((5, 2)))


@dtypes
def test_one_tangent_needs_no_leading_axis(dtype, isa, rng):
    stack = Stack(rng, [10, 8, 6], [TANH, TANH], 5, dtype)
    stack.forward()
    params_dot, x_dot = rng.normal(size=(1, stack.params.size)).astype(dtype), rng.normal(size=(1, 5, 10)).astype(dtype)
    for p, q in [(params_dot, x_dot), (params_dot, None), (None, x_dot)]:
        alone = [None if dot is None else dot[0] for dot in (p, q)]
        np.testing.assert_array_equal(stack.tangent(*alone), stack.tangent(p, q)[0])
        np.testing.assert_array_equal(stack.jvp(*alone)[1], stack.jvp(p, q)[1][0])


@stacks
def test_tangents_agree_with_central_differences(sizes, activations, isa, rng):
    step = 1e-5
    stack = Stack(rng, sizes, activations, 5, np.float64)
    stack.forward()
    params_dot, x_dot = rng.normal(size=(1, stack.params.size)), rng.normal(size=(1, *stack.x.shape))
    params_dot /= np.linalg.norm(params_dot)
    ends = []
    for sign in (1, -1):
        moved = Stack(rng, sizes, activations, 5, np.float64)
        moved.params = stack.params + sign * step * params_dot[0]
        moved.x = stack.x + sign * step * x_dot[0]
        ends.append(moved.forward()[-5 * sizes[-1] :].reshape(5, -1))
    np.testing.assert_allclose(
        stack.tangent(params_dot, x_dot)[0], (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-8
    )


@dtypes
@pytest.mark.parametrize("n", [1, 9, 300])
def test_many_tangents_at_once_are_as_many_runs(n, dtype, isa, rng):
    stack = Stack(rng, [10, 8, 6, 4], [TANH] * 3, n, dtype)
    stack.forward()
    params_dot = rng.normal(size=(19, stack.params.size)).astype(dtype)
    x_dot = rng.normal(size=(19, n, 10)).astype(dtype)
    together = stack.tangent(params_dot, x_dot)
    alone = np.concatenate([stack.tangent(params_dot[t : t + 1], x_dot[t : t + 1]) for t in range(19)])
    assert_close(together, alone, dtype)


@dtypes
@stacks
def test_forward_and_reverse_mode_are_transposes(sizes, activations, dtype, isa, rng):
    """<v, J u> = <J^T v, u>."""
    stack = Stack(rng, sizes, activations, 20, dtype)
    stack.forward()
    params_dot = rng.normal(size=(1, stack.params.size)).astype(dtype)
    x_dot = rng.normal(size=(1, *stack.x.shape)).astype(dtype)
    y_dot = stack.tangent(params_dot, x_dot)[0]
    params_bar, x_bar = stack.gradient("reverse")
    left = np.vdot(stack.y_bar.astype(np.float64), y_dot)
    right = np.vdot(params_bar.astype(np.float64), params_dot) + np.vdot(x_bar.astype(np.float64), x_dot)
    scale = np.linalg.norm(stack.y_bar) * np.linalg.norm(y_dot)
    assert abs(left - right) <= 10 * TOLERANCE[dtype] * scale


def test_code_paths_agree_to_rounding(rng):
    """Float results may differ between CPUs, but in the last digits only."""
    stack = Stack(rng, [64, 32, 8, 32, 64], [TANH] * 4, 50, np.float64)
    _core.cpu_set_mask(0)
    try:
        scalar = stack.forward().copy()
    finally:
        _core.cpu_set_mask(0xFFFFFFFF)
    assert_close(stack.forward(), scalar, np.float64)


class TestRefusals:
    """Every array whose size does not follow from the others is refused before a kernel sees it."""

    @pytest.fixture
    def stack(self, rng):
        return Stack(rng, [4, 3, 2], [TANH, TANH], 5, np.float32)

    @pytest.mark.parametrize(
        ("sizes", "activations", "error", "message"),
        [
            (np.array([4]), [1], ValueError, r"sizes has shape \(1,\)"),
            (np.array([[4, 3, 2]]), [1, 1], ValueError, r"sizes has shape \(1, 3\)"),
            (np.array([4, 0, 2]), [1, 1], ValueError, r"sizes\[1\] is 0"),
            (np.array([4, 2**40, 2]), [1, 1], ValueError, r"sizes\[1\] is 1099511627776"),
            (np.array([4, -3, 2]), [1, 1], ValueError, r"sizes\[1\] is -3"),
            (np.ones(66, int), [1] * 65, ValueError, r"expected 2 to 65 widths"),
            (np.array([4.0, 3.0, 2.0]), [1, 1], TypeError, "sizes has dtype float64"),
            ([4, 3, 2], [1, 1], TypeError, "sizes is list"),
            (np.array([4, 3, 2]), [1], ValueError, r"activations has shape \(1,\), expected \(2,\)"),
            (np.array([4, 3, 2]), [1, 2], ValueError, r"activations\[1\] is 2"),
        ],
    )
    def test_a_stack_refuses(self, sizes, activations, error, message):
        with pytest.raises(error, match=message):
            _core.Stack(sizes, np.array(activations, np.int32))

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"params": np.zeros(22, np.float32)}, ValueError, r"params has shape \(22,\), expected \(23,\)"),
            ({"params": np.zeros(23, np.float16)}, TypeError, "params is float16"),
            ({"params": None}, TypeError, "params is NoneType"),
            ({"x": np.zeros((5, 3), np.float32)}, ValueError, r"x has shape \(5, 3\), expected \(5, 4\)"),
            ({"x": np.zeros(20, np.float32)}, ValueError, r"x has shape \(20,\), expected 2 axes"),
            ({"x": np.zeros((5, 4))}, TypeError, "x has dtype float64, expected float32"),
            ({"x": np.zeros((5, 8), np.float32)[:, ::2]}, ValueError, "x must be C-contiguous"),
            ({"x": np.zeros((5, 4), ">f4")}, ValueError, "x must be .* native byte order"),
            ({"h": np.zeros(24, np.float32)}, ValueError, "h holds 24 numbers, 5 examples of 5 outputs need 25"),
            ({"h": np.zeros(50, np.float32)}, ValueError, "h holds 50 numbers"),
        ],
    )
    def test_forward_refuses(self, stack, change, error, message):
        given = {"params": stack.params, "x": stack.x, "h": stack.h}
        with pytest.raises(error, match=message):
            stack.kernel.forward(*{**given, **change}.values())

    def test_outputs_must_be_writable_and_inputs_need_not(self, stack):
        stack.params.flags.writeable = stack.x.flags.writeable = False
        stack.forward()
        stack.h.flags.writeable = False
        with pytest.raises(ValueError, match="h is read-only"):
            stack.forward()

    @pytest.mark.parametrize("kernel", ["reverse", "unit_tangents"])
    def test_gradients_refuse(self, stack, kernel):
        stack.forward()
        enough = getattr(stack.kernel, kernel + "_work")(5)
        good = {
            "y_bar": stack.y_bar,
            "work": np.empty(enough, np.float32),
            "params_bar": np.empty(23, np.float32),
            "x_bar": np.empty((5, 4), np.float32),
        }
        for name, bad, message in [
            ("y_bar", np.zeros((5, 3), np.float32), r"y_bar has shape \(5, 3\), expected \(5, 2\)"),
            ("work", np.empty(enough - 1, np.float32), f"work holds {enough - 1} numbers, {enough} are needed"),
            ("params_bar", np.empty(24, np.float32), r"params_bar has shape \(24,\), expected \(23,\)"),
            ("x_bar", np.empty((4, 5), np.float32), r"x_bar has shape \(4, 5\), expected \(5, 4\)"),
        ]:
            with pytest.raises(ValueError, match=message):
                getattr(stack.kernel, kernel)(*stack.given, stack.h, *{**good, name: bad}.values())
        getattr(stack.kernel, kernel)(*stack.given, stack.h, *good.values())

    def test_tangents_refuse(self, stack):
        stack.forward()
        good = {"params_dot": np.zeros((2, 23), np.float32), "x_dot": np.zeros((2, 5, 4), np.float32)}
        for change, error, message in [
            ({"params_dot": np.zeros((3, 23), np.float32)}, ValueError, r"params_dot has shape \(3, 23\) and x_dot"),
            ({"params_dot": np.zeros(23, np.float32)}, ValueError, r"params_dot has shape \(23,\) and x_dot"),
            ({"params_dot": np.zeros((2, 22), np.float32)}, ValueError, r"params_dot .*\(2, 22\), expected \(23,\)"),
            ({"params_dot": np.zeros((1, 2, 23), np.float32)}, ValueError, "params_dot has shape"),
            ({"x_dot": np.zeros((2, 4, 4), np.float32)}, ValueError, r"x_dot has shape \(2, 4, 4\), expected \(5, 4\)"),
            ({"x_dot": np.zeros(4, np.float32)}, ValueError, "x_dot has shape"),
            ({"x_dot": np.zeros((2, 4, 5), np.float32).swapaxes(1, 2)}, ValueError, "x_dot must be C-contiguous"),
            ({"x_dot": np.zeros((2, 5, 4))}, TypeError, "x_dot has dtype float64"),
        ]:
            for call in (stack.tangent, stack.jvp):
                with pytest.raises(error, match=message):
                    call(*{**good, **change}.values())
        assert stack.tangent(*good.values()).shape == (2, 5, 2)

    def test_numbers_that_are_not_finite_are_refused_where_nobody_looked_before(self, stack):
        params_dot, x_dot = np.zeros(23, np.float32), np.zeros((5, 4), np.float32)
        for array, name in (stack.params, "params"), (stack.x, "x"), (params_dot, "params_dot"), (x_dot, "x_dot"):
            before = array.flat[-1]
            array.flat[-1] = np.nan
            with pytest.raises(ValueError, match=f"^{name} holds NaN"):
                stack.jvp(params_dot, x_dot)
            array.flat[-1] = before
        stack.x[4, 3] = np.inf
        with pytest.raises(ValueError, match="^x holds NaN or infinity"):
            stack.predict()

    def test_a_number_of_threads_below_one_is_refused(self, stack):
        tangents = np.zeros(23, np.float32), None
        for n_threads, error, message in (0, ValueError, "1 or more, got 0"), (1.5, TypeError, "an integer, got float"):
            stack.n_threads = n_threads
            for call in (stack.predict, stack.forward, lambda: stack.tangent(*tangents), lambda: stack.jvp(*tangents)):
                with pytest.raises(error, match=f"n_threads must be {message}"):
                    call()
            for mode in ("reverse", "unit_tangents"):
                with pytest.raises(error, match=f"n_threads must be {message}"):
                    stack.gradient(mode)

    def test_parameters_and_outputs_are_counted(self, stack):
        assert stack.kernel.n_params == 4 * 3 + 3 + 3 * 2 + 2
        assert stack.kernel.n_outputs == 3 + 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 3, 15, 16, 17, 33, 1000])
def test_is_finite_finds_one_number_that_is_not(dtype, n):
    top = np.finfo(dtype).max
    x = np.resize(np.array([0, -0.0, top, -top, np.finfo(dtype).smallest_subnormal], dtype), n)
    assert _core.dense_is_finite(x)
    for at in {0, n // 2, n - 1} & set(range(n)):
        for bad in (np.nan, -np.nan, np.inf, -np.inf):
            y = x.copy()
            y[at] = bad
            assert not _core.dense_is_finite(y)


def test_is_finite_refuses_what_is_no_array_of_reals():
    for bad in ([1.0], np.zeros(3, np.int32), np.zeros((4, 4), np.float32)[:, ::2]):
        with pytest.raises((TypeError, ValueError)):
            _core.dense_is_finite(bad)
