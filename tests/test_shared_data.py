# SPDX-License-Identifier: Apache-2.0
"""Real cohorts, where they are at hand, go through an archive and come back; bcftools is the judge.

Only their first records here: ``bench/roundtrip.py`` takes all of every file.
"""

import gzip
import shutil
import subprocess

import numpy as np
import pytest
from shareddata import DATA

from fastae.archive import open_archive, write_archive
from fastae.archive.columns import UNORDERED
from fastae.cli import main
from fastae.io import read_fasta, read_vcf
from fastae.io.fasta import fasta_symbols

COHORTS = ("cattle_bta12", "demo_chr1_11M_520ind", "humanorigins249", "kg3_chr20_1M_eur203_unphased")
ALIGNMENTS = ("h3n2_na",)


def data_file(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here; FASTAE_DATA names the directory it would be in")
    return path


def head(path, n_records, out):
    """The first records of a VCF as a plain VCF."""
    with gzip.open(path, "rb") as source, open(out, "wb") as target:
        for line in source:
            target.write(line)
            n_records -= not line.startswith(b"#")
            if n_records == 0:
                return


def bcftools_view(path):
    data = subprocess.run(["bcftools", "view", "--no-version", path], capture_output=True, check=True).stdout
    return data[data.index(b"#CHROM") :]


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
@pytest.mark.parametrize(("predictor", "n_records"), [("auto", 1000), ("frequency", 1000), ("autoencoder", 150)])
@pytest.mark.parametrize("name", COHORTS)
def test_a_real_cohort_comes_back_as_bcftools_sees_it(tmp_path, name, predictor, n_records):
    head(data_file(f"{name}.vcf.gz"), n_records, tmp_path / "in.vcf")
    archive, out = tmp_path / "a.fae", tmp_path / "out.vcf.gz"
    assert main(["compress", str(tmp_path / "in.vcf"), str(archive), "--predictor", predictor]) == 0
    assert main(["decompress", str(archive), str(out)]) == 0
    assert bcftools_view(out) == bcftools_view(tmp_path / "in.vcf")
    assert gzip.decompress(out.read_bytes()) == (tmp_path / "in.vcf").read_bytes()


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_real_sequences_come_back(tmp_path, name):
    path = data_file(f"{name}.fasta.gz")
    cohort = read_fasta(path)
    write_archive(tmp_path / "a.fae", cohort)
    with open_archive(tmp_path / "a.fae") as archive:
        symbols = fasta_symbols(archive.read())
    np.testing.assert_array_equal(symbols, fasta_symbols(cohort))
    text = gzip.decompress(path.read_bytes())
    assert (
        b"".join(b">%b\n%b\n" % (n.encode(), r.tobytes()) for n, r in zip(cohort.samples, symbols, strict=True)) == text
    )


def test_calls_of_a_real_cohort_are_those_that_cyvcf2_reads():
    cyvcf2 = pytest.importorskip("cyvcf2")
    path = data_file("humanorigins249.vcf.gz")
    with read_vcf(path, n_variants=500) as stream:
        block = next(iter(stream))
    assert (block.call_genotype == -1).any()
    reader = cyvcf2.VCF(str(path))
    assert reader.samples == block.samples
    for row, variant in zip(range(500), reader, strict=False):
        *alleles, phased = variant.genotype.array().T
        np.testing.assert_array_equal(block.call_genotype[row], np.stack(alleles, axis=1))
        np.testing.assert_array_equal(block.call_genotype_phased[row], phased)
        assert (variant.CHROM, variant.POS, variant.REF) == (
            block.sites.chrom[row],
            block.sites.pos[row],
            block.sites.ref[row],
        )


def test_a_real_unphased_cohort_is_phased_small_and_comes_back_as_cyvcf2_reads_it(tmp_path):
    cyvcf2 = pytest.importorskip("cyvcf2")
    path = data_file("kg3_chr20_1M_eur203_unphased.vcf.gz")
    with read_vcf(path, drop_format=True) as stream:
        write_archive(tmp_path / "a.fae", stream, preset="fast")
    with open_archive(tmp_path / "a.fae") as archive:
        assert archive.info()["bytes"]["genotypes"] < 80_000
        assert archive._decoder(0).table.rows == UNORDERED
        cohort = archive.read()
    for calls, phased, variant in zip(
        cohort.call_genotype, cohort.call_genotype_phased, cyvcf2.VCF(str(path)), strict=True
    ):
        genotypes = variant.genotype.array()
        assert np.array_equal(calls, genotypes[:, :2])
        assert np.array_equal(phased, genotypes[:, 2])
