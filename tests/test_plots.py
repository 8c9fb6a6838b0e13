# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from fastae.plots import new_figure, plot_latents, principal_components


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
