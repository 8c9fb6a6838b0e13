# SPDX-License-Identifier: Apache-2.0
"""Whoever lacks an optional package is told what to install."""

import importlib
import sys

import numpy as np
import pytest

import fastae
from fastae import plots
from fastae.cohort import Sites
from fastae.io import read_cohort


def codec(name):
    return lambda folder: importlib.import_module(f"fastae.integrations.{name}")


def archive(method):
    def ask(folder):
        fastae.write_archive(folder / "a.fae", np.zeros((2, 2, 2), np.int8))
        with fastae.open(folder / "a.fae") as archive:
            getattr(archive, method)()

    return ask


def file(name, content=b""):
    def ask(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        read_cohort(folder / name.partition("/")[0]).read()

    return ask


NEEDS = [
    ("zarr", "zarr", codec("zarr")),
    ("zarr", "zarr", file("a.vcz/.zgroup", b'{"zarr_format": 2}')),
    ("numcodecs", "zarr", codec("numcodecs")),
    ("dask", "dask", archive("to_dask")),
    ("dask", "dask", archive("to_xarray")),
    ("xarray", "dask", archive("to_xarray")),
    ("pandas", "pandas", lambda folder: Sites.numbered(3).to_pandas()),
    ("fsspec", "remote", lambda folder: fastae.open("https://127.0.0.1/a.fae")),
    ("aiohttp", "remote", lambda folder: fastae.open("https://127.0.0.1/a.fae")),
    ("matplotlib", "plot", lambda folder: plots.new_figure(1)),
    ("cyvcf2", "vcf", file("a.bcf", b"BCF\2\2")),
    ("pgenlib", "plink", file("a.pgen", b"\x6c\x1b\x10")),
]


@pytest.mark.parametrize(("package", "extra", "ask"), NEEDS, ids=[f"{row[0]}-{i}" for i, row in enumerate(NEEDS)])
def test_without_an_optional_package_its_extra_is_named(monkeypatch, tmp_path, package, extra, ask):
    if package == "aiohttp":
        registry = pytest.importorskip("fsspec.registry", reason="fsspec is not installed")
        monkeypatch.setattr(registry, "registry", {})  # of protocols that were used before
        monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    if package == "xarray":
        pytest.importorskip("dask", reason="dask is not installed")
    for name in [name for name in sys.modules if name.startswith("fastae.integrations.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in {package, *(name for name in sys.modules if name.startswith(f"{package}."))}:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises((ImportError, fastae.InputError), match=rf"{package}.*pip install 'fastae\[{extra}\]'"):
        ask(tmp_path)
