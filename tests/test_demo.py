# SPDX-License-Identifier: Apache-2.0
"""The demo on a part of its region, and the region itself; `fastae demo` as a whole runs in CI."""

import hashlib
import json
import sys
from importlib import resources

import numpy as np
import pytest

from fastae import demo
from fastae.errors import FastaeError, InputError
from fastae.io.vcf import read_vcf, write_vcf

DATA = resources.files("fastae") / "data"


@pytest.fixture(scope="module")
def region():
    with resources.as_file(DATA / f"{demo.REGION}.vcf.gz") as path:
        return read_vcf(path).read()


@pytest.fixture(scope="module")
def small_vcf(region, tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "small.vcf.gz"
    write_vcf(path, region.select(slice(0, 300)).to_stream())
    return path


def test_region_is_the_one_its_provenance_describes(region):
    provenance = (DATA / "PROVENANCE.md").read_text(encoding="utf-8")
    digest = hashlib.sha256((DATA / f"{demo.REGION}.vcf.gz").read_bytes()).hexdigest()
    assert f"`{demo.REGION}.vcf.gz` | `{digest}`" in provenance
    assert region.call_genotype.shape == (4325, 300, 2)
    assert set(np.unique(region.call_genotype)) == {0, 1}
    assert region.call_genotype_phased.all()
    assert (region.sites.pos[0] >= 2_000_000) and (region.sites.pos[-1] <= 2_499_999)


def test_every_person_of_the_region_has_a_population(region):
    populations = demo.read_populations()
    assert list(populations) == region.samples
    assert set(populations.values()) == {"CEU", "FIN", "GBR", "IBS"}


def test_archive_region_measures_what_it_wrote(small_vcf, tmp_path):
    path = tmp_path / "small.fae"
    cohort, result = demo.archive_region(small_vcf, path, threads=1)
    sizes = result["bytes"]
    assert json.loads(json.dumps(result)) == result  # as `fastae demo --json` prints it
    assert (result["people"], result["sites"]) == (300, 300) == cohort.call_genotype.shape[:2]
    assert sizes["total"] == path.stat().st_size
    assert sizes["raw"] == 600 * 38  # 300 bits of each haplotype in whole bytes
    assert sizes["vcf_gz"] == small_vcf.stat().st_size
    assert 0 < sizes["latents"] + sizes["decoder"] + sizes["residual"] <= sizes["genotypes"] < sizes["total"]
    assert 0 <= result["hamming"] < result["cells"] <= cohort.call_genotype.size
    assert result["bits_per_allele"] == pytest.approx(8 * sizes["genotypes"] / cohort.call_genotype.size)


def test_report_names_every_figure(small_vcf, tmp_path):
    _, result = demo.archive_region(small_vcf, tmp_path / "small.fae", threads=1)
    text = "\n".join(demo.report(result))
    for part in ("raw", "xz", "vcf_gz", "total", "latents", "decoder", "residual"):
        assert f"{result['bytes'][part]:,} bytes" in text, part
    assert f"{result['hamming']:,} of {result['cells']:,}" in text


def test_archive_region_refuses_what_does_not_come_back(small_vcf, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "first_difference", lambda a, b: "variant 7 differs")
    with pytest.raises(FastaeError, match=r"small\.fae does not give back .* variant 7 differs"):
        demo.archive_region(small_vcf, tmp_path / "small.fae", threads=1)


def test_train_learns_and_gives_a_row_of_latents_per_person(region, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "N_EPOCHS", 5)
    part = region.select(slice(0, 400))
    history, Z = demo.train(part)
    assert len(history) == len(history.heldout_hamming) == 5
    assert history.hamming[-1] < history.hamming[0]
    assert min(history.heldout_hamming) > 0  # there were people to get wrong
    assert Z.shape == (300, demo.N_LATENTS)
    assert np.abs(Z).max() < 1
    picture = tmp_path / "demo.png"
    demo.draw(picture, part, history, Z)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_packed_haplotypes_are_haplotype_major_bits():
    calls = np.random.default_rng(4).integers(0, 2, (19, 3, 2)).astype(np.int8)
    rows = np.unpackbits(demo.packed_haplotypes(calls).reshape(6, 3), axis=1)[:, :19]
    np.testing.assert_array_equal(rows, calls.reshape(19, 6).T)


def test_packed_haplotypes_hold_missing_and_third_alleles():
    calls = np.array([[[0, 1], [2, -1]]], np.int8)
    low, high = np.unpackbits(demo.packed_haplotypes(calls)).reshape(2, 4, 8)[:, :, 0]
    assert (low + 2 * high).tolist() == [0, 1, 2, 3]


def test_what_the_demo_will_lack_is_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="needs matplotlib"):
        demo.run_demo(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_the_demo_is_made_and_what_archives_need_is_said_first(tmp_path, monkeypatch):
    def stopped(vcf, path, threads):
        raise FastaeError(f"{path.parent.is_dir()}")

    monkeypatch.setattr(demo, "archive_region", stopped)
    said = []
    with pytest.raises(FastaeError, match="True"):
        demo.run_demo(tmp_path / "new" / "folder", say=said.append)
    assert "Archives need no training" in said[1]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="this is a file; give the name of a folder"):
        demo.run_demo(tmp_path / "file")
