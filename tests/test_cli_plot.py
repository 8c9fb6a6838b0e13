# SPDX-License-Identifier: Apache-2.0
"""`fastae plot`: from files to pictures that say what the files say."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import fastae
from fastae.cli import main, plot

pytest.importorskip("matplotlib", reason="pictures need matplotlib, the extra plot")


@pytest.fixture
def folder(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    calls = rng.integers(0, 2, (40, 30, 2), dtype=np.int8)
    fastae.write_archive("cohort.fae", calls, n_latents=3, latent_bits=4)
    fastae.write_archive("plain.fae", calls)
    (tmp_path / "labels.tsv").write_text(
        "sample\tpopulation\tregion\n" + "".join(f"S{i}\tP{i % 5}\tR{i % 2}\n" for i in range(1, 29))
    )
    (tmp_path / "sizes.tsv").write_text(
        "# measured somewhere\ndataset\ttool\ttotal_bytes\tgenotype_bytes\n"
        "a\tplink\t900\t800\na\txz\t700\t600\nb\tplink\t90\t80\n"
    )
    history = fastae.History(loss=[0.5, 0.25], hamming=[0.4, 0.125])
    (tmp_path / "history.tsv").write_text(history.to_tsv())
    return tmp_path


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, whatever they were saved as."""
    figures = []
    monkeypatch.setattr("fastae.plots.save_figure", lambda figure, path, title: figures.append((figure, title)))
    return figures


def four_kinds():
    return fastae.Cohort.from_arrays(np.tile([[0, 0, 1, 1], [0, 1, 0, 1]], (6, 9))).to_stream()


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def text_of(path):
    return "".join(ET.parse(path).getroot().itertext())


def test_people_are_drawn_where_their_latents_are_under_their_labels(folder, drawn):
    arguments = ["plot", "latents", "cohort.fae", "--labels", "labels.tsv", "--pair", "1,3", "-o", "x.png"]
    assert main(arguments) == 0
    assert main([*arguments, "--by", "region"]) == 0
    first, second = (figure.axes[0] for figure, _ in drawn)
    assert legend_of(first) == ["P0 (5)", "P1 (6)", "P2 (6)", "P3 (6)", "P4 (5)"]
    assert legend_of(second) == ["R0 (14)", "R1 (14)"]
    with fastae.open("cohort.fae") as archive:
        Z = archive.latents()[0].mean(axis=1)
    of_r1 = next(c for c in second.collections if len(c.get_offsets()) == 14 and c.get_offsets()[0, 0] == Z[0, 0])
    np.testing.assert_array_equal(of_r1.get_offsets(), Z[0:28:2][:, [0, 2]])
    assert drawn[0][1] == "30 people by 3 latents"


def test_saved_latents_make_the_picture_of_their_archive(folder, drawn):
    assert main(["latents", "cohort.fae", "-o", "z.npz"]) == 0
    for source in ("cohort.fae", "z.npz"):
        assert main(["plot", "latents", source, "-o", "x.png"]) == 0
    one, other = (figure.axes[0].collections[0].get_offsets() for figure, _ in drawn)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_bits_stand_above_frequencies_on_one_axis(folder, drawn):
    assert main(["plot", "bits", "cohort.fae", "-o", "x.png"]) == 0
    above, below = drawn[0][0].axes
    assert above.get_ylabel() == "bits of the file per site" and below.get_ylabel() == "rarer alleles' share"
    assert above.get_shared_x_axes().joined(above, below)


def test_a_history_is_drawn_epoch_by_epoch(folder, drawn):
    assert main(["plot", "history", "history.tsv", "-o", "x.png"]) == 0
    lines = drawn[0][0].axes[0].lines
    assert [line.get_ydata().tolist() for line in lines] == [[0.5, 0.25], [0.4, 0.125]]


@pytest.mark.parametrize("kind", ["results", "tsv"])
def test_a_front_is_drawn_from_results_and_from_the_table(folder, drawn, kind):
    fastae.write_vcf("cohort.vcf", four_kinds())
    grid = ["--latents", "1,2", "--bits", "1", "--depth", "1", "--epochs", "2"]
    assert main(["sweep", "cohort.vcf", *grid, f"--{kind}", "points", "-q"]) == 0
    assert main(["plot", "front", "points", "-o", "x.png"]) == 0
    lossless, lossy = drawn[0][0].axes
    assert lossless.get_title() == "lossless" and lossy.get_title() == "reconstruction without residual"
    assert sum(len(line.get_xdata()) for line in lossless.lines[1:]) == 3


