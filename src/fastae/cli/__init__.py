# SPDX-License-Identifier: Apache-2.0
"""The command line: one module per command, each with ``add_parser`` and a runner."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import metadata

from . import compress, decompress, demo, info, verify, view

COMMANDS = (compress, decompress, view, info, verify, demo)


class _Terminated(BaseException):
    """SIGTERM, raised where the program is so that everything on the way out is cleaned up."""


def get_parser() -> argparse.ArgumentParser:
    """The argument parser; every command sets ``runner`` to the function that takes the parsed arguments."""
    parser = argparse.ArgumentParser(
        prog="fastae", description="Lossless, randomly accessible genotype archives built on small autoencoders."
    )
    parser.add_argument("-V", "--version", action="version", version=f"fastae {metadata.version('fastae')}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
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
        Exit status: 0 if all went well, 1 after one sentence on stderr about what did not, 130, 141 or 143 if
        stopped by Ctrl-C, a closed pipe or SIGTERM. Wrong usage exits with 2 by itself.

    Examples
    --------
    >>> main(["info", "no-such-file.fae"])
    1
    """
    args = get_parser().parse_args(argv)
    try:
        with _sigterm_raises():
            args.runner(args)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except _Terminated:
        return 128 + signal.SIGTERM
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has nowhere to go
        return 128 + signal.SIGPIPE
    except Exception as error:
        if "FASTAE_TRACEBACK" in os.environ:
            raise
        print(f"fastae: {_sentence(error)}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _sigterm_raises():
    def terminate(*_):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _sentence(error):
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
