# SPDX-License-Identifier: Apache-2.0
"""The training loop: mini-batches, gradients by a mode of choice, an optimiser for each half, a history."""

from __future__ import annotations

import contextlib
import math
import numbers
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _validate
from fastae.errors import DivergenceError
from fastae.gradient_modes import GRADIENT_MODES, GradientMode, gradient_mode
from fastae.history import History
from fastae.losses import LOSSES, CrossEntropyLoss, HammingLoss
from fastae.models import Chain, Decoder, Encoder
from fastae.optim import OPTIMIZERS, SCHEDULES
from fastae.rows import RowStream, Source, check_rows, open_rows
from fastae.run import Keeper, Run, TrainingState, rng_from_array, rng_to_array
from fastae.update import Update

MAX_LEARNING_RATE = 1e6  # above it one step could carry parameters out of float32


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
    optimizer : {"adam", "adamw", "sgd"} or a function from params to an optimiser
        As ``functools.partial(SGD, momentum=0.5)``.
    learning_rate : float
        At most 1e6.
    batch_size : int
    schedule : {"constant", "cosine", "onecycle"} or a function
        From the progress of `fit`, in [0, 1), to a share of learning_rate.
    latent_bits : int, 1 to 8, optional
        Round latents while training, gradients passing straight through, so that the decoder learns from what will
        be stored.
    seed : int or numpy.random.Generator
        Of the order of the rows, of the choice of validation rows, and of random directions. A checkpoint belongs to
        its integer; of a generator it keeps the state, and puts it back in whichever generator is given.
    n_threads : int
        Most threads that share the rows of a batch, from 1; the results are the same, to the bit, for every number.

    Attributes
    ----------
    learning_rate : float
        Of `step`, and the highest of `fit`.
    temperature : float
        Of the loss in `step`; `fit` lowers it from ``loss.temperature`` to ``loss.final_temperature``.
    n_updates : int
        Steps taken so far.

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
    >>> bool(trainer.fit(X, n_epochs=100).loss[-1] < first)
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
        n_threads: int = 1,
    ) -> None:
        model = Chain(encoder, decoder, latent_bits=latent_bits)  # checks that they fit together
        if not isinstance(loss, tuple(LOSSES.values())):
            raise TypeError(f"loss is {loss!r}; give a loss of an alphabet, such as HammingLoss(HAPLOTYPE)")
        self._mode = gradient_mode(gradient)
        make_optimizer = _lookup(optimizer, OPTIMIZERS, "optimizer")
        self.encoder = encoder
        self.decoder = decoder
        self.loss = loss
        self.learning_rate = _validate.positive(learning_rate, name="learning_rate")
        if self.learning_rate > MAX_LEARNING_RATE:
            raise ValueError(f"learning_rate is {learning_rate}; it must be at most {MAX_LEARNING_RATE:.0e}")
        self.temperature = loss.temperature
        self.batch_size = _validate.integer(batch_size, 1, None, name="batch_size")
        self.latent_bits = model.latent_bits
        self.n_updates = 0
        self._model = model
        self._schedule = _lookup(schedule, SCHEDULES, "schedule")
        self._rng = _validate.generator(seed)
        self._seed = "a generator" if isinstance(seed, np.random.Generator) else str(int(seed))
        self._split_seed = _draw_seed(self._rng)  # drawn here, so that every fit holds out the same rows
        self._n_threads = _validate.integer(n_threads, 1, None, name="n_threads")
        self._update = Update(model, loss, self._mode, make_optimizer, self._rng, self._n_threads)

    def __repr__(self):
        return (
            f"Trainer({self.encoder!r}, {self.decoder!r}, loss={self.loss!r}, learning_rate={self.learning_rate!r}, "
            f"batch_size={self.batch_size}, latent_bits={self.latent_bits}, n_updates={self.n_updates})"
        )

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
            If X is not one or more rows of symbols for this encoder.
        DivergenceError
            If loss or gradient are no longer finite; the models are as before the step.

        Examples
        --------
        >>> from fastae import HAPLOTYPE, Decoder, Encoder, HammingLoss, Trainer
        >>> trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE))
        >>> losses = [trainer.step([[0, 0, 1, 1], [1, 1, 0, 0]]) for _ in range(100)]
        >>> losses[-1] < losses[0]
        True
        """
        codes = self.loss.alphabet.to_codes(X)
        check_rows(codes, self.encoder.sizes[0], "X")
        try:
            total, n_known, _ = self._step(codes, self.learning_rate)
        except DivergenceError as error:
            raise self._diverged(error, "") from None
        return total / max(1, n_known)

    def fit(
        self,
        X: ArrayLike | RowStream,
        *,
        n_epochs: int,
        X_heldout: ArrayLike | RowStream | None = None,
        validation_split: float | None = None,
        patience: int | None = None,
        callbacks: Iterable[Callable[[Trainer, History], object]] = (),
        checkpoint: Keeper | None = None,
        progress: bool = False,
    ) -> History:
        """Train on rows, each seen once in every epoch, in random order.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features), or RowStream
            Symbols of the loss's alphabet, or missing. An array mapped from a file, as ``np.load(path, mmap_mode="r")``
            gives it, is read batch by batch.
        n_epochs : int
        X_heldout : array_like of shape (n_heldout, n_features), or RowStream, optional
            Rows that are reported on but not trained on.
        validation_split : float, optional
            Hold out this share of X instead, more than 0 and less than 1: rows drawn by the trainer's seed, the same
            ones in every `fit` of as many rows; ``history.heldout_rows`` names them.
        patience : int, optional
            Stop after so many epochs in which neither the exact Hamming distance of the held-out rows nor, at the
            same distance, their loss became less; then go back to the best epoch's parameters.
        callbacks : iterable of functions
            Each is called as ``callback(trainer, history)`` after every epoch. One that returns True ends the training.
        checkpoint : Checkpoint, optional
            Where the state of the training is kept. If the file is there, the training goes on from it, to the same
            bits as if it had never stopped; callbacks see only the epochs that were not done yet.
        progress : bool
            Show a progress bar (tqdm).

        Returns
        -------
        history : History

        Raises
        ------
        TypeError, ValueError
            If there are no rows, or none of symbols for this encoder, or arguments do not go together.
        DivergenceError
            If the loss is no longer finite, or larger than reconstructions 1000 away from all levels would have, or the
            gradient is not finite or too large: names the step. The models are as the step before left them.
        FormatError
            If the checkpoint's file is no checkpoint.
        ImportError
            If progress needs tqdm and it is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> from fastae import HAPLOTYPE, Decoder, Encoder, HammingLoss, Trainer
        >>> X = np.array([[0, 0, 1, 1], [1, 1, 0, 0]] * 50)
        >>> trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE), batch_size=8)
        >>> history = trainer.fit(X, n_epochs=50, validation_split=0.2, patience=5)
        >>> len(history.heldout_rows), float(history.heldout_hamming[history.best_epoch])
        (20, 0.0)
        """
        n_epochs = _validate.integer(n_epochs, 1, None, name="n_epochs")
        if not isinstance(callbacks, Iterable):
            raise TypeError(f"callbacks is {callbacks!r}; give a list of functions of the trainer and the history")
        callbacks = tuple(callbacks)
        for callback in callbacks:
            if not callable(callback):
                raise TypeError(f"a callback is {callback!r}; give functions of the trainer and the history")
        if checkpoint is not None and (isinstance(checkpoint, type) or not hasattr(checkpoint, "read")):
            raise TypeError(f"checkpoint is {checkpoint!r}; give a Checkpoint, as Checkpoint('training.ckpt')")
        rows, heldout, heldout_rows = self._split(X, X_heldout, validation_split)
        if patience is not None:
            patience = _validate.integer(patience, 1, None, name="patience")
            if heldout is None:
                raise ValueError("patience needs rows to watch; give X_heldout or validation_split")
        run = Run()
        run.history.heldout_rows = heldout_rows
        keep = None
        if checkpoint is not None:
            keep = _Keeping(checkpoint, self, run, self._settings(rows, heldout, n_epochs, patience))
            keep.resume()
        n_done = run.epoch * rows.n_rows + min(rows.n_rows, run.batch * self.batch_size)
        with _bar(n_epochs * rows.n_rows, n_done) if progress else contextlib.nullcontext() as bar:
            while not (run.stopped or run.epoch >= n_epochs or _is_out_of_patience(run, patience)):
                self._epoch(run, rows, n_epochs, keep, bar)
                self._end_epoch(run, heldout, patience)
                if bar is not None:
                    bar.set_postfix({name: f"{values[-1]:.4g}" for name, values in run.history.to_dict().items()})
                answers = [callback(self, run.history) for callback in callbacks]
                run.stopped = int(any(isinstance(answer, (bool, np.bool_)) and answer for answer in answers))
                if keep is not None:
                    keep.write_if_due()
        if keep is not None:
            keep.write()
        if run.best_epoch:
            self.encoder.params[:] = run.best_params["encoder"]
            self.decoder.params[:] = run.best_params["decoder"]
        return run.history

    def evaluate(self, X: ArrayLike | RowStream) -> tuple[float, float]:
        """Mean loss at the present temperature and exact Hamming distance, per known cell, of rows.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features), or RowStream
            Symbols of the loss's alphabet, or missing.

        Returns
        -------
        loss, hamming : float

        Raises
        ------
        TypeError, ValueError
            If X is not one or more rows of symbols for this encoder.
        DivergenceError
            If the parameters are so large, or NaN, that latents or the loss are not finite.

        Examples
        --------
        >>> from fastae import HAPLOTYPE, Decoder, Encoder, HammingLoss, Trainer
        >>> trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE))
        >>> X = [[0, 0, 1, 1], [1, 1, 0, 0]]
        >>> history = trainer.fit(X, n_epochs=200)
        >>> loss, hamming = trainer.evaluate(X)
        >>> loss < 0.1, hamming
        (True, 0.0)
        """
        return self._evaluate(self._source(X, "X"), self.temperature)

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Copies of all that decides how `step` goes on: parameters, optimisers, random numbers; for `set_state`.

        Returns
        -------
        arrays : dict of str to ndarray
            One-dimensional.

        Raises
        ------
        TypeError
            If an optimiser of the caller's has no `get_state`, or the seed is a generator of another kind than
            ``numpy.random.default_rng`` gives.

        Examples
        --------
        >>> from fastae import HAPLOTYPE, Decoder, Encoder, HammingLoss, Trainer
        >>> trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE))
        >>> state, X = trainer.get_state(), [[0, 0, 1, 1], [1, 1, 0, 0]]
        >>> first = trainer.step(X)
        >>> trainer.set_state(state)  # back to where it was
        >>> trainer.step(X) == first
        True
        """
        arrays = {
            "updates": np.array([self.n_updates]),
            "rate": np.array([self.learning_rate]),
            "random": rng_to_array(self._rng),
            "encoder.params": self.encoder.params.copy(),
            "decoder.params": self.decoder.params.copy(),
        }
        for half, optimizer in self._update.optimizers.items():
            if not hasattr(optimizer, "get_state"):
                raise TypeError(f"the optimiser {optimizer!r} has no get_state and set_state, so it cannot be kept")
            arrays |= {f"{half}.{name}": array for name, array in optimizer.get_state().items()}
        return arrays

    def set_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from where a trainer of the same kind was when its `get_state` gave these arrays.

        Parameters
        ----------
        arrays : dict of str to ndarray

        Raises
        ------
        TypeError
            If arrays is no dict.
        ValueError
            If an array is missing, or of another size or dtype than this trainer's; nothing is changed then.
        """
        wanted = "a trainer of the same networks and optimiser"
        _validate.state(arrays, self.get_state(), name="trainer", wanted=wanted)
        self.n_updates = int(arrays["updates"][0])
        self.learning_rate = float(arrays["rate"][0])
        rng_from_array(self._rng, arrays["random"])
        self.encoder.params[:] = arrays["encoder.params"]
        self.decoder.params[:] = arrays["decoder.params"]
        for half, optimizer in self._update.optimizers.items():
            names = [name for name in arrays if name.startswith(f"{half}.")]
            optimizer.set_state({name.partition(".")[2]: arrays[name] for name in names})

    def _epoch(self, run, rows, n_epochs, keep, bar):
        """Update on every row that the epoch has not seen yet."""
        n_batches = -(-rows.n_rows // self.batch_size)
        share = run.epoch / (n_epochs - 1) if n_epochs > 1 else 1.0
        self.temperature = self.loss.temperature ** (1 - share) * self.loss.final_temperature**share
        if not run.batch:
            run.begin_epoch(_draw_seed(self._rng))
        started = time.perf_counter() - run.seconds  # before an interruption, where there was one
        order = np.random.default_rng(run.order_seed)  # of its own: a stream's order must not depend on other draws
        for codes in rows.batches(self.batch_size, order, run.batch):
            rate = self._rate((run.epoch + run.batch / n_batches) / n_epochs)
            try:
                total, n_known, n_wrong = self._step(codes, rate)
            except DivergenceError as error:
                where = f" (epoch {run.epoch + 1} of {n_epochs}, batch {run.batch + 1} of {n_batches})"
                raise self._diverged(error, where) from None
            run.loss_sum += total
            run.n_wrong += n_wrong
            run.n_known += n_known
            run.learning_rate = rate
            run.batch += 1
            run.seconds = time.perf_counter() - started
            if bar is not None:
                bar.update(len(codes))
            if keep is not None:
                keep.write_if_due()

    def _end_epoch(self, run, heldout, patience):
        """Put the epoch's means into the history; look at the held-out rows."""
        started = time.perf_counter()
        n_known = max(1, run.n_known)
        epoch = {"loss": run.loss_sum / n_known, "hamming": run.n_wrong / n_known}
        epoch |= {"learning_rate": run.learning_rate, "temperature": self.temperature}
        run.epoch += 1
        run.batch = 0
        if heldout is not None:
            loss, hamming = self._evaluate(heldout, self.loss.final_temperature)
            epoch |= {"heldout_loss": loss, "heldout_hamming": hamming}
            if patience is not None and run.is_better(hamming, loss):
                run.best_epoch, run.best_hamming, run.best_loss = run.epoch, hamming, loss
                run.best_params = {"encoder": self.encoder.params.copy(), "decoder": self.decoder.params.copy()}
                run.history.best_epoch = run.epoch - 1
        run.history.append(**epoch, seconds=run.seconds + time.perf_counter() - started)

    def _rate(self, progress):
        share = self._schedule(progress)
        if not isinstance(share, numbers.Real):
            raise TypeError(f"the schedule gives {share!r} at {progress:.3g}; give a share of learning_rate, a number")
        rate = float(self.learning_rate) * float(share)
        if not 0 <= rate <= MAX_LEARNING_RATE:  # nor is NaN
            raise ValueError(
                f"the schedule gives {share} of the learning rate {self.learning_rate} at {progress:.3g}; "
                f"together they must be 0 to {MAX_LEARNING_RATE:.0e}"
            )
        return rate

    def _step(self, codes, rate):
        """One update; (summed loss, known cells, wrong ones), from before it."""
        sums = self._update(codes, self.temperature, rate)
        self.n_updates += 1
        return sums

    def _diverged(self, error, where):
        return DivergenceError(
            f"update {self.n_updates + 1}{where}: {error}; choose a learning_rate below {self.learning_rate:g} "
            "(the models are as the update before left them)"
        )

    def _evaluate(self, rows: Source, temperature: float) -> tuple[float, float]:
        total = 0.0
        n_wrong = n_known = 0
        for codes in rows.batches(self.batch_size, None):
            x = np.empty(codes.shape, dtype=self.encoder.dtype)
            n_known += self.loss.alphabet.fill_levels(codes, x)
            try:
                xhat = self._model(x, n_threads=self._n_threads)
            except ValueError:  # levels are finite, so it is the parameters
                raise DivergenceError(
                    f"after update {self.n_updates}: the latents are no longer finite; choose a learning_rate below "
                    f"{self.learning_rate:g}"
                ) from None
            total += self.loss.sum_gradient(xhat, codes, temperature, 0.0, None)
            n_wrong += self.loss.count_wrong(xhat, codes)
        if not math.isfinite(total):
            raise DivergenceError(
                f"after update {self.n_updates}: the loss is no longer finite; choose a learning_rate below "
                f"{self.learning_rate:g}"
            )
        return total / max(1, n_known), n_wrong / max(1, n_known)

    def _source(self, X, name):
        return open_rows(X, self.loss.alphabet, self.encoder.sizes[0], name)

    def _split(self, X, X_heldout, validation_split):
        """(rows to train on, held-out rows or None, their numbers in X or None)."""
        rows = self._source(X, "X")
        if validation_split is None:
            return rows, None if X_heldout is None else self._source(X_heldout, "X_heldout"), None
        if X_heldout is not None:
            raise ValueError("X_heldout and validation_split both name held-out rows; give one of them")
        share = _validate.real(validation_split, name="validation_split")
        if not 0 < share < 1 or rows.n_rows < 2:
            raise ValueError(
                f"validation_split is {validation_split} of {rows.n_rows} rows; give a share between 0 and 1"
            )
        n_heldout = min(max(round(share * rows.n_rows), 1), rows.n_rows - 1)
        drawn = np.random.default_rng(self._split_seed).choice(rows.n_rows, n_heldout, replace=False)
        heldout_rows = np.sort(drawn)
        return *rows.split(heldout_rows), heldout_rows

    def _settings(self, rows, heldout, n_epochs, patience):
        """What a fit that goes on from a checkpoint must have in common with the one that wrote it."""
        loss, halves = self.loss, {"encoder": self.encoder, "decoder": self.decoder}
        settings = {half: f"{network!r} {'-'.join(network.activations)}" for half, network in halves.items()}
        return settings | {
            "loss": f"{type(loss).__name__} {loss.temperature!r} to {loss.final_temperature!r}",
            "alphabet": f"{loss.alphabet!r} at {loss.alphabet.levels.tolist()!r}",
            "gradient": next((name for name, mode in GRADIENT_MODES.items() if mode == self._mode), _told(self._mode)),
            "optimizer": _told(self._update.optimizers["encoder"]),
            "learning_rate": repr(self.learning_rate),
            "batch_size": repr(self.batch_size),
            "seed": self._seed,
            "schedule": getattr(self._schedule, "__qualname__", _told(self._schedule)),
            "latent_bits": repr(self.latent_bits),
            "n_epochs": repr(n_epochs),
            "patience": repr(patience),
            "X": rows.fingerprint,
            "held-out rows": "none" if heldout is None else heldout.fingerprint,
        }


