# SPDX-License-Identifier: Apache-2.0
"""How the golden archive of alleles of two digits beside this file was made:
`python tests/golden/archive-v0/make_many_alleles.py`.

It is never made again for version 0: files like it exist, and what reads them must go on reading them.
"""

import numpy as np
from make import HEADER, HERE, cohorts, write_golden

from fastae.cohort import FILL, MISSING, Cohort
from fastae.io import write_vcf


def main():
    rng = np.random.default_rng(31)
    calls = cohorts.related(rng, 90, 40, n_founders=4, noise=0.002).astype(np.int16)
    calls[40] = rng.integers(MISSING, 301, calls[40].shape)
    calls[45] = rng.choice([0, 126, 127, 128, 254, 1000], calls[45].shape)
    calls[70] = rng.choice([0, 1, 127, 131], calls[70].shape)
    calls[71:80, 5, 1] = FILL
    phased = np.arange(90) < 60
    calls[60:] = np.where((calls[60:] >= 0).all(axis=2, keepdims=True), np.sort(calls[60:], axis=2), calls[60:])
    cohort = Cohort.from_arrays(calls, phased=phased[:, None])
    cohort.header = HEADER
    for row, highest in enumerate(calls.max(axis=(1, 2)).tolist()):
        cohort.sites.alt[row] = ",".join(f"<{allele}>" for allele in range(1, max(highest, 1) + 1))
    write_golden("many_alleles", cohort, block_variants=30, block_samples=25)
    with cohort.to_stream() as stream:
        write_vcf(HERE / "many_alleles.vcf", stream)


if __name__ == "__main__":
    main()
