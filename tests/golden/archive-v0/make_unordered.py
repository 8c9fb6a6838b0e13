# SPDX-License-Identifier: Apache-2.0
"""How the golden archive of unphased calls in phased rows beside this file was made:
`python tests/golden/archive-v0/make_unordered.py`.

It is never made again for version 0: files like it exist, and what reads them must go on reading them.
"""

import numpy as np
from make import HERE, cohorts, with_alleles, write_golden

from fastae.io import write_vcf


def main():
    rng = np.random.default_rng(12)
    cohort = cohorts.mixed(rng, 150, 60, phased=0.05)
    clean = rng.random(150) < 0.8
    cohort.call_genotype[clean] = np.sort(cohorts.related(rng, 150, 60, noise=0.002)[clean], axis=2)
    cohort.call_genotype_phased[clean] = False
    cohort = with_alleles(cohort)
    write_golden("unordered", cohort, block_variants=80, block_samples=45)
    with cohort.to_stream() as stream:
        write_vcf(HERE / "unordered.vcf", stream)


if __name__ == "__main__":
    main()
