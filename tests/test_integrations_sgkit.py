# SPDX-License-Identifier: Apache-2.0
"""sgkit's statistics on an archive, and on a store that fastae writes, are those that NumPy computes from the calls.

sgkit needs zarr 2 and a writer of stores zarr 3: FASTAE_STORE_WRITER is a Python that has fastae and zarr 3.
"""

import os
import subprocess
import warnings
from importlib import resources

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of sgkit's own imports
    sgkit = pytest.importorskip("sgkit", reason="sgkit is not installed", exc_type=ImportError)

import fastae  # noqa: E402
from fastae.io import read_vcf  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of sgkit, numba and what they import


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The cohort that the package ships, some calls of it missing."""
    path = tmp_path_factory.mktemp("archive") / "a.fae"
    with resources.as_file(resources.files("fastae") / "data" / "kg3_chr20_eur300.vcf.gz") as vcf:
        cohort = read_vcf(vcf).read()
    missing = np.random.default_rng(2).random(cohort.call_genotype.shape[:2]) < 0.01
    missing[: cohort.n_variants // 2] = False
    cohort.call_genotype[missing] = -1
    fastae.write_archive(path, cohort, block_variants=500)
    with fastae.open(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def calls(archive):
    return archive[:]


def test_allele_counts_and_variant_statistics(archive, calls):
    data = archive.to_xarray()
    counts = np.stack([(calls == allele).sum(axis=2) for allele in range(2)], axis=2)
    np.testing.assert_array_equal(sgkit.count_call_alleles(data).call_allele_count, counts)
    stats = sgkit.variant_stats(data)
    totals = counts.sum(axis=1)
    np.testing.assert_array_equal(stats.variant_allele_count, totals)
    np.testing.assert_allclose(stats.variant_allele_frequency, totals / totals.sum(axis=1, keepdims=True))
    called = (calls >= 0).all(axis=2)
    np.testing.assert_array_equal(stats.variant_n_called, called.sum(axis=1))
    heterozygous = called & (calls[:, :, 0] != calls[:, :, 1])
    np.testing.assert_array_equal(stats.variant_n_het, heterozygous.sum(axis=1))
    np.testing.assert_array_equal(sgkit.sample_stats(data).sample_n_het, heterozygous.sum(axis=0))


@pytest.fixture(scope="module")
def common(archive, calls):
    """Dosages of sites that are called in all and common, as a data set and as a matrix."""
    alternate = (calls == 1).mean(axis=(1, 2))
    sites = np.flatnonzero((alternate > 0.1) & (alternate < 0.9) & (calls >= 0).all(axis=(1, 2)))[:300]
    data = archive.to_xarray().isel(variants=sites)
    data["call_dosage"] = (data.call_genotype == 1).sum(dim="ploidy").astype("f8")
    return data.chunk({"variants": -1, "samples": -1}), (calls[sites] == 1).sum(axis=2)


def test_principal_components(common):
    data, dosages = common
    found = sgkit.pca(data, variable="call_dosage", n_components=3, scaler="patterson").sample_pca_projection
    mean = dosages.mean(axis=1, keepdims=True)
    scaled = (dosages - mean) / np.sqrt(mean / 2 * (1 - mean / 2))
    left, sizes, _ = np.linalg.svd(scaled.T, full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs(left * sizes)[:, :3], rtol=1e-5, atol=1e-5 * sizes[0])


def test_linkage_disequilibrium(common):
    data, dosages = common
    windows = sgkit.window_by_variant(data, size=50)
    pairs = sgkit.ld_matrix(windows, dosage="call_dosage").compute()
    assert len(pairs) == 6 * (50 * 51 // 2)
    squared = np.corrcoef(dosages) ** 2
    np.testing.assert_allclose(pairs.value, squared[pairs.i, pairs.j], rtol=1e-6, atol=1e-12)


def test_a_store_that_fastae_writes_is_opened(archive, calls, tmp_path):
    writer = os.environ.get("FASTAE_STORE_WRITER")
    if writer is None:
        pytest.skip("FASTAE_STORE_WRITER names no Python with zarr 3, which writes stores")
    store = tmp_path / "a.vcz"
    subprocess.run([writer, "-m", "fastae", "decompress", archive.path, store], check=True)
    data, of_archive = sgkit.load_dataset(store), archive.to_xarray()
    assert data.call_genotype.dims == ("variants", "samples", "ploidy")
    np.testing.assert_array_equal(data.call_genotype, calls)
    for name in ("sample_id", "variant_position", "variant_contig", "call_genotype_phased", "call_genotype_mask"):
        np.testing.assert_array_equal(data[name], of_archive[name], err_msg=name)
    stats, same = sgkit.variant_stats(data), sgkit.variant_stats(of_archive)
    np.testing.assert_array_equal(stats.variant_n_het, same.variant_n_het)
    counts = np.stack([(calls == allele).sum(axis=(1, 2)) for allele in range(2)], axis=1)
    np.testing.assert_array_equal(sgkit.count_variant_alleles(data).variant_allele_count[:, :2], counts)
