# SPDX-License-Identifier: Apache-2.0
"""Predictor 1, `autoencoder`: sorted columns guided by what a decoder makes of each row's latents: §5.6, §5.7."""

from dataclasses import dataclass

import numpy as np

from . import rans
from .data import Bits, Bytes, check, unpack
from .network import IntegerDecoder
from .packed import read_array
from .sorted_columns import Guide, SortedColumns


@dataclass
class Codebook:
    """§5.7: the distinct latents of a window's rows, and how often magnitudes of their numbers occur."""

    codes: np.ndarray  # (n, d_0)
    precision: int
    frequencies: list[int]


@dataclass
class Model:
    """§5.6: the model of a window."""

    codebook: Codebook
    decoder: IntegerDecoder

    @property
    def leans(self):
        """Which codes lean to a 1 at which outputs, (codes, outputs)."""
        z = self.decoder.scores(self.codebook.codes)
        return 2 * z > z.max(axis=0) + z.min(axis=0)


def read_model(section, n_allele_columns):
    """§5.6: a codebook, whose sizes follow it, and a decoder."""
    source = Bytes(section.data[section.n_latent_bytes :])
    bits = source.unsigned(8)
    check(1 <= bits <= 8, "a latent code has 1 to 8 bits")
    n_hidden = source.varint()
    check(n_hidden <= 16, "too many layers")
    widths = [source.varint() for _ in range(n_hidden + 2)]
    check(all(1 <= width <= 2**12 for width in widths[:-1]), "a layer is too wide")
    check(1 <= widths[-1] <= min(2**16, n_allele_columns), "another number of outputs than of columns")
    n_weights = sum(a * b for a, b in zip(widths, widths[1:], strict=False))
    check(n_weights <= 2**24, "too many weights")
    codebook = read_codebook(section.data[: section.n_latent_bytes], bits, widths[0])
    check(len(codebook.codes) * n_weights <= 2**32 and len(codebook.codes) * widths[-1] <= 2**25, "too much work")
    scales = [(source.varint(), source.varint()) for _ in range(n_hidden)]
    weights = [
        read_array(source, rows * columns).reshape(rows, columns).astype(np.int64) - 128
        for columns, rows in zip(widths, widths[1:], strict=False)
    ]
    biases = [np.array([source.zigzag() for _ in range(width)]) for width in widths[1:-1]]
    biases.append(np.zeros(widths[-1], int))
    source.finish()
    return Model(codebook, IntegerDecoder(bits, weights, biases, [m for m, _ in scales], [s for _, s in scales]))


def read_codebook(data, bits, width):
    """§5.7: the distinct latents."""
    source = Bytes(data)
    n = source.varint()
    check(1 <= n <= 2**16, "no such number of codes")
    precision, frequencies = rans.read_table(source)
    codes = unpack(source.rest(), n * width, bits)
    return Codebook(np.array(codes).reshape(n, width), precision, frequencies)


def read_latents(data, codebook, n_rows):
    """§5.7: the number of each row's code."""
    source = Bytes(data)
    magnitudes = rans.decode(source.counted(), codebook.frequencies, codebook.precision, n_rows)
    rests = Bits(source.rest())
    numbers = []
    for magnitude in magnitudes:
        if magnitude == 0:
            numbers.append(0)
            continue
        e, m = divmod(magnitude, 2)
        numbers.append((2 + m) * 2 ** (e - 1) + rests.take(e - 1) - 1)
    rests.finish()
    check(max(numbers) < len(codebook.codes), "a row has no code")
    return np.array(numbers)


def read_block(section, table, n_rows, model):
    """§5.6: the matrix of a block, and the codes of its rows."""
    of_rows = read_latents(section.data[: section.n_latent_bytes], model.codebook, n_rows)
    codes = model.codebook.codes[of_rows]
    order = sorted(range(n_rows), key=lambda row: codes[row].tolist())
    residual = Bytes(section.data[section.n_latent_bytes :])
    matrix = np.zeros((len(table.columns), n_rows), bool)
    alleles, others = table.of_alleles
    for numbers, data, leans in (
        (alleles, residual.counted(), model.leans),
        (others, residual.rest(), np.zeros((len(model.codebook.codes), 0), bool)),
    ):
        if not numbers:
            check(not data, "a stream of no columns has bytes")
            continue
        guide = Guide(leans, of_rows)
        stream = SortedColumns(data, n_rows, order=order, guide=guide)
        for number in numbers:
            matrix[number] = stream.column()
        stream.finish()
        check(guide.n_used == leans.shape[1], "another number of guided columns than of outputs")
    return matrix, codes
