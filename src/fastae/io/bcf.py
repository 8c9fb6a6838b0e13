# SPDX-License-Identifier: Apache-2.0
"""BCF to lines of VCF text and back, by htslib through cyvcf2."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile

import numpy as np

from ..errors import InputError
from .bgzf import EOF_BLOCK

_MAX_POS = 2**31 - 1  # of BCF, whose positions are int32
_CHROM, _QUAL, _FILTER, _INFO = 0, 5, 6, 7
_DEFINED = re.compile(r"##(contig|FILTER|INFO)=<(?:.*?,)?ID=([^,>]+)")
_INCOMPLETE = "htslib could not write all of the BCF: is the disk full?"
_HTSLIB_SILENT, _HTSLIB_WARNING = 0, 3  # htslib's log levels: every error is raised here, none is for stderr


@contextlib.contextmanager
def _quiet_cyvcf2():
    try:
        import cyvcf2
        from cyvcf2.cyvcf2 import set_htslib_log_level
    except ImportError as error:
        raise InputError("BCF needs cyvcf2: pip install 'fastae[vcf]'") from error
    set_htslib_log_level(_HTSLIB_SILENT)
    try:
        yield cyvcf2
    finally:
        set_htslib_log_level(_HTSLIB_WARNING)


def lines(path, name):
    """Iterate over the lines, as bytes, of the VCF that says exactly what a BCF does; messages call it `name`.

    htslib writes floats with six digits; where those give another float32 the shortest digits that do not are put
    in their place.

    Raises
    ------
    InputError
        If htslib cannot read the file or a record.
    """
    with _quiet_cyvcf2() as cyvcf2:
        with _refusing(name):
            reader = cyvcf2.VCF(path)
            head = reader.raw_header
            infos = [entry for entry in reader.header_iter() if entry.type == "INFO"]
            float_keys = {entry["ID"] for entry in infos if entry["Type"] == "Float"}
        yield from head.encode().splitlines(keepends=True)
        variants = iter(reader)
        while True:
            with _refusing(name):
                variant = next(variants, None)
                if variant is None:
                    return
                text = str(variant)
            yield _exact_floats(name, text, variant, float_keys).encode()


@contextlib.contextmanager
def _refusing(path):
    try:
        yield
    except Exception as error:  # cyvcf2 raises the bare class
        raise InputError(
            f"{path}: the BCF is truncated or corrupt (htslib: {error}); fetch or write it again"
        ) from error


def _exact_floats(path, line, variant, float_keys):
    fields = line.split("\t", _INFO + 1)
    fields[_QUAL] = _exact(fields[_QUAL], variant.QUAL)
    if float_keys:
        entries = [entry.partition("=") for entry in fields[_INFO].split(";")]
        if len({key for key, _, _ in entries}) != len(entries):
            raise InputError(f"{path}: the record {_place(line)} has an INFO key twice, which cannot be told apart")
        for i, (key, equals, text) in enumerate(entries):
            if equals and key in float_keys:
                values = variant.INFO[key]
                values = values if isinstance(values, tuple) else (values,)
                pairs = zip(text.split(","), values, strict=True)
                entries[i] = (key, equals, ",".join(_exact(*pair) for pair in pairs))
        fields[_INFO] = ";".join(map("".join, entries))
    return "\t".join(fields)


def _exact(text, value):
    if value is None or text == "." or np.float32(text) == np.float32(value):
        return text
    return str(np.float32(value))


def write(path, head, blocks, output_type):
    """Write lines of VCF text as BCF.

    Parameters
    ----------
    path : str
        Of a regular file: what was written is looked at.
    head : bytes
        The whole header.
    blocks : iterable of list of bytes
        Record lines.
    output_type : {"b", "u"}
        Compressed or not.

    Raises
    ------
    InputError
        If a record uses a name that the header does not define, or says what BCF cannot hold. Floats are
        rounded to float32, as BCF has it.
    OSError
        If not everything could be written.
    """
    defined = {"contig": set(), "FILTER": {"PASS", "."}, "INFO": {"."}}
    for kind, name in _DEFINED.findall(head.decode("utf-8", "surrogateescape")):
        defined[kind].add(name)
    with _quiet_cyvcf2() as cyvcf2:
        with tempfile.NamedTemporaryFile(suffix=".vcf") as template:  # from a string cyvcf2 doubles ##fileformat
            template.write(head)
            template.flush()
            header = cyvcf2.VCF(template.name)
        writer = cyvcf2.Writer(path, header, mode="wb" if output_type == "b" else "wbu")
        try:
            writer.write_header()
            for block in blocks:
                for line in block:
                    text = _decode(line)
                    _check_defined(text, defined)
                    variant = _parsed(writer, line, text)
                    if writer.write_record(variant) != 0:
                        raise OSError(errno.EIO, _INCOMPLETE, path)
        finally:
            writer.close()
    with open(path, "rb") as file:  # cyvcf2 does not tell whether closing wrote what was left
        file.seek(max(os.fstat(file.fileno()).st_size - len(EOF_BLOCK), 0))
        if file.read() != EOF_BLOCK:
            raise OSError(errno.EIO, _INCOMPLETE, path)


def _parsed(writer, line, text):
    # cyvcf2 takes the number of characters for that of bytes: nulls, which end the text, make up for it
    padding = "\0" * (len(line) - len(text))
    try:
        variant = writer.variant_from_string(text.rstrip("\n") + padding)
    except Exception:  # cyvcf2 raises the bare class
        variant = None
    pos = int(text.split("\t", 2)[1])
    if variant is None or pos > _MAX_POS or not _says_the_same(text, str(variant)):
        raise InputError(f"BCF cannot hold the record {_place(text)} as it is; write VCF instead")
    return variant


def _decode(line):
    try:
        return line.decode()
    except UnicodeDecodeError:
        place = _place(line.decode("utf-8", "replace"))
        raise InputError(f"BCF cannot hold the record {place}, which is not UTF-8; write VCF instead") from None


def _place(text):
    return ":".join(text.split("\t", 2)[:2])


def _check_defined(text, defined):
    fields = text.split("\t", _INFO + 1)
    used = {
        "contig": fields[:1],
        "FILTER": fields[_FILTER].split(";"),
        "INFO": [entry.partition("=")[0] for entry in fields[_INFO].rstrip("\n").split(";")],
    }
    for kind, names in used.items():
        for name in names:
            if name not in defined[kind]:
                raise InputError(
                    f"BCF needs {kind} {name} of the record {_place(text)} defined in the header; write VCF instead"
                )


def _says_the_same(a, b):
    if a == b:
        return True
    a, b = (text.rstrip("\n").split("\t", _INFO + 1) for text in (a, b))
    if any(x != y for i, (x, y) in enumerate(zip(a, b, strict=True)) if i not in (_QUAL, _INFO)):
        return False
    tokens = [re.split("[=;,]", f"{fields[_QUAL]};{fields[_INFO]}") for fields in (a, b)]
    return len(tokens[0]) == len(tokens[1]) and all(map(_same_float, *tokens))


def _same_float(a, b):
    """Whether b is a as float32 in htslib's six digits."""
    if a == b:
        return True
    try:
        return bool(np.isclose(float(a), float(b), rtol=1e-5, atol=1e-44))
    except ValueError:
        return False
