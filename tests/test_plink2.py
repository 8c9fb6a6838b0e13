# SPDX-License-Identifier: Apache-2.0
"""PLINK 2 pgen/pvar/psam; pgenlib and plink2 are the judges."""

import os
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from shareddata import first_records

from fastae.archive import open_archive, write_archive
from fastae.cli import main
from fastae.cohort import MINIMAL_HEADER, Cohort, CohortStream, Sites
from fastae.difference import first_difference
from fastae.errors import InputError, LossWarning
from fastae.io import plink2 as plink2_module
from fastae.io import read_vcf, write_vcf
from fastae.io.plink1 import read_bed, write_bed
from fastae.io.plink2 import read_pgen, write_pgen

pgenlib = pytest.importorskip("pgenlib")

needs_plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")

HEAD = (
    "##fileformat=VCFv4.2\n##source=é <x>\n##contig=<ID=1,length=9>\n##contig=<ID=X>\n"
    '##FILTER=<ID=q10,Description="q">\n##INFO=<ID=AA,Number=1,Type=String,Description="d">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
)
RECORDS = """
1 10 . A C 3.0 PASS AA=x GT 0|0 0|0 .|. 0|0
1 11 r A C . . . GT 0/1 0|1 1|1 1|0
1 11 . A C,G . q10 . GT 0/0 0|0 2|1 1|1
1 5 . A . . . . GT 0/0 0|0 0|0 0|0
1 14 . A <DEL>,*,T,G 1e-3 . . GT 4|3 0|0 1/4 .|.
1 15 . A T . . . GT 0|0 0|0 0/0 1|1
X 10 . A C . . . GT 0|0 0|1 0/0 1|0
"""


def vcf(folder, head=HEAD, records=RECORDS, samples=("A", "B", "C", "D")):
    path = folder / "in.vcf"
    text = "\t".join([head, *samples]) + "\n" + records.strip("\n").replace(" ", "\t") + "\n"
    path.write_text(text, encoding="utf-8")
    return path


