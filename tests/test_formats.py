# SPDX-License-Identifier: Apache-2.0
"""Formats are recognised by content and name, files read once from pipes and standard input, nothing is lost unsaid."""

import contextlib
import gzip
import io
import os
import shutil
import subprocess
import sys
import threading

import pytest
from vcftext import EVERYTHING, vcf

from fastae import InputError, first_difference, read_cohort, write_cohort
from fastae import open as open_archive
from fastae.cli import main
from fastae.io.bgzf import EOF_BLOCK, BgzfWriter
from fastae.io.formats import FORMATS, open_cohort, output_format
from fastae.io.vcf import write_vcf

SIMPLE = "1\t{}\trs{}\tA\tC\t.\t.\t.\tGT\t0/1\t1/1\t0/0\t./."
FASTA = b">a\nACGTN-\n>b\nacgtry\n"


def bgzf(data):
    file = io.BytesIO()
    with BgzfWriter(file) as writer:
        writer.write(data)
    return file.getvalue()


@pytest.fixture(scope="module")
def simple():
    """A VCF that every format holds."""
    header = '##fileformat=VCFv4.2\n##FILTER=<ID=PASS,Description="All filters passed">\n##contig=<ID=1>\n'
    header += '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    return vcf([SIMPLE.format(i, i) for i in range(1, 30)], header=header)


@contextlib.contextmanager
def piped(path, data):
    """A named pipe that gives some bytes, some at a time."""
    os.mkfifo(path)

    def feed():
        with contextlib.suppress(BrokenPipeError), open(path, "wb", buffering=0) as file:
            for start in [0, *range(1, 20), *range(20, len(data), 5000)]:
                stop = start + 1 if start < 19 else 20 if start == 19 else start + 5000
                file.write(data[start:stop])

    thread = threading.Thread(target=feed)
    thread.start()
    yield path
    thread.join()


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "fasta"])
def test_every_format_is_recognised_by_its_contents_and_says_the_same(tmp_path, simple, name):
    for package in {"bed": ["bed_reader"], "pgen": ["pgenlib"], "zarr": ["zarr"], "bcf": ["cyvcf2"]}.get(name, []):
        pytest.importorskip(package)
    (tmp_path / "in.vcf").write_bytes(simple)
    cohort = read_cohort(tmp_path / "in.vcf").read()
    path = tmp_path / f"out{FORMATS[name].endings[0]}"
    lossy = {"lossy": True} if name == "npy" else {}
    with pytest.warns() if lossy else contextlib.nullcontext():
        write_cohort(path, cohort.to_stream(), **lossy)
    stream, title = open_cohort(path)
    back = stream.read()
    assert title.startswith(FORMATS[name].title)
    assert (back.call_genotype == cohort.call_genotype).all()
    if name != "npy":
        assert (back.samples, back.sites.columns()[2:]) == (cohort.samples, cohort.sites.columns()[2:])
        assert (back.call_genotype_phased == cohort.call_genotype_phased).all()
    if not FORMATS[name].companions:  # whose other files are found by the name
        plain = tmp_path / "renamed"
        path.rename(plain)
        assert open_cohort(plain)[1] == title or name == "zarr"
    else:
        for other in (tmp_path / "out", *(path.with_suffix(ending) for ending in FORMATS[name].companions)):
            assert open_cohort(other)[1] == title


@pytest.mark.parametrize(
    ("data", "title"),
    [(bytes, "VCF"), (gzip.compress, "VCF in gzip"), (bgzf, "VCF in BGZF")],
    ids=["plain", "gzip", "bgzf"],
)
@pytest.mark.parametrize("last", [b"\n", b""], ids=["ended", "not ended"])
def test_a_vcf_in_a_pipe_is_read_once_and_comes_back(tmp_path, data, title, last):
    whole = vcf(EVERYTHING)[:-1] + last
    with piped(tmp_path / "pipe", data(whole)) as path:
        stream, found = open_cohort(path)
        write_vcf(tmp_path / "out.vcf", stream)
    assert found == title
    assert (tmp_path / "out.vcf").read_bytes() == whole


def test_a_fasta_and_a_bcf_in_a_pipe_are_read(tmp_path):
    with piped(tmp_path / "a", gzip.compress(FASTA)) as path:
        write_cohort(tmp_path / "out.fa", read_cohort(path))
    assert (tmp_path / "out.fa").read_bytes() == FASTA
    pytest.importorskip("cyvcf2")
    (tmp_path / "in.vcf").write_bytes(vcf([SIMPLE.format(i, i) for i in range(1, 30)]))
    write_cohort(tmp_path / "in.bcf", read_cohort(tmp_path / "in.vcf"))
    with piped(tmp_path / "b", (tmp_path / "in.bcf").read_bytes()) as path:
        assert first_difference(read_cohort(tmp_path / "in.bcf"), read_cohort(path)) is None


