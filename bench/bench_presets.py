# SPDX-License-Identifier: Apache-2.0
"""What the presets trade, beside the tools that can be had: bytes, and seconds of reading parts into NumPy.

    python bench/bench_presets.py VCF.gz [--plink2 PROGRAM] > presets.jsonl
    python bench/bench_presets.py --readme presets.jsonl [--anchors TSV]

One JSON line per preset or tool, after a line that names machine and commit. One thread, files in the page cache,
medians of N_REPEATS reads, each of a freshly opened file. Rivals where they are installed: PLINK 2 (the program
`plink2` writes, `pgenlib` reads) and VCF Zarr (`vcf2zarr` of bio2zarr writes, `zarr` reads). The second form writes the
table between README.md's `presets` marks; rows of tools not in the run come from a tab-separated file with the
columns dataset, tool, genotype_bytes, total_bytes, one_sample_s, region_1pct_s, decode_all_s and compress_s, marked.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import ROOT, pin_threads, print_header
from sizes import markdown
from table import rewrite

from fastae.archive import open_archive
from fastae.archive.presets import PRESETS
from fastae.difference import first_difference
from fastae.io.vcf import read_vcf

N_REPEATS = 7
N_PLACES = 9  # where 1 % of the sites is read
ELSEWHERE = ["GTShark", "xSqueezeIt XSI --zstd", "BCF"]  # rows of --anchors


def seconds(read):
    """Median seconds of a call."""
    taken = []
    for _ in range(N_REPEATS):
        start = time.perf_counter()
        read()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def reads(read, n_variants, n_samples):
    """Times of `read(first, last, sample)`, where None for a sample is all of them."""
    width = max(1, n_variants // 100)
    firsts = np.linspace(0, n_variants - width, N_PLACES).astype(int).tolist()
    places = [seconds(lambda first=first: read(first, first + width, None)) for first in firsts]
    return {
        "region_ms": 1e3 * statistics.median(places),
        "region_worst_ms": 1e3 * max(places),
        "sample_ms": 1e3 * seconds(lambda: read(0, n_variants, n_samples // 2)),
        "all_ms": 1e3 * seconds(lambda: read(0, n_variants, None)),
    }


def timed(*command):
    """Seconds of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def ours(vcf, preset, folder):
    """The figures of a preset, after every call has been compared."""
    path = Path(folder) / f"{preset}.fae"
    command = [sys.executable, "-m", "fastae", "compress", "--preset", preset, "--threads", "1", str(vcf), str(path)]
    compress = timed(*command)
    with open_archive(path) as archive, read_vcf(vcf) as source:
        difference = first_difference(source, archive.stream())
        size, (n_variants, n_samples, _) = archive.info()["bytes"], archive.shape
    if difference:
        raise SystemExit(f"{vcf.name}, {preset}: not exact: {difference}")

    def read(first, last, sample):
        with open_archive(path) as archive:
            return archive[first:last, slice(None) if sample is None else sample]

    def names():
        with open_archive(path) as archive:
            return archive.samples

    return {
        "genotype_bytes": size["genotypes"],
        "total_bytes": size["total"],
        "compress_s": compress,
        "open_ms": 1e3 * seconds(names),
        **reads(read, n_variants, n_samples),
    }


def pgen(vcf, program, folder, n_variants, n_samples):
    """PLINK 2's format, phased, read by pgenlib."""
    import pgenlib

    stem = Path(folder) / "cohort"
    compress = timed(program, "--vcf", str(vcf), "--make-pgen", "--threads", "1", "--out", str(stem))
    file = stem.with_suffix(".pgen")

    def read(first, last, sample):
        subset = None if sample is None else np.array([sample], np.uint32)
        with pgenlib.PgenReader(bytes(file), raw_sample_ct=n_samples, sample_subset=subset) as reader:
            calls = np.empty((last - first, 2 * (n_samples if sample is None else 1)), np.int32)
            reader.read_alleles_range(first, last, calls)
        return calls

    total = sum(path.stat().st_size for path in Path(folder).glob("cohort.p*"))
    sizes = {"genotype_bytes": file.stat().st_size, "total_bytes": total, "compress_s": compress}
    return sizes | reads(read, n_variants, n_samples)


