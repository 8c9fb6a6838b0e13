# SPDX-License-Identifier: Apache-2.0
"""``fastae demo``: everything once, on real data that comes with the package."""

import json

from .info import add_json
from .options import add_threads
from .progress import note

EXAMPLES = """\
  fastae demo --out-dir demo
  fastae demo --json | python -m json.tool    its figures, for programs"""


def add_parser(subparsers):
    parser = subparsers.add_parser("demo", help="compress a real region, verify it, draw a picture")
    parser.add_argument(
        "-o", "--out-dir", default=".", metavar="DIR", help="where files go, made if it is not there [.]"
    )
    add_json(parser)
    add_threads(parser)
    parser.set_defaults(runner=run)


def run(args):
    from ..demo import run_demo

    result = run_demo(args.out_dir, threads=args.threads, say=note if args.json else print)
    if args.json:
        result["files"] = [str(path) for path in result["files"]]
        del result["history"]  # curves, which the picture shows
        print(json.dumps(result))
