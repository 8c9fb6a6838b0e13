# SPDX-License-Identifier: Apache-2.0
"""The reader under a coverage-guided fuzzer, atheris, whose mutations keep lengths and checksums of an archive in step.

CORPUS holds archives; a mutation changes one section, behind its compression if it has one, or the index. Whatever
comes of it is read wholly: it is refused by FormatError, or decodes. With an extension built by clang with
-fsanitize=fuzzer-no-link,address,undefined, and atheris' asan_with_fuzzer.so preloaded:

    python tests/fuzz/fuzz_reader.py -max_total_time=600 -timeout=20 -rss_limit_mb=4096 -malloc_limit_mb=1200 CORPUS
"""

import contextlib
import os
import random
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))

with atheris.instrument_imports(include=["fastae"]):
    import hostile

    from fastae.archive import container
    from fastae.errors import FormatError

PATH = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)) / "fuzzed.fae"


def read_archive(data):
    PATH.write_bytes(data)
    with contextlib.suppress(FormatError):
        hostile.read_everything(PATH)


def mutate_archive(data, max_size, seed):
    """Other bytes in one place of an archive, all else in step."""
    draw = random.Random(seed)
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
    atheris.Setup(sys.argv, read_archive, custom_mutator=mutate_archive)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
