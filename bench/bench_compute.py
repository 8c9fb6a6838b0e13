# SPDX-License-Identifier: Apache-2.0
"""Counts of alleles and products with the matrix of dosages, from an archive, against decoding it and NumPy.

    python bench/bench_compute.py [--data DIR] [--keep DIR] [--preset fast default] > compute.jsonl
    python bench/bench_compute.py --readme compute.jsonl

*decode, NumPy* is ``archive[:]``, and then counting or BLAS, some sites at a time, so that numbers stay in the cache.
*pgenlib, NumPy* is the same with PLINK 2's library and a .pgen that its writer makes of the same calls; it counts
without decoding. All run on one thread, and all results are compared before the clock starts. The folder of VCF files
is `--data`, else $FASTAE_DATA, else ../shared/data; `--keep` is one to leave archives in, for the next run. The second
form writes the table between bench/README.md's `compute` marks.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import common
import numpy as np
from common import ROOT, note, pin_threads, print_header, print_race
from table import duration, markdown, read, where

from fastae.archive import open_archive, write_archive
from fastae.io.vcf import read_vcf

try:
    import pgenlib
except ImportError:
    pgenlib = None

COHORT = "kg3_chr22_50M"
WIDTHS = [1, 16]  # columns of the matrix that is multiplied
AT_A_TIME = 256  # sites
N_ROUNDS = 5  # each takes seconds
START, END = "<!-- compute:start -->", "<!-- compute:end -->"


class Decoded:
    """An archive's calls, decoded for each result."""

    def __init__(self, archive):
        self.archive = archive

    def counts(self):
        return np.concatenate([np.count_nonzero(part > 0, axis=(1, 2)) for part in parts(self.archive[:])])

    def dosages(self):
        for part in parts(self.archive[:]):
            there = (part > 0).view(np.int8)
            yield there[:, :, 0] + there[:, :, 1]


class Pgen:
    """The same calls in a .pgen."""

    def __init__(self, path, calls):
        alleles = (calls.reshape(len(calls), -1) > 0).astype(np.int32)
        writer = pgenlib.PgenWriter(
            bytes(path), calls.shape[1], variant_ct=len(calls), nonref_flags=False, hardcall_phase_present=True
        )
        for part in parts(alleles):
            writer.append_alleles_batch(part, all_phased=True)
        writer.close()
        self.reader = pgenlib.PgenReader(bytes(path))

    def counts(self):
        genotypes, out = np.empty(4, np.uint32), []
        for i in range(self.reader.get_variant_ct()):
            self.reader.count(i, genotypes)
            out.append(genotypes[1] + 2 * genotypes[2])
        return np.array(out)

    def dosages(self):
        n_variants, n_samples = self.reader.get_variant_ct(), self.reader.get_raw_sample_ct()
        for start in range(0, n_variants, AT_A_TIME):
            stop = min(start + AT_A_TIME, n_variants)
            part = np.empty((stop - start, n_samples), np.int8)
            self.reader.read_range(start, stop, part)
            yield part


def parts(calls):
    return (calls[start : start + AT_A_TIME] for start in range(0, len(calls), AT_A_TIME))


def dot(source, v):
    return np.concatenate([part.astype(np.float64) @ v for part in source.dosages()])


def rdot(source, u):
    out, start = 0, 0
    for part in source.dosages():
        out = out + part.astype(np.float64).T @ u[start : start + len(part)]
        start += len(part)
    return out


def measure(preset, archive, rivals, rng):
    n_variants, n_samples, _ = archive.shape
    params = {"preset": preset, "sites": n_variants, "people": n_samples}
    ours, theirs = archive.allele_counts, {name: rival.counts for name, rival in rivals.items()}
    for name, fun in theirs.items():
        assert (fun() == ours()[:, 1:].sum(axis=1)).all(), name
    print_race("allele_counts", params, ours, theirs)
    for k in WIDTHS:
        v, u = rng.standard_normal((n_samples, k)), rng.standard_normal((n_variants, k))
        for name, fun, rival_fun, weights in (("dot", archive.dot, dot, v), ("rdot", archive.rdot, rdot, u)):
            theirs = {rival: lambda r=r, f=rival_fun, w=weights: f(r, w) for rival, r in rivals.items()}
            for rival, result in theirs.items():
                np.testing.assert_allclose(result(), fun(weights), rtol=1e-9, atol=1e-9, err_msg=rival)
            print_race(name, {**params, "k": k}, lambda f=fun, w=weights: f(w), theirs)


def run(data, folder, presets):
    common.N_ROUNDS = N_ROUNDS
    cohort = None
    print_header()
    for preset in presets:
        path = folder / f"{COHORT}.{preset}.fae"
        if not path.exists():
            cohort = cohort or read_vcf(data / f"{COHORT}.vcf.gz").read()
            write_archive(path, cohort, preset=preset)
        with open_archive(path) as archive:
            rivals = {"decode, NumPy": Decoded(archive)}
            if pgenlib is None:
                note("pgenlib is not there and left out")
            else:
                rivals["pgenlib, NumPy"] = Pgen(folder / f"{COHORT}.pgen", archive[:])
            measure(preset, archive, rivals, np.random.default_rng(0))


def readme(path):
    """The table of a run between the marks of bench/README.md."""
    rows, ((header, cases),) = [], read([path])
    names = list(cases[0]["rivals"])
    for case in cases:
        params = {key: case["params"][key] for key in ("preset", "k") if key in case["params"]}
        times = [duration(case["rivals"][name]) for name in names]
        ratios = [f"{case['rivals'][name] / case['seconds']:.1f}" for name in names]
        rows.append(
            [
                case["name"],
                ", ".join(f"{key} {value}" for key, value in params.items()),
                duration(case["seconds"]),
                *times,
                *ratios,
            ]
        )
    headings = ["", "", ">fastae", *(f">{name}" for name in names), *(f">times {name}" for name in names)]
    document = ROOT / "bench" / "README.md"
    before, start, rest = document.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    text = f"{markdown(headings, rows)}\n\n{where(header)}"
    document.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("FASTAE_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--preset", nargs="+", default=["fast", "default"])
    parser.add_argument("--readme", type=Path, metavar="JSONL")
    args = parser.parse_args()
    if args.readme:
        readme(args.readme)
        return
    pin_threads()
    with tempfile.TemporaryDirectory() as folder:
        run(args.data, args.keep or Path(folder), args.preset)


if __name__ == "__main__":
    main()
