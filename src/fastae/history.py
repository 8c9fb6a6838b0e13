# SPDX-License-Identifier: Apache-2.0
"""What a training saw, epoch by epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _validate

COLUMNS = ("loss", "hamming", "heldout_loss", "heldout_hamming", "learning_rate", "temperature", "seconds")


class History:
    """What `Trainer.fit` saw: columns of one number per epoch.

    Parameters
    ----------
    **columns : array_like of shape (n_epochs,)
        Any of the columns below; the others are empty.

    Attributes
    ----------
    loss : ndarray of shape (n_epochs,), float64
        Mean of the training loss (for `HammingLoss` its smooth surrogate) over the known cells of the training rows,
        each batch as it came, before its update, at that epoch's temperature.
    hamming : ndarray of shape (n_epochs,), float64
        Exact Hamming distance per known cell of the same reconstructions.
    heldout_loss, heldout_hamming : ndarray of shape (n_epochs,), or (0,) without held-out rows, float64
        The same of the held-out rows after the epoch; the loss at the final temperature, so that epochs compare.
    learning_rate, temperature : ndarray of shape (n_epochs,), float64
        At the end of the epoch.
    seconds : ndarray of shape (n_epochs,), float64
        Wall time of the epoch, its look at the held-out rows included; their sum is that of the training.
    best_epoch : int or None
        The epoch, from 0, whose parameters the models hold, where `patience` was given.
    heldout_rows : ndarray of int64 or None
        Where `validation_split` chose them: the numbers of the held-out rows, increasing.

    Raises
    ------
    TypeError, ValueError
        If a column has another name, is not a vector of numbers, or has another length than the others.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, Decoder, Encoder, HammingLoss, Trainer
    >>> X = np.array([[0, 0, 1, 1], [1, 1, 0, 0]] * 8)
    >>> trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE), batch_size=4)
    >>> history = trainer.fit(X, n_epochs=30)
    >>> history
    History(30 epochs: loss ..., hamming 0)
    >>> history.loss.shape, bool(history.loss[-1] < history.loss[0]), float(history.to_dict()["hamming"][-1])
    ((30,), True, 0.0)
    """

    def __init__(self, **columns: ArrayLike) -> None:
        self._columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
        for name, values in columns.items():
            self._check_name(name)
            self._columns[name] = _validate.vector(values, np.float64, name=name).tolist()
        lengths = {name: len(values) for name, values in self._columns.items() if values}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns have {lengths} epochs; give all that are kept the same number")
        self.best_epoch: int | None = None
        self.heldout_rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self._columns["loss"])

    def __repr__(self):
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in list(self._columns.items())[:4] if values)
        return f"History({len(self)} epochs{': ' if last else ''}{last})"

    @property
    def loss(self) -> NDArray[np.float64]:
        """See the class."""
        return np.array(self._columns["loss"])

    @property
    def hamming(self) -> NDArray[np.float64]:
        """See the class."""
        return np.array(self._columns["hamming"])

    @property
    def heldout_loss(self) -> NDArray[np.float64]:
        """See the class."""
        return np.array(self._columns["heldout_loss"])

    @property
    def heldout_hamming(self) -> NDArray[np.float64]:
        """See the class."""
        return np.array(self._columns["heldout_hamming"])

    @property
    def learning_rate(self) -> NDArray[np.float64]:
        """See the class."""
        return np.array(self._columns["learning_rate"])

    @property
    def temperature(self) -> NDArray[np.float64]:
        """See the class."""
        return np.array(self._columns["temperature"])

    @property
    def seconds(self) -> NDArray[np.float64]:
        """See the class."""
        return np.array(self._columns["seconds"])

    def append(self, **values: float) -> None:
        """Add one epoch: a number for each column that is kept.

        Parameters
        ----------
        **values : float

        Raises
        ------
        TypeError, ValueError
            If a column has another name, a value is no number, or other columns are kept; nothing is added then.

        Examples
        --------
        >>> history = History(loss=[0.5])
        >>> history.append(loss=0.25)
        >>> history.loss
        array([0.5 , 0.25])
        """
        for name in values:
            self._check_name(name)
        kept = [name for name, column in self._columns.items() if column]
        if kept and set(kept) != set(values):
            raise ValueError(f"the epoch has {', '.join(values) or 'nothing'}, the history keeps {', '.join(kept)}")
        epoch = {name: _validate.real(value, name=name) for name, value in values.items()}
        for name, number in epoch.items():
            self._columns[name].append(number)

    def _check_name(self, name):
        if name not in self._columns:
            raise TypeError(f"a history has no column {name!r}; its columns are {', '.join(COLUMNS)}")

    def to_dict(self) -> dict[str, NDArray[np.float64]]:
        """The columns that hold something, by name; ``pandas.DataFrame(history.to_dict())`` is a table.

        Returns
        -------
        columns : dict of str to ndarray of shape (n_epochs,)

        Examples
        --------
        >>> History(loss=[0.5, 0.25]).to_dict()
        {'loss': array([0.5 , 0.25])}
        """
        return {name: np.array(values) for name, values in self._columns.items() if values}

    def to_tsv(self) -> str:
        """A table for other programs, and for `from_tsv`: tab-separated, a line for each epoch, all digits.

        Returns
        -------
        text : str
            Columns are ``epoch``, from 1, those that hold something, and where `patience` was given ``best``: 1 for
            the epoch whose parameters were kept, 0 for the others.

        Examples
        --------
        >>> History(loss=[0.5, 0.25]).to_tsv()
        'epoch\\tloss\\n1\\t0.5\\n2\\t0.25\\n'
        """
        columns = self._columns_of_table()
        rows = [list(columns), *(list(map(str, row)) for row in zip(*columns.values(), strict=True))]
        return "".join("\t".join(row) + "\n" for row in rows)

    def _columns_of_table(self):
        columns: dict[str, list] = {"epoch": list(range(1, len(self) + 1))}
        columns |= {name: values for name, values in self._columns.items() if values}
        if self.best_epoch is not None:
            columns["best"] = [int(epoch == self.best_epoch) for epoch in range(len(self))]
        return columns

    @classmethod
    def from_tsv(cls, text: str) -> History:
        """The history that a table tells of; `heldout_rows` is not in it.

        Parameters
        ----------
        text : str
            What `to_tsv` gave; columns may be missing, or in another order.

        Returns
        -------
        History

        Raises
        ------
        ValueError
            If it is no such table.

        Examples
        --------
        >>> History.from_tsv(History(loss=[0.5, 0.25]).to_tsv()).loss
        array([0.5 , 0.25])
        """
        head, *rows = [line.split("\t") for line in text.splitlines()] or [[""]]
        unknown = [name for name in head if name not in (*COLUMNS, "epoch", "best")]
        if "loss" not in head or unknown or len(set(head)) != len(head):
            raise ValueError("the table is no history: its first line names columns as epoch, loss, hamming, ...")
        if any(len(row) != len(head) for row in rows):
            raise ValueError("the table is no history: its lines have different numbers of columns")
        try:
            columns = {name: [float(row[i]) for row in rows] for i, name in enumerate(head)}
        except ValueError as error:
            raise ValueError(f"the table is no history: {error}") from None
        best = columns.pop("best", [])
        columns.pop("epoch", None)
        history = cls(**columns)
        history.best_epoch = best.index(1) if 1 in best else None
        return history

    def plot(self, ax: Any = None) -> Any:
        """Draw loss and Hamming distance over the epochs, of training and of held-out rows (extra `plot`).

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Drawn on where given; otherwise on a new figure, which ``ax.figure.savefig`` saves.

        Returns
        -------
        ax : matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are no epochs to draw.

        Examples
        --------
        >>> ax = History(loss=[0.5, 0.2], hamming=[0.4, 0.1]).plot()
        >>> ax.get_xlabel(), len(ax.lines)
        ('epoch', 2)
        """
        from fastae.plots import plot_history  # an edge, opened when it is asked for

        return plot_history(self, ax=ax)
