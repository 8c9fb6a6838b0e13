# SPDX-License-Identifier: Apache-2.0
"""What each gradient mode costs, in operations and memory, predicted beside measured; and how exact estimates are.

    python bench/bench_modes.py > modes.jsonl
    python bench/table_modes.py modes.jsonl

Predictions count the multiply-adds of matrix products and the numbers in the largest arrays, all else left out.
"""

from __future__ import annotations

import itertools
import json
import tracemalloc

import numpy as np
from common import pin_threads, print_header, race

from fastae import (
    GRADIENT_MODES,
    HAPLOTYPE,
    Chain,
    Decoder,
    Encoder,
    ForwardGradient,
    HammingLoss,
    forward_gradient,
    value_and_grad,
)
from fastae.gradient_modes import NUMBERS_AT_ONCE

NETWORKS = [  # encoder sizes, decoder sizes, batch
    ([10, 8, 6, 4, 3], [3, 6, 10], 64),
    ([128, 32, 8], [8, 32, 128], 256),
    ([1024, 64, 48, 32, 24], [24, 64, 1024], 256),
    ([512, 128, 64, 32, 16], [16, 64, 512], 256),
]
DECODERS = [[3, 6, 10], [4, 16, 32], [8, 32, 128], [16, 64, 512], [16, 128, 512], [32, 256, 512]]
N_TANGENTS = 16  # of the forward gradient
N_RUNS = 400  # of its error
SLAB = 256  # rows that a kernel takes at a time


def products(sizes):
    """Weights of each layer, the multiply-adds of its forward pass for one row."""
    return [d_in * d_out for d_in, d_out in itertools.pairwise(sizes)]


def reverse_cost(sizes, with_x):
    """Parameters' cotangents, and those of the layers' inputs, for one row."""
    return 2 * sum(products(sizes)) - (0 if with_x else products(sizes)[0])


def unit_tangents_cost(sizes, with_x):
    """Every unit tangent through the layers after its own but the last, which the loss's cotangent has been through."""
    *before, last = products(sizes)
    cost, tangents = last, 0
    for layer, (d, product) in enumerate(zip(sizes, before, strict=False)):
        joins = with_x if layer == 0 else True
        cost += tangents * product + joins * product  # a tangent's first product is a column of W
        tangents += joins * d
    return cost + tangents * sizes[-2] + sum(products(sizes))


def tangent_cost(sizes, with_params, with_x):
    """One tangent: W_dot h and W h_dot in every layer."""
    first, *rest = products(sizes)
    return (with_params + with_x) * first + (1 + with_params) * sum(rest)


def multiply_adds(mode, encoder, decoder):
    """For one row, the forward pass left out."""
    forward = sum(products(encoder)) + sum(products(decoder))
    encoder_cost, decoder_cost = {
        "reverse": (reverse_cost(encoder, False), reverse_cost(decoder, True)),
        "mixed": (reverse_cost(encoder, False), unit_tangents_cost(decoder, True)),
        "forward": (unit_tangents_cost(encoder, False), unit_tangents_cost(decoder, True)),
        "naive": (
            n_params(encoder) * (tangent_cost(encoder, True, False) + sum(products(decoder))),
            n_params(decoder) * tangent_cost(decoder, True, False),
        ),
        "weight": (N_TANGENTS * tangent_cost(encoder, True, False), N_TANGENTS * tangent_cost(decoder, True, True)),
        "activity": (N_TANGENTS * (forward - encoder[0] * encoder[1]), forward),
    }[mode]
    return encoder_cost + decoder_cost


def print_line(line):
    print(json.dumps(line), flush=True)


def n_params(sizes):
    return sum(products(sizes)) + sum(sizes[1:])


