# SPDX-License-Identifier: Apache-2.0
"""VCF and BCF: calls as cyvcf2 and bcftools see them, text as it stands, everything else refused by name."""

import gzip
import io
import resource
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vcftext import COLUMNS, EVERYTHING, HEADER, vcf

from fastae.cohort import FILL, MAX_ALLELE, Cohort, CohortStream, Sites, narrow
from fastae.difference import first_difference
from fastae.errors import InputError
from fastae.io.bgzf import BLOCK_BYTES, EOF_BLOCK, BgzfWriter
from fastae.io.calltext import format_calls, parse_any, parse_simple
from fastae.io.vcf import read_vcf, write_vcf

needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")


def bcftools_view(path):
    """Records and sample names as bcftools sees them."""
    done = subprocess.run(["bcftools", "view", "--no-version", path], capture_output=True, check=True)
    return done.stdout[done.stdout.index(b"#CHROM") :]


def read_bytes(tmp_path, data, **options):
    path = tmp_path / "in.vcf"
    path.write_bytes(data)
    return read_vcf(path, **options)


def bgzf(data):
    out = io.BytesIO()
    with BgzfWriter(out) as writer:
        for start in range(0, len(data), 99991):
            writer.write(data[start : start + 99991])
    return out.getvalue()


def refusal(tmp_path, data, **options):
    with pytest.raises(InputError) as caught:
        read_bytes(tmp_path, data, **options).read()
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(tmp_path))
    return message


@pytest.mark.parametrize("n_variants", [1, 3, None])
def test_everything_a_cohort_can_hold_comes_back_byte_for_byte(tmp_path, n_variants):
    data = vcf(EVERYTHING)
    write_vcf(tmp_path / "out.vcf", read_bytes(tmp_path, data, n_variants=n_variants))
    assert (tmp_path / "out.vcf").read_bytes() == data
    write_vcf(tmp_path / "out.vcf.gz", read_bytes(tmp_path, data, n_variants=n_variants))
    assert gzip.decompress((tmp_path / "out.vcf.gz").read_bytes()) == data


def test_calls_are_those_that_cyvcf2_reads(tmp_path):
    cyvcf2 = pytest.importorskip("cyvcf2")
    cohort = read_bytes(tmp_path, vcf(EVERYTHING)).read()
    for row, variant in enumerate(cyvcf2.VCF(str(tmp_path / "in.vcf"))):
        if variant.FORMAT == []:
            assert (cohort.call_genotype[row] == FILL).all()
            continue
        # cyvcf2 gives the alleles of each call with their phase behind them, without padding
        expected = [call[:-1] for call in variant.genotypes]
        got = [[a for a in call if a != FILL] for call in cohort.call_genotype[row].tolist()]
        assert [[a for a in call if a != -2] for call in expected] == got
        several = [len(call) > 1 for call in got]
        assert [bool(call[-1]) and s for call, s in zip(variant.genotypes, several, strict=True)] == [
            bool(p) for p in cohort.call_genotype_phased[row]
        ]


@needs_bcftools
@pytest.mark.parametrize(("name", "magic"), [("out.vcf", b"##"), ("out.vcf.gz", b"\x1f\x8b"), ("out.bcf", b"\x1f\x8b")])
def test_bcftools_reads_what_is_written_as_it_reads_the_original(tmp_path, name, magic):
    records = [line for line in EVERYTHING if ";PASS" not in line]  # bcftools itself drops PASS beside a filter
    stream = read_bytes(tmp_path, vcf(records))
    write_vcf(tmp_path / name, stream)
    assert (tmp_path / name).read_bytes().startswith(magic)
    assert bcftools_view(tmp_path / name) == bcftools_view(tmp_path / "in.vcf")


