# SPDX-License-Identifier: Apache-2.0
"""Files elsewhere, read piece by piece through fsspec: HTTP servers, object stores, members of ZIP files, memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import InputError

_TAIL = 1 << 16  # bytes at the end, where an archive has its index, that are read at once and kept
_T = TypeVar("_T")


class RemoteFile:
    """A file that fsspec opens; nothing of it is read but what is asked for, and its last 64 KiB.

    Parameters
    ----------
    place : str, or file of fsspec
        A URL, or what ``fsspec.open`` gives; with it go credentials and other settings.

    Raises
    ------
    InputError
        If fsspec or what it needs is not installed, if it knows no such protocol, or the file cannot be read in pieces.
    OSError
        If the file cannot be read; FileNotFoundError if it is not there.
    """

    is_remote = True

    def __init__(self, place: Any) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise InputError(f"{place}: files elsewhere need fsspec: pip install 'fastae[remote]'") from error
        if isinstance(place, str):
            self.name = place
            try:
                self._fs, self._path = fsspec.url_to_fs(place)
            except ImportError as error:
                raise InputError(f"{place}: {error}: pip install 'fastae[remote]'") from error
            except ValueError as error:
                raise InputError(f"{place}: {error}; give a path, or a URL of a protocol that fsspec knows") from error
        else:
            self._fs, self._path = place.fs, place.path
            self.name = self._fs.unstrip_protocol(self._path)
            if getattr(place, "compression", None):
                raise InputError(f"{self.name}: an archive is read in pieces, so open it without compression=")
        self._process = os.getpid()
        self.size, self._tail = self._asked("opening it", self._read_tail)

    def _read_tail(self) -> tuple[int, bytes]:
        # unlike cat_file, a file of HTTP refuses a server that would send everything
        with self._fs.open(self._path, "rb", cache_type="none") as file:
            if not getattr(file, "size", 1):  # None: the server does not say, and the file cannot be read in pieces
                return self._sized(file.size), b""
            size = self._sized(file.seek(0, os.SEEK_END) or file.tell())
            length = min(size, _TAIL)
            file.seek(size - length)
            return size, self._exactly(file.read(length), size - length, length)

    def _sized(self, size: int | None) -> int:
        if size is None:
            raise InputError(f"{self.name}: the server does not say how long the file is: download it first")
        return size

    def _exactly(self, data: bytes, offset: int, length: int) -> bytes:
        if len(data) > length:
            raise InputError(
                f"{self.name}: the server sends {len(data)} bytes where {length} at {offset} are asked for, "
                "so the file cannot be read in pieces: download it first"
            )
        if len(data) < length:
            raise OSError(f"{self.name}: {len(data)} of {length} bytes at {offset} came: the answer was cut short")
        return data

    def _asked(self, what: str, ask: Callable[[], _T]) -> _T:
        """What a request gives; its failures, of which each protocol has its own, as ours."""
        try:
            return ask()
        except InputError:
            raise
        except FileNotFoundError as error:
            cause = error.__cause__  # fsspec says so of servers that cannot be reached, too
            if cause is not None and not isinstance(cause, FileNotFoundError) and getattr(cause, "status", 0) != 404:
                raise OSError(f"{self.name}: {what} failed: {cause}") from error
            raise FileNotFoundError(f"{self.name}: there is no such file") from error
        except PermissionError as error:
            raise PermissionError(f"{self.name}: it may not be read: {error}") from error
        except ValueError as error:
            if "range request" in str(error) or "seek" in str(error):
                raise InputError(
                    f"{self.name}: the server does not give parts of a file (range requests): download it first"
                ) from error
            raise OSError(f"{self.name}: {what} failed: {error}") from error
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise error if str(self.name) in reason else OSError(f"{self.name}: {what} failed: {reason}") from error

    def read(self, offset: int, length: int) -> bytes:
        """Exactly so many bytes."""
        start = offset - (self.size - len(self._tail))
        if start >= 0:
            return self._exactly(self._tail[start : start + length], offset, length)
        if not length:
            return b""
        if self._process != os.getpid():  # connections do not survive a fork; fsspec then makes new ones
            make, given = self._fs.__reduce__()
            self._fs, self._process = make(*given), os.getpid()
        data = self._asked(
            f"reading {length} bytes at {offset}",
            lambda: self._fs.cat_file(self._path, start=offset, end=offset + length),
        )
        return self._exactly(data, offset, length)

    def close(self) -> None:
        """Forget the end of the file; connections are fsspec's, which shares them."""
        self._tail = b""

    def place(self) -> Any:
        """A file of fsspec, which can be pickled, not opened."""
        from fsspec.core import OpenFile

        if "memory" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,)):
            raise TypeError(f"{self.name} is in the memory of this process, where no other can open it: write a file")
        return OpenFile(self._fs, self._path)