@pytest.mark.parametrize("size", [-1, -len(EOF_BLOCK), -200])
def test_a_truncated_bgzf_in_a_pipe_is_found_at_its_end(tmp_path, size):
    data = bgzf(vcf([SIMPLE.format(i, i) for i in range(1, 20_000)]))
    with (
        piped(tmp_path / "pipe", data[:size]) as path,
        read_cohort(path) as stream,
        pytest.raises(InputError, match="pipe: the file is truncated"),
    ):
        stream.read()


def test_what_is_no_stream_is_refused_from_a_pipe(tmp_path):
    with (
        piped(tmp_path / "pipe", b"\x93NUMPY\x01\x00v\x00{'descr'") as path,
        pytest.raises(InputError, match="npy is not read from a stream; give the name of a file"),
    ):
        read_cohort(path)
    (tmp_path / "a.npy").write_bytes(gzip.compress(b"\x93NUMPY\x01\x00v\x00{'descr'"))
    with pytest.raises(InputError, match="it is in gzip: unpack it"):
        read_cohort(tmp_path / "a.npy")


def fastae(*args, stdin=b"", **more):
    command = [sys.executable, "-m", "fastae", *map(str, args)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, **more)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bgzf], ids=["plain", "gzip", "bgzf"])
def test_standard_input_is_compressed_and_standard_output_written(tmp_path, pack):
    whole = vcf(EVERYTHING)[:-1]
    assert fastae("compress", "-q", "-", tmp_path / "a.fae", stdin=pack(whole)).stderr == b""
    assert fastae("decompress", tmp_path / "a.fae", "-").stdout == whole
    assert fastae("view", tmp_path / "a.fae", "--format", "vcf").stdout == whole + b"\n"


def test_bcftools_and_fastae_pipe_into_each_other(tmp_path):
    if not shutil.which("bcftools"):
        pytest.skip("bcftools is not here")
    pytest.importorskip("cyvcf2")
    (tmp_path / "in.vcf").write_bytes(vcf([SIMPLE.format(i, i) for i in range(1, 30)]))
    python = f"{sys.executable} -m fastae"
    script = (
        f"bcftools view --no-version -Ou in.vcf | {python} compress - a.fae && "
        f"{python} view a.fae --format bcf | bcftools view --no-version > out.vcf && "
        f"{python} compress <(bcftools view --no-version in.vcf) b.fae && "
        "bcftools view --no-version in.vcf > expected.vcf"
    )
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.vcf").read_bytes() == (tmp_path / "expected.vcf").read_bytes()
    with open_archive(tmp_path / "a.fae") as one, open_archive(tmp_path / "b.fae") as other:
        assert first_difference(one.stream(), other.stream()) is None


@pytest.mark.parametrize("stdin", [b"", bgzf(vcf(EVERYTHING))[:-28], b"text\n"], ids=["nothing", "truncated", "text"])
def test_bad_standard_input_is_named_and_leaves_no_archive(tmp_path, stdin):
    done = fastae("compress", "-", tmp_path / "a.fae", stdin=stdin)
    assert done.returncode == 1 and done.stderr.startswith(b"fastae: standard input: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_an_archive_is_not_written_to_standard_output(tmp_path, name):
    (tmp_path / "in.vcf").write_bytes(vcf(EVERYTHING))
    done = fastae("compress", tmp_path / "in.vcf", name)
    assert (done.returncode, done.stdout) == (1, b"") and b"not to standard output" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["decompress", "a.fae", "-", "--format", "bed"], "is written to a file, not to standard output"),
        (["decompress", "a.fae", "out.bed", "-O", "z"], "-O is of VCF and BCF"),
        (["decompress", "a.fae", "out.vcf", "--format", "fasta"], "not written as FASTA"),
        (["decompress", "a.fae", "out.npy"], "cannot hold sample names"),
        (["compress", "in.vcf", "b.fae", "--latent-bits", "3"], "give --latents M, too"),
        (["compress", "in.vcf", "b.fae", "--format", "fasta"], "this is not FASTA"),
    ],
)
def test_options_that_contradict_are_refused(tmp_path, monkeypatch, capsys, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.vcf").write_bytes(vcf(EVERYTHING))
    assert main(["compress", "in.vcf", "a.fae"]) == 0
    assert main(args) == 1
    assert message in capsys.readouterr().err
    assert sorted(os.listdir()) == ["a.fae", "in.vcf"]


def test_a_directory_of_no_format_is_no_input(tmp_path):
    with pytest.raises(IsADirectoryError):
        read_cohort(tmp_path)


@pytest.mark.parametrize(
    ("name", "format"),
    [("A.VCF.GZ", "vcf"), ("a.bcf", "bcf"), ("x.fna.gz", "fasta"), ("a.pvar", "pgen"), ("a.vcz", "zarr"), ("-", None)],
)
def test_the_ending_of_a_name_asks_for_a_format(name, format):
    found = output_format(name)
    assert (found.name if found else None) == format


def test_a_format_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="'gff', expected one of vcf, bcf"):
        read_cohort(tmp_path / "x", format="gff")
