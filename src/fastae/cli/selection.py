# SPDX-License-Identifier: Apache-2.0
"""Options that name some sites and samples of an archive, as bcftools has them, and what they stand for."""

import argparse
from collections import Counter

import numpy as np

from ..archive.indexing import places
from ..errors import InputError
from ..regions import header_contigs, named_chromosomes, parse_regions, split_regions
from .progress import note
from .regions import OVERLAPS, Regions, read_lines, read_regions

_MOST_LISTED = 10  # names in a note


def add_selection(parser):
    for letter, name, default, text in (
        ("r", "regions", "record", "only sites whose record reaches into these, positions from 1, both ends included"),
        ("t", "targets", "pos", "only sites whose POS is in these; with ^ in front, all others"),
    ):
        of_sites = parser.add_mutually_exclusive_group()
        of_sites.add_argument(
            f"-{letter}",
            f"--{name}",
            action="append",
            metavar="CHROM[:FROM-TO]",
            help=f"{text}; parted by commas, or given again",
        )
        of_sites.add_argument(
            f"-{letter.upper()}",
            f"--{name}-file",
            type=list_file,
            metavar="FILE",
            help=f"as -{letter}, from BED (by its name), VCF, or columns CHROM, POS and maybe END; plain or gzip",
        )
        parser.add_argument(
            f"--{name}-overlap",
            choices=OVERLAPS,
            default=default,
            metavar="pos|record",
            help=f"what of a record has to be in -{letter}: its POS, or any base of REF or up to END [%(default)s]",
        )
    samples = parser.add_mutually_exclusive_group()
    samples.add_argument(
        "-s", "--samples", metavar="NAMES", help="only these, in this order, parted by commas; ^NAMES: all others"
    )
    samples.add_argument(
        "-S",
        "--samples-file",
        type=list_file,
        metavar="FILE",
        help="only the samples named in FILE, one a line; ^FILE: all others",
    )
    parser.add_argument("--force-samples", action="store_true", help="pass over samples that the archive has not")


def list_file(text):
    """For argparse: the name of a file with a list in it, maybe behind ``^``."""
    if not text.removeprefix("^"):
        raise argparse.ArgumentTypeError("the name is empty; give the name of a file")
    return text


def selected_variants(archive, args):
    """Numbers of the variants asked for; None: all.

    They are in the order of the file; regions on several chromosomes put these into their own order.
    """
    regions = _regions(archive, args.regions, args.regions_file, "-r")
    listed = [",".join(args.targets)] if args.targets else None
    targets = _regions(archive, listed, args.targets_file, "-t")
    if regions is None and targets is None:
        return None
    leaves_out = (args.targets_file or (listed or " ")[0]).startswith("^")
    keys = [(regions, OVERLAPS[args.regions_overlap], False), (targets, OVERLAPS[args.targets_overlap], leaves_out)]
    keys = [key for key in keys if key[0] is not None]
    found, ranks = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for variants, spans in archive.windows:
        chroms, firsts, lasts = zip(*spans, strict=True)
        if not all(
            is_out or any(map(where.hold, chroms, np.array([firsts]).T, np.array([lasts]).T))
            for where, _, is_out in keys
        ):
            continue
        sites = archive.read(variants, samples=[]).sites
        masks = [where.mask(sites, overlap) ^ is_out for where, overlap, is_out in keys]
        numbers = np.flatnonzero(np.logical_and.reduce(masks))
        found.append(variants.start + numbers)
        if regions is not None:
            ranks.append(np.array([regions.rank[sites.chrom[number]] for number in numbers.tolist()], np.int64))
    every = np.concatenate(found)
    return every if regions is None else every[np.argsort(np.concatenate(ranks), kind="stable")]


def _regions(archive, texts, path, option):
    if path is not None:
        return Regions(read_regions(path.removeprefix("^") if option == "-t" else path))
    if texts is None:
        return None
    leaves_out = option == "-t" and texts[0].startswith("^")
    here = [chrom for _, spans in archive.windows for chrom, _, _ in spans]
    known = dict.fromkeys([*here, *header_contigs(archive.header)])
    given = (text.removeprefix("^" if leaves_out else "") for text in texts)
    parts = [part for text in given for part in split_regions(text, known) if part]
    if not parts:
        raise InputError(f"{option} names no regions; give CHROM or CHROM:FROM-TO")
    if any(part.startswith("^") for part in parts):
        raise InputError(f"{option} {','.join(texts)}: ^ stands once, in front of all that -t is to leave out")
    if leaves_out:  # what is not there is left out already
        known |= named_chromosomes(parts)
    try:
        return Regions(parse_regions(parts, known))
    except InputError as error:
        if archive.source != "fasta":
            raise
        raise InputError(f"{error}: the columns of sequences are asked for as alignment:FROM-TO") from error


def selected_samples(archive, args):
    """Numbers of the samples asked for, in that order; None: all."""
    given = args.samples if args.samples is not None else args.samples_file
    if given is None:
        return None
    leaves_out = given.startswith("^")
    given = given.removeprefix("^")
    names = given.split(",") if args.samples is not None else read_lines(given)
    names = [name for name in names if name]
    if not names:
        raise InputError(f"{given if args.samples is None else '-s'} names no samples; name at least one")
    found = places(archive.samples, set(names))
    absent = [name for name in names if name not in found]
    if absent and not args.force_samples:
        of = f" of {given}" if args.samples is None else ""
        raise InputError(
            f"{args.archive}: the archive has no sample {absent[0]!r}{of}; "
            "`fastae view -h ARCHIVE | tail -n 1` lists those that it has, --force-samples passes over others"
        )
    if absent:
        more = f" and {len(absent) - _MOST_LISTED:,} more" if len(absent) > _MOST_LISTED else ""
        note(f"the archive has no sample {', '.join(map(repr, absent[:_MOST_LISTED]))}{more}: passed over")
    if leaves_out:
        return sorted(set(range(archive.shape[1])).difference(*found.values()))
    chosen = Counter(name for name in names if name in found)
    for name, n_asked in chosen.items():
        if n_asked > 1 or len(found[name]) > 1:
            where = "in the archive" if len(found[name]) > 1 else "asked for"
            raise InputError(f"sample {name!r} is {where} more than once; name every sample once")
    return [found[name][0] for name in chosen]
