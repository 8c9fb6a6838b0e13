# SPDX-License-Identifier: Apache-2.0
"""Parts of an archive: indices as NumPy has them, regions, streams, latents, and the bytes read for each."""

import time

import cohorts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae.archive import open_archive, write_archive
from fastae.archive.columns import ColumnTable
from fastae.archive.container import ContainerReader
from fastae.archive.predictors import training
from fastae.cohort import Cohort
from fastae.difference import first_difference
from fastae.errors import InputError

N_VARIANTS, N_SAMPLES = 90, 40


def write(folder, predictor):
    """(path, cohort): blocks of 25 sites and 12 samples."""
    rng = np.random.default_rng(7)
    cohort = cohorts.mixed(rng, N_VARIANTS, N_SAMPLES)
    path = folder / "a.fae"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "MAX_EPOCHS", 40)
        write_archive(path, cohort, predictor=predictor, block_variants=25, block_samples=12)
    return path, cohort


@pytest.fixture(scope="module", params=["autoencoder", "pbwt"])
def written(request, tmp_path_factory):
    return write(tmp_path_factory.mktemp("slicing"), request.param)


@pytest.fixture(scope="module")
def with_latents(tmp_path_factory):
    path, _ = write(tmp_path_factory.mktemp("latents"), "autoencoder")
    with open_archive(path) as archive:
        yield archive


@pytest.fixture
def archive(written):
    with open_archive(written[0]) as archive:
        yield archive


@pytest.fixture
def calls(written):
    return written[1].call_genotype


PLACES = [0, 1, 24, 25, 26, 39, -1, -40, np.int8(3), np.uint16(11)]
SLICES = [
    slice(None),
    slice(3, 30),
    slice(30, 3),
    slice(None, None, -1),
    slice(38, 2, -7),
    slice(-5, None),
    slice(5, 5),
    slice(0, 1000, 13),
]
LISTS = [[0], [39, 0, 17, 17], [-1, 1, -40], [], np.array([30, 2], np.uint8), np.array([[1, 2], [30, 4]])]


@pytest.mark.parametrize("key", [*PLACES, *SLICES, *LISTS], ids=repr)
def test_one_index_agrees_with_numpy(archive, calls, key):
    want = calls[np.asarray(key, np.int64) if isinstance(key, list) else key]
    np.testing.assert_array_equal(archive[key], want, strict=True)


KEYS_2D = [
    (3, 4),
    (slice(None), 7),
    (-1, slice(10, 20)),
    (slice(20, 60, 3), slice(None, None, -5)),
    ([1, 50, 80], slice(None)),
    (slice(1, 2), [5, 5, 1]),
    ([1, 50, 80], [30, 0, 30]),  # pointwise
    ([[1], [50]], [30, 0, 30]),  # crossed
    np.ix_([60, 3], [39, 12, 11]),
    (..., 1),
    (5, ...),
    (..., 0, slice(None)),
    (slice(None), [1, 2], 0),
    (2, 3, 1),
    (2, ..., 1),
    (slice(4, 9), ..., -1),
    (slice(None), slice(None), slice(None, None, -1)),
    ([1, 2], [3, 4], [0, 1]),
    (...,),
    (),
    (np.arange(N_VARIANTS) % 7 == 0,),
    (slice(None), np.arange(N_SAMPLES) % 3 == 0),
    (np.arange(N_VARIANTS) < 2, [3, 5]),
    (np.zeros(N_VARIANTS, bool), slice(None)),
    (slice(3), slice(3), [True, False]),
]


@pytest.mark.parametrize("key", KEYS_2D, ids=lambda key: repr(key)[:40])
def test_several_indices_agree_with_numpy(archive, calls, key):
    np.testing.assert_array_equal(archive[key], calls[key], strict=True)


def axis_keys(n):
    bound = st.none() | st.integers(-n - 3, n + 3)
    slices = st.builds(slice, bound, bound, st.none() | st.integers(-9, 9).filter(bool))
    places = st.lists(st.integers(-n, n - 1), min_size=1, max_size=4).map(np.array)
    return st.integers(-n, n - 1) | slices | places


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_any_index_agrees_with_numpy(written, data):
    sizes = N_VARIANTS, N_SAMPLES, 2
    key = tuple(data.draw(axis_keys(n)) for n in sizes[: data.draw(st.integers(1, 3))])
    whole = written[1].call_genotype
    with open_archive(written[0], n_threads=2) as archive:
        try:
            want = whole[key]
        except IndexError:  # arrays that do not broadcast
            with pytest.raises(IndexError):
                archive[key]
        else:
            np.testing.assert_array_equal(archive[key], want, strict=True)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (90, "index 90 is out of range for 90 variants"),
        (-91, "index -91 is out of range for 90 variants"),
        ((0, 40), "index 40 is out of range for 40 samples"),
        ((0, 0, 2), "out of bounds"),
        ([0, 1, 90], "index 90 is out of range"),
        (np.uint64(2**64 - 1), "index 18446744073709551615 is out of range"),
        ((0, 0, 0, 0), "too many indices"),
        ((..., ...), "too many indices"),
        (None, "cannot be given new axes"),
        ({"chr1"}, "variants are indexed by integers, slices, masks or names, got set"),
        (1.0, "got float"),
        ((0, [0.5]), "samples are indexed by integers, slices, masks or names, got list of float64"),
        (["rs1", 3], "variants are indexed by integers, slices, masks or names, got list of <U"),
        (np.ones(89, bool), "a mask of variants has shape"),
        ((slice(None), np.ones((40, 2), bool)), "a mask of samples has shape"),
        (([1, 2, 3], [1, 2]), "shape mismatch"),
    ],
)
def test_indices_that_numpy_refuses_are_refused(archive, key, message):
    with pytest.raises(IndexError, match=message):
        archive[key]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda archive: archive.read_calls(out=[0]), "out must be a NumPy array, got list"),
        (lambda archive: archive.region(3), "a region is a text such as 22:50.3M-50.4M, got int"),
        (lambda archive: archive.query(None), "a region is a text such as 22:50.3M-50.4M, got NoneType"),
    ],
)
def test_arguments_of_another_kind_are_refused_with_what_is_wanted(archive, ask, message):
    with pytest.raises(TypeError, match=message):
        ask(archive)


