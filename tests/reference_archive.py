# SPDX-License-Identifier: Apache-2.0
"""A plain reader of archives, written from FORMAT.md §5 and not from the code: slow, trusting, one value at a time."""

import lzma
import struct
from types import SimpleNamespace

import numpy as np
import reference_coders
import reference_gaps
import reference_mosaic
import reference_pbwt
import reference_runs
import reference_sites

from fastae.rans import FrequencyTable  # §2.2 has its own tests


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        assert self.at <= len(self.data)
        return self.data[self.at - n : self.at]

    def rest(self):
        return self.take(len(self.data) - self.at)

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def zigzag(self):
        value = self.varint()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def counted(self):
        return self.take(self.varint())

    def text(self):
        return self.counted().decode("utf-8", "surrogateescape")

    def stream(self, data, n, table):
        return reference_coders.rans_decode(data, n, table.frequencies, table.precision)

    def packed_array(self, n):
        """§5.3"""
        form = self.u8()
        if form == 0:
            return [self.u8()] * n
        data = self.counted()
        if form == 2:
            return list(unfold(data))
        table, used = FrequencyTable.from_bytes(data)
        return self.stream(data[used:], n, table)


def unfold(data):
    source = Bytes(data)
    n = source.varint()
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 23}]
    out = lzma.decompress(source.rest(), format=lzma.FORMAT_RAW, filters=filters)
    assert len(out) == n
    return out


def unpacked(data, n, bits):
    """§1"""
    number = int.from_bytes(data, "little")
    assert len(data) == (n * bits + 7) // 8
    return [number >> i * bits & ((1 << bits) - 1) for i in range(n)]


def read_container(data):
    """§5.1: the index, and the bytes of sections by (kind, window, slab)."""
    assert data[:12] == bytes.fromhex("894641450d0a1a0a") + bytes(4)
    length, _, total = struct.unpack("<QIQ", data[-32:-12])
    assert total == len(data)
    index = Bytes(data[-32 - length : -32])
    out = SimpleNamespace(n_samples=index.varint(), ploidy=index.varint(), slab=index.varint(), windows=[], sections={})
    names = [index.text() for _ in range(index.varint())]
    for _ in range(index.varint()):
        window = SimpleNamespace(n_sites=index.varint(), ploidy=index.varint(), spans=[])
        for _ in range(index.varint()):
            name, first = names[index.varint()], index.varint()
            window.spans.append((name, first, first + index.varint()))
        out.windows.append(window)
    at = 16
    for _ in range(index.varint()):
        kind, length, _ = index.u8(), index.varint(), index.take(4)
        window = index.varint() if kind >= 2 else 0
        slab, predictor = (index.varint(), index.u8()) if kind == 5 else (0, 0)
        n_latents = index.varint() if kind in (4, 5) else 0
        out.sections[kind, window, slab] = data[at : at + length], predictor, n_latents
        at += length
    assert index.rest() == b""
    return out


