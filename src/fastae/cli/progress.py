# SPDX-License-Identifier: Apache-2.0
"""What a command tells on standard error while it works: bars, which only a terminal shows, and notes."""

import contextlib
import dataclasses
import sys

_quiet = False


@contextlib.contextmanager
def quiet(is_quiet=True):
    """Neither bars nor notes in the ``with`` block."""
    global _quiet
    before, _quiet = _quiet, is_quiet
    try:
        yield
    finally:
        _quiet = before


def note(text):
    """Tell something that is no error but that a user would want to know."""
    if not _quiet:
        told(text)


def told(text):
    """As `note`, but of what is lost: it is told even to those who want quiet."""
    print(f"fastae: note: {text}", file=sys.stderr, flush=True)


def logged(text):
    """Tell what is done by a line where no terminal shows a bar of it."""
    if not _quiet and not sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def watched(stream, description, total=None):
    """The same cohort stream, counting its variants on a bar while it is read."""
    return dataclasses.replace(stream, blocks=_counted(stream, description, total))


class _NoBar:
    """What `bar` gives where none shall be seen, or tqdm, an extra, is not installed."""

    n = 0

    def update(self, n):
        self.n += n


def variants_bar(description, total=None):
    """A bar of variants, which only a terminal shows."""
    return bar(description, total, " variants")


def bar(description, total, unit):
    """A bar with rate and time left that only a terminal shows."""
    if _quiet or not sys.stderr.isatty():  # before tqdm is imported, which takes time
        return contextlib.nullcontext(_NoBar())
    try:
        from tqdm import tqdm
    except ImportError:
        return contextlib.nullcontext(_NoBar())
    return tqdm(desc=description, total=total, unit=unit, unit_scale=True)


def _counted(blocks, description, total):
    with variants_bar(description, total) as counter:
        for block in blocks:
            yield block
            counter.update(block.n_variants)
