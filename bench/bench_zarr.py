# SPDX-License-Identifier: Apache-2.0
"""Chunks of VCF Zarr stores by the codec `fastae.genotype`, beside Blosc: bytes, and seconds of coding and decoding.

    python bench/bench_zarr.py VCF.gz [VCF.gz ...] > zarr.jsonl
    python bench/bench_zarr.py --readme zarr.jsonl

One JSON line per cohort and chunk, after a line that names machine and commit. bio2zarr makes a store of each VCF
(bcftools indexes it first); its `call_genotype` is coded chunk by chunk as Zarr would have it, on one thread: in the
chunks that bio2zarr chose and in those of ten times as many variants. "blosc" is what bio2zarr writes (zstd 7, shuffled
bits), "blosc lz4" is what numcodecs writes unless told otherwise. All chunks are compared after decoding. The second
form writes the table between the `zarr` marks of bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numcodecs
import numpy as np
from common import ROOT, pin_threads, print_header
from sizes import markdown
from table import rewrite

from fastae.integrations.numcodecs import GenotypeCodec

CODECS = {
    "blosc": numcodecs.Blosc(cname="zstd", clevel=7, shuffle=numcodecs.Blosc.BITSHUFFLE),
    "blosc lz4": numcodecs.Blosc(),
    "fast": GenotypeCodec("fast"),
    "default": GenotypeCodec("default"),
}
TIMES_MORE = (1, 10)  # variants of a chunk


def call_genotype(vcf, folder):
    """The array as bio2zarr stores it, its chunks, and the bytes of these."""
    import zarr
    from bio2zarr import vcf as bio2zarr

    indexed, store = Path(folder) / "indexed.vcf.gz", Path(folder) / "cohort.vcz"
    subprocess.run(["bcftools", "view", "-Oz", "-o", indexed, vcf], check=True)
    subprocess.run(["bcftools", "index", "-t", indexed], check=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bio2zarr.convert([indexed], store, worker_processes=0)
    array = zarr.open_group(store, mode="r")["call_genotype"]
    size = sum(path.stat().st_size for path in (store / "call_genotype").rglob("*.*.*"))
    return array[:], array.chunks, size


def coded(codec, parts):
    """Bytes, and processor's seconds of coding and of decoding, of some chunks."""
    start = time.process_time()
    data = [codec.encode(part) for part in parts]
    middle = time.process_time()
    back = [codec.decode(item) for item in data]
    end = time.process_time()
    for part, again in zip(parts, back, strict=True):
        if not np.array_equal(part.ravel(), np.frombuffer(again, part.dtype)):
            raise SystemExit(f"{codec}: not exact")
    return {"bytes": sum(map(len, data)), "encode_s": middle - start, "decode_s": end - middle}


def measure(vcfs):
    """Print a line for each cohort and size of chunk."""
    print_header(numcodecs=numcodecs.__version__)
    numcodecs.blosc.set_nthreads(1)
    for vcf in vcfs:
        with tempfile.TemporaryDirectory() as folder:
            calls, chunks, stored = call_genotype(vcf, folder)
        for times in TIMES_MORE:
            n_variants = times * chunks[0]
            corners = np.ndindex(-(-len(calls) // n_variants), -(-calls.shape[1] // chunks[1]))
            parts = [
                np.ascontiguousarray(calls[i * n_variants : (i + 1) * n_variants, j * chunks[1] : (j + 1) * chunks[1]])
                for i, j in corners
            ]
            found = {name: coded(codec, parts) for name, codec in CODECS.items()}
            params = {"dataset": vcf.name.removesuffix(".vcf.gz"), "chunk_variants": n_variants, "shape": calls.shape}
            line = {"name": "call_genotype", "params": params, "threads": 1, "stored_bytes": stored, "codecs": found}
            ratio = stored / found["default"]["bytes"]
            print(json.dumps(line | {"ratio": ratio}), flush=True)


def table(header, cases):
    """Markdown of the cases."""
    rows = []
    for case in cases:
        params, found = case["params"], case["codecs"]
        sizes = [f"{found[name]['bytes']:,}" for name in CODECS]
        ratios = [f"{case['stored_bytes'] / found[name]['bytes']:.2f}" for name in ("fast", "default")]
        megabytes = np.prod(params["shape"]) / 1e6
        rates = [
            f"{megabytes / found[name][key]:,.0f}"
            for key in ("encode_s", "decode_s")
            for name in ("blosc", "fast", "default")
        ]
        rows.append([params["dataset"], f"{params['chunk_variants']:,}", *sizes, *ratios, *rates])
    head = ["", "variants a chunk", "blosc", "blosc lz4", "fast", "default", "times, fast", "times, default"]
    head += [f"{name}, {verb} MB/s" for verb in ("code", "decode") for name in ("blosc", "fast", "default")]
    return f"{markdown(head, rows, 1)}\n\n{header['cpu']}, one thread, commit {header['commit']}."


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("vcf", nargs="*", type=Path)
    parser.add_argument("--readme", type=Path, metavar="JSONL", help="write bench/README.md's table from these lines")
    args = parser.parse_args()
    if args.readme:
        header, *cases = [json.loads(line) for line in args.readme.read_text().splitlines()]
        rewrite(ROOT / "bench" / "README.md", table(header, cases), "zarr")
    elif args.vcf:
        pin_threads()
        measure(args.vcf)
    else:
        parser.error("name a VCF.gz, or --readme and a file of lines")


if __name__ == "__main__":
    main()
