# SPDX-License-Identifier: Apache-2.0
"""PLINK 2 pgen/pvar/psam <-> cohort streams; pgenlib reads and writes the .pgen.

The header and the columns of the .pvar are VCF's own and kept verbatim; centimorgans become INFO ``CM``, and the .psam
the attribute ``pgen.psam``. A .pgen holds the phase of heterozygous calls alone: any other call is taken to be
phased as the sample's last heterozygous call was, or before its first one if any call of the file is, as plink2 exports
them.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Iterable

import numpy as np

from ..cohort import FILL, MINIMAL_HEADER, MISSING, Cohort, CohortStream, Sites, block_size, narrow
from ..errors import InputError
from ..regions import header_contigs
from . import plinkfiles
from .plinkfiles import CM_LINE, STRUCTURAL, Losses, place
from .plinkpeople import FAM, PROVISIONAL, PSAM, People, psam_text, refuse_blanks

ENDINGS = (".pgen", ".pvar", ".psam")
TITLE = "PLINK 2"
HEADER, FINAL_NEWLINE = "pgen.pvar_header", "pgen.pvar_final_newline"

_MAGIC = b"\x6c\x1b"
_MODES = {1: "bed", 2: "hardcalls", 3: "dosages", 4: "phased dosages", 16: "records of any kind"}
_OF_RECORDS = 16
_DOSAGE_MODES = (3, 4)
_DOSAGE_BITS = 0x60  # of a record's type
_BLOCK = 1 << 16  # records whose types stand together
_NO_CALL = -9  # pgenlib's missing allele
MAX_ALLELES = 255  # of a variant of a .pgen
_REQUIRED = ("CHROM", "POS", "ID", "REF", "ALT")
_OPTIONAL = ("QUAL", "FILTER", "INFO", "CM")
_REWRITE = "plink2 --pfile OLD --make-pgen --out NEW"
_COLUMNS = "#" + "\t".join((*_REQUIRED, *_OPTIONAL[:3]))
_POSITION = re.compile("0|[1-9][0-9]{0,17}")
_FILE_FORMAT, _GT_LINE, _VCF_COLUMNS = (MINIMAL_HEADER.split("\n")[i] for i in (0, 2, 3))


def read_pgen(
    path: str | os.PathLike[str], *, drop_format: bool = False, n_variants: int | None = None
) -> CohortStream:
    """Read a PLINK 2 pgen/pvar/psam block by block, with phase and any number of alleles.

    Parameters
    ----------
    path : path-like
        Any of the three files, or what their names begin with.
    drop_format : bool
        Leave out dosages instead of refusing them: hard calls are what is read.
    n_variants : int, optional
        Variants per block; a quarter of `fastae.cohort.block_size` if left out.

    Returns
    -------
    CohortStream
        Calls are diploid, also on X, Y and MT, where a .pgen does not say what is haploid. Samples are named by their
        IID or, if any two are alike, all FID_IID.

    Raises
    ------
    InputError
        If one of the files is missing, malformed, compressed, or not of so many samples and variants, or there are
        dosages. If pgenlib is not installed.
    OSError
        If a file cannot be opened.

    Notes
    -----
    Format: https://github.com/chrchang/plink-ng/tree/master/pgen_spec. Beside the block, memory holds nine bytes for
    each variant of the file.

    Examples
    --------
    >>> import tempfile
    >>> cohort = Cohort.from_arrays([[[0, 1], [2, 1]]], samples=["ann", "ben"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     prefix = os.path.join(folder, "tiny")
    ...     write_pgen(prefix, cohort.to_stream())
    ...     again = read_pgen(prefix).read()
    >>> again.call_genotype.tolist(), again.call_genotype_phased.tolist()
    ([[[0, 1], [2, 1]]], [[True, True]])
    """
    pgenlib = _pgenlib()
    _refuse_zst(path)
    pgen, pvar, psam = plinkfiles.existing(path, ENDINGS, TITLE)
    text = plinkfiles.read_text(psam)
    samples = list(People(psam, text).lines)
    table = _Pvar(pvar)
    provisional = _check_pgen(pgen, table, drop_format)
    attributes = {PSAM: text, HEADER: table.head} | ({PROVISIONAL: provisional} if provisional else {})
    if not table.final_newline:
        attributes[FINAL_NEWLINE] = "no"
    reader = _open_reader(pgenlib, pgen, len(samples), table)
    size = n_variants or max(block_size(len(samples)) // 4, 1)
    blocks = _blocks(reader, pgen, table, samples, attributes, size)
    return CohortStream(table.header, samples, blocks, attributes=attributes)


def _pgenlib():
    try:
        import pgenlib
    except ImportError as error:
        raise InputError("PLINK 2 files need pgenlib: pip install 'fastae[plink]'") from error
    return pgenlib


def _refuse_zst(path):
    path = os.fsdecode(path).removesuffix(".zst")
    prefix = path[: -len(ENDINGS[1])] if path.lower().endswith(ENDINGS) else path
    compressed = f"{prefix}{ENDINGS[1]}.zst"
    if os.path.exists(compressed) and not os.path.exists(compressed.removesuffix(".zst")):
        raise InputError(f"{compressed}: the .pvar is compressed; unpack it first: zstd -d {compressed}")


class _Pvar:
    """What a .pvar says of all its variants: `n_alleles` of each, the VCF `header`, and `head`, its own."""

    def __init__(self, path):
        self.path = path
        with self.open() as file:
            meta = []
            for line in file:
                if not line.startswith("##"):
                    break
                meta.append(line)
            else:
                line = ""
            if not line.startswith("#CHROM"):
                raise InputError(f"{path}: the .pvar has no #CHROM line; let plink2 write one: {_REWRITE}")
            self.head = "".join([*meta, line])
            self.n_head = len(meta) + 1
            self.columns = line[1:].rstrip("\n").split("\t")
            if not _are_columns(self.columns):
                raise InputError(
                    f"{path}: the .pvar has columns {' '.join(self.columns)[:80]}, expected {' '.join(_REQUIRED)} and "
                    f"maybe {' '.join(_OPTIONAL)}, parted by tabs"
                )
            chrom, alt = self.columns.index("CHROM"), self.columns.index("ALT")
            counts = bytearray()
            contigs: dict[str, None] = {}
            for number, line in enumerate(file, self.n_head + 1):
                fields = self.fields(line, number)
                contigs[fields[chrom]] = None
                n_alleles = fields[alt].count(",") + 2
                if n_alleles > MAX_ALLELES:
                    raise InputError(f"{path}: line {number} has {n_alleles} alleles, a .pgen holds {MAX_ALLELES}")
                counts.append(n_alleles)
        if not counts:
            raise InputError(f"{path}: the .pvar names no variants, and PLINK 2 needs one")
        self.final_newline = line.endswith("\n")
        self.n_alleles = np.frombuffer(bytes(counts), np.uint8)
        self.header = _vcf_header([line.rstrip("\n") for line in meta], contigs, "CM" in self.columns)

    def open(self):
        return open(self.path, encoding="utf-8", errors="surrogateescape", newline="\n")

    def fields(self, line, number):
        fields = line.rstrip("\n").split("\t")
        if len(fields) != len(self.columns) or not all(fields) or line.endswith("\r\n"):
            what = (
                "ends in CR LF; convert it with dos2unix first"
                if line.endswith("\r\n")
                else (f"has {len(fields)} columns, some maybe empty, expected {len(self.columns)} parted by tabs")
            )
            raise InputError(f"{self.path}: line {number} {what}")
        return fields

    def sites(self, lines, first_number):
        """The `Sites` of some lines."""
        rows = [self.fields(line, number) for number, line in enumerate(lines, first_number)]
        column_of = dict(zip(self.columns, map(list, zip(*rows, strict=True)), strict=True))
        dots = ["."] * len(lines)
        if wrong := next((text for text in column_of["POS"] if not _POSITION.fullmatch(text)), None):
            raise InputError(f"{self.path}: POS {wrong!r} is not a plain whole number")
        info = column_of.get("INFO", dots)
        if "CM" in column_of:
            ahead = ("" if text == "." else f"{text};" for text in info)
            info = [f"{text}CM={cm}" for text, cm in zip(ahead, column_of["CM"], strict=True)]
        columns: list = [column_of.get(name, dots) for name in (*_REQUIRED, "QUAL", "FILTER")]
        columns[1] = np.array(columns[1], np.int64)
        columns.append(info)
        return Sites(*columns)


def _are_columns(names):
    return set(_REQUIRED) <= set(names) <= {*_REQUIRED, *_OPTIONAL} and len(set(names)) == len(names)


def _vcf_header(meta, contigs, has_cm):
    """The VCF header for that of a .pvar: what VCF asks for is added, unless the .pvar says it is a VCF's."""
    if not meta or not meta[0].startswith("##fileformat="):
        defined = set(header_contigs("\n".join(meta)))
        added = plinkfiles.contig_lines(name for name in contigs if name not in defined)
        meta = [_FILE_FORMAT, *meta, *added, *[CM_LINE] * has_cm, _GT_LINE]
    return "\n".join([*meta, _VCF_COLUMNS])


def _check_pgen(path, table, drop_format):
    """Whether REF is provisional: "all", "unknown" or "". Refuses a file that pgenlib would read only in part."""
    with open(path, "rb") as file:
        head = file.read(12)
        if len(head) < 3 or head[:2] != _MAGIC:
            raise InputError(f"{path}: this is not a .pgen: it starts with {head[:3]!r}")
        mode = head[2]
        if mode not in _MODES:
            raise InputError(
                f"{path}: the .pgen is of kind {mode:#x}, which is not read; let plink2 write it again: {_REWRITE}"
            )
        if mode == 1:
            return "all"
        if len(head) < 12:
            raise InputError(f"{path}: the .pgen is truncated")
        control = head[11]
        n_variants = len(table.n_alleles)
        has_dosages = mode in _DOSAGE_MODES
        if mode == _OF_RECORDS and control & 12 == 4:
            has_dosages = any(types & _DOSAGE_BITS for types in _record_types(file, control, n_variants))
    if has_dosages and not drop_format:
        raise InputError(
            f"{path}: the .pgen has dosages, which are not stored: drop_format (--drop-format) leaves them out"
        )
    storage = control >> 6
    if storage == 3 and "##INFO=<ID=PR," not in table.header and not drop_format:
        raise InputError(
            f"{path}: the .pgen marks some REF alleles as provisional, which is not stored: "
            "drop_format (--drop-format) leaves the marks out"
        )
    return {0: "unknown", 1: "", 2: "all", 3: "unknown"}[storage]


def _record_types(file, control, n_variants):
    """For each block of records the bits that any of their types has.

    Ahead of the records stand, block after block, their types in a byte each, their lengths, the numbers of their
    alleles and whether these are provisional: in as many bytes as the byte `control` says.
    """
    file.seek(12 + 8 * -(-n_variants // _BLOCK))
    for start in range(0, n_variants, _BLOCK):
        n = min(_BLOCK, n_variants - start)
        yield int(np.bitwise_or.reduce(np.frombuffer(file.read(n), np.uint8), initial=0))
        lengths, n_alleles = n * ((control & 3) + 1), n * (control >> 4 & 3)
        file.seek(lengths + n_alleles + (-(-n // 8) if control >> 6 == 3 else 0), os.SEEK_CUR)


def _open_reader(pgenlib, path, n_samples, table):
    offsets = None
    if (table.n_alleles > 2).any():
        offsets = np.zeros(len(table.n_alleles) + 1, np.uintp)
        np.cumsum(table.n_alleles, out=offsets[1:])
    with _refusing(path):
        return pgenlib.PgenReader(
            os.fsencode(path), n_samples, variant_ct=len(table.n_alleles), allele_idx_offsets=offsets
        )


@contextlib.contextmanager
def _refusing(path):
    try:
        yield
    except RuntimeError as error:  # pgenlib raises the bare class
        raise InputError(f"{path}: pgenlib cannot read this .pgen: {error}") from error


def _blocks(reader, path, table, samples, attributes, size):
    n_samples, n_variants = len(samples), len(table.n_alleles)
    with contextlib.closing(reader), table.open() as file:
        for _ in itertools.islice(file, table.n_head):
            pass
        phase = np.full(n_samples, reader.hardcall_phase_present())
        for start in range(0, n_variants, size):
            n = min(size, n_variants - start)
            lines = list(itertools.islice(file, n))
            if len(lines) != n:
                raise InputError(f"{table.path}: the file has changed while it was read")
            alleles = np.empty((n, 2 * n_samples), np.int32)
            has_phase = np.empty((n, n_samples), np.uint8)
            with _refusing(path):
                reader.read_alleles_and_phasepresent_range(start, start + n, alleles, has_phase)
            alleles[alleles == _NO_CALL] = MISSING
            calls = narrow(alleles).reshape(n, n_samples, 2)
            phased = has_phase.view(np.bool_)
            for row, is_het in zip(phased, calls[:, :, 0] != calls[:, :, 1], strict=True):
                np.copyto(phase, row, where=is_het)
                row[:] = phase
            sites = table.sites(lines, table.n_head + start + 1)
            yield Cohort(table.header, samples, sites, calls, phased, attributes=attributes)


def write_pgen(
    path: str | os.PathLike[str],
    stream: CohortStream,
    *,
    lossy: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a cohort stream as PLINK 2 pgen/pvar/psam.

    Parameters
    ----------
    path : path-like
        Any of the three files, or what their names shall begin with. They appear only when all are complete.
    stream : CohortStream
        Read block by block; a file beside the output holds its calls meanwhile, since pgenlib must know their number.
    lossy : bool
        Leave out what PLINK 2 cannot hold, and name it in a `LossWarning`, instead of refusing it: phase of calls that
        are not heterozygous, where it is not that of the sample's last heterozygous call; a haploid call is written
        as a homozygous one and a half-missing one as missing.
    inputs : iterable of path-like
        Files being read, which none of the three must be.

    Raises
    ------
    InputError
        If the cohort holds what PLINK 2 cannot, by name; even with `lossy` if a call has more than two alleles, a name
        has blanks, or there are no samples or variants. If the output cannot be written there, or pgenlib is
        not installed.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> cohort = Cohort.from_arrays([[[0, 1], [1, -2]]])
    >>> write_pgen("tiny", cohort.to_stream())
    Traceback (most recent call last):
    fastae.errors.InputError: tiny: PLINK 2 cannot hold haploid calls; write VCF, or leave it out by lossy (--lossy)
    """
    pgenlib = _pgenlib()
    with plinkfiles.outputs(path, ENDINGS, inputs) as (pgen, pvar, psam):
        losses = Losses(path, TITLE, "write VCF", lossy)
        losses.add(plinkfiles.attribute_losses(stream.attributes, ("plink1.", "pgen.")))
        psam.write(_encoded(psam_text(path, stream)))
        head, columns = _pvar_head(stream)
        pvar.write(_encoded(head))
        newline = b"\n" if stream.attributes.get(FINAL_NEWLINE) == "no" else b""
        rule = _PhaseRule(len(stream.samples))
        with _Spool(os.path.dirname(os.path.realpath(pgen.name))) as spool:
            for block in stream:
                block = block.with_ploidy(2)
                losses.add(_block_losses(path, block, columns) + rule.losses(block))
                pvar.write(b"".join(_encoded(line) + b"\n" for line in _pvar_lines(block.sites, columns)))
                first, second = plinkfiles.diploid(block.call_genotype)
                is_phased = block.call_genotype_phased & (first != second)
                n_alleles = [alt.count(",") + 2 for alt in block.sites.alt]
                spool.put(np.stack([first, second], axis=2), is_phased, np.array(n_alleles, np.uint32))
            losses.add(rule.last_losses())
            if not spool.n_variants:
                raise InputError(f"{os.fsdecode(path)}: the cohort has no variants, and PLINK 2 needs one")
            if newline:
                pvar.truncate(pvar.tell() - 1)
            _write_calls(pgenlib, pgen.name, spool, len(stream.samples), stream.attributes)
    losses.warn()


def _encoded(text):
    return text.encode("utf-8", "surrogateescape")


def _pvar_head(stream):
    """The header of the .pvar, and its columns: those it came with, if it still tells all that the cohort's does."""
    *lines, _ = stream.header.split("\n")
    if head := stream.attributes.get(HEADER):
        *meta, columns = head.removesuffix("\n").split("\n")
        known = {*meta, CM_LINE}
        names = columns[1:].split("\t")
        is_told = all(line in known or STRUCTURAL.fullmatch(line) for line in lines) and set(meta) <= set(lines)
        if is_told and columns.startswith("#CHROM") and _are_columns(names):
            return head, names
    return "".join(f"{line}\n" for line in [*lines, _COLUMNS]), [*_REQUIRED, *_OPTIONAL[:3]]


def _pvar_lines(sites, columns):
    column_of = dict(zip((*_REQUIRED, *_OPTIONAL[:3]), sites.columns(), strict=True))
    if "CM" in columns:
        ahead, cm = zip(*(_parted_cm(info) for info in sites.info), strict=True)
        column_of |= {"INFO": ahead, "CM": cm}
    return ["\t".join(map(str, row)) for row in zip(*(column_of[name] for name in columns), strict=True)]


def _parted_cm(info):
    """INFO without its last entry, and that entry's centimorgans, which `_Pvar.sites` has put there."""
    ahead, _, last = info.rpartition(";")
    return (ahead or ".", last[3:]) if last.startswith("CM=") else (info, "0")


def _block_losses(path, block, columns):
    sites = block.sites
    for what, texts in (
        ("chromosome", sites.chrom),
        ("variant", sites.id),
        ("allele", sites.ref + sites.alt),
        ("FILTER", sites.filter),
        ("INFO", sites.info),
    ):
        refuse_blanks(path, what, texts)
    for row, alt in enumerate(sites.alt):
        if alt.count(",") + 2 > MAX_ALLELES:
            raise InputError(
                f"{path}: {place(block, row)} has {alt.count(',') + 2} alleles, PLINK 2 holds {MAX_ALLELES}"
            )
    info = [_parted_cm(text)[0] for text in sites.info] if "CM" in columns else sites.info
    texts_of = {"QUAL": sites.qual, "FILTER": sites.filter, "INFO": info}
    found = [name for name, texts in texts_of.items() if name not in columns and set(texts) - {"."}]
    return found + plinkfiles.call_losses(path, block)


class _PhaseRule:
    """Finds calls that are not heterozygous and would come back in another phase, from block to block."""

    NAME = "the phase of homozygous and missing calls"

    def __init__(self, n_samples):
        self._phase = np.zeros(n_samples, np.bool_)  # of each sample's last heterozygous call
        self._seen = np.zeros(n_samples, np.bool_)  # whether there was one
        self._any_phased = False
        self._leading = set()  # phases ahead of each sample's first one

    def losses(self, block):
        calls = block.call_genotype
        differs = False
        several = calls[:, :, 1] != FILL
        is_het = several & (calls[:, :, 0] != calls[:, :, 1]) & (calls[:, :, :2] >= 0).all(axis=2)
        for phased, het, of_two in zip(block.call_genotype_phased, is_het, several, strict=True):
            self._any_phased |= bool((phased & het).any())
            np.copyto(self._phase, phased, where=het)
            self._seen |= het
            differs |= bool(((phased != self._phase) & self._seen & of_two).any())
            self._leading.update(np.unique(phased[~self._seen & of_two]).tolist())
        return [self.NAME] if differs else []

    def last_losses(self):
        """What only the end shows: any phased call in the file makes all phased that stand ahead of a first one."""
        return [self.NAME] if self._leading - {self._any_phased} else []


class _Spool:
    """Calls of blocks, kept in a nameless file until their number is known."""

    def __init__(self, folder):
        self._file = tempfile.TemporaryFile(dir=folder)
        self.n_variants = 0
        self.max_alleles = 2
        self.has_phase = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def put(self, calls, phased, n_alleles):
        self.n_variants += len(calls)
        self.max_alleles = max(self.max_alleles, int(n_alleles.max(initial=0)))
        self.has_phase |= bool(phased.any())
        parts = [
            zlib.compress(data, 1) for data in (calls.tobytes(), np.packbits(phased).tobytes(), n_alleles.tobytes())
        ]
        self._file.write(struct.pack("<4Q", len(calls), *map(len, parts)))
        self._file.writelines(parts)

    def blocks(self, n_samples):
        """Iterate over (calls, phased, n_alleles) as they were put."""
        self._file.seek(0)
        while head := self._file.read(32):
            n, *sizes = struct.unpack("<4Q", head)
            calls, phased, n_alleles = (zlib.decompress(self._file.read(size)) for size in sizes)
            flags = np.unpackbits(np.frombuffer(phased, np.uint8), count=n * n_samples)
            yield (
                np.frombuffer(calls, f"i{len(calls) // (2 * n * n_samples)}").reshape(n, 2 * n_samples),
                flags.reshape(n, n_samples),
                np.frombuffer(n_alleles, np.uint32),
            )


def _write_calls(pgenlib, name, spool, n_samples, attributes):
    provisional = attributes.get(PROVISIONAL, "all" if FAM in attributes else "")
    try:
        writer = pgenlib.PgenWriter(
            os.fsencode(name),
            n_samples,
            variant_ct=spool.n_variants,
            nonref_flags={"all": True, "unknown": None}.get(provisional, False),
            allele_ct_limit=spool.max_alleles,
            hardcall_phase_present=spool.has_phase,
        )
        for calls, phased, n_alleles in spool.blocks(n_samples):
            alleles = calls.astype(np.int32)
            alleles[alleles == MISSING] = _NO_CALL
            if spool.has_phase:
                writer.append_partially_phased_batch(alleles, phased, allele_cts=n_alleles)
            else:
                writer.append_alleles_batch(alleles, allele_cts=n_alleles)
        writer.close()
    except RuntimeError as error:  # pgenlib raises the bare class
        raise OSError(errno.EIO, f"pgenlib could not write the .pgen ({error}); is the disk full?", name) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{name}.tmp")
