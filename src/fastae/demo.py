# SPDX-License-Identifier: Apache-2.0
"""The demo: a real region of the 1000 Genomes Project into an archive and back, checked, measured and drawn.

The region ships with the package (`fastae/data`, see PROVENANCE.md there): 300 Europeans, 4,325 sites of chromosome 20.
"""

from __future__ import annotations

import lzma
import os
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastae.alphabet import HAPLOTYPE
from fastae.archive import open_archive, write_archive
from fastae.cohort import Cohort
from fastae.difference import first_difference
from fastae.errors import FastaeError, InputError
from fastae.fileio import check_output
from fastae.history import History
from fastae.io.vcf import read_vcf
from fastae.losses import CrossEntropyLoss
from fastae.models import Decoder, Encoder
from fastae.plots import check_picture, new_figure, plot_history, plot_latents, save_figure
from fastae.trainer import Trainer

REGION = "kg3_chr20_eur300"
MIN_COUNT = 6  # of 600 haplotypes: rarer alleles teach a network nothing and are the residual's business
N_LATENTS = 32
N_EPOCHS = 40


def run_demo(
    out_dir: str | Path = ".", *, threads: int | None = None, say: Callable[[str], object] | None = None
) -> dict[str, Any]:
    """Archive the shipped region, read it back, compare every allele, train an autoencoder on it and draw both.

    Writes `demo.fae` (the archive) and `demo.png` (loss curve; people by their latents) into `out_dir`.

    Parameters
    ----------
    out_dir : path
        Made if it is not there.
    threads : int, optional
        Threads for the archive; one per processor by default.
    say : callable, optional
        Called with each line of the report as it becomes known, for example `print`.

    Returns
    -------
    dict
        The figures of the report: `people`, `sites`, `bytes` (of raw bits, VCF.gz, xz and the archive's parts),
        `bits_per_allele`, `hamming` and `cells` (wrong alleles among all those that the latents alone give),
        `seconds`, `history` of the training, `files`.

    Raises
    ------
    FastaeError
        What was read back is not what was written.
    InputError
        `out_dir` is a file.
    OSError
        It cannot be written.

    Examples
    --------
    >>> result = run_demo(threads=1)  # doctest: +SKIP
    >>> result["people"], result["sites"]  # doctest: +SKIP
    (300, 4325)
    """
    say = say or (lambda line: None)
    archive_path, picture_path = Path(out_dir, "demo.fae"), Path(out_dir, "demo.png")
    check_picture(picture_path)  # without matplotlib it is refused now, not after the training
    if os.path.exists(out_dir) and not os.path.isdir(out_dir):
        raise InputError(f"{out_dir}: this is a file; give the name of a folder")
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    for path in (archive_path, picture_path):
        check_output(path)
    start = time.perf_counter()
    with resources.as_file(resources.files("fastae") / "data" / f"{REGION}.vcf.gz") as vcf:
        say("1000 Genomes Project, chr20:2,000,000-2,499,999, phased: training, writing, reading back ...")
        say("Archives need no training, and `fastae compress` does none: here it is for the latents of the pictures.")
        cohort, result = archive_region(vcf, archive_path, threads)
    for line in report(result):
        say(line)
    lap = time.perf_counter()
    history, Z = train(cohort)
    result["seconds"]["train"] = time.perf_counter() - lap
    wrong = f"{history.heldout_hamming[-1]:.1%}"
    say(f"autoencoder of the picture: {wrong} of the common alleles of people it has not seen are wrong")
    draw(picture_path, cohort, history, Z)
    say(f"wrote {archive_path} and {picture_path} in {time.perf_counter() - start:.0f} s")
    return result | {"history": history, "files": [archive_path, picture_path]}


def archive_region(vcf: Path, path: Path, threads: int | None) -> tuple[Cohort, dict[str, Any]]:
    """Compress `vcf` to `path` with the autoencoder on every block, compare all of it with the source, measure."""
    seconds = {}
    lap = time.perf_counter()
    cohort = read_vcf(vcf).read()
    seconds["read"] = time.perf_counter() - lap
    lap = time.perf_counter()
    write_archive(path, cohort, predictor="autoencoder", n_threads=threads or len(os.sched_getaffinity(0)))
    seconds["compress"] = time.perf_counter() - lap
    lap = time.perf_counter()
    with open_archive(path) as archive, read_vcf(vcf) as source:
        difference = first_difference(source, archive.stream())
        if difference:
            raise FastaeError(f"{path} does not give back what {vcf.name} holds: {difference}")
        seconds["verify"] = time.perf_counter() - lap
        parts = archive.info()["bytes"]
        wrong, cells = archive.hamming()
    bits = packed_haplotypes(cohort.call_genotype)
    sizes = {"raw": bits.size, "vcf_gz": vcf.stat().st_size, "xz": xz_size(bits), **parts}
    return cohort, {
        "people": len(cohort.samples),
        "sites": len(cohort.sites),
        "bytes": sizes,
        "bits_per_allele": 8 * parts["genotypes"] / cohort.call_genotype.size,
        "hamming": wrong,
        "cells": cells,
        "seconds": seconds,
    }


