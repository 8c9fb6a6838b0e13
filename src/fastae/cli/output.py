# SPDX-License-Identifier: Apache-2.0
"""What commands that write a cohort out again have in common."""

from ..errors import InputError
from .progress import watched

OUTPUT_TYPES = ("v", "z", "b", "u")


def add_output_type(parser):
    parser.add_argument(
        "-O",
        "--output-type",
        choices=OUTPUT_TYPES,
        help="v: VCF, z: VCF in bgzip, b: BCF, u: BCF not compressed [by the name of the file]",
    )


def write_cohort(path, stream, *, output_type, archive_path, n_variants):
    """Write a stream from an archive in the format that it came from."""
    from ..io import write_fasta, write_vcf

    stream = watched(stream, "write", n_variants)
    if stream.source != "fasta":
        write_vcf(path, stream, output_type=output_type, inputs=[archive_path])
    elif output_type is None:
        write_fasta(path, stream.read(), inputs=[archive_path])
    else:
        raise InputError(f"{archive_path}: the archive holds FASTA sequences, to which -O does not apply; leave it out")
