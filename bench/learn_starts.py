# SPDX-License-Identifier: Apache-2.0
"""What the coder of sorted columns begins with: csrc/pbwt_starts.h, learnt from cohorts, and tried on those left out.

    python bench/learn_starts.py [--data DIR] [--learn FILE ...] [--only-print]

Files are named as in bench/ablation.py. Each gives blocks of N_COLUMNS columns of alleles, coded one way; a context's
start is the geometric mean, of odds for bits, over the files that have it. What is learnt is written as the header and,
in hexadecimal, as FORMAT.md §5.9 has it, to standard output.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import tempfile
from pathlib import Path

import numpy as np
from ablation import alleles, build, files
from common import ROOT

from fastae.io import read_cohort

HEADER = ROOT / "csrc" / "pbwt_starts.h"
N_COLUMNS = 1000
SHIFT = 1
N_RATES, N_RATES_OF_ZEROS, N_BITS = 52, 40, 224
LEAST_CELLS, LEAST_COUNT = 100, 20  # from which on a context of a block is learnt from
LEARN = ["cattle_bta12", "kg3_chr20_1M_eur300", "kg3_chr22_50M"]
INTRODUCTION = """/* SPDX-License-Identifier: Apache-2.0
 * What the coder of sorted columns begins with, made by bench/learn_starts.py: of rates, changes in 256ths among eight
 * cells; of bits, the probability of a change, in 256ths. FORMAT.md 5.9 has the same numbers. */
#ifndef FASTAE_PBWT_STARTS_H
#define FASTAE_PBWT_STARTS_H
"""


def learnt(kernel, bits):
    """Of a file: changes in 256ths a cell, and log odds of bits, by context; not a number where there were too few."""
    cells, changes = np.zeros(N_RATES), np.zeros(N_RATES)
    odds, weights = np.zeros(N_BITS), np.zeros(N_BITS)
    for start in range(0, len(bits), N_COLUMNS):
        block = np.ascontiguousarray(bits[start : start + N_COLUMNS])
        rates = np.zeros((2, N_RATES), np.uint32)
        adaptive = np.zeros((2, N_BITS), np.uint32)
        pointers = [ctypes.c_void_p(part.ctypes.data) for part in (*rates, *adaptive)]
        if kernel(ctypes.c_void_p(block.ctypes.data), *map(ctypes.c_size_t, block.shape), SHIFT, *pointers):
            raise SystemExit("a block could not be coded")
        cells += rates[0]
        changes += rates[1]
        probability = adaptive[0] / 2.0**32
        weight = np.where(adaptive[1] >= LEAST_COUNT, adaptive[1], 0.0)
        odds += weight * np.log(probability / (1 - probability))
        weights += weight
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.where((cells >= LEAST_CELLS) & (changes > 0), changes / cells, np.nan)
        return rates, odds / weights


def starts(found):
    """Numbers of a byte, for rates and for bits, from what files have learnt."""
    neutral = np.where(np.arange(N_RATES) < N_RATES_OF_ZEROS, 1.5, 25.5)
    mean = [_mean(np.log(np.array([rates for rates, _ in found])), np.log(neutral))]
    mean.append(_mean(np.array([odds for _, odds in found]), np.full(N_BITS, np.log(1 / 3))))
    rates, bits = 8 * np.exp(mean[0]), 256 / (1 + np.exp(-mean[1]))
    return [np.clip(np.rint(numbers), 1, 255).astype(int) for numbers in (rates, bits)]


def _mean(values, otherwise):
    there = ~np.isnan(values)
    return np.where(there.any(axis=0), np.nansum(values, axis=0) / np.maximum(there.sum(axis=0), 1), otherwise)


def header(rates, bits):
    """The text of csrc/pbwt_starts.h."""
    parts = [INTRODUCTION, "/* clang-format off */"]
    for name, size, numbers in (("RATES", "RATES", rates), ("BITS", "BITS", bits)):
        lines = [", ".join(map(str, numbers[i : i + 16])) for i in range(0, len(numbers), 16)]
        parts.append(f"static const uint8_t STARTS_OF_{name}[{size}] = {{\n    " + ",\n    ".join(lines) + "\n};")
    return "\n".join([*parts, "/* clang-format on */", "", "#endif", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("FASTAE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--learn", nargs="+", default=LEARN, help="files to learn from")
    parser.add_argument("--only-print", action="store_true", help="leave csrc/pbwt_starts.h as it is")
    args = parser.parse_args()
    paths = files(args.data)
    with tempfile.TemporaryDirectory() as folder:
        build([], Path(folder) / "coder")
        kernel = ctypes.CDLL(str(Path(folder) / "coder" / "coder.so")).ablation_learnt
        found = []
        for name in args.learn:
            table, matrix = alleles(read_cohort(paths[name]).read())
            found.append(learnt(kernel, np.ascontiguousarray(matrix[table.is_allele])))
    rates, bits = starts(found)
    if not args.only_print:
        HEADER.write_text(header(rates, bits), encoding="utf-8")
    for numbers in (rates, bits):
        text = bytes(numbers.tolist()).hex().upper()
        print("\n".join("    " + text[i : i + 104] for i in range(0, len(text), 104)))


if __name__ == "__main__":
    main()
