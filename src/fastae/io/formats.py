# SPDX-License-Identifier: Apache-2.0
"""The table of file formats, and reading and writing a cohort in whichever of them it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..archive.container import MAGIC
from ..cohort import CohortStream
from ..errors import InputError
from ..fileio import check_output, is_url
from .text import Text


@dataclass(frozen=True)
class Format:
    """A row of `FORMATS`.

    Attributes
    ----------
    name : str
        What ``format=`` and ``--format`` call it.
    title : str
        What messages call it.
    endings : tuple of str
        Of file names, the usual one first.
    read : callable
        Of a path, or a `Text` if `is_text`, and whether to drop FORMAT fields; gives a `CohortStream`.
    write : callable
        Of a path, a `CohortStream`, whether to leave out what the format cannot hold, and the inputs.
    starts : tuple of bytes
        What the contents begin with, one of these.
    companions : tuple of str
        Endings of further files that belong to the first: each of them, or the name without any, stands for all.
    folder_files : tuple of str
        Files that tell a directory of this format, which has any of them.
    is_text : bool
        Whether it is read from first to last, so from gzip, pipes and standard input too, and written likewise.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    read: Callable[[Any, bool], CohortStream]
    write: Callable[[str, CohortStream, bool, Iterable[str | os.PathLike[str]]], None]
    starts: tuple[bytes, ...] = ()
    companions: tuple[str, ...] = ()
    folder_files: tuple[str, ...] = ()
    is_text: bool = False


# Each module is imported when its format is met, and with it the optional packages that it needs.
def _read_vcf(text, drop_format):
    from .vcf import read_vcf

    return read_vcf(text, drop_format=drop_format)


def _write_vcf(path, stream, lossy, inputs):
    from .vcf import write_vcf

    write_vcf(path, stream, output_type="z" if path.lower().endswith((".gz", ".bgz")) else "v", inputs=inputs)


def _write_bcf(path, stream, lossy, inputs):
    from .vcf import write_vcf

    write_vcf(path, stream, output_type="b", inputs=inputs)


def _read_fasta(text, drop_format):
    from .fasta import stream_fasta

    return stream_fasta(text)


def _write_fasta(path, stream, lossy, inputs):
    from .fasta import write_fasta

    write_fasta(path, stream, inputs=inputs)


def _read_bed(path, drop_format):
    from .plink1 import read_bed

    return read_bed(path)


def _write_bed(path, stream, lossy, inputs):
    from .plink1 import write_bed

    write_bed(path, stream, lossy=lossy, inputs=inputs)


def _read_pgen(path, drop_format):
    from .plink2 import read_pgen

    return read_pgen(path, drop_format=drop_format)


def _write_pgen(path, stream, lossy, inputs):
    from .plink2 import write_pgen

    write_pgen(path, stream, lossy=lossy, inputs=inputs)


def _read_zarr(path, drop_format):
    from .vcfzarr import read_vcfzarr

    return read_vcfzarr(path, drop_format=drop_format)


def _write_zarr(path, stream, lossy, inputs):
    from .vcfzarr import write_vcfzarr

    write_vcfzarr(path, stream, lossy=lossy, inputs=inputs)


def _read_npz(path, drop_format):
    from .arrays import read_npz

    return read_npz(path, drop_format=drop_format)


def _write_npz(path, stream, lossy, inputs):
    from .arrays import write_npz

    write_npz(path, stream, lossy=lossy, inputs=inputs)


def _read_npy(path, drop_format):
    from .arrays import read_npy

    return read_npy(path)


def _write_npy(path, stream, lossy, inputs):
    from .arrays import write_npy

    write_npy(path, stream, lossy=lossy, inputs=inputs)


_FASTA_ENDINGS = tuple(f".{name}{gz}" for name in ("fa", "fasta", "fas", "fna", "afa") for gz in ("", ".gz"))

FORMATS = {
    row.name: row
    for row in (
        Format("vcf", "VCF", (".vcf", ".vcf.gz", ".vcf.bgz"), _read_vcf, _write_vcf, (b"##",), is_text=True),
        Format("bcf", "BCF", (".bcf",), _read_vcf, _write_bcf, (b"BCF",), is_text=True),
        Format("fasta", "FASTA", _FASTA_ENDINGS, _read_fasta, _write_fasta, (b">",), is_text=True),
        Format("bed", "PLINK 1", (".bed",), _read_bed, _write_bed, (b"l\x1b\x00", b"l\x1b\x01"), (".bim", ".fam")),
        Format("pgen", "PLINK 2", (".pgen",), _read_pgen, _write_pgen, (b"l\x1b",), (".pvar", ".psam")),
        Format("npz", "NumPy's .npz", (".npz",), _read_npz, _write_npz, (b"PK\x03\x04",)),
        Format("npy", "NumPy's .npy", (".npy",), _read_npy, _write_npy, (b"\x93NUMPY",)),
        Format(
            "zarr",
            "VCF Zarr",
            (".vcz", ".zarr", ".zip"),
            _read_zarr,
            _write_zarr,
            (b"PK\x03\x04",),
            folder_files=(".zgroup", "zarr.json"),
        ),
    )
}


def read_cohort(path: str | os.PathLike[str], *, format: str | None = None, drop_format: bool = False) -> CohortStream:
    """Read a file of any format that fastae knows.

    Parameters
    ----------
    path : path-like
        ``-`` is standard input. Of files that belong together any one, or the name without an ending.
    format : {"vcf", "bcf", "fasta", "bed", "pgen", "npz", "npy", "zarr"}, optional
        If left out, the one that the contents and the name tell.
    drop_format : bool
        Leave out FORMAT fields other than GT, whatever the format calls them, instead of refusing them.

    Returns
    -------
    CohortStream

    Raises
    ------
    InputError
        If the contents are of no known format, or what the format's own reader says.
    OSError
        If the file cannot be opened.
    ValueError
        If `format` is none.

    Examples
    --------
    >>> read_cohort("no-such-file.vcf")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file.vcf'
    """
    return open_cohort(path, format, drop_format)[0]


