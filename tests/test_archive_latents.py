# SPDX-License-Identifier: Apache-2.0
"""Latents for analysis: stored beside any predictor, read back as what they are, and telling of the rows."""

import cohorts
import independent_reader
import numpy as np
import pytest

from fastae.archive import open_archive, write_archive
from fastae.archive.container import COLUMNS, varint
from fastae.archive.latents import StoredLatents
from fastae.cli import main
from fastae.cohort import Cohort
from fastae.errors import FormatError
from fastae.io import write_vcf


def groups(rng, n_sites=80, n_samples=90, n_groups=3):
    """Calls of people of some groups, each with frequencies of its own, and the group of each."""
    group = rng.integers(0, n_groups, n_samples)
    frequency = np.clip(rng.beta(0.8, 0.8, (n_sites, n_groups)), 0.05, 0.95)
    calls = rng.random((n_sites, n_samples, 2)) < frequency[:, group, None]
    return calls.astype(np.int8), group


def nearest_agrees(points, labels):
    """Share of points whose nearest other has their label."""
    distance = np.square(points[:, None] - points[None]).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    return (labels[distance.argmin(axis=1)] == labels).mean()


@pytest.mark.parametrize("predictor", ["auto", "frequency", "autoencoder", "pbwt", "runs"])
def test_latents_are_stored_whatever_the_predictor_and_calls_stay_exact(tmp_path, predictor, rng):
    cohort = cohorts.mixed(rng, 60, 30)
    options = {"predictor": predictor, "block_variants": 25, "block_samples": 12}
    write_archive(tmp_path / "without", cohort, **options)
    write_archive(tmp_path / "with", cohort, n_latents=3, latent_bits=2, **options)
    with open_archive(tmp_path / "with") as archive, open_archive(tmp_path / "without") as plain:
        archive.verify()
        np.testing.assert_array_equal(archive.read().call_genotype, cohort.call_genotype)
        latents = archive.latents()
        more = {key: archive.info()["bytes"][key] - plain.info()["bytes"][key] for key in archive.info()["bytes"]}
        assert [window.shape for window in latents] == [(30, 2, 3)] * 3
        assert more["residual"] == more["decoder"] == more["sites"] == 0
        assert more["latents"] == 3 * (3 + 30 * 2 * 3 * 2 // 8)
        assert more["total"] == more["genotypes"] == more["latents"] + more["index"]
    levels = np.array([-1, -1 / 3, 1 / 3, 1], np.float32)
    assert all(np.isin(window, levels).all() for window in latents)


def test_people_of_a_group_have_near_latents(tmp_path, rng):
    calls, group = groups(rng)
    write_archive(tmp_path / "a", calls, n_latents=6, latent_bits=4)
    with open_archive(tmp_path / "a") as archive:
        (latents,) = archive.latents()
    assert nearest_agrees(latents.mean(axis=1), group) > 0.97 > 2 * nearest_agrees(rng.random((90, 6)), group)


def test_rows_are_samples_where_calls_are_unphased_whoever_phased_them_for_storage(tmp_path, rng):
    """A writer's phasing is no data: the archive's rows are haplotypes it made up, the latents are of samples."""
    calls = np.sort(cohorts.related(rng, 150, 60, noise=0.002), axis=2)
    write_archive(tmp_path / "a", Cohort.from_arrays(calls, phased=False), n_latents=4)
    data = (tmp_path / "a").read_bytes()
    assert independent_reader.read_container(data).windows[0].sections[COLUMNS].data[0] == 2
    with open_archive(tmp_path / "a") as archive:
        assert [window.shape for window in archive.latents()] == [(60, 1, 4)]


@pytest.mark.parametrize("ploidy", [1, 3])
def test_rows_are_haplotypes_of_any_ploidy(tmp_path, ploidy, rng):
    write_archive(tmp_path / "a", cohorts.related(rng, 20, 7, ploidy=ploidy), n_latents=2, latent_bits=8)
    with open_archive(tmp_path / "a") as archive:
        assert [window.shape for window in archive.latents()] == [(7, ploidy, 2)]


@pytest.mark.parametrize("shape", [(0, 5, 2), (5, 0, 2), (5, 4, 2)])
def test_where_nothing_varies_there_are_no_latents(tmp_path, shape):
    write_archive(tmp_path / "a", np.zeros(shape, np.int8), n_latents=2)
    with open_archive(tmp_path / "a") as archive:
        assert [window.shape[2] for window in archive.latents()] == [0] * min(1, shape[0])


def test_one_sample_and_rare_sites_have_latents(tmp_path, rng):
    rare = np.zeros((30, 300, 2), np.int8)
    rare[np.arange(30), rng.integers(0, 300, 30), 0] = 1
    for calls in (np.array([[[0, 1]], [[1, 0]]], np.int8), rare):
        write_archive(tmp_path / "a", calls, n_latents=2)
        with open_archive(tmp_path / "a") as archive:
            assert archive.latents()[0].shape == (calls.shape[1], 2, 2)


def test_the_number_of_threads_changes_no_byte_and_the_seed_does(tmp_path, rng):
    calls, _ = groups(rng)
    written = []
    for name, n_threads, seed in (("one", 1, 0), ("three", 3, 0), ("other", 1, 1)):
        write_archive(tmp_path / name, calls, n_latents=4, block_variants=20, n_threads=n_threads, seed=seed)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1] != written[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_latents": -1}, "n_latents"),
        ({"n_latents": 1025}, "n_latents"),
        ({"n_latents": 2, "latent_bits": 9}, "latent_bits"),
        ({"n_latents": 2, "latent_bits": 0}, "latent_bits"),
    ],
)
def test_impossible_latents_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_archive(tmp_path / "a", np.zeros((2, 2, 2), np.int8), **options)
    assert list(tmp_path.iterdir()) == []


