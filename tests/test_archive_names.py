# SPDX-License-Identifier: Apache-2.0
"""Archives asked by name: samples, IDs, regions; sites as tables; calls into arrays that are there."""

import numpy as np
import pytest
from cohorts import mixed

import fastae
from fastae import Cohort, InputError, Sites
from fastae.regions import parse_regions


@pytest.fixture(scope="module")
def cohort():
    return mixed(np.random.default_rng(11))


@pytest.fixture(scope="module")
def archive(cohort, tmp_path_factory):
    path = tmp_path_factory.mktemp("names") / "a.fae"
    fastae.write_archive(path, cohort, preset="fast", block_variants=25, block_samples=16)
    with fastae.open(path) as archive:
        yield archive


# ---- names as indices ------------------------------------------------------------------------------------


def test_a_sample_is_one_number_and_a_list_of_samples_is_an_array(archive, cohort):
    calls = cohort.call_genotype
    np.testing.assert_array_equal(archive[:, "HG00007"], calls[:, 7])
    for names in (["HG00039", "HG00000"], np.array(["HG00039", "HG00000"]), ("HG00039", "HG00000")):
        np.testing.assert_array_equal(archive[3:9, names], calls[3:9][:, [39, 0]])
    np.testing.assert_array_equal(archive[5, ["HG00003", "HG00003"], 1], calls[5, [3, 3], 1])


def test_variants_are_named_by_id_and_by_region_and_keep_their_axis(archive, cohort):
    calls, inside = cohort.call_genotype, cohort.sites.query("chr1:101-250")
    np.testing.assert_array_equal(archive["rs31"], calls[[31]])
    np.testing.assert_array_equal(archive[["rs62", "rs1"], "HG00002"], calls[[62, 1], 2])
    np.testing.assert_array_equal(archive["chr1:101-250"], calls[inside])
    np.testing.assert_array_equal(archive["chr1:101-0.25K", "HG00002"], calls[inside, 2])
    np.testing.assert_array_equal(archive[["rs1", "chrX:1-20"]], calls[[1, *cohort.sites.query("chrX:1-20")]])
    np.testing.assert_array_equal(archive["chrX"], calls[45:])
    assert archive["chr1:5000-6000"].shape == (0, 40, 2)


def test_reads_streams_and_sums_take_names(archive, cohort):
    variants, samples = cohort.sites.query("chrX:50-200"), [4, 2]
    names = ["HG00004", "HG00002"]
    expected = cohort.select(variants, samples)
    for got in (archive.read("chrX:50-200", names), archive.region("chrX:50-200", names)):
        assert fastae.first_difference(got, expected) is None
    assert fastae.first_difference(archive.stream("chrX:50-200", names), expected.to_stream()) is None
    assert fastae.first_difference(archive.stream(samples="HG00004"), cohort.select(samples=[4]).to_stream()) is None
    np.testing.assert_array_equal(archive.read_calls("chrX:50-200", names), expected.call_genotype)
    counts = archive.allele_counts("chrX:50-200", names)
    np.testing.assert_array_equal(counts, archive.allele_counts(variants, samples))
    np.testing.assert_array_equal(archive.dot([1, 2], ["rs2"], names), archive.dot([1, 2], [2], samples))


def test_names_that_are_not_there_are_refused_by_name(archive):
    with pytest.raises(InputError, match="no sample 'NA1'; its 40 begin with 'HG00000', 'HG00001', 'HG00002'"):
        archive[:, "NA1"]
    with pytest.raises(InputError, match="no sample 'NA2'"):
        archive.read(samples=["HG00001", "NA2"])
    with pytest.raises(InputError, match="'rs0' is neither the ID of a variant nor a region here; .*chr1:50.3M"):
        archive["rs0"]
    with pytest.raises(InputError, match="'1:5-9' is neither the ID of a variant nor a region"):
        archive["1:5-9"]
    with pytest.raises(IndexError, match="samples are indexed by integers, slices, masks or names"):
        archive[:, ["HG00001", 2]]


def test_names_that_several_have_are_refused(tmp_path):
    sites = Sites.numbered(4)
    sites = Sites(sites.chrom, sites.pos, ["rs1", "rs2;rs3", "rs1", "22:5"], *sites.columns()[3:])
    cohort = Cohort.from_arrays(np.eye(4, dtype=np.int8), sites=sites)
    cohort.samples[2] = cohort.samples[1] = "twin"
    fastae.write_archive(tmp_path / "a", cohort)
    with fastae.open(tmp_path / "a") as archive:
        assert archive[["rs3", "rs2;rs3", "22:5"], "S4", 0].tolist() == [0, 0, 1]
        assert archive[:, ["S1", "S4"], 0].tolist() == [[1, 0], [0, 0], [0, 0], [0, 1]]
        with pytest.raises(InputError, match="'rs1' is that of variants 0 and 2, perhaps of more"):
            archive["rs1"]
        with pytest.raises(InputError, match="samples 1 and 2 are both called 'twin'; ask by number"):
            archive[:, ["S1", "twin"]]