def test_empty_archives_are_indexed_as_empty_arrays(tmp_path):
    for shape in ((0, 3, 1), (3, 0, 1)):
        empty = np.zeros(shape, np.int8)
        write_archive(tmp_path / "a", empty)
        with open_archive(tmp_path / "a") as archive:
            for key in (slice(None), (slice(None), slice(None, None, -1)), []):
                np.testing.assert_array_equal(archive[key], empty[key if isinstance(key, (slice, tuple)) else slice(0)])
            with pytest.raises(IndexError):
                archive[0, 0]


# ---- parts with their sites and names ----------------------------------------------------------------


@pytest.mark.parametrize(
    "variants", [None, slice(20, 60), slice(None, None, -4), [70, 3, 26, 3], np.arange(90) % 9 == 0]
)
@pytest.mark.parametrize("samples", [None, [5], [39, 0, 12], slice(10, 14)])
def test_read_and_stream_agree_with_select(archive, written, variants, samples):
    numbers = [np.arange(n)[slice(None) if k is None else k] for n, k in ((90, variants), (40, samples))]
    want = written[1].select(*numbers)
    got = archive.read(variants, samples)
    assert first_difference(want, got) is None
    assert first_difference(want, archive.stream(variants, samples)) is None
    np.testing.assert_array_equal(got.call_genotype, want.call_genotype)


def test_read_and_stream_refuse_what_is_not_there(archive):
    for part in ({"variants": [90]}, {"samples": [-41]}, {"samples": [True]}, {"variants": [[0.5]]}):
        for method in (archive.read, archive.stream, archive.read_calls):
            with pytest.raises(IndexError):
                method(**part)


def test_stream_holds_one_window_at_a_time(archive):
    assert [block.n_variants for block in archive.stream()] == [25, 25, 25, 15]
    assert [block.n_variants for block in archive.stream([1, 2, 30, 0, 89])] == [2, 1, 1, 1]


REGIONS = [
    "chr1",
    "chrX",
    "chr1:200",
    "chr1:195-205",
    "chrX:50-90",
    "chrX:300-",
    "chr1:1-1,chrX:3",
    "chr1:100000",
    "chr1:0-0",
]


@pytest.mark.parametrize("region", REGIONS)
def test_query_finds_what_a_search_of_all_sites_finds(archive, written, region):
    np.testing.assert_array_equal(archive.query(region), written[1].sites.query(region))
    assert archive.query([region]).dtype == np.int64


def test_query_agrees_with_overlap_by_definition(archive, written, rng):
    sites = written[1].sites
    ends = sites.ends()
    for _ in range(50):
        first, length = rng.integers(0, 450), rng.integers(0, 60)
        chrom = ["chr1", "chrX"][rng.integers(2)]
        hit = [i for i in range(90) if sites.chrom[i] == chrom and sites.pos[i] <= first + length and ends[i] >= first]
        assert archive.query(f"{chrom}:{first}-{first + length}").tolist() == hit


@pytest.mark.parametrize("region", ["chr2", "", "chr1:9-3", "chr1:a-b"])
def test_query_refuses_regions_that_are_none(archive, region):
    with pytest.raises(InputError, match="region"):
        archive.query(region)


# ---- latents and errors ------------------------------------------------------------------------------


def test_latents_are_levels_of_every_row_of_every_window(with_latents):
    latents = with_latents.latents()
    assert len(latents) == 4
    for window in latents:
        assert window.shape[:2] == (40, 2)
        assert window.dtype == np.float32
        assert not window.size or set(np.unique(window).tolist()) <= {-1.0, 1.0}
    assert latents[0].shape[2] > 0


def test_windows_without_a_decoder_have_no_latents(tmp_path, rng):
    write_archive(tmp_path / "a", rng.integers(0, 2, (30, 8, 2)), predictor="frequency")
    with open_archive(tmp_path / "a") as archive:
        assert [window.shape for window in archive.latents()] == [(8, 2, 0)]


