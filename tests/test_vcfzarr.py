# SPDX-License-Identifier: Apache-2.0
"""VCF Zarr stores; bio2zarr, vcztools, bcftools and plain zarr are the judges.

test_integrations_sgkit.py opens them with sgkit.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import cohorts
import numpy as np
import pytest
from shareddata import DATA

from fastae.archive import open_archive, write_archive
from fastae.cli import main
from fastae.cohort import Cohort, CohortStream, Sites
from fastae.difference import first_difference
from fastae.errors import InputError, LossWarning
from fastae.io import read_vcf, write_vcf
from fastae.io.vcfzarr import read_vcfzarr, write_vcfzarr

zarr = pytest.importorskip("zarr", minversion="3")

HEADER = """\
##fileformat=VCFv4.2
##source=a caller
##FILTER=<ID=q10,Description="Quality below 10">
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=s50,Description="Less than 50, \\"quoted\\" % of samples">
##contig=<ID=19,length=59128983>
##contig=<ID=20,length=63025520,assembly=B36>
##contig=<ID=X,length=155270560>
##INFO=<ID=NS,Number=1,Type=Integer,Description="Samples with data">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count, of ALT">
##INFO=<ID=AD,Number=R,Type=Integer,Description="Depth">
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">
##INFO=<ID=XR,Number=2,Type=Float,Description="Two floats">
##INFO=<ID=DB,Number=0,Type=Flag,Description="dbSNP">
##INFO=<ID=AA,Number=1,Type=String,Description="Ancestral">
##INFO=<ID=NOTE,Number=.,Type=String,Description="Notes">
##INFO=<ID=CH,Number=1,Type=Character,Description="One character">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=BIG,Number=1,Type=Integer,Description="Big">
##INFO=<ID=NEVER,Number=.,Type=Integer,Description="Never there">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##ALT=<ID=DEL,Description="Deletion">
##reference=file:///x=y.fa
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\tBob Ray\tZoë
"""
RECORDS = [
    "19 111 . A C 9.6 . . GT 0|0 0/0 0/1",
    "19 112 rs1;rs2 A G 10 PASS AC=2;AF=0.5;BIG=2147483647;DB;NS=3 GT 0|0 ./. 1|.",
    "20 14370 rs6054257 G A,T 29.123457 q10;s50 AD=1,2,3;AF=0.5,.;CH=T;NOTE=a,b,c;XR=1.5,. GT 0|2 1/1/2 .",
    "20 14370 dup g * . q10 AA=x%3By;XR=0.25 GT . 0 1|0",
    "20 17330 . T <DEL> 1000 PASS BIG=-2147483640;END=20000;SVTYPE=DEL GT 0|0 0/1 1/0",
    "X 10 . ACGT A,ACG,AC,<X> 3 PASS AC=1,2,3,4;NS=300 GT 0 1|3 4",
]
RICH = HEADER + "".join(record.replace(" ", "\t") + "\n" for record in RECORDS)


def text_file(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def vcf_with(tmp_path, info, definition=""):
    head = HEADER.replace("##ALT", f"{definition}##ALT") if definition else HEADER
    return read_vcf(text_file(tmp_path / "in.vcf", f"{head}19\t1\t.\tA\tC\t.\t.\t{info}\tGT\t0|0\t0|1\t1|1\n"))


def store_of(tmp_path, text=RICH, name="ours.vcz"):
    write_vcfzarr(tmp_path / name, read_vcf(text_file(tmp_path / "in.vcf", text)))
    return str(tmp_path / name)


def sorted_info(cohort):
    """The cohort as a store gives it back: INFO keys in the order of their names."""
    cohort.sites.info[:] = [";".join(sorted(text.split(";"))) for text in cohort.sites.info]
    return cohort


def arrays_of(path):
    return dict(zarr.open_group(path, mode="r").arrays())


def slice_of(name, n_records, out):
    path = DATA / f"{name}.vcf.gz"
    if not path.exists():
        pytest.skip(f"{name} is not here; FASTAE_DATA names the directory it would be in")
    with gzip.open(path, "rt") as lines, open(out, "w") as file:
        for line in lines:
            n_records -= not line.startswith("#")
            if n_records < 0:
                break
            file.write(line)
    return str(out)


def bio2zarr_store(vcf, out, **options):
    pytest.importorskip("bio2zarr")
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed, whose index bio2zarr needs")
    from bio2zarr import vcf as converter

    for command in (["view", "-Ob", "-o", f"{out}.bcf", vcf], ["index", f"{out}.bcf"]):
        subprocess.run(["bcftools", *command], check=True, capture_output=True)
    converter.convert([f"{out}.bcf"], str(out), worker_processes=0, **options)
    return str(out)


def vcztools_view(path, *options):
    pytest.importorskip("vcztools")
    command = [sys.executable, "-m", "vcztools", "view", "--no-version", *options, path]
    return subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout


def assert_same_arrays(ours, theirs):
    a, b = arrays_of(ours), arrays_of(theirs)
    assert a.keys() == b.keys()
    for name in a:
        x, y = a[name], b[name]
        for what in ("shape", "dtype", "chunks", "fill_value", "compressors", "filters"):
            assert getattr(x, what) == getattr(y, what), (name, what)
        assert dict(x.attrs) == dict(y.attrs), name
        x, y = x[...], y[...]
        if x.dtype.kind == "f":  # missing and fill are NaNs of different bits
            x, y = x.view("u4"), y.view("u4")
        np.testing.assert_array_equal(x, y, err_msg=name)


def test_every_array_is_what_bio2zarr_makes_of_the_same_vcf(tmp_path):
    ours = store_of(tmp_path)
    assert_same_arrays(ours, bio2zarr_store(tmp_path / "in.vcf", tmp_path / "theirs.vcz"))


@pytest.mark.parametrize(
    ("name", "n"),
    [("kg3_chr20_1M_eur300", 2100), ("kg3_chr20_1M_eur203_unphased", 300), ("humanorigins249", 1500)],
)
def test_public_cohorts_give_bio2zarrs_arrays_and_come_back(tmp_path, name, n):
    vcf = slice_of(name, n, tmp_path / "in.vcf")
    write_vcfzarr(tmp_path / "ours.vcz", read_vcf(vcf))
    with read_vcfzarr(tmp_path / "ours.vcz") as stream:
        assert first_difference(stream, sorted_info(read_vcf(vcf).read())) is None
    assert_same_arrays(tmp_path / "ours.vcz", bio2zarr_store(vcf, tmp_path / "theirs.vcz"))


def test_a_store_gives_the_vcf_back(tmp_path):
    back = read_vcfzarr(store_of(tmp_path)).read()
    assert first_difference(back, sorted_info(read_vcf(str(tmp_path / "in.vcf")).read())) is None


def test_a_record_without_gt_and_other_oddities_come_back(tmp_path, rng):
    cohort = cohorts.mixed(rng)
    numbers = np.where(cohort.call_genotype > 3, 1, cohort.call_genotype)
    cohort = Cohort(cohort.header, cohort.samples, cohort.sites, numbers, cohort.call_genotype_phased)
    cohort.sites.alt[:] = ["C,G,<DEL>"] * cohort.n_variants
    cohort.sites.info[:] = ["."] * cohort.n_variants
    write_vcfzarr(tmp_path / "a.vcz", cohort.to_stream(7))
    assert first_difference(read_vcfzarr(tmp_path / "a.vcz").read(), cohort) is None


@pytest.mark.filterwarnings("ignore:.*V3 specification")  # of zarr, writing single characters
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("as_zip", [False, True])
def test_stores_of_bio2zarr_are_read(tmp_path, zarr_format, as_zip):
    vcf = text_file(tmp_path / "in.vcf", RICH)
    store = bio2zarr_store(vcf, tmp_path / "theirs.vcz", zarr_format=zarr_format)
    if as_zip:
        store = shutil.make_archive(store, "zip", store)
    back, original = read_vcfzarr(store).read(), sorted_info(read_vcf(vcf).read())
    write_vcf(tmp_path / "back.vcf", back.to_stream())
    back.header = original.header  # of which bio2zarr keeps the meaning, not the text
    assert first_difference(back, original) is None
    bcftools = [
        subprocess.run(["bcftools", "query", "-f", form, path], check=True, capture_output=True).stdout
        for path in (vcf, tmp_path / "back.vcf")
        for form in ["%CHROM %POS %ID %REF %ALT %QUAL %FILTER %AC %AD %AF %XR %DB %AA %NOTE %CH %END %BIG[ %GT]\n"]
    ]
    assert bcftools[0] == bcftools[1] and bcftools[0].count(b"\n") == len(RECORDS)


def test_vcztools_gives_the_records_of_the_vcf(tmp_path):
    lines = [line for line in vcztools_view(store_of(tmp_path)).splitlines() if not line.startswith("#")]
    expected = ["\t".join(record.split(" ")).replace("29.123457", "29.123") for record in RECORDS]
    assert lines == expected


def test_vcztools_finds_regions(tmp_path):
    text = vcztools_view(store_of(tmp_path), "-H", "-r", "20:18000-19000,X")
    assert [line.split("\t")[1] for line in text.splitlines()] == [
        "17330",
        "10",
    ]  # the deletion reaches into the region


def test_the_region_index_has_a_row_for_each_contig_of_a_chunk(tmp_path):
    sites = Sites.numbered(2500)
    sites.chrom[1500:] = ["2"] * 1000
    calls = np.zeros((2500, 1, 1), np.int8)
    write_vcfzarr(tmp_path / "a.vcz", Cohort.from_arrays(calls, sites=sites).to_stream(300))
    assert arrays_of(tmp_path / "a.vcz")["region_index"][:].tolist() == [
        [0, 0, 1, 1000, 1000, 1000],
        [1, 0, 1001, 1500, 1500, 500],
        [1, 1, 1501, 2000, 2000, 500],
        [2, 1, 2001, 2500, 2500, 500],
    ]


def test_chunks_of_nothing_but_zeros_are_there(tmp_path):
    calls = np.zeros((2500, 3, 2), np.int8)
    write_vcfzarr(tmp_path / "a.vcz", Cohort.from_arrays(calls).to_stream(1000))
    for name, array in arrays_of(tmp_path / "a.vcz").items():
        chunks = [path for path in (tmp_path / "a.vcz" / name).iterdir() if not path.name.startswith(".z")]
        assert len(chunks) == array.nchunks, name


def test_a_store_goes_through_an_archive_unchanged(tmp_path):
    first = store_of(tmp_path)
    write_archive(tmp_path / "a.fae", read_vcfzarr(first))
    with open_archive(tmp_path / "a.fae") as archive:
        write_vcfzarr(tmp_path / "again.vcz", archive.stream())
    assert_same_arrays(first, tmp_path / "again.vcz")


def test_a_zip_holds_the_same_store(tmp_path):
    path = store_of(tmp_path, name="a.vcz.zip")
    assert zipfile.is_zipfile(path) and sorted(os.listdir(tmp_path)) == ["a.vcz.zip", "in.vcf"]
    assert first_difference(read_vcfzarr(path), read_vcfzarr(store_of(tmp_path))) is None


@pytest.mark.parametrize("header_end", ["\tFORMAT", ""])
def test_stores_without_samples_or_variants_come_back(tmp_path, header_end):
    head = HEADER[: HEADER.index("\tFORMAT")] + header_end
    sites = "".join("\t".join([*record.split(" ")[:8], *["GT"][: len(header_end)]]) + "\n" for record in RECORDS)
    for text in (f"{head}\n{sites}", f"{head}\n"):
        path = store_of(tmp_path, text)
        back = read_vcfzarr(path).read()
        assert first_difference(back, sorted_info(read_vcf(str(tmp_path / "in.vcf")).read())) is None
    back = read_vcfzarr(store_of(tmp_path, HEADER)).read()
    assert (back.n_variants, back.samples) == (0, ["ann", "Bob Ray", "Zoë"])


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ("ZZ=1", "ZZ .not defined in the header"),
        ("NS=-1", "NS .-1 means missing there"),
        ("NS=-2", "NS .-2 means missing there"),
        ("NS=3000000000", "NS .3000000000 is more than 32 bits"),
        ("NS=x", "NS .'x' is no integer"),
        ("NS=1_0", "NS .'1_0' is no integer"),
        ("NS=.", r"NS .\. is the same as none"),
        ("AF=nan", "AF .'nan' is no number, or means missing"),
        ("AF=1e39", "AF .1e39 is more than 32 bits"),
        ("NS=1;NS=2", "NS .twice in a record"),
        ("DB=1", "DB .a flag with a value"),
        ("NS", "NS .no flag and without a value"),
        ("CH=ab", "CH .'ab' is no single character"),
        ("AA=", "AA .an empty value"),
    ],
)
def test_info_that_arrays_cannot_hold_is_refused_by_name_or_left_out_if_asked(tmp_path, info, why):
    with pytest.raises(InputError, match=f"VCF Zarr cannot hold INFO {why}.*--lossy"):
        write_vcfzarr(tmp_path / "a.vcz", vcf_with(tmp_path, info))
    assert os.listdir(tmp_path) == ["in.vcf"]
    with pytest.warns(LossWarning, match=f"INFO {why}.*left out"):
        write_vcfzarr(tmp_path / "a.vcz", vcf_with(tmp_path, info), lossy=True)
    expected = {"NS=1;NS=2": "NS=1"}.get(info, ".")
    assert read_vcfzarr(tmp_path / "a.vcz").read().sites.info == [expected]


def test_info_of_a_name_that_no_array_can_have_is_refused(tmp_path):
    definition = '##INFO=<ID={},Number=1,Type=Integer,Description="x">\n'
    for name in ("position", "../up", "id_mask"):
        with pytest.raises(InputError, match=rf"INFO {name} .no name for an array"):
            write_vcfzarr(tmp_path / "a.vcz", vcf_with(tmp_path, f"{name}=1", definition.format(name)))


def test_values_beyond_what_number_allows_are_refused(tmp_path):
    with pytest.raises(
        InputError, match="INFO AC has 3 values in a record where Number=A of the header allows no more"
    ):
        write_vcfzarr(tmp_path / "a.vcz", vcf_with(tmp_path, "AC=1,2,3"))


def test_contigs_and_filters_that_the_header_lacks_are_kept(tmp_path):
    back = read_vcfzarr(
        store_of(tmp_path, RICH.replace("20\t17330", "new\t17330").replace("\tq10\t", "\todd\t"))
    ).read()
    assert back.sites.chrom[4] == "new" and back.sites.filter[3] == "odd"


def test_attributes_of_a_cohort_are_kept(tmp_path):
    cohort = Cohort.from_arrays([[[0, 1]]])
    cohort.attributes["bed.fam"] = "F1 S1 0 0 2 -9\n"
    write_vcfzarr(tmp_path / "a.vcz", cohort.to_stream())
    assert first_difference(read_vcfzarr(tmp_path / "a.vcz"), cohort) is None


def test_sequences_are_refused(tmp_path):
    cohort = Cohort.from_arrays([[0, 1]])
    with pytest.raises(InputError, match="VCF Zarr cannot hold sequences"):
        write_vcfzarr(tmp_path / "a.vcz", CohortStream("", cohort.samples, iter([]), "fasta"))


def test_text_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "in.vcf"
    path.write_bytes(RICH.encode().replace("Zoë".encode(), b"Zo\xe9"))
    with pytest.raises(InputError, match="not UTF-8"):
        write_vcfzarr(tmp_path / "a.vcz", read_vcf(str(path)))
    assert os.listdir(tmp_path) == ["in.vcf"]


def failing(stream):
    def blocks():
        yield from stream.rebatch(2)
        raise OSError("the disk is gone")

    return CohortStream(stream.header, stream.samples, blocks())


def test_a_failed_run_leaves_the_store_that_was_there(tmp_path):
    path = store_of(tmp_path)
    before = read_vcfzarr(path).read()
    with pytest.raises(OSError, match="the disk is gone"):
        write_vcfzarr(path, failing(Cohort.from_arrays(np.zeros((5, 2, 2), np.int8)).to_stream()))
    assert first_difference(read_vcfzarr(path).read(), before) is None
    assert sorted(os.listdir(tmp_path)) == ["in.vcf", "ours.vcz"]


def test_a_store_is_replaced_whole(tmp_path):
    path = store_of(tmp_path)
    write_vcfzarr(path, Cohort.from_arrays(np.zeros((5, 2, 2), np.int8)).to_stream())
    assert read_vcfzarr(path).read().n_variants == 5 and "variant_AC" not in arrays_of(path)
    assert sorted(os.listdir(tmp_path)) == ["in.vcf", "ours.vcz"]


def test_what_is_no_store_is_never_replaced(tmp_path):
    stream = Cohort.from_arrays([[[0, 1]]]).to_stream()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis").write_text("done")
    with pytest.raises(InputError, match="a directory of this name that is no Zarr store"):
        write_vcfzarr(tmp_path / "papers", stream)
    with pytest.raises(InputError, match="a file of this name"):
        write_vcfzarr(tmp_path / "papers" / "thesis", stream)
    with pytest.raises(InputError, match="standard output"):
        write_vcfzarr("-", stream)
    path = store_of(tmp_path)
    with pytest.raises(InputError, match="the output is the input"):
        write_vcfzarr(path + "/", read_vcfzarr(path), inputs=[path])
    assert (tmp_path / "papers" / "thesis").read_text() == "done"


def test_arrays_that_a_cohort_has_no_place_for_are_refused_by_name(tmp_path):
    path = store_of(tmp_path)
    root = zarr.open_group(path, mode="a")
    root.create_array("call_DP", data=np.ones((6, 3), np.int8))
    root.create_array("sample_sex", data=np.ones(3, np.int8))
    with pytest.raises(InputError, match="call_DP, sample_sex, which a cohort has no place for.*--drop-format"):
        read_vcfzarr(path)
    assert read_vcfzarr(path, drop_format=True).read().n_variants == 6


def replaced(array, at, value):
    def change(root):
        values = root[array][:]
        values[at] = value
        root[array][:] = values

    return change


def reshaped(array, values):
    def change(root):
        del root[array]
        root.create_array(array, data=np.asarray(values))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("variant_contig", 3, 7), "variant_contig of variant 4 is 7, of 3 contigs"),
        (replaced("variant_contig", 3, -1), "variant_contig of variant 4 is -1, of 3 contigs"),
        (replaced("variant_position", 1, -5), "variant_position of variant 2 is -5"),
        (replaced("call_genotype", (0, 0, 0), 2), "call_genotype of variant 1 has alleles from -2 to 2, expected"),
        (replaced("call_genotype", (0, 0, 0), -3), "call_genotype of variant 1 has alleles from -3"),
        (replaced("call_genotype", (0, 0, 0), -2), "call_genotype of variant 1"),
        (replaced("variant_allele", (2, 1), ""), "variant_allele of variant 3 is empty, has a gap"),
        (replaced("variant_allele", (2, 1), "C,G"), "variant_allele of variant 3 .* comma"),
        (replaced("variant_allele", (2, 1), "C\tG"), "variant_allele has a tab"),
        (replaced("variant_NOTE", (2, 0), "a;b"), "variant_NOTE has a semicolon"),
        (replaced("variant_AC", (5, 1), -2), "variant_AC has a value behind the last"),
        (replaced("sample_id", 1, "ann"), "sample_id has a name twice"),
        (reshaped("variant_contig", np.zeros(5, np.int8)), r"variant_contig has shape \(5,\), expected \(6,\)"),
        (reshaped("call_genotype", np.zeros((6, 3), np.int8)), "call_genotype has 2 axes, expected 3"),
        (reshaped("call_genotype", np.zeros((6, 2, 2), np.int8)), r"call_genotype has shape \(6, 2, 2\)"),
        (reshaped("call_genotype", np.zeros((6, 3, 2), np.float32)), "call_genotype holds float32"),
        (reshaped("call_genotype_phased", np.zeros((6, 2), bool)), "call_genotype_phased has shape"),
        (reshaped("variant_NS", np.zeros(4, np.int8)), "variant_NS has 4 rows, there are 6 variants"),
        (reshaped("sample_id", np.zeros(3, np.int8)), "sample_id holds int8, expected strings"),
        (lambda root: root.__delitem__("contig_id"), "no VCF Zarr store: it has no contig_id"),
        (lambda root: root.attrs.__setitem__("vcf_header", "hello"), "vcf_header is no header of a VCF"),
        (lambda root: root.attrs.__setitem__("fastae_attributes", {"a": 7}), "fastae_attributes holds what is no text"),
        (lambda root: root.attrs.__setitem__("vcf_header", 7), "vcf_header is no header of a VCF"),
    ],
)
def test_hostile_stores_are_refused(tmp_path, change, message):
    path = store_of(tmp_path)
    change(zarr.open_group(path, mode="a"))
    with pytest.raises(InputError, match=message):
        read_vcfzarr(path).read()


def test_damaged_bytes_are_refused(tmp_path):
    path = Path(store_of(tmp_path))
    (path / "call_genotype" / "0.0.0").write_bytes(b"\x02\x01nothing of Blosc")
    with pytest.raises(InputError, match="cannot be read at call_genotype"):
        read_vcfzarr(path).read()
    (path / "call_genotype" / ".zarray").write_text("{}")
    with pytest.raises(InputError, match="cannot be opened: call_genotype is no array"):
        read_vcfzarr(path)


def test_chunks_that_ask_for_all_memory_are_refused(tmp_path):
    path = Path(store_of(tmp_path))
    meta = json.loads((path / "call_genotype" / ".zarray").read_text())
    (path / "call_genotype" / ".zarray").write_text(json.dumps({**meta, "chunks": [2**40, 3, 3]}))
    with pytest.raises(InputError, match="more than 2 GiB"):
        read_vcfzarr(path)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no zip"])
def test_what_is_no_store_is_not_read(tmp_path, content):
    path = tmp_path / "a.zip"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="VCF Zarr store"):
        read_vcfzarr(path)
    with pytest.raises(FileNotFoundError):
        read_vcfzarr(tmp_path / "nothing.vcz")


def test_memory_does_not_grow_with_the_store(tmp_path, rng):
    block = Cohort.from_arrays(rng.integers(0, 2, (1000, 40, 2), dtype=np.int8))
    peaks = []
    for n in (9, 27):
        stream = CohortStream(block.header, block.samples, (block for _ in range(n)))
        tracemalloc.start()
        write_vcfzarr(tmp_path / "a.vcz", stream)
        with read_vcfzarr(tmp_path / "a.vcz") as back:
            assert sum(part.n_variants for part in back) == 1000 * n
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize("name", ["y.vcz", "y.vcz.zip"])
def test_the_command_line_takes_and_makes_stores(tmp_path, name):
    store, archive, back = store_of(tmp_path), str(tmp_path / "x.fae"), str(tmp_path / name)
    assert main(["compress", store, archive, "--quiet"]) == 0
    assert main(["view", archive, "--format", "zarr", "-o", back]) == 0
    assert first_difference(read_vcfzarr(back), read_vcfzarr(store)) is None
