# SPDX-License-Identifier: Apache-2.0
"""Sweeps: the same table however it is computed, and after every kind of interruption."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from vcftext import vcf

from fastae import Cohort, FormatError, InputError, Sweep, SweepPoint, read_cohort, sweep
from fastae.archive import open_archive, write_archive
from fastae.archive.columns import split
from fastae.archive.predictors import pbwt, training
from fastae.cli import main
from fastae.plots import new_figure, plot_sweep
from fastae.sweep import usual_hidden

GRID = {"latents": [1, 3], "bits": [1, 2], "depth": [1, 2]}
N_EPOCHS = 60


def haplotypes(n_sites=60, n_haplotypes=240, n_kinds=6, noise=0.02):
    """Calls (n_sites, n_haplotypes // 2, 2) of a few kinds of haplotype, with some alleles changed; all are common."""
    rng = np.random.default_rng(5)
    kinds = rng.permuted(np.tile(np.arange(n_kinds) % 2, (n_sites, 1)), axis=1)
    calls = kinds[:, rng.integers(0, n_kinds, n_haplotypes)] ^ (rng.random((n_sites, n_haplotypes)) < noise)
    return calls.astype(np.int8).reshape(n_sites, -1, 2)


@pytest.fixture(scope="module")
def calls():
    return haplotypes()


@pytest.fixture(scope="module")
def table(calls):
    return sweep(calls, **GRID, n_epochs=N_EPOCHS)


@pytest.fixture
def vcf_file(calls, tmp_path):
    lines = [
        f"1\t{100 + site}\t.\tA\tC\t.\tPASS\t.\tGT\t" + "\t".join(f"{a}|{b}" for a, b in row)
        for site, row in enumerate(calls.tolist())
    ]
    path = tmp_path / "in.vcf"
    path.write_bytes(vcf(lines, samples=[f"S{i}" for i in range(calls.shape[1])]))
    return path


def figures(table):
    """All but the seconds."""
    return [dataclasses.replace(point, seconds=0.0) for point in table.points]


def test_every_combination_comes_once_and_in_order_after_the_point_without_an_autoencoder(table):
    places = [(p.n_latents, p.bits, p.depth) for p in table.points]
    assert places == [(0, 0, 0)] + [(m, b, d) for m in (1, 3) for b in (1, 2) for d in (1, 2)]


def test_total_is_the_sum_of_its_parts_per_sample_and_site(table, calls):
    for point in table.points:
        total = point.latent_bits + point.weight_bits + point.residual_bits
        assert point.bits_per_genotype == total / (60 * 120)
        assert 0 < point.seconds < 60


def test_parameters_are_those_of_the_decoder(table):
    n_hidden = usual_hidden(240)
    for point in table.points[1:]:
        wanted = {1: (point.n_latents + 1) * 60, 2: (point.n_latents + 1) * n_hidden + (n_hidden + 1) * 60}
        assert point.n_params == wanted[point.depth]


def test_hidden_layers_are_as_wide_as_the_rows_pay_for_and_wider_than_an_archive_has_them():
    assert [usual_hidden(n_rows) for n_rows in (2, 600, 5008, 60_000)] == [4, 13, 40, 64]
    wide = sweep(haplotypes(20, 600), latents=[2], bits=[1], depth=[2], n_epochs=1).points[1]
    assert wide.n_params == (2 + 1) * 13 + (13 + 1) * 20


def test_more_latents_and_bits_leave_fewer_wrong_alleles(table):
    of = {(p.n_latents, p.bits, p.depth): p.hamming for p in table.points}
    assert of[3, 1, 2] < of[1, 1, 2] < of[0, 0, 0]
    assert of[1, 2, 2] < of[1, 1, 2]


def test_a_point_stores_what_an_archive_of_one_block_does(calls, tmp_path, monkeypatch):
    point = sweep(calls, latents=[3], bits=[2], depth=[2], seed=4).points[1]
    fit, shape = training.fit, training.Shape(3, training.Shape.usual(240, 60).n_hidden, 2, 2)
    monkeypatch.setattr(training, "fit", lambda bits, _shape, _seed, **kw: fit(bits, shape, (4, 3, 2, 2), **kw))
    monkeypatch.setattr(training, "WORTHS", training.WORTHS[-1:])
    write_archive(tmp_path / "a.fae", calls, predictor="autoencoder")
    with open_archive(tmp_path / "a.fae") as archive:
        size = archive.info()["bytes"]
        wrong, cells = archive.hamming()
    assert [point.latent_bits, point.weight_bits, point.residual_bits] == [
        8 * size[part] for part in ("latents", "decoder", "residual")
    ]
    assert point.hamming == wrong / cells


def test_the_table_is_the_same_for_any_number_of_jobs(table, calls):
    assert figures(sweep(calls, **GRID, n_epochs=N_EPOCHS, n_jobs=3)) == figures(table)


def test_a_point_is_the_same_in_any_grid(table, calls):
    one = sweep(calls, latents=[3], bits=[2], depth=[1], n_epochs=N_EPOCHS)
    assert figures(one)[1] in figures(table)


def test_another_seed_gives_another_table(table, calls):
    assert figures(sweep(calls, **GRID, n_epochs=N_EPOCHS, seed=1))[1:] != figures(table)[1:]


def test_a_path_a_cohort_a_stream_and_an_array_give_one_table(calls, vcf_file):
    options = {"latents": [2], "bits": [1], "depth": [2], "n_epochs": 5}
    cohort = Cohort.from_arrays(calls)
    tables = [figures(sweep(data, **options)) for data in (calls, cohort, cohort.to_stream(), vcf_file)]
    assert all(found == tables[0] for found in tables)


def test_dna_missing_alleles_and_unphased_calls_are_swept_too(rng):
    dna = rng.integers(-1, 4, (12, 1))[:, [0] * 30]
    dna = np.where(rng.random(dna.shape) < 0.1, rng.integers(-1, 4, dna.shape), dna)
    assert len(sweep(dna, latents=[2], bits=[1], depth=[2], n_epochs=5).points) == 2
    unphased = Cohort.from_arrays(haplotypes(20, 40), phased=False)
    assert len(sweep(unphased, latents=[2], bits=[3], depth=[3], n_epochs=5).points) == 2


# ---- resuming


def test_a_second_run_only_trains_what_is_missing(calls, tmp_path):
    path = tmp_path / "results.jsonl"
    small = sweep(calls, latents=[1], bits=[1], depth=[1, 2], n_epochs=5, results=path)
    trained = []
    large = sweep(calls, latents=[1, 2], bits=[1], depth=[1, 2], n_epochs=5, results=path, progress=trained.append)
    assert large.points[:3] == small.points  # to the seconds
    assert sorted(trained, key=large.points.index) == list(large.points[3:])
    again = sweep(calls, latents=[1, 2], bits=[1], depth=[1, 2], n_epochs=5, results=path, progress=trained.append)
    assert again == large and len(trained) == 2


def test_a_killed_sweep_continues_where_it_was(vcf_file, tmp_path):
    path = tmp_path / "results.jsonl"
    options = ["--latents", "1,2,3", "--bits", "1,2", "--depth", "2", "--epochs", "600", "-p", "1"]
    command = [sys.executable, "-m", "fastae", "sweep", str(vcf_file), "--results", str(path), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (path.exists() and len(path.read_bytes().splitlines()) >= 3) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert 2 <= len(kept) < 7
    done = subprocess.run([*command, "--json"], capture_output=True, check=True)
    points = [SweepPoint(**point) for point in json.loads(done.stdout)]
    assert [SweepPoint(**point) for point in kept] == points[: len(kept)]  # seconds too: they were not trained again
    whole = sweep(vcf_file, latents=[1, 2, 3], bits=[1, 2], depth=[2], n_epochs=600)
    assert figures(Sweep(tuple(points))) == figures(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": haplotypes(noise=0.03)}, r"results.jsonl holds a sweep of other data"),
        ({"seed": 1}, r"results.jsonl holds a sweep with other settings, .*\"seed\": 0}, not .*\"seed\": 1}"),
        ({"n_epochs": 6}, r"results.jsonl holds a sweep with other settings"),
        ({"n_hidden": 3}, r"results.jsonl holds a sweep with other settings"),
    ],
)
def test_results_of_other_data_or_settings_are_refused_and_kept(calls, tmp_path, change, message):
    path = tmp_path / "results.jsonl"
    options = {"data": calls, "latents": [1], "bits": [1], "depth": [1], "n_epochs": 5, "results": path}
    sweep(**options)
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        sweep(**options | change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("data", [b"hello\n", b"{}\n", b"[1]\n", b"\xff\xfe", b'{"kind": "another"}\n', b"[" * 10**5])
def test_a_file_that_is_no_sweep_is_refused_and_kept(calls, tmp_path, data):
    path = tmp_path / "results.jsonl"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"results.jsonl.* not .*sweep.*; give another file"):
        sweep(calls, latents=[1], bits=[1], depth=[1], results=path)
    assert path.read_bytes() == data


def test_an_empty_file_of_results_is_a_start(calls, tmp_path):
    path = tmp_path / "results.jsonl"
    path.touch()
    table = sweep(calls, latents=[1], bits=[1], depth=[1], n_epochs=5, results=path)
    assert len(path.read_bytes().splitlines()) == 1 + len(table.points)


def test_a_line_cut_off_is_named_and_without_it_the_rest_counts(calls, tmp_path):
    path = tmp_path / "results.jsonl"
    options = {"latents": [1], "bits": [1], "depth": [1], "n_epochs": 5, "results": path}
    table = sweep(calls, **options)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(FormatError, match=r"results.jsonl, line 3: .* cut off; delete the line to keep the others"):
        sweep(calls, **options)
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    trained = []
    assert figures(sweep(calls, **options, progress=trained.append)) == figures(table) and len(trained) == 1


@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero"])
def test_results_in_a_device_are_refused(calls, device):
    with pytest.raises(InputError, match=f"{device}: this is a pipe or a device, .*; give the name of a file"):
        sweep(calls, latents=[1], bits=[1], depth=[1], results=device)


@pytest.mark.parametrize("line", ['{"n_latents": 1}', '{"a": 1}', "POINT"])
def test_a_corrupt_point_is_refused(calls, tmp_path, line):
    path = tmp_path / "results.jsonl"
    sweep(calls, latents=[1], bits=[1], depth=[1], n_epochs=5, results=path)
    point = path.read_text().splitlines()[1]
    with path.open("a") as file:
        file.write(line.replace("POINT", point.replace('"hamming": 0', '"hamming": "0').replace(', "sec', '", "sec')))
    with pytest.raises(FormatError, match="point that is none of a sweep"):
        sweep(calls, latents=[1], bits=[1], depth=[1], n_epochs=5, results=path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_latents", "1.0"),
        ("residual_bits", "-5"),
        ("bits_per_genotype", "NaN"),
        ("seconds", "true"),
        ("hamming", "null"),
    ],
)
def test_a_point_with_a_figure_that_no_sweep_finds_is_refused(calls, tmp_path, name, value):
    path = tmp_path / "results.jsonl"
    options = {"latents": [1], "bits": [1], "depth": [1], "n_epochs": 5, "results": path}
    sweep(calls, **options)
    changed, n_changes = re.subn(f'"{name}": [^,}}]*', f'"{name}": {value}', path.read_text())
    assert n_changes == 2
    path.write_text(changed)
    with pytest.raises(FormatError, match="point that is none of a sweep"):
        sweep(calls, **options)


