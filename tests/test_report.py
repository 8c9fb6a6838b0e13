# SPDX-License-Identifier: Apache-2.0
"""The HTML report: what it says is so, it needs no network, and hostile names stay names."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import fastae
from fastae.archive.container import BLOCK
from fastae.cli import main

pytest.importorskip("matplotlib", reason="pictures need matplotlib, the extra plot")
from fastae.report import html_report

HOSTILE = "<script>alert(1)</script>\"'&$x_1$<img src=http://evil.example/x onerror=alert(2)>"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements in order, text by element, and whether all that was opened was closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags):
        return "\n".join(data for tag, data in self.texts if not tags or tag in tags)


@pytest.fixture
def calls(rng):
    return rng.integers(0, 2, (40, 30, 2), dtype=np.int8)


@pytest.fixture
def path(tmp_path, monkeypatch, calls):
    monkeypatch.chdir(tmp_path)
    fastae.write_archive("cohort.fae", calls, n_latents=3, latent_bits=4, block_variants=20)
    return tmp_path / "cohort.fae"


def report_of(path, **options):
    with fastae.open(path) as archive:
        return Page(html_report(archive, **options))


def rows_of(page):
    """The cells of each table's row."""
    text = page.text("caption", "th", "td").split("\n")
    return "\n".join(text)


def test_the_tables_say_what_info_says(path):
    page = report_of(path)
    with fastae.open(path) as archive:
        facts = archive.info()
    table = rows_of(page)
    for name, number in facts["bytes"].items():
        share = number / facts["bytes"]["total"]
        bits = 8 * number / (40 * 30)
        assert re.search(rf"^{name}\n.*\n{number:,}\n{share:.1%}\n{bits:.4f}$", table, re.M)
    assert "\nsamples\n30\nsites\n40\nploidy\n2\nwindows of sites\n2\nmost sites of a window\n20\n" in table
    assert "\n1\n40\n1\n40\n" in table  # chromosome, sites, first, last
    assert "two alleles\n40\nmore alleles\n0" in table
    assert "Whole." in page.text("strong")
    assert "S1, S2" in page.text("p")


def test_the_page_has_all_pictures_that_there_are_data_for(path):
    point = fastae.SweepPoint(2, 1, 2, 100, 80, 400, 320, 0.8, 0.1, 1.5)
    page = report_of(
        path,
        labels=["left", "right"] * 15,
        history=fastae.History(loss=[0.5], hamming=[0.25]),
        sweep=fastae.Sweep((point,)),
        sizes={"another tool": 12345},
    )
    assert len(page.all("svg")) == len(page.all("figure")) == len(page.all("figcaption")) == 5
    drawn = page.text("text", "tspan")
    for name in ("left (15)", "right (15)", "bits of the file per site", "12,345", "training, Hamming", "Pareto front"):
        assert name in drawn


def test_without_latents_and_sites_the_page_has_no_such_pictures(tmp_path, calls):
    for name, array, n_pictures in (("a", calls, 1), ("b", calls[:0], 0), ("c", calls[:, :0], 0)):
        fastae.write_archive(tmp_path / name, array)
        assert len(report_of(tmp_path / name).all("svg")) == n_pictures


def test_the_page_is_for_screen_readers_too(path):
    page = report_of(path)
    assert page.all("html") == [{"lang": "en"}]
    assert page.text("title").startswith("cohort.fae: report of an archive")
    assert len(page.all("h1")) == 1 and len(page.all("caption")) == len(page.all("table"))
    titles = {attributes["id"] for tag, attributes in page.elements if tag == "title" and "id" in attributes}
    for picture in page.all("svg"):
        assert picture["role"] == "img" and picture["aria-labelledby"] in titles
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert page.open == []


def assert_is_alone(page):
    """No scripts, and nothing that a browser would fetch."""
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "action", "data", "poster"):
                assert value.startswith(("#", "data:image/png;base64,")), value
            if name not in ("xmlns", "xmlns:xlink"):
                assert "http:" not in value and "https:" not in value, value
    for style in page.text("style").splitlines():
        assert "url(" not in style and "@import" not in style
    policy = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_the_page_needs_nothing_from_elsewhere(path):
    assert_is_alone(report_of(path, sizes={"another": 5}))


def test_hostile_names_stay_names(tmp_path, calls):
    sites = fastae.Sites.numbered(40)
    sites.chrom[:] = [HOSTILE] * 40
    sites.info[:] = [f"X={HOSTILE}"] * 40
    names = [f"{HOSTILE}{i}" for i in range(29)] + ["\x00\x1b]\udc80"]
    cohort = fastae.Cohort.from_arrays(calls, samples=names, sites=sites)
    cohort.attributes["<script>key</script>"] = "<script>value</script>"
    fastae.write_archive(tmp_path / "<b>&.fae", cohort, n_latents=3)
    page = report_of(tmp_path / "<b>&.fae", labels=[HOSTILE] * 15 + ["$\\frac"] * 15, sizes={HOSTILE: 3})
    assert_is_alone(page)
    assert not page.all("b") and not page.all("img")
    assert f"{HOSTILE}28" in page.text("p") and HOSTILE in page.text("th")
    start = HOSTILE[:30]  # pictures have no room for all of it
    drawn = page.text("text")
    assert f"\n{start}" in drawn and f"chromosome {start}" in drawn and "$\\frac (15)" in drawn
    assert "<script>key</script>" in page.text("td")
    assert "<b>&.fae" in page.text("h1")
    "".join(page.text()).encode()


def test_a_damaged_archive_is_said_to_be_damaged(path):
    data = bytearray(path.read_bytes())
    with fastae.open(path) as archive:
        block = next(s for s in archive._reader.index.sections if s.kind == BLOCK)
    data[block.offset + block.length // 2] ^= 1
    path.write_bytes(data)
    page = report_of(path)
    assert "Damaged." in page.text("strong") and "Whole." not in page.text("strong")
    assert "This part is damaged" in page.text("p")
    assert "two alleles" in page.text("th")  # sites are whole


def test_the_command_writes_the_same_page_each_time(path, capsys):
    path.with_name("labels.tsv").write_text("S1\tfirst\nS2\tsecond\n")
    path.with_name("sizes.tsv").write_text("tool\tbytes\nxz\t99\n")
    path.with_name("h.tsv").write_text(fastae.History(loss=[0.5]).to_tsv())
    options = ["--labels", "labels.tsv", "--sizes", "sizes.tsv", "--history", "h.tsv"]
    for name in ("a.html", "b.html"):
        assert main(["info", "cohort.fae", "--html", name, *options]) == 0
    assert capsys.readouterr().out == ""
    text = path.with_name("a.html").read_text()
    assert text == path.with_name("b.html").read_text()
    page = Page(text)
    assert len(page.all("svg")) == 4 and "first (1)" in page.text("text")


def test_what_no_report_can_be_made_of_is_refused(path, capsys):
    assert main(["info", "cohort.fae", "--labels", "x"]) == 1
    assert "--labels is for a report; give --html FILE, too" in capsys.readouterr().err
    assert main(["info", "cohort.fae", "--html", "cohort.fae"]) == 1
    assert "the output is the input file" in capsys.readouterr().err
