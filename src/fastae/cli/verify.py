# SPDX-License-Identifier: Apache-2.0
"""``fastae verify``: that an archive is whole, and says what the original says."""

from ..errors import InputError
from .options import add_threads, input_file
from .progress import variants_bar, watched


def add_parser(subparsers):
    parser = subparsers.add_parser("verify", help="check an archive, by itself or against the original")
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    parser.add_argument(
        "original", type=input_file, metavar="ORIGINAL", nargs="?", help="the file that the archive was made from"
    )
    parser.add_argument("--drop-format", action="store_true", help="leave out the original's FORMAT fields but GT")
    add_threads(parser)
    parser.set_defaults(runner=run)


def run(args):
    from ..archive import open_archive
    from ..cohort import first_difference
    from ..io import read_cohort

    with open_archive(args.archive, n_threads=args.threads) as archive:
        n_variants, n_samples = archive.shape[:2]
        with variants_bar("decode", n_variants) as bar:
            archive.verify(progress=lambda n_done: bar.update(n_done - bar.n))
        what = f"{n_samples:,} samples at {n_variants:,} sites"
        if args.original is None:
            print(f"{args.archive}: every block is whole: {what}")
            return
        with read_cohort(args.original, drop_format=args.drop_format) as original:
            found = first_difference(watched(archive.stream(), "compare", n_variants), original)
    if found:
        raise InputError(f"{args.archive} (first) and {args.original} (second) differ: {found}")
    print(f"{args.archive}: every call, site column and name is that of {args.original}: {what}")