def read_sites(data, n_sites):
    """§5.2"""
    outer = Bytes(data)
    long_positions, prefix = outer.u8(), outer.text()
    series, end = [], 0
    for _ in range(outer.varint()):
        start = end + outer.varint()
        end = start + outer.varint() + 1
        series.append((start, end - start))
    gaps, pairs, ids = reference_sites.decode(outer.counted(), n_sites, series)
    source = Bytes(unfold(outer.rest()))
    parts = [source.counted() for _ in range(8)]
    assert source.rest() == b""

    def texts(number, m):
        lines = parts[number].decode("utf-8", "surrogateescape").split("\n")
        return iter(lines * m if len(lines) == 1 else lines)

    if long_positions:
        steps = Bytes(parts[1])
        gaps = [steps.zigzag() for _ in range(n_sites)]
    others, named = pairs.count(16), ids.count(1)
    written = {2: texts(2, named), 3: texts(3, others), 4: texts(4, others)}
    ids = ["." if i == 0 else next(written[2]) if i == 1 else f"{prefix}{i - 2}" for i in ids]
    ref = [next(written[3]) if pair == 16 else "ACGT"[pair // 4] for pair in pairs]
    alt = [next(written[4]) if pair == 16 else "ACGT"[pair % 4] for pair in pairs]
    chrom, *rest = (list(texts(number, n_sites)) for number in (0, 5, 6, 7))
    return [chrom, np.cumsum(gaps).tolist(), ids, ref, alt, *rest]


def read_columns(data, n_sites):
    """§5.4: what rows are, usual phase of sites, [(site, slot, kind, rho, common bit)]."""
    source = Bytes(data)
    rows = source.u8()
    phase = source.packed_array((n_sites + 7) // 8)
    low, high = source.packed_array(n_sites), source.packed_array(n_sites)
    site = [i for i in range(n_sites) for _ in range(low[i] + 256 * high[i])]
    place = {}  # of the columns in the arrays of slots and kinds
    counts = [site.count(i) for i in range(n_sites)]
    for count in sorted(set(counts)):
        for which in range(count):
            for i in range(n_sites):
                if counts[i] == count:
                    place[i, which] = len(place)
    order = [place[i, which] for i in range(n_sites) for which in range(counts[i])]
    slot, kind = ([array[at] for at in order] for array in (source.packed_array(len(site)) for _ in range(2)))
    rate = source.packed_array(len(site))
    assert source.rest() == b""
    usual = [phase[i // 8] >> 7 - i % 8 & 1 for i in range(n_sites)]
    return rows, usual, [(s, t, k, r & 127, r >> 7) for s, t, k, r in zip(site, slot, kind, rate, strict=True)]


def read_gaps(data, columns, n_rows):
    """§5.5: bits (n_columns, n_rows)."""
    bits = [[common] * n_rows for *_, common in columns]
    by_rho = {}
    for number, (*_, rho, _) in enumerate(columns):
        if rho < 127:
            by_rho.setdefault(rho, []).append(number)
    if not by_rho:
        assert data == b""
        return bits
    classes = sorted(by_rho.items())
    source = Bytes(data)
    n_events = source.varint()
    events = reference_gaps.gaps_decode(
        source.rest(), [len(c) * n_rows for _, c in classes], [rho for rho, _ in classes]
    )
    assert sum(map(len, events)) == n_events
    for (_, members), found in zip(classes, events, strict=True):
        for cell in found:
            bits[members[cell // n_rows]][cell % n_rows] ^= 1
    return bits


def read_model(data, n_latents):
    """§5.6 and the codebook of §5.7."""
    source = Bytes(data[n_latents:])
    model = SimpleNamespace(latent_bits=source.u8())
    n_hidden = source.varint()
    model.sizes = [source.varint() for _ in range(n_hidden + 2)]
    pairs = [(source.varint(), source.varint()) for _ in range(n_hidden)]
    model.multipliers, model.shifts = [m for m, _ in pairs], [s for _, s in pairs]
    weights = [source.packed_array(a * b) for a, b in zip(model.sizes[:-1], model.sizes[1:], strict=True)]
    model.weights = np.concatenate([np.array(w) for w in weights]) - 128
    biases = [source.zigzag() for _ in range(sum(model.sizes[1:-1]))]
    model.biases = np.array(biases + [0] * model.sizes[-1])
    assert source.rest() == b""
    book = Bytes(data[:n_latents])
    n = book.varint()
    model.table, used = FrequencyTable.from_bytes(data[book.at : n_latents])
    book.take(used)
    codes = unpacked(book.rest(), n * model.sizes[0], model.latent_bits)
    model.codebook = np.array(codes).reshape(n, model.sizes[0])
    scores = reference_coders.intdec_scores(model, model.codebook).T.astype(int)
    model.leans = (2 * scores > (scores.max(axis=1) + scores.min(axis=1))[:, None]).astype(np.uint8)
    return model


def read_latents(data, model, n_rows):
    """§5.7: each row's number in the codebook."""
    source = Bytes(data)
    magnitudes = source.stream(source.counted(), n_rows, model.table)
    widths = [max(magnitude // 2 - 1, 0) for magnitude in magnitudes]
    bits = iter(unpacked(source.rest(), sum(widths), 1))
    numbers = []
    for magnitude, width in zip(magnitudes, widths, strict=True):
        rest = sum(next(bits) << i for i in range(width))
        numbers.append(((2 + magnitude % 2) << width | rest) - 1 if magnitude else 0)
    return np.array(numbers, int)


def guides(model, numbers):
    """§5.6: what guides the stream of alleles, and that of all else."""
    codes = model.codebook[numbers].tolist()
    rows = np.array(sorted(range(len(codes)), key=lambda row: codes[row]))
    return [SimpleNamespace(leans=leans, codes=numbers, rows=rows) for leans in (model.leans, model.leans[:0])]


def read_wings(data, n_columns, n_rows):
    source = Bytes(data)
    start = source.varint()
    return reference_pbwt.decode(source.counted(), source.rest(), n_columns, n_rows, start)


SORTED = {2: read_wings, 3: reference_runs.decode}  # by predictor


def read_sorted(data, columns, n_rows, decode):
    """§5.8: bits (n_columns, n_rows)."""
    source = Bytes(data)
    bits = [None] * len(columns)
    for stream, wanted in ((source.counted(), True), (source.rest(), False)):
        members = [i for i, (_, _, kind, *_) in enumerate(columns) if (1 <= kind <= 126) == wanted]
        assert members or not stream
        if members:
            for i, row_bits in zip(members, decode(stream, len(members), n_rows), strict=True):
                bits[i] = row_bits
    return bits


def read_mosaic(data, rows, columns, n_sites, n_rows):
    """§5.11: bits (n_columns, n_rows)."""
    source = Bytes(data)
    spared = np.unpackbits(np.array(source.packed_array((n_sites + 7) // 8), np.uint8))[:n_sites]
    stream = source.counted()
    kinds, dosage_sites = [], []
    for site in range(n_sites):
        there = [kind for s, _, kind, *_ in columns if s == site and kind not in (0, 129)]
        can = rows == 1 and set(there) <= {1, 127} and there.count(127) != 1
        assert can or not spared[site]
        if can and not spared[site] and there:
            dosage_sites.append(site)
            kinds.append((1 in there) + 2 * (127 in there))
    assert kinds or not stream
    calls = dict(zip(dosage_sites, reference_mosaic.decode(stream, kinds, n_rows) if kinds else [], strict=True))
    rest = [i for i, (site, _, kind, *_) in enumerate(columns) if site not in calls or kind in (0, 129)]
    left = read_sorted(source.rest(), [columns[i] for i in rest], n_rows, read_wings)
    bits = dict(zip(rest, left, strict=True))
    for i, (site, slot, kind, *_) in enumerate(columns):
        if i not in bits:
            bits[i] = np.isin(calls[site], 3 if kind == 127 else (1, 2) if slot else 2)
    return [bits[i] for i in range(len(columns))]


def read_guided(data, columns, model, numbers):
    """§5.6: bits (n_columns, n_rows)."""
    source = Bytes(data)
    bits = [None] * len(columns)
    streams = (source.counted(), True), (source.rest(), False)
    for (stream, wanted), guide in zip(streams, guides(model, numbers), strict=True):
        members = [i for i, (_, _, kind, *_) in enumerate(columns) if (1 <= kind <= 126) == wanted]
        assert members or not stream
        if members:
            found = reference_pbwt.decode_guided(stream, len(members), guide)
            for i, row_bits in zip(members, found, strict=True):
                bits[i] = row_bits
    return bits


def read_calls(bits, rows, usual, columns, n_sites, n_samples, ploidy):
    """§5.4: calls (n_sites, n_samples, ploidy) and phase (n_sites, n_samples)."""
    calls = np.zeros((n_sites, n_samples, ploidy), np.int8)
    phased = np.repeat(np.array(usual, bool)[:, None], n_samples, axis=1)
    swapped = np.zeros((n_sites, n_samples), bool)
    for row_bits, (site, slot, kind, *_) in zip(bits, columns, strict=True):
        for row in np.flatnonzero(row_bits):
            sample, haplotype = (row, slot) if rows == 1 else divmod(row, ploidy)
            if kind == 0:
                phased[site, sample] ^= True
            elif kind == 129:
                swapped[site, sample] = True
            else:
                calls[site, sample, haplotype] = {127: -1, 128: -2}.get(kind, kind)
    if rows == 2:
        for call, is_phased in zip(calls.reshape(-1, 2), phased.ravel(), strict=True):
            if not is_phased and call.min() >= 0:
                call.sort()
    calls[swapped] = calls[swapped][:, ::-1]
    several = calls[:, :, 1] != -2 if ploidy > 1 else np.zeros((n_sites, n_samples), bool)
    return calls, phased & several


def read_stored_latents(data, n_samples):
    """§5.12: numbers (n_samples, rows of a sample, latents)."""
    source = Bytes(data)
    bits, per_sample, n_latents = source.u8(), source.varint(), source.varint()
    codes = unpacked(source.rest(), n_samples * per_sample * n_latents, bits)
    top = 2**bits - 1
    return np.array([(2 * q - top) / top for q in codes]).reshape(n_samples, per_sample, n_latents)


def read_archive(data):
    """Everything: source, header, attributes, samples, the eight site columns, calls, phase, latents by block."""
    index = read_container(data)
    head = Bytes(unfold(index.sections[0, 0, 0][0]))
    out = SimpleNamespace(source=head.text(), header=head.text(), sites=[[] for _ in range(8)], latents={}, stored={})
    out.attributes = {head.text(): head.text() for _ in range(head.varint())}
    names = unfold(index.sections[1, 0, 0][0]).decode("utf-8", "surrogateescape")
    out.samples = names.split("\n") if index.n_samples else []
    assert len(out.samples) == index.n_samples
    n_all = sum(window.n_sites for window in index.windows)
    out.calls = np.full((n_all, index.n_samples, index.ploidy), -2, np.int8)
    out.phased = np.zeros((n_all, index.n_samples), bool)
    start = 0
    for number, window in enumerate(index.windows):
        for column, more in zip(out.sites, read_sites(index.sections[2, number, 0][0], window.n_sites), strict=True):
            column += more
        rows, usual, columns = read_columns(index.sections[3, number, 0][0], window.n_sites)
        if (4, number, 0) in index.sections:
            model_bytes, _, n_latents = index.sections[4, number, 0]
            model = read_model(model_bytes, n_latents)
        for slab, first in enumerate(range(0, index.n_samples, index.slab)):
            n_samples = min(index.slab, index.n_samples - first)
            n_rows = n_samples * (1 if rows == 1 else window.ploidy)
            payload, predictor, n_latents = index.sections[5, number, slab]
            if predictor == 0:
                bits = read_gaps(payload, columns, n_rows)
            elif predictor in SORTED:
                bits = read_sorted(payload, columns, n_rows, SORTED[predictor])
            elif predictor == 4:
                bits = read_mosaic(payload, rows, columns, window.n_sites, n_rows)
            else:
                numbers = read_latents(payload[:n_latents], model, n_rows)
                bits = read_guided(payload[n_latents:], columns, model, numbers)
                out.latents[number, slab] = model.codebook[numbers]
            where = slice(start, start + window.n_sites), slice(first, first + n_samples)
            calls, phased = read_calls(bits, rows, usual, columns, window.n_sites, n_samples, window.ploidy)
            out.calls[where][:, :, : window.ploidy] = calls
            out.phased[where] = phased
        if (6, number, 0) in index.sections:
            out.stored[number] = read_stored_latents(index.sections[6, number, 0][0], index.n_samples)
        start += window.n_sites
    return out
