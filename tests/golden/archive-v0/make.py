# SPDX-License-Identifier: Apache-2.0
"""How the golden archives beside this file were made: `python tests/golden/archive-v0/make.py`.

They are never made again for version 0: files like them exist, and what reads them must go on reading them.
"""

import sys
from pathlib import Path

import numpy as np

from fastae.archive import open_archive, write_archive
from fastae.archive.predictors import training
from fastae.io import read_fasta, write_vcf

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

import cohorts  # noqa: E402

HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##contig=<ID=chr1>
##contig=<ID=chrX>
##INFO=<ID=END,Number=1,Type=Integer,Description="Last position">
##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"""


def write_golden(name, cohort, stream=None, **options):
    """The archive, and as arrays what it must decode to. A stream holds the cohort in blocks of several ploidies."""
    path = HERE / f"{name}.fae"
    write_archive(path, stream or cohort, seed=1, **options)
    with open_archive(path) as archive:
        latents = {f"latents{number}": window for number, window in enumerate(archive.latents())}
        np.savez_compressed(
            HERE / f"{name}.npz",
            calls=cohort.call_genotype,
            phased=cohort.call_genotype_phased,
            hamming=archive.hamming(),
            **latents,
        )
        print(name, archive.info())


def with_alleles(cohort):
    """The cohort with a header and the alleles that its calls name; the last window holds SNPs only."""
    cohort.header = HEADER
    cohort.call_genotype[50:] = np.minimum(cohort.call_genotype[50:], 1)
    for i, most in enumerate(cohort.call_genotype.max(axis=(1, 2)).tolist()):
        cohort.sites.alt[i] = "T" if most < 2 else "C,G,<DEL>" if most < 4 else ",".join(f"<A{n}>" for n in range(most))
        if i >= 50:
            cohort.sites.ref[i], cohort.sites.alt[i] = "ACGT"[i % 4], "CGTA"[i % 4]
    return cohort


def main():
    training.Shape.usual = lambda n_rows, n_columns: training.Shape(5, 6)  # few rows, but some codes
    for name, phased in (("phased", 0.8), ("unphased", 0.1)):
        cohort = with_alleles(cohorts.mixed(np.random.default_rng(5), 60, 40, phased=phased))
        write_golden(name, cohort, predictor="autoencoder", block_variants=25, block_samples=18)
        with cohort.to_stream() as stream:
            write_vcf(HERE / f"{name}.vcf", stream)
    rng = np.random.default_rng(6)
    founders = rng.choice(list("ACGT"), (3, 100))
    rows = ["".join(founders[i % 3]).replace("GG", "N-") for i in range(12)]
    (HERE / "aligned.fa").write_text("".join(f">s{i}\n{row[:60]}\n{row[60:]}\n" for i, row in enumerate(rows)))
    write_golden("aligned", read_fasta(HERE / "aligned.fa"), predictor="frequency", block_samples=5)


if __name__ == "__main__":
    main()
