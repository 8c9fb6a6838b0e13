# SPDX-License-Identifier: Apache-2.0
"""What PLINK 1 and 2 have in common: files that belong together, and what no PLINK file holds."""

from __future__ import annotations

import contextlib
import os
import re
import warnings

import numpy as np

from ..cohort import FILL, FIXED_COLUMNS, MINIMAL_HEADER, MISSING
from ..errors import InputError, LossWarning
from ..fileio import atomic_output

_CONTIG_NAME = re.compile(r"[^\s,<>]+")
# header lines that say nothing beyond what the records do
STRUCTURAL = re.compile(r"##(fileformat=.*|FILTER=<ID=PASS,.*|FORMAT=<ID=GT,.*|contig=<ID=[^,]*>)")
CM_LINE = '##INFO=<ID=CM,Number=1,Type=Float,Description="Position in centimorgans">'
MAX_NAMED = 5  # things of one kind that a message lists


def siblings(path, endings):
    """Names of the files that belong together, from any of them or their bare prefix."""
    path = os.fsdecode(path)
    if path == "-":
        raise InputError(
            f"PLINK keeps a cohort in {len(endings)} files ({', '.join(endings)}), which - cannot be; give a name"
        )
    ending = next((ending for ending in endings if path.lower().endswith(ending)), "")
    prefix = path[: len(path) - len(ending)]
    return [prefix + other for other in endings]


def existing(path, endings, title):
    """As `siblings`, of files that are all there.

    Raises
    ------
    InputError
        Names all that are missing.
    """
    paths = siblings(path, endings)
    missing = [name for name in paths if not os.path.isfile(name)]
    if missing:
        together = ", ".join(endings)
        raise InputError(
            f"{os.fsdecode(path)}: {title} needs {together} side by side; there is no {', '.join(missing)}"
        )
    return paths


@contextlib.contextmanager
def outputs(path, endings, inputs):
    """Open files that belong together for writing; they get their names when all of them are complete."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(atomic_output(name, inputs)) for name in siblings(path, endings)]


def vcf_header(contigs, lines=()):
    """A VCF header for sites on some chromosomes, with further lines ahead of FORMAT."""
    first, *rest = MINIMAL_HEADER.split("\n")
    return "\n".join([first, rest[0], *contig_lines(contigs), *lines, *rest[1:]])


def contig_lines(names):
    """Header lines that define chromosomes, of those names that VCF allows there."""
    return [f"##contig=<ID={name}>" for name in names if _CONTIG_NAME.fullmatch(name)]


def header_losses(header, own_lines=()):
    """Names of the header lines that a format without a header leaves out."""
    *lines, columns = header.split("\n")
    lost = [line for line in lines if not STRUCTURAL.fullmatch(line) and line not in own_lines]
    keys = list(dict.fromkeys("##" + re.split("[=<]", line[2:], maxsplit=1)[0] for line in lost))
    more = ", ..." if len(keys) > MAX_NAMED else ""
    found = [f"header lines ({', '.join(keys[:MAX_NAMED])}{more})"] if keys else []
    if not columns.startswith("\t".join(("#CHROM", *FIXED_COLUMNS[1:]))):
        found.append("the header")
    return found


def attribute_losses(attributes, own_prefixes):
    """Names of what another format gave that is in no column of VCF."""
    kept = ("final_newline", "line_end", *own_prefixes)
    return [f"what {key} holds" for key in attributes if not key.startswith(kept)]


def diploid(calls):
    """Both alleles of each call as PLINK holds it: haploid ones twice, half-missing ones missing.

    Returns
    -------
    first, second : ndarray of the calls' dtype, shape (n_variants, n_samples)
        -1 where missing.
    """
    first, second = calls[:, :, 0], calls[:, :, 1]
    second = np.where(second == FILL, first, second)
    missing = (first < 0) | (second < 0)
    return np.where(missing, MISSING, first), np.where(missing, MISSING, second)


def call_losses(path, block):
    """Names of what the calls of a block hold beyond two alleles in no order, `block` having a ploidy of 2 or more.

    Raises
    ------
    InputError
        If a call has more than two alleles.
    """
    calls = block.call_genotype
    if calls.shape[2] > 2 and (calls[:, :, 2:] != FILL).any():
        row = int(np.argmax((calls[:, :, 2:] != FILL).any(axis=(1, 2))))
        raise InputError(
            f"{path}: a call at {place(block, row)} has more than two alleles, which PLINK cannot hold; leave it out"
        )
    first, second = calls[:, :, 0], calls[:, :, 1]
    without_gt = first == FILL
    found = {
        "haploid calls": (second == FILL) & ~without_gt,
        "records without GT": without_gt,
        "the known allele of half-missing calls": ((first == MISSING) & (second >= 0))
        | ((first >= 0) & (second == MISSING)),
        "the order of alleles in unphased calls": (first > second) & (second >= 0) & ~block.call_genotype_phased,
    }
    return [name for name, where in found.items() if where.any()]


def place(block, row):
    """Where a variant is, for a message."""
    return f"{block.sites.chrom[row]}:{block.sites.pos[row]}"


class Losses:
    """What a file cannot hold: refused by name as soon as it is met or, if the user says so, left out and named."""

    def __init__(self, path, title, remedy, lossy):
        self._head = f"{os.fsdecode(path)}: {title} cannot hold"
        self._remedy = remedy
        self._lossy = lossy
        self._names = {}

    def add(self, names):
        """Raises InputError unless lossy."""
        self._names.update(dict.fromkeys(names))
        if names and not self._lossy:
            raise InputError(f"{self._head} {_listed(self._names)}; {self._remedy}, or leave it out by lossy (--lossy)")

    def warn(self):
        """Name on stderr what was left out."""
        if self._names:
            warnings.warn(f"{self._head} {_listed(self._names)}: left out", LossWarning, stacklevel=3)


def _listed(names):
    return ", ".join(names)


def read_text(path):
    """The whole of a text file."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()