def vcf_zarr(vcf, folder, n_variants, n_samples):
    """VCF Zarr as vcf2zarr writes it."""
    import zarr

    indexed, store = Path(folder) / "indexed.vcf.gz", Path(folder) / "cohort.vcz"
    subprocess.run(["bcftools", "view", "-Oz", "-o", indexed, vcf], check=True)
    subprocess.run(["bcftools", "index", "-t", indexed], check=True)
    compress = timed(Path(sys.executable).with_name("vcf2zarr"), "convert", "--worker-processes", "1", indexed, store)

    def read(first, last, sample):
        calls = zarr.open(store, mode="r")["call_genotype"]
        return calls[first:last] if sample is None else calls[first:last, sample]

    def size(folder):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    genotypes = size(store / "call_genotype") + size(store / "call_genotype_phased")
    sizes = {"genotype_bytes": genotypes, "total_bytes": size(store), "compress_s": compress}
    return sizes | reads(read, n_variants, n_samples)


def measure(args):
    """Print a line for each preset and each rival that is here."""
    print_header()
    with read_vcf(args.vcf) as stream:
        n_samples = len(stream.samples)
        n_variants = sum(block.n_variants for block in stream)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for preset in PRESETS:
            cases.append((f"fastae, {preset}", ours(args.vcf, preset, folder)))
        rivals = {
            "plink2 .pgen": lambda: pgen(args.vcf, args.plink2, folder, n_variants, n_samples),
            "VCF Zarr": lambda: vcf_zarr(args.vcf, folder, n_variants, n_samples),
        }
        for name, run in rivals.items():
            try:
                cases.append((name, run()))
            except (ImportError, FileNotFoundError) as err:
                print(f"no {name}: {err}", file=sys.stderr)
    baselines = {name: case for name, case in cases if not name.startswith("fastae")}
    for name, case in cases:
        ratio = {rival: {key: other[key] / case[key] for key in other} for rival, other in baselines.items()}
        ratio.pop(name, None)
        dataset = args.vcf.name.removesuffix(".vcf.gz")
        print(json.dumps({"name": name, "params": {"dataset": dataset}, **case, "ratio": ratio}), flush=True)


def table(lines, anchors):
    """Markdown of the cases, and below them tools whose figures were published elsewhere."""
    header, *cases = lines
    dataset = cases[0]["params"]["dataset"]
    names = {case["name"] for case in cases}
    rows = []
    for case in cases:
        times = [f"{case[key]:.1f} ms" for key in ("region_ms", "region_worst_ms", "sample_ms")]
        sizes = [f"{case[key]:,}" for key in ("genotype_bytes", "total_bytes")]
        rows.append([case["name"], *sizes, *times, f"{case['all_ms'] / 1e3:.2f} s", f"{case['compress_s']:.1f} s"])
    for row in anchors:
        if row["dataset"] == dataset and row["tool"].startswith(tuple(ELSEWHERE)) and row["tool"] not in names:
            region = f"{1e3 * float(row['region_1pct_s']):.0f} ms" if row["region_1pct_s"] else "none"
            sizes = [f"{int(row[key]):,}" for key in ("genotype_bytes", "total_bytes")]
            times = [region, "", f"{1e3 * float(row['one_sample_s']):.0f} ms", f"{float(row['decode_all_s']):.2f} s"]
            rows.append([f"{row['tool']} *", *sizes, *times, f"{float(row['compress_s']):.1f} s"])
    head = ["", "genotype bytes", "file", "1 % of sites", "at the worst place", "one person", "everything", "compress"]
    where = f"{dataset}, {header['cpu']}, one thread, commit {header['commit']}."
    return f"{markdown(head, rows, 1)}\n\n{where} (*: measured elsewhere, on another machine.)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("vcf", nargs="?", type=Path)
    parser.add_argument("--plink2", default=shutil.which("plink2") or "plink2", help="the program, if not on the path")
    parser.add_argument("--readme", type=Path, metavar="JSONL", help="write README.md's table from these lines")
    parser.add_argument("--anchors", type=Path, metavar="TSV", help="figures of tools that are not in the run")
    args = parser.parse_args()
    if args.readme:
        anchors = []
        if args.anchors:
            lines = [line for line in args.anchors.read_text().splitlines() if not line.startswith("#")]
            anchors = list(csv.DictReader(lines, delimiter="\t"))
        cases = [json.loads(line) for line in args.readme.read_text().splitlines()]
        rewrite(ROOT / "README.md", table(cases, anchors), "presets")
    elif args.vcf:
        pin_threads()
        measure(args)
    else:
        parser.error("name a VCF.gz, or --readme and a file of lines")


if __name__ == "__main__":
    main()
