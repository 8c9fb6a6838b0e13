# SPDX-License-Identifier: Apache-2.0
"""An archive as an xarray data set with the names and axes of sgkit and VCF Zarr."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from fastae.archive import Archive
from fastae.archive.columns import KIND_FILL
from fastae.cohort import Sites
from fastae.errors import InputError
from fastae.integrations.dask import Calls, Phase, blocks, lazy_array, location
from fastae.regions import header_contigs

if TYPE_CHECKING:
    from xarray import Dataset

_CALL = ("variants", "samples")
_ALLELE = (*_CALL, "ploidy")


def to_xarray(archive: Archive, chunks: Any = None) -> Dataset:
    """An archive as a data set; see `Archive.to_xarray`."""
    try:
        import xarray
    except ImportError as error:
        raise ImportError("a data set needs xarray: pip install 'fastae[dask]'") from error
    n_variants, n_samples, ploidy = archive.shape
    path, chunks = location(archive), chunks or blocks(archive)
    calls = lazy_array(Calls(path, archive.shape, archive.dtype), chunks, archive)
    phased = lazy_array(Phase(path, (n_variants, n_samples), ploidy), calls.chunks[:2], archive)
    arrays = {
        **_sites(archive.sites, archive.header),
        "sample_id": ("samples", np.array(archive.samples, object)),
        "call_genotype": (_ALLELE, calls, {"mixed_ploidy": _is_mixed(archive)}),
        "call_genotype_mask": (_ALLELE, calls < 0),
        "call_genotype_phased": (_CALL, phased),
    }
    return xarray.Dataset(arrays, attrs={"source": "fastae", "vcf_header": archive.header} if archive.header else {})


def _is_mixed(archive: Archive) -> bool:
    """If some call has fewer alleles than others: windows say so without their blocks."""
    windows = archive._reader.index.windows
    return any(window.ploidy < archive.shape[2] for window in windows) or any(
        KIND_FILL in archive._decoder(number).table.kind for number in range(len(windows))
    )


def _sites(sites: Sites, header: str) -> dict[str, tuple]:
    contigs = list(dict.fromkeys([*header_contigs(header), *sites.chrom]))
    number_of = {name: number for number, name in enumerate(contigs)}
    alleles = [[ref, *([] if alt == "." else alt.split(","))] for ref, alt in zip(sites.ref, sites.alt, strict=True)]
    columns = list(zip_longest(*alleles, fillvalue="")) or [()]
    columns += [("",) * len(sites)] * (2 - len(columns))  # of an alternative allele, even where no site has one
    filters = list(dict.fromkeys(["PASS", *(name for text in sites.filter for name in _filters(text))]))
    passed = np.array([[name in _filters(text) for name in filters] for text in sites.filter], bool)
    return {
        "contig_id": ("contigs", np.array(contigs, object)),
        "filter_id": ("filters", np.array(filters, object)),
        "variant_contig": ("variants", np.array([number_of[name] for name in sites.chrom], np.int32)),
        "variant_position": ("variants", sites.pos if sites.pos.max(initial=0) > 2**31 - 1 else sites.pos.astype("i4")),
        "variant_length": ("variants", (sites.ends() - sites.pos + 1).astype(np.int64)),
        "variant_id": ("variants", np.array(sites.id, object)),
        "variant_id_mask": ("variants", np.array([text == "." for text in sites.id], bool)),
        "variant_allele": (("variants", "alleles"), np.array(columns, object).T),
        "variant_quality": ("variants", np.array([_quality(text) for text in sites.qual], np.float32)),
        "variant_filter": (("variants", "filters"), passed.reshape(len(sites), len(filters))),
    }


def _filters(text: str) -> list[str]:
    return [] if text == "." else text.split(";")


def _quality(text: str) -> float:
    try:
        return np.nan if text == "." else float(text)
    except ValueError:
        raise InputError(f"QUAL of a site is {text!r}, which is no number: a data set cannot hold it") from None
