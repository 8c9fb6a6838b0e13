# SPDX-License-Identifier: Apache-2.0
"""Site columns: they come back as they were, from the reader and from its plain twin, and no other bytes pass."""

import independent_reader
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastae import _core
from fastae.archive.container import compress, counted, varint
from fastae.archive.sites import decode_sites, encode_sites
from fastae.cohort import Sites
from fastae.errors import FormatError, InputError


def lists(sites):
    return [column if isinstance(column, list) else column.tolist() for column in sites.columns()]


def same(sites):
    """Whether a site's columns come back; and from the reader that was written from the document, too."""
    data = encode_sites(sites)
    assert lists(decode_sites(data, len(sites))) == lists(sites)
    assert independent_reader.read_sites(data, len(sites)) == lists(sites)
    return data


def snps(ids, refs, alts):
    dots = ["."] * len(ids)
    return Sites(["1"] * len(ids), np.arange(1, len(ids) + 1), ids, refs, alts, dots, dots, dots)


texts = st.text(st.characters(exclude_characters="\n\t", exclude_categories=["Cs"]), max_size=4)
ids = st.one_of(
    st.just("."), texts, st.integers(0, 2**33).map("rs{}".format), st.integers(50_000, 50_900).map("rs{}".format)
)
alleles = st.one_of(st.sampled_from("ACGT"), texts)
positions = st.one_of(st.integers(0, 300), st.integers(0, 2**31 - 1))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, positions, ids, alleles, alleles, texts, texts, texts), min_size=1, max_size=25))
def test_any_sites_come_back(rows):
    chrom, pos, *rest = map(list, zip(*rows, strict=True))
    same(Sites(chrom, np.array(pos), *rest))


def named_in_series(rng, n):
    """Sites as dbSNP names them: by neighbourhood in one series, by jumps from part to part in another."""
    sites = snps(["."] * n, ["A"] * n, ["C"] * n)
    sites.pos[:] = np.cumsum(rng.geometric(0.03, n))
    near, part = 700_000, 0
    for i in range(n):
        if rng.random() < 0.3:
            near += int(rng.integers(1, 9))
            sites.id[i] = f"rs{near}"
        else:
            part = (part + (27 if part % 2 else 23)) % 64
            sites.id[i] = f"rs{527_000_000 + part * 800_000 + int(rng.integers(800_000))}"
        sites.ref[i], sites.alt[i] = ("C", "T") if rng.random() < 0.5 else ("G", "A")
    return sites


def test_numbers_in_series_take_few_bytes(rng):
    n = 2000
    size = len(same(named_in_series(rng, n)))
    # bits that nothing foretells: where in a part (20), which series (1), a gap (6.5), alleles (1), a near step (3)
    assert size < n * (0.7 * 20 + 1 + 6.5 + 1 + 0.3 * 3 + 4) / 8  # without the steps, 4.2 more


@pytest.mark.parametrize("n_series", [1, 2, 64, 65, 200])
def test_ids_of_any_number_of_series_come_back(rng, n_series):
    starts = rng.permutation(n_series) * 1_000_000
    ids = [f"x{start + 5 + int(step)}" for start in starts for step in rng.integers(0, 200, 3)]
    same(snps(ids, ["A"] * len(ids), ["G"] * len(ids)))


@pytest.mark.parametrize(
    "odd", ["rs01", "rs0", "rs", "RS1", "rs1;rs2", "rs+1", "rs9999999999", "rs4294967295", "rs4294967293", "rs１", ""]
)
def test_ids_that_no_number_gives_back_stay_text(odd):
    assert odd.encode() in decompressed(same(snps(["rs7", "rs8", odd, "."], ["A"] * 4, ["G"] * 4)))


def decompressed(data):
    source = independent_reader.Bytes(data)
    source.unsigned(8), source.text()
    for _ in range(2 * source.varint()):
        source.varint()
    source.counted()
    return source.compressed()


def test_the_largest_number_comes_back():
    assert b"rs" not in decompressed(same(snps(["rs4294967291", "rs4294967292"], ["A"] * 2, ["G"] * 2)))[:40]


def test_positions_beyond_the_stream_and_texts_of_bytes_come_back():
    sites = Sites.numbered(5)
    sites.pos[:] = [7, 2**62 - 1, 0, 2**62 - 1, 3]
    sites.info[3] = "\udcff=é"
    assert same(sites)[0] == 1
    sites.pos[:] = [2**31 - 1, 0, 2**31 - 1, 0, 0]
    assert same(sites)[0] == 0


