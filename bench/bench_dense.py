# SPDX-License-Identifier: Apache-2.0
"""Dense autoencoders against PyTorch (eager and compiled), JAX and NumPy; matrix products against BLAS.

    python bench/bench_dense.py > dense.jsonl
    python bench/bench_dense.py --threads 2 >> dense.jsonl

Rivals are given levels and targets that are ready to use; fastae's step also turns symbols into levels and codes. For
derivatives all are given parameters that are ready to use. All make new arrays for what they return, at every call.
Reconstructions, tangents and losses of all are compared before the clock starts. What is not installed is left out.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from common import pin_threads, print_header, print_race, race
from rivals import N_TANGENTS, RATE, Task, make_rivals, versions
from scipy.linalg.blas import dgemm, sgemm

from fastae import GRADIENT_MODES, HAPLOTYPE, Chain, Decoder, DenseStack, Encoder, HammingLoss, Trainer, _core, jvp

SMALL = [10, 8, 6, 4, 3], [3, 6, 10]
LARGE = [512, 128, 64, 32, 16], [16, 64, 512]
NETWORKS = [(*SMALL, 1), (*SMALL, 64), (*LARGE, 256), (*LARGE, 4096)]  # encoder sizes, decoder sizes, batch
EXACT_MODES = [name for name, mode in GRADIENT_MODES.items() if mode.exact and name != "naive"]
PRODUCTS = [(n, n, n) for n in (16, 32, 64, 128, 256, 512, 1024, 2048)] + [(256, 512, 512), (4096, 128, 512)]
REFERENCE_SIZE = 1024  # of the square matrices whose product tells the rate of BLAS


class Course:
    """A network, a batch of random haplotypes, and the rivals, checked to agree."""

    def __init__(self, encoder_sizes, decoder_sizes, batch, n_threads):
        encoder, decoder = Encoder(encoder_sizes, seed=1), Decoder(decoder_sizes, seed=2)
        loss = HammingLoss(HAPLOTYPE)
        self.n_threads = n_threads
        self.params = {"sizes": "-".join(map(str, [*encoder_sizes, *decoder_sizes[1:]])), "batch": batch}
        self.has_tangents = batch <= 256  # many of many rows are hundreds of megabytes, a bench of memory
        self.n_weights = sum(weights.size for weights, _ in [*encoder.layers, *decoder.layers])
        self.symbols = np.random.default_rng(0).integers(0, 2, (batch, encoder_sizes[0]), dtype=np.int8)
        self.x = HAPLOTYPE.to_levels(self.symbols, np.float32)
        self.task = Task([*encoder.layers, *decoder.layers], self.x, self.symbols, HAPLOTYPE.levels, loss.temperature)
        self.model = Chain(encoder, decoder)
        self.values = self.model.params  # put together once, as the rivals'
        self.trainers = {}
        for mode in EXACT_MODES:  # each on parameters of its own
            halves = Encoder(encoder_sizes, params=encoder.params), Decoder(decoder_sizes, params=decoder.params)
            options = {"gradient": mode, "learning_rate": RATE, "n_threads": n_threads}
            self.trainers[mode] = Trainer(*halves, loss=loss, **options)
        self.rivals = make_rivals(self.task, n_threads)
        self.check()

    def check(self):
        """A race counts only if all run the same course: outputs, tangents and losses must agree."""
        for method in ("forward", "jvp", "tangents") if self.has_tangents else ("forward", "jvp"):
            ours = _arrays(getattr(self, method)())
            for rival in self.rivals:
                for mine, theirs in zip(ours, _arrays(getattr(rival, method)()), strict=True):
                    tolerance = 1e-4 * np.abs(theirs).max()
                    np.testing.assert_allclose(mine, theirs, atol=tolerance, err_msg=f"{rival.name}: {method}")
        ours = [[trainer.step(self.symbols) for _ in range(3)] for trainer in self.trainers.values()]
        for rival in self.rivals:
            losses = [rival.step() for _ in range(3)]
            np.testing.assert_allclose(ours, [losses] * len(ours), rtol=1e-3, err_msg=f"{rival.name}: step")

    def forward(self):
        return self.model(self.x, n_threads=self.n_threads)

    def jvp(self):
        return self._along((self.values, self.x), (self.task.params_dot, self.task.x_dot))

    def tangents(self):
        return self._along((self.x,), (self.task.x_dots,))

    def _along(self, primals, tangents):
        if self.n_threads == 1:
            return jvp(self.model, primals, tangents)
        held = [None] * (2 - len(primals))  # jvp has JAX's signature; a rule takes threads
        return self.model.jvp_rule(*held, *primals, *held, *tangents, n_threads=self.n_threads)

    def run(self, blas_rate):
        """Time everything against every rival."""
        self._race("forward pass", "forward", self.forward)
        for mode, trainer in self.trainers.items():
            self._race(f"training step, {mode} mode", "step", lambda trainer=trainer: trainer.step(self.symbols))
        self._race("jvp, all parameters and inputs", "jvp", self.jvp)
        if not self.has_tangents:
            return
        n_operations = 2 * (N_TANGENTS + 1) * self.params["batch"] * self.n_weights
        more = {
            "gflops": lambda seconds: n_operations / seconds / 1e9,
            "of_blas": lambda seconds: n_operations / seconds / blas_rate,
        }
        self._race(f"{N_TANGENTS} tangents at once, inputs", "tangents", self.tangents, **more)

    def _race(self, name, method, ours, **more):
        rivals = {rival.name: getattr(rival, method) for rival in self.rivals}
        print_race(name, self.params, ours, rivals, n_threads=self.n_threads, **more)


def _arrays(found):
    """Arrays of any library, as NumPy's."""
    return [np.asarray(array) for array in (found if isinstance(found, tuple) else (found,))]


