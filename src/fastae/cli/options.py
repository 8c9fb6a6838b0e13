# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

import os


def add_threads(parser):
    n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument(
        "-p",
        "--threads",
        type=int,
        default=n_processors,
        metavar="N",
        help="threads to use [%(default)s: all there are]",
    )


def add_output_type(parser):
    parser.add_argument(
        "-O",
        "--output-type",
        choices=("v", "z", "b", "u"),
        help="v: VCF, z: VCF in bgzip, b: BCF, u: BCF not compressed [by the name of the file]",
    )
