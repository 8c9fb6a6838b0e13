# SPDX-License-Identifier: Apache-2.0
"""PLINK 1 bed/bim/fam; bed-reader and plink2 are the judges."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from shareddata import first_records

from fastae.archive import open_archive, write_archive
from fastae.cohort import MINIMAL_HEADER, Cohort, Sites
from fastae.difference import first_difference
from fastae.errors import InputError, LossWarning
from fastae.io import read_vcf, write_vcf
from fastae.io.plink1 import read_bed, write_bed

needs_plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")

FAM = "F1 ann 0 0 2 -9\nF1\tben\t0\tann 1 2.5\nF2 cé 0 0 0 NA\n0 dan 0 0 1 1\nF3 eve x y 2 -9\n"
BIM = (
    "1\trs1\t0\t100\tA\tG\n"
    "1\t.\t0.25\t100\t0\tC\n"  # no second allele
    "1\trs3\t0\t99\t0\t0\n"  # no allele at all
    "23\trs 4\t0\t5\tT\tA\n".replace(" ", "_")
    + "X\trs;5=\t1e-3\t-7\t.\tI\n"  # a position that PLINK skips
    "MT\tb,c\t0\t007\tA,C\tATTTG\n"
    "0\tün\t-0.5\t0\tN\t<DEL>\n"
)
CODES = [[0, 1, 2, 3, 0], [3, 3, 3, 1, 3], [1] * 5, [3, 2, 2, 3, 0], [2, 1, 3, 0, 0], [3] * 5, [0] * 5]


def plink_files(folder, bim=BIM, fam=FAM, codes=CODES):
    """Writes a fileset of three bytes and codes, as the format says, and gives its prefix."""
    prefix = str(folder / "in")
    rows = b"".join(
        bytes(sum(code << 2 * i for i, code in enumerate(row[at : at + 4])) for at in range(0, len(row), 4))
        for row in codes
    )
    for ending, data in ((".bed", b"\x6c\x1b\x01" + rows), (".bim", bim.encode()), (".fam", fam.encode())):
        Path(prefix + ending).write_bytes(data)
    return prefix


def contents(prefix):
    return [Path(str(prefix) + ending).read_bytes() for ending in (".bed", ".bim", ".fam")]


def cohort_of(calls, phased=False, header=MINIMAL_HEADER, **columns):
    n = len(calls)
    values = {"chrom": ["1"] * n, "ref": ["A"] * n, "alt": ["C"] * n} | columns
    dots = {name: ["."] * n for name in ("id", "qual", "filter", "info")}
    sites = Sites(**(dots | {"pos": np.arange(1, n + 1)} | values))
    made = Cohort.from_arrays(calls, phased=phased, sites=sites)
    made.header = header
    return made


@pytest.mark.parametrize("ending", ["", ".bed", ".bim", ".fam", ".BED"])
def test_any_of_the_files_or_their_prefix_names_the_fileset(tmp_path, ending):
    assert len(read_bed(plink_files(tmp_path) + ending).samples) == 5


@pytest.mark.parametrize("n_variants", [1, 3, None])
def test_bed_bim_and_fam_come_back_byte_for_byte_through_an_archive(tmp_path, n_variants):
    prefix = plink_files(tmp_path)
    write_archive(tmp_path / "a.fae", read_bed(prefix, n_variants=n_variants))
    with open_archive(tmp_path / "a.fae") as archive:
        write_bed(tmp_path / "out", archive.stream())
    assert contents(tmp_path / "out") == contents(prefix)


@pytest.mark.parametrize(
    ("bim", "fam"),
    [
        (BIM.replace("\t", "  "), FAM),
        (BIM.replace("\n", "\r\n"), FAM.replace("\n", "\r\n")),
        (BIM.removesuffix("\n"), FAM.removesuffix("\n")),
        (BIM.replace("\t", " ", 1), "\n" + FAM.replace("\n", "\n\n")),
        ("".join(f" {line:40}\n" for line in BIM.splitlines()), "".join(f"  {line} \n" for line in FAM.splitlines())),
    ],
    ids=["spaces", "CRLF", "no final newline", "one odd line", "aligned"],
)
def test_blanks_and_line_ends_come_back(tmp_path, bim, fam):
    prefix = plink_files(tmp_path, bim, fam)
    write_bed(tmp_path / "out", read_bed(prefix))
    assert contents(tmp_path / "out") == contents(prefix)


def test_a2_is_ref_and_a1_alt_and_bed_reader_sees_the_same_calls(tmp_path):
    bed_reader = pytest.importorskip("bed_reader")
    prefix = plink_files(tmp_path)
    cohort = read_bed(prefix).read()
    assert cohort.sites.ref == ["G", "C", "N", "A", "I", "ATTTG", "<DEL>"]
    assert cohort.sites.alt == ["A", ".", ".", "T", "<*>", ".", "N"]
    with bed_reader.open_bed(prefix + ".bed") as bed:
        n_a1 = bed.read(dtype="int8").T
    missing = n_a1 == -127
    calls = cohort.call_genotype
    assert np.array_equal((calls == -1).all(axis=2), missing)
    assert np.array_equal(np.where(missing, 0, n_a1), (calls == 1).sum(axis=2))


def test_what_is_read_is_a_vcf_that_comes_back(tmp_path):
    cohort = read_bed(plink_files(tmp_path)).read()
    with pytest.warns(LossWarning, match="families"):
        write_vcf(tmp_path / "a.vcf", cohort.to_stream())
    again = read_vcf(tmp_path / "a.vcf").read()
    again.attributes = cohort.attributes  # of the .fam, which VCF has no place for
    assert first_difference(cohort, again) is None
    write_bed(tmp_path / "out", again.to_stream())
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_bcftools_opens_what_is_read(tmp_path):
    with pytest.warns(LossWarning, match="families"):
        write_vcf(tmp_path / "a.vcf", read_bed(plink_files(tmp_path)))
    run = ["bcftools", "query", "-f", "%CHROM %POS %REF %ALT[ %GT]\n", tmp_path / "a.vcf"]
    lines = subprocess.run(run, capture_output=True, check=True, text=True).stdout.splitlines()
    assert lines[0] == "1 100 G A 1/1 ./. 0/1 0/0 1/1"
    assert len(lines) == 7


def test_samples_alike_by_iid_are_told_apart_by_fid(tmp_path):
    fam = "F1 x 0 0 1 -9\nF2 x 0 0 1 -9\nF1 y 0 0 1 -9\n"
    codes = [row[:3] for row in CODES]
    assert read_bed(plink_files(tmp_path, fam=fam, codes=codes)).samples == ["F1_x", "F2_x", "F1_y"]
    with pytest.raises(InputError, match=r"two samples would be called F1_x"):
        read_bed(plink_files(tmp_path, fam=fam.replace("F2", "F1"), codes=codes))


def test_a_selection_keeps_the_lines_of_its_samples(tmp_path):
    prefix = plink_files(tmp_path)
    write_archive(tmp_path / "a.fae", read_bed(prefix))
    with open_archive(tmp_path / "a.fae") as archive:
        write_bed(tmp_path / "out", archive.stream(variants=[3, 0], samples=[4, 1]))
    _, bim, fam = contents(tmp_path / "out")
    lines, people = BIM.encode().splitlines(keepends=True), FAM.encode().splitlines(keepends=True)
    assert bim == lines[3] + lines[0]
    assert fam == people[4] + people[1]
    again = read_bed(tmp_path / "out").read()
    assert again.call_genotype.tolist() == [[[1, 1], [0, 1]], [[1, 1], [-1, -1]]]


@pytest.mark.parametrize("n_samples", [1, 4])
def test_one_sample_and_no_variants_come_back(tmp_path, n_samples):
    fam = "".join(FAM.splitlines(keepends=True)[:n_samples])
    for folder, bim, codes in (("some", BIM, [row[:n_samples] for row in CODES]), ("none", "", [])):
        (tmp_path / folder).mkdir()
        prefix = plink_files(tmp_path / folder, bim, fam, codes)
        write_archive(tmp_path / "a.fae", read_bed(prefix))
        with open_archive(tmp_path / "a.fae") as archive:
            write_bed(tmp_path / "out", archive.stream())
        assert contents(tmp_path / "out") == contents(prefix)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: os.unlink(p + ".fam"), r"side by side; there is no \S*in\.fam$"),
        (lambda p: (os.unlink(p + ".bed"), os.unlink(p + ".bim")), r"there is no \S*in\.bed, \S*in\.bim$"),
        (lambda p: os.truncate(p + ".bed", 12), r"has 12 bytes, expected 17 for 5 samples .* and 7 variants"),
        (lambda p: Path(p + ".bed").write_bytes(b"\x6c\x1b\x01" + bytes(15)), "has 18 bytes, expected 17"),
        (lambda p: Path(p + ".bed").write_bytes(b"\x6c\x1b\x00" + bytes(14)), r"sample-major .* plink2 --bfile"),
        (lambda p: Path(p + ".bed").write_bytes(b"BC\x01" + bytes(14)), "this is not a PLINK 1 .bed"),
        (lambda p: Path(p + ".bed").write_bytes(b"\x6c"), "this is not a PLINK 1 .bed"),
        (lambda p: Path(p + ".bim").write_text(BIM.replace("\t100", "", 1)), "line 1 has 5 columns, expected six"),
        (lambda p: Path(p + ".bim").write_text(BIM + "\n"), "line 8 has 0 columns, expected six"),
        (lambda p: Path(p + ".fam").write_text("F1 ann\n"), "sample 1 has 2 columns, expected 6: FID IID"),
        (lambda p: Path(p + ".fam").write_text("\n"), "names no samples"),
    ],
)
def test_a_damaged_fileset_is_refused_by_name(tmp_path, damage, message):
    prefix = plink_files(tmp_path)
    damage(prefix)
    with pytest.raises(InputError, match=message):
        read_bed(prefix)


def test_what_vcf_has_no_place_for_is_named(tmp_path):
    with pytest.warns(LossWarning, match="VCF cannot hold families, fathers, mothers, sex, phenotypes: left out"):
        write_vcf(tmp_path / "out.vcf", read_bed(plink_files(tmp_path)))
    with pytest.warns(LossWarning, match="VCF cannot hold sex: left out"):
        write_vcf(
            tmp_path / "out.bcf", read_bed(plink_files(tmp_path, fam="".join(f"0 {i} 0 0 1 -9\n" for i in "abcde")))
        )
    nothing = plink_files(tmp_path, fam="".join(f"0 {i} 0 0 0 -9\n" for i in "abcde"))
    write_vcf(tmp_path / "out.vcf", read_bed(nothing))  # a warning would be an error


def test_a_fileset_that_shrinks_while_it_is_read_is_refused(tmp_path):
    prefix = plink_files(tmp_path)
    stream = read_bed(prefix, n_variants=2)
    os.truncate(prefix + ".bed", 5)
    with pytest.raises(InputError, match="changed while they were read"):
        stream.read()


@pytest.mark.parametrize(
    ("cohort", "name"),
    [
        (cohort_of([[[0, 1]]], phased=True), "phase"),
        (cohort_of([[[0, 1], [1, -2]]]), "haploid calls"),
        (cohort_of([[[-2, -2], [-2, -2]]]), "records without GT"),
        (cohort_of([[[0, 1], [1, -1]]]), "the known allele of half-missing calls"),
        (cohort_of([[[1, 0]]]), "the order of alleles in unphased calls"),
        (cohort_of([[[0, 1]]], qual=["3"]), "QUAL"),
        (cohort_of([[[0, 1]]], filter=["PASS"]), "FILTER"),
        (cohort_of([[[0, 1]]], info=["CM=2;AF=1;BIM=1%09x"]), r"INFO \(AF, BIM\)"),
        (cohort_of([[[0, 1]]], info=["CM=2 3"]), r"INFO \(CM\)"),
        (
            cohort_of([[[0, 1]]], header="##fileformat=VCFv4.2\n##source=x\n" + MINIMAL_HEADER),
            r"header lines \(##source\)",
        ),
    ],
)
def test_what_bed_cannot_hold_is_refused_by_name_unless_lossy(tmp_path, cohort, name):
    with pytest.raises(InputError, match=f"PLINK 1 cannot hold {name}; write VCF or pgen, or leave it out by lossy"):
        write_bed(tmp_path / "out", cohort.to_stream())
    assert os.listdir(tmp_path) == []
    with pytest.warns(LossWarning, match=f"PLINK 1 cannot hold {name}: left out"):
        write_bed(tmp_path / "out", cohort.to_stream(), lossy=True)
    assert read_bed(tmp_path / "out").read().n_variants == 1


@pytest.mark.parametrize(
    ("cohort", "message"),
    [
        (cohort_of([[[0, 1]]], alt=["C,G"]), r"1:1 has several ALT alleles \(C,G\).*bcftools norm -m -any"),
        (cohort_of([[[0, 1, 1]]]), "a call at 1:1 has more than two alleles"),
        (cohort_of([[[0, 1]]], id=["a b"]), "variant 'a b' is empty or has a blank"),
        (cohort_of([[[0, 1]]], chrom=["c 1"]), "chromosome 'c 1' is empty or has a blank"),
        (Cohort.from_arrays([[[0, 1]]], phased=False, samples=["a b"]), "sample 'a b' is empty or has a blank"),
        (Cohort.from_arrays(np.zeros((1, 0, 2), int)), "has no samples"),
    ],
)
def test_what_no_bed_can_stand_for_is_refused_even_if_lossy(tmp_path, cohort, message):
    with pytest.raises(InputError, match=message):
        write_bed(tmp_path / "out", cohort.to_stream(), lossy=True)
    assert os.listdir(tmp_path) == []


def test_lossy_calls_are_those_of_plink(tmp_path):
    calls = [[[0, -2], [1, -2], [-1, -2], [0, -1], [-1, 1], [1, 0]]]
    with pytest.warns(LossWarning):
        write_bed(tmp_path / "out", cohort_of(calls).to_stream(), lossy=True)
    assert read_bed(tmp_path / "out").read().call_genotype.tolist() == [
        [[0, 0], [1, 1], [-1, -1], [-1, -1], [-1, -1], [0, 1]]
    ]


def test_an_input_is_not_overwritten(tmp_path):
    prefix = plink_files(tmp_path)
    before = contents(prefix)
    with pytest.raises(InputError, match="the output is the input file"):
        write_bed(prefix, read_bed(prefix), inputs=[prefix + ".fam"])
    assert contents(prefix) == before
    with pytest.raises(InputError, match="PLINK keeps a cohort in 3 files"):
        write_bed("-", read_bed(prefix))


def test_a_stored_layout_that_is_none_is_refused(tmp_path):
    cohort = cohort_of([[[0, 1]]])
    cohort.attributes["plink1.bim"] = "x\nx"
    with pytest.raises(InputError, match="is no layout of six columns"):
        write_bed(tmp_path / "out", cohort.to_stream())


@needs_plink2
@pytest.mark.parametrize("name", ["cattle_bta12", "humanorigins249", "kg3_chr20_1M_eur203_unphased"])
def test_a_real_cohort_is_written_as_plink2_writes_it(tmp_path, name):
    vcf = first_records(name, 300, tmp_path / "in.vcf")
    cohort = read_vcf(vcf, drop_format=True).read()
    cohort = cohort.select([i for i, alt in enumerate(cohort.sites.alt) if "," not in alt])
    write_vcf(vcf, cohort.to_stream())
    run = [
        "plink2",
        "--vcf",
        vcf,
        "--allow-extra-chr",
        "--chr-set",
        "40",
        "--vcf-half-call",
        "m",
        "--make-bed",
        "--out",
    ]
    subprocess.run([*run, tmp_path / "plink2"], check=True, capture_output=True)
    with pytest.warns(LossWarning):
        write_bed(tmp_path / "ours", cohort.to_stream(), lossy=True)
    bed, bim, fam = contents(tmp_path / "ours")
    expected = contents(tmp_path / "plink2")
    assert bed == expected[0]
    assert [line.split(b"\t")[1:] for line in bim.splitlines()] == [
        [b"0" if field == b"." and column == 3 else field for column, field in enumerate(line.split(b"\t")[1:])]
        for line in expected[1].splitlines()
    ]
    assert [line.split()[:4] for line in fam.splitlines()] == [line.split()[:4] for line in expected[2].splitlines()]
    write_bed(tmp_path / "back", read_bed(tmp_path / "plink2"))
    assert contents(tmp_path / "back") == expected
