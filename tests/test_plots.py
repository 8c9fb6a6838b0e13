# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from fastae import History
from fastae.plots import new_figure, plot_history, plot_latents, principal_components


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


def test_plot_latents_draws_every_row_once_under_its_label():
    _, (ax,) = new_figure(1)
    Z = np.random.default_rng(3).normal(size=(9, 4))
    plot_latents(ax, Z, ["A"] * 4 + [""] * 2 + ["B"] * 3)
    drawn = np.concatenate([c.get_offsets() for c in ax.collections])
    expected = principal_components(Z)
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(expected, axis=0))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["A (4)", "B (3)"]


def test_plot_latents_refuses_labels_of_another_number():
    _, (ax,) = new_figure(1)
    with pytest.raises(ValueError, match="labels has 2 entries, Z has 3 rows"):
        plot_latents(ax, np.eye(3), ["A", "B"])


def test_plot_history_draws_training_and_heldout_losses_and_distances():
    _, (ax,) = new_figure(1)
    history = History(loss=[0.5, 0.3], hamming=[0.4, 0.2], heldout_loss=[0.6, 0.5], heldout_hamming=[0.5, 0.4])
    plot_history(ax, history)
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert drawn == {
        "training, loss": [0.5, 0.3],
        "training, Hamming": [0.4, 0.2],
        "held out, loss": [0.6, 0.5],
        "held out, Hamming": [0.5, 0.4],
    }
    assert ax.get_yscale() == "log"


def test_plot_history_leaves_out_what_was_not_measured_and_keeps_zero_visible():
    _, (ax,) = new_figure(1)
    plot_history(ax, History(loss=[0.5, 0.3], hamming=[0.4, 0.0]))
    assert len(ax.lines) == 2
    assert ax.get_yscale() == "linear"


def test_plot_history_refuses_an_empty_history():
    _, (ax,) = new_figure(1)
    with pytest.raises(ValueError, match="no epochs"):
        plot_history(ax, History())