@needs_bcftools
def test_bcf_is_read_with_the_exact_floats_it_holds(tmp_path):
    rng = np.random.default_rng(5)
    values = rng.integers(0, 2**31, 200, dtype=np.uint32).view(np.float32)
    values = values[np.isfinite(values)]
    records = [
        f"1\t{i}\t.\tA\tC,G\t{qual!s}\t.\tAF={af!s},{'.' if i % 3 else 0.25}\tGT\t0|1"
        for i, (qual, af) in enumerate(zip(values, values[::-1], strict=True), 1)
    ]
    (tmp_path / "in.vcf").write_bytes(vcf(records, ["a"]))
    subprocess.run(["bcftools", "view", "-Ob", "-o", tmp_path / "in.bcf", tmp_path / "in.vcf"], check=True)
    sites = read_vcf(tmp_path / "in.bcf").read().sites
    np.testing.assert_array_equal(np.array(sites.qual, np.float32), values)
    np.testing.assert_array_equal(
        np.array([info.removeprefix("AF=").split(",")[0] for info in sites.info], np.float32), values[::-1]
    )
    assert [info.endswith(",.") for info in sites.info] == [i % 3 > 0 for i in range(1, len(values) + 1)]


@needs_bcftools
def test_a_bcf_with_an_info_key_twice_is_refused_rather_than_given_one_value_for_both(tmp_path):
    (tmp_path / "in.vcf").write_bytes(vcf(["1\t1\t.\tA\tC\t.\t.\tAF=0.1234567;AF=0.2\tGT\t0|1"], ["a"]))
    subprocess.run(["bcftools", "view", "-Ob", "-o", tmp_path / "in.bcf", tmp_path / "in.vcf"], check=True)
    with pytest.raises(InputError, match="in.bcf: the record 1:1 has an INFO key twice"):
        read_vcf(tmp_path / "in.bcf").read()


def test_text_that_is_not_utf8_is_not_written_as_bcf(tmp_path):
    pytest.importorskip("cyvcf2")
    data = vcf(["1\t1\t.\tA\tC\t.\t.\tNOTE=Z\tGT\t0|1"], ["a"]).replace(b"NOTE=Z", b"NOTE=\xff")
    with pytest.raises(InputError, match="1:1, which is not UTF-8"):
        write_vcf(tmp_path / "out.bcf", read_bytes(tmp_path, data))


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bgzf], ids=["plain", "gzip", "bgzip"])
@pytest.mark.parametrize("n_records", [0, 1, 20_000])
def test_a_last_line_that_is_not_ended_comes_back_so(tmp_path, packed, n_records):
    whole = vcf([GOOD.format("0|0")] * n_records, ["s1", "s2"])
    for data, attributes in ((whole, {}), (whole[:-1], {"final_newline": "no"})):
        with read_bytes(tmp_path, packed(data)) as stream:
            write_vcf(tmp_path / "out.vcf", stream)
            assert stream.attributes == attributes
        assert (tmp_path / "out.vcf").read_bytes() == data
        with read_bytes(tmp_path, packed(whole)) as stream, read_vcf(tmp_path / "out.vcf") as back:
            assert ("final_newline" in (first_difference(stream, back) or "")) is bool(attributes)


def test_bcf_holds_the_last_position_that_it_can(tmp_path):
    pytest.importorskip("cyvcf2")
    write_vcf(tmp_path / "out.bcf", read_bytes(tmp_path, vcf(["1\t2147483647\t.\tA\tC\t.\t.\t.\tGT\t0"], ["a"])))
    assert read_vcf(tmp_path / "out.bcf").read().sites.pos.tolist() == [2**31 - 1]


@pytest.mark.parametrize("samples", [["a"], ["\u00e4", "\u65e5\u672c"], None])
def test_text_beyond_ascii_goes_into_bcf_and_back(tmp_path, samples):
    pytest.importorskip("cyvcf2")
    calls = "" if samples is None else "\tGT" + "\t1|0" * len(samples)
    data = vcf([f"1\t{i}\t.\tA\tC\t.\t.\tNOTE=m\u00fc\u00df\u20ac{i}{calls}" for i in (9, 10)], samples)
    cohort = read_bytes(tmp_path, data).read()
    write_vcf(tmp_path / "out.bcf", cohort.to_stream())
    back = read_vcf(tmp_path / "out.bcf").read()
    assert back.sites.info == ["NOTE=m\u00fc\u00df\u20ac9", "NOTE=m\u00fc\u00df\u20ac10"]
    assert back.samples == (samples or [])
    np.testing.assert_array_equal(back.call_genotype, cohort.call_genotype)


