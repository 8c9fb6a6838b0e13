# SPDX-License-Identifier: Apache-2.0
"""Archives are what FORMAT.md says: a reader written from it alone gets the same, and golden files decode for ever."""

from pathlib import Path

import cohorts
import numpy as np
import pytest
import reference_archive

from fastae.archive import container, open_archive, write_archive
from fastae.archive.predictors import training
from fastae.cohort import Cohort, first_difference
from fastae.io import read_cohort


def check_agrees(path):
    """The plain reader and the product see the same archive."""
    plain = reference_archive.read_archive(path.read_bytes())
    with open_archive(path) as archive:
        cohort = archive.read()
        levels = archive.latents()
        slab = archive._reader.index.slab_samples
    assert (plain.source, plain.header, plain.attributes) == (cohort.source, cohort.header, cohort.attributes)
    assert plain.samples == cohort.samples
    assert plain.sites == [c if isinstance(c, list) else c.tolist() for c in cohort.sites.columns()]
    np.testing.assert_array_equal(plain.calls, cohort.call_genotype, strict=True)
    np.testing.assert_array_equal(plain.phased, cohort.call_genotype_phased)
    for window, stored in plain.stored.items():
        np.testing.assert_array_equal(stored.astype(np.float32), levels[window], strict=True)
    for (window, number), codes in plain.latents.items():
        some = levels[window][number * slab : (number + 1) * slab]
        np.testing.assert_array_equal(2 * codes - 1, some.reshape(len(codes), -1))
    return plain


@pytest.mark.parametrize("predictor", ["frequency", "autoencoder", "pbwt", "runs", "mosaic"])
@pytest.mark.parametrize("phased", [0.1, 0.8])
def test_a_reader_written_from_the_format_agrees(tmp_path, predictor, phased, rng, monkeypatch):
    monkeypatch.setattr(training, "MAX_EPOCHS", 20)
    cohort = cohorts.mixed(rng, 60, 30, phased=phased)
    cohort.attributes["line_width"] = "60"
    write_archive(tmp_path / "a", cohort, predictor=predictor, block_variants=25, block_samples=12)
    plain = check_agrees(tmp_path / "a")
    np.testing.assert_array_equal(plain.calls, cohort.call_genotype)
    np.testing.assert_array_equal(plain.phased, cohort.call_genotype_phased)
    assert bool(plain.latents) == (predictor == "autoencoder")


@pytest.mark.parametrize("ploidy", [1, 3])
def test_a_reader_written_from_the_format_agrees_on_other_ploidies(tmp_path, ploidy, rng):
    narrow = Cohort.from_arrays(cohorts.related(rng, 5, 7))
    wide = Cohort.from_arrays(cohorts.related(rng, 20, 7, ploidy=ploidy))
    write_archive(tmp_path / "a", Cohort.concatenate([narrow, wide]), block_variants=5, block_samples=3)
    check_agrees(tmp_path / "a")


def test_a_reader_written_from_the_format_agrees_on_shared_latents(tmp_path, rng):
    """Rows copied from few founders share their latents, and lean as these do."""
    calls = cohorts.related(rng, 40, 150, n_founders=3, noise=0.01)
    write_archive(tmp_path / "a", calls, predictor="autoencoder", block_samples=80)
    with open_archive(tmp_path / "a") as archive:
        model = archive._decoder(0).model
    assert 2 <= len(model.codebook.codes) <= 30
    assert (model.leans.min(axis=1) < model.leans.max(axis=1)).sum() > 10
    check_agrees(tmp_path / "a")


# ---- golden files: never made again, never edited ----------------------------------------------------

GOLDEN = Path(__file__).parent / "golden" / "archive-v0"
KINDS = (
    "phased",
    "unphased",
    "pbwt_phased",
    "pbwt_unphased",
    "runs_phased",
    "runs_unphased",
    "mosaic",
    "unordered",
    "latents",
    "ploidies",
    "everything",
    "fast",
    "max",
    "people",
)
ORIGINALS = [*(f"{kind}.vcf" for kind in KINDS), "aligned.fa"]


@pytest.mark.parametrize("name", [name.split(".")[0] for name in ORIGINALS])
def test_golden_archives_decode_to_what_they_always_did(name, isa):
    want = np.load(GOLDEN / f"{name}.npz")
    with open_archive(GOLDEN / f"{name}.fae") as archive:
        archive.verify()
        cohort = archive.read()
        assert archive.hamming() == tuple(want["hamming"])  # what the integer decoder predicts
        for number, latents in enumerate(archive.latents()):
            np.testing.assert_array_equal(latents, want[f"latents{number}"], strict=True)
    np.testing.assert_array_equal(cohort.call_genotype, want["calls"], strict=True)
    np.testing.assert_array_equal(cohort.call_genotype_phased, want["phased"], strict=True)
    check_agrees(GOLDEN / f"{name}.fae")


@pytest.mark.parametrize("name", ORIGINALS)
def test_golden_archives_hold_the_files_they_were_made_from(name):
    with read_cohort(GOLDEN / name) as original, open_archive((GOLDEN / name).with_suffix(".fae")) as archive:
        assert first_difference(original, archive.read()) is None


def test_golden_archives_have_every_kind_of_block():
    layouts, predictors, kinds = set(), set(), set()
    for path in GOLDEN.glob("*.fae"):
        index = reference_archive.read_container(path.read_bytes())
        for (kind, *_), (payload, predictor, _) in index.sections.items():
            layouts |= {payload[0]} if kind == container.COLUMNS else set()
            predictors |= {predictor} if kind == container.BLOCK else set()
            kinds.add(kind)
    assert (layouts, predictors, kinds) == ({0, 1, 2}, {0, 1, 2, 3, 4}, set(range(7)))
