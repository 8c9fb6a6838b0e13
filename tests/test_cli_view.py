# SPDX-License-Identifier: Apache-2.0
"""Selections of `fastae view`: whatever is asked for, bcftools gives the same lines."""

import gzip
import shutil
import subprocess

import numpy as np
import pytest
from test_shared_data import data_file

from fastae.archive import open_archive, write_archive
from fastae.cli import main
from fastae.io import read_cohort

pytestmark = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")

LINES = [
    "1\t10\t.\tACGT\tA\t.\t.\tAC=9\tGT\t0/1\t0/0\t1/1",
    "1\t12\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0/0\t1/1",
    "1\t20\t.\tA\t<DEL>\t.\t.\tEND=40\tGT\t0/1\t0/0\t1/1",
    "1\t30\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\t1/1",
    "1\t35\t.\tA\tAT\t.\t.\t.\tGT\t0/1\t./.\t1/1",
    "1\t1000\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\t1/1",
    "X\t5\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\t1/1",
    "X\t9\t.\tAT\tA\t.\t.\t.\tGT\t0/1\t0/0\t1/1",
    "3\t7\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\t1/1",
]
HEADER = """\
##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##contig=<ID=1>
##contig=<ID=X>
##contig=<ID=3>
##contig=<ID=unused>
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Count">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc
"""


