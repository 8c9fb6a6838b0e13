# SPDX-License-Identifier: Apache-2.0
"""FORMAT.md says all: a reader that was written from it alone reads what the product does."""

import ast
import dataclasses
import functools
import re
import subprocess
import sys
from pathlib import Path

import cohorts
import independent_reader
import numpy as np
import pytest
import vcftext
from independent_reader import PREDICTORS, gaps, other_files
from independent_reader.columns import read_columns
from independent_reader.container import ANALYSIS, COLUMNS, MODEL, SITES

from fastae import rans
from fastae.archive import open_archive, write_archive
from fastae.archive.predictors import training
from fastae.archive.presets import PRESETS
from fastae.checkpoint import loads_state
from fastae.cohort import Cohort
from fastae.io import read_cohort
from fastae.latents import pack_latents, unpack_latents
from fastae.modelfile import load_model

HERE = Path(__file__).parent
GOLDEN = sorted((HERE / "golden").glob("archive-*/*.fae"))
READER = sorted(Path(independent_reader.__file__).parent.glob("*.py"))


def check_agrees(path):
    """The independent reader and the product see the same archive; what the first saw."""
    plain = independent_reader.read_archive(path.read_bytes())
    with open_archive(path) as archive:
        cohort, latents = archive.read(), archive.latents()
    assert (plain.source, plain.header, plain.attributes) == (cohort.source, cohort.header, cohort.attributes)
    assert plain.samples == cohort.samples
    assert plain.sites == [c if isinstance(c, list) else c.tolist() for c in cohort.sites.columns()]
    np.testing.assert_array_equal(plain.calls, cohort.call_genotype, strict=True)
    np.testing.assert_array_equal(plain.phased, cohort.call_genotype_phased, strict=True)
    stored = {**plain.latents, **plain.analysis}
    assert {number for number, of_window in enumerate(latents) if of_window.size} == set(stored)
    for number, levels in stored.items():
        np.testing.assert_array_equal(levels.astype(np.float32), latents[number].reshape(levels.shape), strict=True)
    return plain


# ---- golden archives ---------------------------------------------------------------------------------


@functools.cache
def golden(path):
    """What the independent reader and the product agree that a golden archive holds."""
    return check_agrees(path)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_archives_read_alike(path):
    want, plain = np.load(path.with_suffix(".npz")), golden(path)
    np.testing.assert_array_equal(plain.calls, want["calls"], strict=True)
    np.testing.assert_array_equal(plain.phased, want["phased"], strict=True)
    for number, levels in {**plain.latents, **plain.analysis}.items():
        want_levels = want[f"latents{number}"]
        np.testing.assert_array_equal(levels.astype(np.float32).reshape(want_levels.shape), want_levels)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_archives_give_back_the_files_they_were_made_from(path):
    original = next(path.with_suffix(end) for end in (".vcf", ".fa") if path.with_suffix(end).exists())
    assert independent_reader.file_of(golden(path)) == original.read_bytes()


def test_golden_archives_have_all_that_the_format_has():
    seen = set()
    for path in GOLDEN:
        plain = golden(path)
        windows = independent_reader.read_container(path.read_bytes()).windows
        seen |= {plain.source}
        seen |= {("positions in the text", bool(window.sections[SITES].data[0])) for window in windows}
        seen |= {("ploidy", window.ploidy) for window in windows}
        for window in windows:
            rows = window.sections[COLUMNS].data[0]
            seen |= {(PREDICTORS[block.predictor], rows) for block in window.blocks.values()}
            seen |= {("latents for analysis", rows)} if ANALYSIS in window.sections else set()
        seen |= {("allele", allele) for allele in np.unique(plain.calls).tolist()}
        seen |= {("phased", flag) for flag in np.unique(plain.phased).tolist()}
    assert {("positions in the text", False), ("positions in the text", True), "vcf", "fasta"} <= seen
    assert {("ploidy", 1), ("ploidy", 2), ("ploidy", 4), ("phased", True), ("phased", False)} <= seen
    assert {("allele", allele) for allele in (-2, -1, 0, 1, 2, 3, 126, 127, 1000)} <= seen
    layouts = {(predictor, rows) for predictor in ("autoencoder", "pbwt", "runs") for rows in (0, 1, 2)}
    layouts |= {("frequency", 0), ("frequency", 1), ("frequency", 2), ("mosaic", 1)}
    layouts |= {("latents for analysis", 0), ("latents for analysis", 2)}
    assert layouts <= seen


