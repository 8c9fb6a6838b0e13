# SPDX-License-Identifier: Apache-2.0
"""Archives joined and cut: the records and people asked for, and the bytes of all blocks that nothing touches."""

import dataclasses
import shutil
import subprocess

import numpy as np
import pytest

import fastae
from fastae import Cohort, FormatError, InputError, Sites
from fastae.archive import container
from fastae.cli import main
from fastae.difference import first_difference

HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID={chrom}>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
)


def cohort(rng, chrom="1", n_variants=60, n_samples=7, ploidy=2):
    calls = rng.integers(-1, 3, (n_variants, n_samples, ploidy), dtype=np.int8)
    sites = dataclasses.replace(Sites.numbered(n_variants, 3), chrom=[chrom] * n_variants)
    made = Cohort.from_arrays(calls, sites=sites, phased=rng.random((n_variants, n_samples)) < 0.8)
    return dataclasses.replace(made, header=HEADER.format(chrom=chrom))


def write(path, cohort, **settings):
    fastae.write_archive(path, cohort, **settings)
    return path


def payloads(archive):
    """What each window's sections hold, as (kind, slab, predictor, bytes of latents, bytes)."""
    reader = archive._reader
    return [
        [
            (s.kind, s.slab, s.predictor, s.latents, reader.read_section(s))
            for s in reader.index.sections
            if s.kind >= container.SITES and s.window == number
        ]
        for number in range(len(reader.index.windows))
    ]


def test_joined_archives_hold_all_records_and_the_same_blocks(rng, tmp_path):
    parts = [cohort(rng, chrom, ploidy=ploidy) for chrom, ploidy in (("1", 2), ("2", 1), ("X", 3))]
    how = {"n_latents": 2}, {"predictor": "autoencoder"}, {}
    paths = [write(tmp_path / f"{i}.fae", part, block_variants=25, **how[i]) for i, part in enumerate(parts)]
    told = []
    fastae.concat_archives(tmp_path / "all.fae", paths, progress=told.append)
    assert told[-1] == 180 and told == sorted(told)
    with fastae.open(tmp_path / "all.fae") as joined:
        joined.verify()
        assert joined.shape == (180, 7, 3)
        for i, part in enumerate(parts):
            there = joined.read(slice(60 * i, 60 * (i + 1)))
            assert first_difference(dataclasses.replace(there, header=part.header), part) is None
        assert joined.query("2:5-6").tolist() == [64, 65]
        *lines, columns = HEADER.format(chrom="1").split("\n")
        assert joined.header.split("\n") == [*lines, "##contig=<ID=2>", "##contig=<ID=X>", columns]
        assert [latents.shape[2] for latents in joined.latents()][:3] == [2, 2, 2]
        of_parts = []
        for path in paths:
            with fastae.open(path) as archive:
                of_parts += payloads(archive)
        assert payloads(joined) == of_parts


def test_parts_that_go_back_are_refused_and_parts_of_one_chromosome_joined(rng, tmp_path):
    whole = cohort(rng, n_variants=40)
    one, two = (write(tmp_path / f"{i}.fae", whole.select(slice(20 * i, 20 * i + 20))) for i in range(2))
    other = write(tmp_path / "other.fae", cohort(rng, "2"))
    for parts in ([one, one], [two, one], [one, other, two]):
        with pytest.raises(InputError, match="goes back on chromosome 1"):
            fastae.concat_archives(tmp_path / "all.fae", parts)
    fastae.concat_archives(tmp_path / "all.fae", [one, two])
    with fastae.open(tmp_path / "all.fae") as joined:
        assert first_difference(joined.stream(), whole) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: dataclasses.replace(c, samples=c.samples[::-1]), "other samples"),
        (lambda c: dataclasses.replace(c, attributes={"layout": "odd"}), "differ in layout"),
        (lambda c: dataclasses.replace(c, header=c.header.replace("Genotype", "Call")), "one before it"),
        (lambda c: dataclasses.replace(c, header=c.header.replace("VCFv4.2", "VCFv4.3")), "VCFv4.3"),
        (lambda c: dataclasses.replace(c, source="fasta"), "FASTA"),
    ],
)
def test_archives_that_do_not_fit_are_refused_by_name(rng, tmp_path, change, message):
    paths = [write(tmp_path / "1.fae", cohort(rng)), write(tmp_path / "2.fae", change(cohort(rng, "2")))]
    with pytest.raises(InputError, match=message):
        fastae.concat_archives(tmp_path / "all.fae", paths)
    assert not (tmp_path / "all.fae").exists()


def test_archives_with_other_blocks_of_samples_are_refused(rng, tmp_path):
    paths = [write(tmp_path / f"{n}.fae", cohort(rng, str(n)), block_samples=n) for n in (3, 4)]
    with pytest.raises(InputError, match="blocks of 4 samples"):
        fastae.concat_archives(tmp_path / "all.fae", paths)
    with pytest.raises(InputError, match="no archives"):
        fastae.concat_archives(tmp_path / "all.fae", [])


