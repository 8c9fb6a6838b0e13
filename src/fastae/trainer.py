# SPDX-License-Identifier: Apache-2.0
"""The training loop: mini-batches, exact gradients, an optimiser for each half, a history."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _validate
from fastae.gradient_modes import GradientMode, gradient_mode
from fastae.losses import LOSSES, CrossEntropyLoss, HammingLoss
from fastae.models import Chain, Decoder, Encoder
from fastae.optim import OPTIMIZERS, SCHEDULES
from fastae.update import Update


@dataclass
class History:
    """What `Trainer.fit` saw, one number per epoch in each list.

    Attributes
    ----------
    loss : list of float
        Mean of the training loss (for `HammingLoss` its smooth surrogate) over the known cells of the training rows,
        each batch as it came, before its update, at that epoch's temperature.
    hamming : list of float
        Exact Hamming distance per known cell of the same reconstructions.
    heldout_loss, heldout_hamming : list of float
        The same of the held-out rows after the epoch; the loss at the final temperature, so that epochs compare.
        Empty without held-out rows.
    learning_rate, temperature : list of float
        At the end of the epoch.
    seconds : list of float
    best_epoch : int or None
        The epoch, from 0, whose parameters the models hold, where `patience` was given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, Decoder, Encoder, HammingLoss, Trainer
    >>> X = np.array([[0, 0, 1, 1], [1, 1, 0, 0]] * 8)
    >>> trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE), batch_size=4)
    >>> history = trainer.fit(X, n_epochs=30)
    >>> len(history), history.loss[-1] < history.loss[0], history.hamming[-1]
    (30, True, 0.0)
    """

    loss: list[float] = field(default_factory=list)
    hamming: list[float] = field(default_factory=list)
    heldout_loss: list[float] = field(default_factory=list)
    heldout_hamming: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    temperature: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None

    def __len__(self) -> int:
        return len(self.loss)


class Trainer:
    """Trains an encoder and a decoder, in place, to give their input back.

    Parameters
    ----------
    encoder : Encoder
    decoder : Decoder
    loss : HammingLoss or CrossEntropyLoss
        Its alphabet is the alphabet of the rows.
    gradient : {"forward", "reverse", "mixed", "forward_gradient", "naive"} or a mode
        How gradients are computed, see ``GRADIENT_MODES``. "reverse" is the fastest; "forward" pushes unit tangents of
        the pre-activations; "mixed" does so in the decoder only. "forward_gradient" is an estimate from random
        directions, with options as ``ForwardGradient(n_tangents=16)``; the others are exact and agree to rounding.
    optimizer : {"adam", "sgd"} or a function from params to an optimiser
        As ``functools.partial(SGD, momentum=0.5)``.
    learning_rate : float
    batch_size : int
    schedule : {"constant", "cosine", "onecycle"} or a function
        From the progress of `fit`, in [0, 1), to a share of learning_rate.
    latent_bits : int, 1 to 8, optional
        Round latents while training, gradients passing straight through, so that the decoder learns from what will
        be stored.
    seed : int or numpy.random.Generator
        Of the order of the rows.

    Attributes
    ----------
    learning_rate : float
        Of `step`, and the highest of `fit`.
    temperature : float
        Of the loss in `step`; `fit` lowers it from ``loss.temperature`` to ``loss.final_temperature``.

    Raises
    ------
    TypeError, ValueError
        If the models do not fit together, or an option is of another kind or has an unknown value.

    Notes
    -----
    A trainer shares nothing with others: train one per thread, the kernels run in parallel.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, CrossEntropyLoss, Decoder, Encoder, Trainer
    >>> encoder, decoder = Encoder([6, 4, 2]), Decoder([2, 6], output_activation="identity")
    >>> trainer = Trainer(encoder, decoder, loss=CrossEntropyLoss(HAPLOTYPE), gradient="reverse", latent_bits=1)
    >>> X = np.repeat([[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]], 8, axis=0)
    >>> first = trainer.step(X)
    >>> trainer.fit(X, n_epochs=100).loss[-1] < first
    True
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        *,
        loss: HammingLoss | CrossEntropyLoss,
        gradient: str | GradientMode = "forward",
        optimizer: str | Callable[[NDArray[Any]], Any] = "adam",
        learning_rate: float = 1e-2,
        batch_size: int = 256,
        schedule: str | Callable[[float], float] = "constant",
        latent_bits: int | None = None,
        seed: int | np.random.Generator = 0,
    ) -> None:
        model = Chain(encoder, decoder, latent_bits=latent_bits)  # checks that they fit together
        if not isinstance(loss, tuple(LOSSES.values())):
            raise TypeError(f"loss is {loss!r}; give a loss of an alphabet, such as HammingLoss(HAPLOTYPE)")
        mode = gradient_mode(gradient)
        make_optimizer = _lookup(optimizer, OPTIMIZERS, "optimizer")
        self.encoder = encoder
        self.decoder = decoder
        self.loss = loss
        self.learning_rate = _validate.positive(learning_rate, name="learning_rate")
        self.temperature = loss.temperature
        self.batch_size = _validate.integer(batch_size, 1, None, name="batch_size")
        self.latent_bits = model.latent_bits
        self._model = model
        self._schedule = _lookup(schedule, SCHEDULES, "schedule")
        self._rng = _validate.generator(seed)
        self._update = Update(model, loss, mode, make_optimizer, self._rng)

    def step(self, X: ArrayLike) -> float:
        """One update from one batch of rows.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Symbols of the loss's alphabet, or missing.

        Returns
        -------
        loss : float
            Mean over the known cells, before the update.

        Raises
        ------
        TypeError, ValueError
            If X is not one or more rows of symbols for this encoder, or the loss is no longer finite.
        """
        levels, codes = self._rows(X, "X")
        n_known = int(np.count_nonzero(codes >= 0))
        total, _ = self._update(levels, codes, n_known, self.temperature, self.learning_rate)
        return total / max(1, n_known)

    def fit(
        self,
        X: ArrayLike,
        *,
        n_epochs: int,
        X_heldout: ArrayLike | None = None,
        patience: int | None = None,
        progress: Callable[[History], object] | None = None,
    ) -> History:
        """Train on rows, each seen once in every epoch, in random order.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Symbols of the loss's alphabet, or missing.
        n_epochs : int
        X_heldout : array_like of shape (n_heldout, n_features), optional
            Rows that are reported on but not trained on.
        patience : int, optional
            Stop after so many epochs in which neither the exact Hamming distance of the held-out rows nor, at the
            same distance, their loss became less; then go back to the best epoch's parameters.
        progress : function, optional
            Called with the History after every epoch.

        Returns
        -------
        history : History

        Raises
        ------
        TypeError, ValueError
            If there are no rows, or none of symbols for this encoder, patience comes without held-out rows, or the
            loss is no longer finite.
        """
        n_epochs = _validate.integer(n_epochs, 1, None, name="n_epochs")
        if patience is not None:
            patience = _validate.integer(patience, 1, None, name="patience")
            if X_heldout is None:
                raise ValueError("patience needs X_heldout, the rows to watch")
        levels, codes = self._rows(X, "X")
        heldout = None if X_heldout is None else self._rows(X_heldout, "X_heldout")
        history = History()
        best = (math.inf, math.inf)
        best_epoch = 0
        best_params = None
        for epoch in range(n_epochs):
            started = time.perf_counter()
            share = epoch / (n_epochs - 1) if n_epochs > 1 else 1.0
            self.temperature = self.loss.temperature ** (1 - share) * self.loss.final_temperature**share
            self._epoch(levels, codes, epoch, n_epochs, history)
            history.temperature.append(self.temperature)
            if heldout is not None:
                loss, hamming = self._evaluate(*heldout, self.loss.final_temperature)
                history.heldout_loss.append(loss)
                history.heldout_hamming.append(hamming)
                if patience is not None and (hamming, loss) < best:
                    best = hamming, loss
                    best_params = self.encoder.params.copy(), self.decoder.params.copy()
                    history.best_epoch = best_epoch = epoch
            history.seconds.append(time.perf_counter() - started)
            if progress is not None:
                progress(history)
            if patience is not None and epoch - best_epoch >= patience:
                break
        if best_params is not None:
            self.encoder.params[:], self.decoder.params[:] = best_params
        return history

    def evaluate(self, X: ArrayLike) -> tuple[float, float]:
        """Mean loss at the present temperature and exact Hamming distance, per known cell, of rows.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Symbols of the loss's alphabet, or missing.

        Returns
        -------
        loss, hamming : float

        Raises
        ------
        TypeError, ValueError
            If X is not one or more rows of symbols for this encoder.
        """
        return self._evaluate(*self._rows(X, "X"), self.temperature)

    def _epoch(self, levels, codes, epoch, n_epochs, history):
        """Update on every row once; append the epoch's means to history."""
        n = len(levels)
        n_batches = -(-n // self.batch_size)
        known = np.count_nonzero(codes >= 0, axis=1)
        order = self._rng.permutation(n)
        total = 0.0
        n_wrong = 0
        for batch in range(n_batches):
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            x, batch_codes = self._update.batch(len(rows))
            # "clip" never clips here: it lets take write straight to out
            np.take(levels, rows, axis=0, out=x, mode="clip")
            np.take(codes, rows, axis=0, out=batch_codes, mode="clip")
            rate = self.learning_rate * self._schedule((epoch + batch / n_batches) / n_epochs)
            summed, xhat = self._update(x, batch_codes, int(known[rows].sum()), self.temperature, rate)
            total += summed
            n_wrong += self.loss.count_wrong(xhat, batch_codes)
        n_known = max(1, int(known.sum()))
        history.loss.append(total / n_known)
        history.hamming.append(n_wrong / n_known)
        history.learning_rate.append(rate)

    def _evaluate(self, levels: NDArray[Any], codes: NDArray[np.int8], temperature: float) -> tuple[float, float]:
        total = 0.0
        n_wrong = 0
        for start in range(0, len(levels), self.batch_size):
            batch_codes = codes[start : start + self.batch_size]
            xhat = self._model(levels[start : start + self.batch_size])
            total += self.loss.sum_gradient(xhat, batch_codes, temperature, 0.0, None)
            n_wrong += self.loss.count_wrong(xhat, batch_codes)
        n_known = max(1, int(np.count_nonzero(codes >= 0)))
        return total / n_known, n_wrong / n_known

    def _rows(self, X: ArrayLike, name: str) -> tuple[NDArray[Any], NDArray[np.int8]]:
        """Symbols to levels and codes, once for all epochs."""
        codes = self.loss.alphabet.to_codes(X)
        if codes.ndim != 2 or codes.shape[1] != self.encoder.sizes[0]:
            raise ValueError(f"{name} has shape {codes.shape}, the encoder wants (n_samples, {self.encoder.sizes[0]})")
        if not len(codes):
            raise ValueError(f"{name} has no rows; give at least one")
        return self.loss.alphabet.to_levels(codes, self.encoder.dtype), codes


def _lookup(value, table, name):
    """The function that an option names, or is."""
    if callable(value):
        return value
    if not isinstance(value, str) or value not in table:
        raise ValueError(f"{name} is {value!r}; it can be {', '.join(map(repr, table))}, or a function")
    return table[value]
