# SPDX-License-Identifier: Apache-2.0
"""How the golden chunks beside this file were made: `python tests/golden/chunk-v0/make.py`.

They are never made again for version 0: chunks like them exist, and what reads them must go on reading them.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

import cohorts  # noqa: E402

from fastae.archive.chunks import encode_chunk  # noqa: E402


def main():
    rng = np.random.default_rng(7)
    phased = cohorts.related(rng, 60, 20)
    unphased = np.sort(cohorts.related(rng, 60, 20), axis=2)
    dosages = cohorts.related(rng, 90, 60, noise=0).sum(axis=2, dtype=np.int8)
    odd = cohorts.mixed(rng, 30, 12)
    arrays = {
        "phased": phased,
        "unphased": unphased,
        "mixed": odd.call_genotype,
        "phase": odd.call_genotype_phased,
        "triploid": cohorts.related(rng, 20, 10, ploidy=3),
        "dosages": np.where(rng.random(dosages.shape) < 0.01, np.int8(-1), dosages),
        "quality": rng.integers(0, 256, (12, 9), dtype=np.uint8),
        "fortran": np.asfortranarray(phased[:, :, 0]),
        "filter": rng.random(50) < 0.3,
        "empty": np.zeros((0, 5, 2), np.int8),
    }
    for name, array in arrays.items():
        for preset in ("default", "fast"):
            (HERE / f"{name}.{preset}.chunk").write_bytes(encode_chunk(array, preset))
    np.savez_compressed(HERE / "arrays.npz", **arrays)


if __name__ == "__main__":
    main()
