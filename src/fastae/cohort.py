# SPDX-License-Identifier: Apache-2.0
"""The cohort that every file format gives and takes: calls, sites, sample names and header, all exact.

Words and values follow VCF Zarr: ``call_genotype`` is int8 over (variants, samples, ploidy), or int16 if an allele is
above 126; -1 is a missing allele and -2 fills up a call of lower ploidy. Texts are ``str``; bytes of a file that are
not UTF-8 are held by Python's ``surrogateescape``, so ``text.encode("utf-8", "surrogateescape")`` always gives the
file's own bytes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _validate
from .regions import parse_regions

MISSING = -1
FILL = -2
MAX_ALLELE = 16_128  # two digits of base 127, as archives have them (FORMAT.md §5.4)
MAX_NARROW = 126  # up to which calls are int8, and of one digit

FIXED_COLUMNS = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
MINIMAL_HEADER = (
    "##fileformat=VCFv4.2\n"
    '##FILTER=<ID=PASS,Description="All filters passed">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    "#" + "\t".join(FIXED_COLUMNS) + "\tFORMAT"
)

_END = re.compile(r"(?:^|;)END=(\d{1,18})(?:;|$)")  # as many digits as an int64 is sure to hold


@dataclass(frozen=True, eq=False, repr=False)
class Sites:
    """The eight fixed columns of VCF, verbatim.

    Attributes
    ----------
    chrom, id, ref, alt, qual, filter, info : list of str, length n_variants
    pos : ndarray of int64, shape (n_variants,)

    Examples
    --------
    >>> sites = Sites.numbered(3)
    >>> len(sites), sites.pos[1:].tolist(), sites.slice(0, 2).ref
    (3, [2, 3], ['N', 'N'])
    """

    chrom: list[str] = field(default_factory=list)
    pos: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    id: list[str] = field(default_factory=list)
    ref: list[str] = field(default_factory=list)
    alt: list[str] = field(default_factory=list)
    qual: list[str] = field(default_factory=list)
    filter: list[str] = field(default_factory=list)
    info: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        lengths = {column.name: len(getattr(self, column.name)) for column in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of Sites differ in length: {lengths}; give one entry per variant in each")

    def __repr__(self) -> str:
        return f"<Sites: {len(self)} variants>"

    def __len__(self) -> int:
        return len(self.chrom)

    def columns(self) -> list:
        """The eight columns in VCF's order: a list of seven lists of str and one int64 array."""
        return [getattr(self, column.name) for column in fields(self)]

    def slice(self, start: int, stop: int) -> Sites:
        """Sites ``start`` to ``stop`` (exclusive), as ``list[start:stop]`` would give them."""
        return Sites(*(column[start:stop] for column in self.columns()))

    def take(self, index: ArrayLike) -> Sites:
        """The sites at `index` (integers or a mask), in that order."""
        index = _numbers(index)
        order = index.tolist()
        columns: list = [c[index] if isinstance(c, np.ndarray) else [c[i] for i in order] for c in self.columns()]
        return Sites(*columns)

    @classmethod
    def concatenate(cls, parts: Iterable[Sites]) -> Sites:
        """All sites of `parts`, an iterable of `Sites`, in order."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls()
        columns: list = [
            np.concatenate(pieces) if isinstance(pieces[0], np.ndarray) else list(chain.from_iterable(pieces))
            for pieces in zip(*(part.columns() for part in parts), strict=True)
        ]
        return cls(*columns)

    @classmethod
    def numbered(cls, n_variants: int, n_alleles: int = 2) -> Sites:
        """Sites for calls that came without any: chromosome 1, positions 1..n, symbolic alleles."""
        n = int(n_variants)
        alt = ",".join(f"<A{i}>" for i in range(1, n_alleles)) or "."
        dots = ["."] * n
        return cls(["1"] * n, np.arange(1, n + 1), dots, ["N"] * n, [alt] * n, dots, dots, dots)

    def ends(self) -> np.ndarray:
        """Last position of each site, from INFO ``END`` where it makes sense, else the length of REF: int64."""
        ends = self.pos + np.fromiter(map(len, self.ref), np.int64, len(self)) - 1
        for i, info in enumerate(self.info):
            if "END=" in info and (match := _END.search(info)) and int(match[1]) >= self.pos[i]:
                ends[i] = int(match[1])
        return ends

    def query(self, regions: str | Iterable[str]) -> np.ndarray:
        """Find the sites that overlap any of some regions.

        Parameters
        ----------
        regions : str or iterable of str
            ``chrom``, ``chrom:pos``, ``chrom:from-to`` or ``chrom:from-``; 1-based, both ends included.
            Positions may be written as 50,300,000 or 50.3M. Several may stand in one string, parted by commas.

        Returns
        -------
        ndarray of int64
            Indices of the sites in file order, each once.

        Raises
        ------
        InputError
            If a region is malformed or names a chromosome that no site is on.

        Examples
        --------
        >>> Sites.numbered(10).query("1:3-4,1:9-").tolist()
        [2, 3, 8, 9]
        """
        return self.overlapping(parse_regions(regions, dict.fromkeys(self.chrom)))

    def overlapping(self, spans: Iterable[tuple[str, int, int]]) -> np.ndarray:
        """As `query`, for spans as `parse_regions` gives them; there are no sites on unknown chromosomes."""
        names, numbers = np.unique(np.array(self.chrom, dtype=object), return_inverse=True)
        codes = {name: code for code, name in enumerate(names.tolist())}
        keep = np.zeros(len(self), dtype=bool)
        ends = self.ends()
        for chrom, first, last in spans:
            keep |= (numbers == codes.get(chrom, -1)) & (self.pos <= last) & (ends >= first)
        return np.flatnonzero(keep)

    def to_numpy(self) -> np.ndarray:
        """The columns as one structured array.

        Returns
        -------
        ndarray, shape (n_variants,)
            Fields ``chrom``, ``pos``, ``id``, ``ref``, ``alt``, ``qual``, ``filter`` and ``info``: ``pos`` int64, all
            others objects of type str, verbatim.

        Examples
        --------
        >>> variants = Sites.numbered(3).to_numpy()
        >>> variants["pos"].tolist(), variants["alt"].tolist()
        ([1, 2, 3], ['<A1>', '<A1>', '<A1>'])
        """
        names = [column.name for column in fields(self)]
        table = np.empty(len(self), [(name, np.int64 if name == "pos" else object) for name in names])
        for name, column in zip(names, self.columns(), strict=True):
            table[name] = column
        return table

    def to_pandas(self) -> Any:
        """The columns as a pandas.DataFrame of `to_numpy`'s fields; needs pandas.

        Examples
        --------
        >>> Sites.numbered(3).to_pandas()["pos"].tolist()
        [1, 2, 3]
        """
        from .frames import records_to_pandas

        return records_to_pandas(self.to_numpy())


def _numbers(index: ArrayLike) -> np.ndarray:
    index = np.asarray(index)
    if index.dtype == bool:
        return np.flatnonzero(index)
    if index.size and index.dtype.kind not in "iu":
        raise TypeError(f"an index must be integers, a slice or a mask, got {index.dtype}")
    return index.astype(np.int64)


def header_text(header: str, samples: Iterable[str]) -> str:
    """The whole VCF header: `header` ends with the fixed columns of the ``#CHROM`` line, `samples` complete it."""
    return "\t".join([header, *samples]) + "\n"


