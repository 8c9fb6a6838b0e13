# SPDX-License-Identifier: Apache-2.0
"""Bytes that version 1 of the coders wrote: they are written and read the same for ever."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from fastae import bitpack, rans
from fastae.latents import pack_latents, unpack_latents
from fastae.quantize import IntDecoder
from fastae.rans import FrequencyTable

GOLDEN = json.loads((Path(__file__).parent / "golden" / "coders-v1.json").read_text())


def lattice(n, top):
    """n numbers of 0..top, from integers alone."""
    return np.array([(i * i * 2654435761 >> 7) % (top + 1) for i in range(n)], dtype=np.int64)


@pytest.mark.parametrize("case", GOLDEN["bitpack"], ids=lambda case: f"{case['bits']} bits")
def test_packed_bits(case, isa):
    values = lattice(case["n"], (1 << case["bits"]) - 1)
    assert bitpack.pack(values, case["bits"]).tobytes().hex() == case["bytes"]
    np.testing.assert_array_equal(bitpack.unpack(bytes.fromhex(case["bytes"]), case["n"], case["bits"]), values)


@pytest.mark.parametrize("case", GOLDEN["rans"], ids=lambda case: f"n={case['n']}")
def test_rans_streams_and_tables(case, isa):
    table, n_bytes = FrequencyTable.from_bytes(bytes.fromhex(case["table"]))
    assert n_bytes == len(case["table"]) // 2
    assert FrequencyTable.from_counts(case["counts"], precision=case["precision"]) == table
    assert table.to_bytes().hex() == case["table"]
    symbols = np.repeat(np.arange(len(case["counts"])), case["counts"])[lattice(case["n"], sum(case["counts"]) - 1)]
    buf = rans.encode(symbols, table)
    assert len(buf) == case["n_bytes"]
    assert hashlib.sha256(buf).hexdigest() == case["sha256"]
    np.testing.assert_array_equal(rans.decode(buf, case["n"], table), symbols)


@pytest.mark.parametrize("case", GOLDEN["intdec"], ids=lambda case: str(case["sizes"]))
def test_integer_scores(case, isa):
    sizes = np.array(case["sizes"])
    decoder = IntDecoder(
        sizes,
        lattice(int((sizes[1:] * sizes[:-1]).sum()), 255) - 128,
        lattice(int(sizes[1:].sum()), 2000) - 1000,
        case["multipliers"],
        case["shifts"],
        latent_bits=case["latent_bits"],
    )
    codes = lattice(9 * sizes[0], (1 << case["latent_bits"]) - 1).reshape(9, -1)
    scores = decoder.scores(codes)
    assert scores[0, :4].tolist() == case["first"]
    assert hashlib.sha256(scores.astype("<i4").tobytes()).hexdigest() == case["sha256"]


def test_packed_latents():
    buf = bytes.fromhex(GOLDEN["latents"]["bytes"])
    z = np.array(GOLDEN["latents"]["z"])
    assert pack_latents(z, GOLDEN["latents"]["bits"]) == buf
    np.testing.assert_array_equal(unpack_latents(buf), np.array(GOLDEN["latents"]["levels"], dtype=np.float32))