# ---- the front


def test_the_front_holds_what_no_other_point_equals_or_beats():
    def point(n, total, hamming, residual=0):
        return SweepPoint(n, 1, 1, 1, total - residual, 0, residual, total / 100, hamming, 0.0)

    a, b, c, d, e = (
        point(1, 10, 0.5),
        point(2, 20, 0.3),
        point(3, 20, 0.4),
        point(4, 30, 0.3),
        point(5, 40, 0.1, residual=35),
    )
    table = Sweep((e, d, c, b, a))
    assert table.front() == [a, b, e]
    assert table.front(lossy=True) == [e]
    assert [line.endswith("*") for line in table.to_text().splitlines()[1:-1]] == [True, False, False, True, True]


def test_tables_hold_every_figure(table):
    head, *rows = (line.split("\t") for line in table.to_tsv().splitlines())
    assert head == [field.name for field in dataclasses.fields(SweepPoint)]
    assert [[float(cell) for cell in row] for row in rows] == [list(dataclasses.astuple(p)) for p in table.points]
    assert json.loads(table.to_json()) == [dataclasses.asdict(point) for point in table.points]
    widths = {len(line.removesuffix("  *")) for line in table.to_text().splitlines()[:-1]}
    assert len(widths) == 1


@pytest.mark.parametrize("lossy", [False, True])
def test_plot_draws_every_point_once_and_the_front(table, lossy):
    _, (ax,) = new_figure(1)
    plot_sweep(table, lossy=lossy, ax=ax)
    front, *series = ax.lines
    cost = "lossy_bits_per_genotype" if lossy else "bits_per_genotype"
    drawn = sorted(tuple(xy) for line in series for xy in line.get_xydata())
    assert drawn == sorted((getattr(p, cost), p.hamming) for p in table.points)
    assert [tuple(xy) for xy in front.get_xydata()] == [(getattr(p, cost), p.hamming) for p in table.front(lossy=lossy)]
    assert len(series) == 5  # two numbers of bits, two depths, and none