def test_the_example_in_the_document_is_an_archive(tmp_path):
    chapter = (HERE.parent / "FORMAT.md").read_text("utf-8").split("### 5.14")[1].split("\n## ")[0]
    rows = [row.split("|")[1:4] for row in chapter.splitlines() if re.match(r"\| \d+ \| `", row)]
    data = b""
    for offset, written, _ in rows:
        assert int(offset) == len(data)
        data += bytes.fromhex(written.replace("`", ""))
    (tmp_path / "a").write_bytes(data)
    plain = check_agrees(tmp_path / "a")
    vcf = [line.removeprefix("    ") for line in chapter.splitlines() if line.startswith("    ")]
    assert independent_reader.file_of(plain).decode().splitlines() == vcf
    window = independent_reader.read_container(data).windows[0]
    table = read_columns(window.sections[COLUMNS].data, window.n_sites, window.ploidy)
    matrix = gaps.read_block(window.blocks[0].data, table, n_rows=4)
    bits = re.findall(r"\| ([01∗ ]{7,}) \|", chapter)
    assert [row.replace("∗", "").split() for row in bits] == matrix.astype(int).astype(str).tolist()


# ---- coders by themselves ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 300, 40_000])
def test_frequency_tables_and_streams_read_alike(n, rng):
    """40,000 symbols are a long stream."""
    counts = rng.integers(0, 50, 200)
    table = rans.FrequencyTable.from_counts(counts, precision=13)
    symbols = rng.choice(200, n, p=counts / counts.sum())
    source = independent_reader.Bytes(bytes(table.to_bytes()) + bytes(rans.encode(symbols, table)))
    precision, frequencies = independent_reader.rans.read_table(source)
    assert independent_reader.rans.is_long(frequencies, precision, n) == (n > 300)
    assert independent_reader.rans.decode(source.rest(), frequencies, precision, n) == symbols.tolist()


def test_the_folder_runs_as_a_command_that_needs_nothing_of_the_product():
    path = next(path for path in GOLDEN if path.stem == "aligned")
    command = [sys.executable, "-I", HERE / "independent_reader", path]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert done.stdout == path.with_suffix(".fa").read_bytes()


# ---- archives made here ------------------------------------------------------------------------------


@pytest.mark.parametrize("phased", [0.1, 0.8])
@pytest.mark.parametrize("predictor", ["frequency", "autoencoder", "pbwt", "runs", "mosaic"])
def test_every_predictor_reads_alike(tmp_path, predictor, phased, rng, monkeypatch):
    monkeypatch.setattr(training, "MAX_EPOCHS", 20)
    cohort = cohorts.mixed(rng, 60, 30, phased=phased)
    cohort.attributes["line_width"] = "60"
    write_archive(tmp_path / "a", cohort, predictor=predictor, block_variants=25, block_samples=12)
    plain = check_agrees(tmp_path / "a")
    assert PREDICTORS.index(predictor) in plain.predictors
    np.testing.assert_array_equal(plain.calls, cohort.call_genotype)
    np.testing.assert_array_equal(plain.phased, cohort.call_genotype_phased)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_reads_alike(tmp_path, preset, rng):
    cohort = cohorts.mixed(rng, 90, 30, phased=0.1)
    cohort.call_genotype[:30] = np.sort(cohorts.related(rng, 30, 30), axis=2)
    cohort.call_genotype_phased[:30] = False
    write_archive(tmp_path / "a", cohort, preset=preset, block_variants=30, block_samples=20, n_latents=3)
    plain = check_agrees(tmp_path / "a")
    assert set(plain.analysis) == {0, 1, 2}


