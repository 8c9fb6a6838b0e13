# SPDX-License-Identifier: Apache-2.0
"""What real VCF and FASTA files have goes through an archive byte for byte; calls are those of bcftools and cyvcf2."""

import shutil
import subprocess
import time

import independent_reader
import numpy as np
import pytest
from vcftext import EVERYTHING, vcf

from fastae import InputError, first_difference, read_cohort, write_archive, write_cohort
from fastae import open as open_archive
from fastae.cohort import format_call

SITE = "1\t{}\t.\tA\t{}\t.\t.\t.\tGT"
BARE = "##fileformat=VCFv4.2\n"
LONG_NAMES = [f"person {i} \u00e9\u65e5" for i in range(3)]

CORNERS = {
    "chrX and chrM of mixed ploidy": vcf(
        [f"{SITE.format(5, 'C')}\t0|1\t1\t.\t./.", "chrX" + SITE.format(6, "C")[1:] + "\t0\t1\t0\t."]
    ),
    "symbolic alleles": vcf(
        [
            f"{SITE.format(5, '<DEL>,<DUP:TANDEM>,*')}\t0|1\t2|3\t.\t0/2",
            f"{SITE.format(6, 'A]chrX:3]')}\t0|1\t0|0\t1|1\t.|.",
        ]
    ),
    "one sample": vcf([f"{SITE.format(5, 'C')}\t0|1"], ["a"]),
    "one sample and no variants": vcf([], ["a"]),
    "no samples": vcf(["1\t5\t.\tA\tC\t.\t.\t."], None),
    "no samples but FORMAT": vcf([f"{SITE.format(5, 'C')}"], []),
    "no variants and no samples": vcf([], None),
    "unsorted and double positions": vcf([f"{SITE.format(p, 'C')}\t0|1\t0|0\t1|1\t.|." for p in (9, 3, 3, 7, 3)]),
    "names with blanks and beyond ASCII": vcf([f"{SITE.format(5, 'C')}\t0|1\t1|1\t0|0"], LONG_NAMES),
    "no contigs in the header": vcf([f"{SITE.format(5, 'C')}\t0|1\t0/1\t1|1\t./."], header=BARE),
    "mixed phase in a record": vcf([f"{SITE.format(5, 'C')}\t0|1\t0/1\t1|0\t1/0"]),
    "half missing calls": vcf([f"{SITE.format(5, 'C')}\t./1\t1/.\t.|0\t0|."]),
    "star alleles": vcf([f"{SITE.format(5, '*,C')}\t0|1\t1|2\t2|2\t.|."]),
    "everything": vcf(EVERYTHING),
}


def through_an_archive(tmp_path, data, name="in.vcf"):
    (tmp_path / name).write_bytes(data)
    write_archive(tmp_path / "a.fae", read_cohort(tmp_path / name))
    with open_archive(tmp_path / "a.fae") as archive:
        write_cohort(tmp_path / f"out.{name}", archive.stream())
        return (tmp_path / f"out.{name}").read_bytes()


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["not ended", "ended"])
@pytest.mark.parametrize("breaks", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", CORNERS)
def test_a_corner_case_comes_back_byte_for_byte(tmp_path, name, breaks, end):
    data = (CORNERS[name][:-1] + end).replace(b"\n", breaks)
    assert through_an_archive(tmp_path, data) == data


@pytest.mark.parametrize("name", [name for name in CORNERS if name != "no samples but FORMAT"])  # which it refuses
def test_calls_of_a_corner_case_are_those_of_bcftools(tmp_path, name):
    if not shutil.which("bcftools"):
        pytest.skip("bcftools is not here")
    (tmp_path / "in.vcf").write_bytes(CORNERS[name].replace(b"\n", b"\r\n"))
    cohort = read_cohort(tmp_path / "in.vcf").read()
    if not cohort.samples:
        fields, calls = "%CHROM\\t%POS\\t%REF\\t%ALT\\n", [[]] * cohort.n_variants
    else:
        fields = "%CHROM\\t%POS\\t%REF\\t%ALT[\\t%GT]\\n"
        calls = [
            [format_call(call, phased) for call, phased in zip(row, flags, strict=True)]
            for row, flags in zip(cohort.call_genotype, cohort.call_genotype_phased, strict=True)
        ]
    done = subprocess.run(["bcftools", "query", "-f", fields, tmp_path / "in.vcf"], capture_output=True, check=True)
    sites = zip(
        cohort.sites.chrom, map(str, cohort.sites.pos.tolist()), cohort.sites.ref, cohort.sites.alt, strict=True
    )
    expected = ["\t".join([*site, *row]) for site, row in zip(sites, calls, strict=True)]
    assert done.stdout.decode().splitlines() == expected
    names = subprocess.run(["bcftools", "query", "-l", tmp_path / "in.vcf"], capture_output=True, check=True)
    assert names.stdout.decode().splitlines() == cohort.samples


def test_calls_are_those_of_cyvcf2_also_half_missing_and_of_mixed_ploidy(tmp_path):
    cyvcf2 = pytest.importorskip("cyvcf2")
    records = [f"{SITE.format(5, 'C,<DEL>')}\t./1\t1|.\t2\t.", f"{SITE.format(6, '*')}\t0|1\t0/1\t1\t./."]
    (tmp_path / "in.vcf").write_bytes(vcf(records))
    cohort = read_cohort(tmp_path / "in.vcf").read()
    for row, variant in enumerate(cyvcf2.VCF(str(tmp_path / "in.vcf"))):
        found = np.array(variant.genotype.array())[:, :-1]
        np.testing.assert_array_equal(cohort.call_genotype[row], found)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (vcf(EVERYTHING).replace(b"\n", b"\r\n", 20), "line 21 ends in LF alone and those before it in CR LF"),
        (vcf(EVERYTHING)[:-1] + b"\r\n", "line 27 ends in CR LF and those before it in LF alone"),
        (vcf([f"{SITE.format(5, 'C')}\t0|1/1\t0\t0\t0"]), "0|1/1' for sample a, which mixes / and | within one call"),
        (vcf([f"{SITE.format(5, 'C')}\t/0/1\t0\t0\t0"]), "leading phase mark"),
        (vcf([], ["a", "b", "a"]), "'a' is given twice"),
    ],
)
def test_what_cannot_come_back_is_refused_by_name(tmp_path, data, message):
    (tmp_path / "in.vcf").write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_cohort(tmp_path / "in.vcf").read()
    assert message in str(caught.value)