def blas_functions(x, weights):
    """x W^T by the BLAS of NumPy and by that of SciPy, which may be another; no copies are made."""
    y = np.empty((len(x), len(weights)), x.dtype)
    gemm = sgemm if x.dtype == np.float32 else dgemm

    def by_scipy():  # column-major: what it writes is y's transpose
        gemm(1.0, weights.T, x.T, c=y.T, trans_a=True, overwrite_c=True)

    return {"NumPy's BLAS": lambda: np.matmul(x, weights.T, out=y), "SciPy's BLAS": by_scipy}


def matrices(n, d_out, d_in, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in ((n, d_in), (d_out, d_in))]


def reference_rate(n_threads):
    """Operations a second of BLAS on a large product: what a tangent's rate is held against."""
    size = REFERENCE_SIZE
    seconds = min(race(list(blas_functions(*matrices(size, size, size)).values()), n_threads))
    return 2 * size**3 / seconds


def bench_product(name, n, d_out, d_in, dtype, n_threads):
    """One layer without activation, x W^T + b, against the product x W^T alone: where does BLAS win?"""
    x, weights = matrices(n, d_out, d_in, dtype)
    layer = DenseStack([d_in, d_out], ["identity"], np.append(weights, np.zeros(d_out, dtype)))
    h = layer.forward(x, n_threads=n_threads)
    np.testing.assert_allclose(layer.output(h), x @ weights.T, atol=1e-3 * np.sqrt(d_in))
    print_race(
        name,
        {"sizes": f"{d_in}-{d_out}", "batch": n},
        lambda: layer.forward(x, h, n_threads=n_threads),  # into memory that is there, as BLAS
        blas_functions(x, weights),
        n_threads=n_threads,
        gflops=lambda seconds: 2 * n * d_out * d_in / seconds / 1e9,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for fastae and all rivals [%(default)s]")
    n_threads = parser.parse_args().threads
    pin_threads(n_threads)
    print_header(n_threads, **versions())
    rate = reference_rate(n_threads)
    name = f"BLAS, product of square matrices of {REFERENCE_SIZE}"
    print(json.dumps({"name": name, "params": {}, "rate": rate, "unit": "GF/s"}), flush=True)
    for network in NETWORKS if n_threads == 1 else [n for n in NETWORKS if n[-1] >= 256]:
        Course(*network, n_threads).run(rate)
    for product in PRODUCTS:
        bench_product("matrix product", *product, np.float32, n_threads)
    _core.cpu_set_mask(~_core.CPU_FEATURES["amx_bf16"] & 0xFFFFFFFF)  # as BLAS, which multiplies floats on no tiles
    for dtype in (np.float32, np.float64):
        for product in PRODUCTS:
            bench_product(f"matrix product, {np.dtype(dtype).name}, no tiles", *product, dtype, n_threads)
    _core.cpu_set_mask(0xFFFFFFFF)


if __name__ == "__main__":
    main()