def test_bcf_and_uncompressed_bcf_hold_the_same_cohort(tmp_path):
    pytest.importorskip("cyvcf2")
    records = [line for line in EVERYTHING if ";PASS" not in line]
    for name, output_type in (("out.bcf", "b"), ("raw.bcf", "u")):
        write_vcf(tmp_path / name, read_bytes(tmp_path, vcf(records)), output_type=output_type)
    assert (tmp_path / "raw.bcf").stat().st_size > (tmp_path / "out.bcf").stat().st_size
    back = read_vcf(tmp_path / "out.bcf").read()
    assert first_difference(back, read_vcf(tmp_path / "raw.bcf")) is None
    cohort = read_bytes(tmp_path, vcf(records)).read()
    np.testing.assert_array_equal(back.call_genotype, cohort.call_genotype)
    np.testing.assert_array_equal(back.call_genotype_phased, cohort.call_genotype_phased)
    assert back.sites.alt == cohort.sites.alt and back.sites.pos.tolist() == cohort.sites.pos.tolist()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("2\t1\t.\tA\tC\t.\t.\t.\tGT\t0", "contig 2"),
        ("1\t1\t.\tA\tC\t.\tnew\t.\tGT\t0", "FILTER new"),
        ("1\t1\t.\tA\tC\t.\tPASS\tXY=1\tGT\t0", "INFO XY"),
        ("1\t1\t.\tA\tC\t.\tPASS\tAC=many\tGT\t0", "1:1"),
        ("1\t1\t.\tA\0\tC\t.\tPASS\t.\tGT\t0", "cannot hold the record 1:1"),
        ("1\t2147483648\t.\tA\tC\t.\tPASS\t.\tGT\t0", "cannot hold the record 1:2147483648"),
    ],
)
def test_what_bcf_cannot_hold_is_refused_and_no_file_left(tmp_path, capfd, record, message):
    pytest.importorskip("cyvcf2")
    with pytest.raises(InputError, match=message):
        write_vcf(tmp_path / "out.bcf", read_bytes(tmp_path, vcf([record], ["a"])))
    assert [path.name for path in tmp_path.iterdir()] == ["in.vcf"]
    assert capfd.readouterr() == ("", "")
    write_vcf(tmp_path / "out.vcf", read_vcf(tmp_path / "in.vcf"))
    assert (tmp_path / "out.vcf").read_bytes() == (tmp_path / "in.vcf").read_bytes()


@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz", "out.bcf"])
def test_a_file_that_cannot_grow_is_an_error_wherever_it_stops(tmp_path, name):
    if name.endswith("bcf"):
        pytest.importorskip("cyvcf2")
    cohort = Cohort.from_arrays(np.random.default_rng(2).integers(0, 2, (400, 300, 2)))
    header = cohort.header.replace("#CHROM", "##contig=<ID=1>\n#CHROM")
    cohort = Cohort(header, cohort.samples, cohort.sites, cohort.call_genotype, cohort.call_genotype_phased)
    write_vcf(tmp_path / name, cohort.to_stream())
    size = (tmp_path / name).stat().st_size
    (tmp_path / name).write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (10, 1000, size // 2, size - 100, size - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(OSError, match="too large|disk full") as caught:
                write_vcf(tmp_path / name, cohort.to_stream(100))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.filename == str(tmp_path / name)
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"old")]


@pytest.mark.parametrize("suffix", ["vcf", "vcf.gz", "bcf"])
@pytest.mark.parametrize(
    ("records", "samples"),
    [
        ([], ["a", "b"]),
        (["1\t1\t.\tA\tC\t.\t.\t.\tGT\t0|1"], ["a"]),
        (["1\t1\t.\tA\tC\t.\t.\t."], None),
        ([], None),
    ],
    ids=["zero variants", "one sample", "sites only", "header only"],
)
def test_the_smallest_cohorts_come_back(tmp_path, suffix, records, samples):
    if suffix == "bcf":
        pytest.importorskip("cyvcf2")
    cohort = read_bytes(tmp_path, vcf(records, samples)).read()
    assert (cohort.n_variants, cohort.samples) == (len(records), samples or [])
    write_vcf(tmp_path / f"out.{suffix}", cohort.to_stream())
    assert first_difference(cohort, read_vcf(tmp_path / f"out.{suffix}")) is None


