# SPDX-License-Identifier: Apache-2.0
"""What an archive is to other packages: each is imported when it is asked for."""

from __future__ import annotations

from typing import Any


class HandedOver:
    """The part of `Archive` that gives lazy arrays and data sets."""

    def to_dask(self, chunks: Any = None) -> Any:
        """The calls as a lazy array.

        Parameters
        ----------
        chunks : optional
            As `dask.array.from_array` takes them. By default each block of the archive is a chunk, and is decoded once.

        Returns
        -------
        dask.array.Array of the archive's dtype, shape (n_variants, n_samples, ploidy)
            Its tasks open the file by its path, in whatever thread, process or worker they run, and read what they
            need. It stays usable when the archive is closed.

        Raises
        ------
        ImportError
            If dask is not installed.

        Examples
        --------
        >>> import tempfile, os
        >>> import fastae
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "cohort.fae")
        ...     fastae.write_archive(path, [[[0, 1], [1, 1]], [[0, 0], [0, 1]]])
        ...     with fastae.open(path) as archive:
        ...         calls = archive.to_dask()
        ...     calls.sum(axis=(1, 2)).compute()
        array([3, 1])
        """
        from fastae.integrations.dask import to_dask

        return to_dask(self, chunks)  # type: ignore[arg-type]

    def to_xarray(self, chunks: Any = None) -> Any:
        """The cohort as a data set of sgkit's and VCF Zarr's arrays.

        Parameters
        ----------
        chunks : optional
            Of ``call_genotype``, as of `to_dask`.

        Returns
        -------
        xarray.Dataset
            Lazy: ``call_genotype`` (variants, samples, ploidy; -1 missing, -2 fill), ``call_genotype_mask``,
            ``call_genotype_phased`` (as in VCF Zarr True for a call of one allele). In memory: ``sample_id``,
            ``contig_id``, ``filter_id``, ``variant_contig``, ``variant_position``, ``variant_length``,
            ``variant_id``, ``variant_id_mask``, ``variant_allele``, ``variant_quality``, ``variant_filter``. INFO is in
            `sites`.

        Raises
        ------
        ImportError
            If dask or xarray is not installed.
        InputError
            If a QUAL is no number.

        Examples
        --------
        >>> import tempfile, os
        >>> import fastae
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "cohort.fae")
        ...     fastae.write_archive(path, [[[0, 1], [1, 1]], [[0, 0], [0, 1]]])
        ...     with fastae.open(path) as archive:
        ...         cohort = archive.to_xarray()
        ...     cohort.call_genotype.mean(dim=("samples", "ploidy")).values
        array([0.75, 0.25])
        """
        from fastae.integrations.xarray import to_xarray

        return to_xarray(self, chunks)  # type: ignore[arg-type]
