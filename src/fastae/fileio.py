# SPDX-License-Identifier: Apache-2.0
"""Output files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from .errors import InputError


def is_url(place: object) -> bool:
    """Whether a name is that of a file elsewhere: ``https://...``, ``zip://a.fae::b.zip``.

    Examples
    --------
    >>> [is_url(name) for name in ("https://x.org/a.fae", "a:b.fae", "a.fae")]
    [True, False, False]
    """
    return isinstance(place, str) and ("://" in place or "::" in place) and not os.path.exists(place)


def check_output(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Refuse an output that is sure to fail, before any work is done for it.

    Parameters
    ----------
    path : path-like
        Where a file shall be.
    inputs : iterable of path-like
        Files that are being read; `path` must be none of them, by whatever name.

    Raises
    ------
    InputError
        If `path` is empty, a URL, a directory or one of `inputs`, or its directory is not there or cannot be written
        to.

    Examples
    --------
    >>> check_output("no/such/directory/cohort.fae")
    Traceback (most recent call last):
    fastae.errors.InputError: no/such/directory/cohort.fae: there is no directory no/such/directory
    """
    path = os.fsdecode(path)
    if not path:
        raise InputError("the output has an empty name; give the name of a file")
    if "://" in path and is_url(path):
        raise InputError(f"{path}: files are written here, not at a URL; give the name of a file, and send that there")
    if path.endswith(os.sep):
        raise InputError(f"{path}: an output whose name ends in {os.sep} is a directory; give the name of a file")
    for source in inputs:
        if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
            raise InputError(f"{path}: the output is the input file; give another name")
    if os.path.isdir(path):
        raise InputError(f"{path}: the output is a directory; give the name of a file")
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise InputError(f"{path}: there is no directory {os.path.dirname(path) or folder}")
    if not os.path.exists(path) and not os.access(folder, os.W_OK):
        raise InputError(f"{path}: the directory {os.path.dirname(path) or folder} cannot be written to")


def check_outputs(
    paths: Iterable[str | os.PathLike[str] | None], inputs: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Refuse outputs of one run that are sure to fail, or of which two have one name.

    Parameters
    ----------
    paths : iterable of path-like or None
        None is no output.
    inputs : iterable of path-like
        As `check_output` has them.

    Raises
    ------
    InputError
        If `check_output` refuses one, or two have the same name.

    Examples
    --------
    >>> check_outputs(["picture.png", None, "picture.png"])
    Traceback (most recent call last):
    fastae.errors.InputError: picture.png: two outputs have this name; give each its own
    """
    inputs, there = list(inputs), [path for path in paths if path is not None]
    for path in there:
        check_output(path, inputs)
        if there.count(path) > 1:
            raise InputError(f"{os.fsdecode(path)}: two outputs have this name; give each its own")


def read_kept(path: str | os.PathLike[str]) -> bytes | None:
    """What an earlier run has left in a file that is read first and written again.

    Temporary files of the file's own, which `atomic_output` left where it was killed while it wrote, are removed.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bytes or None
        None where there is no file.

    Raises
    ------
    InputError
        If `path` is a pipe or a device, which keeps nothing and may never end, or `check_output` refuses it.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> read_kept("no-such-file") is None
    True
    """
    check_output(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(
            f"{os.fsdecode(path)}: this is a pipe or a device, which keeps nothing; give the name of a file"
        )
    _remove_leftovers(os.path.realpath(os.fsdecode(path)))
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _remove_leftovers(target):
    folder, name = os.path.split(target)
    leftover = re.compile(re.escape(name) + r"\.[0-9a-f]{8}\.(\d{1,9})\.tmp")
    with contextlib.suppress(OSError):  # they do no harm where they may not be removed
        for entry in os.listdir(folder):
            found = leftover.fullmatch(entry)
            if found and not _is_running(int(found[1])):
                os.unlink(os.path.join(folder, entry))


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        pass
    return True


@contextlib.contextmanager
def atomic_output(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = ()) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when it is complete.

    The bytes go to a temporary file beside `path`, which is synced to the disk and renamed when the ``with`` block
    ends well, and removed when it ends in any exception. A pipe or device is written directly.

    Parameters
    ----------
    path : path-like
        Where the file shall be. An existing file is replaced, and keeps its permissions; a link is followed.
    inputs : iterable of path-like
        Files that are being read; `path` must be none of them.

    Yields
    ------
    file
        Writable binary file; its ``name`` is the path it is written under meanwhile.

    Raises
    ------
    InputError
        If `check_output` refuses `path`.
    OSError
        If the file cannot be written; its ``filename`` is `path`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "greeting")
    ...     with atomic_output(path) as file:
    ...         _ = file.write(b"hello")
    ...     os.listdir(folder)
    ['greeting']
    """
    path = os.fsdecode(path)
    check_output(path, inputs)
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                yield file
        else:
            yield from _beside(os.path.realpath(path))
    except OSError as error:
        if error.errno is not None and (error.filename is None or _is_temporary(error.filename)):
            raise OSError(error.errno, error.strerror, path) from error
        raise


def _is_temporary(name):
    return str(name).endswith(f".{os.getpid()}.tmp")


def _beside(target):
    # no other thread, nor a process of the same number on another machine, may have the name: it would be taken away
    temporary = f"{target}.{secrets.token_hex(4)}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            if os.path.exists(target):
                os.fchmod(file.fileno(), stat.S_IMODE(os.stat(target).st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # the name is there; not every file system can sync a directory
        folder = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
