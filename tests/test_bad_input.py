# SPDX-License-Identifier: Apache-2.0
"""Bad input at the command line: one sentence, exit status 1, old files as they were, no partial output."""

import gzip
import os
import re
import resource
import shutil
import subprocess
import sys

import pytest
from vcftext import EVERYTHING, HEADER, vcf

from fastae.archive.container import MAGIC
from fastae.cli import main
from fastae.io.bgzf import BgzfWriter

ROW = "1\t{}\t.\tA\tC\t.\t.\t.\tGT\t0|1\t1|1\t0|0\t./."


def snapshot(folder):
    """Every path under a folder with the bytes of its file, None for what is no file."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def refused(tmp_path, capfd):
    """Runs a command that must fail as it should, and gives its sentence."""

    def run(*args):
        before = snapshot(tmp_path)
        assert main([str(arg) for arg in args]) == 1
        out, err = capfd.readouterr()
        err = re.sub(r"\Afastae: note: reading .*\n", "", err)
        assert out == ""
        assert err.startswith("fastae: ") and err.count("\n") == 1 and err.endswith("\n")
        assert snapshot(tmp_path) == before
        return err

    return run


@pytest.fixture(scope="module")
def good_archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    (folder / "in.vcf").write_bytes(vcf([ROW.format(i) for i in range(1, 40)]))
    assert main(["compress", str(folder / "in.vcf"), str(folder / "in.fae")]) == 0
    return folder / "in.fae"


def bgzf(path, data):
    with open(path, "wb") as file, BgzfWriter(file) as writer:
        writer.write(data)
    return path.read_bytes()


COHORTS = {
    "an empty file": (b"", "empty"),
    "not a VCF": (b"II*\x00 something else", "none of VCF, BCF, FASTA"),
    "text": (b"sample\tgenotype\n", "none of VCF, BCF, FASTA"),
    "a header without columns": (HEADER.encode(), "#CHROM"),
    "a truncated gzip": (gzip.compress(vcf(EVERYTHING))[:-20], "truncated"),
    "a gzip of nothing": (gzip.compress(b""), "empty"),
    "a BCF that is none": (b"BCF\x02\x02garbage", "BCF"),
    "a ragged record": (vcf([ROW.format(1), ROW.format(2) + "\t0|0"]), "line 19 (1:2) has 14 columns"),
    "a short record": (vcf([ROW.format(1), ROW.format(2)[:-4]]), "line 19 (1:2) has 12 columns"),
    "a contradictory header": (vcf([], header=HEADER + "##contig=<ID=1,length=5>\n"), "contradicts"),
    "an allele beyond ALT": (vcf([ROW.format(1).replace("1|1", "1|2")]), "allele 2 in GT and 1 in ALT"),
    "a sample twice": (vcf([], ["a", "b", "a"]), "'a' is given twice"),
    "CR LF": (vcf([ROW.format(1)])[:-1] + b"\r\n", "CR LF"),
    "other FORMAT fields": (vcf([ROW.format(1).replace("GT", "GT:PL")]), "PL"),
    "a blank line": (vcf([ROW.format(1), "", ROW.format(2)]), "line 19 is blank; remove it"),
    "an archive": (MAGIC + b"...", "this is an archive"),
    "long and odd values": (
        vcf([ROW.format("\x1b[31m" + 999 * "9")]),
        f"has POS '\\x1b[31m{191 * '9'}...999",
    ),
    "sequences that are not aligned": (b">a\nACGT\n>b\nACG\n", "aligned"),
}


@pytest.mark.parametrize("name", COHORTS)
def test_compress_refuses(tmp_path, refused, name):
    data, message = COHORTS[name]
    (tmp_path / "in").write_bytes(data)
    assert message in refused("compress", tmp_path / "in", tmp_path / "new.fae")
    (tmp_path / "old.fae").write_bytes(b"old")
    assert message in refused("compress", tmp_path / "in", tmp_path / "old.fae")


def test_an_error_after_the_first_block_leaves_nothing_behind(tmp_path, refused):
    rows = [ROW.format(i) for i in range(1, 9000)]
    (tmp_path / "in.vcf").write_bytes(vcf([*rows, rows[0] + "\t0|0"]))
    assert "has 14 columns" in refused("compress", tmp_path / "in.vcf", tmp_path / "out.fae")


@pytest.mark.parametrize("size", [0.1, 0.5, 0.9])
def test_compress_refuses_a_truncated_bgzip(tmp_path, refused, size):
    whole = bgzf(tmp_path / "in.vcf.gz", vcf([ROW.format(i) for i in range(1, 9000)]))
    (tmp_path / "in.vcf.gz").write_bytes(whole[: int(size * len(whole))])
    assert "truncated" in refused("compress", tmp_path / "in.vcf.gz", tmp_path / "out.fae")


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_a_missing_file_or_a_directory_is_no_input(tmp_path, refused, command):
    assert "nope: No such file" in refused(command, tmp_path / "nope", tmp_path / "out")
    (tmp_path / "folder").mkdir()
    assert "irectory" in refused(command, tmp_path / "folder", tmp_path / "out")


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_an_output_that_cannot_be_is_refused(tmp_path, refused, good_archive, command):
    source = tmp_path / ("in.vcf" if command == "compress" else "in.fae")
    shutil.copy(good_archive.with_suffix(source.suffix), source)
    assert "is the input" in refused(command, source, source)
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "hard").hardlink_to(source)
    assert "is the input" in refused(command, source, tmp_path / "link")
    assert "is the input" in refused(command, source, tmp_path / "hard")
    (tmp_path / "folder").mkdir()
    assert "is a directory" in refused(command, source, tmp_path / "folder")
    assert "no directory" in refused(command, source, tmp_path / "absent" / "out")
    assert "ends in / is a directory" in refused(command, source, f"{tmp_path}/new/")
    assert "the output has an empty name" in refused(command, source, "")
    if os.geteuid() != 0:  # root may write anywhere
        (tmp_path / "folder").chmod(0o500)
        assert "cannot be written" in refused(command, source, tmp_path / "folder" / "out")
        (tmp_path / "folder").chmod(0o700)


def test_an_archive_does_not_go_to_standard_output(refused, good_archive):
    assert "standard output" in refused("compress", good_archive.with_suffix(".vcf"), "-")


@pytest.mark.parametrize("name", ["out.fae", "out.vcf", "out.vcf.gz", "out.bcf"])
def test_a_disk_that_fills_up_leaves_no_partial_output(tmp_path, good_archive, name):
    if name.endswith("bcf"):
        pytest.importorskip("cyvcf2")
    command, source = (
        ("compress", good_archive.with_suffix(".vcf")) if name == "out.fae" else ("decompress", good_archive)
    )
    (tmp_path / name).write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-m", "fastae", command, "-q", source, tmp_path / name],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
    assert os.fsencode(tmp_path / name) in done.stderr
    assert snapshot(tmp_path) == {tmp_path / name: b"old"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("args", [["info"], ["verify"], ["view"], ["view", "-O", "z"]], ids=" ".join)
def test_a_full_standard_output_is_one_sentence(good_archive, args):
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "fastae", *args, good_archive]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"fastae: standard output: No space left on device\n")


COMMANDS = (["decompress", None, "out.vcf"], ["view", None, "-o", "out.vcf"], ["verify", None], ["info", None])


def on(archive, command, tmp_path):
    return [archive if arg is None else tmp_path / arg if arg.startswith("out") else arg for arg in command]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_what_is_no_archive_is_refused(tmp_path, refused, good_archive, command):
    wrong = tmp_path / "wrong.fae"
    for data in (b"", b"x", vcf(EVERYTHING), b"\x00" * 5000, b"X" + good_archive.read_bytes()[1:]):
        wrong.write_bytes(data)
        assert "wrong.fae" in refused(*on(wrong, command, tmp_path))


@pytest.mark.parametrize("command", COMMANDS[::2], ids=lambda command: command[0])
def test_an_archive_cut_short_anywhere_is_refused(tmp_path, refused, good_archive, command):
    data = good_archive.read_bytes()
    for size in range(0, len(data), max(len(data) // 200, 1)):
        (tmp_path / "cut.fae").write_bytes(data[:size])
        refused(*on(tmp_path / "cut.fae", command, tmp_path))


@pytest.mark.parametrize("command", COMMANDS[::2], ids=lambda command: command[0])
def test_an_archive_with_a_flipped_bit_anywhere_is_refused(tmp_path, refused, good_archive, command):
    data = good_archive.read_bytes()
    for at in range(0, len(data), max(len(data) // 200, 1)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        (tmp_path / "flipped.fae").write_bytes(flipped)
        refused(*on(tmp_path / "flipped.fae", command, tmp_path))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-s", ""], "-s names no samples"),
        (["-S", os.devnull], f"{os.devnull} names no samples"),
        (["-s", "a,nobody"], "no sample 'nobody'"),
        (["-s", "a,a"], "more than once"),
        (["-S", "absent.txt"], "absent.txt: No such file"),
        (["-r", "7"], "region '7'"),
        (["-r", "1:9-3"], "ends before it starts"),
        (["-r", "1:a-b"], "region '1:a-b'"),
    ],
)
def test_view_refuses_what_is_not_there(refused, good_archive, args, message):
    assert message in refused("view", good_archive, *args)


@pytest.mark.parametrize(
    "args",
    [["decompress", "-", "out"], ["view", "-"], ["info", "-"], ["verify", "-"]],
    ids=" ".join,
)
def test_standard_input_is_refused_by_name(capfd, args):
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2
    assert "standard input cannot be read; give the name of a file" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["out.vcf", "out.VCF.GZ", "out.bcf"])
def test_sequences_are_not_written_as_vcf(tmp_path, refused, name):
    (tmp_path / "in.fa").write_bytes(b">a\nACG\n>b\nACC\n")
    assert main(["compress", str(tmp_path / "in.fa"), str(tmp_path / "in.fae")]) == 0
    assert "FASTA sequences, which are not written as" in refused("decompress", tmp_path / "in.fae", tmp_path / name)
    assert "asked for as alignment:FROM-TO" in refused("view", tmp_path / "in.fae", "-r", "1:1-2")
