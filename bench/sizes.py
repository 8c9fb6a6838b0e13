# SPDX-License-Identifier: Apache-2.0
"""What archives of real cohorts cost: bytes, seconds, memory, and the bytes and milliseconds of the two small reads.

    python bench/sizes.py [--data DIR] [--predictor auto autoencoder] [VCF ...] > sizes.jsonl
    python bench/sizes.py --readme sizes.jsonl [--anchors FILE]

One JSON line per file and predictor, after a line that names machine and commit. `xz -9e` of the packed alleles is
measured in the same run. The second form measures nothing: it writes the table between README.md's `sizes` marks, and
beside our sizes those of other tools from a tab-separated file with the columns dataset, tool and genotype_bytes. The
folder of VCF files is `--data`, else $FASTAE_DATA, else ../shared/data.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, cpu_name
from table import rewrite

from fastae.archive import open_archive
from fastae.demo import packed_haplotypes, xz_size
from fastae.difference import first_difference
from fastae.io.vcf import read_vcf

N_REPEATS = 5
TOOLS = ["VCF Zarr", "plink2 .pgen", "xSqueezeIt XSI", "GTShark"]  # of --anchors, its best setting of each


def machine():
    """One line of context: where and what was measured."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


# A process begins with the peak memory of the one that started it, so a small one stands between this and `compress`.
LAUNCH = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
status = subprocess.call(sys.argv[1:])
print(json.dumps([status, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


def compress(vcf, path, predictor, threads):
    """Seconds and peak memory (bytes) of the command line's `compress`, in a process of its own."""
    command = [sys.executable, "-m", "fastae", "compress", "--predictor", predictor, "--threads", str(threads)]
    launch = [sys.executable, "-c", LAUNCH, *command, str(vcf), str(path)]
    output = subprocess.run(launch, stdout=subprocess.PIPE, text=True, check=True).stdout
    status, seconds, peak_kib = json.loads(output)
    if status:
        raise SystemExit(f"compressing {vcf} failed with status {status}")
    return seconds, peak_kib * 1024


def timed(path, read):
    """Least seconds of N_REPEATS reads, each of a freshly opened archive, and the bytes that one read."""
    best, n_bytes = float("inf"), 0
    for _ in range(N_REPEATS):
        start = time.perf_counter()
        with open_archive(path) as archive:
            read(archive)
            best = min(best, time.perf_counter() - start)
            n_bytes = archive.bytes_read
    return best, n_bytes


def measure(vcf, predictor, threads, xz_bytes, folder):
    """The JSON object of one file under one predictor."""
    path = Path(folder) / f"{vcf.name}.{predictor}.fae"
    seconds, peak = compress(vcf, path, predictor, threads)
    with open_archive(path) as archive, read_vcf(vcf) as source:
        difference = first_difference(source, archive.stream())
        n_variants, n_samples, ploidy = archive.shape
        info = archive.info()
        wrong, cells = archive.hamming()
    if difference:
        raise SystemExit(f"{vcf.name}, {predictor}: not exact: {difference}")
    low, width = n_variants // 2, max(1, n_variants // 100)
    everything, _ = timed(path, lambda a: a[:, :])
    sample, sample_bytes = timed(path, lambda a: a[:, n_samples // 2])
    region, region_bytes = timed(path, lambda a: a[low : low + width, :])
    size = info["bytes"]
    return {
        "name": "sizes",
        "params": {"dataset": vcf.name.removesuffix(".vcf.gz"), "predictor": predictor, "threads": threads},
        "samples": n_samples,
        "variants": n_variants,
        "exact": True,
        "bytes": size | {"vcf_gz": vcf.stat().st_size},
        "bits_per_allele": 8 * size["genotypes"] / max(1, n_variants * n_samples * ploidy),
        "hamming": {"wrong": wrong, "cells": cells},
        "seconds": seconds,
        "peak_rss_bytes": peak,
        "decompress_seconds": everything,
        "one_sample": {"ms": 1e3 * sample, "bytes_read": sample_bytes},
        "region_1pct": {"ms": 1e3 * region, "bytes_read": region_bytes},
        "baseline": {"xz -9e": xz_bytes},
        "ratio": size["genotypes"] / xz_bytes,
    }


def read_anchors(path):
    """(dataset, tool of TOOLS) -> least genotype bytes, of a tab-separated table; lines with # in front are remarks."""
    best = {}
    with open(path, encoding="utf-8", newline="") as lines:
        for row in csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"):
            for tool in TOOLS:
                if row["tool"].startswith(tool):
                    key, size = (row["dataset"], tool), int(row["genotype_bytes"])
                    best[key] = min(size, best.get(key, size))
    return best


def markdown(head, rows, n_text):
    """A table whose first n_text columns are text and the others numbers."""
    marks = "|" + "---|" * n_text + "---:|" * (len(head) - n_text)
    return "\n".join(["| " + " | ".join(head) + " |", marks, *("| " + " | ".join(row) + " |" for row in rows)])


def tables(header, cases, anchors):
    """Markdown: bytes of genotypes beside the rivals', then seconds and memory, a row per file and predictor."""
    tools = [tool for tool in TOOLS if any(name == tool for _, name in anchors)]
    sizes, times = [], []
    for case in cases:
        params, size = case["params"], case["bytes"]
        name = [params["dataset"], params["predictor"]]
        row = [*name, f"{case['samples']:,} × {case['variants']:,}"]
        row += [f"{size[part]:,}" for part in ("genotypes", "latents", "decoder", "residual", "total")]
        row += [f"{case['baseline']['xz -9e']:,}"]
        row += [f"{anchors[name[0], tool]:,}" if (name[0], tool) in anchors else "" for tool in tools]
        sizes.append(row)
        row = [*name, f"{case['seconds']:.1f} s", f"{case['peak_rss_bytes'] / 1e6:.0f} MB"]
        row += [f"{1e3 * case['decompress_seconds']:.0f} ms"]
        for part in ("one_sample", "region_1pct"):
            row += [f"{case[part]['ms']:.1f} ms", f"{case[part]['bytes_read']:,}"]
        times.append(row)
    head = ["cohort", "predictor", "people × sites", "genotypes", "latents", "decoder", "residual", "whole file"]
    size_table = markdown([*head, "xz -9e", *tools], sizes, 2)
    head = ["cohort", "predictor", "compress", "peak memory", "all to NumPy"]
    time_table = markdown([*head, "one sample", "bytes read", "1 % of sites", "bytes read"], times, 2)
    where = (
        f"{header['cpu']}, {cases[0]['params']['threads']} threads to compress, one to read, commit {header['commit']}."
    )
    return f"{size_table}\n\n{time_table}\n\n{where}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("vcf", nargs="*", type=Path, help="only these files")
    parser.add_argument("--data", type=Path, default=os.environ.get("FASTAE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--predictor", nargs="+", default=["auto", "autoencoder"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--readme", type=Path, metavar="JSONL", help="write README.md's table from these lines")
    parser.add_argument("--anchors", type=Path, metavar="TSV", help="sizes of other tools for that table")
    args = parser.parse_args()
    if args.readme:
        header, *cases = (json.loads(line) for line in args.readme.read_text().splitlines())
        rewrite(ROOT / "README.md", tables(header, cases, read_anchors(args.anchors) if args.anchors else {}), "sizes")
        return
    files = args.vcf or sorted(Path(args.data).glob("*.vcf.gz"))
    if not files:
        raise SystemExit(f"no *.vcf.gz in {args.data}: name files, or their folder by --data")
    print(json.dumps(machine()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for vcf in files:
            with read_vcf(vcf) as stream:
                xz_bytes = xz_size(packed_haplotypes(stream.read().call_genotype))
            for predictor in args.predictor:
                print(json.dumps(measure(vcf, predictor, args.threads, xz_bytes, folder)), flush=True)


if __name__ == "__main__":
    main()