def test_columns_of_one_empty_text_come_back():
    same(Sites([""], np.zeros(1, np.int64), [""], [""], [""], [""], [""], [""]))


def test_line_breaks_and_places_that_are_none_are_refused():
    sites = Sites.numbered(2)
    sites.ref[1] = "a\nb"
    with pytest.raises(InputError, match="REF of a site holds a line break"):
        encode_sites(sites)
    for place in (-1, 2**62):
        sites = Sites.numbered(2)
        sites.pos[1] = place
        with pytest.raises(InputError, match="positions are 0 or more"):
            encode_sites(sites)


# ---- bytes that are no sites -------------------------------------------------------------------------------------


def raw_sites(n_sites, texts=b"a\nb", positions=b"", end=b"", flags=0, series=b"\1\0\0", id_texts=b""):
    """Sites 1, 2 with A G and no ID, but for what is given."""
    stream = np.empty(64, np.uint8)
    arrays = np.array([1, 1], np.int32), np.array([2, 2], np.uint8), np.zeros(2, np.uint32)
    used = _core.sites_encode(*arrays, np.zeros(1, np.uint32), np.ones(1, np.uint32), stream)
    parts = [texts, positions, id_texts, b"", b"", texts, texts, texts]
    head = bytes([flags]) + counted(b"rs") + series + counted(stream[:used].tobytes())
    return head + compress(b"".join(map(counted, parts)) + end), n_sites


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (raw_sites(3), "corrupt|ends"),
        (raw_sites(1), "corrupt|too"),
        (raw_sites(2, texts=b"a\nb\nc"), "hold 3 values for 2 sites"),
        (raw_sites(2, texts=b"\n" * 1_000_000), "hold 1000001 values for 2 sites"),
        (raw_sites(2, id_texts=b"a"), "hold 1 values for 0 sites"),
        (raw_sites(2, positions=b"\2"), "POS twice"),
        (raw_sites(2, flags=1, positions=b"\2"), "needs 1 more bytes"),
        (raw_sites(2, flags=1, positions=b"\2\2\2"), "1 bytes too many"),
        (raw_sites(2, flags=1, positions=b"\2\3"), "lie where no site can"),  # 1, then 2 before it
        (raw_sites(2, flags=1, positions=varint(2**63 - 2) * 2), "lie where no site can"),
        (raw_sites(2, flags=2), "the flags 2"),
        (raw_sites(2, end=b"\0"), "1 bytes too many"),
        (raw_sites(2, series=b"\0"), "0 series"),
        (raw_sites(2, series=b"\x41" + b"\0" * 130), "65 where at most 64"),
        (raw_sites(2, series=b"\1\0" + varint(2**32 - 1)), "reach to 4294967296"),
        (raw_sites(2, series=b"\2\0" + varint(2**32 - 2) + b"\0\0"), "reach to 4294967296"),
    ],
)
def test_bytes_that_are_no_sites_are_refused(data, message):
    assert len(decode_sites(*raw_sites(2))) == 2
    with pytest.raises(FormatError, match=message):
        decode_sites(*data)


def test_no_flipped_bit_of_the_stream_does_harm(rng):
    data = bytearray(encode_sites(named_in_series(rng, 60)))
    n_refused = 0
    for bit in rng.integers(0, 8 * (len(data) - 60), 400).tolist():
        data[bit // 8] ^= 1 << bit % 8
        try:
            decode_sites(bytes(data), 60)
        except FormatError:
            n_refused += 1
        data[bit // 8] ^= 1 << bit % 8
    assert n_refused > 10


def test_the_kernel_refuses_what_it_cannot_hold():
    good = [np.ones(2, np.int32), np.zeros(2, np.uint8), np.array([5, 6], np.uint32), np.array([5], np.uint32)]
    good += [np.array([2], np.uint32), np.empty(64, np.uint8)]
    assert _core.sites_encode(*good) > 0
    wrong = {
        0: np.array([1, -(2**31)], np.int32),
        1: np.array([0, 17], np.uint8),
        2: np.array([5, 7], np.uint32),
        3: np.array([2**32 - 1], np.uint32),
        4: np.array([0], np.uint32),
        5: np.empty(0, np.uint8),
    }
    for at, value in wrong.items():
        with pytest.raises(ValueError):
            _core.sites_encode(*good[:at], value, *good[at + 1 :])
    assert _core.sites_encode(*good[:5], np.empty(1, np.uint8)) == -1
