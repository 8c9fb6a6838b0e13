# SPDX-License-Identifier: Apache-2.0
"""What all commands have in common: help, examples, quiet, threads, JSON, exit statuses."""

import fcntl
import gzip
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from importlib import import_module, resources
from pathlib import Path

import numpy as np
import pytest

import fastae
from fastae.cli import COMMANDS, get_parser, main
from fastae.cli.progress import note

EXAMPLES = [
    (name, line.strip()) for name in COMMANDS for line in import_module(f"fastae.cli.{name}").EXAMPLES.splitlines()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that examples name: a region of the demo's cohort in a few formats, lists, an archive."""
    folder = tmp_path_factory.mktemp("examples")
    with resources.files("fastae").joinpath("data/kg3_chr20_eur300.vcf.gz").open("rb") as file:
        lines = gzip.decompress(file.read()).splitlines(keepends=True)
    (folder / "cohort.vcf.gz").write_bytes(gzip.compress(b"".join(lines[:200])))
    command = ["compress", str(folder / "cohort.vcf.gz"), str(folder / "cohort.fae"), "--latents", "2"]
    assert main(command) == 0
    for chrom in (21, 22):
        part = b"".join(re.sub(rb"^20\b|(?<=ID=)20\b", b"%d" % chrom, line) for line in lines[:50])
        (folder / f"chr{chrom}.vcf").write_bytes(part)
        assert main(["compress", f"{folder}/chr{chrom}.vcf", f"{folder}/chr{chrom}.fae"]) == 0
    if shutil.which("bcftools"):
        subprocess.run(["bcftools", "view", "-Ob", "-o", "cohort.bcf", "cohort.vcf.gz"], cwd=folder, check=True)
    with resources.files("fastae").joinpath("data/kg3_chr20_eur300.populations.tsv").open("rb") as file:
        (folder / "populations.tsv").write_bytes(file.read())
    history = fastae.History(loss=[0.5, 0.25], hamming=[0.4, 0.125])
    (folder / "autoencoder.model.history.tsv").write_text(history.to_tsv())
    assert main(["latents", f"{folder}/cohort.fae", "-o", f"{folder}/z.npz"]) == 0
    (folder / "tools.tsv").write_text("dataset\ttool\ttotal_bytes\tgenotype_bytes\na\tplink\t900\t800\n")
    sweep = ["sweep", f"{folder}/chr21.vcf", "--latents", "2", "--bits", "1", "--depth", "1", "--epochs", "1"]
    assert main([*sweep, "--results", f"{folder}/sweep.jsonl"]) == 0
    (folder / "regions.bed").write_text("20\t2000000\t2020000\n")
    (folder / "people.txt").write_text("HG00096\nHG00097\n")
    (folder / "fastae").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fastae "$@"\n')
    (folder / "fastae").chmod(0o755)
    for home in (".zfunc", ".config/fish/completions"):
        (folder / home).mkdir(parents=True)
    return folder


def run_in(folder, line, **options):
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder)}
    command = ["bash", "--norc", "-c", line]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, **options)


def told(stderr):
    """What a command told, without notes of what it reads."""
    return re.sub(r"^fastae: note: reading .*\n", "", stderr, flags=re.MULTILINE)


def test_every_command_has_examples_and_its_help_shows_them(capsys):
    assert {name for name, _ in EXAMPLES} == set(COMMANDS)
    for name in COMMANDS:
        with pytest.raises(SystemExit) as caught:
            get_parser().parse_args([name, "--help"])
        shown = capsys.readouterr().out
        assert caught.value.code == 0
        assert all(line in shown for command, line in EXAMPLES if command == name)


# the demo's own test runs it
@pytest.mark.parametrize(
    "example", [line for name, line in EXAMPLES if name != "demo"], ids=lambda line: re.split(" {2,}", line)[0]
)
def test_examples_run(folder, tmp_path, example):
    line = re.split(" {2,}", example)[0]  # what follows is a comment
    needs = [
        package for word, package in (("-O", "cyvcf2"), (".bcf", "cyvcf2"), (".png", "matplotlib")) if word in line
    ]
    for package in needs:
        pytest.importorskip(package)
    if re.search("bcftools|[.]bcf", line) and not shutil.which("bcftools"):
        pytest.skip("bcftools is not installed")
    shutil.copytree(folder, tmp_path / "here")
    done = run_in(tmp_path / "here", f"set -e; {line}")
    assert done.returncode == 0
    assert told(done.stderr) == "" or "sweep" in line  # which tells of each point there


