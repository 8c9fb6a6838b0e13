# SPDX-License-Identifier: Apache-2.0
"""``fastae verify``: that an archive is whole, and says what the original says."""

import json

from ..errors import FormatError, InputError
from .options import add_threads, cohort_file, input_file
from .progress import variants_bar, watched

EXAMPLES = """\
  fastae verify cohort.fae                    every byte is as it was written
  fastae verify cohort.fae cohort.vcf.gz      and says what the original says
  zcat cohort.vcf.gz | fastae verify cohort.fae -
  fastae verify cohort.fae cohort.vcf.gz --ignore-header    if made by way of a tool that adds header lines"""


def add_parser(subparsers):
    parser = subparsers.add_parser("verify", help="check an archive, by itself or against the original")
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    parser.add_argument(
        "original",
        type=cohort_file,
        metavar="ORIGINAL",
        nargs="?",
        help="the file that the archive was made from, or - for standard input",
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
    from ..archive import open_archive
    from ..difference import first_difference
    from ..io import read_cohort

    found = None
    original_name = "standard input" if args.original == "-" else args.original
    facts = {"archive": args.archive, "original": args.original}
    try:
        with open_archive(args.archive, n_threads=args.threads) as archive:
            n_variants, n_samples = archive.shape[:2]
            facts |= {"samples": n_samples, "variants": n_variants}
            with variants_bar("decode", n_variants) as bar:
                archive.verify(progress=lambda n_done: bar.update(n_done - bar.n))
            if args.original is not None:
                with read_cohort(args.original, drop_format=args.drop_format) as original:
                    ours = watched(archive.stream(), "compare", n_variants)
                    found = first_difference(ours, original, ignore_header=args.ignore_header)
    except FormatError as error:
        if args.json:
            print(json.dumps(facts | {"same": None, "difference": None, "damage": str(error)}), flush=True)
        raise
    if args.json:
        same = found is None if args.original is not None else None
        print(json.dumps(facts | {"same": same, "difference": found, "damage": None}), flush=True)
    if found:
        header = found.startswith(("header ", "the attributes "))
        advice = "; --ignore-header compares calls, sites and names alone" if header else ""
        raise InputError(f"{args.archive} (first) and {original_name} (second) differ: {found}{advice}")
    if not args.json:
        compared = (
            "every call, site column and name" if args.ignore_header else "header and every call, site column and name"
        )
        said = "every block is whole" if args.original is None else f"{compared} is that of {original_name}"
        print(f"{args.archive}: {said}: {n_samples:,} samples at {n_variants:,} sites")
