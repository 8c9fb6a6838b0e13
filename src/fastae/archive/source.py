# SPDX-License-Identifier: Apache-2.0
"""Where an archive's bytes come from: a file here, or one that fsspec reads."""

from __future__ import annotations

import os
import stat
from typing import Any, Protocol

from fastae.errors import FormatError, InputError
from fastae.fileio import is_url


class Source(Protocol):
    """A file that is read in pieces, by any number of threads at a time.

    Attributes
    ----------
    name : str
        For messages.
    size : int
    is_remote : bool
        Whether a request takes long, so that neighbouring pieces are better asked for at once.
    """

    size: int
    is_remote: bool

    @property
    def name(self) -> str: ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly so many bytes, or an error."""

    def close(self) -> None:
        """Let go of the file."""

    def place(self) -> Any:
        """What `open_source` makes the same of, in another process, too."""


def open_source(place: Any) -> Source:
    """The source that a path, a URL or a file of fsspec names."""
    if hasattr(place, "fs") or is_url(place):
        from fastae.io.remote import RemoteFile

        return RemoteFile(place)
    return LocalFile(place)


class LocalFile:
    """A file of the operating system; reads share no position, so threads and processes do not disturb each other."""

    is_remote = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        # a pipe is opened without waiting for its other end, and refused
        self._fd = os.open(self.name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
        self._absolute = os.path.abspath(self.name)
        state = os.fstat(self._fd)
        self.size = state.st_size
        if stat.S_ISDIR(state.st_mode):
            self.close()
            raise IsADirectoryError(f"{self.name} is a directory, an archive is a file")
        if not stat.S_ISREG(state.st_mode):
            self.close()
            raise InputError(
                f"{self.name} is a pipe or a device, an archive is read by pieces from a file; write it to one first"
            )

    def read(self, offset: int, length: int) -> bytes:
        parts = []
        while length:
            part = os.pread(self._fd, length, offset)
            if not part:
                raise FormatError(f"{self.name} ends early: it was truncated while open")
            parts.append(part)
            length -= len(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def place(self) -> str:
        return self._absolute