def open_cohort(
    path: str | os.PathLike[str], format: str | None = None, drop_format: bool = False
) -> tuple[CohortStream, str]:
    """As `read_cohort`, with what the input was recognised as, for a message."""
    path = os.fsdecode(path)
    if is_url(path):
        raise InputError(f"{path}: of files elsewhere only archives are read; fetch it first, or send it into a pipe")
    row = _checked(format) or _of_name(path)
    if row is None or row.is_text:
        text = Text(path)
        try:
            row = row or _of_contents(text)
            if row.is_text:
                packed = f" in {text.packing}" if text.packing else ""
                return row.read(text, drop_format), f"{row.title}{packed}"
            if not text.is_regular or text.packing:
                what = f"it is in {text.packing}: unpack it" if text.packing else "give the name of a file"
                raise InputError(f"{text.name}: {row.title} is not read from a stream; {what}")
        except BaseException:
            text.close()
            raise
        text.close()
    return row.read(path, drop_format), row.title


def recognised(path: str | os.PathLike[str]) -> str:
    """What a file is recognised as, for a message; InputError if as nothing."""
    path = os.fsdecode(path)
    row = _of_name(path)
    if row is None:
        with Text(path) as text:
            row = _of_contents(text)
    return row.title


def _checked(name):
    if name is not None and name not in FORMATS:
        raise ValueError(f"format is {name!r}, expected one of {', '.join(FORMATS)}")
    return FORMATS.get(name)


def _of_name(path):
    """The format that only the name, or what is in a directory of that name, can tell; or None."""
    if os.path.isdir(path):
        for row in FORMATS.values():
            if any(os.path.exists(os.path.join(path, name)) for name in row.folder_files):
                return row
        return None
    for row in FORMATS.values():
        if row.companions and not os.path.exists(path) and os.path.isfile(path + row.endings[0]):
            return row
        if path.lower().endswith(row.companions):
            return row
    return None


def _of_contents(text):
    if text.head.startswith(MAGIC):
        raise InputError(f"{text.name}: this is an archive; give the file that goes into one")
    rows = [row for row in FORMATS.values() if text.head.startswith(row.starts)]
    if not rows:
        titles = ", ".join(row.title for row in FORMATS.values())
        raise InputError(f"{text.name}: this is none of {titles}: it starts with {text.head[:8]!r}")
    named = [row for row in rows if text.path.lower().endswith(row.endings)]
    return (named or rows)[0]


def write_cohort(
    path: str | os.PathLike[str],
    stream: CohortStream,
    *,
    format: str | None = None,
    lossy: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a cohort in any format that fastae knows.

    Parameters
    ----------
    path : path-like
        ``-`` is standard output, for VCF, BCF and FASTA. What is written appears only when it is complete.
    stream : CohortStream
    format : {"vcf", "bcf", "fasta", "bed", "pgen", "npz", "npy", "zarr"}, optional
        If left out, what the name's ending tells; of standard output and pipes, FASTA for a cohort that comes from it
        and VCF for others.
    lossy : bool
        Leave out what the format cannot hold, with a `fastae.errors.LossWarning` that names it, instead of refusing it.
    inputs : iterable of path-like
        Files being read, which `path` must not be.

    Raises
    ------
    InputError
        If the format cannot hold the cohort, the ending is of no format, or `path` is no name for a file.
    OSError
        If the file cannot be written.
    ValueError
        If `format` is none, or the stream has been read.

    Examples
    --------
    >>> import tempfile
    >>> from fastae import Cohort
    >>> cohort = Cohort.from_arrays([[[0, 1], [1, 1]]], phased=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny.bed")
    ...     write_cohort(path, cohort.to_stream())
    ...     read_cohort(path).read().call_genotype.tolist()
    [[[0, 1], [1, 1]]]
    """
    path = os.fsdecode(path)
    row = _checked(format) or format_to_write(path, stream.source, inputs)
    if (row.name == "fasta") != (stream.source == "fasta"):
        held = "FASTA sequences" if stream.source == "fasta" else "sites of variants"
        raise InputError(f"{path}: the cohort holds {held}, which are not written as {row.title}")
    if path == "-" and not row.is_text:
        raise InputError(f"{row.title} is written to a file, not to standard output; give its name")
    row.write(path, stream, lossy, inputs)


def output_format(path: str | os.PathLike[str]) -> Format | None:
    """The format that the ending of a name asks for, None if it asks for none."""
    name = os.fsdecode(path).lower()
    return next((row for row in FORMATS.values() if name.endswith((*row.endings, *row.companions))), None)


def format_to_write(path: str | os.PathLike[str], source: str, inputs: Iterable[str | os.PathLike[str]] = ()) -> Format:
    """The format that the ending of an output's name asks for; VCF or FASTA, as the source has it, for pipes.

    Raises
    ------
    InputError
        If the ending is of no format, or the output is sure to fail.
    """
    path = os.fsdecode(path)
    row = output_format(path)
    if row is None and path != "-":
        check_output(path, inputs)
        if os.path.isfile(path) or not os.path.exists(path):
            endings = [
                end for row in FORMATS.values() if (row.name == "fasta") == (source == "fasta") for end in row.endings
            ]
            raise InputError(
                f"{path}: the ending tells no format; give one of {', '.join(endings)}, or name the format (--format)"
            )
    return row or FORMATS["fasta" if source == "fasta" else "vcf"]
