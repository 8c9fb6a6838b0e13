# SPDX-License-Identifier: Apache-2.0
"""Opening what commands read: archives and cohort files, with notes of what was recognised and advice on errors."""

import contextlib
import dataclasses
import os

import numpy as np

from ..errors import FormatError, InputError
from ..fileio import is_url
from ..regions import header_contigs, named_chromosomes, parse_regions, split_regions
from .progress import note
from .regions import Regions


@contextlib.contextmanager
def opened_archive(path, n_threads=1, *, advise=True):
    """An archive, open for reading; what is damaged is told with `advise` to verify it."""
    from ..archive import open_archive

    try:
        archive = open_archive(path, n_threads=n_threads)
    except FormatError as error:
        if title := _title(path):
            raise InputError(f"{path}: this is {title} and no archive; `fastae compress` makes one of it") from error
        raise
    with archive:
        try:
            yield archive
        except FormatError as error:
            if not advise:
                raise
            advice = f"`fastae verify {path}` tells all that is damaged and what can still be read"
            raise type(error)(f"{error}; {advice}") from error


def _title(path):
    """What a file is recognised as that is no archive; None if it is nothing that is known."""
    from ..io.formats import recognised

    if is_url(path):
        return None
    try:
        return recognised(path)
    except (InputError, OSError):
        return None


def opened_cohort(path, *, format=None, drop_format=False):
    """The stream of a cohort file, ``-`` being standard input; a note tells what it was recognised as."""
    from ..io.formats import open_cohort

    stream, title = open_cohort(path, format, drop_format)
    note(f"reading {title} from {'standard input' if path == '-' else path}")
    return stream


@contextlib.contextmanager
def opened_data(path, *, regions=None, drop_format=False, n_threads=1):
    """The stream of an archive or of any other file, only of the sites that some regions reach."""
    if _is_archive(path):
        with opened_archive(path, n_threads) as archive:
            yield archive.stream(archive.query(regions) if regions else None)
        return
    with opened_cohort(path, drop_format=drop_format) as stream:
        if regions:
            stream = dataclasses.replace(stream, blocks=_within(stream, regions))
        yield stream


def _is_archive(path):
    from ..archive.container import MAGIC

    if is_url(path):
        return True
    if path == "-" or not os.path.isfile(path):  # a pipe, a directory, or a name that stands for several files
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _within(stream, texts):
    """The blocks of a stream without the sites that no region reaches."""
    parts = [part for text in texts for part in split_regions(text, header_contigs(stream.header))]
    known = {*header_contigs(stream.header), *named_chromosomes(parts)}  # what else is there is known only at the end
    regions = Regions(parse_regions(parts, known))
    n_found = 0
    for block in stream:
        found = np.flatnonzero(regions.mask(block.sites, "record"))
        n_found += len(found)
        yield block.select(found)
    if not n_found:
        raise InputError(f"no site is in {','.join(parts)}; give chrom, chrom:pos or chrom:from-to")
