# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a training: files that a killed `Trainer.fit` goes on from, FORMAT.md §7."""

from __future__ import annotations

import os
import struct
import time
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastae import _validate
from fastae.errors import ChecksumError, FormatError, VersionError
from fastae.fileio import atomic_output, check_output
from fastae.history import COLUMNS
from fastae.run import TrainingState

_MAGIC = b"FAECHECK"
_VERSION = 1
_PREAMBLE = struct.Struct("<8sHHHH")  # magic, version, settings, arrays, 0
_ARRAY = struct.Struct("<BQ")  # kind, numbers
_SHORT, _LONG, _NAME = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<B")
_CHECKSUM = struct.Struct("<I")
_DTYPES: dict[int, np.dtype] = {1: np.dtype("<i8"), 2: np.dtype("<u8"), 3: np.dtype("<f4"), 4: np.dtype("<f8")}
_KINDS = {dtype.newbyteorder("="): kind for kind, dtype in _DTYPES.items()}
_MAX_COUNT = 2**62  # what is counted on from here stays a 64-bit number


class Checkpoint:
    """A file that keeps a training: `Trainer.fit` writes it now and then, and goes on from it where it is there.

    Run the same program again after it was killed, at whatever moment: the parameters and the history come out to the
    same bits as if it had never stopped, but for the history's seconds. The file is written under another name and
    renamed, so that it is never half there. Delete it to start anew.

    Parameters
    ----------
    path : str or path-like
    seconds : float
        Between two writes, at least; the file is also written at the end of `fit`. 0 writes after every batch.

    Raises
    ------
    TypeError, ValueError
        If path is none, or seconds is not a number of 0 or more.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, Checkpoint, Decoder, Encoder, HammingLoss, Trainer
    >>> X = np.array([[0, 0, 1, 1], [1, 1, 0, 0]] * 8)
    >>> def train(path):
    ...     trainer = Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE), batch_size=4)
    ...     return trainer.fit(X, n_epochs=5, checkpoint=Checkpoint(path))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, again = (train(os.path.join(folder, "training.ckpt")) for _ in range(2))
    >>> first.seconds.tolist() == again.seconds.tolist()  # the second call found all epochs done
    True
    """

    def __init__(self, path: str | os.PathLike[str], *, seconds: float = 60.0) -> None:
        self.path = os.fsdecode(path)
        self.seconds = 0.0 if seconds == 0 else _validate.positive(seconds, name="seconds")
        self._written = time.monotonic()

    def __repr__(self):
        return f"Checkpoint({self.path!r}, seconds={self.seconds})"

    def is_due(self) -> bool:
        """Whether `seconds` have gone by since the last write, or since the start."""
        return time.monotonic() - self._written >= self.seconds

    def write(self, state: TrainingState) -> None:
        """Write a state to the file.

        Parameters
        ----------
        state : TrainingState

        Raises
        ------
        InputError
            If the path is a directory, or in none.
        OSError
            If the file cannot be written; the one that was there is as it was.
        """
        with atomic_output(self.path) as file:
            file.write(dumps_state(state))
        self._written = time.monotonic()

    def read(self, fresh: TrainingState) -> TrainingState | None:
        """Read the file, if it is there.

        Parameters
        ----------
        fresh : TrainingState
            Of the training that wants to go on from it.

        Returns
        -------
        state : TrainingState or None

        Raises
        ------
        InputError
            If the path is a directory, or there is no file and none can be written there.
        FormatError
            If the file is no checkpoint; `VersionError` if a later release wrote it, `ChecksumError` if it changed.
        ValueError
            If it is of a training with other settings, or on other rows: names them.
        """
        self._written = time.monotonic()
        check_output(self.path)
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        try:
            state = loads_state(data)
        except FormatError as error:
            raise type(error)(f"{self.path}: {error}") from None
        for name in [*fresh.settings, *state.settings]:
            kept, wanted = (settings.get(name, "unknown") for settings in (state.settings, fresh.settings))
            if kept != wanted:
                raise ValueError(
                    f"{self.path} is the checkpoint of another training: {name} was {kept}, is {wanted}; "
                    "train as before, or delete the file to start anew"
                )
        reason = _misfit(state.arrays, fresh.arrays)
        if reason:
            raise FormatError(f"{self.path}: the checkpoint holds what no release writes: {reason}")
        return state


