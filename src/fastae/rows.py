# SPDX-License-Identifier: Apache-2.0
"""Where rows come from: arrays in memory, arrays mapped from files, and streams larger than either."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _validate
from fastae.alphabet import Alphabet

_N_SAMPLED = 16  # rows that stand for all of them in a fingerprint


class RowStream:
    """Rows that are read anew in every epoch, block by block, and never held all at once.

    Parameters
    ----------
    blocks : function without arguments
        Gives an iterable of blocks, each array_like of shape (any number, n_features): the same rows in the same order
        at each call. A generator function is one.
    n_rows : int
        Rows of all blocks together.
    buffer_rows : int
        Rows that are shuffled among each other: so many (and the block that completes them) are in memory at once,
        one byte a cell. Rows that lie further apart never meet in a batch: where neighbours are alike, write the rows
        in random order once.

    Raises
    ------
    TypeError, ValueError
        If blocks is not a function, or a number is not 1 or more.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, Decoder, Encoder, HammingLoss, RowStream, Trainer
    >>> def blocks():
    ...     for seed in range(5):
    ...         yield np.random.default_rng(seed).integers(0, 2, (100, 8))
    >>> trainer = Trainer(Encoder([8, 3]), Decoder([3, 8]), loss=HammingLoss(HAPLOTYPE))
    >>> len(trainer.fit(RowStream(blocks, n_rows=500), n_epochs=2))
    2
    """

    def __init__(self, blocks: Callable[[], Iterable[ArrayLike]], n_rows: int, *, buffer_rows: int = 8192) -> None:
        if not callable(blocks):
            raise TypeError(f"blocks is {type(blocks).__name__}; give a function that starts from the first block")
        self.blocks = blocks
        self.n_rows = _validate.integer(n_rows, 1, None, name="n_rows")
        self.buffer_rows = _validate.integer(buffer_rows, 1, None, name="buffer_rows")

    def __repr__(self):
        return f"RowStream({self.blocks!r}, n_rows={self.n_rows}, buffer_rows={self.buffer_rows})"


class Source:
    """Rows as codes, batch by batch. Made by `open_rows`.

    Attributes
    ----------
    n_rows : int
    fingerprint : str
        Differs between rows of another number, and mostly between other rows.
    """

    n_rows: int
    fingerprint: str

    def batches(self, size: int, rng: np.random.Generator | None, start: int = 0) -> Iterator[NDArray[np.int8]]:
        """Codes (size or fewer, n_features) of every row once; shuffled by rng where given; from batch `start` on."""
        raise NotImplementedError

    def split(self, heldout: NDArray[np.int64]) -> tuple[Source, Source]:
        """The rows but those of these numbers (increasing), and those."""
        raise NotImplementedError


def open_rows(X: Any, alphabet: Alphabet, n_features: int, name: str) -> Source:
    """Rows of any kind as a `Source`; an array in memory is checked at once, other rows as they come."""
    if isinstance(X, Source):
        return X
    if isinstance(X, RowStream):
        return _Stream(X, alphabet, n_features, name)
    mapped = isinstance(X, np.ndarray) and _is_mapped(X)
    cells = X if mapped else _codes(alphabet, X, name)
    check_rows(cells, n_features, name)
    return _Array(_MappedCodes(X, alphabet, name) if mapped else cells, np.arange(len(cells)))


def check_rows(cells: NDArray[Any], n_features: int, name: str) -> None:
    """Refuse what are not one or more rows."""
    if cells.ndim != 2 or cells.shape[1] != n_features:
        raise ValueError(f"{name} has shape {cells.shape}, the encoder wants (n_samples, {n_features})")
    if not len(cells):
        raise ValueError(f"{name} has no rows; give at least one")


class _Array(Source):
    """Some rows of an array that gives any of its rows as codes."""

    def __init__(self, codes, rows):
        self._codes = codes
        self._rows = rows
        self.n_rows = len(rows)
        sample = codes[rows[np.linspace(0, len(rows) - 1, min(len(rows), _N_SAMPLED)).astype(int)]]
        self.fingerprint = f"{len(rows)} rows of {sample.shape[1]}, check {zlib.crc32(sample.tobytes()):08x}"

    def batches(self, size, rng, start=0):
        rows = self._rows if rng is None else rng.permutation(self._rows)
        for first in range(start * size, self.n_rows, size):
            yield self._codes[rows[first : first + size]]

    def split(self, heldout):
        kept = np.ones(self.n_rows, dtype=bool)
        kept[heldout] = False
        return _Array(self._codes, self._rows[kept]), _Array(self._codes, self._rows[heldout])


class _MappedCodes:
    """The codes of an array of symbols in a file: only the rows that are asked for are read."""

    def __init__(self, symbols, alphabet, name):
        self._symbols = symbols
        self._alphabet = alphabet
        self._name = name

    def __getitem__(self, rows):
        try:
            return self._alphabet.to_codes(self._symbols[rows])
        except (TypeError, ValueError):
            for row in rows:
                _codes(self._alphabet, self._symbols[row], f"row {row} of {self._name}")
            raise


class _Stream(Source):
    """Some rows of a stream, those whose flag is set."""

    def __init__(self, stream, alphabet, n_features, name, flags=None):
        self._stream = stream
        self._alphabet = alphabet
        self._n_features = n_features
        self._name = name
        self._flags = flags
        self.n_rows = stream.n_rows if flags is None else int(np.count_nonzero(flags))
        self.fingerprint = f"{self.n_rows} streamed rows of {n_features}, buffer {stream.buffer_rows}"

    def batches(self, size, rng, start=0):
        wanted = size if rng is None else max(size, self._stream.buffer_rows)
        parts, n = [], 0
        for block in self._blocks():
            parts.append(block)
            n += len(block)
            if n >= wanted:
                rows = _joined(parts, rng)
                whole = n // size * size
                yield from (rows[first : first + size] for first in range(start * size, whole, size))
                start = max(0, start - n // size)
                parts, n = [rows[whole:]], n - whole
        rows = _joined(parts, rng)
        yield from (rows[first : first + size] for first in range(start * size, n, size))

    def split(self, heldout):
        flags = np.zeros(self.n_rows, dtype=bool)
        flags[heldout] = True
        rest = self._stream, self._alphabet, self._n_features, self._name
        return _Stream(*rest, ~flags), _Stream(*rest, flags)

    def _blocks(self):
        """The codes of each block, after checks, without the rows that are not ours."""
        n_rows, first = self._stream.n_rows, 0
        blocks = self._stream.blocks()
        if not isinstance(blocks, Iterable):
            raise TypeError(
                f"the blocks of {self._name} are {type(blocks).__name__}; let the function give an iterable"
            )
        for block in blocks:
            codes = _codes(self._alphabet, block, f"the block of {self._name} that starts at row {first}")
            if codes.ndim != 2 or codes.shape[1] != self._n_features:
                raise ValueError(
                    f"the block of {self._name} that starts at row {first} has shape {codes.shape}, the encoder wants "
                    f"(any number, {self._n_features})"
                )
            end = first + len(codes)
            if end > n_rows:
                raise ValueError(f"the blocks of {self._name} have more than the {n_rows} rows that n_rows promises")
            yield codes if self._flags is None else codes[self._flags[first:end]]
            first = end
        if first < n_rows:
            raise ValueError(
                f"the blocks of {self._name} have {first} rows, n_rows promises {n_rows}; let the function start from "
                "the first block at each call"
            )


def _joined(parts, rng):
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return rows if rng is None else rows[rng.permutation(len(rows))]


def _codes(alphabet, symbols, where):
    try:
        return alphabet.to_codes(symbols)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None


def _is_mapped(array):
    """Whether an array's memory is a file's: `np.load(path, mmap_mode="r")` gives one, and views of it are."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return isinstance(array, mmap.mmap)
