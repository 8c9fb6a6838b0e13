# SPDX-License-Identifier: Apache-2.0
"""Threads, those of the library and those of its caller: results do not depend on either; and nothing leaks."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastae import (
    GRADIENT_MODES,
    HAPLOTYPE,
    Chain,
    Decoder,
    Encoder,
    HammingLoss,
    Trainer,
    compose,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

N_ROWS = 600  # more than two of the parts that threads share


@pytest.fixture
def model():
    return Chain(Encoder([20, 12, 5], seed=1), Decoder([5, 12, 20], seed=2))


@pytest.fixture
def symbols(rng):
    return rng.integers(-1, 2, (N_ROWS, 20), dtype=np.int8)


def assert_same(alone, together):
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads as Linux lists them")
def test_importing_fastae_starts_nothing_and_loads_no_optional_package():
    code = """
import os, sys
before = set(sys.modules)
import fastae
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(len(os.listdir("/proc/self/task")), *loaded)
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # NumPy's own threads are none of fastae's
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    n_threads, *packages = told.stdout.split()
    assert n_threads == "1" and {"fastae", "numpy"} <= set(packages)
    optional = "bed_reader cyvcf2 dask jax matplotlib numcodecs pandas pgenlib sklearn torch tqdm xarray zarr"
    assert set(optional.split()).isdisjoint(packages)


def test_models_and_derivatives_have_the_same_bits_for_every_number_of_threads(model, symbols, rng):
    x = HAPLOTYPE.to_levels(symbols)
    loss = HammingLoss(HAPLOTYPE)
    tangents = rng.normal(size=(2, model.params.size)).astype(np.float32), rng.normal(size=(2, *x.shape))
    cotangent = rng.normal(size=x.shape)

    def everything(n_threads):
        y, pull = vjp(model, model.params, x, n_threads=n_threads)
        whole = compose(loss.bind(HAPLOTYPE.to_codes(symbols)), model)
        return [
            model(x, n_threads=n_threads),
            model.transform(x, n_threads=n_threads),
            model.inverse_transform(y[:, :5], n_threads=n_threads),
            model.encoder(x, n_threads=n_threads),
            model.encoder.stack(x, n_threads=n_threads),
            *jvp(model, (model.params, x), tangents, n_threads=n_threads),
            *jvp(whole, (whole.params, x), tangents, n_threads=n_threads),
            *pull(cotangent),
            *(jacobian(model, x, mode, n_threads=n_threads) for mode in ("forward", "reverse")),
            *value_and_grad(model, loss, symbols, n_threads=n_threads),
        ]

    alone = everything(1)
    for n_threads in (2, 3, 100):
        assert_same(alone, everything(n_threads))


@pytest.mark.parametrize("gradient", GRADIENT_MODES)
def test_training_has_the_same_bits_for_every_number_of_threads(gradient, model, symbols):
    def trained(n_threads):
        chain = copy.deepcopy(model)
        trainer = Trainer(
            chain.encoder,
            chain.decoder,
            loss=HammingLoss(HAPLOTYPE),
            gradient=gradient,
            batch_size=N_ROWS,
            n_threads=n_threads,
        )
        return [trainer.step(symbols), trainer.step(symbols), *trainer.evaluate(symbols), chain.params]

    alone = trained(1)
    assert_same(alone, trained(2))
    assert_same(alone, trained(5))