def bgzipped(plain, path):
    subprocess.run(["bcftools", "view", "--no-version", "-Oz", "-o", path, plain], check=True, capture_output=True)
    subprocess.run(["bcftools", "index", "-f", path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with an archive of a few awkward records, cohort.fae, the same as cohort.vcf.gz, and lists."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "cohort.vcf").write_text(HEADER + "\n".join(LINES) + "\n")
    bgzipped(folder / "cohort.vcf", folder / "cohort.vcf.gz")
    assert main(["compress", str(folder / "cohort.vcf"), str(folder / "cohort.fae"), "--predictor", "frequency"]) == 0
    lists = {
        "r.bed": "X\t4\t5\n1\t9\t12\n",
        "R.BED": "1\t11\t12\textra\n",
        "r.txt": "X\t4\t5\n1\t9\t12\n",
        "points.txt": "1\t12\n1\t30\t40\n",
        "ids.txt": "1\t12\t.\n1\t20\trs20\n",
        "crlf.txt": "1\t5\t12\r\nX\t1\t9\r\n",
        "no_newline.txt": "1\t12\nX\t9",
        "elsewhere.txt": "22\t1\t5\n",
        "sites.vcf": HEADER + LINES[0] + "\n" + LINES[7] + "\n",
        "people.txt": "c\na\n",
        "people_crlf.txt": "b\r\na\r\n",
    }
    for name, text in lists.items():
        (folder / name).write_text(text, newline="")
    for name in ("r.bed", "r.txt", "sites.vcf", "people.txt"):
        (folder / f"{name}.gz").write_bytes(gzip.compress(lists[name].encode()))
    return folder


@pytest.fixture
def view(capfdbinary, monkeypatch):
    """What `fastae view` and `bcftools view -I` make of the same arguments in a folder: if all went well, and lines."""

    def both(folder, *args):
        monkeypatch.chdir(folder)
        try:
            status = main(["view", "cohort.fae", *args])
        except SystemExit as wrong_usage:
            status = wrong_usage.code
        ours = capfdbinary.readouterr().out
        command = ["bcftools", "view", "-I", "--no-version", *args, "cohort.vcf.gz"]
        theirs = subprocess.run(command, capture_output=True)
        return [
            (status == 0, [line for line in text.splitlines() if not line.startswith(b"##")])
            for status, text in ((status, ours), (theirs.returncode, theirs.stdout))
        ]

    return both


SELECTIONS = [
    "-r X,1:10", "-r 3,X,1", "-r 1:30,1:12-13", "-r 1:13", "-r 1:25,1:33", "-r 1:25,1:33,1:21-22", "-r 1:30-",
    "-r 1:10,", "-r unused", "-r 1:13 --regions-overlap pos", "-r 1:13 --regions-overlap 1", "-t 1:25",
    "-r 1:1.2e1-30", "-r 1:1e1", "-r 1:10-30,1:12,1:25-1000", "-t 1:25 --targets-overlap 1",
    "-t 1:30,1:12", "-t ^1", "-t ^1:10-30", "-t ^X,Y,MT", "-t X,3 -r 1,X", "-r 1 -t ^1:12-30", "-R r.bed -t 1",
    *(f"-{letter} {name}" for letter in "RT" for name in ("r.bed", "R.BED", "r.bed.gz", "r.txt", "r.txt.gz",
      "points.txt", "ids.txt", "crlf.txt", "no_newline.txt", "elsewhere.txt", "sites.vcf", "sites.vcf.gz")),
    "-T ^r.bed", "-T ^points.txt", "-T ^sites.vcf --targets-overlap record",
    "-s b,a", "-s ^b", "-s b,zz --force-samples", "-s ^zz,a --force-samples", "-s ^a,b,c", "-s zz --force-samples",
    "-S people.txt", "-S people.txt.gz", "-S ^people.txt", "-S people_crlf.txt",
    "-G", "-G -s a", "-h", "-h -s b", "-h -G", "-H", "-H -s c,b -r 1", "-H -r unused",
]  # fmt: skip


@pytest.mark.parametrize("selection", SELECTIONS)
def test_view_prints_what_bcftools_prints(tiny, view, selection):
    ours, theirs = view(tiny, *selection.split())
    assert theirs[0]
    assert ours == theirs


@pytest.mark.parametrize(
    "order", ["cohort.fae 1:12 X:9 -H -s a", "-H -s a cohort.fae 1:12 X:9", "cohort.fae -H -s a 1:12 X:9"]
)
def test_regions_stand_behind_the_archive_wherever_options_are(tiny, capfd, monkeypatch, order):
    monkeypatch.chdir(tiny)
    assert main(["view", *order.split()]) == 0
    assert [line.split("\t")[:2] for line in capfd.readouterr().out.splitlines()] == [
        ["1", "10"],
        ["1", "12"],
        ["X", "9"],
    ]
    assert main(["view", "cohort.fae", "1:12", "-R", "r.bed"]) == 1
    assert "choose one of the two" in capfd.readouterr().err


@pytest.mark.parametrize("selection", ["-h", "-G", "-h -s c,a", "-s ^a,b,c"])
def test_headers_are_those_of_bcftools_line_by_line(tiny, capfd, monkeypatch, selection):
    monkeypatch.chdir(tiny)
    assert main(["view", "cohort.fae", *selection.split()]) == 0
    command = ["bcftools", "view", "-I", "--no-version", *selection.split(), "cohort.vcf.gz"]
    assert capfd.readouterr().out == subprocess.run(command, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "selection",
    ["-s zz", "-s ^zz", "-s b,b", "-s a,b,a", "-S absent", "-R absent", "-r 1:a", "-S people.txt -s a"],
)
def test_view_refuses_what_bcftools_refuses(tiny, view, selection):
    ours, theirs = view(tiny, *selection.split())
    assert not ours[0] and not theirs[0]
    assert ours[1] == []


def overlapping(rng, path):
    """A VCF of records that reach over their neighbours, several at a position."""
    rows = []
    for chrom, n in (("1", 150), ("X", 60), ("3", 30)):
        for pos in np.sort(rng.integers(1, 400, n)).tolist():
            size = int(rng.choice([1, 1, 1, 5, 30]))
            end = f"END={pos + rng.integers(0, 60)}" if size == 1 and rng.random() < 0.2 else "."
            calls = "\t".join(f"{a}/{b}" for a, b in rng.integers(0, 2, (3, 2)))
            rows.append(f"{chrom}\t{pos}\t.\t{'A' * size}\tC\t.\t.\t{end}\tGT\t{calls}")
    path.write_text(HEADER + "\n".join(rows) + "\n")


def random_selection(rng, folder, spans, samples):
    """Arguments of `view`: some regions or targets, by hand or in a file, and some samples."""

    def regions(n):
        for _ in range(n):
            chrom = str(rng.choice(list(spans)))
            low, high = spans[chrom]
            first = int(rng.integers(low, high))
            yield chrom, first, first + int(rng.integers(0, (high - low) // 8 + 1))

    args = []
    for option in ("r", "t"):
        kind = rng.integers(0, 4 if option == "t" else 3)
        caret = "^" if option == "t" and rng.random() < 0.5 else ""
        wanted = list(regions(int(rng.integers(1, 8))))
        if kind == 0:
            args += [f"-{option}", caret + ",".join(f"{chrom}:{first}-{last}" for chrom, first, last in wanted)]
        elif kind == 1:
            name = f"{option}.bed"
            (folder / name).write_text("".join(f"{chrom}\t{first - 1}\t{last}\n" for chrom, first, last in wanted))
            args += [f"-{option.upper()}", caret + name]
        elif kind == 2:
            name = f"{option}.txt"
            (folder / name).write_text("".join(f"{chrom}\t{first}\t{last}\n" for chrom, first, last in wanted))
            args += [f"-{option.upper()}", caret + name]
    chosen = rng.choice(samples, int(rng.integers(1, len(samples))), replace=False).tolist()
    caret = "^" if rng.random() < 0.5 else ""
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in chosen))
    return args + [["-s", caret + ",".join(chosen)], ["-S", caret + "names.txt"], []][rng.integers(0, 3)]


@pytest.mark.parametrize("cohort", ["overlapping", "cattle_bta12", "humanorigins249"])
def test_view_takes_random_selections_as_bcftools_does(tmp_path, view, rng, cohort):
    if cohort == "overlapping":
        overlapping(rng, tmp_path / "cohort.vcf")
    else:
        with gzip.open(data_file(f"{cohort}.vcf.gz")) as source:
            lines = source.readlines()
        head = [line for line in lines if line.startswith(b"#")]
        records = lines[len(head) :: 5]  # from all chromosomes
        (tmp_path / "cohort.vcf").write_bytes(b"".join(head + records))
    bgzipped(tmp_path / "cohort.vcf", tmp_path / "cohort.vcf.gz")
    archive = tmp_path / "cohort.fae"
    write_archive(archive, read_cohort(tmp_path / "cohort.vcf"), predictor="frequency", block_variants=37)
    with open_archive(archive) as opened:
        spans = {}
        for _, windows in opened.windows:
            for chrom, first, last in windows:
                low, high = spans.get(chrom, (first, last))
                spans[chrom] = min(low, first), max(high, last)
        samples = opened.samples
    n_records = []
    for _ in range(20):
        args = random_selection(rng, tmp_path, spans, samples)
        ours, theirs = view(tmp_path, *args)
        assert ours == theirs, args
        n_records.append(len(ours[1]))
    assert len(set(n_records)) > 5  # selections differ, and are not all empty


@pytest.mark.parametrize(
    ("selection", "said"),
    [("-h", "-h, -H and -G"), ("-H", "-h, -H and -G"), ("-G", "-h, -H and -G"), ("-s ^a,b", "none")],
)
def test_sequences_are_not_viewed_without_any(tmp_path, capfd, selection, said):
    (tmp_path / "in.fa").write_text(">a\nACGT\n>b\nACGA\n")
    assert main(["compress", str(tmp_path / "in.fa"), str(tmp_path / "in.fae")]) == 0
    assert main(["view", str(tmp_path / "in.fae"), "-s", "^a", "-t", "^alignment:2-3"]) == 0
    assert capfd.readouterr().out == ">b\nAA\n"
    assert main(["view", str(tmp_path / "in.fae"), *selection.split()]) == 1
    shown = capfd.readouterr()
    assert said in shown.err and shown.out == ""