def test_sizes_of_one_data_set_are_drawn_beside_an_archives(folder, drawn):
    arguments = ["plot", "sizes", "sizes.tsv", "--dataset", "a", "--archive", "cohort.fae", "-o", "x.png"]
    assert main(arguments) == 0
    ax = drawn[0][0].axes[0]
    with fastae.open("plain.fae") as archive:  # the same calls, without latents beside them
        n_bytes = archive.info()["bytes"]["genotypes"]
    widths = {text.get_text(): bar.get_width() for text, bar in zip(ax.get_yticklabels(), ax.patches, strict=True)}
    assert set(widths) == {"plink", "xz", "fastae"}
    assert (widths["plink"], widths["xz"]) == (800, 600)
    assert widths["fastae"] == pytest.approx(n_bytes, abs=20)  # an index with one section more


@pytest.mark.parametrize("kind", plot.KINDS)
def test_each_kind_becomes_a_file_that_shows_its_names(folder, kind):
    fastae.write_vcf("cohort.vcf", four_kinds())
    inputs = {
        "latents": "cohort.fae",
        "bits": "cohort.fae",
        "history": "history.tsv",
        "front": "s",
        "sizes": "sizes.tsv",
    }
    if kind == "front":
        grid = ["--latents", "1", "--bits", "1", "--depth", "1", "--epochs", "2"]
        assert main(["sweep", "cohort.vcf", *grid, "--results", "s", "-q"]) == 0
    options = ["--dataset", "a"] if kind == "sizes" else []
    assert main(["plot", kind, inputs[kind], *options, "-o", "picture.svg"]) == 0
    expected = {
        "latents": "30 people by 3 latents",
        "bits": "bits of the file per site",
        "history": "training, Hamming",
        "front": "bits per genotype",
        "sizes": "plink",
    }
    assert expected[kind] in text_of("picture.svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["latents", "plain.fae"], "plain.fae: the archive has no latents; write one with"),
        (["latents", "cohort.fae", "--labels", "sizes.tsv"], "none of the 30 samples is in its first column"),
        (["latents", "cohort.fae", "--labels", "labels.tsv", "--by", "sex"], "no column 'sex'; there are population"),
        (["latents", "cohort.fae", "--by", "sex"], "--by names a column of --labels; give this, too"),
        (["latents", "cohort.fae", "--pair", "1,4"], "30 people of 3 latents; two and 4 are needed"),
        (["latents", "labels.tsv"], "labels.tsv"),
        (["bits", "cohort.fae", "--labels", "labels.tsv"], "--labels does not apply to pictures of bits; leave it out"),
        (["history", "labels.tsv"], "labels.tsv: the table is no history"),
        (["history", "cohort.fae"], "cohort.fae"),
        (["front", "labels.tsv"], "labels.tsv does not hold results of a sweep"),
        (["sizes", "sizes.tsv"], "sizes.tsv: there are a, b; choose one by --dataset"),
        (["sizes", "sizes.tsv", "--dataset", "c"], "there is nothing of 'c'; there are a, b"),
        (["sizes", "labels.tsv"], "the first line names no column tool and one of genotype_bytes"),
        (["bits", "no-such.fae"], "no-such.fae: No such file"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(folder, capsys, arguments, message):
    assert main(["plot", *arguments, "-o", "x.png"]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (folder / "x.png").exists()


def test_a_picture_of_another_ending_or_over_its_input_is_refused(folder, capsys):
    assert main(["plot", "bits", "cohort.fae", "-o", "x.gif"]) == 1
    assert "x.gif: a picture's name ends in .png, .svg, .pdf, .html" in capsys.readouterr().err
    assert main(["plot", "history", "history.tsv", "-o", "history.tsv"]) == 1
    assert "the output is the input file" in capsys.readouterr().err


def test_damaged_latents_are_refused_wherever_they_are_damaged(folder, capsys):
    assert main(["latents", "cohort.fae", "-o", "z.npz"]) == 0
    data = (folder / "z.npz").read_bytes()
    np.savez("other.npz", samples=np.arange(3), latents=np.zeros((3, 1, 1, 2)))
    np.savez("infinite.npz", samples=["a", "b"], latents=np.full((2, 1, 1, 2), np.inf))
    others = [(folder / f"{name}.npz").read_bytes() for name in ("other", "infinite")]
    damaged = [data[:n] for n in range(4, len(data), 211)] + others
    for part in damaged:
        (folder / "damaged.npz").write_bytes(part)
        assert main(["plot", "latents", "damaged.npz", "-o", "x.png"]) == 1
        assert "damaged.npz: this holds no samples and latents" in capsys.readouterr().err
