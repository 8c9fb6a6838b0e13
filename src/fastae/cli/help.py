# SPDX-License-Identifier: Apache-2.0
"""``fastae help``: the help of fastae or of one of its commands."""

EXAMPLES = """\
  fastae help
  fastae help view"""


def add_parser(subparsers):
    from . import COMMANDS

    parser = subparsers.add_parser("help", help="show the help of a command")
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    parser.set_defaults(runner=run)


def run(args):
    from . import get_parser

    get_parser().parse_args(["--help"] if args.command is None else [args.command, "--help"])
