# SPDX-License-Identifier: Apache-2.0
"""``fastae subset``: some sites and samples of an archive as an archive of their own."""

from ..archive.presets import PRESETS
from .info import add_json, print_facts
from .opening import opened_archive
from .options import add_threads, check_archive_output, input_file
from .progress import variants_bar
from .selection import add_selection, selected_samples, selected_variants

EXAMPLES = """\
  fastae subset cohort.fae -r 20:2000000-2020000 -o region.fae
  fastae subset cohort.fae -S people.txt -o people.fae"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "subset",
        help="write some sites and samples of an archive as an archive",
        description="Windows of sites that are taken whole are copied as they are; those that a region cuts are "
        "compressed again, or all if samples are left out. INFO (AC, AN, ...) stays as it was.",
    )
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    add_selection(parser)
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the archive to write")
    parser.add_argument(
        "--preset", choices=PRESETS, default="default", help="of what is compressed again [%(default)s]"
    )
    add_threads(parser)
    add_json(parser)
    parser.set_defaults(runner=run)


def run(args):
    import numpy as np

    from ..archive import subset_archive

    check_archive_output(args.output)
    with opened_archive(args.archive, args.threads) as archive:
        variants = selected_variants(archive, args)
        variants = None if variants is None else np.sort(variants)  # whatever the order of the regions
        n_variants = archive.shape[0] if variants is None else len(variants)
        with variants_bar("subset", n_variants) as bar:
            subset_archive(
                args.output,
                archive,
                variants,
                selected_samples(archive, args),
                preset=args.preset,
                n_threads=args.threads,
                progress=lambda n_done: bar.update(n_done - bar.n),
            )
    if args.json:
        print_facts(args.output)
