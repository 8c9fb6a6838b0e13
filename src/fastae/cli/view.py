# SPDX-License-Identifier: Apache-2.0
"""``fastae view``: some sites and samples of an archive."""

from .options import add_output_type, add_threads, input_file
from .output import write_cohort
from .selection import add_selection, selected_samples, selected_variants


def add_parser(subparsers):
    parser = subparsers.add_parser("view", help="print some sites and samples of an archive")
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    add_selection(parser)
    parser.add_argument("-o", "--output", default="-", metavar="OUT", help="file to write [standard output]")
    add_output_type(parser)
    add_threads(parser)
    parser.set_defaults(runner=run)


def run(args):
    from ..archive import open_archive

    with open_archive(args.archive, n_threads=args.threads) as archive:
        variants = selected_variants(archive, args)
        write_cohort(
            args.output,
            archive.stream(variants=variants, samples=selected_samples(archive, args)),
            output_type=args.output_type,
            archive_path=args.archive,
            n_variants=archive.shape[0] if variants is None else len(variants),
        )
