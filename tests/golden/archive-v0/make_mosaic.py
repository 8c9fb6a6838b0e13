# SPDX-License-Identifier: Apache-2.0
"""How the golden archive of predictor 4 beside this file was made: `python tests/golden/archive-v0/make_mosaic.py`.

It is never made again for version 0: files like it exist, and what reads them must go on reading them.
"""

import numpy as np
from make import HEADER, HERE, cohorts, write_golden

from fastae import Cohort
from fastae.io import write_vcf


def main():
    rng = np.random.default_rng(7)
    calls = cohorts.related(rng, 60, 20, n_founders=12, noise=0.05)
    calls[rng.random(calls.shape[:2]) < 0.02] = -1
    calls[30] = 0
    calls[31] = np.where(calls[32] < 0, calls[32], 0)
    cohort = Cohort.from_arrays(calls, phased=False)
    cohort.header = HEADER
    write_golden("mosaic", cohort, predictor="mosaic", block_variants=35)
    with cohort.to_stream() as stream:
        write_vcf(HERE / "mosaic.vcf", stream)


if __name__ == "__main__":
    main()
