# SPDX-License-Identifier: Apache-2.0
"""The codec of numcodecs keeps the contract of all codecs, as numcodecs' own tests have it."""

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cohorts
import numpy as np
import pytest

numcodecs = pytest.importorskip("numcodecs", reason="numcodecs is not installed")
common = pytest.importorskip("numcodecs.tests.common", reason="numcodecs is installed without its tests")

from fastae import FormatError  # noqa: E402
from fastae.integrations.numcodecs import GenotypeCodec  # noqa: E402

CONFIGS = [{"id": "fastae.genotype", "preset": preset} for preset in ("default", "fast", "max")]


def arrays():
    rng = np.random.default_rng(4)
    cohort = cohorts.mixed(rng, 40, 25)
    calls = cohort.call_genotype
    return [
        calls,
        np.sort(cohorts.related(rng, 40, 30), axis=2),
        cohort.call_genotype_phased,
        calls < 0,
        np.asfortranarray(calls),
        np.asfortranarray(calls.sum(axis=2, dtype=np.int8)),
        cohorts.related(rng, 30, 20).sum(axis=2, dtype=np.int8),
        rng.integers(-128, 128, (30, 20), dtype=np.int8),
        rng.integers(0, 256, 1000, dtype=np.uint8),
        np.zeros((1000, 100, 2), np.int8),
        np.zeros((0, 100, 2), np.int8),
    ]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config["preset"])
@pytest.mark.parametrize("number", range(11))
def test_the_contract_of_codecs_is_kept(number, config):
    array = arrays()[number]
    common.check_encode_decode(array, numcodecs.get_codec(config))
    if array.flags.c_contiguous:
        back = numcodecs.get_codec(config).decode(numcodecs.get_codec(config).encode(array))
        np.testing.assert_array_equal(back, array, strict=True)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config["preset"])
def test_a_codec_is_its_config(config):
    codec = numcodecs.get_codec(config)
    assert type(codec) is GenotypeCodec
    assert json.loads(json.dumps(codec.get_config())) == config
    common.check_config(codec)
    assert repr(codec) == f"GenotypeCodec(preset={config['preset']!r})"
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert codec != GenotypeCodec("max" if config["preset"] == "fast" else "fast") and codec != numcodecs.Zlib()


def test_numcodecs_finds_the_codec_in_a_process_that_has_not_imported_fastae():
    code = "import sys, numcodecs; c = numcodecs.get_codec({'id': 'fastae.genotype'}); print(type(c).__name__)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "GenotypeCodec\n"


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.zeros(3, np.float32), TypeError, "the array is float32; what is coded as calls are is int8, uint8 or bool"),
        (np.zeros((1, 1, 1, 1), np.int8), ValueError, "1 to 3 axes"),
    ],
)
def test_what_is_not_held_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        GenotypeCodec().encode(value)


def test_a_preset_that_is_none_is_refused():
    with pytest.raises(ValueError, match="preset is 'best'"):
        numcodecs.get_codec({"id": "fastae.genotype", "preset": "best"})


def test_damage_is_refused():
    data = GenotypeCodec().encode(arrays()[0])
    for damaged in (b"", data[:10], data[:-1], data[:40] + bytes([data[40] ^ 1]) + data[41:]):
        with pytest.raises(FormatError):
            GenotypeCodec().decode(damaged)
    with pytest.raises(ValueError, match="reshape"):
        GenotypeCodec().decode(data, out=np.empty(3, np.int8))


def test_threads_share_a_codec(rng):
    codec = GenotypeCodec()
    chunks = [cohorts.related(rng, 60, 40) for _ in range(24)]
    with ThreadPoolExecutor(6) as pool:
        coded = list(pool.map(codec.encode, chunks))
        back = list(pool.map(codec.decode, coded))
    assert coded == [codec.encode(chunk) for chunk in chunks]
    np.testing.assert_array_equal(back, chunks)
