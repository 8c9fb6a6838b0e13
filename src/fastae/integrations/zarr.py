# SPDX-License-Identifier: Apache-2.0
"""The codec ``fastae.genotype`` of Zarr stores of version 3. Zarr finds it by its name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastae.archive.chunks import DTYPES, check_preset, decode_chunk, encode_chunk

try:
    from zarr.abc.codec import ArrayBytesCodec
except ImportError as error:
    raise ImportError("the codec of Zarr needs zarr 3, so Python 3.11: pip install 'fastae[zarr]'") from error

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

NAME = "fastae.genotype"


@dataclass(frozen=True)
class GenotypeCodec(ArrayBytesCodec):
    """Genotypes as an archive codes them, chunk by chunk.

    It takes the place of the serializer and needs no compressor after it. A chunk is int8, uint8 or bool and has 1 to 3
    axes; whatever it holds comes back exactly.

    Parameters
    ----------
    preset : {"default", "fast", "max"}
        As of `write_archive`. ``"fast"`` is coded and decoded some times faster.

    Raises
    ------
    ValueError
        If there is no such preset.

    Examples
    --------
    >>> import numpy as np
    >>> import zarr
    >>> calls = np.zeros((1000, 100, 2), np.int8)
    >>> calls[::7, ::3, 1] = 1
    >>> array = zarr.create_array(
    ...     {}, shape=calls.shape, dtype=calls.dtype, chunks=(500, 100, 2), serializer=GenotypeCodec(), compressors=None
    ... )
    >>> array[:] = calls
    >>> np.array_equal(array[:], calls), array.nbytes_stored() < 3000
    (True, True)
    """

    preset: str = "default"

    is_fixed_size = False

    def __post_init__(self) -> None:
        check_preset(self.preset)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GenotypeCodec:
        """The codec that an array's metadata describe.

        Raises
        ------
        TypeError
            If they hold an option that there is not.
        """
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """What stands in an array's metadata."""
        return {"name": NAME, "configuration": {"preset": self.preset}}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Refuse arrays that the codec cannot hold, when they are created.

        Raises
        ------
        TypeError
            If they are not int8, uint8 or bool.
        ValueError
            If they have no axis or more than three.
        """
        found = dtype.to_native_dtype()
        if found not in DTYPES:
            raise TypeError(f"the array is {found}; {NAME} holds int8, uint8 and bool")
        if not 1 <= len(shape) <= 3:
            raise ValueError(f"the array has shape {shape}; {NAME} holds arrays of 1 to 3 axes")

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known ahead.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(f"how many bytes {NAME} takes is known when a chunk is coded")

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        data = encode_chunk(np.asarray(chunk_data.as_ndarray_like()), self.preset)
        return chunk_spec.prototype.buffer.from_bytes(data)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        array = decode_chunk(chunk_data.as_numpy_array(), chunk_spec.shape, dtype)
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(array)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)
