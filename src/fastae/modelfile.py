# SPDX-License-Identifier: Apache-2.0
"""Saved models: a small binary format, FORMAT.md §6."""

from __future__ import annotations

import os
import struct
import zlib
from typing import TypeAlias

import numpy as np

from fastae import _validate
from fastae.errors import ChecksumError, FormatError, VersionError
from fastae.fileio import atomic_output
from fastae.layers import ACTIVATIONS, count_params
from fastae.models import Chain, Decoder, Encoder

Model: TypeAlias = Encoder | Decoder | Chain

_MAGIC = b"FAEMODEL"
_VERSION = 1
_PREAMBLE = struct.Struct("<8sHBB")  # magic, version, kind, latent_bits
_STACK = struct.Struct("<BBBB")  # bytes per number, activation, output activation, layers
_CHECKSUM = struct.Struct("<I")
_KINDS = {Encoder: 1, Decoder: 2, Chain: 3}
_DTYPES: dict[int, np.dtype] = {4: np.dtype("<f4"), 8: np.dtype("<f8")}
_ACTIVATION_NAMES = {number: name for name, number in ACTIVATIONS.items()}


def dumps_model(model: Model) -> bytes:
    """A model as bytes.

    Parameters
    ----------
    model : Encoder, Decoder or Chain

    Returns
    -------
    data : bytes

    Raises
    ------
    TypeError
        If model is of another kind.
    ValueError
        If a parameter is NaN or infinite.

    Examples
    --------
    >>> from fastae import Encoder, dumps_model, loads_model
    >>> encoder = Encoder([10, 3], seed=5)
    >>> copy = loads_model(dumps_model(encoder))
    >>> copy.sizes, bool((copy.params == encoder.params).all())
    ((10, 3), True)
    """
    if type(model) not in _KINDS:
        raise TypeError(f"got {type(model).__name__}; an Encoder, a Decoder or a Chain can be saved")
    halves = (model.encoder, model.decoder) if isinstance(model, Chain) else (model,)
    latent_bits = (model.latent_bits or 0) if isinstance(model, Chain) else 0
    parts = [_PREAMBLE.pack(_MAGIC, _VERSION, _KINDS[type(model)], latent_bits)]
    for half in halves:
        if not np.isfinite(half.params).all():
            raise ValueError(f"the {type(half).__name__} has parameters that are not finite; train it again")
        activations = ACTIVATIONS[half.activation], ACTIVATIONS[half.output_activation]
        parts.append(_STACK.pack(half.dtype.itemsize, *activations, len(half.sizes) - 1))
        parts.append(np.array(half.sizes, dtype="<u4").tobytes())
        parts.append(half.params.astype(_DTYPES[half.dtype.itemsize]).tobytes())
    body = b"".join(parts)
    return body + _CHECKSUM.pack(zlib.crc32(body))


def loads_model(data: _validate.BytesLike) -> Model:
    """The model whose bytes these are.

    Parameters
    ----------
    data : bytes-like
        What `dumps_model` gave.

    Returns
    -------
    model : Encoder, Decoder or Chain

    Raises
    ------
    FormatError
        If the bytes are not a whole saved model; `VersionError` if a later release wrote them, `ChecksumError` if
        they changed since.
    TypeError
        If data is not bytes-like.

    Examples
    --------
    >>> from fastae import Decoder, dumps_model, loads_model
    >>> loads_model(dumps_model(Decoder([3, 10], output_activation="identity"))).output_activation
    'identity'
    """
    data = _validate.buffer(data, name="data").tobytes()
    if data[: len(_MAGIC)] != _MAGIC or len(data) < _PREAMBLE.size + _CHECKSUM.size:
        raise FormatError("these bytes are not a saved fastae model, or end too early")
    _, version, kind, latent_bits = _PREAMBLE.unpack_from(data)
    if version not in _READERS:
        raise VersionError(f"the model has version {version}, this release reads {max(_READERS)}; install a later one")
    body = data[: -_CHECKSUM.size]
    if _CHECKSUM.unpack(data[len(body) :])[0] != zlib.crc32(body):
        raise ChecksumError("the saved model is truncated or has changed since it was written: its checksum differs")
    return _READERS[version](body, kind, latent_bits)


def save_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Save a model; an existing file is replaced whole or not at all.

    Parameters
    ----------
    model : Encoder, Decoder or Chain
    path : str or path-like

    Raises
    ------
    TypeError, ValueError
        As `dumps_model`.
    InputError
        If path is a directory.
    OSError
        If the file cannot be written; what was there is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastae import Encoder, load_model, save_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "encoder.model")
    ...     save_model(Encoder([10, 3]), path)
    ...     load_model(path)
    Encoder([10, 3], activation='tanh', dtype=float32)
    """
    data = dumps_model(model)
    with atomic_output(path) as file:
        file.write(data)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Load what `save_model` saved.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    model : Encoder, Decoder or Chain

    Raises
    ------
    FormatError
        As `loads_model`; the message names the file.
    OSError
        If the file cannot be read.

    Examples
    --------
    See `save_model`.

    >>> from fastae import load_model
    >>> load_model("no-such-file.model")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file.model'
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        return loads_model(data)
    except FormatError as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from None


def _read_v1(body, kind, latent_bits):
    try:
        if kind == _KINDS[Chain]:
            encoder, end = _read_half(body, _PREAMBLE.size, Encoder)
            decoder, end = _read_half(body, end, Decoder)
            model = Chain(encoder, decoder, latent_bits=latent_bits or None)
        elif kind in (_KINDS[Encoder], _KINDS[Decoder]) and latent_bits == 0:
            model, end = _read_half(body, _PREAMBLE.size, Encoder if kind == _KINDS[Encoder] else Decoder)
        else:
            raise ValueError(f"kind {kind} with {latent_bits} latent bits")
        if end != len(body):
            raise ValueError(f"{len(body) - end} bytes too many")
    except (TypeError, ValueError, KeyError, struct.error) as error:
        raise FormatError(f"the saved model holds what no release writes ({error})") from None
    return model


def _read_half(body, start, kind):
    """An Encoder or Decoder that starts at a byte, and the byte after it. Sizes are checked before memory is taken."""
    itemsize, activation, output_activation, n_layers = _STACK.unpack_from(body, start)
    start += _STACK.size
    options = {"activation": _ACTIVATION_NAMES[activation], "dtype": _DTYPES[itemsize].newbyteorder("=")}
    if kind is Decoder:
        options["output_activation"] = _ACTIVATION_NAMES[output_activation]
    elif activation != output_activation:
        raise ValueError("an encoder with two activations")
    end = start + 4 * (n_layers + 1)
    if end > len(body):
        raise ValueError(f"{n_layers} layers in too few bytes")
    sizes = np.frombuffer(body[start:end], dtype="<u4").tolist()
    start, end = end, end + count_params(sizes) * itemsize
    if end > len(body):
        raise ValueError(f"sizes {sizes} with too few parameters")
    params = np.frombuffer(body[start:end], dtype=_DTYPES[itemsize])
    return kind(sizes, params=params, **options), end


_READERS = {1: _read_v1}
