# SPDX-License-Identifier: Apache-2.0
"""What latents stored in archives tell of the people: populations by their nearest neighbours, beside PCA.

    python bench/populations.py [--data DIR] [--seeds N] > populations.jsonl
    python bench/populations.py --docs populations.jsonl

A person's point is the mean of the latents of the person's haplotypes, window after window; who a person is is said
by the commonest label of the k nearest others, k = 10, or 1 where labels have fewer than 20 people each. Beside it is
PCA, in float64 of all sites whose rarer allele has a share of at least 1 %, standardised: of haplotypes, as many
components as latents, also rounded to as many bits (over 2.5 standard deviations to each side); and of people, as
many components as a person has latents, so again as many bits. One JSON line per file and number of latents, after
one that names machine and commit. The second form writes the table of docs/latents.md. Labels are from
DIR/populations_*.tsv: sample, population, maybe superpopulation.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from common import ROOT, print_header
from scipy.linalg import eigh

from fastae.archive import open_archive, write_archive
from fastae.io import read_cohort
from fastae.latents import dequantize_latents, quantize_latents

FILES = {
    "humanorigins249": "populations_humanorigins249.tsv",
    "kg3_chr1_11M": "populations_1000g.tsv",
    "kg3_chr22_50M": "populations_1000g.tsv",
}
CASES = ((16, 1), (16, 4), (32, 4))  # latents, bits
LEAST_SHARE = 0.01
CLIP = 2.5  # standard deviations of a component that is rounded
START, END = "<!-- populations:start -->", "<!-- populations:end -->"


def read_labels(path, samples):
    """By the name of the column: a number for each sample, and -1 for those who have no label."""
    with open(path, encoding="utf-8", newline="") as lines:
        rows = {row["sample"]: row for row in csv.DictReader(lines, delimiter="\t")}
    names = [name for name in next(iter(rows.values())) if name != "sample"]
    out = {}
    for name in names:
        numbers = {label: i for i, label in enumerate(sorted({row[name] for row in rows.values()}))}
        out[name] = np.array([numbers[rows[s][name]] if s in rows else -1 for s in samples])
    return out


def accuracy(points, labels, k):
    """Share of labelled people of whom the commonest label of the k nearest others, the nearer at a tie, is theirs."""
    points, labels = points[labels >= 0].astype(np.float64), labels[labels >= 0]
    points -= points.mean(axis=0)
    squares = np.square(points).sum(axis=1)
    distance = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(distance, np.inf)
    nearest = labels[np.argsort(distance, axis=1, kind="stable")[:, :k]]
    votes = (nearest[:, :, None] == nearest[:, None, :]).sum(axis=2)
    return float((nearest[np.arange(len(labels)), votes.argmax(axis=1)] == labels).mean())


def components(X, most):
    """Scores of rows on the first principal components of standardised columns, (n_rows, most)."""
    known = X >= 0
    mean = (X * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    X = np.where(known, X - mean, 0)
    X /= X.std(axis=0)
    wide = X.shape[0] < X.shape[1]
    gram = X @ X.T if wide else X.T @ X
    values, vectors = eigh(gram, subset_by_index=[max(0, len(gram) - most), len(gram) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    return vectors * np.sqrt(np.maximum(values, 0)) if wide else X @ vectors


def rounded(Z, bits):
    """Scores as they are after so many bits a component."""
    scale = CLIP * Z.std(axis=0)
    return dequantize_latents(quantize_latents(Z / scale, bits), bits, np.float64) * scale


def principal_components(calls, per_sample, most):
    """Scores of haplotypes (n_samples, per_sample, most), and of people (n_samples, 2 most)."""
    n_sites, n_samples, ploidy = calls.shape
    alleles = np.where(calls < 0, -1, calls > 0)
    share = (alleles == 1).sum(axis=(1, 2)) / np.maximum((alleles >= 0).sum(axis=(1, 2)), 1)
    alleles = alleles[np.minimum(share, 1 - share) >= LEAST_SHARE]
    dosage = np.where((alleles < 0).any(axis=2), -1, alleles.sum(axis=2)).T.astype(np.float64)
    people = components(dosage, per_sample * most)
    if per_sample == 1:
        return None, people
    rows = alleles.reshape(len(alleles), n_samples * ploidy).T.astype(np.float64)
    return components(rows, most).reshape(n_samples, per_sample, -1), people


def stored_latents(cohort, n_latents, bits, seed):
    """Latents as an archive gives them, (n_samples, rows, all windows' latents), and seconds of writing it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cohort.fae"
        start = time.process_time()  # of the quickest predictor; latents are the same by all
        write_archive(path, cohort, predictor="runs", seed=seed, n_latents=n_latents, latent_bits=bits)
        seconds = time.process_time() - start
        with open_archive(path) as archive:
            return np.concatenate(archive.latents(), axis=2) if n_latents else None, seconds


def measure(name, cohort, all_labels, n_seeds):
    """JSON objects of one file."""
    most = max(n_latents for n_latents, _ in CASES)
    scores, (_, without) = None, stored_latents(cohort, 0, 1, 0)
    for n_latents, bits in CASES:
        made = [stored_latents(cohort, n_latents, bits, seed) for seed in range(n_seeds)]
        n_rows = made[0][0].shape[1]
        if scores is None:
            scores = principal_components(cohort.call_genotype, n_rows, most)
        of_rows, of_people = scores
        pca = {"people": of_people[:, : n_rows * n_latents]}
        pca["people, rounded"] = rounded(pca["people"], bits)
        if of_rows is not None:
            some = of_rows[:, :, :n_latents]
            again = rounded(some.reshape(-1, n_latents), bits).reshape(some.shape)
            pca |= {"haplotypes": some.mean(axis=1), "haplotypes, rounded": again.mean(axis=1)}
        for column, labels in all_labels.items():
            known = labels[labels >= 0]
            sizes = np.bincount(known)
            k = 10 if len(known) >= 20 * len(sizes) else 1
            found = [accuracy(latents.mean(axis=1), labels, k) for latents, _ in made]
            yield {
                "name": "populations",
                "params": {"dataset": name, "labels": column, "latents": n_latents, "bits": bits, "k": k},
                "n_labels": len(sizes),
                "windows": made[0][0].shape[2] // n_latents,
                "bits_per_person": n_rows * made[0][0].shape[2] * bits,
                "accuracy": statistics.mean(found),
                "of_seeds": found,
                "pca": {way: accuracy(points, labels, k) for way, points in pca.items()},
                "commonest_label": float(sizes.max() / len(known)),
                "seconds": statistics.median(seconds for _, seconds in made) - without,
            }


def table(cases):
    """Markdown, a row for each case."""
    ways = ["haplotypes", "haplotypes, rounded", "people", "people, rounded"]
    head = ["cohort", "labels", "latents × bits", "bits a person", "**latents**", *(f"PCA of {way}" for way in ways)]
    lines = [head + ["commonest label", "training"], ["---"] * 3 + ["---:"] * (len(ways) + 4)]
    for case in cases:
        params = case["params"]
        row = [params["dataset"], f"{case['n_labels']}", f"{params['latents']} × {params['bits']}"]
        row += [f"{case['bits_per_person']}", f"**{100 * case['accuracy']:.1f} %**"]
        row += [f"{100 * case['pca'][way]:.1f} %" if way in case["pca"] else "" for way in ways]
        lines.append([*row, f"{100 * case['commonest_label']:.1f} %", f"{case['seconds']:.1f} s"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("FASTAE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each case, whose mean accuracy is told")
    parser.add_argument(
        "--docs", type=Path, metavar="JSONL", help="write the table of docs/latents.md from these lines"
    )
    args = parser.parse_args()
    if args.docs:
        header, *cases = (json.loads(line) for line in args.docs.read_text().splitlines())
        path = ROOT / "docs" / "latents.md"
        before, rest = path.read_text(encoding="utf-8").split(START)
        text = f"{table(cases)}\n\nTrainings of each: {len(cases[0]['of_seeds'])}. {header['cpu']}, one thread."
        path.write_text(f"{before}{START}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
        return
    print_header()
    for name, labels in FILES.items():
        with read_cohort(args.data / f"{name}.vcf.gz") as stream:
            cohort = stream.read()
        for case in measure(name, cohort, read_labels(args.data / labels, cohort.samples), args.seeds):
            print(json.dumps(case), flush=True)


if __name__ == "__main__":
    main()
