# SPDX-License-Identifier: Apache-2.0
"""Symbols (alleles, dosages, bases), their codes 0, 1, 2, ..., and their levels inside (-1, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastae import _core, _validate

_FOREIGN = -2  # what the look-up table says of a symbol that is neither in the alphabet nor its missing symbol


class Alphabet:
    """A finite set of symbols, each with a code (its number) and a level (the real number a network sees).

    Parameters
    ----------
    name : str
        What messages call the alphabet.
    symbols : sequence of int (0..126) or of bytes (one byte each)
        At least two, in the order of their codes. Missing is -1 among integers and ``b"N"`` among bytes.
    levels : sequence of float, optional
        One per symbol, strictly increasing, inside (-1, 1). By default the centres of equal parts of (-1, 1),
        so that 2 symbols are at -1/2 and 1/2 and 4 at -3/4, -1/4, 1/4 and 3/4.

    Attributes
    ----------
    n_symbols : int
    symbols : ndarray of shape (n_symbols,), int8 or S1
    levels : ndarray of shape (n_symbols,), float64
    missing : int8 or bytes
        The symbol of a missing cell.

    Raises
    ------
    ValueError
        If symbols repeat or include the missing one, or levels are not increasing inside (-1, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import DNA, HAPLOTYPE, Alphabet
    >>> HAPLOTYPE.to_levels(HAPLOTYPE.to_codes(np.array([0, 1, -1])))
    array([-0.5,  0.5,  0. ], dtype=float32)
    >>> DNA.to_symbols(DNA.from_levels([-0.9, 0.3]))
    array([b'A', b'G'], dtype='|S1')
    >>> Alphabet("tetraploid dosage", range(5)).levels
    array([-0.8, -0.4,  0. ,  0.4,  0.8])
    """

    def __init__(self, name: str, symbols: Sequence[int] | Sequence[bytes], levels: ArrayLike | None = None) -> None:
        given: list[Any] = list(symbols)
        self.name = name
        self._is_bytes = bool(given) and isinstance(given[0], bytes)
        missing: Any
        if self._is_bytes:
            if not all(isinstance(s, bytes) and len(s) == 1 for s in given):
                raise ValueError(f"the symbols of {name!r} are {given!r}; bytes symbols have one byte each")
            numbers, missing = [s[0] for s in given], b"N"
            missing_number = missing[0]
            self.symbols = np.array(given, dtype="S1")
        else:
            if not all(isinstance(s, (int, np.integer)) and 0 <= s <= 126 for s in given):
                raise ValueError(f"the symbols of {name!r} are {given!r}; integer symbols are 0 to 126")
            numbers, missing = given, np.int8(-1)
            missing_number = 255  # -1 as the unsigned byte that indexes the table
            self.symbols = np.array(given, dtype=np.int8)
        if not 2 <= len(set(numbers)) == len(numbers) <= 127 or missing_number in numbers:
            raise ValueError(
                f"the symbols of {name!r} are {given!r}; give 2 to 127 different ones, without the missing one"
            )
        self.missing = missing
        self.n_symbols = len(given)
        if levels is None:
            levels = (2 * np.arange(self.n_symbols) + 1) / self.n_symbols - 1
        self.levels = np.array(levels, dtype=np.float64)
        if self.levels.shape != (self.n_symbols,):
            raise ValueError(f"{name!r} has {self.n_symbols} symbols but levels of shape {self.levels.shape}")
        if not (np.diff(self.levels) > 0).all() or not (np.abs(self.levels) < 1).all():
            raise ValueError(f"the levels of {name!r} are {levels}; they must increase and lie inside (-1, 1)")
        self._code_of = np.full(256, _FOREIGN, dtype=np.int8)
        self._code_of[numbers] = np.arange(self.n_symbols)
        self._code_of[missing_number] = -1
        self._symbol_of = np.append(self.symbols, np.array([missing], dtype=self.symbols.dtype))  # [-1] is missing
        # missing comes first: halfway, so that it favours no symbol
        self._level_of = {dtype: np.append(0, self.levels).astype(dtype) for dtype in map(np.dtype, "fd")}
        for array in (self.symbols, self.levels):
            array.flags.writeable = False

    def __repr__(self):
        return f"Alphabet({self.name!r}, {self.symbols.tolist()!r})"

    def to_codes(self, symbols: ArrayLike, *, others: str = "refuse") -> NDArray[np.int8]:
        """Codes of symbols; -1 where missing.

        Parameters
        ----------
        symbols : array_like of any shape, of integers, or of bytes or str of length 1 for an alphabet of bytes
        others : {"refuse", "missing"}
            What to do with symbols outside the alphabet: refuse, or give them the code of a missing cell. That
            forgets which they were, so it is for training; `split` keeps them.

        Returns
        -------
        codes : ndarray of the same shape, int8

        Raises
        ------
        TypeError
            If symbols are of another kind (floats, longer strings).
        ValueError
            If a symbol is outside the alphabet and `others` is "refuse": names it and its place.

        Examples
        --------
        >>> from fastae import DNA
        >>> DNA.to_codes([b"A", b"T", b"N"])
        array([ 0,  3, -1], dtype=int8)
        """
        if type(symbols) is np.ndarray and symbols.dtype == self.symbols.dtype and symbols.flags.c_contiguous:
            codes = np.empty(symbols.shape, dtype=np.int8)
            if _core.alphabet_codes(symbols, self._code_of, codes) == codes.size:
                return codes
        cells = self._as_symbols(symbols)
        codes = self._codes_with_foreign(cells)
        if codes.size and codes.min() == _FOREIGN:
            if others == "refuse":
                place = tuple(int(i) for i in np.argwhere(codes == _FOREIGN)[0])
                where = f"symbols{list(place)}" if place else "the symbol"
                known = ", ".join(str(s) for s in self.symbols.tolist())
                raise ValueError(
                    f"{where} is {cells[place].item()!r}, but the {self.name} alphabet has {known} and "
                    f"{self._symbol_of[-1].item()!r} for missing"
                )
            if others != "missing":
                raise ValueError(f"others is {others!r}; it can be 'refuse' or 'missing'")
            codes[codes == _FOREIGN] = -1
        return codes

    def split(self, symbols: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[Any]]:
        """Codes of symbols, and whatever the codes cannot say, for `join` to put back.

        Returns
        -------
        codes : ndarray of the shape of symbols, int8
            -1 where missing and where the symbol is outside the alphabet.
        positions : ndarray of shape (n_others,), int64
            Flat indices of the symbols outside the alphabet.
        others : ndarray of shape (n_others,), dtype of symbols
            Those symbols.

        Raises
        ------
        TypeError
            As `to_codes`.

        Examples
        --------
        >>> from fastae import DNA
        >>> codes, positions, others = DNA.split([b"A", b"-", b"N"])
        >>> codes, positions, others
        (array([ 0, -1, -1], dtype=int8), array([1]), array([b'-'], dtype='|S1'))
        >>> DNA.join(codes, positions, others)
        array([b'A', b'-', b'N'], dtype='|S1')
        """
        cells = self._as_symbols(symbols)
        codes = self._codes_with_foreign(cells)
        positions = np.flatnonzero(codes == _FOREIGN)
        codes.reshape(-1)[positions] = -1
        return codes, positions, cells.reshape(-1)[positions]

    def join(self, codes: ArrayLike, positions: ArrayLike, others: ArrayLike) -> NDArray[Any]:
        """The symbols that `split` was given, exactly.

        Parameters
        ----------
        codes, positions, others : ndarray
            What `split` returned.

        Returns
        -------
        symbols : ndarray of the shape of codes, dtype of others

        Raises
        ------
        ValueError
            If a code is outside the alphabet or a position outside codes.

        Examples
        --------
        >>> from fastae import DOSAGE
        >>> DOSAGE.join(*DOSAGE.split([0, 2, 9]))
        array([0, 2, 9])
        """
        others = _validate.rectangular(others, name="others")
        positions = _validate.rectangular(positions, name="positions")
        symbols = self.to_symbols(codes).astype(others.dtype)
        if positions.size and not 0 <= positions.min() <= positions.max() < symbols.size:
            raise ValueError(f"positions go up to {positions.max()}, codes have {symbols.size} cells")
        symbols.reshape(-1)[positions] = others
        return symbols

    def to_levels(self, codes: ArrayLike, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Levels of codes; 0 where missing, which favours no symbol.

        Parameters
        ----------
        codes : array_like of any shape, integers in -1..n_symbols-1
        dtype : float32 or float64

        Returns
        -------
        levels : ndarray of the same shape

        Raises
        ------
        TypeError
            If dtype is another.
        ValueError
            If a code is outside the alphabet.

        Examples
        --------
        >>> from fastae import DOSAGE
        >>> DOSAGE.to_levels([0, 1, 2, -1]).round(2)
        array([-0.67,  0.  ,  0.67,  0.  ], dtype=float32)
        """
        dtype = _validate.float_dtype(dtype)
        if type(codes) is np.ndarray and codes.dtype == np.int8 and codes.flags.c_contiguous:
            given = codes
        else:
            given = self._as_codes(codes).astype(np.int8)
        levels = np.empty(given.shape, dtype=dtype)
        self.fill_levels(given, levels)
        return levels

    def fill_levels(self, codes: NDArray[np.int8], levels: NDArray[Any]) -> int:
        """Write what `to_levels` gives into an array of the shape of codes; how many of them are not missing."""
        return _core.alphabet_levels(codes, self.level_table(levels.dtype), levels)

    def level_table(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The level of missing, then that of every code, as kernels take them."""
        return self._level_of[dtype]

    def from_levels(self, x: ArrayLike) -> NDArray[np.int8]:
        """Codes of the nearest levels; the lower code halfway between two.

        Parameters
        ----------
        x : array_like of any shape, float

        Returns
        -------
        codes : ndarray of the same shape, int8

        Raises
        ------
        ValueError
            If x has a NaN.

        Examples
        --------
        >>> from fastae import HAPLOTYPE
        >>> HAPLOTYPE.from_levels([-3.0, 0.0, 0.1])
        array([0, 0, 1], dtype=int8)
        """
        x = _validate.rectangular(x, name="x")
        if np.isnan(x).any():
            raise ValueError("x has NaN, which is near no level; check the input, or lower the learning rate")
        codes = np.zeros(x.shape, dtype=np.int8)
        for halfway in (self.levels[1:] + self.levels[:-1]) / 2:
            codes += x > halfway
        return codes

    def to_symbols(self, codes: ArrayLike) -> NDArray[Any]:
        """Symbols of codes.

        Parameters
        ----------
        codes : array_like of any shape, integers in -1..n_symbols-1

        Returns
        -------
        symbols : ndarray of the same shape, int8 or S1

        Raises
        ------
        ValueError
            If a code is outside the alphabet.

        Examples
        --------
        >>> from fastae import DNA
        >>> DNA.to_symbols([3, 0, -1])
        array([b'T', b'A', b'N'], dtype='|S1')
        """
        return self._symbol_of[self._as_codes(codes)]

    def _as_symbols(self, symbols):
        symbols = np.asarray(_validate.rectangular(symbols, name="symbols"), order="C")
        wanted, kinds = ("bytes or str of length 1", "SU") if self._is_bytes else ("integers", "iu")
        one_each = not self._is_bytes or symbols.dtype in (np.dtype("S1"), np.dtype("U1"))
        if symbols.size and (symbols.dtype.kind not in kinds or not one_each):
            raise TypeError(f"symbols are {symbols.dtype}, the {self.name} alphabet wants {wanted}")
        return symbols

    def _codes_with_foreign(self, symbols):
        """Look each symbol up by the one byte it should fit in; what does not fit is foreign."""
        if not symbols.size:
            return np.zeros(symbols.shape, dtype=np.int8)
        if symbols.dtype == np.int8 or symbols.dtype.char == "S":
            return np.asarray(self._code_of[symbols.view(np.uint8)])  # of a single symbol, too, an array
        numbers = symbols.view(np.uint32) if symbols.dtype.char == "U" else symbols
        codes = np.asarray(self._code_of[numbers.astype(np.uint8)])
        lowest, highest = (0, 255) if self._is_bytes else (-1, 126)
        codes[(numbers < lowest) | (numbers > highest)] = _FOREIGN
        return codes

    def _as_codes(self, codes):
        codes = np.asarray(_validate.rectangular(codes, name="codes"), order="C")
        if codes.size and (codes.dtype.kind not in "iu" or codes.min() < -1 or codes.max() >= self.n_symbols):
            raise ValueError(f"codes of the {self.name} alphabet are integers from -1 to {self.n_symbols - 1}")
        return codes if codes.size else codes.astype(np.int8)


HAPLOTYPE = Alphabet("haplotype", (0, 1))
DOSAGE = Alphabet("dosage", (0, 1, 2))
DNA = Alphabet("DNA", (b"A", b"C", b"G", b"T"))