def plink2(*arguments):
    run = ["plink2", "--allow-extra-chr", *arguments]
    done = subprocess.run(list(map(str, run)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def contents(prefix):
    return [Path(f"{prefix}{ending}").read_bytes() for ending in (".pvar", ".psam")]


def records(path):
    return [line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines() if line[0] != "#"]


def cohort_of(calls, phased=True, samples=None, attributes=None, **columns):
    n = len(calls)
    dots = {name: ["."] * n for name in ("id", "qual", "filter", "info")}
    values = {"chrom": ["1"] * n, "pos": np.arange(1, n + 1), "ref": ["A"] * n, "alt": ["C,G"] * n}
    made = Cohort.from_arrays(calls, phased=phased, samples=samples, sites=Sites(**(dots | values | columns)))
    made.attributes = attributes or {}
    return made


def pgen_bytes(folder, change):
    """Writes a small fileset, has `change` alter the .pgen, and gives the prefix."""
    prefix = str(folder / "in")
    write_pgen(prefix, cohort_of([[[0, 1], [1, 1]], [[0, 0], [2, 1]]]).to_stream())
    data = bytearray(Path(f"{prefix}.pgen").read_bytes())
    Path(f"{prefix}.pgen").write_bytes(change(data) or data)
    return prefix


@pytest.mark.parametrize("n_variants", [1, 3, None])
def test_a_cohort_comes_back_with_phase_alleles_and_header(tmp_path, n_variants):
    cohort = read_vcf(vcf(tmp_path), n_variants=n_variants).read()
    write_pgen(tmp_path / "out", read_vcf(vcf(tmp_path), n_variants=n_variants))
    again = read_pgen(tmp_path / "out", n_variants=n_variants).read()
    again.attributes = {}
    assert first_difference(cohort, again) is None


def test_pgenlib_sees_the_calls_that_were_written(tmp_path):
    cohort = read_vcf(vcf(tmp_path)).read()
    write_pgen(tmp_path / "out", cohort.to_stream())
    offsets = np.cumsum([0] + [alt.count(",") + 2 for alt in cohort.sites.alt]).astype(np.uintp)
    alleles, phased = np.empty((7, 8), np.int32), np.empty((7, 4), np.uint8)
    with pgenlib.PgenReader(os.fsencode(tmp_path / "out.pgen"), allele_idx_offsets=offsets) as reader:
        assert (reader.get_variant_ct(), reader.get_raw_sample_ct()) == (7, 4)
        reader.read_alleles_and_phasepresent_range(0, 7, alleles, phased)
    calls = cohort.call_genotype
    assert np.array_equal(np.where(alleles == -9, -1, alleles).reshape(7, 4, 2), calls)
    het = calls[:, :, 0] != calls[:, :, 1]
    assert np.array_equal(phased[het], cohort.call_genotype_phased[het])


@needs_plink2
def test_plink2_exports_what_was_written_as_it_was(tmp_path):
    write_pgen(tmp_path / "out", read_vcf(vcf(tmp_path)))
    plink2("--pfile", tmp_path / "out", "--export", "vcf", "--out", tmp_path / "plink2")
    ours, theirs = records(tmp_path / "in.vcf"), records(tmp_path / "plink2.vcf")
    assert [row[5] for row in theirs] == ["3", ".", ".", ".", "0.001", ".", "."]
    for row in ours + theirs:
        row[5] = ""
    assert theirs == ours


@needs_plink2
def test_what_plink2_writes_is_read_as_plink2_exports_it_and_comes_back(tmp_path):
    plink2("--vcf", vcf(tmp_path), "--make-pgen", "--out", tmp_path / "a")
    plink2("--pfile", tmp_path / "a", "--export", "vcf", "--out", tmp_path / "plink2")
    write_archive(tmp_path / "a.fae", read_pgen(tmp_path / "a.pvar"))
    with open_archive(tmp_path / "a.fae") as archive:
        write_vcf(tmp_path / "ours.vcf", archive.stream())
        write_pgen(tmp_path / "b.pgen", archive.stream())
    assert records(tmp_path / "ours.vcf") == records(tmp_path / "plink2.vcf")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    plink2("--pfile", tmp_path / "b", "--export", "vcf", "--out", tmp_path / "again")
    assert records(tmp_path / "again.vcf") == records(tmp_path / "plink2.vcf")


@needs_plink2
@pytest.mark.parametrize(
    "name", ["cattle_bta12", "humanorigins249", "kg3_chr20_1M_eur203_unphased", "kg3_chr20_1M_eur300", "kg3_chr1_11M"]
)
def test_a_real_cohort_goes_through_plink2_and_comes_back(tmp_path, name):
    with read_vcf(first_records(name, 200, tmp_path / "in.vcf"), drop_format=True) as stream:
        cohort = stream.read()
    write_vcf(tmp_path / "in.vcf", cohort.to_stream())
    plink2("--vcf", tmp_path / "in.vcf", "--make-pgen", "--out", tmp_path / "theirs")
    plink2("--pfile", tmp_path / "theirs", "--export", "vcf", "--out", tmp_path / "theirs")
    write_vcf(tmp_path / "read.vcf", read_pgen(tmp_path / "theirs"))
    assert records(tmp_path / "read.vcf") == records(tmp_path / "theirs.vcf")
    write_pgen(tmp_path / "ours", cohort.to_stream(), lossy=False)
    again = read_pgen(tmp_path / "ours").read()
    again.attributes = {}
    assert first_difference(cohort, again) is None
    plink2("--pfile", tmp_path / "ours", "--export", "vcf", "--out", tmp_path / "ours")
    assert [row[9:] for row in records(tmp_path / "ours.vcf")] == [row[9:] for row in records(tmp_path / "in.vcf")]
    assert [row[:5] for row in records(tmp_path / "ours.vcf")] == [row[:5] for row in records(tmp_path / "in.vcf")]


def test_columns_of_pvar_and_psam_come_back(tmp_path):
    pvar = (
        "##x=y\n#CHROM\tPOS\tID\tREF\tALT\tFILTER\tINFO\tCM\n1\t7\ta\tA\tC\t.\tAA=1;CM=x\t0.5\n2\t3\tb\tA\tC\t.\t.\t0"
    )
    psam = "##p\n#FID\tIID\tSID  SEX\tBMI\tsmokes\nf x s 1 2.5 yes\ng x t NA NA\tno"
    write_pgen(tmp_path / "in", cohort_of([[[0, 1], [1, 1]], [[0, 0], [1, 0]]], alt=["C", "C"]).to_stream())
    (tmp_path / "in.pvar").write_text(pvar)
    (tmp_path / "in.psam").write_text(psam)
    cohort = read_pgen(tmp_path / "in").read()
    assert cohort.samples == ["f_x", "g_x"]
    assert cohort.sites.info == ["AA=1;CM=x;CM=0.5", "CM=0"]
    assert cohort.header.splitlines()[1:4] == ["##x=y", "##contig=<ID=1>", "##contig=<ID=2>"]
    write_archive(tmp_path / "a.fae", cohort)
    with open_archive(tmp_path / "a.fae") as archive:
        write_pgen(tmp_path / "out", archive.stream())
        write_pgen(tmp_path / "one", archive.stream(samples=[1], variants=[0, 1]))
    assert contents(tmp_path / "out") == [pvar.encode(), psam.encode()]
    assert contents(tmp_path / "one")[1].splitlines() == [
        b"##p", b"#FID\tIID\tSID  SEX\tBMI\tsmokes", b"g x t NA NA\tno"
    ]  # fmt: skip


def test_people_go_from_fam_to_psam_and_back(tmp_path):
    fam = "F1\tann\tx\ty\t2\t3.5\nF1\tben\t0\t0\t1\t-9\n"
    cohort = cohort_of([[[0, 1], [1, 1]]], phased=False, alt=["C"], samples=["ann", "ben"])
    cohort.attributes["plink1.fam"] = fam
    write_pgen(tmp_path / "a", cohort.to_stream())
    assert contents(tmp_path / "a")[1] == fam.encode()
    write_bed(tmp_path / "b", read_pgen(tmp_path / "a"))
    assert (tmp_path / "b.fam").read_text() == fam
    assert first_difference(read_bed(tmp_path / "b").read(), read_bed(tmp_path / "b").read()) is None


def test_phenotypes_that_a_fam_cannot_hold_are_named(tmp_path):
    cohort = cohort_of([[[0, 1]]], phased=False, alt=["C"], samples=["ann"])
    cohort.attributes["pgen.psam"] = "#IID\tSEX\tBMI\tsmokes\nann\tF\t2.5\tno\n"
    with pytest.raises(InputError, match=r"PLINK 1 cannot hold columns of the \.psam \(smokes\)"):
        write_bed(tmp_path / "b", cohort.to_stream())
    with pytest.warns(LossWarning, match="smokes"):
        write_bed(tmp_path / "b", cohort.to_stream(), lossy=True)
    assert (tmp_path / "b.fam").read_text() == "0\tann\t0\t0\t2\t2.5\n"


@pytest.mark.parametrize(
    ("calls", "phased", "name"),
    [
        ([[[0, -2]]], False, "haploid calls"),
        ([[[-2, -2]]], False, "records without GT"),
        ([[[0, -1]]], False, "the known allele of half-missing calls"),
        ([[[2, 1]]], False, "the order of alleles in unphased calls"),
        ([[[0, 0]]], True, "the phase of homozygous and missing calls"),
        ([[[0, 1]], [[1, 1]]], [[True], [False]], "the phase of homozygous and missing calls"),
        ([[[0, 1]], [[-1, -1]]], [[False], [True]], "the phase of homozygous and missing calls"),
        ([[[1, 1], [0, 0]], [[0, 0], [0, 1]]], [[False, True], [True, True]], "the phase of homozygous"),
    ],
)
def test_what_pgen_cannot_hold_is_refused_by_name_unless_lossy(tmp_path, calls, phased, name):
    cohort = cohort_of(calls, phased)
    with pytest.raises(InputError, match=f"PLINK 2 cannot hold {name}.*; write VCF, or leave it out by lossy"):
        write_pgen(tmp_path / "out", cohort.to_stream(1))
    assert os.listdir(tmp_path) == []
    with pytest.warns(LossWarning, match=f"PLINK 2 cannot hold {name}.*: left out"):
        write_pgen(tmp_path / "out", cohort.to_stream(1), lossy=True)
    assert len(os.listdir(tmp_path)) == 3
    assert read_pgen(tmp_path / "out").read().n_variants == len(calls)


def test_phase_is_refused_exactly_where_it_would_not_come_back(tmp_path, rng):
    n_held = 0
    for _ in range(60):
        n_samples = int(rng.integers(1, 3))
        calls = rng.integers(0, 2, (3, n_samples, 2))
        cohort = cohort_of(np.sort(calls), rng.random((3, n_samples)) < rng.choice([0, 0.5, 1], p=[0.2, 0.6, 0.2]))
        try:
            write_pgen(tmp_path / "a", cohort.to_stream(1))
            n_held += 1
            lossy = False
        except InputError:
            with pytest.warns(LossWarning):
                write_pgen(tmp_path / "a", cohort.to_stream(1), lossy=True)
            lossy = True
        again = read_pgen(tmp_path / "a").read()
        assert np.array_equal(again.call_genotype, cohort.call_genotype)
        assert np.array_equal(again.call_genotype_phased, cohort.call_genotype_phased) != lossy
    assert 5 < n_held < 55


@pytest.mark.parametrize(
    ("cohort", "message"),
    [
        (cohort_of([[[0, 1, 1]]]), "a call at 1:1 has more than two alleles"),
        (cohort_of([[[0, 1]]], alt=[",".join(f"<{i}>" for i in range(255))]), "has 256 alleles, PLINK 2 holds 255"),
        (cohort_of([[[0, 1]]], id=["a b"]), "variant 'a b' is empty or has a blank"),
        (cohort_of([[[0, 1]]], samples=["a b"]), "sample 'a b' is empty or has a blank"),
        (cohort_of(np.zeros((0, 1, 2), int)), "has no variants"),
        (cohort_of(np.zeros((1, 0, 2), int)), "has no samples"),
    ],
)
def test_what_no_pgen_can_stand_for_is_refused_even_if_lossy(tmp_path, cohort, message):
    with pytest.raises(InputError, match=message):
        write_pgen(tmp_path / "out", cohort.to_stream(), lossy=True)
    assert os.listdir(tmp_path) == []


def test_what_another_format_gave_is_not_lost_silently(tmp_path):
    cohort = cohort_of([[[0, 1]]], attributes={"zarr.extra": "x", "final_newline": "no"})
    with pytest.raises(InputError, match=r"PLINK 2 cannot hold what zarr\.extra holds"):
        write_pgen(tmp_path / "out", cohort.to_stream())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: os.unlink(p + ".psam"), r"PLINK 2 needs \.pgen, \.pvar, \.psam side by side; there is no \S*\.psam"),
        (lambda p: os.rename(p + ".pvar", p + ".pvar.zst"), "the .pvar is compressed; unpack it first: zstd -d"),
        (lambda p: os.truncate(p + ".pgen", 2), "this is not a .pgen"),
        (lambda p: os.truncate(p + ".pgen", 11), "the .pgen is truncated"),
        (lambda p: os.truncate(p + ".pgen", 30), "pgenlib cannot read this .pgen"),
        (lambda p: os.truncate(p + ".pgen", os.path.getsize(p + ".pgen") - 1), "pgenlib cannot read this .pgen"),
        (
            lambda p: Path(p + ".pgen").write_bytes(b"\x6c\x1b\x30" + bytes(20)),
            "kind 0x30.*plink2 --pfile OLD --make-pgen",
        ),
        (lambda p: Path(p + ".psam").write_text("#IID\nx\n"), "pgenlib cannot read this .pgen"),
        (lambda p: Path(p + ".psam").write_text("#NAME\nx\n"), "expected #FID IID or #IID"),
        (lambda p: Path(p + ".psam").write_text("#IID SEX\nx\n"), "sample 1 has 1 columns, expected 2"),
        (lambda p: Path(p + ".pvar").write_text("1\ta\t0\t1\tA\tC\n"), "the .pvar has no #CHROM line"),
        (lambda p: Path(p + ".pvar").write_text(""), "the .pvar has no #CHROM line"),
        (lambda p: Path(p + ".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n"), "names no variants"),
        (lambda p: Path(p + ".pvar").write_text("#CHROM\tPOS\tID\tREF\n"), "expected CHROM POS ID REF ALT"),
        (lambda p: Path(p + ".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n1\t1\ta\tA\n"), "line 2 has 4 columns"),
        (
            lambda p: Path(p + ".pvar").write_bytes(b"#CHROM\tPOS\tID\tREF\tALT\n1\t1\ta\tA\tC\r\n"),
            "line 2 ends in CR LF",
        ),
        (lambda p: Path(p + ".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n1\t1\ta\tA\tC\n"), "pgenlib cannot read"),
        (
            lambda p: Path(p + ".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n1\t1\ta\tA\tC,G\n1\t-2\ta\tA\tC,G\n"),
            "'-2'",
        ),
    ],
)
def test_a_damaged_fileset_is_refused_by_name(tmp_path, damage, message):
    prefix = pgen_bytes(tmp_path, lambda data: data)
    damage(prefix)
    with pytest.raises(InputError, match=message):
        read_pgen(prefix).read()


