# SPDX-License-Identifier: Apache-2.0
"""The cohort object: selection, streams, regions and the sentence that names a difference."""

import numpy as np
import pytest

from fastae.cohort import FILL, MISSING, Cohort, CohortStream, Sites, format_call
from fastae.difference import find_difference, first_difference
from fastae.errors import InputError
from fastae.regions import parse_regions


@pytest.fixture
def cohort():
    rng = np.random.default_rng(1)
    calls = rng.integers(-1, 3, (20, 5, 2))
    calls[3, 2, 1] = FILL
    calls[7] = FILL
    return Cohort.from_arrays(calls, phased=rng.random((20, 5)) < 0.5, samples=list("abcde"))


def test_from_arrays_keeps_every_allele_and_drops_the_phase_of_single_alleles(cohort):
    assert cohort.call_genotype.dtype == np.int8
    assert cohort.call_genotype.shape == (20, 5, 2)
    assert not cohort.call_genotype_phased[3, 2]
    assert not cohort.call_genotype_phased[7].any()
    assert cohort.call_genotype_phased.any() and not cohort.call_genotype_phased.all()


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ([[[0, 16129]]], "16129"),
        ([[[0, -3]]], "-3"),
        ([[[FILL, 0]]], "follows a fill"),
        ([[[FILL, FILL], [0, 0]]], "beside"),
        ([0, 1], "shape"),
    ],
)
def test_from_arrays_refuses_calls_that_no_file_can_hold(calls, message):
    with pytest.raises(ValueError, match=message):
        Cohort.from_arrays(calls)


def test_from_arrays_refuses_floats_and_repeated_names():
    with pytest.raises(TypeError, match="float64"):
        Cohort.from_arrays([[0.0, 1.0]])
    with pytest.raises(ValueError, match="repeat"):
        Cohort.from_arrays([[0, 1]], samples=["a", "a"])


def test_cohort_refuses_arrays_that_disagree_with_its_sites():
    with pytest.raises(ValueError, match="0 sites and 1 samples"):
        Cohort("", ["a"], Sites(), np.zeros((1, 1, 2), np.int8), np.zeros((1, 1), bool))
    with pytest.raises(TypeError, match="int32"):
        Cohort("", ["a"], Sites(), np.zeros((0, 1, 2), np.int32), np.zeros((0, 1), bool))


def test_select_takes_variants_and_samples_in_the_order_given(cohort):
    part = cohort.select(variants=[5, 2], samples=[4, 0])
    assert part.samples == ["e", "a"]
    assert part.sites.pos.tolist() == [6, 3]
    np.testing.assert_array_equal(part.call_genotype, cohort.call_genotype[[5, 2]][:, [4, 0]])
    mask = np.isin(np.arange(20), [2, 5])
    assert cohort.select(mask, [True, False, False, False, True]).samples == ["a", "e"]
    np.testing.assert_array_equal(cohort.select(mask).call_genotype, cohort.call_genotype[[2, 5]])
    with pytest.raises(TypeError, match="float64"):
        cohort.select([1.0])
    stepped = cohort.select(variants=slice(18, 2, -5))
    assert stepped.sites.pos.tolist() == [19, 14, 9, 4]
    np.testing.assert_array_equal(stepped.call_genotype, cohort.call_genotype[18:2:-5])


@pytest.mark.parametrize("n", [1, 3, 7, 20, 100])
def test_streams_cut_anywhere_join_to_the_same_cohort(cohort, n):
    assert first_difference(cohort.to_stream(n).read(), cohort) is None
    blocks = list(cohort.to_stream(3).rebatch(n))
    assert [b.n_variants for b in blocks[:-1]] == [n] * (len(blocks) - 1)
    assert first_difference(Cohort.concatenate(blocks), cohort) is None


