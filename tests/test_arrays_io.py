# SPDX-License-Identifier: Apache-2.0
"""NumPy files: .npz gives a cohort back exactly, .npy its calls; both are read from hostile bytes without harm."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from vcftext import EVERYTHING, vcf

from fastae import Cohort, InputError, first_difference, read_cohort, write_archive, write_cohort
from fastae import open as open_archive
from fastae.cli import main
from fastae.errors import LossWarning
from fastae.io.arrays import read_npy, read_npz, write_npy, write_npz


@pytest.fixture
def source(tmp_path):
    """A VCF of everything, the last line of which is not ended."""
    (tmp_path / "in.vcf").write_bytes(vcf(EVERYTHING)[:-1])
    return tmp_path / "in.vcf"


def test_npz_gives_a_vcf_back_byte_for_byte_also_through_an_archive(tmp_path, source):
    write_npz(tmp_path / "a.npz", read_cohort(source))
    write_cohort(tmp_path / "back.vcf", read_cohort(tmp_path / "a.npz"))
    assert (tmp_path / "back.vcf").read_bytes() == source.read_bytes()
    assert main(["compress", str(tmp_path / "a.npz"), str(tmp_path / "a.fae")]) == 0
    assert main(["decompress", str(tmp_path / "a.fae"), str(tmp_path / "b.npz")]) == 0
    assert (tmp_path / "b.npz").read_bytes() == (tmp_path / "a.npz").read_bytes()


def test_npz_has_the_arrays_of_vcf_zarr(tmp_path, source):
    cohort = read_cohort(source).read()
    write_npz(tmp_path / "a.npz", cohort.to_stream(3))  # blocks of several widths
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["call_genotype"], cohort.call_genotype)
        np.testing.assert_array_equal(arrays["call_genotype_phased"], cohort.call_genotype_phased)
        np.testing.assert_array_equal(arrays["variant_position"], cohort.sites.pos)
        assert arrays["sample_id"].tolist() == cohort.samples
        assert arrays["contig_id"][arrays["variant_contig"]].tolist() == cohort.sites.chrom
        assert [row[0] for row in arrays["variant_allele"].tolist()] == cohort.sites.ref
        assert [",".join(filter(None, row[1:])) or "." for row in arrays["variant_allele"].tolist()] == cohort.sites.alt
        assert arrays["variant_info"].tolist() == cohort.sites.info


@pytest.mark.parametrize("shape", [(0, 3, 2), (4, 0, 1), (5000, 3, 1), (7, 1, 3)])
def test_npz_of_any_shape_comes_back(tmp_path, rng, shape):
    cohort = Cohort.from_arrays(rng.integers(-1, 3, shape), phased=rng.random(shape[:2]) < 0.5)
    write_npz(tmp_path / "a.npz", cohort.to_stream(11))
    assert first_difference(cohort, read_npz(tmp_path / "a.npz")) is None


def test_npz_with_calls_alone_is_made_up_as_from_arrays(tmp_path, rng):
    calls = rng.integers(0, 2, (5000, 4, 2))
    np.savez_compressed(tmp_path / "a.npz", call_genotype=calls)
    assert first_difference(Cohort.from_arrays(calls), read_cohort(tmp_path / "a.npz")).startswith("header")
    read = read_cohort(tmp_path / "a.npz").read()
    np.testing.assert_array_equal(read.call_genotype, calls)
    assert read.sites.pos.tolist() == list(range(1, 5001))


GOOD = {"call_genotype": np.zeros((2, 3, 2), np.int8)}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"genotypes": GOOD["call_genotype"]}, "no array call_genotype"),
        (GOOD | {"call_DP": np.zeros((2, 3))}, "no place for call_DP"),
        (GOOD | {"sample_id": np.array(["a", "b"])}, "2 names, and call_genotype 3 samples"),
        (GOOD | {"sample_id": np.array(["a", "b", "a"])}, "repeat"),
        (GOOD | {"sample_id": np.array(["a", "b", "c\td"])}, "tabs"),
        (GOOD | {"sample_id": np.array(["a", "b", 3], object)}, "plain numbers or str"),
        (GOOD | {"variant_position": np.arange(3)}, "variant_position has shape"),
        (GOOD | {"variant_position": np.array([1, -1])}, "none below 0"),
        (GOOD | {"variant_contig": np.array([0, 1])}, "from 0"),
        (GOOD | {"variant_allele": np.array([["A", "C"], ["A", ""]]), "call_genotype": np.ones((2, 3), int)}, "beyond"),
        (GOOD | {"vcf_header": np.array("##fileformat=VCFv4.2\n#CHROM\ts1")}, "no header of VCF"),
        ({"call_genotype": np.zeros((2, 3))}, "call_genotype is float64 of shape .*expected integers"),
        ({"call_genotype": np.full((2, 3), 30_000)}, "alleles run from"),
        ({"call_genotype": np.asfortranarray(np.zeros((2, 3), int))}, "Fortran"),
    ],
)
def test_an_npz_that_is_no_cohort_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_npz(tmp_path / "a.npz").read()


def test_other_call_arrays_are_left_out_on_request(tmp_path):
    np.savez(tmp_path / "a.npz", call_DP=np.zeros((2, 3)), **GOOD)
    assert read_npz(tmp_path / "a.npz", drop_format=True).read().n_variants == 2


def _npy(descr, shape, data):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_npy("|i1", (10**12, 10**4, 2), bytes(100)), "ends after"),
        (_npy("|i1", (2, -3), bytes(100)), "plain numbers"),
        (_npy("|i1", (2, 3), bytes(7)), "more bytes"),
        (_npy("|O", (2, 3), pickle.dumps(np.zeros((2, 3), object))), "plain numbers"),
        (_npy("<f8", (2, 3), bytes(48)), "expected integers"),
        (_npy("|i1", (6,), bytes(6)), "expected integers"),
        (_npy("|i1", (2**60, 0, 2), b""), "no calls at all"),
        (_npy("|i1", (0, 2**60, 2), b""), "holds up to"),
        (b"\x93NUMPY\x01\x00", "cannot be read"),
        (b"\x93NUMPY\x07\x00v\x00", "version"),
    ],
)
def test_hostile_npy_is_refused_before_memory_is_taken(tmp_path, data, message):
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_npy(tmp_path / "a.npy").read()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("call_genotype.npy", data)
    with pytest.raises(InputError):
        read_npz(tmp_path / "a.npz").read()


def test_every_truncation_of_an_npz_is_refused(tmp_path, source):
    write_npz(tmp_path / "a.npz", read_cohort(source))
    whole = (tmp_path / "a.npz").read_bytes()
    for size in range(4, len(whole), 97):
        (tmp_path / "a.npz").write_bytes(whole[:size])
        with pytest.raises(InputError):
            read_cohort(tmp_path / "a.npz", format="npz").read()


@pytest.mark.parametrize("calls", [[[0, 1, 1], [1, 0, -1]], [[[0, 1], [1, -2]]]])
def test_npy_goes_into_an_archive_and_back_as_it_was(tmp_path, calls):
    np.save(tmp_path / "a.npy", np.array(calls))
    assert main(["compress", str(tmp_path / "a.npy"), str(tmp_path / "a.fae")]) == 0
    with open_archive(tmp_path / "a.fae") as archive:
        np.testing.assert_array_equal(archive[:, :, 0], np.array(calls).reshape(*np.shape(calls)[:2], -1)[:, :, 0])
    assert main(["decompress", str(tmp_path / "a.fae"), str(tmp_path / "b.npy")]) == 0
    back = np.load(tmp_path / "b.npy")
    np.testing.assert_array_equal(back, np.array(calls))
    assert back.dtype == np.array(calls).dtype


def test_npy_of_more_than_calls_is_refused_or_named(tmp_path, source, capsys):
    with pytest.raises(InputError, match="cannot hold sample names, sites, phase; write .npz"):
        write_npy(tmp_path / "a.npy", read_cohort(source))
    assert not (tmp_path / "a.npy").exists()
    with pytest.warns(LossWarning, match="sample names, sites, phase: left out"):
        write_npy(tmp_path / "a.npy", read_cohort(source), lossy=True)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), read_cohort(source).read().call_genotype)
    write_archive(tmp_path / "a.fae", read_cohort(source))
    assert main(["decompress", str(tmp_path / "a.fae"), str(tmp_path / "b.npy"), "--lossy"]) == 0
    assert "sample names, sites, phase: left out" in capsys.readouterr().err
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()


def test_an_empty_array_keeps_its_ploidy_in_an_archive(tmp_path):
    write_archive(tmp_path / "a.fae", np.zeros((0, 5, 2), np.int8))
    with open_archive(tmp_path / "a.fae") as archive:
        assert archive.shape == (0, 5, 2)
        assert archive[:].shape == (0, 5, 2)
        assert archive.stream().read().ploidy == 2


@pytest.mark.parametrize("command", [["decompress"], ["view", "--format", "npy", "-o"]])
def test_an_empty_npy_comes_back_as_it_was(tmp_path, command):
    np.save(tmp_path / "a.npy", np.zeros((0, 5, 2), np.int8))
    assert main(["compress", str(tmp_path / "a.npy"), str(tmp_path / "a.fae")]) == 0
    assert main([command[0], str(tmp_path / "a.fae"), *command[1:], str(tmp_path / "b.npy")]) == 0
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()


def test_some_people_at_some_sites_are_viewed_as_arrays(tmp_path, source):
    write_archive(tmp_path / "a.fae", read_cohort(source))
    with open_archive(tmp_path / "a.fae") as archive:
        people = archive.samples[1:3]
        region = f"{archive.sites.chrom[0]}:1-{archive.sites.pos[2]}"
        expected = archive.region(region).select(samples=[1, 2]).call_genotype
    view = ["view", str(tmp_path / "a.fae"), "-r", region, "-s", ",".join(people), "-o"]
    assert main([*view, str(tmp_path / "b.npy"), "--format", "npy", "--lossy"]) == 0
    assert main([*view, str(tmp_path / "b.npz")]) == 0
    assert len(expected)
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), expected)
    with np.load(tmp_path / "b.npz") as arrays:
        np.testing.assert_array_equal(arrays["call_genotype"], expected)
        assert arrays["sample_id"].tolist() == people