# ---- regions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22:50.3M-50.4M", [("22", 50_300_000, 50_400_000)]),
        ("22:50,300,000-50,400,000", [("22", 50_300_000, 50_400_000)]),
        ("22:1,000", [("22", 1000, 1000)]),
        ("22:1k-1.5k,X:2-3", [("22", 1000, 1500), ("X", 2, 3)]),
        ("22:1,000,X", [("22", 1000, 1000), ("X", 0, 2**63 - 1)]),
        ("22:1,000,000-,X:7", [("22", 1_000_000, 2**63 - 1), ("X", 7, 7)]),
        ("22:10,200", [("22", 10, 10), ("200", 0, 2**63 - 1)]),  # there is a chromosome of that name
        ("22:10,200:5", [("22", 10, 10), ("200", 5, 5)]),
        ("22:0.000001G-3G", [("22", 1000, 3_000_000_000)]),
        ("22:5.03e7-5.04E+7", [("22", 50_300_000, 50_400_000)]),
        ("22:1,000e3,X:2e0", [("22", 1_000_000, 1_000_000), ("X", 2, 2)]),
        ("{22}:5-9,{X},{200}:7-", [("22", 5, 9), ("X", 0, 2**63 - 1), ("200", 7, 2**63 - 1)]),
    ],
)
def test_positions_may_have_separators_and_units(text, expected):
    assert parse_regions(text, ["22", "X", "200"]) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("22:x", "has 'x' behind the chromosome, which is no span of positions; give 22:FROM-TO"),
        ("22:5-9-11", "no span of positions"),
        ("22:1,00", "on no chromosome here"),
        ("22:1.5", "no whole number"),
        ("22:1.2345K", "no whole number"),
        ("22:1.23e1", "no whole number"),
        ("22:1e-1", "no span of positions"),
        ("22:1e99", "where nothing can be"),
        ("{22:5}", "on no chromosome here"),
        ("{22}5", "on no chromosome here"),
        ("22:9999999999999999999", "where nothing can be"),
        ("22:9-3", "ends before it starts"),
        ("chr22:5", "region 'chr22:5' is on no chromosome here; those here are '22', 'X', '200'$"),
    ],
)
def test_a_region_is_refused_for_what_is_wrong_with_it(text, message):
    with pytest.raises(InputError, match=message):
        parse_regions(text, ["22", "X", "200"])


def test_of_many_chromosomes_ten_are_listed():
    with pytest.raises(InputError, match="those here are 'c0', .*'c9' and 13 more$"):
        parse_regions("22", [f"c{i}" for i in range(23)])
    with pytest.raises(InputError, match="there are none, since there are no sites"):
        parse_regions("22", [])


# ---- tables ----------------------------------------------------------------------------------------------


def test_variants_are_one_structured_array(archive, cohort):
    variants = archive.variants
    assert variants.shape == (90,)
    assert variants.dtype.names == ("chrom", "pos", "id", "ref", "alt", "qual", "filter", "info")
    for name in variants.dtype.names:
        assert variants[name].tolist() == list(getattr(cohort.sites, name))
    on_x = variants["chrom"] == "chrX"
    np.testing.assert_array_equal(archive[on_x & (variants["pos"] < 50)], archive["chrX:1-49"][::1][-7:])


def test_sites_are_a_data_frame_of_pandas_verbatim(archive, cohort):
    pytest.importorskip("pandas")
    frame = archive.sites.to_pandas()
    assert list(frame.columns) == list(archive.variants.dtype.names)
    assert frame["pos"].dtype == np.int64
    assert frame["info"].tolist() == cohort.sites.info
    odd = Sites(["1"], np.array([5]), ["\udcff"], ["N"], ["."], ["."], ["."], ["."])  # a byte that is no UTF-8
    assert odd.to_pandas()["id"].tolist() == ["\udcff"]


# ---- into arrays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.float16, np.float32])
def test_calls_come_in_any_signed_type_with_the_values_of_vcf_zarr(archive, cohort, dtype):
    got = archive.read_calls(slice(20, 70), [3, 1], dtype=dtype, n_threads=2)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, cohort.call_genotype[20:70, [3, 1]].astype(dtype))
    out = np.full(got.shape, 99, dtype)
    assert archive.read_calls(slice(20, 70), [3, 1], out=out) is out
    np.testing.assert_array_equal(out, got)
    assert {-1, -2} <= set(np.unique(archive.read_calls(dtype=dtype)).tolist())


def test_blocks_are_decoded_straight_into_an_array_that_is_given(archive, cohort, monkeypatch):
    taken = []
    inner = type(archive)._calls

    def watching(self, *args, **kwargs):
        taken.append(kwargs["out"])
        return inner(self, *args, **kwargs)

    monkeypatch.setattr(type(archive), "_calls", watching)
    whole = np.full((2, *archive.shape), 99, np.int8)
    archive.read_calls(out=whole[1])
    assert np.shares_memory(taken[0], whole)
    np.testing.assert_array_equal(whole[1], cohort.call_genotype)
    assert (whole[0] == 99).all()
    scattered = np.full((90, 40, 4), 99, np.int8)[:, :, ::2]
    archive.read_calls(out=scattered)
    np.testing.assert_array_equal(scattered, cohort.call_genotype)


def test_an_array_that_does_not_fit_is_refused(archive):
    for out, message in (
        (np.empty((90, 40), np.int8), r"out must be of int8 and shape \(90, 40, 2\), got int8 \(90, 40\)"),
        (np.empty((90, 39, 2), np.int8), "got int8"),
        (np.broadcast_to(np.int8(0), (90, 40, 2)), "cannot be written to"),
    ):
        with pytest.raises(ValueError, match=message):
            archive.read_calls(out=out)
    with pytest.raises(ValueError, match="out must be of float32"):
        archive.read_calls(out=np.empty(archive.shape, np.int8), dtype=np.float32)
    for dtype in (np.uint8, bool, "U3"):
        with pytest.raises(TypeError, match="signed integers or floats, to hold -2 to 126"):
            archive.read_calls(dtype=dtype)
    with pytest.raises(ValueError, match="n_threads must be 1 to 1024"):
        archive.read(n_threads=0)