def test_dosages_are_refused_unless_dropped(tmp_path):
    prefix = str(tmp_path / "in")
    write_pgen(prefix, cohort_of([[[0, 0], [0, 1]]], False, alt=["C"]).to_stream())
    for n_variants in (1, 70_000):
        with pgenlib.PgenWriter(os.fsencode(prefix + ".pgen"), 2, n_variants, False, dosage_present=True) as writer:
            for _ in range(n_variants - 1):
                writer.append_biallelic(np.zeros(2, np.int8))
            writer.append_dosages(np.array([0.02, 0.9], np.float32))
        lines = "".join(f"1\t{i}\t.\tA\tC\n" for i in range(n_variants))
        Path(prefix + ".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + lines)
        with pytest.raises(InputError, match=r"has dosages, which are not stored: drop_format"):
            read_pgen(prefix)
        blocks = list(read_pgen(prefix, drop_format=True))
        assert blocks[-1].call_genotype[-1].tolist() == [[0, 0], [0, 1]]


@needs_plink2
def test_dosages_that_plink2_imports_are_refused(tmp_path):
    head = HEAD.replace("##FORMAT=<ID=GT", '##FORMAT=<ID=DS,Number=1,Type=Float,Description="d">\n##FORMAT=<ID=GT')
    path = vcf(tmp_path, head, "1 10 . A C . . . GT:DS 0/0:0.1 0/1:1", samples=("A", "B"))
    plink2("--vcf", path, "dosage=DS", "--make-pgen", "--out", tmp_path / "a")
    with pytest.raises(InputError, match="has dosages"):
        read_pgen(tmp_path / "a")
    assert read_pgen(tmp_path / "a", drop_format=True).read().call_genotype.tolist() == [[[0, 0], [0, 1]]]


@needs_plink2
def test_one_sample_and_a_bed_under_the_name_of_a_pgen_are_read(tmp_path):
    plink2(
        "--vcf",
        vcf(tmp_path, records="1 10 . A C . . . GT 0|1", samples=("A",)),
        "--make-pgen",
        "--out",
        tmp_path / "a",
    )
    assert read_pgen(tmp_path / "a").read().call_genotype_phased.tolist() == [[True]]
    plink2("--pfile", tmp_path / "a", "--make-bed", "--out", tmp_path / "b")
    plink2("--bfile", tmp_path / "b", "--make-just-pvar", "--make-just-psam", "--out", tmp_path / "b")
    os.rename(tmp_path / "b.bed", tmp_path / "b.pgen")
    cohort = read_pgen(tmp_path / "b").read()
    assert cohort.call_genotype.tolist() == [[[0, 1]]]
    assert cohort.attributes["pgen.provisional_ref"] == "all"


def test_whether_ref_is_provisional_comes_back(tmp_path):
    for flags in (True, False, None):
        prefix = str(tmp_path / "in")
        write_pgen(prefix, cohort_of([[[0, 1]]], False, alt=["C"]).to_stream())
        with pgenlib.PgenWriter(os.fsencode(prefix + ".pgen"), 1, 1, flags) as writer:
            writer.append_biallelic(np.ones(1, np.int8))
        write_pgen(tmp_path / "out", read_pgen(prefix))
        assert (tmp_path / "out.pgen").read_bytes()[11] >> 6 == {None: 0, False: 1, True: 2}[flags]


def test_a_vcf_of_provisional_ref_alleles_is_told_of(tmp_path):
    attributes = {"pgen.provisional_ref": "all", "pgen.psam": "#IID\tSEX\thair\nS1\tNA\tred\n"}
    with pytest.warns(LossWarning, match="VCF cannot hold hair, that REF is provisional: left out"):
        write_vcf(tmp_path / "out.vcf", cohort_of([[[0, 1]]], attributes=attributes).to_stream())


def test_without_pgenlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pgenlib", None)
    with pytest.raises(InputError, match=r"pip install 'fastae\[plink\]'"):
        write_pgen(tmp_path / "a", cohort_of([[[0, 1]]]).to_stream())


@pytest.mark.parametrize(("read", "write"), [(read_bed, write_bed), (read_pgen, write_pgen)])
def test_memory_does_not_grow_with_the_number_of_variants(tmp_path, read, write):
    def peak_of(work):
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def stream(n_blocks):
        for _ in range(n_blocks):
            yield cohort_of(np.zeros((500, 40, 2), np.int8), False, alt=["C"] * 500)

    names = [f"S{i}" for i in range(1, 41)]
    peaks = []
    for n_blocks in (4, 40):
        whole = CohortStream(MINIMAL_HEADER, names, stream(n_blocks))
        writing = peak_of(lambda whole=whole: write(tmp_path / "a", whole))
        reading = peak_of(lambda: [block.n_variants for block in read(tmp_path / "a", n_variants=500)])
        peaks.append((writing, reading))
    (few_written, few_read), (many_written, many_read) = peaks
    assert many_written < 1.5 * few_written
    assert many_read < 1.5 * few_read + 9 * 40 * 500


@pytest.mark.parametrize("phased", [True, False])
def test_alleles_that_nobody_has_do_not_change_how_the_others_are_read(tmp_path, phased):
    alt = [",".join(f"<{i}>" for i in range(1, n)) for n in (2, 3, 4, 5, 17, 127)]
    calls = [[[0, 1], [1, 2 * (n > 2)]][:: 1 if n > 2 else -1] for n in (2, 3, 4, 5, 17, 127)]
    cohort = cohort_of(np.sort(calls), phased, alt=alt)
    write_pgen(tmp_path / "a", cohort.to_stream())
    again = read_pgen(tmp_path / "a").read()
    assert np.array_equal(again.call_genotype, cohort.call_genotype)
    assert np.array_equal(again.call_genotype_phased, cohort.call_genotype_phased)


def test_as_many_alleles_as_a_pgen_has_come_and_go(tmp_path):
    alt = [",".join(f"<{i}>" for i in range(254)), "<0>"]
    calls = np.array([[[0, 254], [127, 128]], [[0, 1], [0, 0]]], np.int16)
    write_pgen(tmp_path / "a", cohort_of(calls, alt=alt).to_stream())
    with pgenlib.PgenReader(
        os.fsencode(tmp_path / "a.pgen"), 2, 2, allele_idx_offsets=np.array([0, 255, 257], np.uintp)
    ) as reader:
        alleles = np.empty(4, np.int32)
        reader.read_alleles(0, alleles)
    assert alleles.tolist() == [0, 254, 127, 128]
    again = read_pgen(tmp_path / "a").read().call_genotype
    assert again.dtype == np.int16 and np.array_equal(again, calls)


def test_a_header_that_has_changed_is_written_in_place_of_the_old_one(tmp_path):
    write_pgen(tmp_path / "a", cohort_of([[[0, 1]]]).to_stream())
    (tmp_path / "a.pvar").write_text("##x=y\n#CHROM\tPOS\tID\tREF\tALT\n1\t1\t.\tA\tC,G\n")
    for change in (("##x=y\n", ""), ("##x=y\n", "##x=y\n##source=z\n")):
        cohort = read_pgen(tmp_path / "a").read()
        cohort.header = cohort.header.replace(*change)
        write_pgen(tmp_path / "b", cohort.to_stream())
        assert read_pgen(tmp_path / "b").header == cohort.header


def test_nothing_stays_behind_where_pgenlib_fails(tmp_path, monkeypatch):
    def fail(*_):
        yield next(blocks(*_))
        raise RuntimeError("error 3")

    blocks = plink2_module._Spool.blocks
    monkeypatch.setattr(plink2_module._Spool, "blocks", fail)
    with pytest.raises(OSError, match="pgenlib could not write the .pgen .error 3.; is the disk full"):
        write_pgen(tmp_path / "a", cohort_of([[[0, 2]], [[0, 1]]]).to_stream(1))
    assert os.listdir(tmp_path) == []


def test_the_command_line_takes_and_gives_both_formats(tmp_path, capsys):
    source, fae = vcf(tmp_path), str(tmp_path / "a.fae")
    assert main(["compress", str(source), fae]) == 0
    assert main(["view", fae, "--format", "pgen", "-o", str(tmp_path / "b.pgen")]) == 0
    assert main(["compress", str(tmp_path / "b.pgen"), fae]) == 0
    assert main(["decompress", fae, str(tmp_path / "c.pgen")]) == 0
    assert contents(tmp_path / "c") == contents(tmp_path / "b")
    assert main(["view", fae, "-r", "X", "--format", "bed", "-o", str(tmp_path / "x")]) == 1
    assert "PLINK 1 cannot hold header lines" in capsys.readouterr().err
    assert main(["view", fae, "-r", "X", "--format", "bed", "--lossy", "-o", str(tmp_path / "x")]) == 0
    assert "phase" in capsys.readouterr().err
    assert main(["compress", str(tmp_path / "x.bed"), fae]) == 0
    assert main(["view", fae, "--format", "bed", "-o", str(tmp_path / "y")]) == 0
    for ending in (".bed", ".bim", ".fam"):
        assert (tmp_path / f"y{ending}").read_bytes() == (tmp_path / f"x{ending}").read_bytes()
