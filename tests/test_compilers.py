# SPDX-License-Identifier: Apache-2.0
"""Archives decode to the same bytes whatever compiler and optimisation the kernels were built with."""

import itertools
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from fuzz import seed

from fastae import _core
from fastae.archive import open_archive

ROOT = Path(__file__).parent.parent
RUNS_DECODE = _core.runs_decode
BUILDS = list(itertools.product(("gcc", "clang"), ("-O0", "-O3")))


class Recorder:
    """Decodes as `_core` does, and keeps what it decoded: inputs of the fuzzer and the bytes that came of them."""

    KERNELS = ("pbwt", "runs", "mosaic", "gaps", "guided", "rans", "bitpack", "sites")

    def __init__(self):
        self.found = {}
        self._decoders = {name: _core.__dict__[self._function(name)] for name in self.KERNELS}

    @staticmethod
    def _function(kernel):
        return "bitpack_unpack" if kernel == "bitpack" else f"{kernel}_decode"

    def __enter__(self):
        for name in self.KERNELS:
            setattr(_core, self._function(name), lambda *args, name=name: self._decode(name, args))
        return self

    def __exit__(self, *exc_info):
        for name in self.KERNELS:
            setattr(_core, self._function(name), self._decoders[name])

    def _decode(self, name, args):
        result = self._decoders[name](*args)
        data, out = getattr(self, f"_{name}")(*args)
        self.found[data] = b"".join(np.ascontiguousarray(part).tobytes() for part in out)
        return result

    @staticmethod
    def _pbwt(src, right, n_columns, n_rows, start, first, last, rows, bits, spent=None):
        assert rows is None and spent is None
        return seed.head(seed.PBWT, 0, n_columns, n_rows, start, first, last, 0, right) + bytes(src), [bits]

    @staticmethod
    def _runs(src, n_columns, n_rows, first, rows, places, values, over, out):
        """All columns apart, each in a row of its own."""
        bits = np.empty((len(places), n_rows), np.int8)
        numbers = np.arange(len(places))
        RUNS_DECODE(src, n_columns, n_rows, first, None, numbers, (1 + numbers % 100).astype(np.int8), 0, bits)
        return seed.head(seed.RUNS, 0, n_columns, n_rows, 0, first, first + len(places)) + bytes(src), [bits]

    @staticmethod
    def _mosaic(src, kinds, first, last, calls, spent=None):
        assert spent is None
        shape = seed.head(seed.MOSAIC, 0, len(kinds), calls.shape[1], 0, first, last)
        return shape + bytes(kinds) + bytes(src), [calls]

    @staticmethod
    def _gaps(src, n_cells, rates, positions, counts):
        sizes = b"".join(int(n).to_bytes(3, "little") for n in n_cells)
        return seed.head(seed.GAPS, 0, len(counts), len(positions)) + bytes(rates) + sizes + bytes(src), [positions]

    @staticmethod
    def _guided(src, first, last, leans, codes, rows, guided, bits, spent=None):
        """With codes numbered in the order in which rows are sorted by them."""
        order = [*dict.fromkeys(codes[rows].tolist()), *sorted(set(range(leans.shape[1])) - set(codes.tolist()))]
        numbers = np.argsort(order)[codes].astype(np.uint8)
        shape = seed.head(seed.GUIDED, 0, len(guided), len(codes), leans.shape[0], first, last, leans.shape[1])
        return shape + leans[:, order].tobytes() + numbers.tobytes() + bytes(src), [bits]

    @staticmethod
    def _rans(src, freqs, precision, values):
        shape = seed.head(seed.RANS, 0, len(freqs), precision, len(values))
        return shape + freqs.astype("<u2").tobytes() + bytes(src), [values]

    @staticmethod
    def _bitpack(src, bits, values):
        return seed.head(seed.BITPACK, 0, len(values), bits) + bytes(src), [values]

    @staticmethod
    def _sites(src, starts, widths, gaps, pairs, ids):
        ends = np.concatenate([[0], (starts + widths)[:-1]])
        raw = np.stack([starts - ends, widths - 1], axis=1).astype("<u4").tobytes()
        return seed.head(seed.SITES, 0, len(gaps), len(starts)) + raw + bytes(src), [gaps, ids, pairs]


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    """A folder of all streams of the golden archives, and the checksums of what the extension makes of each."""
    folder, sums = tmp_path_factory.mktemp("streams"), {}
    for archive_path in sorted((ROOT / "tests" / "golden" / "archive-v0").glob("*.fae")):
        with Recorder() as recorder, open_archive(archive_path) as archive:
            archive.read()
        for number, (data, out) in enumerate(recorder.found.items()):
            name = f"{archive_path.stem}_{number}"
            (folder / name).write_bytes(data)
            sums[name] = str(zlib.crc32(out))
    return folder, sums


@pytest.mark.parametrize(("compiler", "level"), BUILDS)
def test_golden_streams_decode_alike_by_every_compiler(streams, tmp_path, compiler, level):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    folder, sums = streams
    decoders = next(
        line for line in (ROOT / "Makefile").read_text().replace("\\\n", "").splitlines() if "DECODERS :=" in line
    )
    sources = [ROOT / "csrc" / f"{name}.c" for name in decoders.split(":=")[1].split()]
    command = [compiler, "-std=c11", level, "-D_DEFAULT_SOURCE", f"-I{ROOT / 'csrc'}"]
    command += [ROOT / "tests" / "fuzz" / "replay.c", ROOT / "tests" / "fuzz" / "fuzz_kernels.c", *sources]
    subprocess.run([*command, "-lm", "-lpthread", "-o", tmp_path / "replay"], check=True)
    printed = subprocess.run([tmp_path / "replay", folder], check=True, capture_output=True, text=True).stdout
    assert dict(line.split() for line in printed.splitlines()) == sums
    kernels = {path.read_bytes()[0] for path in folder.iterdir()}
    assert kernels >= {seed.PBWT, seed.RUNS, seed.MOSAIC, seed.GAPS, seed.GUIDED, seed.RANS, seed.SITES}
