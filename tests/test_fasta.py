# SPDX-License-Identifier: Apache-2.0
"""Aligned FASTA comes back byte for byte; what is not aligned or evenly wrapped is refused by name."""

import filecmp
import gzip
import tracemalloc

import numpy as np
import pytest

from fastae.archive import open_archive, write_archive
from fastae.cohort import Cohort
from fastae.errors import InputError
from fastae.io import read_cohort, write_cohort
from fastae.io.fasta import fasta_symbols, read_fasta, write_fasta

ALPHABET = np.frombuffer(b"ACGTacgtNRYKM-*?.,>;", np.uint8)


def _alignment(rng, n_sequences, n_columns, width, end=b"\n"):
    records = []
    for i in range(n_sequences):
        row = rng.choice(ALPHABET, n_columns).tobytes()
        lines = [row[j : j + width] for j in range(0, n_columns, width)]
        if any(line.startswith(b">") for line in lines):  # at a line's start it would open a record
            lines = [line.replace(b">", b"A") for line in lines]
        records.append(b">seq %d|x y\t\xff\n" % i + b"\n".join(lines))
    return b"\n".join(records) + end


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize(("n_sequences", "n_columns", "width"), [(1, 1, 60), (7, 50, 60), (30, 121, 60), (5, 120, 60)])
def test_fasta_comes_back_byte_for_byte(tmp_path, n_sequences, n_columns, width, end):
    data = _alignment(np.random.default_rng(n_columns), n_sequences, n_columns, width, end)
    (tmp_path / "in.fa").write_bytes(data)
    cohort = read_fasta(tmp_path / "in.fa")
    assert cohort.call_genotype.shape == (n_columns, n_sequences, 1)
    write_fasta(tmp_path / "out.fa", cohort)
    assert (tmp_path / "out.fa").read_bytes() == data
    write_fasta(tmp_path / "out.fa.gz", cohort)
    assert gzip.decompress((tmp_path / "out.fa.gz").read_bytes()) == data
    assert [s.encode("utf-8", "surrogateescape") for s in cohort.samples][0] == b"seq 0|x y\t\xff"


def test_ref_is_the_most_frequent_symbol_and_part_of_an_alignment_keeps_its_symbols(tmp_path):
    rng = np.random.default_rng(3)
    (tmp_path / "in.fa").write_bytes(_alignment(rng, 40, 30, 30))
    cohort = read_fasta(tmp_path / "in.fa")
    counts = np.stack([(cohort.call_genotype == allele).sum(axis=(1, 2)) for allele in range(20)], axis=1)
    assert (counts.argmax(axis=1) == 0).all()
    part = cohort.select(variants=slice(5, 9), samples=[7, 3])
    np.testing.assert_array_equal(fasta_symbols(part), fasta_symbols(cohort)[[7, 3], 5:9])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"ACGT\n", "not FASTA"),
        (b">a\nACGT\n>b\nACG\n", "'b' has 3 symbols and the first 4"),
        (b">a\n>b\nACG\n", "'a' has no sequence"),
        (b">a\nAC\nG\n>b\nA\nCG\n", "'b' has lines of uneven width"),
        (b">a\nAC\nG\n>b\nACG\n", "different widths"),
        (b">a\nACG\n\n>b\nACG\n", "blank lines"),
        (b">a\r\nACG\n", "CR LF and others in LF"),
        (b">a\nA\rCG\n", "CR within a line"),
        (b">a\nA G\n", "'a' has byte 32"),
        (b">a\nA\x80G\n", "byte 128"),
        (gzip.compress(b">a\n" + bytes(np.random.default_rng(0).choice(ALPHABET[:4], 10000)))[:-500], "truncated"),
    ],
)
def test_what_is_not_an_even_alignment_is_refused(tmp_path, data, message):
    (tmp_path / "in.fa").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_fasta(tmp_path / "in.fa")


def test_a_cohort_from_vcf_is_not_written_as_fasta(tmp_path):
    with pytest.raises(InputError, match="VCF"):
        write_fasta(tmp_path / "out.fa", Cohort.from_arrays([[0, 1]]))
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_alignment(tmp_path):
    rng = np.random.default_rng(8)
    n_sequences, width, peaks = 500, 1000, []
    for n_columns in (10_000, 50_000):  # 5 and 25 MB
        first = rng.choice(ALPHABET[:8], n_columns)
        with open(tmp_path / "in.fa", "wb") as file:
            for i in range(n_sequences):
                row = first.copy()
                row[rng.integers(0, n_columns, 50)] = ord("N")
                file.write(b">%d\n" % i + b"".join(line.tobytes() + b"\n" for line in row.reshape(-1, width)))
        tracemalloc.start()
        try:
            with read_cohort(tmp_path / "in.fa") as stream:
                write_cohort(tmp_path / "out.fa", stream)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert filecmp.cmp(tmp_path / "in.fa", tmp_path / "out.fa", shallow=False)
    assert peaks[1] < 1.2 * peaks[0] < 0.7 * n_sequences * n_columns


@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_an_alignment_of_many_blocks_comes_back_with_its_line_ends(tmp_path, crlf, end):
    data = _alignment(np.random.default_rng(4), 3, 10_000, 70, end)
    data = data.replace(b"\n", b"\r\n") if crlf else data
    (tmp_path / "in.fa.gz").write_bytes(gzip.compress(data))
    with read_cohort(tmp_path / "in.fa.gz") as stream:
        write_archive(tmp_path / "cohort.fae", stream)
    with open_archive(tmp_path / "cohort.fae") as archive:
        assert archive.sites.pos.tolist() == list(range(1, 10_001))
    with open_archive(tmp_path / "cohort.fae") as archive, archive.stream() as stream:
        write_cohort(tmp_path / "out.fa", stream)
    assert (tmp_path / "out.fa").read_bytes() == data


def test_a_stream_closed_before_it_is_read_leaves_nothing_open(tmp_path):
    (tmp_path / "in.fa").write_bytes(b">a\nACG\n")
    stream = read_cohort(tmp_path / "in.fa")
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        list(stream)