def scratch(mode, encoder, decoder, n):
    """Numbers, the outputs of the layers left out, which the forward pass leaves."""
    if mode in ("reverse", "mixed", "forward"):
        sweeps = {"reverse": "rr", "mixed": "ru", "forward": "uu"}[mode]
        parts = zip(sweeps, (encoder, decoder), strict=True)
        return n * decoder[0] + sum(sweep_scratch(sweep, sizes, n) for sweep, sizes in parts)
    outputs = n * (sum(encoder[1:]) + sum(decoder[1:]))
    numbers = {
        "naive": n_params(encoder) + n * (decoder[0] + decoder[-1]),
        "weight": n_params(encoder) + n_params(decoder) + n * (decoder[0] + decoder[-1]),
        "activity": outputs,
    }[mode]
    k = max(1, min(N_TANGENTS if mode != "naive" else n_params(encoder), NUMBERS_AT_ONCE // numbers))
    if mode == "activity":  # besides directions, tangents of two layers, slopes, and the estimates
        return k * (numbers + 2 * n * max(decoder)) + 2 * outputs
    return k * numbers + 2 * SLAB * max([*encoder[1:], *decoder[1:]])


def sweep_scratch(sweep, sizes, n):
    """Reverse: cotangents of two layers. Unit tangents: those of two layers for a tile of rows, and slopes for all."""
    rows = min(n, SLAB)
    if sweep == "r":
        return 2 * rows * max(sizes[1:])
    tangents = list(itertools.accumulate(sizes))
    most = max([1, *(t * d for t, d in zip(tangents, sizes[1:-1], strict=False))])
    tile = max(16, min(64, 2**17 // most))
    return rows * (2 * sum(sizes[1:]) + sizes[0] + max(sizes)) + 2 * tile * most


def peak_bytes(fun):
    """The most that a call holds beyond what there was before it."""
    fun()  # what is made once and kept
    tracemalloc.start()
    fun()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


class Course:
    """A network at a random place, a batch of random haplotypes, and what the forward pass leaves of it."""

    def __init__(self, encoder_sizes, decoder_sizes, batch):
        self.sizes = encoder_sizes, decoder_sizes
        self.params = {"sizes": "-".join(map(str, [*encoder_sizes, *decoder_sizes[1:]])), "batch": batch}
        self.model = Chain(Encoder(encoder_sizes, seed=1), Decoder(decoder_sizes, seed=2))
        self.loss = HammingLoss(HAPLOTYPE)
        self.rows = np.random.default_rng(0).integers(0, 2, (batch, encoder_sizes[0]), dtype=np.int8)
        self.x = HAPLOTYPE.to_levels(self.rows, np.float32)
        self.encoder, self.decoder = self.model.encoder.stack, self.model.decoder.stack
        self.h_encoder = self.encoder.forward(self.x)
        self.z = self.encoder.output(self.h_encoder)
        self.h_decoder = self.decoder.forward(self.z)
        _, self.xhat_bar = self.loss.loss_gradient(self.decoder.output(self.h_decoder), self.rows)
        self.bars = np.empty_like(self.encoder.params), np.empty_like(self.decoder.params)

    def forward(self):
        self.encoder.forward(self.x, self.h_encoder)
        self.decoder.forward(self.z, self.h_decoder)

    def run(self, plan):
        plan(self.x, self.h_encoder, self.z, self.h_decoder, self.xhat_bar, *self.bars)

    def print_costs(self, name, mode):
        """A mode's cost beside that of the forward pass."""
        batch = self.params["batch"]

        def plan():
            return mode.plan(self.encoder, self.decoder, batch, np.random.default_rng(0))

        ready = plan()
        seconds, forward_seconds = race([lambda: self.run(ready), self.forward])
        work = batch * multiply_adds(name, *self.sizes)
        forward_work = batch * sum(map(sum, map(products, self.sizes)))
        print_line(
            {
                "name": "cost",
                "params": self.params | {"gradient": name},
                "seconds": seconds,
                "multiply_adds": work,
                "multiply_adds_per_s": work / seconds,
                "predicted_forward_passes": work / forward_work,
                "forward_passes": seconds / forward_seconds,
                "predicted_scratch_bytes": 4 * scratch(name, *self.sizes, batch),
                "scratch_bytes": peak_bytes(lambda: self.run(plan())),
            }
        )

    def print_errors(self):
        """Mean squared error of an estimate from one tangent, in squared lengths of the gradient."""
        problem = self.model, self.loss, self.rows
        _, gradient = value_and_grad(*problem)
        length = np.linalg.norm(gradient)
        rng = np.random.default_rng(3)
        found = {}
        for perturb in ("weight", "activity"):
            runs = (forward_gradient(*problem, perturb=perturb, seed=rng)[1] for _ in range(N_RUNS))
            found[perturb] = float(np.mean([np.linalg.norm(run - gradient) ** 2 for run in runs]) / length**2)
        print_line({"name": "variance", "params": self.params, "predicted_weight": gradient.size - 1, **found})


def print_decoder(sizes, batch):
    """The gradient of a decoder by unit tangents and by one tangent for each parameter.

    The naive mode is timed on a sample of its tangents: all cost the same.
    """
    rng = np.random.default_rng(4)
    decoder = Decoder(sizes, seed=2).stack
    z, xhat_bar = (rng.uniform(-1, 1, (batch, d)).astype(np.float32) for d in (sizes[0], sizes[-1]))
    h = decoder.forward(z)
    k = min(8, decoder.n_params)
    units = np.zeros((k, decoder.n_params), dtype=np.float32)
    units[np.arange(k), np.linspace(0, decoder.n_params - 1, k).astype(int)] = 1
    seconds, sample = race(
        [
            lambda: decoder.unit_tangents(z, h, xhat_bar),
            lambda: np.tensordot(decoder.tangent(z, h, params_dot=units), xhat_bar, axes=2),
        ]
    )
    naive_seconds = sample * decoder.n_params / k
    naive_work = decoder.n_params * tangent_cost(sizes, True, False)
    print_line(
        {
            "name": "unit tangents against naive",
            "params": {"sizes": "-".join(map(str, sizes)), "batch": batch, "n_params": decoder.n_params},
            "seconds": seconds,
            "rival": "naive",
            "rival_seconds": naive_seconds,
            "predicted_ratio": naive_work / unit_tangents_cost(sizes, True),
            "ratio": naive_seconds / seconds,
        }
    )


def main():
    pin_threads()
    print_header()
    estimates = {name: ForwardGradient(N_TANGENTS, name) for name in ("weight", "activity")}
    for sizes in NETWORKS:
        course = Course(*sizes)
        modes = {name: mode for name, mode in GRADIENT_MODES.items() if mode.exact}
        if n_params(sizes[0]) > 1000:
            del modes["naive"]  # minutes
        for name, mode in {**modes, **estimates}.items():
            course.print_costs(name, mode)
        course.print_errors()
    for sizes in DECODERS:
        print_decoder(sizes, 256)


if __name__ == "__main__":
    main()
