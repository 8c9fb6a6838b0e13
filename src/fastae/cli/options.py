# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

import argparse
import os

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
        type=_thread_number,
        default=min(n_processors, MAX_THREADS),
        metavar="N",
        help="threads to use [%(default)s: all there are]",
    )


def _thread_number(text):
    if not (text.isdecimal() and 1 <= int(text) <= MAX_THREADS):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of threads; give 1 to {MAX_THREADS}")
    return int(text)
