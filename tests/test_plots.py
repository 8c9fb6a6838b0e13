# SPDX-License-Identifier: Apache-2.0
"""Pictures are checked by what is drawn on their axes, and by what is in their files."""

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import fastae
from fastae import History, _core
from fastae.archive import open_archive
from fastae.sweep import Sweep, SweepPoint

pytest.importorskip("matplotlib", reason="pictures need matplotlib, the extra plot")
from matplotlib.colors import to_rgb

from fastae.plots import (
    figures,
    new_figure,
    plot_bits,
    plot_frequencies,
    plot_history,
    plot_latents,
    plot_sizes,
    plot_sweep,
    principal_components,
    save_figure,
)


def lightness(colour):
    """CIE L*, 0 to 100: all that print in black and white keeps of a colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    y = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    return 116 * np.cbrt(y) - 16 if y > 0.008856 else 903.3 * y


@pytest.fixture
def archive(tmp_path, rng):
    calls = rng.integers(0, 2, (90, 20, 2), dtype=np.int8)
    calls[30:60] = 0
    calls[40, :3] = 1
    fastae.write_archive(tmp_path / "cohort.fae", calls, block_variants=30)
    with open_archive(tmp_path / "cohort.fae") as archive:
        yield archive


# ---- components


def test_principal_components_recover_coordinates_in_a_plane():
    rng = np.random.default_rng(1)
    T = rng.normal(size=(50, 2)) * [5.0, 1.0]
    T -= T.mean(axis=0)
    axes = np.linalg.qr(rng.normal(size=(7, 2)))[0]
    got = principal_components(T @ axes.T + 3.0, 2)
    np.testing.assert_allclose(got @ got.T, T @ T.T, atol=1e-9)
    assert np.var(got[:, 0]) > np.var(got[:, 1])


def test_principal_components_do_not_depend_on_the_sign_of_the_axes():
    X = np.random.default_rng(2).normal(size=(20, 3))
    np.testing.assert_allclose(np.abs(principal_components(X)), np.abs(principal_components(-X)))
    assert (np.max(principal_components(X), axis=0) == np.max(np.abs(principal_components(X)), axis=0)).all()


@pytest.mark.parametrize("shape", [(5,), (1, 4), (4, 1)])
def test_principal_components_refuse_what_has_no_plane(shape):
    with pytest.raises(ValueError, match="matrix with at least 2 rows and columns"):
        principal_components(np.zeros(shape))


# ---- people


def test_plot_latents_draws_every_row_once_under_its_label():
    Z = np.random.default_rng(3).normal(size=(9, 4))
    ax = plot_latents(Z, ["A"] * 4 + [""] * 2 + ["B"] * 3)
    drawn = np.concatenate([c.get_offsets() for c in ax.collections])
    expected = principal_components(Z)
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(expected, axis=0))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["A (4)", "B (3)"]
    a = next(c for c in ax.collections if len(c.get_offsets()) == 4)
    np.testing.assert_allclose(a.get_offsets(), expected[:4])


def test_plot_latents_draws_a_pair_of_latents_as_they_are():
    Z = np.random.default_rng(3).normal(size=(9, 4))
    ax = plot_latents(Z, pair=(2, 0))
    np.testing.assert_allclose(ax.collections[0].get_offsets(), Z[:, [2, 0]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("latent 3", "latent 1")
    with pytest.raises(ValueError, match="give two columns of a matrix"):
        plot_latents(Z, pair=(0, 4))


def test_plot_latents_refuses_labels_of_another_number():
    with pytest.raises(ValueError, match="labels has 2 entries, Z has 3 rows"):
        plot_latents(np.eye(3), ["A", "B"])


def test_labels_beyond_all_styles_are_refused():
    n = figures.N_STYLES + 1
    with pytest.raises(ValueError, match="105 labels are more than the 104 that can be told apart"):
        plot_latents(np.eye(n), [str(i) for i in range(n)])


def test_26_labels_are_told_apart_without_colour():
    ax = plot_latents(np.random.default_rng(5).normal(size=(52, 3)), [chr(65 + i // 2) for i in range(52)])
    styles = [(c.get_paths()[0].vertices.tobytes(), c.get_facecolor()[0, :3]) for c in ax.collections]
    assert len(styles) == 26
    for (mark, colour), (other_mark, other_colour) in itertools.combinations(styles, 2):
        assert mark != other_mark or abs(lightness(colour) - lightness(other_colour)) > 10


def test_every_two_labels_differ_in_mark_or_clearly_in_colour():
    styles = [figures.style_of(number) for number in range(figures.N_STYLES)]
    assert len({(style["color"], style["marker"]) for style in styles}) == figures.N_STYLES
    assert len({style["marker"] for style in styles[:8]}) == 8
    assert len({style["color"] for style in styles[:8]}) == 8


@pytest.mark.parametrize("name", ["$\\frac", "_hidden", "a$b$c", "<script>alert(1)</script>", "bell\x07", "\udcff"])
def test_a_label_is_shown_letter_by_letter(name, tmp_path):
    ax = plot_latents(np.eye(3), [name, name, ""])
    save_figure(ax.figure, tmp_path / "people.svg")
    save_figure(ax.figure, tmp_path / "people.png")
    text = "".join(ET.parse(tmp_path / "people.svg").getroot().itertext())
    assert f"{figures.as_written(name)} (2)" in text


def test_a_long_label_is_shortened_between_its_ends():
    ax = plot_latents(np.eye(3), ["x" * 30 + "y" * 500 + "z" * 5, "b", ""])
    first = ax.get_legend().get_texts()[1].get_text()
    assert first.startswith("x" * 30 + "y") and first.endswith("yyzzzzz (1)") and len(first) == 48
    ax.figure.draw_without_rendering()


# ---- trainings


def test_plot_history_draws_training_and_heldout_losses_and_distances():
    history = History(loss=[0.5, 0.3], hamming=[0.4, 0.2], heldout_loss=[0.6, 0.5], heldout_hamming=[0.5, 0.4])
    history.best_epoch = 1
    ax = plot_history(history)
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert drawn == {
        "training, loss": [0.5, 0.3],
        "training, Hamming": [0.4, 0.2],
        "held out, loss": [0.6, 0.5],
        "held out, Hamming": [0.5, 0.4],
        "best epoch, 2": [0, 1],
    }
    assert ax.get_yscale() == "log"
    looks = {(line.get_linestyle(), line.get_marker()) for line in ax.lines}
    assert len(looks) == 5  # none is told by colour alone


def test_plot_history_leaves_out_what_was_not_measured_and_keeps_zero_visible():
    _, (ax,) = new_figure(1)
    assert plot_history(History(loss=[0.5, 0.3], hamming=[0.4, 0.0]), ax=ax) is ax
    assert len(ax.lines) == 2
    assert ax.get_yscale() == "linear"


def test_plot_history_refuses_an_empty_history():
    with pytest.raises(ValueError, match="no epochs"):
        plot_history(History())


def test_points_of_a_sweep_are_told_apart_without_colour():
    kinds = [(0, 0), *itertools.product((1, 2, 3, 4, 8), (1, 2, 3))]
    points = (SweepPoint(2, bits, depth, 100, 80, 400, 320, 0.8, 0.1, 1.5) for bits, depth in kinds)
    ax = plot_sweep(Sweep(tuple(points)))
    looks = {(line.get_marker(), line.get_fillstyle()) for line in ax.lines[1:]}
    assert len(looks) == len(ax.lines) - 1 == len(kinds)


# ---- archives


def test_bits_are_bytes_of_the_file_over_sites(archive):
    ax = plot_bits(archive)
    (steps,) = ax.patches
    values, edges, _ = steps.get_data()
    n_sites = np.histogram(np.arange(1, 91) / 1e6, edges)[0]
    parts = archive.info()["bytes"]
    assert (values * n_sites).sum() / 8 == pytest.approx(parts["genotypes"] - parts["index"])
    assert len(values) == 22 and edges[[0, -1]].tolist() == pytest.approx([1e-6, 90e-6])
    assert ax.get_ylim()[0] == 0
    assert ax.get_xlabel() == "position on chromosome 1, megabases"


@pytest.mark.parametrize("predictor", ["pbwt", "runs", "frequency", "autoencoder", "mosaic"])
@pytest.mark.parametrize("phased", [True, False])
def test_a_window_of_one_block_shows_where_its_bits_go(tmp_path, rng, predictor, phased):
    founders = rng.integers(0, 2, (400, 6), dtype=np.int8)
    calls = founders[:, rng.integers(0, 6, (60, 2))]
    calls[200:220] = rng.integers(0, 2, (20, 60, 2))  # what nothing foretells
    calls[300:320] = 0
    if not phased:
        calls.sort(axis=2)
    cohort = fastae.Cohort.from_arrays(calls, phased=np.full((400, 60), phased))
    fastae.write_archive(tmp_path / "cohort.fae", cohort, predictor=predictor, block_variants=400)
    with open_archive(tmp_path / "cohort.fae") as archive:
        assert len(archive.windows) == 1
        bits = archive.site_bits()
        assert bits.sum() / 8 == pytest.approx(archive.window_bytes().sum())
    assert bits.min() >= 0
    assert bits[300:320].max() < bits[200:220].min() / 4
    if predictor != "frequency":
        assert bits[200:220].mean() > 2 * np.delete(bits, np.s_[200:220]).mean()


def test_bits_of_a_site_are_those_that_its_bytes_end_with(rng):
    bits = np.ascontiguousarray(rng.integers(0, 2, (60, 8), dtype=np.uint8)[:, rng.integers(0, 8, 300)])
    out, shift = np.empty(20_000, np.uint8), 1
    ends = [8 * _core.pbwt_encode(bits[:n], 0, shift, out)[1] for n in range(1, 61)]
    spent = np.empty(60, np.uint32)
    _core.pbwt_encode(bits, 0, shift, out)
    _core.pbwt_decode(out[: ends[-1] // 8], ends[-1] // 8, 60, 300, 0, 0, 60, None, np.empty_like(bits), spent)
    assert np.abs(np.cumsum(spent) - ends).max() <= 24  # an end is a whole number of bytes


def test_bits_do_not_count_latents_that_no_call_depends_on(tmp_path, rng):
    calls = rng.integers(0, 2, (30, 40, 2), dtype=np.int8)
    sizes = []
    for options in ({}, {"n_latents": 2}):
        fastae.write_archive(tmp_path / "cohort.fae", calls, **options)
        with open_archive(tmp_path / "cohort.fae") as archive:
            sizes.append(archive.window_bytes().tolist())
    assert sizes[0] == sizes[1]


def test_frequencies_are_the_mean_of_the_rarer_alleles_shares(archive):
    ax = plot_frequencies(archive)
    calls = archive[:]
    share = np.minimum(calls.mean(axis=(1, 2)), 1 - calls.mean(axis=(1, 2)))
    line = ax.lines[0].get_ydata()
    assert len(line) == 22
    edges = np.linspace(1, 90, 23)
    at = np.searchsorted(edges[1:-1], np.arange(1, 91), side="right")
    np.testing.assert_allclose(line, [share[at == i].mean() for i in range(22)], atol=1e-12)


def test_sites_of_several_chromosomes_are_drawn_in_their_order(tmp_path, rng):
    sites = fastae.Sites.numbered(6)
    sites.chrom[3:] = ["X"] * 3
    cohort = fastae.Cohort.from_arrays(rng.integers(0, 2, (6, 5)), sites=sites)
    fastae.write_archive(tmp_path / "cohort.fae", cohort)
    with open_archive(tmp_path / "cohort.fae") as archive:
        for draw in (plot_bits, plot_frequencies):
            assert draw(archive).get_xlabel() == "site, in the order of the file"


@pytest.mark.parametrize("draw", [plot_bits, plot_frequencies])
def test_an_archive_without_sites_is_refused(draw, tmp_path):
    fastae.write_archive(tmp_path / "cohort.fae", np.zeros((0, 4, 2), np.int8))
    with open_archive(tmp_path / "cohort.fae") as archive, pytest.raises(ValueError, match="no sites"):
        draw(archive)


def test_sizes_are_bars_from_zero_smallest_first():
    ax = plot_sizes({"big $tool_1": 300, "fastae": 100, "mid": 200}, title="cohort")
    assert [bar.get_width() for bar in ax.patches] == [100, 200, 300]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["fastae", "mid", "big $tool_1"]
    assert ax.get_xlim()[0] == 0 and ax.yaxis_inverted()
    assert [text.get_text() for text in ax.texts] == ["100", "200", "300"]
    assert [bar.get_hatch() for bar in ax.patches] == [None, "//", "//"]
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("sizes", [{}, {"a": -1}, {"a": float("nan")}])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(ValueError, match="give at least one, finite and not negative"):
        plot_sizes(sizes)


# ---- files


def test_okabe_and_itos_colours_are_used():
    assert {"#0072B2", "#009E73", "#D55E00", "#CC79A7", "#000000", "#E69F00", "#F0E442", "#56B4E9"} == {
        *figures.COLOURS
    }


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "html"])
def test_one_figure_gives_the_same_bytes_each_time(kind, tmp_path):
    for name in "ab":
        save_figure(plot_sizes({"a": 1, "b": 2}).figure, tmp_path / f"{name}.{kind}", title="Sizes")
    first, second = ((tmp_path / f"{name}.{kind}").read_bytes() for name in "ab")
    assert first == second
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!DOCTYPE html>"}[kind]
    assert first.startswith(start)


def test_a_page_holds_its_picture_and_says_what_it_shows(tmp_path):
    save_figure(plot_sizes({"a": 1, "b<c": 2}).figure, tmp_path / "sizes.html", title="Sizes of <a> & b")
    page = (tmp_path / "sizes.html").read_text()
    assert '<html lang="en">' in page
    assert "<title>Sizes of &lt;a&gt; &amp; b</title>" in page
    svg = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    title = svg[0]
    assert title.text == "Sizes of <a> & b" and svg.get("aria-labelledby") == title.get("id")
    assert "b<c" in "".join(svg.itertext())
    identifiers = {element.get("id") for element in svg.iter()} - {None}
    assert identifiers and all(name.startswith("p1-") for name in identifiers)
    for name in re.findall(r'(?:url\(|href=")#([^")]+)', page):
        assert name in identifiers
