# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

import argparse
import math
import os
import re

from ..errors import InputError

_STANDARD_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
MAX_THREADS = 1024  # of `open_archive` and `write_archive`


def cohort_file(text):
    """For argparse: the name of a cohort file, or ``-`` for standard input."""
    return text if text == "-" else input_file(text)


def input_file(text):
    """For argparse: the name of a file to read."""
    if text == "-":
        raise argparse.ArgumentTypeError("standard input cannot be read; give the name of a file")
    if text.startswith("memory:"):
        raise argparse.ArgumentTypeError(f"{text}: a command has nothing in its memory yet; give the name of a file")
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; give the name of a file")
    return text


def check_archive_output(path):
    """Refuse standard output, by whatever name, for an archive."""
    if path in _STANDARD_OUTPUT:
        raise InputError("an archive is written to a file, not to standard output; give its name")


def add_threads(parser):
    n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument(
        "-p",
        "--threads",
        type=integer(1, MAX_THREADS),
        default=min(n_processors, MAX_THREADS),
        metavar="N",
        help="threads to use [%(default)s: all there are]",
    )


def integer(low, high=2**63 - 1):
    """For argparse: a whole number from `low` to `high`."""

    def of(text):
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not low <= int(text) <= high:
            wanted = f"{low} to {high}" if high < 2**63 - 1 else f"{low} or more"
            raise argparse.ArgumentTypeError(f"{text!r} is no number that will do; give {wanted}")
        return int(text)

    return of


def integers(low, high=2**63 - 1):
    """For argparse: whole numbers between commas."""
    of_one = integer(low, high)
    return lambda text: [of_one(part) for part in text.split(",")]


def number(low, high, *, above=False, below=False):
    """For argparse: a number from `low` to `high`; `above` and `below` leave these out."""

    def of(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or (above and value == low) or (below and value == high):
            wanted = f"{'more than ' if above else ''}{low:g} to {'less than ' if below else ''}{high:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is no number that will do; give {wanted}")
        return value

    return of
