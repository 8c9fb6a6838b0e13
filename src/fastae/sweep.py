# SPDX-License-Identifier: Apache-2.0
"""The trade-off of latent size against parameters and storage: a grid of autoencoders, trained and measured."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastae import _validate
from fastae.archive.columns import split
from fastae.archive.predictors import autoencoder, pbwt, training
from fastae.archive.window import MAX_BLOCK_CELLS, WindowDecoder
from fastae.cohort import Cohort, CohortStream
from fastae.errors import FastaeError, FormatError, InputError
from fastae.fileio import atomic_output, check_output, read_kept
from fastae.io import read_cohort
from fastae.jobs import cancellable_pool
from fastae.layers import count_params

_KIND = "fastae sweep 1"  # the first entry of a file of results
MAX_WIDTH = 4096  # of latents and of hidden layers, as an archive's decoder
MAX_DEPTH = 8
_HIDDEN = 4, 64  # by default; an archive's own are fewer, for they are few latents beside other contexts


@dataclass(frozen=True)
class SweepPoint:
    """One autoencoder of a sweep, and what the cohort's genotypes take with it.

    Attributes
    ----------
    n_latents, bits, depth : int
        Latents of a row, bits of a latent, layers of either half. All are 0 for the point without an autoencoder,
        where neighbours tell everything.
    n_params : int
        Weights and biases of the decoder, the half that is stored.
    latent_bits, weight_bits, residual_bits : int
        Bits of the rows' latents, of the decoder, and of the alleles given these and rows that have been alike, as
        an archive stores them.
    bits_per_genotype : float
        Their sum over samples times sites.
    hamming : float
        Share of the alleles that latents and decoder, without the residual, give wrong: each site's rows are taken to
        have what most of those have that lean as they do, which is one bit a site, or two, beside both.
    seconds : float
        Wall time of training, coding, and decoding again.

    Examples
    --------
    >>> point = SweepPoint(2, 1, 2, 100, 80, 400, 320, 0.8, 0.1, 1.5)
    >>> round(point.lossy_bits_per_genotype, 3)
    0.48
    """

    n_latents: int
    bits: int
    depth: int
    n_params: int
    latent_bits: int
    weight_bits: int
    residual_bits: int
    bits_per_genotype: float
    hamming: float
    seconds: float

    @property
    def lossy_bits_per_genotype(self) -> float:
        """`bits_per_genotype` without the residual: what the reconstruction of that `hamming` distance takes."""
        total = self.latent_bits + self.weight_bits + self.residual_bits
        return self.bits_per_genotype * (self.latent_bits + self.weight_bits) / total if total else 0.0

    def summary(self) -> str:
        """One line for people."""
        what = (
            f"{self.n_latents} latents of {self.bits} bit{'s' * (self.bits > 1)}, depth {self.depth}"
            if self.n_latents
            else "no latents"
        )
        figures = f"{self.bits_per_genotype:.4f} bits/genotype, hamming {self.hamming:.4f}"
        return f"{what}: {figures}, {self.seconds:.1f} s"


@dataclass(frozen=True)
class Sweep:
    """The points of a sweep.

    Attributes
    ----------
    points : tuple of SweepPoint
        The point without an autoencoder first, then the grid: latents change slowest, then bits, then depth.

    Examples
    --------
    >>> point = SweepPoint(2, 1, 2, 100, 80, 400, 320, 0.8, 0.1, 1.5)
    >>> print(Sweep((point,)).to_text())
    latents  bits  depth  parameters  latent bits  weight bits  residual bits  bits/genotype  hamming  seconds
          2     1      2         100           80          400            320         0.8000   0.1000      1.5  *
    * no other point has both fewer bits per genotype and fewer wrong alleles
    """

    points: tuple[SweepPoint, ...]

    def front(self, *, lossy: bool = False) -> list[SweepPoint]:
        """The Pareto front: points that no other equals or beats both in bits per genotype and in Hamming distance.

        Parameters
        ----------
        lossy : bool
            Count latents and weights only, not the residual.

        Returns
        -------
        list of SweepPoint
            By rising bits, so by falling Hamming distance.
        """

        def cost(point: SweepPoint) -> float:
            return point.lossy_bits_per_genotype if lossy else point.bits_per_genotype

        best, front = math.inf, []
        for point in sorted(self.points, key=lambda point: (cost(point), point.hamming)):
            if point.hamming < best:
                best = point.hamming
                front.append(point)
        return front

    def to_text(self) -> str:
        """A table for people; a star marks the points of the Pareto front."""
        front = set(self.front())
        rows = [list(_HEADINGS), *([*_cells(point), "*" if point in front else ""] for point in self.points)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
        lines = ["  ".join([*map(str.rjust, row, widths), *row[len(widths) :]]).rstrip() for row in rows]
        return "\n".join([*lines, "* no other point has both fewer bits per genotype and fewer wrong alleles"])

    def to_tsv(self) -> str:
        """A table for programs: tab-separated, the attributes of `SweepPoint` as headings, all digits."""
        rows = [[field.name for field in fields(SweepPoint)]]
        rows += [list(map(str, asdict(point).values())) for point in self.points]
        return "".join("\t".join(row) + "\n" for row in rows)

    def to_json(self) -> str:
        """A list of objects with the attributes of `SweepPoint`."""
        return json.dumps([asdict(point) for point in self.points])


_HEADINGS = (
    *("latents", "bits", "depth", "parameters", "latent bits", "weight bits", "residual bits"),
    *("bits/genotype", "hamming", "seconds"),
)


def _cells(point: SweepPoint) -> list[str]:
    *counts, bits, hamming, seconds = asdict(point).values()
    return [*(f"{count:,}" for count in counts), f"{bits:.4f}", f"{hamming:.4f}", f"{seconds:.1f}"]


def sweep(
    data: str | os.PathLike[str] | Cohort | CohortStream | ArrayLike,
    *,
    latents: Iterable[int] = (2, 4, 8, 16, 32),
    bits: Iterable[int] = (1, 2, 4),
    depth: Iterable[int] = (1, 2, 3),
    n_hidden: int | None = None,
    n_epochs: int | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    results: str | os.PathLike[str] | None = None,
    progress: Callable[[SweepPoint], object] | None = None,
) -> Sweep:
    """Train an autoencoder for every combination of latent size, bits and depth, and measure what each stores.

    Each is trained and its bytes are made as `write_archive` does for a single block of all sites and samples; they
    are decoded again and compared. The table does not depend on `n_jobs`, but for the seconds.

    Parameters
    ----------
    data : path-like, Cohort, CohortStream or array_like
        A VCF, BCF or FASTA file, or calls; an array is taken as `Cohort.from_arrays` does: calls (variants,
        samples) or (variants, samples, ploidy).
    latents, bits, depth : iterable of int
        The grid: latents of a row; bits of a latent, 1 to 8; layers of the encoder and of the decoder, 1 to 8.
    n_hidden : int, optional
        Width of the decoder's hidden layers. By default 4 to 64, by the number of rows, which must pay for the weights.
    n_epochs : int, optional
        How often each network sees each row; by default as for an archive, up to 300 times.
    seed : int
        Of the weights and of the order of the rows. Each point's own follows from it and from its place in the grid.
    n_jobs : int
        Points that are trained at the same time, each on one thread.
    results : path-like, optional
        A file that keeps finished points, JSON Lines: a sweep that was stopped goes on from there, and one with a
        larger grid of the same data and settings adds to it.
    progress : function, optional
        Called with every SweepPoint as it is finished.

    Returns
    -------
    Sweep

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or out of range.
    InputError
        If the data cannot be read, are too few for so many latents or too many for one block, or `results` is of other
        data or settings.
    FormatError
        If `results` is another file, or corrupt.
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> from fastae import sweep
    >>> calls = [[0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100] * 10  # 20 sites of 400 haplotypes, which are of four kinds
    >>> table = sweep(calls, latents=[1, 4], bits=[1], depth=[1])
    >>> [(point.n_latents, point.hamming) for point in table.points]
    [(0, 0.5), (1, 0.25), (4, 0.0)]
    """
    grid = _grid(latents, bits, depth)
    n_jobs = _validate.integer(n_jobs, 1, 1024, name="n_jobs")
    seed = _validate.integer(seed, 0, None, name="seed")
    if n_hidden is not None:
        n_hidden = _validate.integer(n_hidden, 1, MAX_WIDTH, name="n_hidden")
    if n_epochs is not None:
        n_epochs = _validate.integer(n_epochs, 1, None, name="n_epochs")
    if results is not None:
        check_output(results, [data] if isinstance(data, (str, os.PathLike)) else [])
    region = _Region(_cohort(data), n_hidden, n_epochs, seed)
    region.check(max(place[0] for place in grid))
    settings = {"n_hidden": n_hidden, "n_epochs": n_epochs, "seed": seed}
    identity = {"kind": _KIND, "data": region.digest(), "settings": settings}
    done = {} if results is None else _load(results, identity)
    places = [(0, 0, 0), *grid]
    with cancellable_pool(n_jobs) as (pool, check_stop):
        waiting = [pool.submit(region.measure, place, check_stop) for place in places if place not in done]
        for future in as_completed(waiting):
            point = future.result()
            done[_place(point)] = point
            if results is not None:
                _save(results, identity, done.values())
            if progress is not None:
                progress(point)
    return Sweep(tuple(done[place] for place in places))


def _grid(latents: Iterable[int], bits: Iterable[int], depth: Iterable[int]) -> list[tuple[int, int, int]]:
    axes = _axis(latents, "latents", MAX_WIDTH), _axis(bits, "bits", 8), _axis(depth, "depth", MAX_DEPTH)
    return list(itertools.product(*axes))


def _axis(values: Any, name: str, most: int) -> list[int]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} is {values!r}; give a list of integers")
    numbers = {_validate.integer(value, 1, most, name=name) for value in values}
    if not numbers:
        raise ValueError(f"{name} is empty; give at least one value")
    return sorted(numbers)


def _cohort(data: Any) -> Cohort:
    if isinstance(data, (str, os.PathLike)):
        with read_cohort(data) as stream:
            return stream.read()
    if isinstance(data, CohortStream):
        return data.read()
    return data if isinstance(data, Cohort) else Cohort.from_arrays(data)


def usual_hidden(n_rows: int) -> int:
    """Width of hidden layers for so many rows: no bottleneck for many latents, as an archive's of few would be."""
    return int(np.clip(0.57 * np.sqrt(n_rows), *_HIDDEN))


def _place(point: SweepPoint) -> tuple[int, int, int]:
    return point.n_latents, point.bits, point.depth


class _Region:
    """The cohort as one block, and how its autoencoders are trained."""

    def __init__(self, cohort: Cohort, n_hidden: int | None, n_epochs: int | None, seed: int) -> None:
        if not cohort.n_variants or not cohort.n_samples:
            raise InputError(
                f"there are {cohort.n_variants} sites of {cohort.n_samples} samples; nothing can be learnt"
            )
        self.cohort = cohort
        self.n_hidden = n_hidden
        self.n_epochs = n_epochs
        self.seed = seed
        self.table, self.matrix = split(cohort.call_genotype, cohort.call_genotype_phased)

    def check(self, n_latents: int) -> None:
        """Refuse sites that no autoencoder of so many latents fits, before any is trained."""
        n_sites, n_rows = self.cohort.n_variants, self.matrix.shape[1]
        if self.table.n_cells(self.cohort.n_samples) > MAX_BLOCK_CELLS:
            raise InputError(
                f"{n_sites} sites of {self.cohort.n_samples} samples are too large for one block; give a smaller region"
            )
        if n_rows > pbwt.MAX_ROWS:
            raise InputError(f"a block has {n_rows} rows, {pbwt.MAX_ROWS} are the most; give fewer samples")
        width = np.count_nonzero(training.guided_columns(self.matrix, self.table))
        if width == 0:
            raise InputError(f"no site of {n_sites} has two alleles; there is nothing to learn")
        if n_latents > width:
            raise InputError(
                f"{n_latents} latents are more than the {width} common alleles that they are for; give fewer latents"
            )
        if n_latents > n_rows:
            raise InputError(
                f"{n_latents} latents are more than the {n_rows} rows that they are to tell apart; give fewer latents"
            )

    def digest(self) -> str:
        """Tells these data from others."""
        calls = self.cohort.call_genotype
        found = hashlib.sha256(repr(calls.shape).encode())
        found.update(calls.tobytes())
        found.update(np.packbits(self.cohort.call_genotype_phased).tobytes())
        return found.hexdigest()

    def measure(self, place: tuple[int, int, int], check_stop: Callable[[], None]) -> SweepPoint:
        """Train, code, decode again, compare, count."""
        started = time.perf_counter()
        columns = self.table.without_rates().to_bytes()
        model, latents, residual, n_params, number = None, b"", b"", 0, pbwt.NUMBER
        if place[0] == 0:
            residual = pbwt.encode(self.matrix, self.table)
        else:
            number = autoencoder.NUMBER
            trained, codes, guided = self._fit(place, check_stop)
            model = trained.to_bytes()
            latents, residual = autoencoder.encode(self.matrix, self.table, trained, codes, guided)
            n_params = count_params(trained.decoder.sizes.tolist())
        codebook, decoder = model or (b"", b"")
        hamming = self._check(columns, model, latents, residual, number)
        latent_bytes, residual_bytes = len(codebook) + len(latents), len(columns) + len(residual)
        n_bits = 8 * (latent_bytes + len(decoder) + residual_bytes)
        return SweepPoint(
            *place,
            n_params=n_params,
            latent_bits=8 * latent_bytes,
            weight_bits=8 * len(decoder),
            residual_bits=8 * residual_bytes,
            bits_per_genotype=n_bits / (self.cohort.n_variants * self.cohort.n_samples),
            hamming=hamming,
            seconds=time.perf_counter() - started,
        )

    def _fit(
        self, place: tuple[int, int, int], check_stop: Callable[[], None]
    ) -> tuple[autoencoder.Model, np.ndarray, np.ndarray]:
        """The autoencoder with all the weights that latents alone pay for, the rows' codes, the columns it predicts."""
        n_latents, bits, depth = place
        n_hidden = self.n_hidden or usual_hidden(self.matrix.shape[1])
        found = training.fit_window(
            self.matrix,
            self.table,
            (self.seed, *place),
            shape=training.Shape(n_latents, n_hidden, depth, bits),
            n_epochs=self.n_epochs,
            check_stop=check_stop,
        )
        assert found is not None  # `check` has seen to it
        fitted, guided = found
        return training.models(fitted, check_stop)[-1], fitted.codes, guided

    def _check(
        self, columns: bytes, model: tuple[bytes, bytes] | None, latents: bytes, residual: bytes, number: int
    ) -> float:
        """Decode the bytes, compare; the share of alleles that the latents alone give wrong."""
        cohort = self.cohort
        extent = cohort.n_variants, cohort.ploidy, cohort.n_samples
        decoder = WindowDecoder(columns, model, *extent, self.table.is_wide)
        calls, phased = decoder.calls(latents + residual, len(latents), number, cohort.n_samples)
        if not (np.array_equal(calls, cohort.call_genotype) and np.array_equal(phased, cohort.call_genotype_phased)):
            raise FastaeError("the genotypes did not decode to what they were made of; please report this as a bug")
        guess = decoder.predicted_calls(latents + residual, len(latents), number, cohort.n_samples)
        return int(np.count_nonzero(guess != calls)) / calls.size


def read_sweep(path: str | os.PathLike[str]) -> Sweep:
    """The finished points of a sweep, from a file of its results.

    Parameters
    ----------
    path : path-like
        What ``sweep(results=...)`` keeps, or `Sweep.to_tsv` gave.

    Returns
    -------
    Sweep

    Raises
    ------
    FormatError
        If the file holds no results of a sweep, or is corrupt.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> calls = [[0, 0, 1, 1] * 9, [0, 1, 0, 1] * 9] * 10
    >>> table = sweep(calls, latents=[1], bits=[1], depth=[1], results="sweep.jsonl")
    >>> read_sweep("sweep.jsonl") == table
    True
    """
    name = os.fsdecode(path)
    with open(path, "rb") as file:
        lines = file.read().splitlines()
    if lines and lines[0].startswith(b"{"):
        head, *entries = _entries(lines, name)
        if head.get("kind") != _KIND:
            raise FormatError(f"{name} does not hold results of a sweep; give another file")
        return Sweep(tuple(sorted(_points(entries, name), key=_place)))
    names = [field.name for field in fields(SweepPoint)]
    if not lines or lines[0].decode(errors="replace").split("\t") != names:
        raise FormatError(
            f"{name} does not hold results of a sweep; give what --results or --tsv of `fastae sweep` wrote"
        )
    rows = [line.decode(errors="replace").split("\t") for line in lines[1:]]
    try:
        typed = [[int(cell) if cell.isdecimal() else float(cell) for cell in row] for row in rows]
        entries = [dict(zip(names, row, strict=True)) for row in typed]
    except ValueError:
        entries = [{}]
    return Sweep(tuple(_points(entries, name)))


def _points(entries: Iterable[dict[str, Any]], name: str) -> list[SweepPoint]:
    try:
        points = [SweepPoint(**entry) for entry in entries]
        if not all(map(_is_sound, points)):
            raise TypeError
    except TypeError:
        raise FormatError(f"{name} holds a point that is none of a sweep; the file is corrupt, remove it") from None
    return points


def _load(path: str | os.PathLike[str], identity: dict[str, Any]) -> dict[tuple[int, int, int], SweepPoint]:
    """The finished points of an earlier run of the same data and settings; none in a file that is new or empty."""
    name = os.fsdecode(path)
    text = read_kept(path)
    if not text:
        return {}
    lines = text.splitlines()
    entries = list(_entries(lines, name))
    head = entries[0]
    if head.get("kind") != identity["kind"]:
        raise FormatError(f"{name} does not hold results of a sweep; give another file")
    if head.get("data") != identity["data"]:
        raise InputError(f"{name} holds a sweep of other data; give another file for these")
    if head.get("settings") != identity["settings"]:
        theirs, ours = (json.dumps(settings) for settings in (head.get("settings"), identity["settings"]))
        raise InputError(f"{name} holds a sweep with other settings, {theirs}, not {ours}; give another file for these")
    return {_place(point): point for point in _points(entries[1:], name)}


def _is_sound(point: SweepPoint) -> bool:
    """Whether each number is of its kind, and one that a sweep can find."""
    for field in fields(point):
        value = getattr(point, field.name)
        if type(value) is not int and (field.type == "int" or type(value) is not float):
            return False
        if not 0 <= value < math.inf:  # nor is NaN
            return False
    return True


def _entries(lines: list[bytes], name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # brackets inside brackets without end
            entry = None
        if not isinstance(entry, dict):
            advice = "delete the line to keep the others, or give another file" if number > 1 else "give another file"
            raise FormatError(f"{name}, line {number}: this is not a result of a sweep, or cut off; {advice}")
        yield entry


def _save(path: str | os.PathLike[str], identity: dict[str, Any], points: Iterable[SweepPoint]) -> None:
    entries = [identity, *map(asdict, points)]
    with atomic_output(path) as file:
        file.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())