# ---- refusals


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"bits": [0]}, ValueError, "bits must be 1 to 8, got 0"),
        ({"bits": [1, 9]}, ValueError, "bits must be 1 to 8, got 9"),
        ({"depth": [0]}, ValueError, "depth must be 1 to 8, got 0"),
        ({"latents": [0]}, ValueError, "latents must be 1 to 4096, got 0"),
        ({"latents": []}, ValueError, "latents is empty"),
        ({"latents": 4}, TypeError, "latents is 4; give a list of integers"),
        ({"latents": "24"}, TypeError, "latents is '24'; give a list"),
        ({"latents": [2.5]}, TypeError, "latents must be an integer, got float"),
        ({"latents": [61]}, InputError, "61 latents are more than the 60 common alleles"),
        ({"n_jobs": 0}, ValueError, "n_jobs must be 1 to 1024"),
        ({"n_epochs": 0}, ValueError, "n_epochs must be 1 or more"),
        ({"n_hidden": 5000}, ValueError, "n_hidden must be 1 to 4096"),
        ({"seed": -1}, ValueError, "seed must be 0 or more"),
        ({"data": np.zeros((5, 4), np.int8)}, InputError, "no site of 5 has two alleles"),
        ({"data": np.zeros((0, 4), np.int8)}, InputError, "0 sites of 4 samples"),
        ({"data": np.zeros((5, 0), np.int8)}, InputError, "5 sites of 0 samples"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_training(calls, monkeypatch, change, kind, message):
    monkeypatch.setattr(training, "fit", None)
    with pytest.raises(kind, match=message):
        sweep(**{"data": calls, "latents": [1], "bits": [1], "depth": [1]} | change)


def test_too_many_sites_for_one_block_are_refused(calls, monkeypatch):
    monkeypatch.setattr(pbwt, "MAX_ROWS", 239)
    with pytest.raises(InputError, match="a block has 240 rows, 239 are the most; give fewer samples"):
        sweep(calls, latents=[1], bits=[1], depth=[1])
    monkeypatch.setattr(sys.modules["fastae.sweep"], "MAX_BLOCK_CELLS", 100)
    with pytest.raises(InputError, match="60 sites of 120 samples are too large for one block"):
        sweep(calls, latents=[1], bits=[1], depth=[1])


def test_latents_beyond_the_rows_are_refused_before_training(monkeypatch):
    monkeypatch.setattr(training, "fit", None)
    with pytest.raises(InputError, match="41 latents are more than the 40 rows that they are to tell apart"):
        sweep(haplotypes(n_haplotypes=40), latents=[41], bits=[1], depth=[1])


def test_training_asks_in_every_long_phase_whether_to_stop(calls):
    table, matrix = split(calls, np.ones(calls.shape[:2], bool))
    asking = []

    def check_stop():
        asking.append(sys._getframe(1).f_code.co_name)

    fitted, _ = training.fit_window(matrix, table, 0, shape=training.Shape(4, 8), n_epochs=5, check_stop=check_stop)
    training.models(fitted, check_stop)
    counts = {name: asking.count(name) for name in dict.fromkeys(asking)}
    n_rounds = 2 * 3 * len(training.WORTHS)  # of three steps
    assert counts == {"<lambda>": 5, "fit": 1, "round_layer": len(training.WORTHS), "_round": n_rounds * 8}


def test_a_name_in_place_of_axes_is_refused(table):
    with pytest.raises(TypeError, match="ax is str, not matplotlib's axes"):
        plot_sweep(table, ax="x.png")


def test_a_failing_point_ends_the_sweep_at_once(calls, monkeypatch):
    fit = training.fit

    def failing(bits, shape, seed, **options):
        if shape.n_latents == 1:
            raise RuntimeError("failed")
        return fit(bits, shape, seed, **options)

    monkeypatch.setattr(training, "fit", failing)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="failed"):
        sweep(calls, latents=[1, 2], bits=[1], depth=[1], n_epochs=10**7, n_jobs=3)
    assert time.monotonic() - started < 20


