# SPDX-License-Identifier: Apache-2.0
"""``fastae demo``: everything once, on real data that comes with the package."""

from .options import add_threads

EXAMPLES = """\
  mkdir demo && fastae demo --out-dir demo"""


def add_parser(subparsers):
    parser = subparsers.add_parser("demo", help="compress a real region, verify it, draw a picture")
    parser.add_argument("-o", "--out-dir", default=".", metavar="DIR", help="where files go [the current directory]")
    add_threads(parser)
    parser.set_defaults(runner=run)


def run(args):
    from ..demo import run_demo

    run_demo(args.out_dir, threads=args.threads, say=print)
