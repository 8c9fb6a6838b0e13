# SPDX-License-Identifier: Apache-2.0
"""File formats, one module each; all give and take the same cohort."""

from .fasta import read_fasta, write_fasta
from .formats import read_cohort, write_cohort
from .vcf import read_vcf, write_vcf

__all__ = ["read_cohort", "read_fasta", "read_vcf", "write_cohort", "write_fasta", "write_vcf"]