@pytest.mark.parametrize("ploidy", [1, 3])
def test_windows_of_several_ploidies_read_alike(tmp_path, ploidy, rng):
    narrow = Cohort.from_arrays(cohorts.related(rng, 5, 7))
    wide = Cohort.from_arrays(cohorts.related(rng, 20, 7, ploidy=ploidy))
    write_archive(tmp_path / "a", Cohort.concatenate([narrow, wide]), block_variants=5, block_samples=3)
    check_agrees(tmp_path / "a")


@pytest.mark.parametrize("predictor", ["frequency", "pbwt", "runs", "mosaic"])
@pytest.mark.parametrize(("n_variants", "n_samples"), [(0, 5), (5, 0), (0, 0), (6, 1), (1, 6)])
def test_the_smallest_cohorts_read_alike(tmp_path, predictor, n_variants, n_samples, rng):
    calls = cohorts.related(rng, max(n_variants, 1), max(n_samples, 1))[:n_variants, :n_samples]
    write_archive(tmp_path / "a", Cohort.from_arrays(calls, phased=False), predictor=predictor)
    check_agrees(tmp_path / "a")


@pytest.mark.parametrize("predictor", ["autoencoder", "pbwt", "runs"])
def test_columns_that_are_all_alike_read_alike(tmp_path, predictor, rng):
    """Streams whose every table has but one symbol, and models of which all codes lean alike."""
    calls = np.zeros((20, 12, 2), np.int8)
    calls[::2, 3] = 1
    write_archive(tmp_path / "a", Cohort.from_arrays(calls, phased=True), predictor=predictor)
    check_agrees(tmp_path / "a")


def test_latents_that_rows_share_read_alike(tmp_path, rng):
    """Rows copied from few founders share their latents, and lean as these do."""
    calls = cohorts.related(rng, 40, 150, n_founders=3, noise=0.01)
    write_archive(tmp_path / "a", calls, predictor="autoencoder", block_samples=80)
    window = independent_reader.read_container((tmp_path / "a").read_bytes()).windows[0]
    model = independent_reader.read_model(window.sections[MODEL], n_allele_columns=40)
    assert 2 <= len(model.codebook.codes) <= 30
    assert (model.leans.any(axis=0) & ~model.leans.all(axis=0)).sum() > 10
    check_agrees(tmp_path / "a")


@pytest.mark.parametrize("n_columns", [1, 2, 10, 18_000])
def test_wings_with_leads_of_any_length_read_alike(tmp_path, n_columns, rng, monkeypatch):
    monkeypatch.setitem(PRESETS, "default", dataclasses.replace(PRESETS["default"], one_way_cells=0))
    write_archive(tmp_path / "a", cohorts.related(rng, n_columns, 6, noise=0.1), predictor="pbwt")
    check_agrees(tmp_path / "a")


def test_people_like_each_other_read_alike(tmp_path, rng):
    """What a mosaic is so sure of that its numbers reach their bounds; and then it errs."""
    calls = np.sort(cohorts.related(rng, 400, 14, n_founders=2, noise=0), axis=2)
    calls[300:] = np.sort(cohorts.related(rng, 100, 14, n_founders=8, noise=0.2), axis=2)
    calls[50:60, 3] = -1
    write_archive(tmp_path / "a", Cohort.from_arrays(calls, phased=False), predictor="mosaic")
    check_agrees(tmp_path / "a")


@pytest.mark.parametrize("predictor", ["runs", "pbwt"])
def test_many_columns_read_alike(tmp_path, predictor, rng):
    """Enough for 32 states of rANS."""
    write_archive(tmp_path / "a", cohorts.related(rng, 300, 150, noise=0.01), predictor=predictor)
    check_agrees(tmp_path / "a")


