# SPDX-License-Identifier: Apache-2.0
"""An archive as a Dask array: every chunk is decoded by the worker that needs it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastae.archive import Archive
from fastae.archive.indexing import hull
from fastae.archive.reader import open_archive
from fastae.cohort import FILL
from fastae.errors import InputError

if TYPE_CHECKING:
    from dask.array import Array


def to_dask(archive: Archive, chunks: Any = None) -> Array:
    """The calls of an archive as a lazy array; see `Archive.to_dask`."""
    return lazy_array(Calls(location(archive), archive.shape, archive.dtype), chunks or blocks(archive), archive)


def lazy_array(source: Calls | Phase, chunks: Any, archive: Archive) -> Array:
    """A Dask array of what a source gives."""
    try:
        from dask.array import from_array
        from dask.base import tokenize
    except ImportError as error:
        raise ImportError("a lazy array needs dask: pip install 'fastae[dask]'") from error
    # named by the checksums of all sections: another archive at the same path is another array
    name = f"fastae-{tokenize(source, [section.crc for section in archive._reader.index.sections])}"
    meta = np.empty((0,) * source.ndim, source.dtype)
    return from_array(source, chunks, name=name, lock=False, fancy=False, meta=meta, inline_array=True)


def blocks(archive: Archive) -> tuple[tuple[int, ...], ...]:
    """The lengths of an archive's blocks along variants, samples and alleles, as Dask has chunks."""
    n_variants, n_samples, ploidy = archive.shape
    sites = tuple(sites.stop - sites.start for sites, _ in archive.windows)
    slab = max(archive._reader.index.slab_samples, 1)
    samples = tuple(min(slab, n_samples - start) for start in range(0, n_samples, slab))
    return sites or (n_variants,), samples or (n_samples,), (ploidy,)


def location(archive: Archive) -> str | os.PathLike[str]:
    """Where a worker, in whatever directory, finds an archive."""
    path = archive.path
    return path if "://" in str(path) else os.path.abspath(path)


@dataclass(frozen=True)
class Calls:
    """Calls of the archive at a path, which is opened for each part that is read: so it can be sent anywhere."""

    path: str | os.PathLike[str]
    shape: tuple[int, int, int]
    dtype: np.dtype

    ndim = 3

    def __getitem__(self, key: tuple) -> np.ndarray:
        with _opened(self.path, self.shape) as archive:
            return archive[key]


@dataclass(frozen=True)
class Phase:
    """If calls are phased, as VCF Zarr has it: a call of one allele is. See `Calls`."""

    path: str | os.PathLike[str]
    shape: tuple[int, int]
    ploidy: int

    dtype = np.dtype(np.bool_)
    ndim = 2

    def __getitem__(self, key: tuple) -> np.ndarray:
        (variants, rows), (samples, columns) = map(hull, key, self.shape, ("variants", "samples"))
        with _opened(self.path, (*self.shape, self.ploidy)) as archive:
            calls, phased = archive._calls(variants, samples)
        if self.ploidy == 1:
            phased = calls[:, :, 0] != FILL
        else:
            phased |= (calls[:, :, 0] != FILL) & (calls[:, :, 1] == FILL)
        return phased[rows, columns]  # type: ignore[index]


def _opened(path: str | os.PathLike[str], shape: tuple[int, ...]) -> Archive:
    archive = open_archive(path)
    if archive.shape != shape:
        archive.close()
        raise InputError(f"{path} held an archive of shape {shape} and now holds one of {archive.shape}: open it again")
    return archive
