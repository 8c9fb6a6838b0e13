# SPDX-License-Identifier: Apache-2.0
"""Alleles above 126, as of short tandem repeats: exact in every format; bcftools and vcztools are the judges."""

import shutil
import subprocess
import sys

import cohorts
import hostile
import independent_reader
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastae
from fastae.archive.columns import KIND_MISSING, SWAPPED, UNORDERED, join, split
from fastae.archive.predictors import PREDICTORS
from fastae.cohort import FILL, MAX_ALLELE, MISSING, Cohort, Sites
from fastae.difference import first_difference
from fastae.errors import FormatError
from fastae.io import read_cohort, read_vcf, write_cohort, write_vcf

needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")

N_SITES, N_SAMPLES = 60, 20
HEADER = """##fileformat=VCFv4.3
##FILTER=<ID=PASS,Description="All filters passed">
##contig=<ID=1>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"""


def many(seed=0, phased=None):
    """Ordinary sites, and some of 127 to 1000 alternative alleles; missing, haploid and no calls, both phases."""
    rng = np.random.default_rng(seed)
    calls = cohorts.related(rng, N_SITES, N_SAMPLES, n_founders=4, noise=0.001).astype(np.int16)
    calls[7] = rng.integers(MISSING, 301, calls[7].shape)
    calls[30] = rng.integers(MISSING, 1001, calls[30].shape)
    calls[30, 0] = 1000, 0
    calls[31] = rng.choice([0, 1, 127], calls[31].shape)
    calls[32] = rng.choice([0, 126, 127, 128, 253, 254, 381], calls[32].shape)
    calls[7, 3:6, 1] = calls[33, 3:6, 1] = FILL
    calls[34] = FILL
    flags = rng.random((N_SITES, N_SAMPLES)) < 0.5 if phased is None else np.full((N_SITES, N_SAMPLES), phased)
    if phased is False:
        ordered = (calls[40:] >= 0).all(axis=2, keepdims=True)
        calls[40:] = np.where(ordered, np.sort(calls[40:], axis=2), calls[40:])
    cohort = Cohort.from_arrays(calls, phased=flags)
    cohort.header = HEADER
    for row, highest in enumerate(calls.max(axis=(1, 2)).tolist()):
        cohort.sites.alt[row] = ",".join(f"<{allele}>" for allele in range(1, max(highest, 1) + 1))
    return cohort