def test_a_block_without_variants_writes_nothing(tmp_path):
    cohort = Cohort.from_arrays([[[0, 1]]])
    blocks = [cohort.select(slice(0, 0)), cohort, cohort.select(slice(1, 1))]
    write_vcf(tmp_path / "out.vcf", CohortStream(cohort.header, cohort.samples, iter(blocks)))
    assert first_difference(cohort, read_vcf(tmp_path / "out.vcf")) is None


def test_a_format_column_without_samples_comes_back(tmp_path):
    data = vcf(["1\t1\t.\tA\tC\t.\t.\t.\tGT"], [])
    write_vcf(tmp_path / "out.vcf", read_bytes(tmp_path, data))
    assert (tmp_path / "out.vcf").read_bytes() == data
    assert "FORMAT other than GT" in refusal(tmp_path, vcf(["1\t1\t.\tA\tC\t.\t.\t.\t."], []))


def test_text_that_is_not_utf8_comes_back(tmp_path):
    data = (
        vcf(["1\t1\t.\tA\tC\t.\t.\tNOTE=Z\tGT\t0|1"], ["a"])
        .replace(b"NOTE=Z", b"NOTE=\xff\xe9")
        .replace(b"tool", b"\xc3")
    )
    write_vcf(tmp_path / "out.vcf", read_bytes(tmp_path, data))
    assert (tmp_path / "out.vcf").read_bytes() == data


def test_a_last_line_without_line_end_is_a_record(tmp_path):
    assert read_bytes(tmp_path, vcf(["1\t1\t.\tA\tC\t.\t.\t.\tGT\t0|1"], ["a"])[:-1]).read().n_variants == 1


def test_other_format_fields_are_refused_by_name_or_dropped_when_asked(tmp_path):
    lines = [
        "1\t1\t.\tA\tC\t.\t.\t.\tGT:DP:GQ\t0|1:3:4\t1|1\t.:.\t./1:7",
        "1\t2\t.\tA\tC\t.\t.\t.\tDP\t3\t4\t5\t.",
        "1\t3\t.\tA\tC\t.\t.\t.\tGT\t0|1\t1|1\t1|0\t0|0",
    ]
    message = refusal(tmp_path, vcf(lines))
    assert "line 18 (1:1)" in message and "DP, GQ" in message and "--drop-format" in message
    cohort = read_bytes(tmp_path, vcf(lines), drop_format=True).read()
    write_vcf(tmp_path / "out.vcf", cohort.to_stream())
    assert (tmp_path / "out.vcf").read_text().splitlines()[-3:] == [
        "1\t1\t.\tA\tC\t.\t.\t.\tGT\t0|1\t1|1\t.\t./1",
        "1\t2\t.\tA\tC\t.\t.\t.\t.\t.\t.\t.\t.",
        lines[2],
    ]


