# SPDX-License-Identifier: Apache-2.0
"""`fastae train`: from a cohort to a model that is used, and `training_rows` which it learns from."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import fastae
from fastae import DOSAGE, GRADIENT_MODES, HAPLOTYPE, LOSSES, OPTIMIZERS, SCHEDULES, Cohort, training_rows
from fastae.cli import main, train

OPTIONS = ["--latents", "3", "--hidden", "8", "--epochs", "12", "--batch-size", "16", "--learning-rate", "0.02"]


@pytest.fixture
def calls(rng):
    founders = rng.integers(0, 2, (60, 4), dtype=np.int8)
    return founders[:, rng.integers(0, 4, (40, 2))]


@pytest.fixture
def folder(tmp_path, monkeypatch, calls):
    monkeypatch.chdir(tmp_path)
    cohort = Cohort.from_arrays(calls)
    fastae.write_vcf("cohort.vcf", cohort.to_stream())
    fastae.write_archive("cohort.fae", cohort)
    return tmp_path


# ---- rows


def test_rows_are_haplotypes_of_the_common_sites(calls):
    rows = training_rows(Cohort.from_arrays(calls).to_stream(7), min_share=0.1)
    share = calls.mean(axis=(1, 2))
    common = np.flatnonzero(np.minimum(share, 1 - share) >= 0.1)
    assert rows.variants.tolist() == common.tolist() and rows.n_seen == 60
    np.testing.assert_array_equal(rows.X, calls[common].transpose(1, 2, 0).reshape(80, -1))
    assert rows.alphabet is HAPLOTYPE and rows.rows_per_sample == 2 and rows.samples[0] == "S1"


def test_rows_are_dosages_where_a_heterozygote_is_unphased():
    calls = [[[0, 1], [1, 1], [-1, 1]], [[0, 0], [2, 0], [1, 1]]]
    rows = training_rows(Cohort.from_arrays(calls, phased=False))
    assert rows.alphabet is DOSAGE and rows.rows_per_sample == 1
    assert rows.X.tolist() == [[1, 0], [2, 1], [-1, 2]]
    homozygous = training_rows(Cohort.from_arrays([[[0, 0], [1, 1]]], phased=False))
    assert homozygous.rows_per_sample == 2  # nothing hangs on their phase


def test_missing_alleles_and_those_beyond_a_haploid_call_are_not_known():
    rows = training_rows(Cohort.from_arrays([[[0, -2], [1, 0], [-1, 1]]]))
    assert rows.X.ravel().tolist() == [0, -1, 1, 0, -1, 1]


def test_blocks_of_different_ploidy_become_rows_of_the_widest():
    blocks = [Cohort.from_arrays([[0, 1, 1]]), Cohort.from_arrays([[[0, 1], [1, 1], [0, 0]]])]
    stream = blocks[1].to_stream()
    stream.blocks = iter(blocks)
    rows = training_rows(stream)
    assert rows.X.tolist() == [[0, 0], [-1, 1], [1, 1], [-1, 1], [1, 0], [-1, 0]]


def test_a_cohort_without_common_sites_is_refused():
    with pytest.raises(fastae.InputError, match="none of 5 sites has rarer alleles of a share of 0.01"):
        training_rows(Cohort.from_arrays(np.zeros((5, 4), np.int8)))
    with pytest.raises(ValueError, match="min_share is 0.6; give a share from 0 to 0.5"):
        training_rows(Cohort.from_arrays([[0, 1]]), min_share=0.6)


# ---- the command


def test_a_model_is_trained_saved_and_used(folder, calls, capsys):
    assert main(["train", "cohort.vcf", *OPTIONS, "--epochs", "60", "-o", "m.model", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    model = fastae.load_model("m.model")
    rows = training_rows(Cohort.from_arrays(calls))
    n = len(rows.variants)
    assert model.encoder.sizes == (n, 8, 3) and model.decoder.sizes == (3, 8, n)
    back = HAPLOTYPE.from_levels(model(HAPLOTYPE.to_levels(HAPLOTYPE.to_codes(rows.X), np.float32)))
    assert np.mean(back != rows.X) < 0.05 < np.minimum(rows.X.mean(axis=0), 1 - rows.X.mean(axis=0)).mean()
    assert (facts["samples"], facts["held_out"], facts["sites"], facts["sites_used"]) == (40, 4, 60, n)
    assert facts["epochs"] == 60 and facts["parameters"] == model.params.size
    history = fastae.History.from_tsv((folder / "m.model.history.tsv").read_text())
    assert len(history) == 60 and history.hamming[-1] == facts["hamming"]
    assert history.heldout_hamming[-1] == facts["heldout_hamming"] < 0.1


def test_an_archive_trains_the_same_model_as_its_source(folder):
    region = ["-r", "1:11-50,1:3"]
    for source, name in (("cohort.vcf", "a"), ("cohort.fae", "b")):
        assert main(["train", source, *OPTIONS, *region, "-o", name]) == 0
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
    assert fastae.load_model("a").encoder.sizes[0] <= 41


def test_the_summary_names_what_was_done(folder, capsys):
    assert main(["train", "cohort.fae", *OPTIONS, "-o", "m", "--history", "h.tsv", "--save-latents", "z.npz"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.replace("held out", "held").splitlines())
    assert lines["samples"] == "40" and lines["encoder"].endswith("-8-3") and lines["model"] == "m"
    assert sorted(os.listdir()) == ["cohort.fae", "cohort.vcf", "h.tsv", "m", "z.npz"]


def test_saved_latents_are_those_of_the_model_rounded_to_its_bits(folder, calls):
    assert main(["train", "cohort.fae", *OPTIONS, "--bits", "2", "-o", "m", "--save-latents", "z.npz"]) == 0
    rows = training_rows(Cohort.from_arrays(calls))
    with np.load("z.npz") as file:
        Z, samples = file["latents"], file["samples"]
    assert Z.shape == (40, 2, 1, 3) and samples.tolist() == rows.samples
    encoded = fastae.load_model("m").encoder.transform(HAPLOTYPE.to_levels(HAPLOTYPE.to_codes(rows.X), np.float32))
    expected = fastae.dequantize_latents(fastae.quantize_latents(encoded, 2), 2)
    np.testing.assert_allclose(Z.reshape(80, 3), expected)


def test_held_out_people_are_held_out_with_both_haplotypes(folder, monkeypatch):
    seen = {}
    fit = fastae.Trainer.fit

    def watched(trainer, X, **options):
        seen.update(X=len(X), heldout=len(options["X_heldout"]))
        return fit(trainer, X, **options)

    monkeypatch.setattr(fastae.Trainer, "fit", watched)
    assert main(["train", "cohort.fae", *OPTIONS, "--validation", "0.25", "-o", "m"]) == 0
    assert seen == {"X": 60, "heldout": 20}


def test_patience_keeps_the_best_epoch_and_says_so(folder, capsys, rng):
    fastae.write_archive("noise.fae", rng.integers(0, 2, (60, 40, 2)))  # which nobody can learn
    assert main(["train", "noise.fae", *OPTIONS, "--epochs", "90", "--patience", "3", "-o", "m", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    history = fastae.History.from_tsv((folder / "m.history.tsv").read_text())
    assert history.best_epoch + 1 == facts["best_epoch"] and len(history) == facts["best_epoch"] + 3 < 90
    assert facts["heldout_hamming"] == history.heldout_hamming[history.best_epoch]


def test_a_training_that_was_killed_goes_on_to_the_same_model(folder):
    command = [sys.executable, "-m", "fastae", "train", "cohort.fae", *OPTIONS, "--epochs", "4000", "-p", "1"]
    script = "import fastae.cli.train as t; t._SECONDS = 0.0; from fastae.cli import main; import sys; sys.exit(main())"
    child = subprocess.Popen([sys.executable, "-c", script, *command[3:], "-o", "m", "--checkpoint", "c"])
    deadline = time.monotonic() + 60
    while not os.path.exists("c") and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL and not os.path.exists("m")
    assert subprocess.run([*command, "-o", "m", "--checkpoint", "c"], capture_output=True, check=True).returncode == 0
    assert main([*command[3:], "-o", "whole"]) == 0
    assert (folder / "m").read_bytes() == (folder / "whole").read_bytes()
    tables = [fastae.History.from_tsv((folder / f"{name}.history.tsv").read_text()) for name in ("m", "whole")]
    assert tables[0].loss.tolist() == tables[1].loss.tolist()


def test_a_checkpoint_of_another_training_is_refused(folder, capsys):
    arguments = ["train", "cohort.fae", *OPTIONS, "-o", "m", "--checkpoint", "c"]
    assert main(arguments) == 0
    assert main([*arguments, "--seed", "1"]) == 1
    assert "c is the checkpoint of another training: seed was 0, is 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--validation", "0", "--patience", "2"], "--patience watches the people held out"),
        (["--history", "m"], "m: two outputs have this name; give each its own"),
        (["--checkpoint", "cohort.fae"], "the output is the input file"),
        (["-r", "2"], "region '2' is on no chromosome here"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(folder, capsys, arguments, message):
    assert main(["train", "cohort.fae", *OPTIONS, "-o", "m", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(os.listdir()) == ["cohort.fae", "cohort.vcf"]


def test_a_region_that_no_site_is_in_is_refused(folder, capsys):
    for region in ("9", "9:1-5", "1:70-80"):
        assert main(["train", "cohort.vcf", *OPTIONS, "-r", region, "-o", "m"]) == 1
        assert f"no site is in {region}" in capsys.readouterr().err


def test_a_region_in_braces_is_taken_where_the_header_names_no_chromosomes(folder, capsys):
    text = (folder / "cohort.vcf").read_text()
    (folder / "bare.vcf").write_text("".join(line for line in text.splitlines(True) if not line.startswith("##contig")))
    summaries = []
    for region in ("1:5-30", "{1}:5-30"):
        assert main(["train", "bare.vcf", *OPTIONS, "-r", region, "-o", "m", "--json", "-q"]) == 0
        summaries.append(json.loads(capsys.readouterr().out)["sites"])
    assert summaries[0] == summaries[1] > 0


def test_choices_are_all_that_a_trainer_has():
    tables = {"GRADIENTS": GRADIENT_MODES, "OPTIMIZERS": OPTIMIZERS, "SCHEDULES": SCHEDULES, "LOSSES": LOSSES}
    for name, table in tables.items():
        assert sorted(getattr(train, name)) == sorted(table)


def test_a_model_that_cannot_be_written_leaves_what_was_there(folder, monkeypatch, capsys):
    for name in ("m.history.tsv", "z.npz"):
        (folder / name).write_bytes(b"as it was")

    def fail(*_):
        raise OSError(28, "No space left on device", "m")

    monkeypatch.setattr("fastae.modelfile.save_model", fail)
    assert main(["train", "cohort.fae", *OPTIONS, "--save-latents", "z.npz", "-o", "m"]) == 1
    assert "m: No space left on device" in capsys.readouterr().err
    assert {name: (folder / name).read_bytes() for name in ("m.history.tsv", "z.npz")} == {
        "m.history.tsv": b"as it was",
        "z.npz": b"as it was",
    }
    assert sorted(path.name for path in folder.iterdir()) == ["cohort.fae", "cohort.vcf", "m.history.tsv", "z.npz"]