def block_size(n_samples: int) -> int:
    """How many variants to hold at a time so that their calls fit into some tens of megabytes: 1..4096."""
    return int(min(max(2**24 // max(n_samples, 1), 1), 4096))


def narrow(calls: np.ndarray) -> np.ndarray:
    """Calls as int8 where no allele is above 126, else as int16: the same array if it is that already.

    Examples
    --------
    >>> narrow(np.array([[[0, -1]]])).dtype.name, narrow(np.array([[[0, 127]]])).dtype.name
    ('int8', 'int16')
    """
    return calls.astype(np.int8 if calls.max(initial=0) <= MAX_NARROW else np.int16, copy=False)


def format_call(alleles: Iterable[int], phased: bool) -> str:
    """GT text of one call.

    Examples
    --------
    >>> format_call([0, -1], True), format_call([1, -2], False), format_call([-2, -2], False)
    ('0|.', '1', '.')
    """
    texts = ["." if a == MISSING else str(a) for a in map(int, alleles) if a != FILL]
    return ("|" if phased else "/").join(texts) or "."


@dataclass(eq=False, repr=False)
class Cohort:
    """Genotypes of some samples at some sites, with everything needed to write the file they came from.

    Attributes
    ----------
    header : str
        VCF header, verbatim, from the first byte to the end of the fixed columns of the ``#CHROM`` line
        (``...INFO`` or ``...INFO<TAB>FORMAT``, without sample names or a line end). Empty for FASTA.
    samples : list of str
    sites : Sites
    call_genotype : ndarray of int8 or int16, shape (n_variants, n_samples, ploidy)
        Allele numbers 0..16128, int16 if any is above 126; -1 missing; -2 behind the last allele of a call of lower
        ploidy. A record without GT is -2 throughout.
    call_genotype_phased : ndarray of bool, shape (n_variants, n_samples)
        True where alleles are parted by ``|``; always False for calls of fewer than two alleles.
    source : {"vcf", "fasta"}
    attributes : dict of str to str
        Facts about the file's layout that only its own format reads. Those of a stream are complete when its last
        block has been read, for what stands at a file's end is not seen before.

    Examples
    --------
    >>> cohort = Cohort.from_arrays(np.array([[[0, 1], [1, 1]]], dtype=np.int8))
    >>> cohort.n_variants, cohort.n_samples, cohort.ploidy
    (1, 2, 2)
    """

    header: str
    samples: list[str]
    sites: Sites
    call_genotype: np.ndarray
    call_genotype_phased: np.ndarray
    source: str = "vcf"
    attributes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.sites), len(self.samples))
        calls, phased = self.call_genotype, self.call_genotype_phased
        if calls.ndim != 3 or calls.shape[:2] != expected or phased.shape != expected:
            raise ValueError(
                f"call_genotype has shape {calls.shape} and call_genotype_phased {phased.shape}, "
                f"but there are {expected[0]} sites and {expected[1]} samples"
            )
        if calls.dtype not in (np.int8, np.int16) or phased.dtype != np.bool_:
            raise TypeError(
                "call_genotype must be int8 or int16 and call_genotype_phased bool, "
                f"got {calls.dtype} and {phased.dtype}"
            )

    def __repr__(self) -> str:
        return f"<Cohort: {self.n_variants} variants, {self.n_samples} samples, ploidy {self.ploidy}>"

    @property
    def n_variants(self) -> int:
        return len(self.sites)

    @property
    def n_samples(self) -> int:
        return len(self.samples)

    @property
    def ploidy(self) -> int:
        return self.call_genotype.shape[2]

    @classmethod
    def from_arrays(
        cls,
        call_genotype: ArrayLike,
        *,
        phased: ArrayLike = True,
        samples: Sequence[str] | None = None,
        sites: Sites | None = None,
    ) -> Cohort:
        """Make a cohort of plain arrays.

        Parameters
        ----------
        call_genotype : array_like of int, shape (n_variants, n_samples) or (n_variants, n_samples, ploidy)
            Two axes mean haploid calls.
        phased : bool or array_like of bool, shape (n_variants, n_samples)
            Whether the order of the alleles within a call counts.
        samples : sequence of str, optional
            Names; ``S1, S2, ...`` if left out.
        sites : Sites, optional
            `Sites.numbered` if left out.

        Raises
        ------
        TypeError
            If the calls are not integers.
        ValueError
            If a value is outside -2..16128, an allele follows a fill, names repeat, or shapes disagree.

        Examples
        --------
        >>> cohort = Cohort.from_arrays([[[0, 1], [1, 1]]])
        >>> cohort.call_genotype.shape, cohort.samples
        ((1, 2, 2), ['S1', 'S2'])
        """
        calls = _validate.rectangular(call_genotype, name="call_genotype")
        if calls.dtype.kind not in "iu":
            raise TypeError(f"call_genotype must be an array of integers, got {calls.dtype}")
        if calls.ndim == 2:
            calls = calls[:, :, np.newaxis]
        if calls.ndim != 3 or calls.shape[2] == 0:
            raise ValueError(
                f"call_genotype has shape {calls.shape}, expected (variants, samples) or (variants, samples, ploidy)"
            )
        if calls.size and not (FILL <= calls.min() and calls.max() <= MAX_ALLELE):
            raise ValueError(f"alleles run from {calls.min()} to {calls.max()}, allowed are {FILL} to {MAX_ALLELE}")
        calls = narrow(calls)
        fill = calls == FILL
        if (fill[:, :, :-1] & ~fill[:, :, 1:]).any():
            raise ValueError(f"an allele follows a fill ({FILL}); fills stand behind the alleles of a call")
        if (fill[:, :, 0].any(axis=1) & ~fill[:, :, 0].all(axis=1)).any():
            raise ValueError(f"a call of fills ({FILL}) stands beside calls with alleles; use {MISSING} for missing")
        n_variants, n_samples, ploidy = calls.shape
        names = [f"S{i}" for i in range(1, n_samples + 1)] if samples is None else [str(name) for name in samples]
        if len(set(names)) != len(names):
            raise ValueError("sample names repeat; give every sample its own name")
        flags = np.broadcast_to(np.asarray(phased, dtype=bool), (n_variants, n_samples))
        several = ~fill[:, :, 1] if ploidy > 1 else np.zeros_like(fill[:, :, 0])
        if sites is None:
            sites = Sites.numbered(n_variants, max(int(calls.max(initial=1)), 1) + 1)
        return cls(MINIMAL_HEADER, names, sites, calls, flags & several)

    def select(self, variants: slice | ArrayLike | None = None, samples: ArrayLike | None = None) -> Cohort:
        """Part of the cohort.

        Parameters
        ----------
        variants : slice, array_like of int or mask, optional
        samples : array_like of int or mask, optional
            Both keep the order given; all of them if left out.

        Returns
        -------
        Cohort
            May share memory with this one.

        Raises
        ------
        TypeError
            If an index is of another kind.

        Examples
        --------
        >>> Cohort.from_arrays([[0, 1], [1, 1], [1, 0]]).select([2, 0], [1]).call_genotype.tolist()
        [[[0]], [[1]]]
        """
        calls, phased, sites, names = self.call_genotype, self.call_genotype_phased, self.sites, self.samples
        if isinstance(variants, slice):
            start, stop, step = variants.indices(len(sites))
            if step == 1:
                sites = sites.slice(start, max(start, stop))
                calls, phased = calls[variants], phased[variants]
                variants = None
            else:
                variants = np.arange(start, stop, step)
        if variants is not None:
            variants = _numbers(variants)
            calls, phased, sites = calls[variants], phased[variants], sites.take(variants)
        if samples is not None:
            samples = _numbers(samples)
            calls, phased = calls[:, samples], phased[:, samples]
            names = [names[i] for i in samples.tolist()]
        return Cohort(self.header, names, sites, calls, phased, self.source, self.attributes)

    def with_ploidy(self, ploidy: int) -> Cohort:
        """The same calls with a ploidy axis of at least `ploidy`, filled up with -2."""
        if self.ploidy >= ploidy:
            return self
        wide = np.full((*self.call_genotype.shape[:2], ploidy), FILL, self.call_genotype.dtype)
        wide[:, :, : self.ploidy] = self.call_genotype
        return Cohort(
            self.header, self.samples, self.sites, wide, self.call_genotype_phased, self.source, self.attributes
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Cohort]) -> Cohort:
        """Join cohorts of the same samples along their variants, giving all the largest ploidy among them."""
        return _joined(list(parts))

    def to_stream(self, n_variants: int | None = None) -> CohortStream:
        """The cohort as a `CohortStream` of blocks of `n_variants` variants, `block_size` of them if left out."""
        step = n_variants or block_size(self.n_samples)
        blocks = (self.select(slice(start, start + step)) for start in range(0, self.n_variants, step))
        return CohortStream(self.header, self.samples, blocks, self.source, self.attributes, self.ploidy)


