# SPDX-License-Identifier: Apache-2.0
"""Real cohorts beside the repository, or where FASTAE_DATA says; tests that want one are skipped without it."""

import gzip
import itertools
import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("FASTAE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def first_records(name, n_records, out):
    """The head of a cohort's VCF, as a plain VCF in `out`."""
    path = DATA / f"{name}.vcf.gz"
    if not path.exists():
        pytest.skip(f"{name} is not here; FASTAE_DATA names the directory it would be in")
    with gzip.open(path, "rt") as lines, open(out, "w") as file:
        for line in lines:
            file.write(line)
            if line.startswith("#CHROM"):
                break
        file.writelines(itertools.islice(lines, n_records))
    return out
