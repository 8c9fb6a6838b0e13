# SPDX-License-Identifier: Apache-2.0
"""Any cohort comes back from an archive exactly, however it is cut into blocks and whoever predicts them."""

import os
from dataclasses import replace

import cohorts
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastae.archive import open_archive, presets, write_archive
from fastae.archive.predictors import frequency, pbwt, training
from fastae.archive.presets import PRESETS, Preset
from fastae.cohort import Cohort, CohortStream, Sites
from fastae.difference import first_difference
from fastae.errors import FormatError, InputError

PREDICTORS = ["auto", "frequency", "autoencoder", "pbwt", "runs", "mosaic"]


@pytest.fixture(scope="module", autouse=True)
def short_training():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "MAX_EPOCHS", 40)
        yield


def read_back(path):
    with open_archive(path) as archive:
        archive.verify()
        return archive.read()


@given(cohorts.cohorts(), st.sampled_from(PREDICTORS), st.integers(1, 9), st.integers(1, 7))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_cohort_comes_back(tmp_path_factory, cohort, predictor, block_variants, block_samples):
    path = tmp_path_factory.getbasetemp() / "any.fae"
    write_archive(
        path, cohort, predictor=predictor, block_variants=block_variants, block_samples=block_samples, n_threads=2
    )
    back = read_back(path)
    assert first_difference(cohort, back) is None
    assert [a if isinstance(a, list) else a.tolist() for a in back.sites.columns()] == [
        a if isinstance(a, list) else a.tolist() for a in cohort.sites.columns()
    ]
    if cohort.n_variants:
        np.testing.assert_array_equal(back.call_genotype, cohort.call_genotype)


@pytest.mark.parametrize("phased", [0.2, 0.9])
@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("block", [(4096, 256), (40, 13), (7, 1000), (45, 5)])
def test_calls_of_every_kind_come_back(tmp_path, predictor, block, phased, rng):
    cohort = cohorts.mixed(rng, phased=phased)
    write_archive(tmp_path / "a", cohort, predictor=predictor, block_variants=block[0], block_samples=block[1])
    assert first_difference(cohort, read_back(tmp_path / "a")) is None


@pytest.mark.parametrize("ploidy", [1, 2, 3])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 50), (50, 1)])
def test_cohorts_of_every_shape_come_back(tmp_path, shape, ploidy, rng):
    calls = cohorts.related(rng, *shape, ploidy=ploidy)
    for predictor in PREDICTORS:
        write_archive(tmp_path / "a", calls, predictor=predictor)
        with open_archive(tmp_path / "a") as archive:
            assert archive.shape == (*shape, ploidy)
            assert first_difference(Cohort.from_arrays(calls), archive.read()) is None
            archive.verify()


def test_a_stream_of_uneven_blocks_and_ploidies_comes_back(tmp_path, rng):
    parts = [Cohort.from_arrays(cohorts.related(rng, n, 9, ploidy=p)) for n, p in ((7, 1), (30, 2), (1, 3), (12, 2))]
    whole = Cohort.concatenate(parts)
    stream = CohortStream(whole.header, whole.samples, iter(parts))
    write_archive(tmp_path / "a", stream, block_variants=16, block_samples=4)
    assert first_difference(whole, read_back(tmp_path / "a")) is None


def test_each_predictor_writes_the_blocks_it_is_asked_for(tmp_path, rng):
    calls = cohorts.related(rng, 120, 200, noise=0.002)
    kinds = {}
    for predictor in PREDICTORS:
        write_archive(tmp_path / predictor, calls, predictor=predictor, block_samples=100)
        with open_archive(tmp_path / predictor) as archive:
            info = archive.info()
        kinds[predictor] = info["predictors"], info["bytes"]["genotypes"]
    for predictor in PREDICTORS[1:]:
        assert kinds[predictor][0] == dict.fromkeys(PREDICTORS[1:], 0) | {predictor: 2}
    assert kinds["auto"] == kinds["pbwt"]
    assert kinds["pbwt"][1] < kinds["autoencoder"][1] < 1.3 * kinds["pbwt"][1] < kinds["frequency"][1]