# ---- the section -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_a_section_gives_its_codes_back(bits, rng):
    codes = rng.integers(0, 1 << bits, (5, 2, 3), np.uint8)
    data = StoredLatents(codes, bits).to_bytes()
    assert len(data) == 3 + (30 * bits + 7) // 8
    again = StoredLatents.from_bytes(data, 5, 2)
    np.testing.assert_array_equal(again.codes, codes)
    np.testing.assert_allclose(again.levels(), (2.0 * codes - (1 << bits) + 1) / ((1 << bits) - 1), rtol=1e-6)


@pytest.mark.parametrize(
    "head",
    [
        b"\0" + varint(2) + varint(3),  # bits
        b"\x09" + varint(2) + varint(3),
        b"\1" + varint(0) + varint(3),  # rows of a sample
        b"\1" + varint(2) + varint(3),
        b"\1" + varint(4) + varint(3),
        b"\1" + varint(3) + varint(0),  # latents
        b"\1" + varint(3) + varint(1025),
        b"\1" + varint(3) + varint(1024),  # more than there are bytes
        b"\1" + varint(3) + varint(1),  # fewer
    ],
)
def test_hostile_heads_of_sections_are_refused(head):
    good = StoredLatents(np.zeros((1 << 10, 3, 2), np.uint8), 1).to_bytes()
    StoredLatents.from_bytes(good, 1 << 10, 3)
    with pytest.raises(FormatError, match="corrupt"):
        StoredLatents.from_bytes(head + good[3:], 1 << 10, 3)
    with pytest.raises(FormatError, match="corrupt"):
        StoredLatents.from_bytes(good, 1 << 24, 3)


