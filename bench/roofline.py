# SPDX-License-Identifier: Apache-2.0
"""Every kernel beside the machine's limits: operations, bytes, what it achieves, and which share of the limit that is.

    python bench/roofline.py                     # a table to read
    python bench/roofline.py --json > roofline.jsonl

Limits are measured on one thread just before: the rate of copying, in memory and in the cache, counting bytes read
and written; and the peak of each kind of multiply-add on registers (bench/peak.c, built with the machine's C compiler;
without one, BLAS stands for it). The limit of a kernel is the less of the peak rate and of its operations per byte
times the copy rate (the roofline of Williams, Waterman and Patterson, CACM 2009). Products of floats may pass the
peak of floats where tiles multiply bfloat16: six of those make one, so a sixth of the tiles' peak is their limit.

Operations are those of the products, and what the formulas count by hand elsewhere; bytes are those of the arrays given
and written, each once.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from bench_dense import LARGE, reference_rate
from common import note, pin_threads, print_header, race
from table import duration, measured_with

from fastae import HAPLOTYPE, Adam, Decoder, DenseStack, HammingLoss, IntDecoder, _core, bitpack, rans

LARGE_SIZES = [*LARGE[0], *LARGE[1][1:]]
ROWS = 256
IN_MEMORY, IN_CACHE = 1 << 28, 1 << 17  # bytes of an array far beyond any cache, and of one that fits in the second
FITS_CACHE = 1 << 20  # a kernel that touches fewer bytes than this is held against the cache
N_CELLS = 1 << 24
N_PROBES = 100_000
TANH_OPERATIONS, LOSS_OPERATIONS, ADAM_OPERATIONS = (
    20,
    30,
    14,
)  # per number, from simd_math.h, loss_body.h, optim_body.h


class Limits:
    """What one thread of the machine can do at most, measured."""

    def __init__(self):
        self.copy = {"memory": _copy_rate(IN_MEMORY), "cache": _copy_rate(IN_CACHE)}
        self.instructions = _peaks() or {"float, BLAS": reference_rate(1)}
        self.peak = {
            kind: max((rate for name, rate in self.instructions.items() if name.startswith(kind)), default=0.0)
            for kind in ("float", "int8")
        }

    def of(self, operations, kind, n_bytes):
        """Seconds that the limit takes, and its name."""
        where = "cache" if n_bytes <= FITS_CACHE else "memory"
        by_bytes = n_bytes / self.copy[where], f"copy in {where}"
        by_operations = operations / self.peak[kind] if self.peak[kind] else 0.0, f"{kind} peak"
        return max(by_bytes, by_operations)

    def lines(self):
        rates = {f"copy in {where}": (rate, "GB/s") for where, rate in self.copy.items()}
        rates |= {f"peak of {name}": (rate, "Gop/s") for name, rate in self.instructions.items()}
        for name, (rate, unit) in rates.items():
            yield {"name": name, "params": {}, "rate": rate, "unit": unit}


def _copy_rate(n_bytes):
    source, target = np.ones(n_bytes, np.uint8), np.zeros(n_bytes, np.uint8)
    return 2 * n_bytes / race([lambda: np.copyto(target, source)])[0]


def _peaks():
    """Operations a second of each kind of instruction that there is, or None without a compiler."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    flags = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "peak.so")
        command = [compiler, *flags, str(Path(__file__).with_name("peak.c")), "-o", str(library)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            note(f"bench/peak.c cannot be built, so BLAS stands for the peak: {error}")
            return None
        library = ctypes.CDLL(str(library))
    probes = {"float, multiply-adds": library.peak_fma, "int8, dot products": library.peak_int8}
    if _core.cpu_enabled() & _core.CPU_FEATURES["amx_int8"]:
        probes["int8, tiles"] = library.peak_tiles_int8
    if _core.cpu_enabled() & _core.CPU_FEATURES["amx_bf16"]:
        probes["bfloat16, tiles"] = library.peak_tiles_bf16
    rates = {}
    for name, probe in probes.items():
        probe.restype, probe.argtypes = ctypes.c_double, [ctypes.c_int64]
        operations = probe(N_PROBES)
        if operations:
            rates[name] = operations / race([lambda probe=probe: probe(N_PROBES)])[0]
    return rates


def dense_kernels(rng):
    """(name, params, function, operations, kind, bytes) of the kernels of stacks."""
    square = DenseStack([512, 512], ["identity"], rng.normal(size=512 * 513).astype(np.float32))
    x = rng.uniform(-1, 1, (ROWS, 512)).astype(np.float32)
    yield "product", "512-512", square, x, lambda: square.predict(x), 2 * ROWS * 512 * 512, 1024 * ROWS

    stack = Decoder(LARGE_SIZES, seed=0).stack
    sizes = stack.sizes
    edges = [d_in * d_out for d_in, d_out in zip(sizes[:-1], sizes[1:], strict=True)]
    once = 2 * ROWS * sum(edges)
    outputs = ROWS * sum(sizes[1:])
    h = stack.forward(x)
    y_bar = rng.normal(size=(ROWS, sizes[-1])).astype(np.float32)
    dots = {k: rng.normal(size=(k, ROWS, sizes[0])).astype(np.float32) for k in (1, 16)}
    params_dot = rng.normal(size=(1, stack.n_params)).astype(np.float32)
    name = "-".join(map(str, sizes))
    yield "forward", name, stack, x, lambda: stack.forward(x, h), once, outputs
    for k, x_dot in dots.items():
        count = ROWS * k * (sizes[0] + sizes[-1]) + outputs
        yield f"{k} tangent{'s' * (k > 1)}, inputs", name, stack, x, _tangent(stack, x, h, None, x_dot), k * once, count
    both = 2 * once, 2 * ROWS * sizes[0] + outputs + stack.n_params
    yield "1 tangent, all parameters and inputs", name, stack, x, _tangent(stack, x, h, params_dot, dots[1]), *both
    back = 2 * once - 2 * ROWS * edges[0]  # the inputs' own cotangents are not asked for
    yield "reverse", name, stack, x, _pull(stack, "reverse", x, h, y_bar), back, outputs + y_bar.size + stack.n_params
    units = unit_operations(sizes, ROWS)
    count = outputs + y_bar.size + stack.n_params
    yield "unit tangents", name, stack, x, _pull(stack, "unit_tangents", x, h, y_bar), units, count


def _tangent(stack, x, h, params_dot, x_dot):
    return lambda: stack.tangent(x, h, params_dot=params_dot, x_dot=x_dot)


def _pull(stack, name, x, h, y_bar):
    kernel = stack.kernel
    work = np.empty(getattr(kernel, f"{name}_work")(len(x)), np.float32)
    params_bar = np.empty(stack.n_params, np.float32)
    pull = getattr(kernel, name)
    return lambda: pull(stack.params, x, h, y_bar, work, params_bar, None)


def unit_operations(sizes, n):
    """Of the exact gradient of the parameters by unit tangents of pre-activations.

    Each layer's tangents join after their first hop, and all travel on together to the last hidden layer, where they
    meet the loss's cotangent.
    """
    n_tangents = operations = 0
    for layer, (d_in, d_out) in enumerate(zip(sizes[:-2], sizes[1:-1], strict=True)):
        operations += 2 * n * n_tangents * d_in * d_out
        if layer > 0:
            operations += 2 * n * d_in * d_out
            n_tangents += d_in
    operations += 2 * n * n_tangents * sizes[-2] + 2 * n * sizes[-2] * sizes[-1]
    return operations + 2 * n * sum(d_in * d_out for d_in, d_out in zip(sizes[:-1], sizes[1:], strict=True))


def other_kernels(rng):
    """(name, params, function, operations, kind, bytes) of the rest."""
    wide = DenseStack([1, 512], ["tanh"], np.ones(1024, np.float32))
    x = rng.normal(size=(512, 1)).astype(np.float32)
    h = wide.forward(x)
    yield "tanh", {"n": h.size}, lambda: wide.forward(x, h), (TANH_OPERATIONS + 2) * h.size, "float", 4 * h.size

    codes = rng.integers(0, 2, (N_CELLS // 512, 512), dtype=np.int8)
    xhat = rng.normal(size=codes.shape).astype(np.float32)
    grad, loss = np.empty_like(xhat), HammingLoss(HAPLOTYPE)
    yield (
        *("soft Hamming loss and gradient", {"n": N_CELLS}, lambda: loss.sum_gradient(xhat, codes, 0.1, 1.0, grad)),
        *(LOSS_OPERATIONS * N_CELLS, "float", 9 * N_CELLS),
    )
    params, gradient = rng.normal(size=(2, N_CELLS)).astype(np.float32)
    adam = Adam(params)
    yield (
        *("Adam", {"n": N_CELLS}, lambda: adam.update(gradient, 1e-3)),
        *(ADAM_OPERATIONS * N_CELLS, "float", 28 * N_CELLS),
    )
    for bits in (1, 2, 3, 4, 8):
        values = rng.integers(0, 1 << bits, N_CELLS, dtype=np.uint8)
        packed, out = bitpack.pack(values, bits), np.empty_like(values)
        n_bytes, given = values.size + packed.size, {"bits": bits, "n": N_CELLS}
        yield "bitpack.pack", given, _pack(values, bits, packed), N_CELLS, "int8", n_bytes
        yield "bitpack.unpack", given, _unpack(packed, bits, out), N_CELLS, "int8", n_bytes

    symbols = rng.geometric(0.05, 1 << 20).clip(max=255).astype(np.uint8)
    table = rans.FrequencyTable.from_counts(np.bincount(symbols))
    coded = rans.encode(symbols, table)
    given, n_bytes = {"symbols": 256, "n": symbols.size}, symbols.size + len(coded)
    yield "rans.encode", given, lambda: rans.encode(symbols, table), symbols.size, "int8", n_bytes
    yield "rans.decode", given, lambda: rans.decode(coded, symbols.size, table), symbols.size, "int8", n_bytes

    sizes = [32, 64, 1024]
    decoder = IntDecoder.from_float(Decoder(sizes, seed=0), latent_bits=1)
    latents = rng.integers(0, 2, (1024, sizes[0]), dtype=np.uint8)
    operations = 2 * len(latents) * (sizes[0] * sizes[1] + sizes[1] * sizes[2])
    n_bytes = latents.size + 4 * len(latents) * sizes[-1]
    given = {"sizes": sizes, "n": len(latents)}
    yield "integer decoder", given, lambda: decoder.scores(latents), operations, "int8", n_bytes


def _pack(values, bits, packed):
    return lambda: bitpack.pack(values, bits, out=packed)


def _unpack(packed, bits, out):
    return lambda: bitpack.unpack(packed, out.size, bits, out=out)


def kernels():
    """(name, params, function, operations, kind, bytes) of every kernel."""
    rng = np.random.default_rng(0)
    for name, sizes, stack, x, function, operations, written in dense_kernels(rng):
        n_bytes = 4 * (x.size + stack.n_params + written)
        yield name, {"sizes": sizes, "batch": len(x)}, function, operations, "float", n_bytes
    yield from other_kernels(rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="a line for each kernel, for bench/table.py")
    as_json = parser.parse_args().json
    pin_threads()
    if as_json:
        print_header()
    limits = Limits()
    for line in limits.lines():
        print(json.dumps(line) if as_json else f"{line['name']}: {line['rate'] / 1e9:.4g} {line['unit']}", flush=True)
    if not as_json:
        headings = ("kernel", "", "Mop", "MB", "time", "Gop/s", "GB/s", "of", "limit")
        print("{:<37}{:<35}{:>9}{:>8}{:>10}{:>8}{:>7}{:>6}  {}".format(*headings))
    for name, params, function, operations, kind, n_bytes in kernels():
        seconds = race([function])[0]
        least, limit = limits.of(operations, kind, n_bytes)
        line = {"name": name, "params": params, "seconds": seconds, "operations": operations, "bytes": n_bytes}
        line |= {"operations_per_s": operations / seconds, "bytes_per_s": n_bytes / seconds}
        line |= {"limit": limit, "fraction": least / seconds}
        if as_json:
            print(json.dumps(line), flush=True)
        else:
            print(
                f"{name:<37}{measured_with(line):<35}{operations / 1e6:>9.3g}{n_bytes / 1e6:>8.3g}"
                f"{duration(seconds):>10}{operations / seconds / 1e9:>8.3g}{n_bytes / seconds / 1e9:>7.3g}"
                f"{least / seconds:>6.0%}  {limit}",
                flush=True,
            )


if __name__ == "__main__":
    main()