def test_auto_chooses_for_each_block(tmp_path, rng, monkeypatch):
    """The second block alone would be far larger by its neighbours."""
    real, done = pbwt.encode, []

    def encode(*args, **options):
        residual = real(*args, **options)
        done.append(len(residual))
        return residual + bytes(10_000 * (len(done) == 2))

    monkeypatch.setattr(pbwt, "encode", encode)
    calls = cohorts.related(rng, 120, 300, noise=0.002)
    write_archive(tmp_path / "a", calls, block_samples=100)
    with open_archive(tmp_path / "a") as archive:
        assert [section.predictor for section, _ in archive._blocks(0)] == [pbwt.NUMBER, frequency.NUMBER, pbwt.NUMBER]
        np.testing.assert_array_equal(archive[:], calls)


@pytest.mark.parametrize(("n_samples", "chosen"), [(40, "pbwt"), (300, "frequency")])
def test_auto_takes_frequencies_only_where_they_save_more_than_the_rates_they_need(tmp_path, rng, n_samples, chosen):
    """Noise is less by frequency in every block; but of few people, that is not worth the window's rates."""
    calls = (rng.random((500, n_samples, 2)) < 0.05).astype(np.int8)
    sizes = {}
    for predictor in ("auto", "frequency", "pbwt"):
        write_archive(tmp_path / "a", calls, predictor=predictor, block_samples=20)
        with open_archive(tmp_path / "a") as archive:
            sizes[predictor] = [section.length for section, _ in archive._blocks(0)]
            sizes[predictor].append(archive.info()["bytes"]["genotypes"])
    assert all(a < b for a, b in zip(sizes["frequency"][:-1], sizes["pbwt"][:-1], strict=True))
    assert sizes["auto"] == sizes[chosen]
    assert sizes["auto"][-1] == min(sizes["frequency"][-1], sizes["pbwt"][-1])


def test_blocks_have_the_shape_their_preset_or_predictor_likes(tmp_path, monkeypatch, rng):
    table = monkeypatch.setitem
    table(presets.PRESETS, "fast", Preset(("pbwt",), most_variants=20, most_samples=12, most_cells=1 << 20))
    table(presets.PRESETS, "max", Preset(("pbwt",), most_variants=90, most_samples=50, most_cells=64 * 60))
    table(presets.FORCED, "frequency", Preset(("frequency",), most_variants=25, most_samples=20, most_cells=1 << 20))
    fast, slow, rated = {"preset": "fast"}, {"preset": "max"}, {"preset": "max", "predictor": "frequency"}
    for options, n_windows, slab_samples in ((fast, 5, 10), (slow, 2, 30), (rated, 4, 15)):
        write_archive(tmp_path / "a", cohorts.related(rng, 100, 30), **options)
        with open_archive(tmp_path / "a") as archive:
            index = archive._reader.index
            assert (len(index.windows), index.slab_samples) == (n_windows, slab_samples)
    write_archive(tmp_path / "a", cohorts.related(rng, 2, 33_000, ploidy=1))
    with open_archive(tmp_path / "a") as archive:
        assert archive._reader.index.slab_samples == 16_500


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_gives_calls_of_every_kind_back(tmp_path, preset, rng):
    cohort = cohorts.mixed(rng)
    write_archive(tmp_path / "a", cohort, preset=preset)
    assert first_difference(cohort, read_back(tmp_path / "a")) is None


