# SPDX-License-Identifier: Apache-2.0
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastae import (
    HAPLOTYPE,
    Chain,
    ChecksumError,
    Decoder,
    Encoder,
    FormatError,
    VersionError,
    dumps_model,
    load_model,
    loads_model,
    save_model,
)

GOLDEN = Path(__file__).parent / "golden"
MODELS = {
    "encoder": Encoder([10, 8, 6, 4, 3], seed=3),
    "decoder": Decoder([3, 6, 10], output_activation="identity", seed=4, dtype=np.float64),
    "autoencoder": Chain(Encoder([6, 2], activation="identity"), Decoder([2, 6]), latent_bits=3),
    "unrounded": Chain(Encoder([6, 2]), Decoder([2, 6])),
}


def halves(model):
    return (model.encoder, model.decoder) if isinstance(model, Chain) else (model,)


def sealed(body):
    """A body with the checksum that fits it."""
    return bytes(body) + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_comes_back_exactly(name, tmp_path):
    model = MODELS[name]
    path = tmp_path / "some.model"
    save_model(model, path)
    copy = load_model(path)
    assert type(copy) is type(model)
    assert getattr(copy, "latent_bits", None) == getattr(model, "latent_bits", None)
    for ours, theirs in zip(halves(copy), halves(model), strict=True):
        assert (ours.sizes, ours.dtype) == (theirs.sizes, theirs.dtype)
        assert ours.stack.activations == theirs.stack.activations
        np.testing.assert_array_equal(ours.params, theirs.params)
        assert ours.params.flags.writeable
    assert dumps_model(copy) == dumps_model(model) == path.read_bytes()


def test_the_bytes_are_those_of_the_format_document():
    model = Decoder([1, 2], output_activation="identity", params=[1, 2, 3, 4])
    body = b"FAEMODEL" + bytes([1, 0, 2, 0]) + bytes([4, 1, 0, 1])
    body += struct.pack("<2I", 1, 2) + struct.pack("<4f", 1, 2, 3, 4)
    assert dumps_model(model) == sealed(body)


@pytest.mark.parametrize("name", MODELS)
def test_every_truncation_is_refused(name):
    data = dumps_model(MODELS[name])
    for end in range(len(data)):
        with pytest.raises(FormatError):
            loads_model(data[:end])
    with pytest.raises(FormatError):
        loads_model(data + b"\0")


@pytest.mark.parametrize("name", MODELS)
def test_every_flipped_bit_is_refused(name):
    data = dumps_model(MODELS[name])
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(FormatError):
                loads_model(changed)


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
def test_no_bytes_with_a_good_checksum_do_harm(name, data):
    """Past the checksum stands nothing but checks of the structure: bytes either load or are refused."""
    body = bytearray(dumps_model(MODELS[name])[:-4])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(10, min(39, len(body) - 1)))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(13, len(body)))]
    try:
        loads_model(sealed(body))
    except FormatError:
        pass


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (10, 0),  # kind
        (10, 4),
        (11, 1),  # latent bits of an encoder
        (12, 2),  # bytes per number
        (13, 2),  # activation
        (14, 0),  # another output activation, of an encoder
        (15, 0),  # layers
        (15, 255),
        (16, 0),  # a width
        (19, 255),  # a width of 4 billion
    ],
)
def test_each_field_is_checked_past_the_checksum(place, value):
    body = bytearray(dumps_model(MODELS["encoder"])[:-4])
    assert body[place] != value
    body[place] = value
    with pytest.raises(FormatError, match="holds what no release writes"):
        loads_model(sealed(body))


def test_bytes_after_the_networks_are_refused():
    with pytest.raises(FormatError, match="1 bytes too many"):
        loads_model(sealed(dumps_model(MODELS["autoencoder"])[:-4] + b"\0"))


def test_parameters_must_be_finite():
    with pytest.raises(ValueError, match="the Encoder has parameters that are not finite"):
        broken = Encoder([2, 1])
        broken.params[0] = np.nan
        dumps_model(broken)
    body = bytearray(dumps_model(MODELS["encoder"])[:-4])
    body[-4:] = struct.pack("<f", np.inf)
    with pytest.raises(FormatError, match="finite"):
        loads_model(sealed(body))


def test_other_bytes_newer_versions_and_changes_are_told_apart():
    data = bytearray(dumps_model(MODELS["encoder"]))
    with pytest.raises(FormatError, match="not a saved fastae model"):
        loads_model(b"PK\x03\x04" + bytes(100))
    with pytest.raises(FormatError, match="not a saved fastae model"):
        loads_model(b"")
    data[8] = 2
    with pytest.raises(VersionError, match="version 2, this release reads 1"):
        loads_model(data)
    data[8] = 1
    data[-10] ^= 1
    with pytest.raises(ChecksumError, match="changed"):
        loads_model(data)


def test_a_refusal_names_the_file(tmp_path):
    path = tmp_path / "broken.model"
    path.write_bytes(b"FAEMODEL")
    with pytest.raises(FormatError, match=r"broken\.model: "):
        load_model(path)


def test_other_objects_are_not_saved(tmp_path):
    with pytest.raises(TypeError, match="dict"):
        save_model({}, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "some.model"
    save_model(MODELS["encoder"], path)

    def full_disk(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_model(MODELS["decoder"], path)
    assert [p.name for p in tmp_path.iterdir()] == ["some.model"]
    assert type(load_model(path)) is Encoder


def test_a_model_of_version_1_loads_for_ever():
    path = GOLDEN / "model-v1" / "autoencoder.model"
    model = load_model(path)
    assert (model.encoder.sizes, model.decoder.sizes, model.latent_bits) == ((6, 4, 2), (2, 6), 3)
    assert model.decoder.output_activation == "identity"
    x = HAPLOTYPE.to_levels([[0, 1, 1, 0, 0, 1]])
    np.testing.assert_allclose(model.transform(x), [[-3 / 7, -3 / 7]], rtol=1e-6)
    np.testing.assert_allclose(model(x), [[0.32654, 0.06967, -0.24397, 0.56189, 0.05018, 0.21354]], atol=1e-5)
    assert dumps_model(model) == path.read_bytes()


@pytest.mark.parametrize("data", ["FAEMODEL", 8, None])
def test_what_is_no_bytes_is_no_saved_model(data):
    with pytest.raises(TypeError, match="data must be a contiguous bytes-like object"):
        loads_model(data)
