# SPDX-License-Identifier: Apache-2.0
"""A whole archive, put together: §5."""

from dataclasses import dataclass, field

import numpy as np

from . import autoencoder, gaps, mosaic, runs, wings
from .columns import calls_of, read_columns
from .container import ANALYSIS, COLUMNS, MODEL, SITES, read_container, read_header, read_samples
from .data import Bytes, check, unpack
from .sites import read_sites

PREDICTORS = ("frequency", "autoencoder", "pbwt", "runs", "mosaic")  # by the numbers that blocks have
FREQUENCY, AUTOENCODER, PBWT, RUNS, _ = range(5)


@dataclass
class Archive:
    """All that an archive holds."""

    source: str  # "vcf" or "fasta"
    header: str
    attributes: dict[str, str]
    samples: list[str]
    sites: list[list]  # CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO: a list of each
    calls: np.ndarray  # (sites, samples, ploidy): allele numbers, -1 for a missing one, -2 for none
    phased: np.ndarray  # (sites, samples)
    predictors: set[int] = field(default_factory=set)
    latents: dict[int, np.ndarray] = field(default_factory=dict)  # of windows that have some, (samples, rows, latents)
    analysis: dict[int, np.ndarray] = field(default_factory=dict)  # so, those for analysis


def read_archive(data):
    """§5: what the bytes of a file hold."""
    container = read_container(data)
    n_sites = sum(window.n_sites for window in container.windows)
    is_wide = any(window.is_wide for window in container.windows)
    archive = Archive(
        *read_header(container.header),
        read_samples(container.samples, container.n_samples),
        [[] for _ in range(8)],
        np.full((n_sites, container.n_samples, container.ploidy), -2, np.int16 if is_wide else np.int8),
        np.zeros((n_sites, container.n_samples), bool),
    )
    first = 0
    for number, window in enumerate(container.windows):
        for column, more in zip(archive.sites, read_sites(window.sections[SITES].data, window.n_sites), strict=True):
            column += more
        here = slice(first, first + window.n_sites)
        read_window(window, container.slabs, archive, here, number)
        first = here.stop
    return archive


def read_window(window, slabs, archive, here, number):
    """The calls of a window, slab by slab, and its latents."""
    table = read_columns(window.sections[COLUMNS].data, window.n_sites, window.ploidy, window.is_wide)
    model = None
    if MODEL in window.sections:
        model = autoencoder.read_model(window.sections[MODEL], len(table.of_alleles[0]))
    latents = []
    for slab, samples in enumerate(slabs):
        block = window.blocks[slab]
        n_samples = samples.stop - samples.start
        if block.predictor == AUTOENCODER:
            check(model is not None, "a block has no model")
            n_rows = table.n_rows(n_samples, window.ploidy)
            matrix, codes = autoencoder.read_block(block, table, n_rows, model)
            latents.append(levels(codes.reshape(n_samples, -1, codes.shape[1]), model.decoder.bits))
        else:
            check(block.n_latent_bytes == 0, "a block has latents")
            matrix = read_matrix(block.predictor, block.data, table, n_samples, window.n_sites, window.ploidy)
        calls, archive.phased[here, samples] = calls_of(table, matrix, window.n_sites, window.ploidy)
        archive.calls[here, samples, : window.ploidy] = calls
        archive.predictors.add(block.predictor)
    if latents:
        archive.latents[number] = np.concatenate(latents)
    if ANALYSIS in window.sections:
        archive.analysis[number] = read_analysis(window.sections[ANALYSIS].data, len(archive.samples), window.ploidy)


def read_matrix(predictor, data, table, n_samples, n_sites, ploidy):
    """The matrix of a block of any predictor that needs no model."""
    n_rows = table.n_rows(n_samples, ploidy)
    if predictor == FREQUENCY:
        return gaps.read_block(data, table, n_rows)
    if predictor == PBWT:
        return wings.read_block(data, table, n_rows)
    if predictor == RUNS:
        return runs.read_block(data, table, n_rows)
    return mosaic.read_block(data, table, n_rows, n_sites)


def levels(codes, bits):
    """The numbers in [-1, 1] that latent codes stand for (§4, §5.12)."""
    largest = 2**bits - 1
    return (2 * codes - largest) / largest


def read_analysis(data, n_samples, ploidy):
    """§5.12: latents of all rows of a window, (samples, rows of a sample, latents)."""
    source = Bytes(data)
    bits, rows, width = source.unsigned(8), source.varint(), source.varint()
    check(1 <= bits <= 8 and rows in (1, ploidy) and 1 <= width <= 1024, "wrong sizes of latents")
    codes = unpack(source.rest(), n_samples * rows * width, bits)
    return levels(np.array(codes, int).reshape(n_samples, rows, width), bits)
