# SPDX-License-Identifier: Apache-2.0
"""Regions as bcftools has them: lists, files, and which sites are in them."""

import gzip
import os
import re
import sys

import numpy as np

from ..errors import InputError
from ..io.text import READ_ERRORS

OVERLAPS = {"pos": "pos", "0": "pos", "record": "record", "1": "record"}

_NUMBER = re.compile(r"\d{1,18}")  # as many digits as an int64 is sure to hold


class Regions:
    """Spans of chromosomes, 1-based, both ends included.

    Overlapping ones are joined, so that a site finds the only one that could hold it by bisection.

    Attributes
    ----------
    rank : dict of str to int
        Place of each chromosome in the order in which they were first named.
    """

    def __init__(self, spans):
        of_chrom: dict[str, list[tuple[int, int]]] = {}
        for chrom, first, last in spans:
            of_chrom.setdefault(chrom, []).append((first, last))
        self._spans = {chrom: _joined(np.array(pairs, np.int64)) for chrom, pairs in of_chrom.items()}
        self.rank = {chrom: number for number, chrom in enumerate(of_chrom)}

    def hold(self, chrom, firsts, lasts):
        """Whether any region reaches into ``chrom:firsts[i]-lasts[i]``: array of bool."""
        if chrom not in self._spans:
            return np.zeros(len(firsts), bool)
        starts, ends = self._spans[chrom]
        number = np.searchsorted(starts, lasts, side="right") - 1
        return (number >= 0) & (ends[number] >= firsts)

    def mask(self, sites, overlap):
        """Which of some `Sites` are within, by their POS or by all that their record reaches over."""
        ends = sites.pos if overlap == "pos" else sites.ends()
        names, held = np.array(sites.chrom, dtype=object), np.zeros(len(sites), bool)
        for chrom in dict.fromkeys(sites.chrom):
            here = names == chrom
            held[here] = self.hold(chrom, sites.pos[here], ends[here])
        return held


def _joined(pairs):
    firsts, lasts = pairs[np.argsort(pairs[:, 0], kind="stable")].T
    lasts = np.maximum.accumulate(lasts)
    starts_anew = np.append(True, firsts[1:] > lasts[:-1])
    return firsts[starts_anew], lasts[np.append(starts_anew[1:], True)]


def read_lines(path):
    """The lines of a text file without their ends; plain or gzip, ``-`` is standard input, a pipe will do."""
    if path == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            data = file.read()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except READ_ERRORS as error:
            raise InputError(f"{path}: the file is truncated or corrupt ({error}); fetch or write it again") from error
    return [line.removesuffix("\r") for line in data.decode("utf-8", "surrogateescape").split("\n")]


def read_regions(path):
    """Regions of a file: BED by its name, VCF by its first line, or else columns CHROM, POS and maybe END.

    As in bcftools the first line tells whether there is an END: where its third column is no number there is none.

    Returns
    -------
    list of (chrom, first, last)

    Raises
    ------
    InputError
        If a line has no such columns, or the file no lines.
    """
    lines = read_lines(path)
    is_bed = os.fspath(path).lower().endswith((".bed", ".bed.gz"))
    n_columns = 3 if is_bed else 2 if lines[0].startswith("##fileformat=VCF") else None
    spans = []
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line:
            continue
        chrom, *columns = line.split("\t", 3)[:3]
        if n_columns is None:
            n_columns = 3 if len(columns) == 2 and _NUMBER.fullmatch(columns[1]) else 2
        columns = columns[: n_columns - 1]
        if len(columns) < n_columns - 1 or not all(map(_NUMBER.fullmatch, columns)):
            wanted = "CHROM, START and END" if is_bed else "CHROM, POS and END" if n_columns == 3 else "CHROM and POS"
            raise InputError(f"{path}: line {number} is {line[:60]!r}, expected {wanted}, parted by tabs")
        first, last = int(columns[0]), int(columns[-1])
        spans.append((chrom, first + is_bed, last))
    if not spans:
        raise InputError(f"{path}: there are no regions in this file; give at least one")
    return spans
