# SPDX-License-Identifier: Apache-2.0
"""How the golden archives of predictor 2 beside this file were made: `python tests/golden/archive-v0/make_pbwt.py`.

They are never made again for version 0: files like them exist, and what reads them must go on reading them.
"""

import dataclasses

import numpy as np
from make import HERE, cohorts, with_alleles, write_golden

from fastae.archive.presets import PRESETS
from fastae.io import write_vcf


def main():
    for name, phased, one_way_cells in (("pbwt_phased", 0.8, 0), ("pbwt_unphased", 0.1, 1 << 26)):
        cohort = with_alleles(cohorts.mixed(np.random.default_rng(9), 120, 90, phased=phased))
        # one as small blocks are written, the other as large ones are, from their middle on
        PRESETS["default"] = dataclasses.replace(PRESETS["default"], one_way_cells=one_way_cells)
        write_golden(name, cohort, predictor="pbwt", block_variants=70, block_samples=50)
        with cohort.to_stream() as stream:
            write_vcf(HERE / f"{name}.vcf", stream)


if __name__ == "__main__":
    main()
