# SPDX-License-Identifier: Apache-2.0
"""What an archive has once: where its cohort came from, and the names of its samples. FORMAT.md §5.1."""

from __future__ import annotations

from fastae.archive.container import (
    MAX_ATTRIBUTES,
    ByteReader,
    compress,
    counted,
    decode_text,
    decompress,
    encode_text,
    varint,
)
from fastae.errors import FormatError, InputError


def encode_head(source: str, header: str, attributes: dict[str, str]) -> bytes:
    """Bytes of a source, a header and attributes.

    Raises
    ------
    InputError
        If there are more attributes than a reader takes.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        raise InputError(f"the cohort has {len(attributes)} attributes, {MAX_ATTRIBUTES} can be held")
    texts = [counted(encode_text(text)) for pair in attributes.items() for text in pair]
    first = counted(encode_text(source)) + counted(encode_text(header))
    return compress(first + varint(len(attributes)) + b"".join(texts))


def decode_head(data: bytes) -> tuple[str, str, dict[str, str]]:
    """The inverse of `encode_head`.

    Raises
    ------
    FormatError
        If the bytes are not such a head.
    """
    reader = ByteReader(decompress(data, "header"), "header")
    source, header = reader.text(), reader.text()
    attributes = {reader.text(): reader.text() for _ in range(reader.varint(MAX_ATTRIBUTES))}
    reader.finish()
    return source, header, attributes


def encode_names(names: list[str]) -> bytes:
    """Bytes of the names of samples.

    Raises
    ------
    InputError
        If a name holds a line break.
    """
    text = "\n".join(names)
    if text.count("\n") != max(len(names) - 1, 0):
        bad = next(name for name in names if "\n" in name)
        raise InputError(f"the sample {bad!r} has a line break in its name, which an archive cannot keep; take it out")
    return compress(encode_text(text))


def decode_names(data: bytes, n_samples: int) -> list[str]:
    """The inverse of `encode_names`, of so many samples.

    Raises
    ------
    FormatError
        If the bytes are not the names of so many samples.
    """
    what = "list of samples"
    text = decode_text(decompress(data, what), what)
    n_names = text.count("\n") + 1 if n_samples or text else 0  # before a hostile text becomes a list
    if n_names != n_samples:
        raise FormatError(f"the {what} holds {n_names} names where {n_samples} must be: the archive is corrupt")
    return text.split("\n") if n_samples else []
