# SPDX-License-Identifier: Apache-2.0
"""What may be asked of a command by mistake: one sentence that names it and says what to do, and nothing written."""

import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from vcftext import vcf

import fastae
from fastae.cli import main


def rows(n):
    """Records of four people, the last never called."""
    return [f"1\t{i}\trs{i}\tA\tC\t.\t.\t.\tGT\t0|1\t{i % 2}|1\t0|{i // 7 % 2}\t./." for i in range(1, n + 1)]


ROWS = rows(60)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files of every kind that commands read and write."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "c.vcf").write_bytes(vcf(ROWS))
    (folder / "nobody.vcf").write_bytes(vcf([row.split("\tGT")[0] for row in ROWS], []))
    (folder / "nowhere.vcf").write_bytes(vcf([]))
    (folder / "aligned.fa").write_bytes(b">a\nACG\n>b\nACC\n")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (folder / "tools.tsv").write_text("tool\tbytes\nplink\t900\n")
    (folder / "empty").touch()
    (folder / "dir").mkdir()
    for command in (
        ["compress", "c.vcf", "c.fae", "--latents", "2"],
        ["compress", "aligned.fa", "aligned.fae"],
        ["latents", "c.fae", "-o", "z.npz"],
        ["train", "c.vcf", "-o", "m.model", "--epochs", "1", "--latents", "1", "--hidden", "2"],
    ):
        assert main([*(f"{folder}/{word}" if "." in word else word for word in command), "-q"]) == 0
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of these files, the current directory."""
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def snapshot(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def refused(here, capfd):
    """Runs a command that has to fail with the status, 1 or, for wrong usage, 2; gives its sentence."""

    def run(command, status=1):
        before = snapshot(here)
        words = command.split(" ") if isinstance(command, str) else command
        try:
            assert main(words) == status
        except SystemExit as wrong_usage:
            assert wrong_usage.code == status == 2
        out, told = capfd.readouterr()
        sentences = [line for line in told.splitlines() if line.startswith("fastae") and ": note: " not in line]
        assert out == "" and len(sentences) == 1 and told.endswith(f"{sentences[0]}\n")
        assert told.startswith("usage: " if status == 2 else "fastae: ")
        assert snapshot(here) == before
        return sentences[0]

    return run


NO_ARCHIVE = {
    "empty": "empty is not a fastae archive",
    "dir": "dir is a directory, an archive is a file",
    "c.vcf": "c.vcf: this is VCF and no archive; `fastae compress` makes one of it",
    "z.npz": "z.npz: this is NumPy's .npz and no archive",
    "m.model": "m.model is not a fastae archive",
    "picture.png": "picture.png is not a fastae archive",
    "/dev/null": "/dev/null is a pipe or a device, an archive is read by pieces from a file; write it to one first",
    "absent": "absent: No such file or directory",
    "memory://a.fae": "memory://a.fae: a command has nothing in its memory yet; give the name of a file",
    "-": "standard input cannot be read; give the name of a file",
    "": "the name is empty; give the name of a file",
}


@pytest.mark.parametrize(
    "command", ["view {}", "decompress {} out.vcf", "info {}", "verify {}", "latents {}", "subset {} -o out.fae"]
)
@pytest.mark.parametrize("name", NO_ARCHIVE)
def test_what_is_no_archive_is_named_as_what_it_is(refused, command, name):
    status = 2 if name in ("", "-") or name.startswith("memory:") else 1
    assert NO_ARCHIVE[name] in refused([name if word == "{}" else word for word in command.split()], status)


OTHER_FILES = [
    *(f"{command} {{}}{more}" for command, more in (("compress", " o.fae"), ("sweep", ""), ("train", " -o o.model"))),
    *("verify c.fae {}", "concat c.fae {} -o o.fae"),
    *(f"plot {kind} {{}} -o o.png" for kind in ("latents", "bits", "history", "front", "sizes")),
    *("plot sizes tools.tsv --archive {} -o o.png", "plot latents c.fae --labels {} -o o.png"),
    *("view c.fae -R {}", "view c.fae -T {}", "view c.fae -S {}", "info c.fae --html o.html --sizes {}"),
    *("info c.fae --html o.html --history {}", "info c.fae --html o.html --front {}"),
]


@pytest.mark.parametrize("command", OTHER_FILES)
@pytest.mark.parametrize("name", ["empty", "dir", "picture.png", "m.model", "/dev/null", "absent"])
def test_files_of_another_kind_are_refused_by_name(refused, command, name):
    if "plot" in command or "html" in command:
        pytest.importorskip("matplotlib")
    sentence = refused(command.format(name))
    assert name in sentence and "codec" not in sentence


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "view c.fae -o out.xyz",
            "out.xyz: the ending tells no format; give one of .vcf, .vcf.gz, .vcf.bgz, .bcf, .bed,",
        ),
        ("view c.fae -o out", "or name the format (--format)"),
        ("view c.fae -H -o out.txt", "out.txt: the ending tells no format"),
        ("decompress c.fae out.gz", "out.gz: the ending tells no format"),
        ("decompress aligned.fae out.txt", "out.txt: the ending tells no format; give one of .fa, .fa.gz, .fasta,"),
        ("plot bits c.fae -o out.gif", "out.gif: a picture's name ends in"),
        ("compress https://x.org/c.vcf out.fae", "c.vcf: of files elsewhere only archives are read; fetch it first"),
        ("compress c.vcf https://x.org/out.fae", "out.fae: files are written here, not at a URL"),
        ("view c.fae -o s3://x/out.vcf", "s3://x/out.vcf: files are written here, not at a URL"),
        ("compress nobody.vcf out.fae --latents 2", "--latents are of people, and there are no samples; leave it out"),
        ("compress nowhere.vcf out.fae --latents 2", "--latents are of windows of sites, and there are no sites"),
        ("compress c.vcf out.fae --latent-bits 2", "give --latents M, too"),
        ("view c.fae -s nope", "c.fae: the archive has no sample 'nope'; `fastae view -h ARCHIVE | tail -n 1` lists"),
        ("view c.fae -s a,nope -o out.vcf", "--force-samples passes over others"),
        ("view c.fae -r {2}:1-5", "region '{2}:1-5' is on no chromosome here; those here are '1', 'chrX'"),
        ("view c.fae -r 1:1.5", "region '1:1.5' has a position that is no whole number"),
        ("view c.fae -r 1:1e99", "has a position beyond"),
        ("view c.fae -r 1:1e-3", "which is no span of positions"),
        ("info c.fae --json --html out.html", "--json and --html are two results; ask for one at a time"),
        ("compress c.vcf c.vcf", "c.vcf: the output is the input file"),
        ("subset c.fae -o c.fae", "c.fae: the output is the input file"),
        ("concat c.fae -o c.fae", "c.fae: the output is the input file"),
        ("view c.fae -o c.fae -Oz", "c.fae: the output is the input file"),
        ("latents c.fae -o c.fae", "c.fae: the output is the input file"),
        ("train c.vcf -o c.vcf", "c.vcf: the output is the input file"),
        ("sweep c.vcf --results c.vcf", "c.vcf: the output is the input file"),
        ("plot bits c.fae -o dir/no/p.png", "there is no directory dir/no"),
        ("demo -o empty", "empty: this is a file; give the name of a folder"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(refused, command, said):
    for package in ["matplotlib"] * command.startswith(("plot", "demo")):
        pytest.importorskip(package)
    assert said in refused(command)


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("compress c.vcf o.fae", "--latents", ("-3", "1025", "x", "1.5", "", "nan", "9" * 30)),
        ("compress c.vcf o.fae --latents 1", "--latent-bits", ("0", "9", "-1")),
        ("compress c.vcf o.fae", "--seed", ("-1", "x", "9" * 30)),
        ("compress c.vcf o.fae", "--threads", ("0", "-1", "1000000", "two")),
        ("sweep c.vcf", "--latents", ("", "2,", "0", "2,x", "-1", "5000")),
        ("sweep c.vcf", "--bits", ("9", "0")),
        ("sweep c.vcf", "--depth", ("0", "9")),
        ("sweep c.vcf", "--hidden", ("0", "-2")),
        ("sweep c.vcf", "--epochs", ("0", "-1")),
        ("train c.vcf -o m", "--latents", ("0", "-1")),
        ("train c.vcf -o m", "--hidden", ("0", "-1,2", "some")),
        ("train c.vcf -o m", "--learning-rate", ("0", "-1", "nan", "inf", "1e7", "x")),
        ("train c.vcf -o m", "--min-share", ("0.7", "-0.1", "nan")),
        ("train c.vcf -o m", "--validation", ("1", "-0.1", "nan", "inf")),
        ("train c.vcf -o m", "--epochs", ("0", "-1", "1e3")),
        ("train c.vcf -o m", "--batch-size", ("0", "-1")),
        ("train c.vcf -o m", "--patience", ("0", "-1")),
        ("plot latents z.npz -o p.png", "--pair", ("0,1", "1", "x,y", "")),
        ("view c.fae", "--regions-overlap", ("2", "")),
        ("view c.fae", "-O", ("x", "")),
        ("view c.fae", "--format", ("gff", "")),
    ],
)
def test_a_value_that_cannot_be_is_wrong_usage_and_names_its_option(refused, command, option, values):
    for value in values:
        assert re.search(rf"argument \S*{option}\b", refused([*command.split(), f"{option}={value}"], 2))


def test_damage_that_info_sees_is_told_with_what_to_do(here, capfd):
    with fastae.open("c.fae") as archive:
        whole = {section.kind: section for section in archive._reader.index.sections}
    kinds = fastae.archive.container
    for kind in (kinds.HEADER, kinds.SAMPLES):
        data = bytearray((here / "c.fae").read_bytes())
        data[whole[kind].offset] ^= 1
        (here / "damaged.fae").write_bytes(data)
        for options in ([], ["--json"]):
            assert main(["info", "damaged.fae", *options]) == 1
            out, told = capfd.readouterr()
            assert out == "" and "the archive is corrupt; `fastae verify damaged.fae` tells all that is dam" in told
    assert main(["verify", "damaged.fae"]) == 1
    told = capfd.readouterr().err
    assert "has lost the names of samples" in told and "`fastae verify" not in told


@pytest.mark.parametrize("output_type", ["z", "b", "u"])
def test_a_stream_that_is_cut_is_one_sentence_and_no_archive(here, capfd, output_type):
    pytest.importorskip("cyvcf2")
    (here / "many.vcf").write_bytes(vcf(rows(20_000)))
    fastae.write_vcf(here / "many", fastae.read_vcf(here / "many.vcf"), output_type=output_type)
    whole = (here / "many").read_bytes()
    if output_type == "u":  # as bcftools writes it, with no BGZF about it
        whole = gzip.decompress(whole)
    before = sorted(os.listdir())
    for size in (20, len(whole) // 3, len(whole) - 28, len(whole) - 1):
        command = [sys.executable, "-m", "fastae", "compress", "-", "out.fae"]
        done = subprocess.run(command, input=whole[:size], capture_output=True)
        told = done.stderr.decode().splitlines()
        assert done.returncode == 1 and re.match(r"fastae: standard input: the (file|BCF) is truncated", told[-1])
        assert len(told) <= 2 and sorted(os.listdir()) == before
        (here / "cut").write_bytes(whole[:size])
        assert main(["compress", "-q", "cut", "out.fae"]) == 1
        assert re.match(r"fastae: cut: the (file|BCF) is truncated", capfd.readouterr().err)
        os.unlink("cut")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [
        *(("help", "1"), ("--help", ""), ("--version", "1"), ("view --help", "1"), ("completion bash", "")),
        *(("info c.fae --json", ""), ("latents c.fae", "1"), ("train c.vcf -o m --epochs 1", "")),
        *((f"{command} --json", "") for command in ("compress c.vcf o", "concat c.fae -o o", "subset c.fae -o o")),
        ("sweep c.vcf --latents 1 --bits 1 --depth 1 --epochs 1 -q", ""),
    ],
)
def test_results_that_cannot_be_printed_are_one_sentence(here, command, unbuffered):
    with open("/dev/full", "wb") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        words = [sys.executable, "-m", "fastae", *command.split()]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    told = re.sub(r"\Afastae: note: reading .*\n", "", done.stderr)
    assert (done.returncode, told) == (1, "fastae: standard output: No space left on device\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "command",
    [
        *("compress c.vcf {}", "view c.fae -o {}", "decompress c.fae {}", "latents c.fae -o {}"),
        *("subset c.fae -o {}", "concat c.fae -o {}", "train c.vcf -o {} --epochs 1"),
        *("train c.vcf -o m --epochs 1 --history {}", "sweep c.vcf --latents 1 --bits 1 --depth 1 --epochs 1 --tsv {}"),
    ],
)
def test_an_output_that_is_full_is_named(refused, command):
    assert refused([*command.format("/dev/full").split(), "-q"]) == "fastae: /dev/full: No space left on device"


@pytest.mark.parametrize("command", ["view c.fae", "latents c.fae", "info c.fae", "help", "--version", "view --help"])
def test_a_pipe_that_nobody_reads_ends_a_command_quietly(here, command):
    ours, theirs = os.pipe()
    os.close(ours)
    words = [sys.executable, "-m", "fastae", *command.split()]
    done = subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("compress c.vcf new", "new: the directory "),
        ("subset c.fae -o new", "new: the directory "),
        ("train c.vcf --epochs 1 -o new", "new: the directory "),
        ("train c.vcf --epochs 1 -o m --checkpoint new", "m: the directory "),
        ("view c.fae -o new.vcf", "new.vcf: the directory "),
        ("compress c.vcf tools.tsv", "tools.tsv: Permission denied"),
        ("view c.fae -o tools.tsv -Ov", "tools.tsv: Permission denied"),
        ("view z.fae", "z.fae: Permission denied"),
        ("compress z.fae new", "z.fae: Permission denied"),
    ],
)
def test_what_may_not_be_written_or_read_is_named(made, monkeypatch, capfd, command, said):
    command = [*command.split(), "-q"]
    above = Path(tempfile.gettempdir()).resolve()
    if not all(path.stat().st_mode & 0o001 for path in (above, *above.parents)):
        pytest.skip(f"others may not enter {above}")
    with tempfile.TemporaryDirectory() as name:  # whose way there is open to all, unlike pytest's
        folder = Path(name, "here")
        shutil.copytree(made, folder)
        shutil.copy(folder / "c.fae", folder / "z.fae")
        before = snapshot(folder)
        monkeypatch.chdir(folder)
        main(command)  # imports all that is needed, from where others may not read
        for path in folder.rglob("*"):
            if path.is_file():
                path.unlink() if path not in before else path.write_bytes(before[path])
        for path in (Path(name), folder, *folder.iterdir()):
            path.chmod(0o600 if path.name == "z.fae" else 0o755)
        capfd.readouterr()
        os.setresuid(65534, 65534, 0)
        try:
            assert main(command) == 1
        finally:
            os.setresuid(0, 0, 0)
        told = capfd.readouterr().err
        assert told.startswith(f"fastae: {said}") and told.count("\n") == 1
        assert snapshot(folder) == before
        monkeypatch.undo()


def test_a_current_directory_that_is_gone_is_told(here, monkeypatch, capfd):
    (here / "gone").mkdir()
    monkeypatch.chdir(here / "gone")
    (here / "gone").rmdir()
    assert main(["compress", "-q", f"{here}/c.vcf", "out.fae"]) == 1
    assert capfd.readouterr().err == "fastae: the current directory is not there any more; go to one that is\n"
    monkeypatch.chdir(here)


def test_names_that_are_no_utf8_pass_through_every_command(here):
    odd = os.fsdecode(b"odd\xff")
    data = (here / "c.vcf").read_bytes().replace(b"\tb\tc\t", b"\tb\tc\xe9\xff\t", 1)
    (here / f"{odd}.vcf").write_bytes(data)
    environment = {name: value for name, value in os.environ.items() if name != "HOME" and not name.startswith("LC_")}
    for locale in ({}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):

        def fastae_(*words, status=0, env=environment | locale):
            done = subprocess.run(
                [sys.executable, "-m", "fastae", *words], capture_output=True, env=env, errors="surrogateescape"
            )
            assert done.returncode == status and "Traceback" not in done.stderr
            return done

        fastae_("compress", f"{odd}.vcf", f"{odd}.fae", "--latents", "1")
        assert fastae_("view", f"{odd}.fae").stdout == os.fsdecode(data)
        assert fastae_("view", f"{odd}.fae", "-H", "-s", os.fsdecode(b"c\xe9\xff")).stdout.count("\n") == len(ROWS)
        assert os.fsdecode(b"c\xe9\xff\t1\t") in fastae_("latents", f"{odd}.fae").stdout
        assert fastae_("info", f"{odd}.fae", "--json").stdout.startswith('{"archive": "odd\\udcff.fae", ')
        assert "of odd\\udcff.vcf" in fastae_("verify", f"{odd}.fae", f"{odd}.vcf").stdout.replace(odd, "odd\\udcff")
        assert "odd\\udcff.no: No such file or directory" in fastae_("info", f"{odd}.no", status=1).stderr
        assert "no sample 'c'" in fastae_("view", f"{odd}.fae", "-s", "c", status=1).stderr


def test_options_given_again_are_the_last_ones(here, capfd):
    assert main(["view", "c.fae", "-o", "a.vcf", "-o", "b.vcf", "-s", "a", "-s", "b,c"]) == 0
    assert not os.path.exists("a.vcf")
    assert fastae.read_vcf("b.vcf").samples == ["b", "c"]
    assert main(["view", "c.fae", "-r", "1:1-2", "-r", "1:2-3", "-H"]) == 0  # but regions add up
    assert capfd.readouterr().out.count("\n") == 3


def test_a_note_of_many_absent_samples_is_short(here, capfd):
    assert main(["view", "c.fae", "-s", ",".join(["a", *(f"x{i}" for i in range(1000))]), "--force-samples", "-h"]) == 0
    assert "'x9' and 990 more: passed over" in capfd.readouterr().err


def test_an_archive_is_compared_with_another(here, capfd):
    assert main(["concat", "c.fae", "-o", "same.fae"]) == main(["verify", "c.fae", "same.fae"]) == 0
    assert "is that of same.fae" in capfd.readouterr().out
    assert main(["subset", "c.fae", "-r", "1:1-9", "-o", "less.fae", "-q"]) == 0
    assert main(["verify", "c.fae", "less.fae", "--json"]) == 1
    assert '"kind": "variants", "damage": null' in capfd.readouterr().out
    data = bytearray((here / "same.fae").read_bytes())
    data[len(data) // 3] ^= 1
    (here / "same.fae").write_bytes(data)
    assert main(["verify", "c.fae", "same.fae", "--json"]) == 1
    out, told = capfd.readouterr()
    assert out == "" and "the archive is corrupt; `fastae verify same.fae` tells" in told


def test_a_text_that_may_have_been_cut_is_told(here, capfd):
    (here / "cut.vcf").write_bytes((here / "c.vcf").read_bytes()[:-3])
    for name, notes in (("c.vcf", 1), ("cut.vcf", 2)):
        assert main(["compress", name, "out.fae"]) == 0
        told = capfd.readouterr().err
        assert told.count("fastae: note: ") == notes
    assert "the last line of the input has no end, which is kept; if the input was cut, fetch it again" in told