def test_concatenate_widens_to_the_largest_ploidy():
    narrow, wide = Cohort.from_arrays([[0, 1]]), Cohort.from_arrays([[[0, 1], [1, 1]]])
    joined = Cohort.concatenate([narrow, wide])
    assert joined.call_genotype.tolist() == [[[0, FILL], [1, FILL]], [[0, 1], [1, 1]]]


def test_an_empty_stream_reads_as_a_cohort_without_variants(cohort):
    empty = CohortStream(cohort.header, cohort.samples, iter([])).read()
    assert (empty.n_variants, empty.samples) == (0, cohort.samples)


def _changed(cohort, **changes):
    parts = dict(
        header=cohort.header,
        samples=list(cohort.samples),
        sites=cohort.sites,
        call_genotype=cohort.call_genotype.copy(),
        call_genotype_phased=cohort.call_genotype_phased.copy(),
    )
    return Cohort(**(parts | changes))


def test_first_difference_names_what_differs(cohort):
    calls = cohort.call_genotype.copy()
    calls[4, 1, 0] = MISSING if calls[4, 1, 0] != MISSING else 0
    assert "variant 5 (1:5), sample b: GT is" in first_difference(cohort, _changed(cohort, call_genotype=calls))
    phased = cohort.call_genotype_phased.copy()
    phased[19, 4] ^= True
    assert "variant 20 (1:20), sample e" in first_difference(cohort, _changed(cohort, call_genotype_phased=phased))
    sites = Sites(*cohort.sites.columns()[:-1], [".", "AC=1"] + ["."] * 18)
    assert "variant 2 (1:2): INFO is . in the first" in first_difference(cohort, _changed(cohort, sites=sites))
    assert "name 1 is 'a'" in first_difference(cohort, _changed(cohort, samples=list("zbcde")))
    assert "header line 1" in first_difference(cohort, _changed(cohort, header="x"))
    assert "the first has more than the 19" in first_difference(cohort, cohort.select(slice(19)).to_stream(4))
    assert "the second has more than the 0" in first_difference(cohort.select(slice(0)), cohort)
    assert first_difference(cohort, cohort.to_stream(6)) is None


def test_a_difference_has_its_kind(cohort):
    def kind(**changes):
        return find_difference(cohort, _changed(cohort, **changes)).kind

    sites = Sites(*cohort.sites.columns()[:-1], [".", "AC=1"] + ["."] * 18)
    assert kind(source="fasta") == "source"
    assert kind(samples=list("zbcde"), header="x") == "samples"
    assert kind(header="x") == "header"
    assert kind(sites=sites) == "sites"
    assert kind(call_genotype_phased=~cohort.call_genotype_phased) == "calls"
    assert kind(attributes={"final_newline": "no"}) == "attributes"
    assert find_difference(cohort, cohort.select(slice(19))).kind == "variants"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["##a=1", "##b=2", "##b=3", "#CHROM"],
            "header line 2 is '#CHROM' in the first and '##b=2' in the second; only in the second: ##b (2)",
        ),
        (
            ["##a=2", "#CHROM"],
            "header line 1 is '##a=1' in the first and '##a=2' in the second; "
            "only in the first: ##a; only in the second: ##a",
        ),
        (["##a=1"], "header has 2 lines in the first and 1 in the second; only in the first: #CHROM"),
        (
            ["#CHROM", "##a=1"],
            "header has the same lines in another order: line 1 is '##a=1' in the first and '#CHROM'",
        ),
    ],
)
def test_headers_differ_by_the_first_line_and_by_kinds_of_lines(cohort, lines, said):
    first = _changed(cohort, header="##a=1\n#CHROM")
    assert first_difference(first, _changed(cohort, header="\n".join(lines))).startswith(said)


