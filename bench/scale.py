# SPDX-License-Identifier: Apache-2.0
"""How bytes, seconds and memory of an archive grow with the people in it, on simulated genomes.

    pip install msprime pgenlib
    python bench/scale.py [--haplotypes N ...] [--bases N] [--cache DIR] > scale.jsonl
    python bench/scale.py --readme scale.jsonl

Genomes of a European population that grows as ours did (J. Tennessen et al. 2012, doi:10.1126/science.1219240), with
genotyping errors, go from the simulated trees into the archive a batch of sites at a time. Every step runs in a process
of its own, whose peak memory is reported; pgenlib does the same beside it. The autoencoder is forced on a short piece.
Simulated trees are kept in `--cache`. One JSON line per case, after one that names machine and commit. The second form
measures nothing: it writes the tables between bench/README.md's `scale` marks.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from common import ROOT
from sizes import LAUNCH, machine, markdown, timed
from table import rewrite

from fastae.archive import open_archive, write_archive
from fastae.cohort import MINIMAL_HEADER, Cohort, CohortStream, Sites, block_size
from fastae.difference import first_difference

SEED = 1
MUTATION_RATE, RECOMBINATION_RATE = 1.29e-8, 1e-8  # per base and generation
RIVAL_BATCH_CELLS = 1 << 23


def simulate(n_haplotypes, n_bases, folder):
    """The file of simulated trees, made if it is not there."""
    path = Path(folder) / f"growth-{n_haplotypes}-{n_bases}.trees"
    if path.exists():
        return path
    import msprime

    population = msprime.Demography()
    population.add_population(name="europe", initial_size=501_436, growth_rate=0.0195)
    for generations, size, growth_rate in ((204.6, 9279, 0.00307), (920, 1861, 0), (2040, 14_474, 0), (5920, 7310, 0)):
        population.add_population_parameters_change(generations, initial_size=size, growth_rate=growth_rate)
    trees = msprime.sim_ancestry(
        n_haplotypes // 2,
        demography=population,
        sequence_length=n_bases,
        recombination_rate=RECOMBINATION_RATE,
        random_seed=SEED,
    )
    model = msprime.BinaryMutationModel()
    trees = msprime.sim_mutations(trees, rate=MUTATION_RATE, random_seed=SEED, model=model)
    path.parent.mkdir(parents=True, exist_ok=True)
    trees.dump(path)
    return path


class Source:
    """A simulated cohort as a stream, and the seconds of this thread that making it took.

    Attributes
    ----------
    n_haplotypes, n_sites : int
    seconds : float
    """

    def __init__(self, path, error_rate, n_bases):
        import tskit

        self._trees = tskit.load(path)
        self._error_rate = error_rate
        self._positions = self._trees.tables.sites.position
        self.n_haplotypes, self.n_sites = self._trees.num_samples, int(np.searchsorted(self._positions, n_bases))
        self.seconds = 0.0

    def stream(self):
        samples = [f"S{number}" for number in range(1, self.n_haplotypes // 2 + 1)]
        return CohortStream(MINIMAL_HEADER, samples, self._cohorts(samples))

    def _cohorts(self, samples):
        start = 0
        for calls in self.batches(block_size(len(samples))):
            n, dots = len(calls), ["."] * len(calls)
            positions = self._positions[start : start + n].astype(np.int64) + 1
            sites = Sites(["1"] * n, positions, dots, ["A"] * n, ["G"] * n, dots, ["PASS"] * n, dots)
            phased = np.ones((n, len(samples)), bool)
            yield Cohort(MINIMAL_HEADER, samples, sites, calls.reshape(n, len(samples), 2), phased)
            start += n

    def batches(self, n_each):
        """Alleles, int8 (so many sites, n_haplotypes), with errors that depend on the seed alone."""
        rng = np.random.default_rng(SEED)
        variants = self._trees.variants(copy=False)
        for first in range(0, self.n_sites, n_each):
            start = time.thread_time()
            calls = np.empty((min(n_each, self.n_sites - first), self.n_haplotypes), np.int8)
            for row, variant in zip(calls, variants, strict=False):
                row[:] = variant.genotypes
                row[rng.integers(len(row), size=rng.binomial(len(row), self._error_rate))] ^= 1
            self.seconds += time.thread_time() - start
            yield calls


# ---- what runs in processes of its own -------------------------------------------------------------------------------


def in_own_process(role, args, **more):
    """What `ROLES[role]` returns, and its peak memory in bytes as `peak_bytes`."""
    order = json.dumps({**vars(args), **more, "role": role}, default=str)
    command = [sys.executable, "-c", LAUNCH, sys.executable, __file__, "--role", order]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    *results, (status, _, peak_kib) = map(json.loads, output.splitlines())
    if status:
        raise SystemExit(f"{role} failed with status {status}")
    return results[0] | {"peak_bytes": peak_kib * 1024}


def compress(trees, path, error_rate, piece, preset, predictor, threads, **_):
    source = Source(trees, error_rate, piece)
    start, started = time.process_time(), time.perf_counter()
    write_archive(path, source.stream(), preset=preset, predictor=predictor, n_threads=threads)
    taken = time.process_time() - start - source.seconds
    return {"seconds": taken, "elapsed": time.perf_counter() - started, "source_seconds": source.seconds}


def decompress(path, **_):
    start = time.process_time()
    with open_archive(path) as archive:
        n_sites = sum(1 for _ in archive)
    return {"seconds": time.process_time() - start, "sites": n_sites}


def check(trees, path, error_rate, piece, **_):
    with open_archive(path) as archive:
        return {"difference": first_difference(Source(trees, error_rate, piece).stream(), archive.stream())}


def middle(n):
    """The hundredth part of n in its middle."""
    return slice(n // 2, n // 2 + max(n // 100, 1))


def region(path, **_):
    seconds, n_bytes = timed(path, lambda archive: archive[middle(len(archive))])
    return {"seconds": seconds, "bytes_read": n_bytes}


def person(path, **_):
    seconds, n_bytes = timed(path, lambda archive: archive[:, archive.shape[1] // 2])
    return {"seconds": seconds, "bytes_read": n_bytes}


def opening(path, **_):
    with open_archive(path) as archive:
        return {"info": archive.info()}


def rival_compress(trees, rival_path, error_rate, piece, **_):
    import pgenlib

    source = Source(trees, error_rate, piece)
    n_people, n_sites = source.n_haplotypes // 2, source.n_sites
    start = time.process_time()
    with pgenlib.PgenWriter(
        rival_path.encode(), n_people, variant_ct=n_sites, nonref_flags=False, hardcall_phase_present=True
    ) as file:
        for calls in source.batches(block_size(n_people)):
            for alleles in calls:  # as int32, four times as many bytes
                file.append_alleles(alleles.astype(np.int32), all_phased=True)
    return {"seconds": time.process_time() - start - source.seconds, "bytes": Path(rival_path).stat().st_size}


def _rival_read(rival_path, read):
    import pgenlib

    start = time.process_time()
    with pgenlib.PgenReader(rival_path.encode()) as file:
        read(file, 2 * file.get_raw_sample_ct(), file.get_variant_ct())
    return {"seconds": time.process_time() - start}


def rival_decompress(rival_path, **_):
    def read(file, n_haplotypes, n_sites):
        each = min(max(RIVAL_BATCH_CELLS // n_haplotypes, 1), n_sites)
        buffer = np.empty((each, n_haplotypes), np.int32)
        for start in range(0, n_sites, each):
            stop = min(start + each, n_sites)
            file.read_alleles_range(start, stop, buffer[: stop - start])

    return _rival_read(rival_path, read)


def rival_region(rival_path, **_):
    def read(file, n_haplotypes, n_sites):
        part = middle(n_sites)
        file.read_alleles_range(part.start, part.stop, np.empty((part.stop - part.start, n_haplotypes), np.int32))

    return _rival_read(rival_path, read)


def rival_person(rival_path, **_):
    def read(file, n_haplotypes, n_sites):
        file.change_sample_subset(np.array([n_haplotypes // 4], np.uint32))
        file.read_alleles_range(0, n_sites, np.empty((n_sites, 2), np.int32))

    return _rival_read(rival_path, read)


_ALL = (
    compress, decompress, check, region, person, opening, rival_compress, rival_decompress, rival_region, rival_person
)  # fmt: skip
ROLES = {function.__name__: function for function in _ALL}

# ---- cases -----------------------------------------------------------------------------------------------------------


def entropy(rate):
    """Bits of a fact that is true at such a rate."""
    return -rate * math.log2(rate) - (1 - rate) * math.log2(1 - rate) if 0 < rate < 1 else 0.0


def measure(args, n_haplotypes, *, piece, predictor):
    """The JSON object of one size."""
    trees = simulate(n_haplotypes, args.bases, args.cache)
    with tempfile.TemporaryDirectory() as folder:
        more = {"trees": trees, "piece": piece, "predictor": predictor}
        more |= {"path": f"{folder}/cohort.fae", "rival_path": f"{folder}/cohort.pgen"}
        written = in_own_process("compress", args, **more)
        opened = in_own_process("opening", args, **more)
        found = {role: in_own_process(role, args, **more) for role in ("check", "decompress", "region", "person")}
        roles = ("compress", "decompress", "region", "person")
        rival = {role: in_own_process(f"rival_{role}", args, **more) for role in roles}
    if found["check"]["difference"]:
        raise SystemExit(f"{n_haplotypes} haplotypes, {predictor}: not exact: {found['check']['difference']}")
    info, rival_bytes = opened["info"], rival["compress"]["bytes"]
    params = {"haplotypes": n_haplotypes, "bases": piece, "preset": args.preset, "predictor": predictor}
    return {
        "name": "scale",
        "params": params | {"threads": args.threads, "error_rate": args.error_rate},
        "variants": info["variants"],
        "blocks": info["blocks"],
        "exact": True,
        "bytes": info["bytes"],
        "bits_per_allele": 8 * info["bytes"]["genotypes"] / (info["variants"] * n_haplotypes),
        "bits_per_allele_of_errors": entropy(args.error_rate),
        "decoder_bytes_per_person": info["bytes"]["decoder"] / info["samples"],
        "opening_peak_bytes": opened["peak_bytes"],
        "compress": written,
        **{role: found[role] for role in ("decompress", "region", "person")},
        "rival": f"pgenlib {version('pgenlib')}",
        "rival_bytes": rival_bytes,
        "rivals": rival,
        "ratio": info["bytes"]["genotypes"] / rival_bytes,
    }


# ---- tables ----------------------------------------------------------------------------------------------------------


def _time(seconds):
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1e3 * seconds:.0f} ms"


def _memory(n_bytes):
    return f"{n_bytes / 1e6:,.0f} MB"


def tables(header, cases):
    """Markdown: bytes, seconds and memory of whole archives, then the autoencoder's bytes."""
    sizes, times, forced = [], [], []
    rival, steps = cases[0]["rival"], {"region": "1 % of the sites", "person": "one person"}
    for case in cases:
        params, size = case["params"], case["bytes"]
        name = [f"{params['haplotypes']:,}", f"{case['variants']:,}"]
        if params["predictor"] == "autoencoder":
            row = [f"{size[part]:,}" for part in ("genotypes", "latents", "decoder")]
            forced.append([*name, *row, f"{case['decoder_bytes_per_person']:.4f}"])
            continue
        row = [f"{size['genotypes']:,}", f"{case['rival_bytes']:,}", f"{1 / case['ratio']:.1f}"]
        sizes.append([*name, *row, f"{case['bits_per_allele']:.5f}"])
        for step in ("compress", "decompress", *steps):
            row = [steps.get(step, step), name[0]]
            for found in (case[step], case["rivals"][step]):
                row += [_time(found["seconds"]), _memory(found["peak_bytes"])]
            cells = params["haplotypes"] * case["variants"]
            times.append([*row, "" if step in steps else f"{1e9 * case[step]['seconds'] / cells:.1f} ns"])
    order = list(dict.fromkeys(row[0] for row in times))
    times.sort(key=lambda row: order.index(row[0]))
    parts = []
    if sizes:
        parts.append(markdown(["haplotypes", "sites", "genotype bytes", rival, "times", "bits per allele"], sizes, 0))
        head = ["", "haplotypes", "fastae", "peak memory", rival, "peak memory", "fastae, per allele"]
        parts.append(markdown(head, times, 1))
    if forced:
        head = ["haplotypes", "sites", "genotype bytes", "latents", "decoder", "decoder per person"]
        parts.append(markdown(head, forced, 0))
    threads, errors = cases[0]["params"]["threads"], cases[0]["bits_per_allele_of_errors"]
    where = f"{header['cpu']}, {threads} threads to compress, one to read, commit {header['commit']}."
    return "\n\n".join([*parts, f"{where} Errors alone are {errors:.5f} bits per allele."])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--haplotypes", type=int, nargs="+", default=[5_000, 20_000, 50_000])
    parser.add_argument("--bases", type=int, default=1_000_000)
    parser.add_argument("--autoencoder-bases", type=int, default=100_000, help="where it is forced; 0: none")
    parser.add_argument("--error-rate", type=float, default=1e-4, help="share of alleles that are flipped")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "fastae-scale")
    parser.add_argument("--readme", type=Path, metavar="JSONL", help="write bench/README.md's tables from these lines")
    parser.add_argument("--role", type=json.loads, help=argparse.SUPPRESS)  # what a process of this bench is to do
    args = parser.parse_args()
    if args.role:
        print(json.dumps(ROLES[args.role["role"]](**args.role)))
        return
    if args.readme:
        header, *cases = (json.loads(line) for line in args.readme.read_text().splitlines())
        rewrite(ROOT / "bench" / "README.md", tables(header, cases), "scale")
        return
    print(json.dumps(machine()), flush=True)
    for piece, predictor in ((args.bases, "auto"), (min(args.autoencoder_bases, args.bases), "autoencoder")):
        for n_haplotypes in args.haplotypes if piece else []:
            print(json.dumps(measure(args, n_haplotypes, piece=piece, predictor=predictor)), flush=True)


if __name__ == "__main__":
    main()
