# SPDX-License-Identifier: Apache-2.0
"""Writes inputs that fuzz_kernels.c decodes without error, for a fuzzer to start from: seed.py FOLDER."""

import struct
import sys
from pathlib import Path

import numpy as np

from fastae import _core
from fastae.rans import FrequencyTable

PBWT, RUNS, MOSAIC, GAPS, GUIDED, RANS, BITPACK, INTDEC, SITES, SUMS = range(10)


def head(kernel, option, *numbers):
    return struct.pack("<BB7H", kernel, option, *numbers, *[0] * (7 - len(numbers)))


def matrix(rng, n_columns, n_rows):
    """Columns of rows copied from three founders; a few are noise, a few nearly all ones."""
    founders = rng.random((3, n_columns)) < rng.uniform(0, 0.7, n_columns)
    bits = founders[np.sort(rng.integers(0, 3, n_rows))].T ^ (rng.random((n_columns, n_rows)) < 0.03)
    bits[::9] = rng.random((len(bits[::9]), n_rows)) < 0.5
    bits[4::9] |= rng.random((len(bits[4::9]), n_rows)) < 0.97
    return np.ascontiguousarray(bits, np.uint8)


def of_columns(rng):
    """Blocks by pbwt and runs: wholly, in part, some rows; one wing, two, either side."""
    for n_columns, n_rows in ((1, 1), (3, 2), (40, 11), (70, 40), (12, 300), (4, 5000)):
        bits = matrix(rng, n_columns, n_rows)
        dst = np.empty(4 * bits.size + 1000, np.uint8)
        parts = ((0, n_columns), (n_columns // 3, n_columns), (n_columns // 2, n_columns // 2 + 1))
        for option, (first, last) in zip((0, 1, 0), parts, strict=True):
            for start in (0, n_columns // 2, n_columns):
                right, length = _core.pbwt_encode(bits, start, n_columns % 3, dst)
                shape = (n_columns, n_rows, start, first, last, 3, right)
                yield head(PBWT, option, *shape) + dst[:length].tobytes()
            length = _core.runs_encode(bits, 4 * bits.size, dst)
            for places in range(3):
                shape = (n_columns, n_rows, 0, first, last, 3, places)
                yield head(RUNS, option + 2 * (places == 2), *shape) + dst[:length].tobytes()


def of_sums(rng):
    """Sums over columns of blocks by pbwt and by runs: counts, weights of rows, of columns, of both; masks."""
    for n_columns, n_rows in ((1, 1), (40, 11), (12, 300)):
        bits = matrix(rng, n_columns, n_rows)
        dst = np.empty(4 * bits.size + 1000, np.uint8)
        for option in (0, 4, 8, 12 + 16, 4 + 32):
            weights = rng.bytes(n_rows + n_columns) + rng.integers(0, 2, (option >> 4) * n_rows, np.uint8).tobytes()
            right, length = _core.pbwt_encode(bits, n_columns // 2, 1, dst)
            shape = (n_columns, n_rows, n_columns // 2, 0, n_columns, option // 4, right)
            yield head(SUMS, option, *shape) + weights + dst[:length].tobytes()
            length = _core.runs_encode(bits, 4 * bits.size, dst)
            yield head(SUMS, option + 2, *shape) + weights + dst[:length].tobytes()


def of_dosages(rng):
    for n_sites, n_samples in ((1, 1), (5, 3), (20, 12), (8, 33)):
        kinds = rng.integers(0, 4, n_sites).astype(np.uint8)
        calls = np.where(kinds[:, None] & 1, matrix(rng, n_sites, n_samples) + matrix(rng, n_sites, n_samples), 0)
        calls[((kinds & 2) != 0)[:, None] & (rng.random(calls.shape) < 0.1)] = 3
        dst = np.empty(4 * calls.size + 1000, np.uint8)
        length = _core.mosaic_encode(np.ascontiguousarray(calls, np.uint8), kinds, n_sites % 4, dst)
        for first in (0, n_sites // 2):
            shape = head(MOSAIC, 0, n_sites, n_samples, 0, first, n_sites)
            yield shape + kinds.tobytes() + dst[:length].tobytes()


def of_gaps(rng):
    for n_classes in (1, 3, 12):
        n_cells = rng.integers(1, 3000, n_classes).astype(np.uint32)
        rates = rng.integers(0, _core.GAPS_N_RATES, n_classes).astype(np.uint8)
        events = [np.flatnonzero(rng.random(n) < 2 ** (-(int(r) + 1) / 4)) for n, r in zip(n_cells, rates, strict=True)]
        counts = np.array([len(some) for some in events], np.uint32)
        dst = np.empty(100_000, np.uint8)
        length = _core.gaps_encode(np.concatenate(events).astype(np.uint32), counts, n_cells, rates, dst)
        sizes = b"".join(int(n).to_bytes(3, "little") for n in n_cells)
        yield head(GAPS, 0, n_classes, int(counts.sum())) + rates.tobytes() + sizes + dst[:length].tobytes()


def of_guided_columns(rng):
    for n_columns, n_rows, n_codes in ((1, 2, 1), (20, 40, 5), (30, 200, 12)):
        bits = matrix(rng, n_columns, n_rows)
        guided = (np.arange(n_columns) % 3 == 0).astype(np.uint8)
        codes = rng.integers(0, n_codes, n_rows).astype(np.uint16)
        leans = rng.integers(0, 2, (int(guided.sum()), n_codes)).astype(np.uint8)
        dst = np.empty(4 * bits.size + 1000, np.uint8)
        rows = np.argsort(codes, kind="stable").astype(np.uint16)
        length = _core.guided_encode(bits, 1, leans, codes, rows, guided, dst)
        shape = head(GUIDED, 0, n_columns, n_rows, len(leans), n_columns // 2, n_columns, n_codes)
        yield shape + leans.tobytes() + codes.astype(np.uint8).tobytes() + dst[:length].tobytes()


def of_symbols(rng):
    for n_symbols, precision, n, more in (
        (1, 1, 50, 0),
        (2, 3, 300, 0),
        (40, 12, 2000, 0),
        (256, 15, 900, 0),
        (256, 8, 400, 1),
        (3, 15, 60_000, 1),
    ):
        counts = rng.integers(1, 200, n_symbols)
        table = FrequencyTable.from_counts(counts, precision=precision)
        values = rng.integers(0, n_symbols, n + more * 65536).astype(np.uint8)
        dst = np.empty(_core.rans_bound(values.size), np.uint8)
        length = _core.rans_encode(values, table.frequencies, precision, dst)
        for option, numbers in ((0, table.frequencies), (1, counts)):
            shape = head(RANS, option, n_symbols, precision, n, more)
            yield shape + numbers.astype("<u2").tobytes() + dst[:length].tobytes()
    for bits in range(1, 9):
        yield head(BITPACK, 0, 77, bits) + rng.bytes(77 * bits // 8) + bytes(1)


def of_networks(rng):
    for widths in ((3, 2), (7, 40, 90), (10, 9, 8, 7, 5)):
        sizes, n_layers = np.array(widths), len(widths) - 1
        data = (sizes - 1).astype(np.uint8).tobytes()
        data += rng.integers(1, 1 << 12, n_layers - 1).astype("<i4").tobytes()
        data += rng.integers(8, 20, n_layers - 1).astype(np.uint8).tobytes()
        data += rng.integers(-500, 500, sizes[1:].sum()).astype("<i4").tobytes()
        data += rng.integers(0, 4, 30 * sizes[0]).astype(np.uint8).tobytes()
        data += rng.integers(-128, 128, (sizes[1:] * sizes[:-1]).sum()).astype(np.int8).tobytes()
        yield head(INTDEC, 0, n_layers - 1, 3, 30, 1) + data


def of_sites(rng):
    for n, widths in ((1, (1,)), (30, (3, 400)), (300, (1, 1, 5000)), (200, (70_000,))):
        widths = np.array(widths, np.uint32)
        starts = np.concatenate([[0], np.cumsum(widths)[:-1]]).astype(np.uint32)
        raw = b"".join(struct.pack("<II", 0, width - 1) for width in widths.tolist())
        gaps = rng.geometric(0.01, n).astype(np.int32)
        pairs = rng.choice([1, 2, 6, 9, _core.SITES_OTHER], n).astype(np.uint8)
        ids = np.sort(rng.integers(0, widths.sum(), n)).astype(np.uint32)
        dst = np.empty(64 + 24 * n, np.uint8)
        length = _core.sites_encode(gaps, pairs, ids, starts, widths, dst)
        yield head(SITES, 0, n, len(widths)) + raw + dst[:length].tobytes()


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for make in (of_columns, of_sums, of_dosages, of_gaps, of_guided_columns, of_symbols, of_networks, of_sites):
        for number, data in enumerate(make(np.random.default_rng(5))):
            (folder / f"{make.__name__}_{number}").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
