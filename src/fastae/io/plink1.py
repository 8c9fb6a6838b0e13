# SPDX-License-Identifier: Apache-2.0
"""PLINK 1 bed/bim/fam <-> cohort streams.

Allele A2 of the .bim is REF and A1 is ALT, as plink2 has it. What the columns of VCF have no place for is kept
where VCF allows it: centimorgans as INFO ``CM``; a line of the .bim that columns cannot say exactly (a missing
allele, odd blanks) percent-encoded as INFO ``BIM``; the .fam in the attribute ``plink1.fam``. So all three files come
back byte for byte.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

import numpy as np

from ..cohort import MISSING, Cohort, CohortStream, Sites, block_size
from ..errors import InputError
from . import plinkfiles
from .plinkfiles import Losses, place
from .plinkpeople import FAM, People, fam_text, refuse_blanks

ENDINGS = (".bed", ".bim", ".fam")
TITLE = "PLINK 1"
_MAGIC = b"\x6c\x1b"
_SAMPLE_MAJOR, _VARIANT_MAJOR = 0, 1
_HEAD_BYTES = 3

# Alleles of the codes 0..3: both A1, missing, one of each, both A2; and the code of 0, 1 or 2 alleles A1.
_ALLELES = np.array([[1, 1], [MISSING, MISSING], [0, 1], [0, 0]], np.int8)
_CODES = np.array([3, 2, 0, 1], np.uint8)  # the last one for -1, missing
_OF_BYTE = _ALLELES[np.arange(256)[:, None] >> np.array([0, 2, 4, 6]) & 3]  # (256, 4, 2): four calls to a byte

_LINE = re.compile("([ \t]*)" + "([^ \t\r\n]+)([ \t]+)" * 5 + "([^ \t\r\n]+)([ \t]*\r?)")
_GAPS = ["", *["\t"] * 5, ""]  # around the six columns, by habit
_POSITION = re.compile(r"0|[1-9][0-9]{0,17}")
_CENTIMORGANS = re.compile(r"[-+.0-9eE]+")
_NO_ALLELE = ("0", ".")
_ANY_ALLELE = "<*>"  # VCF's symbol for an allele that is there and has no name
_INFO_LINES = (
    plinkfiles.CM_LINE,
    '##INFO=<ID=BIM,Number=1,Type=String,Description="Line of the .bim, where the columns cannot say it">',
)


def read_bed(path: str | os.PathLike[str], *, n_variants: int | None = None) -> CohortStream:
    """Read a PLINK 1 bed/bim/fam block by block.

    Parameters
    ----------
    path : path-like
        Any of the three files, or what their names begin with.
    n_variants : int, optional
        Variants per block; `fastae.cohort.block_size` of them if left out.

    Returns
    -------
    CohortStream
        Calls are unphased and diploid, also on X, Y and MT, where PLINK 1 does not say what is haploid. Chromosomes are
        called what the .bim calls them. Samples are named by their IID or, if any two are alike, all FID_IID.

    Raises
    ------
    InputError
        If one of the files is missing or malformed, the .bed is sample-major, or its size is not that of so many
        samples and variants.
    OSError
        If a file cannot be opened.

    Notes
    -----
    Formats: https://www.cog-genomics.org/plink/1.9/formats.

    Examples
    --------
    >>> import tempfile
    >>> cohort = Cohort.from_arrays([[[0, 1], [1, 1]]], phased=False, samples=["ann", "ben"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     prefix = os.path.join(folder, "tiny")
    ...     write_bed(prefix, cohort.to_stream())
    ...     read_bed(prefix).read().call_genotype.tolist()
    [[[0, 1], [1, 1]]]
    """
    bed, bim, fam = plinkfiles.existing(path, ENDINGS, TITLE)
    text = plinkfiles.read_text(fam)
    samples = list(People(fam, text).lines)
    n_sites, contigs, gaps, final_newline = _scan_bim(bim)
    _check_bed(bed, len(samples), n_sites)
    attributes = {FAM: text}
    if gaps != _GAPS:
        attributes["plink1.bim"] = "x".join(gaps)
    if not final_newline:
        attributes["plink1.bim_final_newline"] = "no"
    header = plinkfiles.vcf_header(contigs, _INFO_LINES)
    blocks = _blocks(bed, bim, header, samples, attributes, gaps, n_sites, n_variants or block_size(len(samples)))
    return CohortStream(header, samples, blocks, attributes=attributes)


def _scan_bim(path):
    """Number of variants, chromosomes, blanks around the columns of the first line, and whether the last one ends."""
    n_sites, gaps, line = 0, None, "\n"
    contigs: dict[str, None] = {}
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for n_sites, line in enumerate(file, 1):
            match = _matched(path, n_sites, line)
            gaps = gaps or list(match.groups()[::2])
            contigs[match[2]] = None
    return n_sites, list(contigs), gaps or _GAPS, line.endswith("\n")


def _matched(path, number, line):
    match = _LINE.fullmatch(line.removesuffix("\n"))
    if match is None:
        raise InputError(
            f"{path}: line {number} has {len(line.split())} columns, expected six: chromosome name cM position A1 A2"
        )
    return match


def _check_bed(path, n_samples, n_sites):
    with open(path, "rb") as file:
        head, size = file.read(_HEAD_BYTES), os.fstat(file.fileno()).st_size
    if len(head) < _HEAD_BYTES or head[:2] != _MAGIC or head[2] not in (_SAMPLE_MAJOR, _VARIANT_MAJOR):
        raise InputError(
            f"{path}: this is not a PLINK 1 .bed: it starts with {head!r}, expected {_MAGIC + bytes([1])!r}"
        )
    if head[2] == _SAMPLE_MAJOR:
        prefix = path[: -len(ENDINGS[0])]
        raise InputError(
            f"{path}: the .bed is in sample-major order, which is no longer in use; turn it with "
            f"plink2 --bfile {prefix} --make-bed --out NEW"
        )
    expected = _HEAD_BYTES + n_sites * _row_bytes(n_samples)
    if size != expected:
        raise InputError(
            f"{path}: the .bed has {size} bytes, expected {expected} for {n_samples} samples of the .fam and "
            f"{n_sites} variants of the .bim; it is truncated, or the files do not belong together"
        )


def _row_bytes(n_samples):
    return (n_samples + 3) // 4


def _blocks(bed, bim, header, samples, attributes, gaps, n_sites, size):
    width = _row_bytes(len(samples))
    with (
        open(bed, "rb") as calls_file,
        open(bim, encoding="utf-8", errors="surrogateescape", newline="\n") as lines_file,
    ):
        calls_file.seek(_HEAD_BYTES)
        for start in range(0, n_sites, size):
            n = min(size, n_sites - start)
            raw = np.frombuffer(calls_file.read(n * width), np.uint8)
            lines = list(itertools.islice(lines_file, n))
            if len(raw) != n * width or len(lines) != n:
                raise InputError(f"{bed}: the files have changed while they were read")
            calls = _OF_BYTE[raw].reshape(n, width * 4, 2)[:, : len(samples)]
            carried = (calls == 1).any(axis=(1, 2)).tolist()
            sites = [
                _site(_matched(bim, start + i, line), gaps, has_a1)
                for i, (line, has_a1) in enumerate(zip(lines, carried, strict=True), 1)
            ]
            chrom, pos, *texts = map(list, zip(*sites, strict=True))
            yield Cohort(
                header,
                samples,
                Sites(chrom, np.array(pos, np.int64), *texts),
                np.ascontiguousarray(calls),
                np.zeros(calls.shape[:2], np.bool_),
                attributes=attributes,
            )


def _site(match, gaps, has_a1):
    """The eight columns of VCF for a line of the .bim."""
    chrom, name, cm, position, a1, a2 = match.groups()[1::2]
    pos = int(position) if _POSITION.fullmatch(position) else 0
    ref = "N" if a2 in _NO_ALLELE or "," in a2 else a2
    alt = a1
    if a1 in _NO_ALLELE or "," in a1:
        alt = _ANY_ALLELE if has_a1 else "."
    info = f"CM={cm}" if cm != "0" and _CENTIMORGANS.fullmatch(cm) else "."
    if _bim_line(chrom, pos, name, ref, alt, info, gaps) != match[0]:
        info = "BIM=" + quote(match[0], errors="surrogateescape")
    return chrom, pos, name, ref, alt, ".", ".", info


def _bim_line(chrom, pos, name, ref, alt, info, gaps):
    """The line of the .bim for the columns of VCF, without a line feed."""
    said = _said(info)
    if "BIM" in said:
        return said["BIM"]
    columns = (chrom, name, said.get("CM", "0"), str(pos), "0" if alt == "." else alt, ref)
    return "".join(itertools.chain.from_iterable(zip(gaps, (*columns, ""), strict=True)))


def _said(info):
    """What INFO says by the two keys of ours, and under "" the other keys."""
    if info == ".":
        return {}
    said, others = {}, []
    for key, _, text in (part.partition("=") for part in info.split(";")):
        line = unquote(text, errors="surrogateescape") if key == "BIM" else ""
        if key == "CM" and _CENTIMORGANS.fullmatch(text):
            said[key] = text
        elif _LINE.fullmatch(line):
            said[key] = line
        else:
            others.append(key)
    return said | {"": others} if others else said


def write_bed(
    path: str | os.PathLike[str],
    stream: CohortStream,
    *,
    lossy: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a cohort stream as PLINK 1 bed/bim/fam.

    Parameters
    ----------
    path : path-like
        Any of the three files, or what their names shall begin with. They appear only when all are complete.
    stream : CohortStream
        Read block by block.
    lossy : bool
        Leave out what PLINK 1 cannot hold, and name it in a `LossWarning`, instead of refusing it: phase, QUAL, FILTER,
        INFO and the header; a haploid call is written as a homozygous one and a half-missing one as missing.
    inputs : iterable of path-like
        Files being read, which none of the three must be.

    Raises
    ------
    InputError
        If the cohort holds what PLINK 1 cannot, by name; even with `lossy` if a variant has several ALT alleles, a
        call more than two alleles, or a name blanks. If the output cannot be written there.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> cohort = Cohort.from_arrays([[[0, 1], [1, 1]]])
    >>> write_bed("tiny", cohort.to_stream())
    Traceback (most recent call last):
    fastae.errors.InputError: tiny: PLINK 1 cannot hold phase; write VCF or pgen, or leave it out by lossy (--lossy)
    """
    with plinkfiles.outputs(path, ENDINGS, inputs) as (bed, bim, fam):
        losses = Losses(path, TITLE, "write VCF or pgen", lossy)
        found = plinkfiles.header_losses(stream.header, _INFO_LINES)
        found += plinkfiles.attribute_losses(stream.attributes, ("plink1.", "pgen."))
        people, beyond = fam_text(path, stream)
        found += beyond
        fam.write(people.encode("utf-8", "surrogateescape"))
        bed.write(_MAGIC + bytes([_VARIANT_MAJOR]))
        gaps = _gaps_of(path, stream.attributes)
        newline = b""
        for block in stream:
            losses.add(found + _block_losses(path, block))
            found = []
            bed.write(_packed(block.with_ploidy(2).call_genotype))
            lines = [
                _bim_line(chrom, pos, name, ref, alt, info, gaps)
                for chrom, pos, name, ref, alt, _, _, info in zip(*block.sites.columns(), strict=True)
            ]
            if lines:
                bim.write(newline + "\n".join(lines).encode("utf-8", "surrogateescape"))
                newline = b"\n"
        losses.add(found)
        if stream.attributes.get("plink1.bim_final_newline") != "no":
            bim.write(newline)
    losses.warn()


def _gaps_of(path, attributes):
    gaps = attributes.get("plink1.bim", "x".join(_GAPS)).split("x")
    if len(gaps) != len(_GAPS) or "".join(gaps).strip(" \t\r") or not all(gaps[1:-1]):
        raise InputError(f"{path}: the attribute plink1.bim is {'x'.join(gaps)!r}, which is no layout of six columns")
    return gaps


def _block_losses(path, block):
    sites = block.sites
    for row, alt in enumerate(sites.alt):
        if "," in alt:
            raise InputError(
                f"{path}: {place(block, row)} has several ALT alleles ({alt[:40]}), and PLINK 1 holds one; split it by "
                "bcftools norm -m -any, or write pgen"
            )
    for what, texts in (("chromosome", sites.chrom), ("variant", sites.id), ("allele", sites.ref + sites.alt)):
        refuse_blanks(path, what, texts)
    infos = {key for info in set(sites.info) for key in _said(info).get("", ())}
    found = ["phase"] if block.call_genotype_phased.any() else []
    found += plinkfiles.call_losses(path, block.with_ploidy(2))
    found += [name for name, texts in (("QUAL", sites.qual), ("FILTER", sites.filter)) if set(texts) - {"."}]
    return found + [f"INFO ({', '.join(sorted(infos)[: plinkfiles.MAX_NAMED])})"] if infos else found


def _packed(calls):
    """Bytes of calls (n_variants, n_samples, 2 or more), each variant from a byte of its own."""
    first, second = plinkfiles.diploid(calls)
    alternate = np.where(first < 0, -1, first + second)
    codes = np.zeros((len(calls), _row_bytes(calls.shape[1]) * 4), np.uint8)
    codes[:, : calls.shape[1]] = _CODES[alternate]
    quads = codes.reshape(len(calls), -1, 4)
    return (quads[..., 0] | quads[..., 1] << 2 | quads[..., 2] << 4 | quads[..., 3] << 6).tobytes()
