# SPDX-License-Identifier: Apache-2.0
"""Text that is read once, from first to last: files, pipes and standard input, plain, gzip or BGZF."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterator

from ..errors import InputError
from .bgzf import EOF_BLOCK

HEAD_BYTES = 18  # of a file that are sure to be seen ahead of reading, if it has them: those of BGZF's first head
_BUFFER_BYTES = 1 << 18
_GZIP = b"\x1f\x8b"
READ_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)  # of unpacking what is truncated or corrupt


class Text:
    """An input, open for reading its bytes once: unpacked where it is gzip or BGZF, never sought in.

    Close it, or use it in a ``with`` statement.

    Parameters
    ----------
    path : path-like
        ``-`` is standard input.

    Attributes
    ----------
    path : str
    name : str
        For messages: the path, or ``standard input``.
    head : bytes
        The first `HEAD_BYTES` or more, fewer only of a smaller file; reading gives them again.
    packing : str
        ``gzip``, ``BGZF`` or nothing.
    is_regular : bool
        Whether it is a file of that name, which can be opened again.

    Raises
    ------
    InputError
        If there is nothing in it, or it is truncated or corrupt: of what is not a regular file that is found where
        it ends.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fsdecode(path)
        self.name = "standard input" if self.path == "-" else self.path
        self.is_regular = os.path.isfile(self.path)
        self._raw = self._open()
        try:
            ends = _Checked(self._raw, self.name)
            packed = io.BufferedReader(ends, _BUFFER_BYTES)
            start = packed.peek(HEAD_BYTES)
            if not start:
                raise InputError(f"{self.name}: the file is empty")
            self.packing = ""
            self._file = packed
            if start.startswith(_GZIP):
                is_bgzf = start[3:4] == b"\x04" and start[12:14] == b"BC"
                self.packing = "BGZF" if is_bgzf else "gzip"
                if is_bgzf:
                    ends.expect(EOF_BLOCK)
                unpacked = gzip.GzipFile(fileobj=packed, mode="rb")
                self._file = io.BufferedReader(_Checked(unpacked, self.name), _BUFFER_BYTES)
            self.head = self._file.peek(HEAD_BYTES)
            if not self.head:
                raise InputError(f"{self.name}: the file is empty once it is unpacked")
        except BaseException:
            self.close()
            raise

    def _open(self):
        if self.path != "-":
            if os.path.isdir(self.path):
                raise IsADirectoryError(errno.EISDIR, "a directory, not the name of a file", self.path)
            return open(self.path, "rb", buffering=0)
        if sys.stdin.isatty():
            raise InputError("standard input is a terminal; send a file or a pipe into it")
        return sys.stdin.buffer

    def __iter__(self) -> Iterator[bytes]:
        """Lines, the last one as it stands."""
        return iter(self._file)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def close(self) -> None:
        if self._raw is not None and self.path != "-":
            self._raw.close()
        self._raw = None

    def __enter__(self) -> Text:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Checked(io.RawIOBase):
    """Another binary file, read `HEAD_BYTES` or more at a time, that says in one sentence what is wrong with it."""

    def __init__(self, file, name):
        self._file = file
        self._name = name
        self._expected = None
        self._tail = b""

    def expect(self, end):
        """Refuse the file if these are not its last bytes: now if that can be seen, or else where it ends."""
        self._expected = end
        try:
            number = self._file.fileno()
            state = os.fstat(number)
        except (OSError, io.UnsupportedOperation):  # nothing that the system knows
            return
        if stat.S_ISREG(state.st_mode):
            self._check(os.pread(number, len(end), max(state.st_size - len(end), 0)))

    def _check(self, tail):
        if tail != self._expected:
            raise InputError(
                f"{self._name}: the file is truncated: BGZF's end-of-file block is missing; fetch or write it again"
            )

    def readable(self):
        return True

    def readinto(self, buffer):
        view, n = memoryview(buffer), 0
        try:
            while n < min(len(view), HEAD_BYTES) and (more := self._file.readinto(view[n:])):
                n += more
        except READ_ERRORS as error:
            raise InputError(
                f"{self._name}: the file is truncated or corrupt ({error}); fetch or write it again"
            ) from error
        if n:
            self._tail = (self._tail + bytes(view[max(n - len(EOF_BLOCK), 0) : n]))[-len(EOF_BLOCK) :]
        elif self._expected is not None:
            self._check(self._tail)
        return n