def test_a_header_of_100_000_samples_is_quick_and_comes_back(tmp_path):
    names = [f"sample {i:06d}" for i in range(100_000)]
    calls = "\t".join(["0|1", "0/0", ".|.", "1"] * 25_000)
    data = vcf([f"{SITE.format(p, 'C')}\t{calls}" for p in (5, 6)], names)
    (tmp_path / "in.vcf").write_bytes(data)
    start = time.process_time()
    stream = read_cohort(tmp_path / "in.vcf")
    assert len(stream.samples) == 100_000 and time.process_time() - start < 2
    stream.close()
    assert through_an_archive(tmp_path, data) == data


ALIGNMENT = b">a one\nACGTNRYKM-acgtn.\n>b\nacgtnrykm-ACGTN*\n>\xc3\xa9\nACGTNRYKM-acgtn?\n"


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["not ended", "ended"])
@pytest.mark.parametrize("breaks", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_fasta_of_both_cases_gaps_and_ambiguity_codes_comes_back(tmp_path, breaks, end):
    data = (ALIGNMENT[:-1] + end).replace(b"\n", breaks)
    assert through_an_archive(tmp_path, data, "in.fa") == data


def test_fasta_of_mixed_line_ends_is_refused(tmp_path):
    (tmp_path / "in.fa").write_bytes(ALIGNMENT.replace(b"\n", b"\r\n", 2))
    with pytest.raises(InputError, match="some lines end in CR LF and others in LF alone"):
        read_cohort(tmp_path / "in.fa")


@pytest.mark.parametrize(("name", "data"), [("in.vcf", vcf(EVERYTHING)[:-1]), ("in.fa", ALIGNMENT)])
def test_the_independent_reader_ends_lines_in_crlf_too(tmp_path, name, data):
    data = data.replace(b"\n", b"\r\n")
    through_an_archive(tmp_path, data, name)
    plain = independent_reader.read_archive((tmp_path / "a.fae").read_bytes())
    assert independent_reader.file_of(plain) == data


def test_how_lines_end_is_told_when_files_are_compared(tmp_path):
    for name, data in (("a", vcf(EVERYTHING)), ("b", vcf(EVERYTHING).replace(b"\n", b"\r\n"))):
        (tmp_path / f"{name}.vcf").write_bytes(data)
    found = first_difference(read_cohort(tmp_path / "a.vcf"), read_cohort(tmp_path / "b.vcf"))
    assert found == "the attributes line_end are not the same"


def test_a_file_of_crlf_goes_into_bcf_without_it(tmp_path):
    pytest.importorskip("cyvcf2")
    data = vcf([f"{SITE.format(5, 'C')}\t0|1\t0/1\t1\t./."])
    (tmp_path / "in.vcf").write_bytes(data.replace(b"\n", b"\r\n"))
    write_cohort(tmp_path / "a.bcf", read_cohort(tmp_path / "in.vcf"))
    write_cohort(tmp_path / "out.vcf", read_cohort(tmp_path / "a.bcf"))
    assert (tmp_path / "out.vcf").read_bytes() == data
