# SPDX-License-Identifier: Apache-2.0
"""The command line as a user meets it, judged by bcftools."""

import dataclasses
import fcntl
import gzip
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from importlib import metadata

import numpy as np
import pytest
from vcftext import COLUMNS, EVERYTHING, HEADER, vcf

import _fastae_command
from fastae.archive import open_archive
from fastae.archive.presets import PRESETS
from fastae.cli import COMMANDS, get_parser, main

needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")

RECORDS = [
    *(line for line in EVERYTHING if ";PASS" not in line),
    "1\t100\tlong\tACGTACGT\tA\t.\tPASS\tAC=1\tGT\t0|1\t0|0\t1|1\t.|.",
    "1\t200\tsv\tA\t<DEL>\t.\tPASS\tEND=300;AC=1\tGT\t0|1\t0|0\t1|1\t.|.",
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive of everything, its source beside it."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "in.vcf").write_bytes(vcf(RECORDS))
    assert main(["compress", str(folder / "in.vcf"), str(folder / "in.fae")]) == 0
    return folder / "in.fae"


def fastae(*args, **options):
    return subprocess.run([sys.executable, "-m", "fastae", *map(str, args)], capture_output=True, **options)


def records(data):
    return [line.split(b"\t") for line in data.splitlines() if not line.startswith(b"#")]


def bcftools(*args):
    done = subprocess.run(["bcftools", *map(str, args)], capture_output=True, check=True)
    return done.stdout[done.stdout.index(b"#CHROM") :]


def test_every_command_has_help_and_wrong_usage_exits_with_2(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit) as caught:
            get_parser().parse_args([command, "--help"])
        assert caught.value.code == 0 and command in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["compress"])
    assert caught.value.code == 2


def test_python_m_fastae_prints_its_version_and_nothing_but(archive):
    done = fastae("--version")
    assert done.returncode == 0 and done.stdout.startswith(b"fastae ") and done.stderr == b""


@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz"])
def test_decompress_gives_the_text_back(archive, tmp_path, name):
    assert main(["decompress", str(archive), str(tmp_path / name)]) == 0
    data = (tmp_path / name).read_bytes()
    assert (gzip.decompress(data) if name.endswith("gz") else data) == archive.with_suffix(".vcf").read_bytes()


@needs_bcftools
@pytest.mark.parametrize("output_type", ["v", "z", "b", "u"])
def test_decompress_and_view_write_what_bcftools_reads_as_the_original(archive, tmp_path, output_type):
    expected = bcftools("view", "--no-version", archive.with_suffix(".vcf"))
    assert main(["decompress", str(archive), str(tmp_path / "out"), "-O", output_type]) == 0
    assert bcftools("view", "--no-version", tmp_path / "out") == expected
    viewed = fastae("view", archive, "-O", output_type)
    assert (viewed.returncode, viewed.stderr) == (0, b"")
    (tmp_path / "viewed").write_bytes(viewed.stdout)
    assert bcftools("view", "--no-version", tmp_path / "viewed") == expected


@needs_bcftools
@pytest.mark.parametrize(
    "region", ["1", "chrX", "1:10", "1:10-12", "1:104-150", "1:107", "1:108", "1:250", "1:300-301", "1:5-,chrX:1-2"]
)
def test_view_takes_the_regions_that_bcftools_takes(archive, tmp_path, region):
    source = tmp_path / "in.vcf.gz"
    subprocess.run(
        ["bcftools", "sort", "-Oz", "-o", source, archive.with_suffix(".vcf")], check=True, capture_output=True
    )
    subprocess.run(["bcftools", "index", source], check=True)
    expected = records(bcftools("view", "--no-version", "-r", region, source))
    viewed = fastae("view", archive, "-r", region)
    assert viewed.returncode == 0
    (tmp_path / "viewed.vcf").write_bytes(viewed.stdout)
    got = records(bcftools("view", "--no-version", tmp_path / "viewed.vcf"))
    assert sorted(row for row in got if row[1] != b"0") == sorted(expected)  # an index of bcftools leaves out POS 0