HOWTO = Path(__file__).parents[1] / "docs" / "howto"
BLOCKS = [
    pytest.param(block, id=f"{name}-{number}")
    for name in ("bcftools", "pipelines")
    for number, block in enumerate(re.findall(r"```sh\n(.*?)```", (HOWTO / f"{name}.md").read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_shell_lines_of_documents_run(folder, tmp_path, block):
    if "bcf" in block:
        pytest.importorskip("cyvcf2")
        if not shutil.which("bcftools"):
            pytest.skip("bcftools is not installed")
    shutil.copytree(folder, tmp_path / "here")
    done = run_in(tmp_path / "here", f"set -e; {block}")
    assert (done.returncode, told(done.stderr)) == (0, "")


def test_help_of_fastae_names_every_command_and_exit_status(capsys):
    for arguments in (["--help"], ["help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        shown = capsys.readouterr().out
        assert all(f"\n    {name} " in shown for name in COMMANDS)
        assert all(f"\n  {status} " in shown for status in ("0", "1", "2", "128+N"))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_what_its_option_shows(capsys, name):
    shown = []
    for arguments in ([name, "--help"], ["help", name]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["veiw", "x.fae"], "view"),
        (["help", "comprss"], "compress"),
        (["view", "x.fae", "--regoins", "1"], "--regions"),
        (["view", "x.fae", "--regoins=1"], "--regions"),
        (["compress", "a", "b", "--preset", "fats"], "fast"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_is_not_there_is_answered_by_what_may_have_been_meant(capsys, arguments, meant):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert shown.endswith(f"; did you mean {meant}?\n")
    assert shown.startswith("usage: fastae " + ("" if arguments[0] == "veiw" else arguments[0]))


def test_what_is_like_nothing_is_just_refused(capsys):
    with pytest.raises(SystemExit):
        main(["info", "x.fae", "--zzzz"])
    assert capsys.readouterr().err.endswith("unrecognized arguments: --zzzz\n")


def test_quiet_leaves_out_notes_and_bars_but_no_errors(folder, capsys):
    arguments = ["view", str(folder / "cohort.fae"), "-s", "nobody,HG00096", "--force-samples"]
    assert main(arguments) == 0
    loud = capsys.readouterr()
    assert loud.err == "fastae: note: the archive has no sample 'nobody': passed over\n"
    assert main([*arguments, "-q"]) == 0
    quiet = capsys.readouterr()
    assert (quiet.out, quiet.err) == (loud.out, "")
    note("quiet ends with the command")
    assert "quiet ends" in capsys.readouterr().err
    assert main(["info", "absent.fae", "--quiet"]) == 1
    assert capsys.readouterr().err == "fastae: absent.fae: No such file or directory\n"


def test_what_is_left_out_is_told_even_to_those_who_want_quiet(folder, tmp_path, capsys):
    arguments = ["view", str(folder / "cohort.fae"), "--format", "npy", "--lossy", "--quiet", "-o"]
    assert main([*arguments, str(tmp_path / "calls.npy")]) == 0
    assert capsys.readouterr().err.endswith("cannot hold sample names, sites, phase: left out\n")


def test_standard_output_is_there_again_after_an_error(folder, capfd):
    assert main(["view", str(folder / "cohort.fae"), "nowhere"]) == 1
    assert main(["verify", str(folder / "cohort.fae")]) == 0
    assert "every block is whole" in capfd.readouterr().out


def test_an_archive_is_verified_against_standard_input(folder):
    verify = [sys.executable, "-m", "fastae", "verify", "cohort.fae", "-"]
    original = (folder / "cohort.vcf.gz").read_bytes()
    done = subprocess.run(verify, cwd=folder, input=original, capture_output=True, check=True)
    assert b"every call, site column and name is that of standard input" in done.stdout
    text = gzip.decompress(original)
    others = text[: text.rindex(b"|")] + b"|.\n"  # the last allele of all is another
    done = subprocess.run(verify, cwd=folder, input=others, capture_output=True)
    assert done.returncode == 1
    assert b"cohort.fae (first) and standard input (second) differ: variant" in done.stderr


def test_quiet_shows_no_bar_on_a_terminal(folder):
    pytest.importorskip("tqdm")
    shown = []
    for options in ([], ["-q"]):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        command = [sys.executable, "-m", "fastae", "verify", "cohort.fae", *options]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=theirs, check=True)
        os.write(theirs, b"end")
        os.close(theirs)
        shown.append(os.read(ours, 10000))
        os.close(ours)
    assert b"variants" in shown[0] and shown[1] == b"end"


def test_verify_prints_its_result_for_machines(folder, capsys):
    archive, original = str(folder / "cohort.fae"), str(folder / "cohort.vcf.gz")
    assert main(["verify", archive, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["archive"] == archive and facts["original"] is facts["same"] is facts["difference"] is None
    assert main(["verify", archive, original, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["same"] is True and facts["variants"] > 100 and facts["samples"] == 300
    other = folder / "other.vcf"
    other.write_bytes(gzip.decompress((folder / "cohort.vcf.gz").read_bytes()).replace(b"0|1", b"1|1", 1))
    assert main(["verify", archive, str(other), "--json"]) == 1
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert facts["same"] is False and "GT is 0|1 in the first" in facts["difference"] and facts["kind"] == "calls"
    assert facts["difference"] in said.err


@pytest.mark.parametrize("command", ["view cohort.fae", "latents cohort.fae", "view cohort.fae -Ob"])
def test_a_reader_that_goes_away_ends_a_command_at_once_and_quietly(folder, command):
    if command.endswith("b"):
        pytest.importorskip("cyvcf2")
    line = f'{{ fastae {command}; echo "$?" >status; }} | head -c 1 >one'
    done = run_in(folder, line, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "one").stat().st_size == 1


def test_view_into_a_closed_pipe_exits_as_if_by_sigpipe(folder):
    done = run_in(folder, "{ sleep 0.2; fastae view cohort.fae; echo $? >status; } | true; cat status", timeout=30)
    assert (done.stdout, done.stderr) == (f"{128 + signal.SIGPIPE}\n", "")


def test_the_command_line_imports_no_optional_package_before_it_needs_one(folder):
    code = (
        "import sys; from fastae.cli import main; main(['info', 'cohort.fae', '--json']); "
        "main(['view', 'cohort.fae', '-o', 'out.vcf']); "
        "print(sorted({'matplotlib', 'cyvcf2', 'zarr', 'pandas', 'dask', 'torch', 'sklearn', 'bed_reader', 'pgenlib'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


INFO_KEYS = {  # those that docs/howto/pipelines.md promises
    *("archive", "version", "source", "samples", "variants", "ploidy", "chromosomes", "blocks", "windows"),
    *("block_variants", "block_samples", "latent_windows", "predictors", "bytes", "bits_per_genotype"),
}
PARTS = {"total", "genotypes", "latents", "decoder", "residual", "index", "sites", "samples", "header"}


def test_info_has_the_keys_that_are_promised_and_they_add_up(folder, capsys):
    path = folder / "chr21.fae"
    assert main(["info", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts) == INFO_KEYS
    text = (HOWTO / "pipelines.md").read_text()
    assert all(f"`{key}`" in text for key in INFO_KEYS | PARTS)
    records = [line for line in (folder / "chr21.vcf").read_text().splitlines() if not line.startswith("#")]
    positions = [int(line.split("\t")[1]) for line in records]
    assert (facts["archive"], facts["samples"], facts["variants"]) == (str(path), 300, len(records))
    assert facts["chromosomes"] == {"21": [positions[0], positions[-1]]}
    assert (facts["blocks"], facts["windows"], facts["latent_windows"]) == (1, 1, 0)
    assert (facts["block_variants"], facts["block_samples"]) == (len(records), 300)
    size, bits = facts["bytes"], facts["bits_per_genotype"]
    assert set(size) == set(bits) == PARTS and size["total"] == path.stat().st_size
    assert size["genotypes"] == sum(size[part] for part in ("latents", "decoder", "residual", "index"))
    assert size["total"] == sum(size[part] for part in ("genotypes", "sites", "samples", "header"))
    assert bits["total"] == pytest.approx(8 * size["total"] / (300 * len(records)))
    assert main(["info", str(folder / "cohort.fae"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["latent_windows"] == 1


def test_info_shows_the_same_to_people(folder, capsys):
    assert main(["info", str(folder / "chr21.fae")]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^  sites +\d+ 21:\d+-\d+$", shown, re.MULTILINE)
    assert re.search(r"^  blocks +1 of up to \d+ sites x 300 samples, in 1 window of sites$", shown, re.MULTILINE)
    table = dict(re.findall(r"^ +(\w+) +([\d,]+) +[\d.]+% +[\d.]+$", shown, re.MULTILINE))
    assert set(table) == PARTS
    assert int(table["total"].replace(",", "")) == (folder / "chr21.fae").stat().st_size


def test_info_of_no_sites_has_no_bits_per_genotype(tmp_path, capsys):
    (tmp_path / "in.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\n")
    assert main(["compress", str(tmp_path / "in.vcf"), str(tmp_path / "in.fae")]) == 0
    assert main(["info", str(tmp_path / "in.fae"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bits_per_genotype"] is None
    assert main(["info", str(tmp_path / "in.fae")]) == 0
    assert "predictors  none" in capsys.readouterr().out


def test_verify_tells_machines_of_damage_and_of_differences(tmp_path, capfd):
    calls = np.random.default_rng(0).integers(0, 2, (30, 5, 2), dtype=np.int8)
    cohort = fastae.Cohort.from_arrays(calls)
    path, vcf = str(tmp_path / "c.fae"), str(tmp_path / "c.vcf")
    fastae.write_archive(path, cohort)
    stream = cohort.to_stream()
    stream.header = stream.header.replace("#CHROM", "##tool=it went through one\n#CHROM")
    fastae.write_vcf(vcf, stream)

    def facts(*args):
        status = main(["verify", "--json", *args])
        return status, json.loads(capfd.readouterr().out)

    status, found = facts(path, vcf)
    assert status == 1 and found["same"] is False and found["difference"].startswith("header ")
    assert found["kind"] == "header" and found["difference"].endswith("only in the second: ##tool")
    assert facts("--ignore-header", path, vcf)[1]["same"] is True
    with fastae.open(path) as archive:
        at = max(section.offset + section.length for section in archive._reader.index.sections) - 1
    data = bytearray((tmp_path / "c.fae").read_bytes())
    data[at] ^= 1
    (tmp_path / "c.fae").write_bytes(data)
    status, found = facts(path)
    assert status == 1 and found["same"] is None and "corrupt" in found["damage"]


def test_commands_that_write_an_archive_tell_machines_of_it(folder, tmp_path, capsys):
    """As `info` does, for those who need not ask it."""
    whole, part = str(folder / "cohort.vcf.gz"), str(folder / "chr21.fae")
    out = str(tmp_path / "out.fae")
    for command in (
        ["compress", whole, out],
        ["subset", part, "-o", out, "-s", "HG00096"],
        ["concat", part, "-o", out],
    ):
        assert main([*command, "--json", "-q"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert main(["info", out, "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert said == facts | ({"input": whole} if command[0] == "compress" else {})
        assert main([*command, "-q"]) == 0
        assert capsys.readouterr() == ("", "")


def test_what_was_recognised_is_told_and_quiet_leaves_it_out(folder, tmp_path, capsys):
    out, said = str(tmp_path / "out.fae"), f"fastae: note: reading VCF in gzip from {folder}/cohort.vcf.gz\n"
    for command in (
        ["compress", f"{folder}/cohort.vcf.gz", out],
        ["verify", out, f"{folder}/cohort.vcf.gz"],
        ["train", f"{folder}/cohort.vcf.gz", "-o", out, "--epochs", "1"],
    ):
        assert main(command) == 0
        assert capsys.readouterr().err == said
        assert main([*command, "-q"]) == 0
        assert capsys.readouterr().err == ""
