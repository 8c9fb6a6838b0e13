# SPDX-License-Identifier: Apache-2.0
"""``fastae verify``: that an archive is whole, and says what the original says."""

import json

from ..errors import FormatError, InputError
from .opening import opened_archive, opened_data
from .options import add_threads, cohort_file, input_file
from .progress import variants_bar, watched

EXAMPLES = """\
  fastae verify cohort.fae                    every byte is as it was written
  fastae verify cohort.fae cohort.vcf.gz      and says what the original says
  zcat cohort.vcf.gz | fastae verify cohort.fae -
  fastae verify cohort.fae cohort.vcf.gz --ignore-header    if made by way of a tool that adds header lines"""

_OF_HEADER = ("header", "attributes")  # kinds of differences that --ignore-header passes over


def add_parser(subparsers):
    parser = subparsers.add_parser("verify", help="check an archive, by itself or against the original")
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    parser.add_argument(
        "original",
        type=cohort_file,
        metavar="ORIGINAL",
        nargs="?",
        help="the file that the archive was made from, another archive, or - for standard input",
    )
    parser.add_argument("--drop-format", action="store_true", help="leave out the original's FORMAT fields but GT")
    parser.add_argument(
        "--ignore-header",
        action="store_true",
        help="compare calls, sites and names only, not the header's lines nor facts about the file's layout",
    )
    parser.add_argument("--json", action="store_true", help="print the result for machines")
    add_threads(parser)
    parser.set_defaults(runner=run)


def run(args):
    found = None
    original_name = "standard input" if args.original == "-" else args.original
    facts = {"archive": args.archive, "original": args.original}
    try:
        with opened_archive(args.archive, args.threads, advise=False) as archive:
            n_variants, n_samples = archive.shape[:2]
            facts |= {"samples": n_samples, "variants": n_variants}
            with variants_bar("decode", n_variants) as bar:
                archive.verify(progress=lambda n_done: bar.update(n_done - bar.n))
            if args.original is not None:
                found = _difference(args, watched(archive.stream(), "compare", n_variants))
    except FormatError as error:
        if args.json:
            print(json.dumps(facts | _result(damage=str(error))), flush=True)
        raise
    if args.json:
        same = found is None if args.original is not None else None
        print(json.dumps(facts | _result(same, found)), flush=True)
    if found:
        advice = "; --ignore-header compares calls, sites and names alone" if found.kind in _OF_HEADER else ""
        raise InputError(f"{args.archive} (first) and {original_name} (second) differ: {found.text}{advice}")
    if not args.json:
        compared = (
            "every call, site column and name" if args.ignore_header else "header and every call, site column and name"
        )
        said = "every block is whole" if args.original is None else f"{compared} is that of {original_name}"
        print(f"{args.archive}: {said}: {n_samples:,} samples at {n_variants:,} sites")


def _result(same=None, found=None, damage=None):
    kind, text = (None, None) if found is None else found
    return {"same": same, "difference": text, "kind": kind, "damage": damage}


def _difference(args, ours):
    from ..difference import find_difference

    try:
        with opened_data(args.original, drop_format=args.drop_format, n_threads=args.threads) as original:
            return find_difference(ours, original, ignore_header=args.ignore_header)
    except FormatError as error:  # of the original, an archive itself: what is verified is whole
        raise InputError(str(error)) from error
