# SPDX-License-Identifier: Apache-2.0
"""``fastae info``: what an archive holds and what each part costs."""

import json

from .options import input_file

EXAMPLES = """\
  fastae info cohort.fae
  fastae info cohort.fae --json | python -m json.tool    for programs"""


def add_parser(subparsers):
    parser = subparsers.add_parser("info", help="tell what an archive holds and what each part of it costs")
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(runner=run)


def run(args):
    from ..archive import open_archive

    with open_archive(args.archive) as archive:
        facts = archive.info()
    if args.json:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for part, entry in value.items():
                print(f"  {part:<12}{_text(entry):>15}")
        else:
            print(f"{name:<14}{_text(value):>15}")


def _text(value):
    return f"{value:,}" if isinstance(value, int) else str(value)
