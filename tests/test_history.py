# SPDX-License-Identifier: Apache-2.0
import pickle

import numpy as np
import pytest

from fastae import History
from fastae.history import COLUMNS
from fastae.plots import new_figure


def test_columns_are_arrays_of_float64_that_grow_with_every_epoch():
    history = History()
    assert len(history) == 0 and history.loss.shape == (0,)
    for epoch in range(3):
        history.append(**{name: epoch + i / 10 for i, name in enumerate(COLUMNS)})
    assert len(history) == 3
    for i, name in enumerate(COLUMNS):
        column = getattr(history, name)
        assert type(column) is np.ndarray and column.dtype == np.float64
        assert column.tolist() == [0 + i / 10, 1 + i / 10, 2 + i / 10]


def test_an_array_of_the_history_is_the_callers_own():
    history = History(loss=[0.5, 0.25])
    history.loss[:] = 7
    assert history.loss.tolist() == [0.5, 0.25]


def test_to_dict_has_the_columns_that_are_kept():
    columns = History(loss=[0.5, 0.25], heldout_loss=[0.75, 0.5]).to_dict()
    assert {name: values.tolist() for name, values in columns.items()} == {
        "loss": [0.5, 0.25],
        "heldout_loss": [0.75, 0.5],
    }


def test_repr_says_how_it_ended():
    assert repr(History()) == "History(0 epochs)"
    assert repr(History(loss=[0.5, 0.25], heldout_hamming=[0.5, 0.125])) == (
        "History(2 epochs: loss 0.25, heldout_hamming 0.125)"
    )


def test_other_columns_are_refused():
    with pytest.raises(TypeError, match="a history has no column 'accuracy'; its columns are loss, hamming"):
        History(accuracy=[1.0])
    with pytest.raises(ValueError, match="loss must have one dimension"):
        History(loss=[[1.0]])


def test_columns_have_one_length():
    with pytest.raises(ValueError, match="'loss': 2, 'hamming': 1.* epochs; give all that are kept the same number"):
        History(loss=[1, 2], hamming=[1])
    assert len(History(loss=[1, 2], hamming=[])) == 2


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"foo": 1}, TypeError, "a history has no column 'foo'; its columns are loss, hamming"),
        ({"loss": 1, "hamming": "a"}, TypeError, "hamming must be a number, got str"),
        ({"loss": 1}, ValueError, "the epoch has loss, the history keeps loss, hamming"),
        ({}, ValueError, "the epoch has nothing, the history keeps loss, hamming"),
    ],
)
def test_an_epoch_that_does_not_fit_is_refused_whole(values, error, message):
    history = History(loss=[0.5], hamming=[0.25])
    with pytest.raises(error, match=message):
        history.append(**values)
    assert history.loss.tolist() == [0.5] and history.hamming.tolist() == [0.25]


def test_a_history_is_pickled_whole():
    history = History(loss=[0.5], seconds=[2.0])
    history.best_epoch, history.heldout_rows = 0, np.array([3, 5])
    copy = pickle.loads(pickle.dumps(history))
    assert copy.loss.tolist() == [0.5] and copy.seconds.tolist() == [2.0]
    assert copy.best_epoch == 0 and copy.heldout_rows.tolist() == [3, 5]


def test_plot_draws_on_axes_of_its_own_or_on_those_given():
    history = History(loss=[0.5, 0.2], hamming=[0.4, 0.1])
    own = history.plot()
    assert [line.get_label() for line in own.lines] == ["training, loss", "training, Hamming"]
    _, (ax,) = new_figure(1)
    assert history.plot(ax) is ax
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.5, 0.2], [0.4, 0.1]]


def test_plot_refuses_a_history_without_epochs():
    with pytest.raises(ValueError, match="no epochs"):
        History().plot()