@pytest.mark.parametrize("predictor", ["runs", "pbwt"])
def test_rare_alleles_read_alike(tmp_path, predictor, rng):
    """So many cells of one context that it forgets; and rows, one more than 2^11, of numbers of twelve bits."""
    calls = np.zeros((250, 2049, 1), np.int8)
    for number, site in enumerate(calls):
        site[rng.integers(0, 2049, 4 if number % 10 else 1)] = 1
    calls[::60] = rng.integers(0, 2, calls[::60].shape)  # of many runs
    write_archive(tmp_path / "a", calls, predictor=predictor)
    check_agrees(tmp_path / "a")


def test_rare_alleles_of_many_people_read_alike(tmp_path, rng):
    """Gaps whose offsets are of several pieces, in classes of all kinds."""
    n_carriers = [1, 1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 20, 100, 1000]
    calls = np.zeros((len(n_carriers), 70_000, 1), np.int8)
    for site, number in zip(calls, n_carriers, strict=True):
        site[rng.choice(70_000, number, replace=False)] = 1
    write_archive(tmp_path / "a", calls, predictor="frequency", block_samples=40_000)
    plain = check_agrees(tmp_path / "a")
    assert plain.predictors == {PREDICTORS.index("frequency")}


SITES_ALONE = [line.split("\tGT")[0] for line in vcftext.EVERYTHING[:7]]
VCFS = {
    "everything": vcftext.vcf(vcftext.EVERYTHING),
    "no records": vcftext.vcf([]),
    "no FORMAT": vcftext.vcf(SITES_ALONE, samples=None),
    "no samples": vcftext.vcf([f"{line}\tGT" for line in SITES_ALONE], samples=()),
}
FASTA = b">a b\nACGT,.\nNNaa-*\n>c\nACGT,~\nNN,,-.\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("has_last_end", [True, False])
@pytest.mark.parametrize("text", [*VCFS.values(), FASTA], ids=[*VCFS, "fasta"])
def test_files_are_given_back(tmp_path, text, has_last_end, end):
    data = (text if has_last_end else text[:-1]).replace(b"\n", end)
    (tmp_path / "a").write_bytes(data)
    with read_cohort(tmp_path / "a") as cohort:
        write_archive(tmp_path / "a.fae", cohort)
    assert independent_reader.file_of(check_agrees(tmp_path / "a.fae")) == data


# ---- other files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 9))
def test_packed_latents_read_alike(bits, rng):
    data = pack_latents(rng.uniform(-1, 1, (7, 5)), bits)
    levels = other_files.read_packed_latents(data)
    np.testing.assert_array_equal(levels.astype(np.float32), unpack_latents(data), strict=True)


def test_a_saved_model_reads_alike(rng):
    path = HERE / "golden" / "model-v1" / "autoencoder.model"
    bits, encoder, decoder = other_files.read_saved_model(path.read_bytes())
    model, x = load_model(path), rng.uniform(-1, 1, (4, 6)).astype(np.float32)
    assert bits == model.latent_bits
    np.testing.assert_allclose(encoder(x), model.encoder(x), rtol=1e-5)
    z = model.transform(x)
    np.testing.assert_allclose(decoder(z), model.decoder(z), rtol=1e-5)


def test_a_checkpoint_reads_alike():
    data = (HERE / "golden" / "checkpoint-v1" / "training.ckpt").read_bytes()
    settings, arrays = other_files.read_checkpoint(data)
    state = loads_state(data)
    assert (settings, list(arrays)) == (state.settings, list(state.arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, state.arrays[name], strict=True)


# ---- damage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_damaged_archives_are_refused(path, rng):
    whole = path.read_bytes()
    for place in rng.integers(0, len(whole), 20).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        for data in (bytes(damaged), whole[:place]):
            with pytest.raises(independent_reader.FormatError):
                independent_reader.read_archive(data)


# ---- the reader itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", READER, ids=lambda path: path.stem)
def test_the_reader_imports_numpy_and_the_standard_library_only(path):
    allowed = {"numpy", "independent_reader", *sys.stdlib_module_names}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1 or (node.level == 0 and node.module.split(".")[0] in allowed)
