# SPDX-License-Identifier: Apache-2.0
"""The codec ``fastae.genotype`` of numcodecs, and so of Zarr stores of version 2. numcodecs finds it by its name."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastae.archive.chunks import check_preset, decode_chunk, encode_chunk

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_ndarray_like, ndarray_copy
except ImportError as error:
    raise ImportError("the codec of numcodecs needs numcodecs: pip install 'fastae[zarr]'") from error


class GenotypeCodec(Codec):
    """Genotypes as an archive codes them, chunk by chunk.

    A chunk is int8, uint8 or bool and has 1 to 3 axes; whatever it holds comes back exactly. Few bytes come of
    chunks of (variants, samples, ploidy) or (variants, samples) that hold alleles, dosages, phase or masks, the more
    samples and variants the fewer. All methods may be called by several threads at once.

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
    >>> codec = GenotypeCodec()  # or numcodecs.get_codec({"id": "fastae.genotype"})
    >>> calls = np.zeros((1000, 100, 2), np.int8)
    >>> calls[::7, ::3, 1] = 1
    >>> data = codec.encode(calls)
    >>> len(data) < 500, np.array_equal(codec.decode(data), calls)
    (True, True)
    """

    codec_id = "fastae.genotype"

    def __init__(self, preset: str = "default") -> None:
        check_preset(preset)
        self.preset = preset

    def encode(self, buf: Any) -> bytes:
        """Bytes of a chunk.

        Parameters
        ----------
        buf : array_like of int8, uint8 or bool, of 1 to 3 axes
            Or an object with a buffer of these.

        Returns
        -------
        bytes

        Raises
        ------
        TypeError
            If it is of another dtype.
        ValueError
            If it has more axes or none.
        """
        return encode_chunk(np.asarray(ensure_ndarray_like(buf)), self.preset)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The chunk that was encoded.

        Parameters
        ----------
        buf : bytes-like
        out : object with a writable buffer, optional
            To be filled with the chunk's cells, as many as there are.

        Returns
        -------
        ndarray or out
            With the dtype, shape and order of axes that the chunk had.

        Raises
        ------
        FormatError
            If the bytes are truncated or corrupt.
        """
        return ndarray_copy(decode_chunk(memoryview(buf).cast("B")), out)
