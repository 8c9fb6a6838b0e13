# SPDX-License-Identifier: Apache-2.0
"""`python tests/independent_reader cohort.fae > cohort.vcf`: the VCF or FASTA that an archive was made from."""

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a folder: its parts are found as those of a package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from independent_reader import FormatError, file_of, read_archive


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/independent_reader ARCHIVE > FILE")
    try:
        sys.stdout.buffer.write(file_of(read_archive(Path(sys.argv[1]).read_bytes())))
    except FormatError as error:
        sys.exit(f"{sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
