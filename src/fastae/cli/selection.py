# SPDX-License-Identifier: Apache-2.0
"""Options that name some sites and samples of an archive, and what they stand for."""

from ..errors import InputError
from .options import input_file


def add_selection(parser):
    parser.add_argument(
        "-r",
        "--regions",
        action="append",
        metavar="CHROM[:FROM-TO]",
        help="only sites that overlap, positions from 1, both ends included; parted by commas, or given again",
    )
    samples = parser.add_mutually_exclusive_group()
    samples.add_argument(
        "-s",
        "--samples",
        metavar="NAMES",
        help="only these, in this order, parted by commas; INFO (AC, AN, ...) stays as it was",
    )
    samples.add_argument(
        "-S", "--samples-file", type=input_file, metavar="FILE", help="only the samples named in FILE, one a line"
    )


def selected_variants(archive, args):
    """Numbers of the variants asked for; None: all."""
    if not args.regions:
        return None
    try:
        return archive.query(args.regions)
    except InputError as error:
        if archive.source != "fasta":
            raise
        raise InputError(f"{error}: the columns of sequences are asked for as alignment:FROM-TO") from error


def selected_samples(archive, args):
    """Numbers of the samples asked for, in that order; None: all."""
    names = _names(args)
    if names == []:
        raise InputError(f"{args.samples_file or '-s'} names no samples; name at least one")
    return None if names is None else _indices(names, archive.samples)


def _names(args):
    if args.samples is not None:
        return args.samples.split(",") if args.samples else []
    if args.samples_file is None:
        return None
    with open(args.samples_file, encoding="utf-8", errors="surrogateescape") as file:
        return [line.rstrip("\n") for line in file if line.strip()]


def _indices(names, samples):
    places: dict[str, list[int]] = {}
    for index, name in enumerate(samples):
        places.setdefault(name, []).append(index)
    seen = set()
    for name in names:
        if name not in places:
            raise InputError(f"the archive has no sample {name!r}; `fastae view ARCHIVE | grep -m1 ^#CHROM` lists them")
        if name in seen or len(places[name]) > 1:
            where = "asked for" if name in seen else "in the archive"
            raise InputError(f"sample {name!r} is {where} more than once; name every sample once")
        seen.add(name)
    return [places[name][0] for name in names]
