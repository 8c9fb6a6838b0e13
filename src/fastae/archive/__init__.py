# SPDX-License-Identifier: Apache-2.0
"""The archive: blocks of a cohort, each exact and readable by itself (FORMAT.md §5)."""

from fastae.archive.edit import concat_archives, subset_archive
from fastae.archive.reader import Archive, open_archive
from fastae.archive.writer import write_archive

__all__ = ["Archive", "concat_archives", "open_archive", "subset_archive", "write_archive"]