def _misfit(arrays: dict[str, NDArray[Any]], fresh: dict[str, NDArray[Any]]) -> str | None:
    """Why these arrays cannot be those of a training that starts with `fresh`; None if they can."""
    if arrays.keys() != fresh.keys():
        return "other arrays"
    n_epochs = arrays["epoch"][0] if arrays["epoch"].size == 1 else -1
    for name, array in arrays.items():
        part, _, rest = name.partition(".")
        sizes = {fresh[name].size}
        if part == "history":
            sizes = {n_epochs} if rest in COLUMNS[:2] else {0, n_epochs}
        elif part == "best":
            sizes = {fresh[f"{rest}.params"].size if arrays["best_epoch"].any() else 0}
        dtype = fresh[f"{rest}.params"].dtype if part == "best" and array.size else fresh[name].dtype
        if array.size not in sizes or array.dtype != dtype:
            return f"{name} of {array.size} {array.dtype} numbers"
        if array.dtype == np.int64 and (array < 0).any():
            return f"a negative number in {name}"
        if array.dtype == np.int64 and name != "order_seed" and (array > _MAX_COUNT).any():
            return f"a count beyond all trainings in {name}"
        if (rest == "params" or part == "best") and not np.isfinite(array).all():
            return f"NaN or infinity in {name}"
    if arrays["best_epoch"][0] > n_epochs:
        return "a best epoch that is still to come"
    if arrays["random"][4] > 1 or arrays["random"][5] >= 2**32:
        return "a random generator in no state of its own"
    return None


def dumps_state(state: TrainingState) -> bytes:
    """A state as bytes."""
    parts = [_PREAMBLE.pack(_MAGIC, _VERSION, len(state.settings), len(state.arrays), 0)]
    for name, text in state.settings.items():
        for size, value in ((_SHORT, name.encode()), (_LONG, text.encode())):
            parts += [size.pack(len(value)), value]
    for name, array in state.arrays.items():
        kind = _KINDS[array.dtype]
        parts += [_NAME.pack(len(name)), name.encode("ascii"), _ARRAY.pack(kind, array.size)]
        parts.append(array.astype(_DTYPES[kind], copy=False).tobytes())
    body = b"".join(parts)
    return body + _CHECKSUM.pack(zlib.crc32(body))


def loads_state(data: bytes) -> TrainingState:
    """The state whose bytes these are; FormatError if they are none's."""
    if data[: len(_MAGIC)] != _MAGIC or len(data) < _PREAMBLE.size + _CHECKSUM.size:
        raise FormatError("the file is not a fastae checkpoint, or ends too early")
    _, version, n_settings, n_arrays, zero = _PREAMBLE.unpack_from(data)
    if version != _VERSION:
        raise VersionError(f"the checkpoint has version {version}, this release reads {_VERSION}; install a later one")
    body = data[: -_CHECKSUM.size]
    if _CHECKSUM.unpack(data[len(body) :])[0] != zlib.crc32(body):
        raise ChecksumError("the checkpoint is truncated or has changed since it was written: its checksum differs")
    try:
        if zero:
            raise ValueError("a reserved field that is not 0")
        return _read_v1(_Bytes(body[_PREAMBLE.size :]), n_settings, n_arrays)
    except ValueError as error:  # UnicodeDecodeError is one
        raise FormatError(f"the checkpoint holds what no release writes: {error}") from None


def _read_v1(source, n_settings, n_arrays):
    settings, arrays = {}, {}
    for _ in range(n_settings):
        name = source.take(source.number(_SHORT)).decode()
        settings[name] = source.take(source.number(_LONG)).decode()
    for _ in range(n_arrays):
        name = source.take(source.number(_NAME)).decode("ascii")
        kind, n = _ARRAY.unpack(source.take(_ARRAY.size))
        if kind not in _DTYPES:
            raise ValueError(f"numbers of kind {kind}")
        numbers = np.frombuffer(source.take(n * _DTYPES[kind].itemsize), dtype=_DTYPES[kind])
        arrays[name] = numbers.astype(_DTYPES[kind].newbyteorder("="))
    if len(settings) != n_settings or len(arrays) != n_arrays:
        raise ValueError("a name that is there twice")
    if source.n_left:
        raise ValueError(f"{source.n_left} bytes too many")
    return TrainingState(settings, arrays)


class _Bytes:
    """Bytes that are taken one piece after another."""

    def __init__(self, data):
        self._data = data
        self._start = 0

    @property
    def n_left(self):
        return len(self._data) - self._start

    def take(self, n):
        if n > self.n_left:
            raise ValueError(f"{n} bytes wanted where {self.n_left} are left")
        self._start += n
        return self._data[self._start - n : self._start]

    def number(self, layout):
        return layout.unpack(self.take(layout.size))[0]
