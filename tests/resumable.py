# SPDX-License-Identifier: Apache-2.0
"""A training that tests interrupt: as functions, and as a program that a test kills.

``python resumable.py CHECKPOINT RESULT [KIND [CALL NUMBER]]`` trains with a checkpoint after every batch and prints a
line before every step; it kills itself in the NUMBERth call of os.CALL, where given.
"""

import os
import signal
import sys

import numpy as np

from fastae import DOSAGE, Checkpoint, CrossEntropyLoss, Decoder, Encoder, HammingLoss, RowStream, Trainer

N_ROWS, N_EPOCHS = 43, 6  # batches of 8: the last one is smaller
KINDS = {
    "plain": {},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "adamw": {"optimizer": "adamw", "latent_bits": 2, "dtype": np.float64},
    "forward_gradient": {"gradient": "forward_gradient"},
    "stream": {"stream": True},
    "watched": {"validation_split": 0.2, "patience": 2, "learning_rate": 0.2},
    "watched_stream": {"validation_split": 0.2, "patience": 9, "stream": True, "loss": CrossEntropyLoss},
}


def rows():
    return np.random.default_rng(7).integers(-1, 3, (N_ROWS, 10)).astype(np.int8)


def train(checkpoint, kind, before_step=lambda: None, callbacks=(), progress=False):
    """The trainer and its history."""

    def schedule(progress):
        before_step()
        return 1 - progress / 2

    options = {"gradient": "reverse"} | KINDS[kind]
    dtype = options.pop("dtype", np.float32)
    X = RowStream(lambda: np.array_split(rows(), 5), N_ROWS, buffer_rows=20) if options.pop("stream", False) else rows()
    fit = {name: options.pop(name) for name in ("validation_split", "patience") if name in options}
    trainer = Trainer(
        Encoder([10, 6, 3], dtype=dtype),
        Decoder([3, 6, 10], dtype=dtype),
        loss=options.pop("loss", HammingLoss)(DOSAGE),
        schedule=schedule,
        batch_size=8,
        seed=3,
        **options,
    )
    history = trainer.fit(X, n_epochs=N_EPOCHS, checkpoint=checkpoint, callbacks=callbacks, progress=progress, **fit)
    return trainer, history


def result(trainer, history):
    """All that a training leaves behind, but for seconds."""
    arrays = trainer.get_state() | {f"history.{name}": values for name, values in history.to_dict().items()}
    arrays["best_epoch"] = np.array([-1 if history.best_epoch is None else history.best_epoch])
    del arrays["history.seconds"]
    return arrays


def _kill_in(name, number):
    """SIGKILL in one call of a function of os: instead of it, or for "replace" just after it."""
    real, n_calls = getattr(os, name), [0]

    def dying(*args):
        n_calls[0] += 1
        if n_calls[0] < number:
            return real(*args)
        if name == "replace":
            real(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(os, name, dying)


if __name__ == "__main__":
    path, result_path, kind = sys.argv[1:4]
    if sys.argv[4:]:
        _kill_in(sys.argv[4], int(sys.argv[5]))
    trained = train(Checkpoint(path, seconds=0), kind, before_step=lambda: print("step", flush=True))
    np.savez(result_path, **result(*trained))
