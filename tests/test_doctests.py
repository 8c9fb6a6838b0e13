# SPDX-License-Identifier: Apache-2.0
"""Every example in a docstring and in a document runs and prints what it says, in an empty directory."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import fastae

ROOT = Path(__file__).parents[1]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = [m.name for m in pkgutil.walk_packages(fastae.__path__, "fastae.") if not m.name.endswith("__main__")]
DOCUMENTS = [ROOT / "README.md", ROOT / "FORMAT.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Zarr 3 needs Python 3.11, fastae does not
NEEDS_ZARR_3 = {"fastae.io.vcfzarr", "fastae.io.vcfzarr_writer", "fastae.integrations.zarr", "vcf-zarr.md"} | {
    "zarr-codec.md",
    "dask.md",
}


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_module_run(name, tmp_path, monkeypatch):
    if name in NEEDS_ZARR_3:
        pytest.importorskip("zarr", minversion="3")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if p.exists()], ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_of_document_run(path, tmp_path, monkeypatch):
    if path.name in NEEDS_ZARR_3:
        pytest.importorskip("zarr", minversion="3")
    if path.name == "scikit-learn.md":
        pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(path), module_relative=False, optionflags=FLAGS, encoding="utf-8")
    assert result.failed == 0