# ---- the command line --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Written by the command line, of two windows, the second one of unphased calls."""
    folder = tmp_path_factory.mktemp("archive")
    cohort = cohorts.mixed(np.random.default_rng(3), 60, 30, phased=1)
    cohort.sites.alt[:] = [
        "C,G,<DEL>" if most < 4 else ",".join(f"<A{i}>" for i in range(most))
        for most in cohort.call_genotype.max(axis=(1, 2)).tolist()
    ]
    with cohort.to_stream() as stream:
        write_vcf(folder / "in.vcf", stream)
    assert (
        main(["compress", str(folder / "in.vcf"), str(folder / "a.fae"), "--latents", "3", "--latent-bits", "5"]) == 0
    )
    return folder / "a.fae"


def table(text):
    head, *rows = (line.split("\t") for line in text.splitlines())
    return head, rows


def test_latents_prints_a_line_for_each_haplotype_and_window(archive, capsys):
    assert main(["latents", str(archive)]) == 0
    head, rows = table(capsys.readouterr().out)
    with open_archive(archive) as opened:
        (want,) = opened.latents()
        ((sites, spans),) = opened.windows
        names = opened.samples
    window = ",".join(f"{chrom}:{first}-{last}" for chrom, first, last in spans)
    assert sites == slice(0, 60) and head == ["sample", "haplotype", "window", "z1", "z2", "z3"]
    assert [row[:3] for row in rows] == [[name, str(number), window] for name in names for number in (1, 2)]
    np.testing.assert_allclose(np.array([row[3:] for row in rows], float), want.reshape(60, 3), atol=1e-4)


def test_latents_of_some_samples_go_to_npz_and_to_tables_alike(archive, tmp_path):
    for name in ("out.npz", "out.tsv"):
        assert main(["latents", str(archive), "-s", "HG00007,HG00002", "-o", str(tmp_path / name)]) == 0
    arrays = np.load(tmp_path / "out.npz")
    with open_archive(archive) as opened:
        (want,) = opened.latents()
    assert arrays["samples"].tolist() == ["HG00007", "HG00002"]
    np.testing.assert_array_equal(arrays["latents"], want[[7, 2]][:, :, None], strict=True)
    _, rows = table((tmp_path / "out.tsv").read_text())
    assert [row[0] for row in rows] == ["HG00007"] * 2 + ["HG00002"] * 2
    assert {row[2] for row in rows} == set(arrays["windows"].tolist())
    np.testing.assert_allclose(np.array([row[3:] for row in rows], float), want[[7, 2]].reshape(4, 3), atol=1e-4)


def test_latents_of_a_region_are_those_of_its_windows(tmp_path, rng, capsys):
    cohort = cohorts.mixed(rng, 60, 30)
    cohort.call_genotype_phased[:25] = False
    write_archive(tmp_path / "a.fae", cohort, n_latents=2, block_variants=25)
    everything, part = [], []
    for got, options in ((everything, []), (part, ["-r", "chr1:1-30"])):
        assert main(["latents", str(tmp_path / "a.fae"), *options]) == 0
        got += table(capsys.readouterr().out)[1]
    assert len(everything) == 30 + 2 * 60 and {row[1] for row in part} == {"."}
    assert part == everything[:30]
    assert main(["latents", str(tmp_path / "a.fae"), "-o", str(tmp_path / "z.npz")]) == 0
    latents = np.load(tmp_path / "z.npz")["latents"]
    assert latents.shape == (30, 2, 3, 2) and np.isnan(latents[:, 1, 0]).all() and np.isnan(latents).mean() == 1 / 6


@pytest.mark.parametrize("options", [[], ["-o", "out.npz"]])
def test_an_archive_without_latents_says_how_to_get_them(tmp_path, capsys, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    write_archive("a.fae", np.array([[[0, 1]], [[1, 0]]], np.int8))
    assert main(["latents", "a.fae", *options]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "a.fae: the archive has no latents; write one with `fastae compress --latents M`" in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.fae"]


def test_the_latents_of_an_autoencoder_are_exported_where_no_others_are(tmp_path, rng, capsys):
    write_archive(tmp_path / "a", cohorts.related(rng, 60, 50), predictor="autoencoder")
    assert main(["latents", str(tmp_path / "a"), "-s", "S1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