# ---- the command line


def test_command_writes_table_results_and_picture(vcf_file, tmp_path, capsys):
    out = {name: tmp_path / name for name in ("t.tsv", "r.jsonl", "p.svg", "p.png")}
    command = ["sweep", str(vcf_file), "--latents", "1,2", "--bits", "2", "--depth", "1", "--epochs", "5", "-p", "2"]
    assert main([*command, "--results", str(out["r.jsonl"]), "--plot", str(out["p.svg"])]) == 0
    text, told = capsys.readouterr()
    assert main([*command, "--results", str(out["r.jsonl"]), "--tsv", str(out["t.tsv"]), "--json"]) == 0
    table = Sweep(tuple(SweepPoint(**point) for point in json.loads(capsys.readouterr().out)))
    assert text == table.to_text() + "\n"
    note, *lines = told.splitlines()
    assert note == f"fastae: note: reading VCF from {vcf_file}"
    assert sorted(lines) == sorted(point.summary() for point in table.points)  # a line as each is finished
    assert main([*command, "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert out["t.tsv"].read_text() == table.to_tsv()
    first = out["p.svg"].read_bytes()
    assert b"bits per genotype" in first
    assert main([*command, "--results", str(out["r.jsonl"]), "--plot", str(out["p.svg"])]) == 0
    assert out["p.svg"].read_bytes() == first
    assert main([*command, "--plot", str(out["p.png"])]) == 0
    assert out["p.png"].read_bytes().startswith(b"\x89PNG")


def test_command_sweeps_a_region_only(vcf_file, capsys):
    command = ["sweep", str(vcf_file), "--latents", "2", "--bits", "1", "--depth", "2", "--epochs", "5", "--json"]
    assert main([*command, "-r", "1:100-119"]) == 0
    some = Sweep(tuple(SweepPoint(**point) for point in json.loads(capsys.readouterr().out)))
    with read_cohort(vcf_file) as stream:
        cohort = stream.read().select(slice(20))
    assert figures(some) == figures(sweep(cohort, latents=[2], bits=[1], depth=[2], n_epochs=5))


def test_results_may_be_named_by_bytes(calls, tmp_path):
    path = tmp_path / "r.jsonl"
    done = [sweep(calls, latents=[1], bits=[1], depth=[1], n_epochs=1, results=name) for name in (bytes(path), path)]
    assert done[0] == done[1]  # to the seconds: the second is the first's


def test_command_that_is_stopped_tells_how_to_go_on(vcf_file, tmp_path, monkeypatch, capsys):
    results = str(tmp_path / "r.jsonl")
    command = ["sweep", str(vcf_file), "--latents", "1,2", "--bits", "1", "--depth", "1", "--epochs", "1"]
    fit = training.fit

    def stopped(bits, shape, seed, **options):
        if shape.n_latents == 2:
            until = time.monotonic() + 20
            while not os.path.exists(results) and time.monotonic() < until:
                time.sleep(0.01)
            signal.raise_signal(signal.SIGINT)
        return fit(bits, shape, seed, **options)

    with monkeypatch.context() as patched:
        patched.setattr(training, "fit", stopped)
        assert main([*command, "--results", results]) == 128 + signal.SIGINT
        told = f"fastae: stopped; finished points are in {results}, and the same command goes on from them\n"
        out, errors = capsys.readouterr()
        assert out == "" and errors.endswith(told)
        assert main(command) == 128 + signal.SIGINT
        told = "fastae: stopped; --results FILE would have kept the finished points\n"
        assert capsys.readouterr().err.endswith(told)
        patched.setattr("fastae.io.formats.open_cohort", lambda *_, **__: signal.raise_signal(signal.SIGINT))
        assert main([*command, "--results", results + "2"]) == 128 + signal.SIGINT
        assert capsys.readouterr() == ("", "fastae: stopped; no point was finished\n")
    assert main([*command, "--results", results]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--latents", "500"], "500 latents are more than the 60 common alleles"),
        (["--plot", "p.gif"], "p.gif: a picture's name ends in .png, .svg, .pdf"),
        (["--plot", "no/p.png"], "no/p.png: there is no directory no"),
        (["--tsv", "in.vcf"], "in.vcf: the output is the input file"),
        (["--tsv", "t", "--results", "t"], "t: two outputs have this name"),
        (["--results", "in.vcf"], "in.vcf: the output is the input file"),
        (["-r", "7:1-2"], "no site is in 7:1-2"),
        (["-r", "1:1-2"], "no site is in 1:1-2"),
    ],
)
def test_command_refuses_in_one_sentence(vcf_file, monkeypatch, capsys, options, message):
    monkeypatch.chdir(vcf_file.parent)
    assert main(["sweep", "in.vcf", *options, "-q"]) == 1
    error = capsys.readouterr().err
    assert message in error and error.startswith("fastae: ") and error.count("\n") == 1
    assert os.listdir() == ["in.vcf"]


def test_command_refuses_a_missing_file_and_wrong_usage(capsys):
    assert main(["sweep", "no-such.vcf"]) == 1
    assert "no-such.vcf: No such file or directory" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["sweep", "in.vcf", "--latents", "2,x"])
    assert caught.value.code == 2
    assert "argument --latents: 'x' is no number that will do; give 1 to 4096" in capsys.readouterr().err