@dataclass(eq=False, repr=False)
class CohortStream:
    """A cohort that comes in blocks, so that memory holds only some variants at a time.

    Iterating gives `Cohort` objects of consecutive variants, once: a stream that has been read, even in part, or that
    is closed raises ValueError, so that what was taken before is never missed. Blocks may differ in ploidy: each is as
    wide as its own widest call, and `ploidy` tells that of a stream without variants. Close the stream, or use it in a
    ``with`` statement, to let its file go before the end.

    Examples
    --------
    >>> with Cohort.from_arrays([[0, 1], [1, 1], [0, 0]]).to_stream(2) as stream:
    ...     [block.n_variants for block in stream]
    [2, 1]
    """

    header: str
    samples: list[str]
    blocks: Iterator[Cohort]
    source: str = "vcf"
    attributes: dict[str, str] = field(default_factory=dict)
    ploidy: int = 1

    def __post_init__(self) -> None:
        self._is_taken = self._is_closed = False

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "read" if self._is_taken else "not read yet"
        return f"<CohortStream: {len(self.samples)} samples, {state}>"

    def __iter__(self) -> Iterator[Cohort]:
        if self._is_taken or self._is_closed:
            state = "read" if self._is_taken else "closed"
            raise ValueError(f"this stream has been {state}; open the file again")
        self._is_taken = True
        return self._take()

    def _take(self) -> Iterator[Cohort]:
        yield from self.blocks
        if self._is_closed:  # blocks that are closed half-way just end
            raise ValueError("this stream was closed while it was being read; open the file again")

    def __enter__(self) -> CohortStream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of whatever the blocks are read from."""
        self._is_closed = True
        close = getattr(self.blocks, "close", None)
        if close is not None:
            close()

    def empty(self) -> Cohort:
        """A cohort of these samples without variants."""
        n_samples = len(self.samples)
        calls = np.zeros((0, n_samples, self.ploidy), np.int8)
        return Cohort(
            self.header, self.samples, Sites(), calls, np.zeros((0, n_samples), bool), self.source, self.attributes
        )

    def read(self) -> Cohort:
        """All blocks, as one `Cohort`; raises ValueError if the stream has been read or closed."""
        return Cohort.concatenate([self.empty(), *self])

    def rebatch(self, n_variants: int, stub: int = 0) -> CohortStream:
        """The same variants in blocks of exactly `n_variants`, the last one maybe shorter; takes this stream's blocks.

        A last block of no more than `stub` variants is joined to the one before it. Raises ValueError if this stream
        has been read or closed.
        """
        blocks = _rebatch(iter(self), n_variants, stub)
        return CohortStream(self.header, self.samples, blocks, self.source, self.attributes, self.ploidy)


def _rebatch(blocks: Iterable[Cohort], n_variants: int, stub: int) -> Iterator[Cohort]:
    held: deque[Cohort] = deque()
    n_held, enough = 0, n_variants + stub + 1 if stub else n_variants
    for block in blocks:
        held.append(block)
        n_held += block.n_variants
        del block  # which is only to be held where it can be let go
        while n_held >= enough:
            n_held -= n_variants
            yield _joined(_first(held, n_variants))
    if n_held:
        yield _joined(list(held))


def _first(held: deque[Cohort], n_variants: int) -> list[Cohort]:
    """The first variants of some cohorts, which lose them."""
    parts = []
    while n_variants:
        part = held.popleft()
        if part.n_variants > n_variants:
            held.appendleft(part.select(slice(n_variants, None)))
            part = part.select(slice(n_variants))
        n_variants -= part.n_variants
        parts.append(part)
    return parts


def _joined(parts: list[Cohort]) -> Cohort:
    """One cohort of some, taken out of the list one after the other so that memory does not hold all of them twice."""
    first, ploidy = parts[0], max(part.ploidy for part in parts)
    if len(parts) == 1:
        return first
    n_variants, n_samples = sum(part.n_variants for part in parts), first.n_samples
    sites = Sites.concatenate(part.sites for part in parts)
    header, samples, source, attributes = first.header, first.samples, first.source, first.attributes
    dtype = np.result_type(*(part.call_genotype.dtype for part in parts))
    calls = np.empty((n_variants, n_samples, ploidy), dtype)
    phased = np.empty((n_variants, n_samples), bool)
    del first
    while parts:
        part = parts.pop().with_ploidy(ploidy)
        there = slice(n_variants - part.n_variants, n_variants)
        calls[there], phased[there] = part.call_genotype, part.call_genotype_phased
        n_variants = there.start
    return Cohort(header, samples, sites, calls, phased, source, attributes)
