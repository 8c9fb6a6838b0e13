# SPDX-License-Identifier: Apache-2.0
"""Archives as Dask arrays and data sets: lazy, exact, of the archive's own blocks, and readable by any worker."""

import os
import pickle

import cohorts
import numpy as np
import pytest

dask = pytest.importorskip("dask", reason="dask is not installed")
pytest.importorskip("xarray", reason="xarray is not installed")

import fastae  # noqa: E402
from fastae import Cohort, InputError, Sites, write_archive  # noqa: E402
from fastae.cohort import FILL, MISSING  # noqa: E402
from fastae.integrations import dask as integration  # noqa: E402


@pytest.fixture(scope="module")
def cohort():
    return cohorts.mixed(np.random.default_rng(5), 90, 40)


@pytest.fixture(scope="module")
def path(cohort, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "a.fae"
    write_archive(path, cohort, block_variants=32, block_samples=15)
    return path


@pytest.fixture
def reads(monkeypatch):
    """The keys of all that is read."""
    keys, read = [], integration.Calls.__getitem__
    monkeypatch.setattr(integration.Calls, "__getitem__", lambda self, key: keys.append(key) or read(self, key))
    return keys


def test_chunks_are_the_blocks_and_each_is_read_once_when_it_is_needed(path, cohort, reads):
    with fastae.open(path) as archive:
        calls = archive.to_dask()
    assert (calls.shape, calls.dtype) == (cohort.call_genotype.shape, np.int8)
    assert calls.chunks == ((32, 32, 26), (15, 15, 10), (2,))
    assert reads == []
    np.testing.assert_array_equal(calls.compute(), cohort.call_genotype, strict=True)
    assert len(reads) == 9
    reads.clear()
    np.testing.assert_array_equal(calls[40:50, 20].compute(), cohort.call_genotype[40:50, 20])
    assert len(reads) == 1


@pytest.mark.parametrize(
    "key",
    [
        np.s_[::-1],
        np.s_[3:80:7, ::5, 1],
        np.s_[[5, 1, 70]],
        np.s_[:, [39, 0, 3]],
        np.s_[17],
        np.s_[:, 8, 0],
        np.s_[50:50],
        np.s_[..., 0],
    ],
    ids=str,
)
def test_parts_are_those_of_the_calls(path, cohort, key):
    with fastae.open(path) as archive:
        calls, phased = archive.to_dask(), archive.to_xarray().call_genotype_phased.data
        np.testing.assert_array_equal(calls[key].compute(), cohort.call_genotype[key], strict=True)
        if not isinstance(key, tuple) or len(key) < 3 and Ellipsis not in key:
            np.testing.assert_array_equal(phased[key].compute(), phased.compute()[key], strict=True)


def test_chunks_may_be_given(path, cohort):
    with fastae.open(path) as archive:
        calls = archive.to_dask(chunks=(50, -1, -1))
        assert calls.chunks == ((50, 40), (40,), (2,))
        assert archive.to_xarray(chunks=(50, 20, 2)).call_genotype_phased.chunks == ((50, 40), (20, 20))
    np.testing.assert_array_equal(calls.compute(), cohort.call_genotype)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking beside dask's threads
@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_any_worker_reads_from_any_directory(path, cohort, scheduler, tmp_path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with fastae.open(path.name) as archive:
        calls = archive.to_dask()
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(pickle.dumps(calls))
    assert len(pickle.dumps(calls)) < 20_000
    counts = (again > 0).sum(axis=(1, 2)).compute(scheduler=scheduler, num_workers=2)
    np.testing.assert_array_equal(counts, (cohort.call_genotype > 0).sum(axis=(1, 2)))


def test_names_of_arrays_tell_archives_apart(path, cohort, tmp_path):
    with fastae.open(path) as archive:
        name = archive.to_dask().name
        assert archive.to_dask().name == name
        assert archive.to_xarray().call_genotype_phased.data.name != name
    os.replace(write_other(tmp_path, cohort), moved := tmp_path / "a.fae")
    with fastae.open(moved) as archive:
        other = archive.to_dask()
        assert other.name != name
    write_archive(moved, cohort.call_genotype[:20])
    with pytest.raises(InputError, match=r"held an archive of shape \(90, 40, 2\) and now holds one of \(20, 40, 2\)"):
        other.compute()


def write_other(folder, cohort):
    write_archive(folder / "b.fae", 1 - np.abs(cohort.call_genotype) % 2)
    return folder / "b.fae"


def test_a_data_set_has_the_arrays_of_vcf_zarr(path, cohort):
    with fastae.open(path) as archive:
        found = archive.to_xarray()
    calls, sites = cohort.call_genotype, cohort.sites
    assert dict(found.sizes) == {
        "variants": 90, "samples": 40, "ploidy": 2, "alleles": 4, "contigs": 2, "filters": 1
    }  # fmt: skip
    lazy = {name for name, array in found.variables.items() if array.chunks}
    assert lazy == {"call_genotype", "call_genotype_mask", "call_genotype_phased"}
    np.testing.assert_array_equal(found.call_genotype, calls, strict=True)
    np.testing.assert_array_equal(found.call_genotype_mask, calls < 0, strict=True)
    single = (calls[:, :, 0] != FILL) & (calls[:, :, 1] == FILL)
    np.testing.assert_array_equal(found.call_genotype_phased, cohort.call_genotype_phased | single, strict=True)
    assert found.call_genotype.attrs == {"mixed_ploidy": True}
    assert found.sample_id.values.tolist() == cohort.samples
    assert [found.contig_id.values[i] for i in found.variant_contig.values] == sites.chrom
    assert found.variant_position.dtype == np.int32
    np.testing.assert_array_equal(found.variant_position, sites.pos)
    np.testing.assert_array_equal(found.variant_length, sites.ends() - sites.pos + 1)
    assert found.variant_id.values.tolist() == sites.id
    np.testing.assert_array_equal(found.variant_id_mask, [text == "." for text in sites.id])
    texts = [",".join(filter(None, row[1:])) for row in found.variant_allele.values]
    assert (found.variant_allele.values[:, 0].tolist(), texts) == (sites.ref, sites.alt)
    np.testing.assert_array_equal(found.variant_quality, np.arange(90) % 100)
    assert found.variant_filter.values.all() and found.filter_id.values.tolist() == ["PASS"]


def test_filters_qualities_and_contigs_are_told(tmp_path):
    sites = Sites(
        ["2", "1"], np.array([5, 2**33]), [".", "x"], ["A", "C"], [".", "T"], [".", "1.5"], [".", "q10;s50"], [".", "."]
    )
    calls = np.array([[[0], [MISSING]], [[1], [0]]], np.int8)
    header = "##fileformat=VCFv4.2\n##contig=<ID=1>\n##contig=<ID=9>\n#" + "\t".join(fastae.cohort.FIXED_COLUMNS)
    write_archive(tmp_path / "a", Cohort(header, ["a", "b"], sites, calls, np.zeros((2, 2), bool)))
    with fastae.open(tmp_path / "a") as archive:
        found = archive.to_xarray()
    assert found.contig_id.values.tolist() == ["1", "9", "2"] and found.variant_contig.values.tolist() == [2, 0]
    assert found.filter_id.values.tolist() == ["PASS", "q10", "s50"]
    assert found.variant_filter.values.tolist() == [[False, False, False], [False, True, True]]
    np.testing.assert_array_equal(found.variant_quality, np.array([np.nan, 1.5], np.float32))
    assert found.variant_allele.values.tolist() == [["A", ""], ["C", "T"]]
    assert found.variant_position.values.tolist() == [5, 2**33]
    assert found.call_genotype_phased.values.all()  # a call of one allele is
    assert found.call_genotype.attrs == {"mixed_ploidy": False} and found.attrs["vcf_header"] == header


@pytest.mark.parametrize("shape", [(0, 3, 2), (4, 0, 2), (4, 3, 1), (4, 3, 4)])
def test_cohorts_of_any_shape_are_given(tmp_path, shape):
    calls = np.arange(np.prod(shape)).reshape(shape).astype(np.int8) % 2
    write_archive(tmp_path / "a", calls)
    with fastae.open(tmp_path / "a") as archive:
        found = archive.to_xarray().compute()
        np.testing.assert_array_equal(archive.to_dask().compute(), archive[:])
        assert found.call_genotype.shape == archive.shape


def test_a_quality_that_is_no_number_is_refused(tmp_path):
    sites = Sites(["1"], np.array([5]), ["."], ["A"], ["C"], ["high"], ["."], ["."])
    write_archive(tmp_path / "a", Cohort.from_arrays([[[0, 1]]], sites=sites))
    with fastae.open(tmp_path / "a") as archive, pytest.raises(InputError, match="QUAL of a site is 'high'"):
        archive.to_xarray()
