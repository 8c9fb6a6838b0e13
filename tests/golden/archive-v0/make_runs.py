# SPDX-License-Identifier: Apache-2.0
"""How the golden archives of predictor 3 beside this file were made: `python tests/golden/archive-v0/make_runs.py`.

They are never made again for version 0: files like them exist, and what reads them must go on reading them.
"""

import numpy as np
from make import HERE, cohorts, with_alleles, write_golden

from fastae.io import write_vcf


def main():
    for name, phased in (("runs_phased", 0.8), ("runs_unphased", 0.1)):
        cohort = with_alleles(cohorts.mixed(np.random.default_rng(10), 120, 90, phased=phased))
        write_golden(name, cohort, predictor="runs", block_variants=70, block_samples=50)
        with cohort.to_stream() as stream:
            write_vcf(HERE / f"{name}.vcf", stream)


if __name__ == "__main__":
    main()