def test_regions_may_be_given_again_and_one_without_sites_gives_a_header(archive):
    twice = records(fastae("view", archive, "-r", "1:10", "-r", "chrX,1:10-10").stdout)
    assert [(r[0], r[1]) for r in twice] == [(b"1", b"10")] * 2 + [(b"chrX", b"1"), (b"chrX", b"0"), (b"chrX", b"3")]
    for region in ("1:500-600", "unused", "unused:1-5"):  # the header knows the second, no site is on it
        nothing = fastae("view", archive, "-r", region)
        assert (nothing.returncode, nothing.stderr) == (0, b"")
        assert nothing.stdout == (HEADER + COLUMNS + "\tFORMAT\ta\tb\tc\td\n").encode()


def test_view_keeps_the_order_of_the_samples_asked_for(archive, tmp_path):
    (tmp_path / "names.txt").write_text("d\nb\n")
    by_name, by_file = fastae("view", archive, "-s", "d,b"), fastae("view", archive, "-S", tmp_path / "names.txt")
    assert by_name.stdout == by_file.stdout and by_name.returncode == 0
    assert by_name.stdout.split(b"#CHROM")[1].splitlines()[0].endswith(b"FORMAT\td\tb")
    got, expected = records(by_name.stdout), records(archive.with_suffix(".vcf").read_bytes())
    assert got == [[*row[:9], row[12], row[10]] for row in expected]


def test_an_archive_holds_whether_the_last_line_is_ended(archive, tmp_path, capsys):
    (tmp_path / "in.vcf").write_bytes(archive.with_suffix(".vcf").read_bytes()[:-1])
    paths = [str(tmp_path / name) for name in ("in.vcf", "new.fae", "out.vcf")]
    assert main(["compress", *paths[:2]]) == main(["decompress", *paths[1:]]) == main(["verify", *paths[1::-1]]) == 0
    assert (tmp_path / "out.vcf").read_bytes() == (tmp_path / "in.vcf").read_bytes()
    assert main(["verify", paths[1], str(archive.with_suffix(".vcf"))]) == 1
    assert "final_newline" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.vcf.gz", "OUT.VCF.GZ"])
def test_view_to_a_file_follows_its_name(archive, tmp_path, name):
    assert main(["view", str(archive), "-o", str(tmp_path / name)]) == 0
    assert gzip.decompress((tmp_path / name).read_bytes()) == archive.with_suffix(".vcf").read_bytes()


def test_info_says_what_is_in_the_archive(archive, capsys):
    assert main(["info", str(archive), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["samples"], facts["variants"], facts["ploidy"]) == (4, len(RECORDS), 4)
    parts = facts["bytes"]
    assert {"total", "genotypes", "latents", "decoder", "residual", "sites", "samples", "header"} <= set(parts)
    assert {"blocks", "version"} <= set(facts)
    assert parts["total"] == archive.stat().st_size
    assert main(["info", str(archive)]) == 0
    assert "residual" in capsys.readouterr().out


def test_verify_agrees_with_the_original_and_names_the_first_difference(archive, tmp_path, capsys):
    source = archive.with_suffix(".vcf")
    assert main(["verify", str(archive)]) == 0
    assert main(["verify", str(archive), str(source)]) == 0
    assert capsys.readouterr().err == f"fastae: note: reading VCF from {source}\n"
    (tmp_path / "other.vcf").write_bytes(source.read_bytes().replace(b"1|1\t.|.\n", b"1|0\t.|.\n", 1))
    assert main(["verify", str(archive), str(tmp_path / "other.vcf")]) == 1
    assert "variant 1 (1:10), sample c: GT is 1|1 in the first and 1|0 in the second" in capsys.readouterr().err


def test_fields_are_dropped_only_when_asked(tmp_path, capsys):
    data = vcf(["1\t1\t.\tA\tC\t.\t.\t.\tGT:DP\t0|1:3"], ["a"])
    (tmp_path / "in.vcf").write_bytes(data)
    paths = [str(tmp_path / "in.vcf"), str(tmp_path / "out.fae")]
    compress = ["compress", "--predictor", "frequency", *paths]
    assert main(compress) == 1
    assert "DP" in capsys.readouterr().err
    assert main([*compress, "--drop-format"]) == 0
    assert main(["verify", *reversed(paths)]) == 1
    assert main(["verify", *reversed(paths), "--drop-format"]) == 0


@pytest.mark.parametrize("name", ["out.fasta", "out.fa.gz", "OUT.FNA"])
def test_sites_of_a_vcf_are_not_written_into_a_file_named_as_fasta(archive, tmp_path, capsys, name):
    assert main(["decompress", str(archive), str(tmp_path / name)]) == 1
    assert "holds sites of variants, which are not written as FASTA" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("width", [7, 100])
def test_fasta_comes_back_and_is_viewed_as_fasta(tmp_path, width):
    rows = np.random.default_rng(1).choice(np.frombuffer(b"ACGTN-", np.uint8), (12, 50))
    lines = [b"\n".join(bytes(row[i : i + width]) for i in range(0, 50, width)) for row in rows]
    data = b"".join(b">seq %d\n%b\n" % item for item in enumerate(lines))
    (tmp_path / "in.fa").write_bytes(data)
    assert main(["compress", str(tmp_path / "in.fa"), str(tmp_path / "in.fae")]) == 0
    assert main(["decompress", str(tmp_path / "in.fae"), str(tmp_path / "out.fa")]) == 0
    assert (tmp_path / "out.fa").read_bytes() == data
    assert main(["verify", str(tmp_path / "in.fae"), str(tmp_path / "in.fa")]) == 0
    viewed = fastae("view", tmp_path / "in.fae", "-r", "alignment:3-6", "-s", "seq 4")
    assert viewed.stdout == b">seq 4\n" + bytes(rows[4, 2:6]) + b"\n"
    assert fastae("view", tmp_path / "in.fae", "-O", "v").returncode == 1


@pytest.mark.parametrize("args", [["decompress", "in.fae", "out.vcf"], ["verify", "in.fae"]], ids=lambda args: args[0])
def test_a_bar_shows_on_a_terminal_and_not_in_a_pipe(archive, tmp_path, args):
    pytest.importorskip("tqdm")
    shutil.copy(archive, tmp_path)
    command = [sys.executable, "-m", "fastae", args[0], *(tmp_path / name for name in args[1:])]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 10000)
    os.close(ours)
    assert b"variants" in shown


