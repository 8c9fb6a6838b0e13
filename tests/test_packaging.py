# SPDX-License-Identifier: Apache-2.0
"""What is shipped: an sdist holds all that a build reads; what is installed has its data, types and licences."""

import shutil
import subprocess
import sys
import tarfile
from importlib import metadata, resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what git tracks: building must leave nothing here, and find nothing that a clean clone lacks."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git clone: no list of tracked files")
    copy = tmp_path_factory.mktemp("clone")
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def sdist_names(tree, tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-c", BUILD, "sdist", str(out)], cwd=tree, check=True, capture_output=True)
    (path,) = out.glob("*.tar.gz")
    with tarfile.open(path) as tar:
        return {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}


def test_sdist_holds_every_tracked_source(tree, sdist_names):
    tracked = {str(p.relative_to(tree)) for d in ("src", "csrc", "tests") for p in (tree / d).rglob("*") if p.is_file()}
    built = {n for n in tracked if "egg-info" in n or n.endswith(("_core.c", ".so"))}
    assert tracked - built - sdist_names == set()
    assert {"pyproject.toml", "setup.py", "LICENSE", "README.md"} <= sdist_names


def test_sdist_holds_no_generated_c(sdist_names):
    assert "src/fastae/_core.c" not in sdist_names


def test_installed_package_has_data_types_and_licences():
    package = resources.files("fastae")
    for name in ("py.typed", "_core.pyi", "data/kg3_chr20_eur300.vcf.gz", "data/PROVENANCE.md", "data/LICENSE.Expat"):
        assert package.joinpath(name).is_file(), name
    licences = [str(f) for f in metadata.files("fastae") or [] if "LICENSE" in str(f)]
    assert any(f.endswith("LICENSE") for f in licences)
    assert metadata.metadata("fastae")["License-Expression"] == "Apache-2.0"


def test_every_source_file_names_its_licence():
    code = {".py", ".pyx", ".pxi", ".pyi", ".c", ".h"}
    sources = [p for d in ("src", "csrc", "tests", "bench") for p in (ROOT / d).rglob("*") if p.suffix in code]
    generated = ROOT / "src" / "fastae" / "_core.c"
    heads = {p: p.read_text(encoding="utf-8")[:200] for p in sources if p != generated and p.stat().st_size}
    assert [str(p) for p, head in heads.items() if "SPDX-License-Identifier: Apache-2.0" not in head] == []
