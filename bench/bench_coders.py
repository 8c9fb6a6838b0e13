# SPDX-License-Identifier: Apache-2.0
"""The coders on one thread, by instruction set: bit packing, rANS and the integer decoder against their rivals.

    python bench/bench_coders.py > coders.jsonl

`isa` names the widest set that a case may use, the others being masked away. Bit packing: NumPy where it can (1 bit),
else a copy of the unpacked bytes. rANS: bytes drawn independently, so that only entropy coding counts; `bytes` is what
ours makes of them, `rival_bytes` what the rival does. zstd and zlib look for repeats too, in vain, and are left with
their entropy stages; constriction is a rANS coder. Integer decoder: the float32 decoder of the same shape, ours with
the same instruction set and NumPy's.
"""

from __future__ import annotations

import zlib

import numpy as np
from common import note, pin_threads, print_case, print_header

from fastae import Decoder, _core, bitpack, rans
from fastae.latents import dequantize_latents
from fastae.quantize import IntDecoder

try:
    import zstandard
except ImportError:
    zstandard = None
try:
    import constriction
except ImportError:
    constriction = None

N_VALUES = 4_000_000
N_SYMBOLS = 1_000_000
DECODERS = [([24, 16, 256], 1), ([32, 64, 1024], 1), ([64, 128, 512], 4)]  # sizes, latent bits
N_ROWS = [500, 5008]
ISAS = {  # each with what it builds on
    "amx": ["avx2", "avx512", "avx512_vnni", "amx_int8", "amx_bf16"],
    "avx512_vnni": ["avx2", "avx512", "avx512_vnni"],
    "avx2": ["avx2"],
    "dotprod": ["neon", "dotprod"],
    "scalar": [],
}


def each_isa():
    """Names of the sets that this machine has, each with all others masked away while it is in use."""
    for name, features in ISAS.items():
        mask = sum(_core.CPU_FEATURES[feature] for feature in features)
        if mask & ~_core.cpu_detected() == 0:
            _core.cpu_set_mask(mask)
            yield name
    _core.cpu_set_mask(0xFFFFFFFF)


def bench_bitpack(rng, isa):
    for bits in range(1, 9):
        values = rng.integers(0, 1 << bits, N_VALUES, dtype=np.uint8)
        packed, out = bitpack.pack(values, bits), np.empty_like(values)
        params = {"bits": bits, "n": N_VALUES, "isa": isa}
        if bits == 1:
            rivals = ("numpy.packbits", lambda v=values: np.packbits(v, bitorder="little"))
            back = ("numpy.unpackbits", lambda p=packed: np.unpackbits(p, bitorder="little"))
        else:
            rivals = back = ("numpy.copyto", lambda v=values, o=out: np.copyto(o, v))
        print_case("bitpack.pack", params, lambda v=values, b=bits, p=packed: bitpack.pack(v, b, out=p), *rivals)
        print_case(
            "bitpack.unpack", params, lambda p=packed, b=bits, o=out: bitpack.unpack(p, N_VALUES, b, out=o), *back
        )


def rans_rivals(symbols, table):
    """(name, its bytes, encode, decode) of each rival on these symbols."""
    data = symbols.tobytes()
    packed = zlib.compress(data, 1)
    rivals = [("zlib -1", packed, lambda: zlib.compress(data, 1), lambda: zlib.decompress(packed))]
    if zstandard is not None:
        compress, decompress = zstandard.ZstdCompressor(level=1).compress, zstandard.ZstdDecompressor().decompress
        frame = compress(data)
        rivals.append(("zstd -1", frame, lambda: compress(data), lambda: decompress(frame)))
    if constriction is not None:
        numbers = symbols.astype(np.int32)
        law = constriction.stream.model.Categorical(table.frequencies / (1 << table.precision), perfect=False)

        def encode():
            coder = constriction.stream.stack.AnsCoder()
            coder.encode_reverse(numbers, law)
            return coder.get_compressed()

        words = encode()
        rivals.append(
            (
                "constriction",
                words.tobytes(),
                encode,
                lambda: constriction.stream.stack.AnsCoder(words).decode(law, symbols.size),
            )
        )
    return rivals


def bench_rans(rng, isa):
    for n_symbols in (4, 30, 256):
        table = rans.FrequencyTable.from_counts(rng.geometric(0.02, n_symbols))
        symbols = rng.choice(n_symbols, N_SYMBOLS, p=table.frequencies / (1 << table.precision)).astype(np.uint8)
        buf, out = rans.encode(symbols, table), np.empty_like(symbols)
        for name, packed, encode, decode in rans_rivals(symbols, table):
            params = {"symbols": n_symbols, "n": N_SYMBOLS, "isa": isa, "bytes": len(buf), "rival_bytes": len(packed)}
            print_case("rans.encode", params, lambda s=symbols, t=table: rans.encode(s, t), name, encode)
            print_case(
                "rans.decode", params, lambda b=buf, t=table, o=out: rans.decode(b, N_SYMBOLS, t, out=o), name, decode
            )


def bench_intdec(rng, isa):
    for sizes, bits in DECODERS:
        decoder = Decoder(sizes, seed=0)
        integers = IntDecoder.from_float(decoder, latent_bits=bits)
        (w1, b1), (w2, b2) = decoder.layers
        for n_rows in N_ROWS:
            codes = rng.integers(0, 1 << bits, (n_rows, sizes[0]), dtype=np.uint8)
            z = dequantize_latents(codes, bits)
            params = {"sizes": "-".join(map(str, sizes)), "batch": n_rows, "latent_bits": bits, "isa": isa}
            rivals = {
                "Decoder.inverse_transform": lambda z=z, d=decoder: d.inverse_transform(z),
                "numpy": lambda z=z, w1=w1, b1=b1, w2=w2, b2=b2: np.tanh(np.tanh(z @ w1.T + b1) @ w2.T + b2),
            }
            for name, rival in rivals.items():
                print_case("IntDecoder.scores", params, lambda q=integers, c=codes: q.scores(c), name, rival)


def main():
    pin_threads()
    print_header(
        zlib=zlib.ZLIB_RUNTIME_VERSION,
        zstandard=zstandard and zstandard.__version__,
        constriction=constriction and getattr(constriction, "__version__", "installed"),
    )
    for module, name in ((zstandard, "zstandard"), (constriction, "constriction")):
        if module is None:
            note(f"{name} is not installed: no {name} rows")
    for bench in (bench_intdec, bench_rans, bench_bitpack):
        for isa in each_isa():
            bench(np.random.default_rng(0), isa)


if __name__ == "__main__":
    main()