GOOD = "1\t5\t.\tA\tC\t.\t.\t.\tGT\t{}\t0|1"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("0|16129", "above 16128"),
        ("0|100000", "above 16128"),
        ("0|2", "allele 2 in GT and 1 in ALT"),
        ("0|10", "allele 10 in GT and 1 in ALT"),
        ("0|127", "allele 127 in GT and 1 in ALT"),
        ("0|1/0", "mixes / and |"),
        ("|0", "leading phase mark"),
        ("/0/1", "leading phase mark"),
        ("0|", "empty allele"),
        ("", "empty"),
        ("01|1", "leading zeros"),
        ("0:3", "parted by"),
        ("0,1", "parted by"),
        ("A|C", "parted by"),
        ("-1|0", "parted by"),
        ("0|.1", "parted by"),
        ("0|1.", "parted by"),
        (" 0|1", "parted by"),
        ("..", "parted by"),
    ],
)
def test_a_call_that_cannot_be_held_is_refused_with_its_record_and_sample(tmp_path, call, message):
    found = refusal(tmp_path, vcf([GOOD.format("0|0"), GOOD.format(call)], ["s1", "s2"]))
    assert "line 19 (1:5)" in found and message in found
    assert "s1" in found or "in ALT" in found


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1", "has 10 columns and the header has 11"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|0\t0", "has 12 columns and the header has 11"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|0\t0|0", "has 12 columns and the header has 11"),
        ("1\t5\t.\tA\tC\t.", "has 6 columns and the header has 11"),
        ("", "line 19 is blank; remove it"),
        ("1\t5\t\tA\tC\t.\t.\t.\tGT\t0|1\t0|0", "empty column"),
        ("1\tx\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|0", "POS 'x'"),
        ("1\t-5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|0", "POS '-5'"),
        ("1\t05\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|0", "POS '05'"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|0\r", "CR LF"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tDP:GT\t3:0|1\t3:0|0", "GT behind other"),
        ("1\t5\t.\tA\tC\t.\t.\t.\tGT:DP\t0|1:3", "has 10 columns"),
        ("1\t5\t.\tA\tC\t.\t.\t.\t.\t0|1\t0|0", "no FORMAT fields but values"),
    ],
)
def test_a_malformed_record_is_refused_with_its_line(tmp_path, record, message):
    found = refusal(tmp_path, vcf([GOOD.format("0|0"), record], ["s1", "s2"]), drop_format=True)
    assert "line 19" in found and message in found


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\n", "neither VCF nor BCF"),
        (b">a\nACGT\n", "neither VCF nor BCF"),
        (HEADER.encode(), "without a #CHROM"),
        ((HEADER + "1\t5\n" + COLUMNS + "\n").encode(), "without a #CHROM"),
        ((HEADER + COLUMNS.replace("QUAL\t", "") + "\n").encode(), "#CHROM line has"),
        ((HEADER + COLUMNS + "\ts1\ts2\n").encode(), "#CHROM line has"),
        (
            vcf([]).replace(b"\n", b"\r\n", 3),
            "line 4 ends in LF alone and those before it in CR LF, which cannot be held",
        ),
        (vcf([], header=HEADER + "\n"), "line 17 is blank; remove it"),
        (vcf([], ["x", "y", "x"]), "'x' is given twice"),
        (vcf([], ["x", ""]), "empty name"),
        (vcf([], header=HEADER + "##fileformat=VCFv4.1\n"), "second ##fileformat"),
        (
            vcf([], header=HEADER + '##INFO=<ID=AC,Number=1,Type=Float,Description="x">\n'),
            "line 17 contradicts line 9: it says INFO AC is Number=1, Type=Float, line 9 says Number=A, Type=Integer",
        ),
        (
            vcf([], header=HEADER + "##contig=<ID=1,length=7>\n"),
            "it says contig 1 is length=7, line 5 says length=1000",
        ),
        (
            vcf([], header=HEADER.replace("<ID=GT,Number=1", "<ID=GT,Number=2")),
            "FORMAT GT is Number=2, Type=String, VCF says Number=1, Type=String",
        ),
    ],
)
def test_a_file_or_header_that_is_no_vcf_or_contradicts_itself_is_refused(tmp_path, data, message):
    assert message in refusal(tmp_path, data)


def test_a_repeated_definition_that_agrees_is_kept(tmp_path):
    assert read_bytes(tmp_path, vcf([], header=HEADER + "##contig=<ID=1>\n##contig=<ID=chrX,length=9>\n")).samples
    data = vcf(EVERYTHING, header=HEADER + '##INFO=<ID=AC,Number=A,Type=Integer,Description="Other, Number=1">\n')
    write_vcf(tmp_path / "out.vcf", read_bytes(tmp_path, data))
    assert (tmp_path / "out.vcf").read_bytes() == data


def test_bgzf_is_what_htslib_calls_bgzf(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, 40 * BLOCK_BYTES + 17, dtype=np.uint8).tobytes()
    assert gzip.decompress(bgzf(data)) == data
    assert bgzf(b"") == EOF_BLOCK
    if bgzip := shutil.which("bgzip"):
        assert subprocess.run([bgzip, "-dc"], input=bgzf(data), capture_output=True, check=True).stdout == data


