# SPDX-License-Identifier: Apache-2.0
"""Zarr stores of either version hold chunks coded as archives are; plain `zarr` reads them, by entry points."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import cohorts
import numpy as np
import pytest
from test_shared_data import data_file, head

zarr = pytest.importorskip("zarr", minversion="3", reason="zarr 3 is not installed")
numcodecs = pytest.importorskip("numcodecs", reason="numcodecs is not installed")

from fastae import FormatError  # noqa: E402
from fastae.integrations.numcodecs import GenotypeCodec as NumcodecsCodec  # noqa: E402
from fastae.integrations.zarr import GenotypeCodec  # noqa: E402

# Compares all arrays and attributes of two stores with zarr alone
COMPARE = """
import sys, numpy as np, zarr
a, b = (zarr.open_group(path, mode="r") for path in sys.argv[1:])
assert sorted(a) == sorted(b) and dict(a.attrs) == dict(b.attrs)
for name in a:
    x, y = a[name], b[name]
    assert (x.dtype, x.shape, x.chunks, dict(x.attrs)) == (y.dtype, y.shape, y.chunks, dict(y.attrs)), name
    np.testing.assert_array_equal(x[...], y[...], strict=True)
print(len(list(a)), "fastae.cli" in sys.modules)
"""


def codec_options(zarr_format, preset="default"):
    """What `zarr.create_array` takes for the codec."""
    if zarr_format == 2:
        return {"compressors": NumcodecsCodec(preset), "filters": None}
    return {"serializer": GenotypeCodec(preset), "compressors": None, "filters": None}


def rewrite(source, target):
    """A store with all its arrays of small numbers of two or more axes recoded."""
    old = zarr.open_group(source, mode="r")
    kind = old.metadata.zarr_format
    new = zarr.open_group(target, mode="w", zarr_format=kind)
    new.attrs.update(old.attrs)
    for name, array in old.arrays():
        codec = codec_options(kind) if array.dtype in (np.int8, bool) and array.ndim > 1 else {}
        options = {"dimension_names": array.metadata.dimension_names} if kind == 3 else {}
        made = new.create_array(
            name,
            shape=array.shape,
            dtype=array.dtype,
            chunks=array.chunks,
            fill_value=array.fill_value,
            **codec,
            **options,
        )
        made.attrs.update(array.attrs)
        made[...] = array[...]
    zarr.consolidate_metadata(target, zarr_format=kind)


@pytest.fixture(
    scope="module", params=[("kg3_chr22_50M", 2500, 3), ("humanorigins249", 800, 1.2)], ids=lambda param: param[0]
)
def cohort(request, tmp_path_factory):
    """The first records of a real cohort, indexed; bio2zarr reads no other. How much smaller than by Blosc they are."""
    cyvcf2 = pytest.importorskip("cyvcf2", reason="cyvcf2 is not installed")
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools, which makes the index, is not installed")
    path = tmp_path_factory.mktemp("vcf") / "head.vcf"
    name, n_records, ratio = request.param
    head(data_file(f"{name}.vcf.gz"), n_records, path)
    reader = cyvcf2.VCF(str(path))
    indexed = path.with_suffix(".bcf")
    writer = cyvcf2.Writer(str(indexed), reader, mode="wb")
    for record in reader:
        writer.write_record(record)
    writer.close()
    subprocess.run(["bcftools", "index", str(indexed)], check=True)
    return indexed, ratio


@pytest.mark.filterwarnings("ignore")  # of bio2zarr's
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_of_bio2zarr_rewritten_reads_back_with_plain_zarr(cohort, tmp_path, zarr_format):
    bio2zarr = pytest.importorskip("bio2zarr.vcf", reason="bio2zarr is not installed")
    vcf, ratio = cohort
    bio2zarr.convert([vcf], tmp_path / "blosc.vcz", zarr_format=zarr_format, worker_processes=0)
    rewrite(tmp_path / "blosc.vcz", tmp_path / "fastae.vcz")
    command = [sys.executable, "-W", "ignore", "-c", COMPARE, "blosc.vcz", "fastae.vcz"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.split()[0]) > 10
    before, after = (stored(tmp_path / name / "call_genotype") for name in ("blosc.vcz", "fastae.vcz"))
    assert before > ratio * after


def stored(folder):
    """Bytes of an array's chunks."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and path.name[0] not in ".z")


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("preset", ["fast", "default", "max"])
def test_arrays_read_back_by_parts_and_are_small(tmp_path, rng, zarr_format, preset):
    calls = cohorts.mixed(rng, 300, 70).call_genotype
    for name, array in {"calls": calls, "mask": calls < 0, "dosage": calls.sum(axis=2, dtype=np.int8)}.items():
        chunks = (64, 50, 2)[: array.ndim]
        made = zarr.create_array(
            tmp_path / name,
            shape=array.shape,
            dtype=array.dtype,
            chunks=chunks,
            zarr_format=zarr_format,
            **codec_options(zarr_format, preset),
        )
        made[:] = array
        back = zarr.open_array(tmp_path / name, mode="r")
        np.testing.assert_array_equal(back[:], array, strict=True)
        np.testing.assert_array_equal(back[7:90:3, 40:60], array[7:90:3, 40:60])
        back = zarr.open_array(tmp_path / name, mode="r+")
        back[100:130, ::2] = 1
        changed = array.copy()
        changed[100:130, ::2] = 1
        np.testing.assert_array_equal(zarr.open_array(tmp_path / name, mode="r")[:], changed)


