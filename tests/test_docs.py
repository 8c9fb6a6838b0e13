# SPDX-License-Identifier: Apache-2.0
"""The documents: nothing public is left out, every page is linked, no link leads nowhere, pictures have words."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import fastae

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    *(ROOT / name for name in ("README.md", "FORMAT.md", "CONTRIBUTING.md")),
    ROOT / "bench/README.md",
]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def test_the_api_reference_lists_every_public_object():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^   (\w+)$", text, re.MULTILINE) + re.findall(r"`(\w+)`", text)
    assert set(fastae.__all__) - set(listed) == set()
    assert [name for name in listed if not hasattr(fastae, name)] == []


def test_the_api_reference_lists_every_function_of_pictures_and_the_data_sets_of_an_archive():
    pytest.importorskip("matplotlib")
    import fastae.plots

    text = (DOCS / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   plots\.(\w+)$", text, re.MULTILINE)) | set(re.findall(r"`plots\.(\w+)`", text))
    assert listed == set(fastae.plots.__all__)
    assert {"to_xarray", "to_dask"} <= set(re.findall(r"{py:meth}`fastae\.Archive\.(\w+)`", text))


def test_every_page_is_reached_from_the_index():
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    linked = {(DOCS / target).resolve() for target in LINK.findall(text)}
    stubs = {"format.md": "FORMAT.md", "contributing.md": "CONTRIBUTING.md", "benchmarks.md": "bench/README.md"}
    linked |= {DOCS / stub for stub, file in stubs.items() if ROOT / file in linked}
    pages = {path for path in [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]}
    assert pages - linked - {DOCS / "index.md", DOCS / "changelog.md"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page):
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_begins_with_its_only_title(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^# .+$", text, re.MULTILINE)
    if "{include}" not in page.read_text(encoding="utf-8"):  # such a page has the title of what it includes
        assert len(titles) == 1 and text.startswith(titles[0])


def test_every_picture_is_used_and_says_in_words_what_it_shows():
    shown = [
        (words, (page.parent / target).resolve())
        for page in PAGES
        for words, target in PICTURE.findall(page.read_text(encoding="utf-8"))
    ]
    assert {path for _, path in shown} == {*DOCS.rglob("*.svg"), *DOCS.rglob("*.png")}
    assert [path.name for words, path in shown if len(words.split()) < 4] == []


def test_pictures_of_archives_are_drawn_by_their_script(tmp_path):
    pytest.importorskip("matplotlib")
    runpy.run_path(str(DOCS / "pictures_archive.py"))["main"](tmp_path)
    drawn = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sorted(drawn) == sorted(path.name for path in DOCS.glob("archive-*.svg"))
    assert max(drawn.values()) < 60_000


def test_the_notebook_is_stored_without_outputs():
    notebook = json.loads((DOCS / "notebook.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 10
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@pytest.fixture
def shell(tmp_path):
    """Runs a line where `fastae` is this one and files have the names that pages give theirs; they hold little."""
    with resources.as_file(resources.files("fastae") / "data" / "kg3_chr20_eur300.vcf.gz") as path:
        whole = fastae.read_vcf(path).read()
    calls = whole.call_genotype, whole.call_genotype_phased
    header = whole.header.replace("##contig=<ID=20", "##contig=<ID=21>\n##contig=<ID=22>\n##contig=<ID=20")
    for name, chromosomes in {"chr21.vcf": [21], "chr22.vcf": [22], "cohort.vcf.gz": [20, 22]}.items():
        parts = []
        for chromosome in chromosomes:
            sites = whole.sites.take(np.arange(500, 600))
            sites.chrom[:] = [str(chromosome)] * 100
            sites.pos[:] = 50_300_000 + 1000 * np.arange(100)
            parts.append(fastae.Cohort(header, whole.samples, sites, *(x[500:600] for x in calls)))
        fastae.write_vcf(tmp_path / name, fastae.CohortStream(header, whole.samples, iter(parts)))
        fastae.write_archive(tmp_path / f"{name.split('.')[0]}.fae", fastae.read_vcf(tmp_path / name))
    data = resources.files("fastae") / "data" / "kg3_chr20_eur300.populations.tsv"
    (tmp_path / "populations.tsv").write_text(data.read_text(encoding="utf-8"), encoding="utf-8")
    bin = tmp_path / "bin"
    bin.mkdir()
    # not a link to this Python: a linked one does not see the packages of a virtual environment
    for name, arguments in {"fastae": "-m fastae", "python": ""}.items():
        (bin / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
        (bin / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{bin}{os.pathsep}{os.environ['PATH']}"}

    def run(lines):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", lines], cwd=tmp_path, env=environment, check=False)

    return run


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    "page", ["../README.md", "quickstart.md", "howto/vcf.md", "howto/numpy.md", "howto/pipelines.md"]
)
def test_lines_for_a_shell_run(page, shell):
    blocks = [block for block in SHELL.findall((DOCS / page).read_text(encoding="utf-8")) if "pip install" not in block]
    if any("bcftools" in block for block in blocks) and not shutil.which("bcftools"):
        pytest.skip("bcftools is not installed")
    if page == "../README.md":
        for package in ("matplotlib", "pgenlib"):
            pytest.importorskip(package)
    assert blocks
    for block in blocks:
        assert shell(block).returncode == 0