def test_hamming_counts_what_the_residual_corrects(tmp_path, rng):
    calls = cohorts.related(rng, 60, 50, noise=0)
    commoner = (calls.mean(axis=(1, 2)) > 0.5).astype(np.int8)
    by_frequency = np.count_nonzero(calls != commoner[:, None, None])
    for predictor in ("frequency", "pbwt"):
        write_archive(tmp_path / "f", calls, predictor=predictor)
        with open_archive(tmp_path / "f") as archive:
            assert archive.hamming() == (by_frequency, calls.size)
    write_archive(tmp_path / "a", calls, predictor="autoencoder")
    with open_archive(tmp_path / "a") as archive:
        n_wrong, n_alleles = archive.hamming()
        assert n_alleles == calls.size
        assert n_wrong < by_frequency


# ---- bytes -------------------------------------------------------------------------------------------


def test_every_byte_of_the_file_is_accounted_for(archive, written):
    info = archive.info()
    size = info["bytes"]
    assert size["total"] == written[0].stat().st_size
    assert size["total"] == size["genotypes"] + size["sites"] + size["samples"] + size["header"]
    assert size["genotypes"] == size["latents"] + size["decoder"] + size["residual"] + size["index"]
    assert all(n > 0 for name, n in size.items() if name not in ("latents", "decoder"))
    assert (size["latents"] > 0) == (size["decoder"] > 0) == (info["predictors"]["autoencoder"] > 0)
    info = archive.info()
    assert (info["version"], info["source"], info["samples"], info["variants"]) == (0, "vcf", 40, 90)
    assert (info["ploidy"], info["blocks"]) == (2, 16)
    assert sum(info["predictors"].values()) == 16


def test_the_archive_describes_itself(archive, written):
    cohort = written[1]
    assert archive.shape == (90, 40, 2)
    assert len(archive) == 90
    assert archive.samples == cohort.samples
    assert archive.header == cohort.header
    assert archive.sites.info == cohort.sites.info
    assert repr(archive).endswith("a.fae: 90 variants, 40 samples, ploidy 2>")


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """An archive of 4 x 50 blocks that take most of the file."""
    calls = np.random.default_rng(3).integers(0, 2, (400, 500, 2)).astype(np.int8)
    path = tmp_path_factory.mktemp("wide") / "a.fae"
    write_archive(path, Cohort.from_arrays(calls), predictor="frequency", block_variants=100, block_samples=10)
    return path, calls


def test_a_part_reads_its_blocks_and_little_else(wide):
    path, calls = wide
    with open_archive(path) as archive:
        at_open = archive.bytes_read
        blocks = archive.info()["bytes"]["residual"]
        np.testing.assert_array_equal(archive[:, 123], calls[:, 123])
        one_sample = archive.bytes_read - at_open
    with open_archive(path) as archive:
        assert archive.bytes_read == at_open
        np.testing.assert_array_equal(archive[150:153], calls[150:153])
        few_sites = archive.bytes_read - at_open
    assert at_open < 0.1 * blocks
    assert one_sample < 0.06 * blocks
    assert few_sites < 0.3 * blocks
    assert path.stat().st_size > 40_000


def test_several_threads_read_the_same_and_no_byte_more(wide, monkeypatch):
    path, calls = wide
    from_bytes = ColumnTable.from_bytes

    def slow(*args):
        time.sleep(0.01)  # so that threads which need the same table meet
        return from_bytes(*args)

    monkeypatch.setattr(ColumnTable, "from_bytes", slow)
    n_bytes = set()
    for n_threads in (1, 4):
        with open_archive(path, n_threads=n_threads) as archive:
            np.testing.assert_array_equal(archive[::-3, 5:300:7], calls[::-3, 5:300:7])
            n_bytes.add(archive.bytes_read)
    assert len(n_bytes) == 1


def test_a_closed_archive_says_so(written):
    with open_archive(written[0]) as archive:
        pass
    archive.close()
    with pytest.raises(ValueError, match="is closed: open the archive again"):
        archive[0]
    with pytest.raises(ValueError, match="n_threads must be 1 to 1024, got 0"):
        open_archive(written[0], n_threads=0)


def test_iterating_gives_each_variant_and_decodes_each_block_once(written, calls, monkeypatch):
    decoded = []
    read_section = ContainerReader.read_section

    def counting(reader, section):
        decoded.append((section.window, section.slab))
        return read_section(reader, section)

    with open_archive(written[0]) as archive:
        monkeypatch.setattr(ContainerReader, "read_section", counting)
        rows = list(archive)
    assert len(rows) == len(calls) and all(map(np.array_equal, rows, calls))
    assert decoded.count((1, 2)) == 1


def test_an_archive_has_the_attributes_of_the_array_it_stands_for(archive, calls):
    assert (archive.shape, archive.ndim, archive.dtype, len(archive)) == (calls.shape, 3, np.int8, len(calls))
    np.testing.assert_array_equal(np.asarray(archive), calls)


def test_an_index_of_uneven_lists_is_refused_in_one_sentence(archive):
    with pytest.raises(ValueError, match="the index of variants has rows of different lengths"):
        archive[[[1, 2], [3]]]
