# SPDX-License-Identifier: Apache-2.0
"""How the golden archives of other ploidies, texts, settings and rows beside this file were made:
`python tests/golden/archive-v0/make_more.py`.

They are never made again for version 0: files like them exist, and what reads them must go on reading them.
"""

import numpy as np
from make import HEADER, HERE, cohorts, with_alleles, write_golden

from fastae.archive.predictors import training
from fastae.cohort import Cohort, CohortStream
from fastae.io import read_vcf, write_vcf

import vcftext  # isort: skip # found once make has named the folder


def main():
    rng = np.random.default_rng(21)
    parts = [cohorts.related(rng, 8, 9, ploidy=ploidy) for ploidy in (1, 2, 4)]
    parts[2][::2, 3:6, 3] = -2
    parts[2][1::3, 5] = [2, -1, 0, -2]
    blocks = [Cohort.from_arrays(calls, phased=calls.shape[2] == 2) for calls in parts]
    blocks[1].sites.pos[4:] += 1 << 31
    blocks[2].sites.alt[:] = ["C,G"] * 8
    for block in blocks:
        block.header = HEADER
    ploidies, in_blocks = Cohort.concatenate(blocks), CohortStream(HEADER, blocks[0].samples, iter(blocks))
    (HERE / "everything.vcf").write_bytes(vcftext.vcf(vcftext.EVERYTHING))
    with read_vcf(HERE / "everything.vcf") as stream:
        everything = stream.read()
    mixed = cohorts.mixed(rng, 100, 60, phased=0.05)
    mixed.call_genotype[50:] = np.sort(cohorts.related(rng, 50, 60, n_founders=4, noise=0.002), axis=2)
    mixed.call_genotype_phased[50:] = False
    mixed = with_alleles(mixed)
    people = Cohort.from_arrays(np.sort(cohorts.related(rng, 60, 20, n_founders=9, noise=0.05), axis=2), phased=False)
    people.header = HEADER

    write_golden("ploidies", ploidies, in_blocks, predictor="pbwt", block_variants=8, block_samples=5)
    write_golden("everything", everything, block_variants=6)
    write_golden("fast", mixed, preset="fast", block_variants=50, block_samples=45)
    write_golden("max", mixed, preset="max", block_variants=50, n_latents=2, latent_bits=1)
    training.Shape.usual = lambda n_rows, n_columns: training.Shape(3, 4)
    write_golden("people", people, predictor="autoencoder", block_samples=12)
    for name, cohort in {"ploidies": ploidies, "fast": mixed, "max": mixed, "people": people}.items():
        with cohort.to_stream() as stream:
            write_vcf(HERE / f"{name}.vcf", stream)


if __name__ == "__main__":
    main()
