# SPDX-License-Identifier: Apache-2.0
"""Golden archives decode for ever, on every CPU and with any number of threads: they are never made again or edited."""

from pathlib import Path

import numpy as np
import pytest

from fastae.archive import open_archive
from fastae.difference import first_difference
from fastae.io import read_cohort

GOLDEN = Path(__file__).parent / "golden" / "archive-v0"
ORIGINALS = sorted(path.name for path in GOLDEN.iterdir() if path.suffix in (".vcf", ".fa"))


@pytest.mark.parametrize("n_threads", [1, 2, 8])
@pytest.mark.parametrize("name", [name.split(".")[0] for name in ORIGINALS])
def test_golden_archives_decode_to_what_they_always_did(name, isa, n_threads):
    want = np.load(GOLDEN / f"{name}.npz")
    with open_archive(GOLDEN / f"{name}.fae", n_threads=n_threads) as archive:
        archive.verify()
        cohort = archive.read()
        assert archive.hamming() == tuple(want["hamming"])  # what the integer decoder predicts
        for number, latents in enumerate(archive.latents()):
            np.testing.assert_array_equal(latents, want[f"latents{number}"], strict=True)
    np.testing.assert_array_equal(cohort.call_genotype, want["calls"], strict=True)
    np.testing.assert_array_equal(cohort.call_genotype_phased, want["phased"], strict=True)


@pytest.mark.parametrize("name", ORIGINALS)
def test_golden_archives_hold_the_files_they_were_made_from(name):
    with read_cohort(GOLDEN / name) as original, open_archive((GOLDEN / name).with_suffix(".fae")) as archive:
        assert first_difference(original, archive.read()) is None