def test_fortran_order_of_version_2_is_kept(tmp_path, rng):
    calls = cohorts.related(rng, 100, 30)
    made = zarr.create_array(
        tmp_path / "a", shape=calls.shape, dtype=calls.dtype, chunks=(64, 20, 2), zarr_format=2, order="F",
        **codec_options(2),
    )  # fmt: skip
    made[:] = calls
    assert zarr.open_array(tmp_path / "a").order == "F"
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a")[:], calls)


def test_shards_and_transposed_chunks_hold_the_codec(tmp_path, rng):
    calls = cohorts.related(rng, 128, 40)
    made = zarr.create_array(
        tmp_path / "a",
        shape=calls.shape,
        dtype=calls.dtype,
        chunks=(32, 20, 2),
        shards=(64, 40, 2),
        serializer=GenotypeCodec("fast"),
        compressors=None,
        filters=zarr.codecs.TransposeCodec(order=(1, 0, 2)),
    )
    made[:] = calls
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a")[:], calls)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a")[60:70, 3], calls[60:70, 3])


def test_a_codec_is_its_metadata():
    for preset in ("fast", "default"):
        codec = GenotypeCodec(preset)
        assert GenotypeCodec.from_dict(codec.to_dict()) == codec == pickle.loads(pickle.dumps(codec))
        assert codec.to_dict() == {"name": "fastae.genotype", "configuration": {"preset": preset}}
    assert GenotypeCodec.from_dict({"name": "fastae.genotype"}) == GenotypeCodec()
    with pytest.raises(NotImplementedError, match="is known when a chunk is coded"):
        GenotypeCodec().compute_encoded_size(100, None)
    with pytest.raises(ValueError, match="preset is 'best'; it can be 'fast', 'default', 'max'"):
        GenotypeCodec("best")


@pytest.mark.parametrize(
    ("shape", "dtype", "error", "message"),
    [
        ((10, 4), np.int16, TypeError, "the array is int16; fastae.genotype holds int8, uint8 and bool"),
        ((2, 2, 2, 2), np.int8, ValueError, "fastae.genotype holds arrays of 1 to 3 axes"),
    ],
)
def test_arrays_that_it_does_not_hold_are_refused_when_they_are_made(shape, dtype, error, message):
    with pytest.raises(error, match=message):
        zarr.create_array({}, shape=shape, dtype=dtype, chunks=shape, **codec_options(3))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_damaged_chunks_are_refused(tmp_path, rng, zarr_format):
    calls = cohorts.related(rng, 50, 30)
    options = codec_options(zarr_format)
    array = zarr.create_array(
        tmp_path / "a", shape=calls.shape, dtype=np.int8, chunks=calls.shape, zarr_format=zarr_format, **options
    )
    array[:] = calls
    (chunk,) = (tmp_path / "a" / "c" / "0" / "0").rglob("0") if zarr_format == 3 else (tmp_path / "a").glob("0.0.0")
    data = chunk.read_bytes()
    for damaged in (data[:-3], data[:50] + bytes([data[50] ^ 4]) + data[51:]):
        chunk.write_bytes(damaged)
        with pytest.raises(FormatError, match="the chunk does not match its checksum"):
            array[:]
    smaller = zarr.create_array(
        tmp_path / "b", shape=(50, 29, 2), dtype=np.int8, chunks=(50, 29, 2), zarr_format=zarr_format, **options
    )
    smaller[:] = calls[:, :29]
    (other,) = (tmp_path / "b" / "c" / "0" / "0").rglob("0") if zarr_format == 3 else (tmp_path / "b").glob("0.0.0")
    chunk.write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match="shape"):
        array[:]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking beside dask's threads
@pytest.mark.parametrize(("zarr_format", "scheduler"), [(2, "threads"), (3, "threads"), (3, "processes")])
def test_dask_writes_and_reads_in_parallel(tmp_path, rng, zarr_format, scheduler):
    dask, da = pytest.importorskip("dask"), pytest.importorskip("dask.array", reason="dask is not installed")
    calls = cohorts.related(rng, 600, 50)
    array = zarr.create_array(
        tmp_path / "a",
        shape=calls.shape,
        dtype=calls.dtype,
        chunks=(100, 25, 2),
        zarr_format=zarr_format,
        **codec_options(zarr_format),
    )
    wide = da.from_array(calls, chunks=array.chunks)
    da.store(wide, array, lock=False, scheduler=scheduler, num_workers=2)
    assert len([path for path in (tmp_path / "a").rglob("*") if path.is_file() and path.name[0] not in ".z"]) >= 12
    back = da.from_zarr(str(tmp_path / "a"))
    assert back.chunks == wide.chunks
    again, counts = dask.compute(back, (back == 1).sum(axis=(1, 2)), scheduler=scheduler, num_workers=2)
    np.testing.assert_array_equal(again, calls)
    np.testing.assert_array_equal(counts, (calls == 1).sum(axis=(1, 2)))
