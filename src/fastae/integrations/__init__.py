# SPDX-License-Identifier: Apache-2.0
"""fastae inside other packages: codecs for Zarr and numcodecs, archives as Dask arrays and xarray data sets."""