def test_joining_a_damaged_archive_raises_and_leaves_the_target_as_it_was(rng, tmp_path):
    path = write(tmp_path / "1.fae", cohort(rng))
    with fastae.open(path) as archive:
        at = next(s.offset for s in archive._reader.index.sections if s.kind == container.BLOCK)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    (tmp_path / "all.fae").write_bytes(b"as it was")
    with pytest.raises(FormatError):
        fastae.concat_archives(tmp_path / "all.fae", [path])
    assert (tmp_path / "all.fae").read_bytes() == b"as it was"
    with pytest.raises(InputError, match="is the input"):
        fastae.concat_archives(path, [path])


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_cut_codes_again_only_the_windows_that_it_cuts(rng, tmp_path, n_threads):
    path = write(tmp_path / "all.fae", cohort(rng, n_variants=200), block_variants=40, block_samples=4, preset="fast")
    variants = np.r_[5:30, 50:130, 160:200]  # a part of window 0, of 1, all of 2, a part of 3, all of 4
    told = []
    fastae.subset_archive(tmp_path / "cut.fae", path, variants, n_threads=n_threads, progress=told.append)
    assert told[-1] == len(variants)
    with fastae.open(path) as archive, fastae.open(tmp_path / "cut.fae") as cut:
        cut.verify()
        assert first_difference(cut.stream(), archive.stream(variants)) is None
        before, after = payloads(archive), payloads(cut)
        assert [window in after for window in before] == [False, False, True, False, True]
        assert len(after) == 4  # windows 0 and 1 have become one


def test_a_cut_of_samples_holds_them_in_the_order_asked_for_and_learns_latents_again(rng, tmp_path):
    path = write(tmp_path / "all.fae", cohort(rng), block_variants=40, n_latents=3, latent_bits=2)
    fastae.subset_archive(tmp_path / "cut.fae", path, samples=[4, 0, 6], preset="fast")
    with fastae.open(path) as archive, fastae.open(tmp_path / "cut.fae") as cut:
        assert cut.samples == ["S5", "S1", "S7"]
        assert first_difference(cut.stream(), archive.stream(samples=[4, 0, 6])) is None
        assert {latents.shape[2] for latents in cut.latents()} == {3}
        fastae.subset_archive(tmp_path / "none.fae", archive, [])
    with fastae.open(tmp_path / "none.fae") as none:
        assert none.shape == (0, 7, 2)


@pytest.mark.parametrize("samples", [None, [2, 0]], ids=["all samples", "some"])
def test_what_holds_no_variants_keeps_the_ploidy(rng, tmp_path, samples):
    path = write(tmp_path / "a.fae", cohort(rng, ploidy=3))
    fastae.subset_archive(tmp_path / "none.fae", path, [], samples)
    fastae.concat_archives(tmp_path / "both.fae", [tmp_path / "none.fae"] * 2)
    for name in ("none.fae", "both.fae"):
        with fastae.open(tmp_path / name) as archive:
            assert archive.shape == (0, 7 if samples is None else 2, 3)
            assert archive[:].shape == archive.shape


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (dict(variants=[3, 2]), ValueError),
        (dict(variants=[2, 2]), ValueError),
        (dict(variants=[60]), IndexError),
        (dict(samples=[7]), IndexError),
        (dict(preset="best"), ValueError),
    ],
)
def test_a_cut_refuses_what_it_cannot_take(rng, tmp_path, arguments, error):
    path = write(tmp_path / "all.fae", cohort(rng))
    with pytest.raises(error):
        fastae.subset_archive(tmp_path / "cut.fae", path, **arguments)
    with pytest.raises(InputError, match="is the input"):
        fastae.subset_archive(path, path)
    assert not (tmp_path / "cut.fae").exists()


def test_commands_join_and_cut_as_bcftools_does(rng, tmp_path, capsys, bcftools):
    parts = [cohort(rng, chrom) for chrom in "12"]
    for i, part in enumerate(parts):
        write(tmp_path / f"{i}.fae", part, block_variants=25)
        fastae.write_vcf(tmp_path / f"{i}.vcf", part.to_stream())
    archives = [str(tmp_path / f"{i}.fae") for i in range(2)]
    assert main(["concat", *archives, "-o", str(tmp_path / "all.fae")]) == 0
    assert (
        main(["subset", str(tmp_path / "all.fae"), "-r", "2:10-40", "-s", "S3,S1", "-o", str(tmp_path / "cut.fae")])
        == 0
    )
    assert main(["decompress", str(tmp_path / "cut.fae"), str(tmp_path / "cut.vcf")]) == 0
    joined = bcftools("concat", str(tmp_path / "0.vcf"), str(tmp_path / "1.vcf"))
    (tmp_path / "joined.vcf").write_text(joined)
    expected = bcftools("view", "-I", "-H", "-t", "2:10-40", "-s", "S3,S1", str(tmp_path / "joined.vcf"))
    found = bcftools("view", "-H", str(tmp_path / "cut.vcf"))
    assert found == expected and found.count("\n") == 31
    assert main(["concat", *archives, "-o", "-"]) == 1
    assert "standard output" in capsys.readouterr().err


@pytest.fixture
def bcftools():
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")

    def run(*args):
        return subprocess.run(["bcftools", *args], check=True, capture_output=True, text=True).stdout

    return run
