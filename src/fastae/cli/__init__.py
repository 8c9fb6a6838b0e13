# SPDX-License-Identifier: Apache-2.0
"""The command line: one module per command, each with ``add_parser`` and a runner.

A command that can be gone on with after it was stopped also sets ``how_to_go_on``, a sentence's end from its arguments.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module

from .parser import Parser, Version
from .progress import quiet

_LONG = re.compile(r"(\S{200})\S{200,}(\S{100})")  # in a message: its ends tell what it is
COMMANDS = (
    "compress",
    "decompress",
    "view",
    "latents",
    "info",
    "verify",
    "concat",
    "subset",
    "train",
    "sweep",
    "plot",
    "demo",
    "completion",
    "help",
)
EPILOG = """\
`fastae COMMAND --help` tells all of a command, with examples; `fastae completion --help` how a shell completes them.

exit status:
  0      all went well
  1      it did not: one sentence on standard error says why
  2      wrong usage: no such command or option, or one that lacks its value or has one that cannot be
  128+N  stopped by signal N: 130 by Ctrl-C, 141 by a pipe that was closed, 143 by a scheduler's SIGTERM"""
STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")  # Windows lacks the last two


class _Stopped(BaseException):
    """A signal, raised where the program is so that everything on the way out is cleaned up."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def get_parser(*, only: str | None = None) -> argparse.ArgumentParser:
    """The argument parser; every command sets ``runner`` to the function that takes the parsed arguments.

    Parameters
    ----------
    only : str, optional
        The command that is going to be run: the others are not imported.
    """
    parser = Parser(
        prog="fastae",
        description="Lossless, randomly accessible genotype archives built on small autoencoders.",
        epilog=EPILOG,
    )
    parser.add_argument("-V", "--version", action=Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS if only is None else (only,):
        command = import_module(f".{name}", __package__)
        command.add_parser(subparsers)
        of_command = subparsers.choices[name]
        of_command.epilog = f"examples:\n{command.EXAMPLES}"
        of_command.add_argument(
            "-q",
            "--quiet",
            action="store_true",
            help="no progress and no notes; errors, and what is left out, are told",
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : list of str, optional
        Arguments, those of the process if left out.

    Returns
    -------
    int
        Exit status: 0 if all went well, 1 after one sentence on stderr about what did not, 128 + its number if
        stopped by a signal, as 130 by Ctrl-C or 141 by a closed pipe. Wrong usage exits with 2 by itself.

    Examples
    --------
    >>> main(["info", "no-such-file.fae"])
    1
    """
    _open_closed_streams()
    argv = sys.argv[1:] if argv is None else list(argv)
    args = argparse.Namespace()
    try:
        try:
            get_parser(only=argv[0] if argv and argv[0] in COMMANDS else None).parse_args(argv, args)
            with _signals_raise(), quiet(args.quiet):
                args.runner(args)
                sys.stdout.flush()
        except SystemExit:  # of argparse, which has shown a help and does not see if that went well
            sys.stdout.flush()
            raise
    except _Stopped as stopped:
        if hasattr(args, "how_to_go_on"):
            with contextlib.suppress(OSError):  # nobody may be left to read it
                print(f"fastae: stopped; {args.how_to_go_on(args)}", file=sys.stderr)
        return 128 + stopped.number
    except BrokenPipeError:
        _discard_output()
        return 128 + signal.SIGPIPE
    except Exception as error:
        if "FASTAE_TRACEBACK" in os.environ:
            raise
        print(f"fastae: {_sentence(error)}", file=sys.stderr)
        _discard_output()
        return 1
    return 0


def _open_closed_streams():
    """Open a standard stream that the caller has closed, so that no file of ours gets its number.

    Writing to standard output still fails, for nobody would see the result; messages may get lost.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _discard_output():
    """Send what is still buffered for standard output nowhere: it has nowhere else to go. What comes later has."""
    with contextlib.suppress(OSError):  # of a stream without a number, as in tests and notebooks
        number = sys.stdout.fileno()
        kept, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        sys.stdout.flush()
        os.dup2(kept, number)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _signals_raise():
    """Have the signals that end a process raise `_Stopped`, the first of them only: cleaning up is not to be stopped.

    One that is ignored, as SIGHUP under nohup, stays so.
    """

    def stop(number, _):
        for other in previous:
            signal.signal(other, signal.SIG_IGN)
        raise _Stopped(number)

    numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # signals are the main thread's
    previous = {number: signal.getsignal(number) for number in numbers}
    previous = {number: handler for number, handler in previous.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in previous:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _sentence(error):
    if isinstance(error, OSError) and error.errno == errno.ENOENT and error.filename is None:
        text = "the current directory is not there any more; go to one that is"
    elif isinstance(error, OSError) and error.strerror:
        name = "standard output" if error.filename is None else os.fsdecode(error.filename)  # all else has a name
        text = f"{name}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    else:
        text = str(error) or type(error).__name__
    text = _LONG.sub(r"\1...\2", " ".join(text.split()))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
