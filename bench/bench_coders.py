# SPDX-License-Identifier: Apache-2.0
"""The coders on one thread: bit packing against NumPy, rANS against zlib and zstd, integer decoder against floats.

    python bench/bench_coders.py > coders.jsonl

Entropy coders are given bytes drawn independently, so that only their entropy coding counts; `bytes` is what each
makes of them. The float decoder is the same network's matrix products and tanh in NumPy (BLAS).
"""

from __future__ import annotations

import zlib

import numpy as np
from common import note, pin_threads, print_case, print_header

from fastae import Decoder, bitpack, rans
from fastae.latents import dequantize_latents
from fastae.quantize import IntDecoder

try:
    import zstandard
except ImportError:
    zstandard = None

N_VALUES = 4_000_000
N_SYMBOLS = 1_000_000
DECODERS = [([24, 16, 256], 1), ([32, 64, 1024], 1), ([64, 128, 512], 4)]  # sizes, latent bits
N_ROWS = 5008


def bench_bitpack(rng):
    for bits in (1, 2, 3, 8):
        values = rng.integers(0, 1 << bits, N_VALUES, dtype=np.uint8)
        packed, out = bitpack.pack(values, bits), np.empty_like(values)
        params = {"bits": bits, "n": N_VALUES}
        one_bit = bits == 1
        print_case(
            "bitpack.pack",
            params,
            lambda v=values, b=bits, p=packed: bitpack.pack(v, b, out=p),
            "numpy.packbits" if one_bit else None,
            (lambda v=values: np.packbits(v, bitorder="little")) if one_bit else None,
        )
        print_case(
            "bitpack.unpack",
            params,
            lambda p=packed, b=bits, o=out: bitpack.unpack(p, N_VALUES, b, out=o),
            "numpy.unpackbits" if one_bit else None,
            (lambda p=packed: np.unpackbits(p, bitorder="little")) if one_bit else None,
        )


def bench_rans(rng):
    rivals = {"zlib -1": (lambda data: zlib.compress(data, 1), zlib.decompress)}
    if zstandard is None:
        note("zstandard is not installed: no zstd columns")
    else:
        rivals["zstd -1"] = (zstandard.ZstdCompressor(level=1).compress, zstandard.ZstdDecompressor().decompress)
    for n_symbols in (4, 30, 256):
        table = rans.FrequencyTable.from_counts(rng.geometric(0.02, n_symbols))
        p = table.frequencies / (1 << table.precision)
        symbols = rng.choice(n_symbols, N_SYMBOLS, p=p).astype(np.uint8)
        data, buf = symbols.tobytes(), rans.encode(symbols, table)
        for name, (compress, decompress) in rivals.items():
            packed = compress(data)
            params = {"symbols": n_symbols, "n": N_SYMBOLS, "bytes": len(buf), "rival_bytes": len(packed)}
            print_case(
                "rans.encode",
                params,
                lambda s=symbols, t=table: rans.encode(s, t),
                name,
                lambda d=data, f=compress: f(d),
            )
            print_case(
                "rans.decode",
                params,
                lambda b=buf, t=table: rans.decode(b, N_SYMBOLS, t),
                name,
                lambda b=packed, f=decompress: f(b),
            )


def bench_intdec(rng):
    for sizes, bits in DECODERS:
        decoder = Decoder(sizes, seed=0)
        integers = IntDecoder.from_float(decoder, latent_bits=bits)
        codes = rng.integers(0, 1 << bits, (N_ROWS, sizes[0]), dtype=np.uint8)
        z = dequantize_latents(codes, bits)
        (w1, b1), (w2, b2) = decoder.layers
        print_case(
            "IntDecoder.scores",
            {"sizes": sizes, "latent_bits": bits, "n": N_ROWS},
            lambda q=integers, c=codes: q.scores(c),
            "numpy float32",
            lambda z=z, w1=w1, b1=b1, w2=w2, b2=b2: np.tanh(z @ w1.T + b1) @ w2.T + b2,
        )


def main():
    pin_threads()
    rng = np.random.default_rng(0)
    print_header(zlib=zlib.ZLIB_RUNTIME_VERSION, zstandard=zstandard and zstandard.__version__)
    bench_bitpack(rng)
    bench_rans(rng)
    bench_intdec(rng)


if __name__ == "__main__":
    main()
