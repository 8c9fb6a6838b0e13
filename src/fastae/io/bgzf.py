# SPDX-License-Identifier: Apache-2.0
"""BGZF, the blocked gzip of VCF and BCF (SAM specification, section 4.1): checked reading, threaded writing."""

from __future__ import annotations

import collections
import gzip
import os
import stat
import struct
import zlib
from concurrent.futures import Future, ThreadPoolExecutor

from ..errors import InputError

BLOCK_BYTES = 65280  # of text per block, as bgzip has it: a block that does not shrink still fits 16-bit sizes
EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_BATCH_BLOCKS = 16  # compressed by one task: enough work to pay for handing it over
_READ_BYTES = 1 << 20
_MAGIC = b"\x1f\x8b"


def open_text(path):
    """Open a text file for reading bytes, through gzip or BGZF where it is compressed.

    Raises
    ------
    InputError
        If the file is empty or a BGZF file without its end-of-file block. Iterating a truncated or corrupt gzip
        raises EOFError, gzip.BadGzipFile or zlib.error: see `READ_ERRORS`.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        kind = "is a directory" if os.path.isdir(path) else "cannot be read twice"
        raise InputError(f"{path}: {kind}; give the name of a file")
    with open(path, "rb") as file:
        head = file.read(18)
        file.seek(max(os.fstat(file.fileno()).st_size - len(EOF_BLOCK), 0))
        tail = file.read()
    if not head:
        raise InputError(f"{path}: the file is empty")
    if not head.startswith(_MAGIC):
        return open(path, "rb")
    if head[3:4] == b"\x04" and head[12:14] == b"BC" and tail != EOF_BLOCK:
        raise InputError(f"{path}: the file is truncated: BGZF's end-of-file block is missing; fetch or write it again")
    return gzip.open(path, "rb")


def ends_in_newline(path):
    """Whether the last byte of a text file, unpacked, is a line feed.

    Of BGZF only the heads of the blocks and the last block are read, of gzip everything.

    Raises
    ------
    InputError, EOFError, gzip.BadGzipFile, zlib.error
        As reading it with `open_text`.
    """
    with open_text(path) as file, open(path, "rb") as raw:
        if isinstance(file, gzip.GzipFile):
            start = 0
            while (head := raw.read(18))[:4] == EOF_BLOCK[:4] and head[12:14] == b"BC":
                size = int.from_bytes(head[16:], "little") + 1
                if size == len(EOF_BLOCK):
                    break
                start = raw.tell() - len(head)
                raw.seek(start + size)
            raw.seek(start)
            file = gzip.GzipFile(fileobj=raw)
        else:
            file.seek(-1, os.SEEK_END)
        last = b"\n"
        while data := file.read(_READ_BYTES):
            last = data[-1:]
    return last == b"\n"


READ_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


def _compress(data):
    """BGZF blocks of up to `_BATCH_BLOCKS` times `BLOCK_BYTES` bytes."""
    blocks = []
    for start in range(0, len(data), BLOCK_BYTES):
        text = data[start : start + BLOCK_BYTES]
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = deflate.compress(text) + deflate.flush()
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
        blocks += [head, body, struct.pack("<II", zlib.crc32(text), len(text))]
    return b"".join(blocks)


class BgzfWriter:
    """Writes BGZF to a binary file in a ``with`` block; the file itself stays open."""

    def __init__(self, file, n_threads=2):
        self._file = file
        self._held = bytearray()
        self._pool = ThreadPoolExecutor(n_threads)
        self._pending: collections.deque[Future[bytes]] = collections.deque()
        self._max_pending = 2 * n_threads

    def write(self, data):
        self._held += data
        size = _BATCH_BLOCKS * BLOCK_BYTES
        n_whole = len(self._held) // size * size
        for start in range(0, n_whole, size):
            self._submit(bytes(self._held[start : start + size]))
        del self._held[:n_whole]

    def _submit(self, data):
        self._pending.append(self._pool.submit(_compress, data))
        while len(self._pending) > self._max_pending:
            self._file.write(self._pending.popleft().result())

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """Write what is left and the end-of-file block, unless an exception makes the file worthless."""
        try:
            if kind is None:
                if self._held:
                    self._submit(bytes(self._held))
                while self._pending:
                    self._file.write(self._pending.popleft().result())
                self._file.write(EOF_BLOCK)
        finally:
            self._pool.shutdown(cancel_futures=True)
