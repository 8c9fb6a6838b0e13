# SPDX-License-Identifier: Apache-2.0
"""How a cohort is written out again."""

import os

from ..errors import InputError
from .progress import watched

VCF_ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")
FASTA_ENDINGS = tuple(f".{name}{gz}" for name in ("fasta", "fa", "fas", "fna", "afa") for gz in ("", ".gz"))


def write_cohort(path, stream, *, output_type, archive_path, n_variants, with_header=True):
    """Write a stream from an archive in the format that it came from."""
    from ..io import write_fasta, write_vcf

    name = os.fspath(path).lower()
    if stream.source == "fasta" and name.endswith(VCF_ENDINGS):
        raise InputError(f"{path}: {archive_path} holds FASTA sequences, which are not written as VCF or BCF")
    if stream.source != "fasta" and name.endswith(FASTA_ENDINGS):
        raise InputError(f"{path}: {archive_path} holds sites of a VCF or BCF, which are not written as FASTA")
    stream = watched(stream, "write", n_variants)
    if stream.source != "fasta":
        write_vcf(path, stream, output_type=output_type, with_header=with_header, inputs=[archive_path])
    elif output_type is None:
        write_fasta(path, stream.read(), inputs=[archive_path])
    else:
        raise InputError(f"{archive_path}: the archive holds FASTA sequences, to which -O does not apply; leave it out")
