# SPDX-License-Identifier: Apache-2.0
"""The other files: packed latents (§4), saved models (§6) and checkpoints (§7)."""

from dataclasses import dataclass

import numpy as np

from .archive import levels
from .data import Bytes, check, crc32, unpack

ENCODER, DECODER, BOTH = 1, 2, 3  # kinds of saved models


def read_packed_latents(data):
    """§4: an n x m matrix of numbers in [-1, 1]."""
    source = Bytes(data)
    check(source.take(4) == b"FAEL" and source.unsigned(8) == 1, "not latents, or of another version")
    bits = source.unsigned(8)
    check(1 <= bits <= 8 and source.unsigned(16) == 0, "a latent has 1 to 8 bits")
    n, m, crc = source.unsigned(64), source.unsigned(32), source.unsigned(32)
    check(m >= 1 and crc == crc32(data[:20] + data[24:]), "the latents are damaged")
    return levels(np.array(unpack(source.rest(), n * m, bits), int).reshape(n, m), bits)


@dataclass
class Network:
    """§6: a network in floating point."""

    activation: int  # of the layers but the last: 0 the identity, 1 tanh
    last_activation: int
    weights: list[np.ndarray]  # W_l, (d_l, d_(l-1))
    biases: list[np.ndarray]  # b_l

    def __call__(self, h):
        """The outputs (rows, d_L) for inputs (rows, d_0)."""
        for number, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            h = h @ weights.T + bias
            is_last = number == len(self.weights)
            h = np.tanh(h) if (self.last_activation if is_last else self.activation) else h
        return h


def body(data, magic, version):
    """The bytes of a file of §6 or §7 behind its version, whose checksum is right."""
    source = Bytes(data)
    check(source.take(8) == magic and source.unsigned(16) == version, "another kind of file, or another version")
    check(int.from_bytes(data[-4:], "little") == crc32(data[:-4]), "the file is damaged")
    return Bytes(data[10:-4])


def read_saved_model(data):
    """§6: the bits of a latent, the encoder and the decoder; None where there is none."""
    source = body(data, b"FAEMODEL", 1)
    kind, bits = source.unsigned(8), source.unsigned(8)
    check(kind in (ENCODER, DECODER, BOTH) and bits <= (8 if kind == BOTH else 0), "no such kind of models")
    encoder = read_network(source) if kind != DECODER else None
    decoder = read_network(source) if kind != ENCODER else None
    source.finish()
    return bits, encoder, decoder


def read_network(source):
    """§6, "A network"."""
    size, activation, last_activation, n_layers = (source.unsigned(8) for _ in range(4))
    check(size in (4, 8) and activation <= 1 and last_activation <= 1 and 1 <= n_layers <= 64, "no such network")
    widths = [source.unsigned(32) for _ in range(n_layers + 1)]
    check(all(1 <= width <= 2**24 for width in widths), "no such width")
    weights, biases = [], []
    for columns, rows in zip(widths, widths[1:], strict=False):
        weights.append(np.frombuffer(source.take(size * rows * columns), f"<f{size}").reshape(rows, columns))
        biases.append(np.frombuffer(source.take(size * rows), f"<f{size}"))
    check(all(np.isfinite(numbers).all() for numbers in weights + biases), "a number is not finite")
    return Network(activation, last_activation, weights, biases)


def read_checkpoint(data):
    """§7: the settings, and the arrays by their names."""
    source = body(data, b"FAECHECK", 1)
    n_settings, n_arrays, zero = source.unsigned(16), source.unsigned(16), source.unsigned(16)
    check(zero == 0, "bytes 14 and 15 are not 0")
    settings, arrays = {}, {}
    for _ in range(n_settings):
        name = source.take(source.unsigned(16)).decode()
        check(name not in settings, "a setting is there twice")
        settings[name] = source.take(source.unsigned(32)).decode()
    for _ in range(n_arrays):
        name = source.take(source.unsigned(8)).decode("ascii")
        kind = source.unsigned(8)
        check(name not in arrays and 1 <= kind <= 4, "an array is there twice, or of no kind")
        dtype = np.dtype(("<i8", "<u8", "<f4", "<f8")[kind - 1])
        arrays[name] = np.frombuffer(source.take(dtype.itemsize * source.unsigned(64)), dtype)
    source.finish()
    return settings, arrays
