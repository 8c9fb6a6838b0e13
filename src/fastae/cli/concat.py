# SPDX-License-Identifier: Apache-2.0
"""``fastae concat``: archives of the same people, one behind the other, as one."""

from .info import add_json, print_facts
from .options import check_archive_output, input_file
from .progress import variants_bar

EXAMPLES = """\
  fastae concat chr21.fae chr22.fae -o both.fae"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "concat",
        help="join archives of the same samples, as of one chromosome each",
        description="Blocks are copied as they are: nothing is compressed again.",
    )
    parser.add_argument("archives", type=input_file, nargs="+", metavar="ARCHIVE")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the archive of all their sites")
    add_json(parser)
    parser.set_defaults(runner=run)


def run(args):
    from ..archive import concat_archives

    check_archive_output(args.output)
    with variants_bar("concat") as bar:
        concat_archives(args.output, args.archives, progress=lambda n_done: bar.update(n_done - bar.n))
    if args.json:
        print_facts(args.output)
