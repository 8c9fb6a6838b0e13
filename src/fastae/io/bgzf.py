# SPDX-License-Identifier: Apache-2.0
"""Threaded writing of BGZF, the blocked gzip of VCF and BCF (SAM specification, section 4.1)."""

from __future__ import annotations

import collections
import struct
import zlib
from concurrent.futures import Future, ThreadPoolExecutor

BLOCK_BYTES = 65280  # of text per block, as bgzip has it: a block that does not shrink still fits 16-bit sizes
EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_BATCH_BLOCKS = 16  # compressed by one task: enough work to pay for handing it over


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