def test_a_closed_pipe_ends_view_quietly(tmp_path):
    rows = [f"1\t{i}\t.\tA\tC\t.\t.\t.\tGT" + "\t0|1" * 50 for i in range(1, 5001)]
    (tmp_path / "in.vcf").write_bytes(vcf(rows, [f"s{i}" for i in range(50)]))
    assert main(["compress", str(tmp_path / "in.vcf"), str(tmp_path / "in.fae"), "--predictor", "frequency"]) == 0
    command = [sys.executable, "-m", "fastae", "view", tmp_path / "in.fae"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"##fileformat=VCFv4.3\n"
        process.stdout.close()
        assert process.wait(30) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""


STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")]


@pytest.mark.parametrize("number", STOPPING, ids=lambda number: number.name)
@pytest.mark.parametrize("name", ["out.fae", "out.vcf", "out.vcf.gz", "out.bcf"])
def test_an_interrupt_leaves_the_old_file_and_no_partial_output(archive, tmp_path, monkeypatch, capfd, name, number):
    """The signal arrives between two blocks, when the output is half written."""
    if name.endswith("bcf"):
        pytest.importorskip("cyvcf2")
    out = tmp_path / name
    out.write_bytes(b"old")
    seen = []

    def interrupted(blocks, *_):
        for block in blocks:
            yield block.select(slice(0, 1))
            seen.append(os.listdir(tmp_path))
            os.kill(os.getpid(), number)

    monkeypatch.setattr("fastae.cli.progress._counted", interrupted)
    command, source = ("compress", archive.with_suffix(".vcf")) if name == "out.fae" else ("decompress", archive)
    assert main([command, "-q", str(source), str(out)]) == 128 + number
    assert capfd.readouterr() == ("", "")
    assert len(seen) == 1 and len(seen[0]) == 2
    assert os.listdir(tmp_path) == [name] and out.read_bytes() == b"old"
    assert [signal.getsignal(n) for n in STOPPING] == [signal.default_int_handler] + [signal.SIG_DFL] * 3


def test_a_second_signal_does_not_stop_the_cleaning_up(archive, tmp_path, monkeypatch):
    def interrupted(blocks, *_):
        try:
            yield next(iter(blocks))
            os.kill(os.getpid(), signal.SIGHUP)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("fastae.cli.progress._counted", interrupted)
    assert main(["decompress", str(archive), str(tmp_path / "out.vcf")]) == 128 + signal.SIGHUP
    assert os.listdir(tmp_path) == []


def test_a_signal_that_the_caller_ignores_stays_ignored(archive, monkeypatch):
    seen = []
    monkeypatch.setattr("fastae.cli.info.run", lambda args: seen.append(signal.getsignal(signal.SIGHUP)))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["info", str(archive)]) == 0
        assert seen == [signal.SIG_IGN] == [signal.getsignal(signal.SIGHUP)]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_while_the_command_is_being_imported_is_quiet():
    code = """if True:
        import os, signal, sys
        import _fastae_command

        class Interrupted:
            def find_spec(self, name, *_):
                if name == "numpy":
                    os.kill(os.getpid(), signal.SIGINT)

        sys.meta_path.insert(0, Interrupted())
        _fastae_command.main()
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, b"", b"")


def test_the_command_is_the_entry_point():
    (entry,) = metadata.entry_points(group="console_scripts", name="fastae")
    assert entry.load() is _fastae_command.main
    code = "import sys, _fastae_command; print('fastae' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


def closing(*numbers):
    """For `preexec_fn`: what `>&-` of a shell does."""
    return lambda: [os.close(number) for number in numbers]


def test_compress_takes_a_preset(archive, tmp_path, capsys, monkeypatch):
    for preset, predictor in (("fast", "runs"), ("max", "frequency")):
        monkeypatch.setitem(PRESETS, preset, dataclasses.replace(PRESETS[preset], predictors=(predictor,)))
    source, path = str(archive.with_suffix(".vcf")), str(tmp_path / "out.fae")
    for preset, predictor in (("fast", "runs"), ("default", "pbwt"), ("max", "frequency")):
        assert main(["compress", "--preset", preset, source, path]) == 0
        with open_archive(path) as written:
            assert written.info()["predictors"][predictor] > 0
        assert main(["verify", path, source]) == 0
    with pytest.raises(SystemExit):
        main(["compress", "--preset", "best", source, path])
    assert "invalid choice: 'best'" in capsys.readouterr().err


def test_compress_works_with_every_standard_stream_closed(archive, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "fastae", "compress", archive.with_suffix(".vcf"), tmp_path / "out.fae"],
        preexec_fn=closing(0, 1, 2),
    )
    assert done.returncode == 0
    assert (tmp_path / "out.fae").read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("command", ["info", "verify", "view"])
def test_a_closed_standard_output_is_named(archive, command):
    done = fastae(command, archive, preexec_fn=closing(1))
    assert (done.returncode, done.stderr) == (1, b"fastae: standard output: Bad file descriptor\n")


def test_a_closed_standard_error_is_no_reason_to_print_errors_elsewhere(tmp_path):
    done = fastae("info", tmp_path / "absent", preexec_fn=closing(2))
    assert (done.returncode, done.stdout) == (1, b"")


def test_without_tqdm_there_is_no_bar(archive, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert main(["compress", str(archive.with_suffix(".vcf")), str(tmp_path / "out.fae")]) == 0
    assert main(["verify", str(tmp_path / "out.fae"), str(archive.with_suffix(".vcf"))]) == 0


@pytest.mark.parametrize("number", ["0", "1025", "-1", "two"])
def test_a_number_of_threads_that_cannot_be_names_its_option(archive, capsys, number):
    with pytest.raises(SystemExit) as caught:
        main(["verify", str(archive), "-p", number])
    assert caught.value.code == 2
    assert "argument -p/--threads: " in capsys.readouterr().err


def test_a_killed_process_leaves_no_partial_output_and_says_nothing(tmp_path):
    (tmp_path / "in.vcf").write_bytes(
        vcf([f"1\t{i}\t.\tA\tC\t.\t.\t.\tGT" + "\t0/1" * 500 for i in range(20000)], map(str, range(500)))
    )
    command = [sys.executable, "-m", "fastae", "compress", "-q", tmp_path / "in.vcf", tmp_path / "out.fae"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while len(os.listdir(tmp_path)) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.terminate()
        assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 128 + signal.SIGTERM
    assert os.listdir(tmp_path) == ["in.vcf"]
