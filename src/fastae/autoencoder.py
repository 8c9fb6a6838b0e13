# SPDX-License-Identifier: Apache-2.0
"""An autoencoder as an estimator of scikit-learn's conventions; scikit-learn itself is not needed."""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _validate
from fastae.alphabet import Alphabet
from fastae.errors import NotFittedError
from fastae.history import History
from fastae.layers import round_latents
from fastae.losses import LOSSES
from fastae.models import Decoder, Encoder
from fastae.trainer import Trainer

_MAX_VALUES = 126  # symbols that an alphabet can have
_CONTAINERS = ("default", "pandas", "polars")
_BLOCK_ROWS = 1024  # rows that are symbols, codes and levels at the same time


class Autoencoder:
    """Rows of symbols to a few latents and back, in one object that fits, transforms and can be searched over.

    It follows scikit-learn's conventions, so it stands in pipelines, cross-validation and grid searches. For training
    with held-out rows, callbacks, checkpoints or more rows than memory holds, use `Trainer`.

    Parameters
    ----------
    n_latent : int
        Latents of a row.
    hidden : tuple of int
        Widths of the encoder's layers between input and latents; the decoder has them the other way round.
    latent_bits : int, 1 to 8, optional
        Round latents to so many bits, in training and in `transform`.
    loss : {"cross_entropy", "hamming"}
    gradient : str or a mode
        As `Trainer`.
    n_epochs : int
    batch_size : int
    learning_rate : float
    schedule : str or function
        As `Trainer`.
    alphabet : Alphabet, optional
        The symbols of X. By default they are learnt from the first X: its distinct values in their order, at most 126
        numbers; NaN, `pandas.NA` and, among integers, -1 are missing. Among floats -1 is a symbol like another.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Of the first weights and of the order of rows; None draws them anew in every `fit`.

    Attributes
    ----------
    encoder_ : Encoder
    decoder_ : Decoder
    history_ : History
        Of the last `fit`.
    alphabet_ : Alphabet
        Of the codes that encoder and decoder were trained on.
    values_ : ndarray of shape (n_symbols,)
        The symbols, in the order of their codes.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X had column names.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import Autoencoder
    >>> X = np.repeat([[0, 0, 2, 2, 1], [2, 2, 0, 0, 1]], 20, axis=0)
    >>> autoencoder = Autoencoder(n_latent=2, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape, autoencoder.score(X)
    ((40, 2), 1.0)
    >>> bool((autoencoder.inverse_transform(autoencoder.transform(X)) == X).all())
    True
    """

    def __init__(
        self,
        n_latent: int = 16,
        *,
        hidden: tuple[int, ...] = (64,),
        latent_bits: int | None = None,
        loss: str = "cross_entropy",
        gradient: Any = "reverse",
        n_epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 5e-3,
        schedule: Any = "onecycle",
        alphabet: Alphabet | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_latent = n_latent
        self.hidden = hidden
        self.latent_bits = latent_bits
        self.loss = loss
        self.gradient = gradient
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.alphabet = alphabet
        self.random_state = random_state

    def __repr__(self):
        defaults = inspect.signature(type(self)).parameters
        shown = {name: repr(value) for name, value in self.get_params().items()}
        changed = [f"{name}={text}" for name, text in shown.items() if text != repr(defaults[name].default)]
        return f"{type(self).__name__}({', '.join(changed)})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor arguments by name.

        Parameters
        ----------
        deep : bool
            Makes no difference: no argument is an estimator.

        Returns
        -------
        params : dict
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Autoencoder:
        """Change constructor arguments; they count from the next `fit` on.

        Parameters
        ----------
        **params
            By name.

        Raises
        ------
        ValueError
            If there is no argument of a name.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def fit(self, X: ArrayLike, y: object = None) -> Autoencoder:
        """Learn the symbols and train new networks on rows.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Symbols.
        y : None
            Not used.

        Returns
        -------
        self : Autoencoder

        Raises
        ------
        TypeError, ValueError
            If X is no matrix of symbols, or an option is of another kind or has an unknown value.
        DivergenceError
            If the loss is no longer finite.
        """
        trainer, codes = self._begin(X)
        self.history_ = trainer.fit(self.alphabet_.to_symbols(codes), n_epochs=self.n_epochs)
        return self

    def partial_fit(self, X: ArrayLike, y: object = None) -> Autoencoder:
        """Train on rows once, in their order, going on from the calls before.

        The first call settles the symbols: give an `alphabet`, or rows that have all of them. The learning rate and the
        loss's temperature stay what they are at the start of a `fit`.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : None
            Not used.

        Returns
        -------
        self : Autoencoder

        Raises
        ------
        TypeError, ValueError, DivergenceError
            As `fit`.
        """
        if not hasattr(self, "encoder_"):
            trainer, codes = self._begin(X)
        else:
            codes = self._codes(X, reset=False)
            trainer = self._resumed()
        symbols = self.alphabet_.to_symbols(codes)
        for start in range(0, len(symbols), trainer.batch_size):
            trainer.step(symbols[start : start + trainer.batch_size])
        self._trainer_state = trainer.get_state()
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Latents of rows.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Symbols.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_latent), float32
            In (-1, 1); rounded where `latent_bits` says so. A data frame after `set_output`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X is no matrix of as many features and of symbols that `fit` saw.
        """
        self._check_is_fitted("transform")
        Z = self._latents(self._codes(X, reset=False))
        kind = self._container()
        if kind == "default":
            return Z
        from fastae.frames import to_frame  # an edge, opened when it is asked for

        return to_frame(kind, Z, self.get_feature_names_out().tolist(), X)

    def fit_transform(self, X: ArrayLike, y: object = None) -> NDArray[np.float32]:
        """``fit(X).transform(X)``. Parameters and Raises as `fit`, Returns as `transform`."""
        return self.fit(X).transform(X)

    def inverse_transform(self, Z: ArrayLike) -> NDArray[Any]:
        """Symbols of rows from their latents.

        Parameters
        ----------
        Z : array_like of shape (n_samples, n_latent), numbers

        Returns
        -------
        X : ndarray of shape (n_samples, n_features), of the dtype that `fit` saw, or of the alphabet's

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If Z is no finite matrix of n_latent columns.
        """
        self._check_is_fitted("inverse_transform")
        Z = _validate.matrix(Z, np.float32, name="Z", n_columns=self.encoder_.sizes[-1], finite=True)
        codes = self.alphabet_.from_levels(self.decoder_.inverse_transform(Z))
        return self.values_[np.minimum(codes, len(self.values_) - 1)]

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Share of the known symbols that come back exactly from their latents: 1 is perfect.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : None
            Not used.

        Returns
        -------
        score : float

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `transform`.
        """
        self._check_is_fitted("score")
        codes = self._codes(X, reset=False)
        n_right = 0
        for start in range(0, len(codes), _BLOCK_ROWS):
            block = codes[start : start + _BLOCK_ROWS]
            found = self.alphabet_.from_levels(self.decoder_.inverse_transform(self._latents(block)))
            n_right += int(np.count_nonzero(found == block))
        return n_right / max(1, int(np.count_nonzero(codes >= 0)))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Names of the latents: autoencoder0, autoencoder1, ...

        Parameters
        ----------
        input_features : None
            Not used.

        Returns
        -------
        names : ndarray of shape (n_latent,), object

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        self._check_is_fitted("get_feature_names_out")
        return np.array([f"autoencoder{i}" for i in range(self.encoder_.sizes[-1])], dtype=object)

    def set_output(self, *, transform: str | None = None) -> Autoencoder:
        """Choose what `transform` and `fit_transform` give.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None
            "default" is an array; the others are data frames with `get_feature_names_out` as columns. None changes
            nothing. Where this is never called, scikit-learn's ``set_config(transform_output=...)`` counts.

        Returns
        -------
        self : Autoencoder

        Raises
        ------
        ValueError
            If transform is another word.
        """
        if transform is not None:
            _check_container(transform)
            self._sklearn_output_config = {"transform": transform}  # a name that scikit-learn's `clone` copies
        return self

    def _container(self):
        chosen = getattr(self, "_sklearn_output_config", None)
        if chosen is not None:
            return chosen["transform"]
        sklearn = sys.modules.get("sklearn")
        return "default" if sklearn is None else _check_container(sklearn.get_config()["transform_output"])

    def __sklearn_tags__(self):
        utils = sys.modules["sklearn.utils"]  # who asks for tags has imported it
        return utils.Tags(
            estimator_type="transformer",
            target_tags=utils.TargetTags(required=False),
            transformer_tags=utils.TransformerTags(preserves_dtype=["float32"]),
            input_tags=utils.InputTags(categorical=True, string=self._alphabet_is_of_bytes(), allow_nan=True),
        )

    def _alphabet_is_of_bytes(self):
        return isinstance(self.alphabet, Alphabet) and self.alphabet.symbols.dtype.kind == "S"

    def _begin(self, X):
        """(trainer of new networks, codes of X), after everything that `fit` learns of X itself."""
        if not isinstance(self.loss, str) or self.loss not in LOSSES:
            raise ValueError(f"loss is {self.loss!r}; it can be {', '.join(map(repr, LOSSES))}")
        self._options = self.get_params()  # what `set_params` changes counts from the next `fit` on
        _validate.integer(self.n_latent, 1, None, name="n_latent")
        codes = self._codes(X, reset=True)
        rng = _generator(self.random_state)
        try:
            sizes = [codes.shape[1], *self.hidden, self.n_latent]
        except TypeError:
            raise TypeError(f"hidden is {self.hidden!r}; give a tuple of widths, as (64,)") from None
        output = "identity" if self.loss == "cross_entropy" else "tanh"
        self.encoder_ = Encoder(sizes, seed=rng)
        self.decoder_ = Decoder(sizes[::-1], output_activation=output, seed=rng)
        self.history_ = History()
        return self._trainer(rng), codes

    def _trainer(self, rng):
        options = self._options
        return Trainer(
            self.encoder_,
            self.decoder_,
            loss=LOSSES[options["loss"]](self.alphabet_),
            gradient=options["gradient"],
            learning_rate=options["learning_rate"],
            batch_size=options["batch_size"],
            schedule=options["schedule"],
            latent_bits=options["latent_bits"],
            seed=rng,
        )

    def _resumed(self):
        """The trainer of the call before, or after `fit` a new one that starts from what was fitted."""
        trainer = self._trainer(_generator(self._options["random_state"]))
        if hasattr(self, "_trainer_state"):
            trainer.set_state(self._trainer_state)
        return trainer

    def _codes(self, X, reset):
        """Symbols to codes; with reset, learn features and symbols first."""
        names = _column_names(X)
        cells = _cells(X)
        if reset:
            self.n_features_in_ = cells.shape[1]
            self.__dict__.pop("feature_names_in_", None)
            self.__dict__.pop("_trainer_state", None)
            if names is not None:
                self.feature_names_in_ = names
            self._learn_values(cells)
        else:
            self._check_features(cells, names)
        if self._options["alphabet"] is not None:
            return self.alphabet_.to_codes(cells)
        missing = _missing(cells)
        codes = np.searchsorted(self.values_, cells).clip(max=len(self.values_) - 1).astype(np.int8)
        foreign = ~missing & (self.values_[codes] != cells)
        if foreign.any():
            row, column = np.argwhere(foreign)[0]
            raise ValueError(
                f"X[{row}, {column}] is {cells[row, column].item()!r}, which was not among the values that "
                f"{type(self).__name__} was fitted on; fit on rows that have every value, or give an alphabet"
            )
        codes[missing] = -1
        return codes

    def _learn_values(self, cells):
        if self.alphabet is not None:
            if not isinstance(self.alphabet, Alphabet):
                raise TypeError(f"alphabet is {self.alphabet!r}; give an Alphabet, such as fastae.DOSAGE, or None")
            self.alphabet_ = self.alphabet
            self.values_ = self.alphabet.symbols
            return
        if cells.dtype.kind not in "biuf":
            raise TypeError(f"X holds {cells.dtype.name}; symbols that are no numbers need an alphabet, as fastae.DNA")
        self.values_ = np.unique(cells[~_missing(cells)])
        if not len(self.values_):
            raise ValueError("X has no known symbol: every cell is missing; give rows to learn from")
        if len(self.values_) > _MAX_VALUES:
            raise ValueError(
                f"X has {len(self.values_)} distinct values; {type(self).__name__} takes symbols, 1 to {_MAX_VALUES} "
                "of them, and no continuous numbers: round them first"
            )
        self.alphabet_ = Alphabet("learnt", range(max(2, len(self.values_))))

    def _check_features(self, cells, names):
        fitted = getattr(self, "feature_names_in_", None)
        kind = type(self).__name__
        if names is not None and fitted is not None and not np.array_equal(names, fitted):
            raise ValueError(_name_difference(names, fitted))
        if names is None and fitted is not None:
            warnings.warn(
                f"X does not have valid feature names, but {kind} was fitted with feature names", stacklevel=4
            )
        if names is not None and fitted is None:
            warnings.warn(f"X has feature names, but {kind} was fitted without feature names", stacklevel=4)
        if cells.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {cells.shape[1]} features, but {kind} is expecting {self.n_features_in_} features as input"
            )

    def _latents(self, codes):
        Z = np.empty((len(codes), self.encoder_.sizes[-1]), dtype=np.float32)
        for start in range(0, len(codes), _BLOCK_ROWS):
            block = codes[start : start + _BLOCK_ROWS]
            Z[start : start + len(block)] = self.encoder_.transform(self.alphabet_.to_levels(block))
        bits = self._options["latent_bits"]
        return Z if bits is None else round_latents(Z, bits)

    def _check_is_fitted(self, method):
        if not hasattr(self, "encoder_"):
            raise _not_fitted_error()(f"this {type(self).__name__} is not fitted yet: call fit before {method}")


def _check_container(name):
    if name not in _CONTAINERS:
        raise ValueError(f"the output of transform is {name!r}; it can be {', '.join(map(repr, _CONTAINERS))}")
    return name


def _not_fitted_error():
    """`NotFittedError`, which is scikit-learn's too where that is loaded, so that its users can catch it as they do."""
    theirs = sys.modules.get("sklearn.exceptions")
    return NotFittedError if theirs is None else type("NotFittedError", (NotFittedError, theirs.NotFittedError), {})


def _generator(random_state):
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    if isinstance(random_state, np.random.Generator) and not isinstance(random_state.bit_generator, np.random.PCG64):
        return np.random.default_rng(random_state.integers(2**63))  # of the kind that `partial_fit` can keep
    try:
        return _validate.generator(random_state)
    except TypeError:
        raise TypeError(
            f"random_state is {random_state!r}; it can be None, an integer, a Generator or a RandomState"
        ) from None


def _column_names(X):
    columns = getattr(X, "columns", None)
    names = None if columns is None else np.asarray(columns, dtype=object)
    return names if names is not None and len(names) and all(isinstance(name, str) for name in names) else None


def _cells(X):
    """X as a matrix of at least one row and column, without infinities."""
    if hasattr(X, "toarray"):
        raise TypeError("X is a sparse matrix; a dense array is needed: X.toarray() makes one")
    cells = _validate.rectangular(X, name="X")
    if cells.dtype == object:
        cells = _without_objects(cells)
    if cells.dtype.kind == "c":
        raise ValueError("Complex data not supported: X holds complex numbers, symbols are wanted")
    if cells.ndim != 2:
        raise ValueError(
            f"X has shape {cells.shape}, a matrix (n_samples, n_features) is wanted. Reshape your data: "
            "X.reshape(1, -1) if it is one sample, X.reshape(-1, 1) if it is one feature"
        )
    for axis, what in enumerate(("sample(s)", "feature(s)")):
        if not cells.shape[axis]:
            raise ValueError(f"X has 0 {what} (shape={cells.shape}) while a minimum of 1 is required.")
    if cells.dtype.kind == "f" and np.isinf(cells).any():
        raise ValueError("X holds infinity (inf), which is no symbol")
    return cells


def _without_objects(cells):
    """An array of Python objects as one of what they are; pandas.NA as what is missing among its kind."""
    is_na = np.array([type(cell).__name__ == "NAType" for cell in cells.ravel()], dtype=bool).reshape(cells.shape)
    known = cells[~is_na].tolist()
    found = np.array(known) if known else np.empty(0)
    filler = {"b": -1, "i": -1, "f": np.nan}.get(found.dtype.kind)
    if found.dtype == object or (filler is None and is_na.any()):
        raise TypeError("X holds Python objects of no common kind; each argument must be a string or a number")
    if not is_na.any():
        return found.reshape(cells.shape)
    whole = np.full(cells.shape, filler)
    whole[~is_na] = found
    return whole


def _missing(cells):
    return np.isnan(cells) if cells.dtype.kind == "f" else cells == -1 if cells.dtype.kind == "i" else cells != cells


def _name_difference(names, fitted):
    lines = ["The feature names should match those that were passed during fit."]
    unseen, absent = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
    if unseen:
        lines += ["Feature names unseen at fit time:", *(f"- {name}" for name in unseen[:5])]
    if absent:
        lines += ["Feature names seen at fit time, yet now missing:", *(f"- {name}" for name in absent[:5])]
    if not unseen and not absent:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"