@pytest.mark.parametrize("pack", [bgzf, gzip.compress], ids=["bgzf", "gzip"])
def test_every_truncation_of_a_compressed_file_is_refused(tmp_path, pack):
    packed = pack(vcf(EVERYTHING))
    path = tmp_path / "in.vcf.gz"
    for size in {0, 1, 2, 5, 18, 100, len(packed) // 2, *range(len(packed) - 40, len(packed))}:
        path.write_bytes(packed[:size])
        with pytest.raises(InputError, match="truncated|empty|neither"):
            read_vcf(path).read()
    path.write_bytes(packed)
    assert read_vcf(path).read().n_variants == len(EVERYTHING)


def test_a_damaged_compressed_file_is_refused(tmp_path):
    packed = bytearray(bgzf(vcf(EVERYTHING)))
    packed[len(packed) // 2] ^= 1
    (tmp_path / "in.vcf.gz").write_bytes(packed)
    with pytest.raises(InputError):
        read_vcf(tmp_path / "in.vcf.gz").read()


def test_a_damaged_bcf_is_refused_without_noise(tmp_path, capfd):
    pytest.importorskip("cyvcf2")
    records = [line for line in EVERYTHING if ";PASS" not in line]
    write_vcf(tmp_path / "good.bcf", read_bytes(tmp_path, vcf(records)))
    good = gzip.decompress((tmp_path / "good.bcf").read_bytes())
    (tmp_path / "good.bcf").write_bytes(good)
    assert read_vcf(tmp_path / "good.bcf").read().n_variants == len(records)
    for size in (3, 9, 200, len(good) - 1, len(good) - 300):
        (tmp_path / "bad.bcf").write_bytes(good[:size])
        with pytest.raises(InputError, match="BCF"):
            read_vcf(tmp_path / "bad.bcf").read()
    assert capfd.readouterr() == ("", "")


def test_closing_a_stream_early_closes_its_file(tmp_path):
    stream = read_bytes(tmp_path, vcf(EVERYTHING), n_variants=1)
    next(iter(stream))
    stream.close()
    with pytest.raises(ValueError, match="this stream has been read"):
        list(stream)


calls_of_a_record = st.lists(
    st.tuples(st.lists(st.integers(-1, 126) | st.integers(-1, MAX_ALLELE), min_size=1, max_size=4), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(calls_of_a_record)
def test_any_calls_come_back_from_their_text(calls):
    ploidy = max(len(alleles) for alleles, _ in calls)
    alleles = narrow(np.array([[*a, *[FILL] * (ploidy - len(a))] for a, _ in calls]))
    phased = np.array([flag and len(a) > 1 for a, flag in calls])
    (text,) = format_calls(alleles[None], phased[None])
    expected = ["/|"[flag].join("." if x < 0 else str(x) for x in a) for a, flag in calls]
    assert text.decode() == "\t".join(expected) + "\n"
    got_alleles, got_phased = parse_any(text[:-1], len(calls))
    np.testing.assert_array_equal(got_alleles, alleles)
    np.testing.assert_array_equal(got_phased, phased)


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=8, max_size=8) | st.text("01.|/\t", min_size=7, max_size=7).map(lambda s: s.encode() + b"\n"))
def test_the_fast_parser_takes_only_what_the_general_one_reads_alike(text):
    alleles, phased, good = parse_simple([text], 2)
    if good[0]:
        assert text[-1:] == b"\n"
        expected_alleles, expected_phased = parse_any(text[:-1], 2)
        np.testing.assert_array_equal(alleles[0], expected_alleles)
        np.testing.assert_array_equal(phased[0], expected_phased)


@pytest.mark.parametrize("text", [b"0|0\t0|1\t", b"0|0\n0|1\n", b"0|0\t0-1\n", b"0|0\t0|:\n", b"0|0\t/|1\n"])
def test_the_fast_parser_leaves_a_misplaced_byte_to_the_general_one(text):
    assert parse_simple([b"0|0\t.|1\n"], 2)[2].all()
    assert not parse_simple([text], 2)[2].any()


def test_calls_in_blocks_of_different_ploidy_are_one_cohort(tmp_path):
    cohort = read_bytes(tmp_path, vcf(EVERYTHING), n_variants=2).read()
    assert cohort.ploidy == 4
    assert first_difference(cohort, read_vcf(tmp_path / "in.vcf")) is None


def test_arrays_can_be_written_and_read_back(tmp_path):
    rng = np.random.default_rng(9)
    cohort = Cohort.from_arrays(rng.integers(-1, 4, (50, 7, 2)), phased=rng.random((50, 7)) < 0.5)
    write_vcf(tmp_path / "out.vcf.gz", cohort.to_stream(9))
    assert first_difference(cohort, read_vcf(tmp_path / "out.vcf.gz")) is None
    assert isinstance(read_vcf(tmp_path / "out.vcf.gz").read().sites, Sites)
