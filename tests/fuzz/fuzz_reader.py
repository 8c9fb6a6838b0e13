# SPDX-License-Identifier: Apache-2.0
"""The reader under a coverage-guided fuzzer, atheris, whose mutations keep lengths and checksums of an archive in step.

CORPUS holds archives and chunks of arrays; a mutation changes one section, behind its compression if it has one, or the
index, or what a chunk's checksum covers. Whatever comes of it is read wholly, computed on, cut and joined: each is
refused by FormatError, or done. With an extension built by clang with
-fsanitize=fuzzer-no-link,address,undefined, and atheris' asan_with_fuzzer.so preloaded:

    python tests/fuzz/fuzz_reader.py -max_total_time=600 -timeout=20 -rss_limit_mb=4096 -malloc_limit_mb=1200 CORPUS
"""

import contextlib
import os
import random
import sys
import tempfile
import zlib
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))

with atheris.instrument_imports(include=["fastae"]):
    import hostile

    from fastae.archive import chunks, container
    from fastae.errors import FormatError

PATH = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)) / "fuzzed.fae"


def use(data):
    with contextlib.suppress(FormatError):
        if data.startswith(chunks.MAGIC):
            chunks.decode_chunk(data)
            return
        PATH.write_bytes(data)
        edited = zlib.crc32(data) % 16 == 0  # to code windows again takes long
        hostile.use_everything(PATH, PATH.with_name("out.fae") if edited else None)
        hostile.read_everything(PATH)


def mutate(data, max_size, seed):
    """Other bytes in one place of an archive or of a chunk, all else in step."""
    draw = random.Random(seed)
    if data.startswith(chunks.MAGIC) and len(data) > hostile.CHUNK_HEAD:
        body = atheris.Mutate(data[hostile.CHUNK_HEAD :], max_size - hostile.CHUNK_HEAD)
        return hostile.chunk_with(data[: hostile.CHUNK_HEAD - 4], body)
    try:
        index, payloads = hostile.taken_apart(data, PATH)
    except FormatError:
        return atheris.Mutate(data, max_size)
    number = draw.randrange(len(payloads) + 1)
    if number == len(payloads):
        return hostile.with_index(data, lambda part: atheris.Mutate(part, len(part) + 50))
    sections, payload = list(index.sections), payloads[number]
    unfolded = None
    if sections[number].kind <= container.SITES and draw.random() < 0.8:
        with contextlib.suppress(FormatError):
            unfolded = container.decompress(payload, "test")
    if unfolded is None:
        payload = atheris.Mutate(payload, len(payload) + 100) if payload else bytes([draw.randrange(256)])
    else:
        payload = container.compress(atheris.Mutate(unfolded, len(unfolded) + 100)) if unfolded else payload
    payloads[number] = payload
    return hostile.put_together(index, payloads, PATH, hostile.with_lengths(sections, payloads))[:max_size]


def main():
    atheris.Setup(sys.argv, use, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
