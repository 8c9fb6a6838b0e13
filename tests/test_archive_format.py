# SPDX-License-Identifier: Apache-2.0
"""Golden archives decode for ever, and are never made again or edited; the encoder makes the bytes that it always did.

Both on every CPU and with any number of threads.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from golden import encoder

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


@pytest.mark.parametrize("name", encoder.CASES)
def test_the_encoder_makes_the_bytes_that_it_always_did(name, isa):
    wanted = json.loads(encoder.PATH.read_text())
    assert wanted.keys() == encoder.CASES.keys()
    found = {encoder.digest(name, n_threads) for n_threads in (1, 2, 8)}
    assert found == {wanted[name]}, (
        f"the archive by {name!r} has other bytes than before. If the encoder or the format is meant to have changed, "
        "bump the version in FORMAT.md where old readers would refuse or misread it, run "
        "`python tests/golden/encoder.py`, and commit what that changes in encoder.json; if not, this is a bug"
    )
