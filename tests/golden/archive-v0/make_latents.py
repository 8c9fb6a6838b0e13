# SPDX-License-Identifier: Apache-2.0
"""How the golden archive with latents beside this file was made: `python tests/golden/archive-v0/make_latents.py`.

It is never made again for version 0: files like it exist, and what reads them must go on reading them.
"""

import numpy as np
from make import HERE, cohorts, with_alleles, write_golden

from fastae.io import write_vcf


def main():
    cohort = with_alleles(cohorts.mixed(np.random.default_rng(13), 60, 30, phased=0.8))
    cohort.call_genotype_phased[:25] = False  # the first window's rows are samples
    write_golden("latents", cohort, preset="fast", block_variants=25, block_samples=18, n_latents=3, latent_bits=5)
    with cohort.to_stream() as stream:
        write_vcf(HERE / "latents.vcf", stream)


if __name__ == "__main__":
    main()
