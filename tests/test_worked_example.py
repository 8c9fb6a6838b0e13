# SPDX-License-Identifier: Apache-2.0
"""docs/worked_example.py does what docs/worked-example.md says."""

import importlib.util
import os
import platform
import re
from pathlib import Path

import numpy as np
import pytest

import fastae
from fastae import DNA, HammingLoss, _core

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("FASTAE_DATA", ROOT / ".." / "shared" / "data"))
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("worked_example", ROOT / "docs" / "worked_example.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_program_prints_the_same_digits_on_every_instruction_set_of_x86(example, isa):
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the page says so of x86-64 alone")
    with fastae.read_vcf(example.SHIPPED) as stream:
        windows = example.distinct_windows(example.bases(stream.read()))
    found = example.compare(windows, 0)["autoencoder, 3 latents"]
    _core.cpu_set_mask(0)
    assert example.compare(windows, 0)["autoencoder, 3 latents"] == found


def test_the_page_shows_what_the_program_prints_and_the_autoencoder_wins(example, capsys):
    example.main()
    printed = capsys.readouterr().out
    page = (ROOT / "docs" / "worked-example.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n(.*?)```", page, re.DOTALL)[1]
    # Training multiplies the last bit of sums, whose order another architecture or change may alter: roughly, then.
    skeleton, numbers = [NUMBER.sub("#", text).split() for text in (printed, shown)], []
    assert skeleton[0] == skeleton[1]
    numbers = [np.array(NUMBER.findall(text), dtype=float) for text in (printed, shown)]
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=0, atol=0.06)
    seeds = np.array([line.split() for line in printed.splitlines()[-3:]], dtype=float)
    assert (seeds[:, 3] < seeds[:, 2] - 0.05).all()  # autoencoder, PCA


@pytest.mark.parametrize("name", ["kg3_chrMT_seq.fasta.gz", "h3n2_na.fasta.gz"])
def test_the_autoencoder_is_better_than_pca_on_aligned_sequences(example, name):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not there; set FASTAE_DATA to the folder of the development data")
    windows = example.distinct_windows(example.bases(example.read_fasta(DATA / name)))
    distances = example.compare(windows, seed=3)
    assert distances["autoencoder, 3 latents"] < distances["PCA, 3 components"] - 0.05
    assert distances["PCA, 3 components"] < distances["commonest base"]


def test_the_networks_are_those_of_the_page(example, monkeypatch):
    trained = []

    class Watched(example.Trainer):
        def __init__(self, encoder, decoder, *, loss, gradient, **options):
            trained.append((encoder, decoder, loss, gradient))
            super().__init__(encoder, decoder, loss=loss, gradient=gradient, **options)

        def fit(self, X, *, n_epochs):
            return super().fit(X, n_epochs=1)

    monkeypatch.setattr(example, "Trainer", Watched)
    windows = DNA.to_symbols(np.random.default_rng(0).integers(-1, 4, (80, 10)))
    example.compare(windows, seed=0)
    ((encoder, decoder, loss, gradient),) = trained
    assert encoder.sizes == (10, 8, 6, 4, 3) and decoder.sizes == (3, 6, 10)
    assert {*encoder.stack.activations, *decoder.stack.activations} == {"tanh"}
    assert isinstance(loss, HammingLoss) and loss.alphabet is DNA and gradient == "forward"


def test_forward_mode_and_difference_print_the_same_slope(example, capsys):
    windows = DNA.to_symbols(np.random.default_rng(0).integers(-1, 4, (50, 10)))
    example.check_derivative(windows, seed=7)
    slopes = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-5) != 0