def report(result: dict[str, Any]) -> list[str]:
    """The table of figures, one line each."""
    sizes, seconds = result["bytes"], result["seconds"]
    metadata = sizes["sites"] + sizes["samples"] + sizes["header"]
    index = sizes["genotypes"] - sizes["latents"] - sizes["decoder"] - sizes["residual"]
    alleles = result["people"] * result["sites"] * 2
    rows = [
        ("people", f"{result['people']:,}"),
        ("sites", f"{result['sites']:,}"),
        ("raw bits of the alleles", f"{sizes['raw']:,} bytes"),
        ("xz -9e of these bits", f"{sizes['xz']:,} bytes"),
        ("VCF.gz", f"{sizes['vcf_gz']:,} bytes"),
        ("archive", f"{sizes['total']:,} bytes"),
        ("  genotypes", f"{sizes['genotypes']:,} bytes"),
        ("    latents", f"{sizes['latents']:,} bytes"),
        ("    decoder", f"{sizes['decoder']:,} bytes"),
        ("    residual", f"{sizes['residual']:,} bytes"),
        ("    index", f"{index:,} bytes"),
        ("  site and sample metadata", f"{metadata:,} bytes"),
        ("genotype bits per allele", f"{result['bits_per_allele']:.4f}"),
        ("wrong alleles, latents alone", f"{result['hamming']:,} of {result['cells']:,}"),
        ("wrong alleles, archive", f"0 of {alleles:,}"),
        ("seconds to compress, verify", f"{seconds['read'] + seconds['compress']:.1f}, {seconds['verify']:.1f}"),
    ]
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {value:>20}" for name, value in rows]


def train(cohort: Cohort) -> tuple[History, NDArray[np.floating]]:
    """Train an autoencoder of the common alleles, every tenth person held out; give each person's mean latents.

    Returns
    -------
    history : History
    Z : ndarray, shape (n_samples, N_LATENTS)
    """
    calls = cohort.call_genotype
    count = calls.sum(axis=(1, 2))
    common = calls[np.minimum(count, calls[0].size - count) >= MIN_COUNT]
    X = np.ascontiguousarray(common.transpose(1, 2, 0))  # people, haplotypes, sites
    n_people, ploidy, n_sites = X.shape
    heldout = np.arange(n_people) % 10 == 9
    encoder = Encoder([n_sites, 64, N_LATENTS], seed=0)
    decoder = Decoder([N_LATENTS, 64, n_sites], output_activation="identity", seed=1)
    loss = CrossEntropyLoss(
        HAPLOTYPE
    )  # the bits that a residual would cost; the history counts the Hamming distance too
    trainer = Trainer(encoder, decoder, loss=loss, gradient="forward", batch_size=20, schedule="onecycle")
    history = trainer.fit(
        X[~heldout].reshape(-1, n_sites), n_epochs=N_EPOCHS, X_heldout=X[heldout].reshape(-1, n_sites)
    )
    Z = encoder.transform(HAPLOTYPE.to_levels(X.reshape(-1, n_sites), np.float32))
    return history, Z.reshape(n_people, ploidy, -1).mean(axis=1)


def draw(path: Path, cohort: Cohort, history: History, Z: NDArray[np.floating]) -> None:
    """Write the picture: the training beside the people."""
    populations = read_populations()
    figure, (left, right) = new_figure(2)
    plot_history(history, ax=left)
    left.set_title("autoencoder of the common alleles, forward-mode gradients")
    plot_latents(Z, [populations.get(name, "") for name in cohort.samples], ax=right)
    right.set_title(f"{len(Z)} people by their {Z.shape[1]} latents")
    save_figure(figure, path)


def read_populations() -> dict[str, str]:
    """Population of each person of the region, by sample name."""
    table = resources.files("fastae").joinpath("data", f"{REGION}.populations.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in table.splitlines()[1:])


def packed_haplotypes(call_genotype: NDArray[np.signedinteger]) -> NDArray[np.uint8]:
    """Alleles in as few bits as hold the distinct values, haplotype after haplotype: what xz is given.

    Parameters
    ----------
    call_genotype : ndarray of int8 or int16, shape (n_variants, n_samples, ploidy)

    Returns
    -------
    ndarray of uint8, one dimension

    Examples
    --------
    >>> packed_haplotypes(np.array([[[0, 1]], [[0, 1]], [[1, 1]]], np.int8))
    array([ 32, 224], dtype=uint8)
    """
    # missing alleles come last, so that the low bit is the common allele's
    alleles = call_genotype.view(f"u{call_genotype.itemsize}")
    values = np.unique(alleles)
    codes = np.searchsorted(values, alleles).astype(np.uint8)
    n_bits = max(1, (len(values) - 1).bit_length())
    rows = codes.reshape(len(codes), -1).T  # haplotype-major: xz finds its repeats along a haplotype
    planes = [np.packbits(rows >> bit & 1, axis=1) for bit in range(n_bits)]
    return np.concatenate([plane.ravel() for plane in planes])


def xz_size(bits: NDArray[np.uint8]) -> int:
    """Bytes of `xz -9e`."""
    return len(lzma.compress(bits.tobytes(), preset=9 | lzma.PRESET_EXTREME))