@pytest.mark.parametrize(
    ("n_threads", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_numbers_of_threads_that_cannot_be_are_refused_by_name(n_threads, error, model, symbols):
    x = HAPLOTYPE.to_levels(symbols[:2])
    encoder, decoder, loss = model.encoder, model.decoder, HammingLoss(HAPLOTYPE)
    h = encoder.stack.forward(x)
    z = encoder.stack.output(h)
    for call in (
        lambda: model(x, n_threads=n_threads),
        lambda: model.transform(x, n_threads=n_threads),
        lambda: decoder.inverse_transform(z, n_threads=n_threads),
        lambda: encoder.stack(x, n_threads=n_threads),
        lambda: encoder.stack.forward(x, n_threads=n_threads),
        lambda: encoder.stack.tangent(x, h, x_dot=x, n_threads=n_threads),
        lambda: encoder.stack.reverse(x, h, z, n_threads=n_threads),
        lambda: encoder.stack.unit_tangents(x, h, z, n_threads=n_threads),
        lambda: jvp(model, (x,), (x,), n_threads=n_threads),
        lambda: jvp(loss.bind(symbols[:2]), (x,), (x,), n_threads=n_threads),
        lambda: vjp(model, x, n_threads=n_threads),
        lambda: jacobian(model, x, n_threads=n_threads),
        lambda: value_and_grad(model, loss, symbols, n_threads=n_threads),
        lambda: Trainer(encoder, decoder, loss=loss, n_threads=n_threads),
    ):
        with pytest.raises(error, match="n_threads must be"):
            call()


def test_threads_that_share_a_model_do_not_disturb_each_other(model, rng):
    """Small batches keep the interpreter to themselves, large ones let others run: both at once."""
    batches = [rng.uniform(-1, 1, (n, 20)).astype(np.float32) for n in (1, 7, 300, 2000)] * 4

    def work(x):
        return [(model(x), *jvp(model, (model.params, x), (model.params, x))) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, batches))
    for x, results in zip(batches, found, strict=True):
        alone = model(x), *jvp(model, (model.params, x), (model.params, x))
        for result in results:
            assert_same(alone, result)


def test_trainers_in_threads_of_their_own_train_as_alone(model, symbols):
    def trained(seed):
        encoder, decoder = Encoder([20, 12, 5], seed=seed), Decoder([5, 12, 20], seed=seed)
        trainer = Trainer(encoder, decoder, loss=HammingLoss(HAPLOTYPE), batch_size=100, seed=seed)
        return *trainer.fit(symbols, n_epochs=3).loss, encoder.params, decoder.params

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(trained, range(3)))
    for seed in range(3):
        assert_same(trained(seed), together[seed])


def calls(model, symbols):
    """What a program does over and over, with arrays as they are taken and others, and what is refused."""
    x = HAPLOTYPE.to_levels(symbols)
    params = model.params
    trainer = Trainer(model.encoder, model.decoder, loss=HammingLoss(HAPLOTYPE))
    bad = np.full_like(x, np.nan)

    def refused():
        with pytest.raises(ValueError, match="NaN"):
            model(bad)
        with pytest.raises(ValueError, match="has shape"):
            jvp(model, (params, x), (params[1:], x))

    return [x, params, bad, symbols], [
        lambda: model(x),
        lambda: model(x.astype(np.float64)),
        lambda: jvp(model, (params, x), (params, x)),
        lambda: jvp(model, (params, x), (params[None], None)),
        lambda: vjp(model, params, x)[1](x),
        lambda: trainer.step(symbols),
        refused,
    ]


@pytest.mark.parametrize("n", [1, N_ROWS])
def test_calls_keep_no_reference_and_no_memory(n, model, symbols):
    arrays, repeated = calls(model, symbols[:n])
    for call in repeated:
        for _ in range(3):  # what is made once, is made now
            call()
        gc.collect()
        before = [sys.getrefcount(array) for array in arrays]
        tracemalloc.start()
        held = []
        for _ in range(7):
            for _ in range(50):
                call()
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert [sys.getrefcount(array) for array in arrays] == before
        grown = min(np.diff(held))  # what calls keep, they keep every time; what the interpreter does, now and then
        assert grown < 50 * 16, f"50 calls hold {grown} bytes"  # of one each that is as small as objects are


def test_models_are_copied_and_pickled_with_their_kernels(model, symbols):
    x = HAPLOTYPE.to_levels(symbols)
    expected = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other(x), expected)
        other.encoder.params[:] = 0
        assert not other.encoder.stack.params.any()
    np.testing.assert_array_equal(model(x), expected)