def test_query_is_inclusive_and_counts_the_length_of_a_record():
    sites = Sites(
        ["1", "1", "1", "2", "1"],
        np.array([10, 20, 30, 10, 5]),
        ["."] * 5,
        ["A", "ACGT", "A", "A", "A"],
        ["T"] * 5,
        ["."] * 5,
        ["."] * 5,
        [".", ".", "DP=3;END=100", ".", "END=2"],
    )
    assert sites.ends().tolist() == [10, 23, 100, 10, 5]
    assert sites.query("1:10").tolist() == [0]
    assert sites.query("1:23-24").tolist() == [1]
    assert sites.query("1:99-99").tolist() == [2]
    assert sites.query(["2", "1:5,1:10-20"]).tolist() == [0, 1, 3, 4]
    assert sites.query("1:24-29").tolist() == []
    assert sites.query("1:21-").tolist() == [1, 2]


@pytest.mark.parametrize("region", ["3", "1:9-3", "1:x", "", "1:-5", "1,"])
def test_a_malformed_or_unknown_region_is_refused(region):
    with pytest.raises(InputError, match="region"):
        parse_regions(region, ["1", "2"])


def test_a_chromosome_with_a_colon_in_its_name_can_be_asked_for():
    assert parse_regions("HLA:01:4-5,HLA:01", ["HLA:01"])[0] == ("HLA:01", 4, 5)
    assert parse_regions("HLA:01", ["HLA:01", "HLA"])[0][0] == "HLA:01"


def test_format_call_writes_the_text_of_a_file():
    unphased = [[0, 1], [-1, -1], [-1, -2], [-2, -2]]
    assert [format_call(call, False) for call in unphased] == ["0/1", "./.", ".", "."]
    assert [format_call(call, True) for call in ([0, 1], [0, 12, 3])] == ["0|1", "0|12|3"]


def test_calls_of_uneven_lengths_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="^call_genotype has rows of different lengths"):
        Cohort.from_arrays([[[0, 1], [1]]])


def three_blocks():
    return Cohort.from_arrays(np.arange(6).reshape(6, 1) % 2).to_stream(2)


def take_one(stream):
    next(iter(stream))


WAYS_TO_SPEND = {
    "read": CohortStream.read,
    "iterated": list,
    "begun": take_one,
    "rebatched": lambda stream: stream.rebatch(1),
    "closed": CohortStream.close,
    "compared": lambda stream: first_difference(stream, three_blocks()),
}
WAYS_TO_READ = {
    "read": CohortStream.read,
    "iter": iter,
    "rebatch": lambda stream: stream.rebatch(2),
    "first_difference": lambda stream: first_difference(three_blocks(), stream),
}


@pytest.mark.parametrize("spend", WAYS_TO_SPEND)
@pytest.mark.parametrize("read", WAYS_TO_READ)
def test_a_stream_that_is_spent_is_not_taken_for_an_empty_one(spend, read):
    stream = three_blocks()
    WAYS_TO_SPEND[spend](stream)
    with pytest.raises(ValueError, match="this stream has been (read|closed); open the file again"):
        WAYS_TO_READ[read](stream)


def test_a_stream_closed_half_way_does_not_seem_to_end_there():
    stream = three_blocks()
    blocks = iter(stream)
    next(blocks)
    stream.close()
    with pytest.raises(ValueError, match="closed while it was being read"):
        next(blocks)
    source = three_blocks()
    rebatched = iter(source.rebatch(1))
    next(rebatched)
    source.close()
    with pytest.raises(ValueError, match="closed while it was being read"):
        list(rebatched)


def test_a_stream_read_to_its_end_may_be_closed():
    with three_blocks() as stream:
        assert stream.read().n_variants == 6


def test_a_repr_counts_rather_than_lists():
    cohort = Cohort.from_arrays(np.zeros((3, 1000, 2), int))
    assert repr(cohort) == "<Cohort: 3 variants, 1000 samples, ploidy 2>"
    assert repr(cohort.sites) == "<Sites: 3 variants>"
    stream = cohort.to_stream()
    assert repr(stream) == "<CohortStream: 1000 samples, not read yet>"
    stream.read()
    assert repr(stream) == "<CohortStream: 1000 samples, read>"
