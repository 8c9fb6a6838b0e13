# SPDX-License-Identifier: Apache-2.0
"""Where a training is: all that decides how it goes on, as named vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastae.history import COLUMNS, History


class TrainingState(NamedTuple):
    """A training that can be put down and taken up again.

    Attributes
    ----------
    settings : dict of str to str
        What a training to go on with must have in common with this one.
    arrays : dict of str to ndarray
        One-dimensional, of int64, uint64, float32 or float64.
    """

    settings: dict[str, str]
    arrays: dict[str, NDArray[Any]]


class Keeper(Protocol):
    """What `Trainer.fit` wants of a checkpoint."""

    def read(self, fresh: TrainingState) -> TrainingState | None:
        """The state that is kept, if there is one; `fresh` is that of the training that wants to go on from it."""

    def is_due(self) -> bool:
        """Whether a state should be written now."""

    def write(self, state: TrainingState) -> None:
        """Keep a state instead of the one before."""


@dataclass
class Run:
    """One `Trainer.fit`, between two batches."""

    epoch: int = 0
    batch: int = 0  # of this epoch, done
    order_seed: int = 0  # of the order of rows in this epoch
    loss_sum: float = 0.0  # over the known cells of this epoch's batches
    n_wrong: int = 0
    n_known: int = 0
    learning_rate: float = 0.0  # of the last step
    seconds: float = 0.0  # of this epoch
    best_epoch: int = 0  # counted from 1; 0 is none
    best_hamming: float = math.inf
    best_loss: float = math.inf
    stopped: int = 0  # 1 where a callback asked for it
    best_params: dict[str, NDArray[Any]] = field(default_factory=dict)  # of encoder and decoder, after best_epoch
    history: History = field(default_factory=History)

    def begin_epoch(self, order_seed: int) -> None:
        """Forget the sums of the epoch before."""
        self.order_seed = order_seed
        self.loss_sum, self.n_wrong, self.n_known, self.seconds = 0.0, 0, 0, 0.0

    def is_better(self, hamming: float, loss: float) -> bool:
        """Whether held-out rows came out better than after any epoch before."""
        return (hamming, loss) < (self.best_hamming, self.best_loss)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as vectors."""
        arrays = {name: np.array([getattr(self, name)], dtype=dtype) for name, dtype in _numbers()}
        arrays |= {f"history.{name}": getattr(self.history, name) for name in COLUMNS}
        for half in ("encoder", "decoder"):
            arrays[f"best.{half}"] = self.best_params.get(half, np.empty(0))
        return arrays

    def from_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from what `to_arrays` gave."""
        for name, _ in _numbers():
            setattr(self, name, arrays[name][0].item())
        heldout_rows = self.history.heldout_rows
        self.history = History(**{name: arrays[f"history.{name}"] for name in COLUMNS})
        self.history.heldout_rows = heldout_rows
        if self.best_epoch:
            self.history.best_epoch = self.best_epoch - 1
            self.best_params = {half: arrays[f"best.{half}"].copy() for half in ("encoder", "decoder")}


def _numbers():
    for known in fields(Run):
        if known.type in ("int", "float"):  # annotations are text here
            yield known.name, np.dtype(np.int64 if known.type == "int" else np.float64)


def rng_to_array(rng: np.random.Generator) -> NDArray[np.uint64]:
    """The state of a PCG64 generator: state and increment, 128 bits each, low half first; then the half it keeps back.

    Raises
    ------
    TypeError
        If rng is of another kind.
    """
    state: Any = rng.bit_generator.state
    if state["bit_generator"] != "PCG64":
        raise TypeError(
            f"the trainer's seed is a {state['bit_generator']} generator; a checkpoint can keep a number or a "
            "generator of numpy.random.default_rng"
        )
    wide = [state["state"]["state"], state["state"]["inc"]]
    halves = [half for number in wide for half in (number % 2**64, number >> 64)]
    return np.array([*halves, state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def rng_from_array(rng: np.random.Generator, array: NDArray[np.uint64]) -> None:
    """Put a PCG64 generator where `rng_to_array` found it."""
    state_low, state_high, inc_low, inc_high, has_uint32, uinteger = array.tolist()
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state_high << 64 | state_low, "inc": inc_high << 64 | inc_low},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
