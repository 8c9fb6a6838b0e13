# SPDX-License-Identifier: Apache-2.0
"""The one-pass gradient of a chain against the kernels it is made of."""

import numpy as np
import pytest

from fastae import _core
from fastae.layers import round_latents

ENCODER, DECODER = [19, 9, 4], [4, 11, 19]
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-12}
LOSSES = {"hamming": _core.loss_soft_hamming, "cross_entropy": _core.loss_cross_entropy}

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def stack_of(sizes):
    return _core.Stack(np.array(sizes), np.ones(len(sizes) - 1, dtype=np.int32))


class Case:
    """Random parameters and symbols, missing ones among them, of a chain."""

    def __init__(self, rng, n, dtype, encoder=ENCODER, decoder=DECODER):
        self.encoder, self.decoder = stack_of(encoder), stack_of(decoder)
        self.params = [(0.4 * rng.normal(size=s.n_params)).astype(dtype) for s in (self.encoder, self.decoder)]
        self.codes = rng.integers(-1, 3, (n, encoder[0]), dtype=np.int8)
        self.levels = np.array([-2 / 3, 0, 2 / 3], dtype=dtype)
        self.x = np.where(self.codes < 0, 0, self.levels[self.codes]).astype(dtype)
        self.m, self.n = decoder[0], n

    def one_pass(self, encoder_by, decoder_by, loss, bits, n_threads=1):
        kernel = _core.ChainGradient(self.encoder, self.decoder, encoder_by, decoder_by, loss, bits)
        work = np.full(kernel.work(self.n, n_threads), np.nan, self.x.dtype)
        bars = [np.full_like(p, np.nan) for p in self.params]
        level_of = np.append(self.x.dtype.type(0), self.levels)
        return *kernel(*self.params, self.codes, level_of, 0.3, work, *bars, n_threads), *bars

    def many_passes(self, loss, bits):
        kind, n = self.x.dtype, self.n
        h = [np.empty(n * s.n_outputs, kind) for s in (self.encoder, self.decoder)]
        self.encoder.forward(self.params[0], self.x, h[0])
        z = h[0][h[0].size - n * self.m :].reshape(n, self.m)
        given = z if bits is None else round_latents(z, bits)
        self.decoder.forward(self.params[1], given, h[1])
        xhat = h[1][h[1].size - self.x.size :].reshape(self.x.shape)
        xhat_bar, z_bar = np.empty_like(xhat), np.empty_like(z)
        n_known = np.count_nonzero(self.codes >= 0)
        total = LOSSES[loss](xhat, self.codes, self.levels, 0.3, 1 / max(1, n_known), xhat_bar)
        n_wrong = _core.loss_hamming(xhat, self.codes, self.levels)
        bars = [np.empty_like(p) for p in self.params]
        work = [np.empty(s.reverse_work(n), kind) for s in (self.encoder, self.decoder)]
        self.decoder.reverse(self.params[1], given, h[1], xhat_bar, work[1], bars[1], z_bar)
        self.encoder.reverse(self.params[0], self.x, h[0], z_bar, work[0], bars[0], None)
        return total, n_known, n_wrong, *bars


@dtypes
@pytest.mark.parametrize("bits", [None, 1, 3])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("by", [("reverse",) * 2, ("unit_tangents",) * 2, ("reverse", "unit_tangents")])
def test_one_pass_gives_what_many_give(by, loss, bits, dtype, isa, rng):
    for n in (0, 1, 5, 128, 131, 700):
        case = Case(rng, n, dtype)
        for got, wanted in zip(case.one_pass(*by, loss, bits), case.many_passes(loss, bits), strict=True):
            scale = max(1.0, np.abs(wanted).max(initial=0.0))
            np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE[dtype] * scale)


@dtypes
@pytest.mark.parametrize("by", ["reverse", "unit_tangents"])
def test_one_pass_gives_the_same_bits_for_every_number_of_threads(by, dtype, isa, rng):
    case = Case(rng, 4000, dtype, [40, 33, 4], [4, 30, 40])
    one = case.one_pass(by, by, "hamming", None)
    for n_threads in (2, 3, 8):
        for alone, together in zip(one, case.one_pass(by, by, "hamming", None, n_threads), strict=True):
            np.testing.assert_array_equal(alone, together)


def test_sizes_and_kinds_that_do_not_fit_are_refused(rng):
    encoder, decoder = stack_of(ENCODER), stack_of(DECODER)
    good = {"encoder_by": "reverse", "decoder_by": "reverse", "loss": "hamming", "latent_bits": None}
    for name, bad, message in [
        ("encoder_by", "forward", "encoder_by is 'forward', expected 'reverse' or 'unit_tangents'"),
        ("loss", "square", "loss is 'square', expected 'hamming' or 'cross_entropy'"),
        ("latent_bits", 9, "latent_bits is 9, expected 1 to 8"),
    ]:
        with pytest.raises(ValueError, match=message):
            _core.ChainGradient(encoder, decoder, *{**good, name: bad}.values())
    with pytest.raises(ValueError, match="the encoder gives 4 latents, the decoder takes 19"):
        _core.ChainGradient(encoder, encoder, *good.values())
    with pytest.raises(ValueError, match="the encoder takes 19 symbols, the decoder gives 18"):
        _core.ChainGradient(encoder, stack_of([4, 18]), *good.values())
    case = Case(rng, 5, np.float32)
    kernel = _core.ChainGradient(case.encoder, case.decoder, *good.values())
    arrays = {
        "codes": case.codes,
        "level_of": np.append(np.float32(0), case.levels),
        "temperature": 0.3,
        "work": np.empty(kernel.work(5), np.float32),
        "encoder_bar": np.empty_like(case.params[0]),
        "decoder_bar": np.empty_like(case.params[1]),
    }
    for name, bad, message in [
        ("codes", case.codes + np.int8(4), "codes must be -1"),
        ("codes", case.codes[:, :-1].copy(), r"codes has shape \(5, 18\)"),
        ("codes", case.codes.ravel(), r"codes has shape \(95,\)"),
        ("level_of", np.zeros(2, np.float32), "expected 2 to 127 levels"),
        ("work", arrays["work"][1:], "work holds"),
        ("encoder_bar", np.empty(3, np.float32), r"encoder_bar has shape \(3,\)"),
        ("decoder_bar", np.empty(3, np.float32), r"decoder_bar has shape \(3,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            kernel(*case.params, *{**arrays, name: bad}.values())
    kernel(*case.params, *arrays.values())