def test_more_rows_than_pbwt_takes_go_by_frequency_or_are_refused_by_name(tmp_path, rng):
    calls = cohorts.related(rng, 3, 65_536 // 2)
    write_archive(tmp_path / "a", calls, block_samples=40_000)
    with open_archive(tmp_path / "a") as archive:
        assert archive.info()["predictors"]["frequency"] == 1
    message = "a block has 65536 rows, pbwt takes 65535; give block_samples of at most 32767"
    with pytest.raises(InputError, match=message):
        write_archive(tmp_path / "b", calls, predictor="pbwt", block_samples=40_000)
    write_archive(tmp_path / "b", calls, predictor="pbwt", block_samples=32_767)
    assert first_difference(Cohort.from_arrays(calls), read_back(tmp_path / "b")) is None


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_the_same_bytes_whatever_the_threads_and_the_source(tmp_path, predictor, rng):
    cohort = cohorts.mixed(rng)
    written = []
    for number, (n_threads, seed) in enumerate([(1, 5), (2, 5), (1, 5), (1, 6)]):
        given = cohort.to_stream(11) if number == 2 else cohort
        options = {"predictor": predictor, "block_variants": 20, "block_samples": 16, "seed": seed}
        write_archive(tmp_path / str(number), given, n_threads=n_threads, **options)
        written.append((tmp_path / str(number)).read_bytes())
    assert written[0] == written[1] == written[2]
    if predictor == "autoencoder":
        assert written[3] != written[0]


def test_progress_counts_variants(tmp_path, rng):
    seen = []
    write_archive(tmp_path / "a", cohorts.related(rng, 25, 4), block_variants=10, progress=seen.append)
    assert seen == [10, 20, 25]


def test_long_texts_do_not_cost_memory_for_every_site(tmp_path):
    """One allele of a megabase beside a thousand short ones."""
    n = 1000
    calls = np.ones((n, 1), np.int8)
    sites = Sites.numbered(n)
    sites.ref[500] = "ACGT" * 250_000
    write_archive(tmp_path / "a", Cohort.from_arrays(calls, sites=sites))
    assert read_back(tmp_path / "a").sites.ref == sites.ref


# ---- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"preset": "best"}, ValueError, "preset is 'best'; it can be 'fast', 'default', 'max'"),
        ({"predictor": "magic"}, ValueError, "predictor is 'magic'; it can be 'auto', 'frequency', 'autoencoder'"),
        ({"block_variants": 0}, ValueError, "block_variants must be 1 to 65536, got 0"),
        ({"block_variants": 65537}, ValueError, "block_variants must be 1 to 65536"),
        ({"block_variants": 2.5}, TypeError, "block_variants must be an integer, got float"),
        ({"block_samples": 0}, ValueError, "block_samples must be 1 to 1048576, got 0"),
        ({"block_samples": "x"}, TypeError, "block_samples must be an integer, got str"),
        ({"n_threads": 0}, ValueError, "n_threads must be 1 to 1024, got 0"),
        ({"seed": -1}, ValueError, "seed must be 0 or more, got -1"),
        ({"seed": None}, TypeError, "seed must be an integer"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        write_archive(tmp_path / "a", [[0, 1]], **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("calls", "error", "message"),
    [
        ([[0.5]], TypeError, "must be an array of integers"),
        ([0, 1], ValueError, "shape"),
        ([[16129]], ValueError, "alleles run from"),
        ([[[-2, 0]]], ValueError, "an allele follows a fill"),
    ],
)
def test_arrays_that_are_no_calls_are_refused(tmp_path, calls, error, message):
    with pytest.raises(error, match=message):
        write_archive(tmp_path / "a", calls)
    assert not list(tmp_path.iterdir())


def cohort_with(**columns):
    sites = Sites.numbered(2)
    values = {name: columns.get(name, getattr(sites, name)) for name in sites.__dataclass_fields__}
    return Cohort.from_arrays([[0, 1], [1, 1]], sites=Sites(**values))


@pytest.mark.parametrize(
    ("cohort", "message"),
    [
        (cohort_with(info=["a\nb", "."]), "INFO of a site holds a line break"),
        (Cohort.from_arrays([[0, 1, 1]], samples=["a", "b\n", "c"]), r"the sample 'b\\n' has a line break in its name"),
        (cohort_with(pos=np.array([-1, 4])), "sites lie at -1 to 4; positions are 0 or more"),
        (cohort_with(pos=np.array([1, 2**62])), "sites lie at 1 to 4611686018427387904"),
        (
            Cohort.from_arrays(np.zeros((1, 1, 1025), np.int8)),
            "calls have 1025 alleles each, an archive holds up",
        ),
    ],
)
def test_cohorts_that_no_archive_can_hold_are_refused(tmp_path, cohort, message):
    with pytest.raises(InputError, match=message):
        write_archive(tmp_path / "a", cohort)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("calls", "phased", "samples", "message"),
    [
        ([[[0], [16129]]], False, ["a", "b"], "alleles run from 0 to 16129, allowed are -2 to 16128"),
        ([[[0], [-3]]], False, ["a", "b"], "alleles run from -3 to 0"),
        ([[[0, -2], [0, 1]]], True, ["a", "b"], "a call of fewer than two alleles is phased"),
        ([[[0], [1]]], True, ["a", "b"], "a call of fewer than two alleles is phased"),
        ([[[0], [1]]], False, ["a", "c"], "a block of the stream has other samples than the stream"),
        ([[[0]]], False, ["a"], "a block of the stream has other samples than the stream"),
    ],
)
def test_blocks_put_together_wrongly_are_refused(tmp_path, calls, phased, samples, message):
    calls = np.array(calls, np.int16)
    block = Cohort("", samples, Sites.numbered(1), calls, np.full(calls.shape[:2], phased))
    with pytest.raises(InputError, match=message):
        write_archive(tmp_path / "a", CohortStream("", ["a", "b"], iter([block])))
    assert not list(tmp_path.iterdir())


def test_windows_too_large_for_a_reader_are_refused_and_never_written(tmp_path, monkeypatch):
    write_archive(tmp_path / "a", np.ones((11, 10, 1), np.int8))
    monkeypatch.setattr("fastae.archive.container.MAX_WINDOW_CALLS", 100)
    with pytest.raises(FormatError, match="more than 2\\^32 alleles"):
        open_archive(tmp_path / "a")
    write_archive(tmp_path / "b", np.ones((11, 10, 1), np.int8))
    with open_archive(tmp_path / "b") as archive:
        assert archive.info()["blocks"] == 2 and (archive[:] == 1).all()


def test_blocks_too_large_for_a_reader_are_halved_until_a_site_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("fastae.archive.writer.MAX_BLOCK_CELLS", 25)
    write_archive(tmp_path / "a", np.ones((11, 10, 1), np.int8))
    with open_archive(tmp_path / "a") as archive:
        assert archive.info()["blocks"] == 7 and (archive[:] == 1).all()
    with pytest.raises(InputError, match="a site of 26 samples is too large for a reader's memory; give smaller"):
        write_archive(tmp_path / "b", np.ones((11, 26, 1), np.int8))


def test_a_decoder_predicts_the_commonest_columns_where_they_are_too_many(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(training, "MAX_OUTPUTS", 20)
    calls = (rng.random((50, 30, 2)) < rng.random(50)[:, None, None] / 2).astype(np.int8)
    write_archive(tmp_path / "b", calls, predictor="autoencoder")
    with open_archive(tmp_path / "b") as archive:
        assert 10 < archive._decoder(0).model.decoder.sizes[-1] < 20
        np.testing.assert_array_equal(archive[:], calls)


def test_rows_share_no_more_codes_than_a_reader_takes(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(training, "MAX_LEANS", 2000)
    calls = rng.integers(0, 2, (200, 60, 2)).astype(np.int8)
    write_archive(tmp_path / "b", calls, predictor="autoencoder")
    with open_archive(tmp_path / "b") as archive:
        assert len(archive._decoder(0).model.codebook.codes) == 10
        np.testing.assert_array_equal(archive[:], calls)


def test_texts_longer_than_a_reader_unfolds_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("fastae.archive.container.MAX_TEXT", 1000)
    cohort = Cohort.from_arrays([[0, 1]])
    cohort.header = "#" * 1001
    with pytest.raises(InputError, match="bytes of text are to be held in one piece, a reader unfolds at most 1000"):
        write_archive(tmp_path / "a", cohort)
    cohort.header, cohort.attributes = "", {str(i): "" for i in range(65537)}
    with pytest.raises(InputError, match="65537 attributes, 65536 can be held"):
        write_archive(tmp_path / "a", cohort)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("spend", [CohortStream.read, CohortStream.close, lambda stream: next(iter(stream))])
def test_a_spent_stream_is_not_written_as_an_empty_archive(tmp_path, spend, rng):
    write_archive(tmp_path / "a", cohorts.mixed(rng), block_variants=7)
    before = (tmp_path / "a").read_bytes()
    with open_archive(tmp_path / "a") as archive:
        stream = archive.stream()
        spend(stream)
        for name in "a", "b":
            with pytest.raises(ValueError, match="this stream has been (read|closed)"):
                write_archive(tmp_path / name, stream)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == before


def test_an_archive_is_copied_with_its_names_sites_and_header(tmp_path, rng):
    cohort = cohorts.mixed(rng)
    write_archive(tmp_path / "a", cohort, block_variants=40, block_samples=13)
    with open_archive(tmp_path / "a") as archive:
        write_archive(tmp_path / "b", archive, block_variants=7, block_samples=5)
        with open_archive(tmp_path / "b") as copy:
            assert copy.info()["blocks"] > archive.info()["blocks"]
            assert first_difference(archive.stream(), copy.stream()) is None
    assert first_difference(cohort, read_back(tmp_path / "b")) is None


def test_an_archive_is_not_copied_onto_itself(tmp_path, rng):
    write_archive(tmp_path / "a", cohorts.mixed(rng))
    before = (tmp_path / "a").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with open_archive(tmp_path / "a") as archive:
        for name in "a", "link":
            with pytest.raises(InputError, match="the output is the input"):
                write_archive(tmp_path / name, archive)
    assert (tmp_path / "a").read_bytes() == before


@pytest.mark.parametrize("kind", [str, os.fsencode, lambda path: path, lambda path: [path], lambda path: {str(path)}])
def test_inputs_may_be_one_path_or_several(tmp_path, kind):
    write_archive(tmp_path / "a", [[0, 1]], inputs=kind(tmp_path / "b"))
    with pytest.raises(InputError, match="the output is the input"):
        write_archive(tmp_path / "a", [[0, 1]], inputs=kind(tmp_path / "a"))


def test_a_path_of_bytes_names_the_same_file(tmp_path):
    write_archive(os.fsencode(tmp_path / "a"), [[0, 1]])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with open_archive(os.fsencode(tmp_path / "a")) as archive:
        assert archive[0, :, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("n_sites", "windows"), [(250, [128, 122]), (288, [128, 160]), (289, [128, 128, 33]), (30, [30])]
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_last_window_of_few_sites_joins_the_one_before(tmp_path, monkeypatch, rng, n_sites, windows, streamed):
    monkeypatch.setitem(PRESETS, "default", replace(PRESETS["default"], most_variants=128))
    cohort = Cohort.from_arrays(rng.integers(0, 2, (n_sites, 6, 2), dtype=np.int8))
    write_archive(tmp_path / "a.fae", cohort.to_stream(50) if streamed else cohort)
    with open_archive(tmp_path / "a.fae") as archive:
        assert [window.n_sites for window in archive._reader.index.windows] == windows
        np.testing.assert_array_equal(archive[:], cohort.call_genotype)
    write_archive(tmp_path / "a.fae", cohort, block_variants=128)
    with open_archive(tmp_path / "a.fae") as archive:
        assert max(window.n_sites for window in archive._reader.index.windows) <= 128