class _Keeping:
    """A fit and the checkpoint that keeps it."""

    def __init__(self, checkpoint, trainer, run, settings):
        self._checkpoint = checkpoint
        self._trainer = trainer
        self._run = run
        self._settings = settings

    def resume(self):
        saved = self._checkpoint.read(self._state())
        if saved is not None:
            self._trainer.set_state(saved.arrays)
            self._run.from_arrays(saved.arrays)

    def write_if_due(self):
        if self._checkpoint.is_due():
            self.write()

    def write(self):
        self._checkpoint.write(self._state())

    def _state(self):
        return TrainingState(self._settings, self._trainer.get_state() | self._run.to_arrays())


def _told(thing):
    """What its repr tells, but for the address, which is another in every process."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(thing))


def _is_out_of_patience(run, patience):
    return patience is not None and run.epoch - run.best_epoch >= patience


def _draw_seed(rng):
    return int(rng.integers(2**63))


def _bar(n_rows, n_done):
    from fastae.progress import training_bar  # an edge, opened when it is asked for

    return training_bar(n_rows, n_done)


def _lookup(value, table, name):
    """The function that an option names, or is."""
    if callable(value):
        return value
    if isinstance(value, str) and value in table:
        return table[value]
    error = ValueError if isinstance(value, str) else TypeError
    raise error(f"{name} is {value!r}; it can be {', '.join(map(repr, table))}, or a function")
