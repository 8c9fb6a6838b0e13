# SPDX-License-Identifier: Apache-2.0
"""File formats, one module each; all give and take the same cohort."""

import os

from ..archive.container import MAGIC
from ..cohort import CohortStream
from ..errors import InputError
from .bgzf import READ_ERRORS, open_text
from .fasta import read_fasta, write_fasta
from .vcf import read_vcf, write_vcf

__all__ = ["read_cohort", "read_fasta", "read_vcf", "write_fasta", "write_vcf"]


def read_cohort(path: str | os.PathLike[str], *, drop_format: bool = False) -> CohortStream:
    """Read a VCF, BCF or aligned FASTA, whichever the file is.

    Parameters
    ----------
    path : path-like
    drop_format : bool
        Leave out FORMAT fields other than GT instead of refusing them.

    Returns
    -------
    CohortStream

    Raises
    ------
    InputError
        As `read_vcf` and `read_fasta`.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> read_cohort("no-such-file.vcf")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file.vcf'
    """
    try:
        with open_text(os.fspath(path)) as file:
            head = file.peek(len(MAGIC))[: len(MAGIC)]
    except READ_ERRORS:
        head = b""  # read_vcf says what is wrong
    if head == MAGIC:
        raise InputError(f"{path}: this is an archive; give the file that goes into one")
    if head and not head.startswith((b">", b"##", b"BCF")):
        raise InputError(f"{path}: this is neither VCF, BCF nor FASTA: it starts with {head!r}")
    return read_fasta(path).to_stream() if head.startswith(b">") else read_vcf(path, drop_format=drop_format)