def records(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def bcftools_records(path):
    return records(["bcftools", "view", "-H", path])


@pytest.mark.parametrize("phased", [True, False, None])
@pytest.mark.parametrize(
    ("preset", "predictor"), [*((p, "auto") for p in ("fast", "default", "max")), *(("default", p) for p in PREDICTORS)]
)
def test_archives_hold_every_allele(tmp_path, preset, predictor, phased):
    cohort = many(phased=phased)
    calls = cohort.call_genotype
    path = tmp_path / "a.fae"
    fastae.write_archive(path, cohort, preset=preset, predictor=predictor, block_variants=25, block_samples=12)
    with fastae.open(path) as archive:
        assert archive.dtype == np.int16
        archive.verify()
        assert first_difference(cohort, archive.read()) is None
        assert archive.hamming()[1] == calls.size
        np.testing.assert_array_equal(archive[5:40, [13, 2, 1]], calls[5:40][:, [13, 2, 1]])
        np.testing.assert_array_equal(archive[[32, 7, 7], ::3, 0], calls[[32, 7, 7], ::3, 0])
        assert archive[50].dtype == np.int16  # whatever is asked for
        out = np.empty((3, N_SAMPLES, 2), np.int16)
        np.testing.assert_array_equal(archive.read_calls([30, 7, 50], out=out), calls[[30, 7, 50]])
        assert archive.read_calls([30], dtype=np.float32).max() == 1000
        for narrow in (np.int8, np.float16):
            with pytest.raises(TypeError, match="to hold -2 to 16128"):
                archive.read_calls(dtype=narrow)


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("phased", [True, False])
def test_the_independent_reader_sees_the_same(tmp_path, predictor, phased):
    cohort = many(phased=phased)
    fastae.write_archive(tmp_path / "a", cohort, predictor=predictor, block_variants=40)
    plain = independent_reader.read_archive((tmp_path / "a").read_bytes())
    np.testing.assert_array_equal(plain.calls, cohort.call_genotype, strict=True)
    np.testing.assert_array_equal(plain.phased, cohort.call_genotype_phased)


def test_blocks_of_other_ploidy_and_fewer_alleles_are_joined_exactly():
    high, low = Cohort.from_arrays([[[300], [127]]]), Cohort.from_arrays([[[0, 1], [1, -1]]])
    whole = Cohort.concatenate([low, high])
    np.testing.assert_array_equal(
        whole.call_genotype, np.array([[[0, 1], [1, -1]], [[300, FILL], [127, FILL]]], np.int16), strict=True
    )


def test_windows_without_such_alleles_take_the_same_bytes_and_one_digit(tmp_path):
    ordinary = many().call_genotype[40:].astype(np.int8)
    for name, calls in (("a", ordinary), ("b", ordinary.astype(np.int16))):
        fastae.write_archive(tmp_path / name, calls)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with fastae.open(tmp_path / "b") as archive:
        assert archive.dtype == archive[:].dtype == np.int8


def test_rows_that_are_made_up_of_unphased_calls_keep_them(tmp_path):
    rng = np.random.default_rng(3)
    calls = np.sort(cohorts.related(rng, 300, 60, n_founders=4, noise=0.0005), axis=2).astype(np.int16)
    calls[150] = np.sort(rng.choice([0, 1, 2, 127, 129, 300], calls[150].shape), axis=1)
    calls[150, :4] = [[300, 1], [2, 129], [127, 127], [MISSING, 300]]
    fastae.write_archive(tmp_path / "a", Cohort.from_arrays(calls, phased=False))
    with fastae.open(tmp_path / "a") as archive:
        assert archive._decoder(0).table.rows == UNORDERED  # else this tests nothing
        np.testing.assert_array_equal(archive[:], calls)


@settings(max_examples=150, deadline=None)
@given(cohorts.calls_and_phase(wide=True), st.sampled_from(["fast", "default"]))
def test_any_calls_come_back(tmp_path_factory, calls_and_phase, preset):
    calls, phased = calls_and_phase
    path = tmp_path_factory.mktemp("any") / "a.fae"
    cohort = Cohort.from_arrays(calls, phased=phased, sites=Sites.numbered(len(calls)))
    fastae.write_archive(path, cohort, preset=preset)
    with fastae.open(path) as archive:
        assert first_difference(cohort, archive.read()) is None
        assert archive.dtype == (np.int16 if calls.max(initial=0) > 126 else np.int8)


@pytest.mark.parametrize("phased", [True, False, None])
def test_sums_are_those_of_the_calls(tmp_path, rng, phased):
    cohort = many(phased=phased)
    calls = cohort.call_genotype.astype(int)
    dosages = (calls > 0).sum(axis=2)
    fastae.write_archive(tmp_path / "a", cohort, block_variants=25, block_samples=12)
    v, u = rng.random((N_SAMPLES, 2)), rng.random(N_SITES)
    with fastae.open(tmp_path / "a", n_threads=2) as archive:
        np.testing.assert_allclose(archive.dot(v), dosages @ v)
        part = dosages[[7, 50, 7]][:, [2, 2, 19]]
        np.testing.assert_allclose(archive.dot(v[:3, 0], [7, 50, 7], [2, 2, 19]), part @ v[:3, 0])
        np.testing.assert_allclose(archive.rdot(u), dosages.T @ u)
        for samples in (np.arange(N_SAMPLES), [1, 1, 15]):
            counts = archive.allele_counts(samples=samples)
            assert counts.shape == (N_SITES, 1001)
            for found, site in zip(counts, calls[:, samples].reshape(N_SITES, -1), strict=True):
                np.testing.assert_array_equal(found, np.bincount(site[site >= 0], minlength=1001))


@needs_bcftools
def test_bcftools_sees_the_same_records_behind_an_archive_and_bcf(tmp_path):
    write_vcf(tmp_path / "in.vcf", many().to_stream())
    original = bcftools_records(tmp_path / "in.vcf")
    assert "\t1000" in original
    with read_vcf(tmp_path / "in.vcf") as stream:
        fastae.write_archive(tmp_path / "a.fae", stream)
    with fastae.open(tmp_path / "a.fae") as archive:
        write_vcf(tmp_path / "out.vcf", archive.stream())
        part = archive.stream(samples=[4, 0])
        write_vcf(tmp_path / "part.vcf", part)
    assert (tmp_path / "out.vcf").read_bytes() == (tmp_path / "in.vcf").read_bytes()
    assert bcftools_records(tmp_path / "out.vcf") == original
    command = ["bcftools", "view", "-H", "-I", "-s", "S5,S1", tmp_path / "in.vcf"]
    assert bcftools_records(tmp_path / "part.vcf") == records(command)
    pytest.importorskip("cyvcf2")
    subprocess.run(["bcftools", "view", "-Ob", "-o", tmp_path / "in.bcf", tmp_path / "in.vcf"], check=True)
    with read_vcf(tmp_path / "in.bcf") as stream:
        write_vcf(tmp_path / "out.bcf", stream)
    assert bcftools_records(tmp_path / "out.bcf") == original


@pytest.mark.parametrize("ending", ["npz", "vcf.gz", "vcz"])
def test_other_formats_hold_every_allele(tmp_path, ending):
    if ending == "vcz":
        pytest.importorskip("zarr")
    cohort = many()
    path = tmp_path / f"a.{ending}"
    write_cohort(path, cohort.to_stream())
    with read_cohort(path) as stream:
        again = stream.read()
    np.testing.assert_array_equal(again.call_genotype, cohort.call_genotype, strict=True)
    np.testing.assert_array_equal(again.call_genotype_phased, cohort.call_genotype_phased)


def test_an_npz_is_int16_where_it_must_be(tmp_path):
    for cohort, dtype in ((many(), np.int16), (many().select(slice(40, 60)), np.int8)):
        write_cohort(tmp_path / "a.npz", cohort.to_stream(10))
        with np.load(tmp_path / "a.npz") as arrays:
            np.testing.assert_array_equal(arrays["call_genotype"], cohort.call_genotype.astype(dtype), strict=True)


def test_vcztools_reads_the_records_of_a_store(tmp_path):
    zarr = pytest.importorskip("zarr")
    pytest.importorskip("vcztools")
    cohort = many()
    write_cohort(tmp_path / "a.vcz", cohort.to_stream())
    array = zarr.open_group(tmp_path / "a.vcz", mode="r")["call_genotype"]
    np.testing.assert_array_equal(array[:], cohort.call_genotype, strict=True)
    write_vcf(tmp_path / "a.vcf", cohort.to_stream())
    lines = [line for line in (tmp_path / "a.vcf").read_text().splitlines() if line[0] != "#" and "\tGT\t" in line]
    text = records([sys.executable, "-m", "vcztools", "view", "--no-version", "-H", tmp_path / "a.vcz"])
    # vcztools writes a record without GT as missing calls
    found = [line for line in text.splitlines() if f"1\t{34 + 1}\t" not in line[:6]]
    assert [line.split("\t")[9:] for line in found] == [line.split("\t")[9:] for line in lines]


def test_parts_and_wholes_of_archives_keep_them(tmp_path):
    cohort = many()
    first, second = cohort.select(slice(0, 25)), cohort.select(slice(25, 60))
    for name, part in (("1", first), ("2", second)):
        fastae.write_archive(tmp_path / name, part, block_variants=10)
    fastae.concat_archives(tmp_path / "both", [tmp_path / "1", tmp_path / "2"])
    fastae.subset_archive(tmp_path / "part", tmp_path / "both", slice(5, 33))
    fastae.subset_archive(tmp_path / "rest", tmp_path / "both", slice(45, 60))
    with fastae.open(tmp_path / "both") as archive:
        archive.verify()
        assert first_difference(cohort, archive.read()) is None
    with fastae.open(tmp_path / "part") as archive:
        assert archive.dtype == np.int16 and first_difference(cohort.select(slice(5, 33)), archive.read()) is None
    with fastae.open(tmp_path / "rest") as archive:
        assert archive.dtype == np.int8 and first_difference(cohort.select(slice(45, 60)), archive.read()) is None


def test_training_rows_tell_the_reference_from_all_else():
    calls = [[[0, 300], [0, 127]], [[0, 0], [1000, MISSING]]]
    assert fastae.training_rows(Cohort.from_arrays(calls)).X.tolist() == [[0, 0], [1, 0], [0, 1], [1, -1]]


def test_lazy_arrays_are_of_the_archives_type(tmp_path):
    pytest.importorskip("dask")
    cohort = many()
    fastae.write_archive(tmp_path / "a", cohort, block_variants=25)
    with fastae.open(tmp_path / "a") as archive:
        lazy = archive.to_dask()
    assert lazy.dtype == np.int16
    np.testing.assert_array_equal(lazy.compute(), cohort.call_genotype, strict=True)


def test_the_highest_allele_is_held_and_the_next_refused(tmp_path):
    calls = np.array([[[MAX_ALLELE, 0], [127, MISSING]]])
    fastae.write_archive(tmp_path / "a", calls)
    with fastae.open(tmp_path / "a") as archive:
        assert archive[:].tolist() == calls.tolist()
    with pytest.raises(ValueError, match="alleles run from -1 to 16129, allowed are -2 to 16128"):
        fastae.write_archive(tmp_path / "b", calls + (calls == MAX_ALLELE))


# ---- hostile bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", [KIND_MISSING, SWAPPED + 1])
def test_a_row_with_two_high_digits_or_one_of_no_allele_is_refused(over):
    table, matrix = split(np.array([[[0, 130], [254, MISSING]]], np.int16), np.ones((1, 2), bool))
    assert table.kind.tolist() == [3, KIND_MISSING, SWAPPED + 1, SWAPPED + 2]
    assert join(table, matrix)[0].tolist() == [[[0, 130], [254, MISSING]]]
    matrix[3] |= matrix[table.kind.tolist().index(over)]
    with pytest.raises(FormatError, match="a high digit to what cannot have it"):
        join(table, matrix)


def test_columns_of_other_alleles_than_the_index_tells_of_are_refused(tmp_path):
    fastae.write_archive(tmp_path / "a", many())
    index, payloads = hostile.taken_apart((tmp_path / "a").read_bytes(), tmp_path / "b")
    index.windows[0].is_wide = False
    hostile.put_together(index, payloads, tmp_path / "b")
    with pytest.raises(FormatError, match="other alleles than its window"):
        hostile.read_everything(tmp_path / "b")
