# SPDX-License-Identifier: Apache-2.0
"""Tables that pictures are made of: people's labels and latents, histories, sizes."""

import csv
import zipfile
import zlib

import numpy as np

from ..errors import FormatError, InputError
from ..fileio import is_url
from .opening import opened_archive

_SIZE_COLUMNS = ("genotype_bytes", "bytes", "total_bytes")


def read_labels(path, samples, column=None):
    """A label for each sample, "" where the file has none; refused if it has none at all."""
    head, rows = _table(path)
    if len(head) < 2:
        raise InputError(f"{path}: the first line has {len(head)} columns; give sample and label, parted by a tab")
    place = 1
    if column is not None:
        if column not in head[1:]:
            raise InputError(f"{path}: there is no column {column!r}; there are {', '.join(head[1:])}")
        place = head.index(column, 1)
    label_of = {row[0]: row[place] for row in [head, *rows] if len(row) > place}  # a first line may be no heading
    if not any(name in label_of for name in samples):
        raise InputError(f"{path}: none of the {len(samples)} samples is in its first column")
    return [label_of.get(name, "") for name in samples]


def read_history(path):
    from ..history import History

    try:
        with open(path, encoding="utf-8") as file:
            return History.from_tsv(file.read())
    except UnicodeDecodeError:
        raise FormatError(f"{path}: this is no table of text; give what `fastae train` wrote as history") from None
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from None


def read_sizes(path, dataset=None):
    """Bytes by tool of a data set, and its name: from columns tool, a size, and maybe dataset."""
    head, rows = _table(path)
    found = [name for name in _SIZE_COLUMNS if name in head]
    if "tool" not in head or not found:
        raise InputError(f"{path}: the first line names no column tool and one of {', '.join(_SIZE_COLUMNS)}")
    entries = [dict(zip(head, row, strict=False)) for row in rows]
    names = list(dict.fromkeys(entry.get("dataset", "") for entry in entries))
    if dataset is None and len(names) > 1:
        raise InputError(f"{path}: there are {', '.join(names)}; choose one by --dataset")
    dataset = names[0] if dataset is None and names else dataset
    chosen = {entry["tool"]: entry.get(found[0]) for entry in entries if entry.get("dataset", "") == dataset}
    if not chosen:
        raise InputError(f"{path}: there is nothing of {dataset!r}; there are {', '.join(names)}")
    try:
        sizes = {tool: float(size) for tool, size in chosen.items() if size}
    except ValueError as error:
        raise InputError(f"{path}: a size is no number: {error}") from None
    if not sizes or not all(0 <= size < np.inf for size in sizes.values()):
        raise InputError(f"{path}: column {found[0]} has no sizes that are numbers of bytes; give some")
    return sizes, dataset


def read_people(path):
    """Names and latents (samples, latents) of an archive, or of what `latents` or `train --save-latents` saved."""
    from ..plots import people_latents

    if not _is_npz(path):
        with opened_archive(path) as archive:
            return archive.samples, people_latents(archive)
    try:
        with open(path, "rb") as opened, np.load(opened) as file:
            samples, latents = file["samples"].tolist(), np.asarray(file["latents"], np.float64)
        n_samples, _, _, _ = latents.shape
        if len(samples) != n_samples or not all(isinstance(name, str) for name in samples) or np.isinf(latents).any():
            raise ValueError("no names, or another number of them, or infinite latents")
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(f"{path}: this holds no samples and latents as `fastae latents -o` saves them") from error
    known = ~np.isnan(latents)  # a haploid call has one row, and a window may have fewer latents than others
    n_known = known.sum(axis=1)
    Z = np.where(known, latents, 0).sum(axis=1) / np.maximum(n_known, 1)
    return samples, Z.reshape(n_samples, -1)[:, n_known.reshape(n_samples, -1).any(axis=0)]


def _is_npz(path):
    if is_url(path):  # only archives are read from elsewhere
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _table(path):
    """The first line of a table with tabs, which may have comments (#), and the others, as lists of cells."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline=None) as file:
        lines = (line.rstrip("\n") for line in file if line.strip() and not line.startswith("# "))
        rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows:
        raise InputError(f"{path}: the table is empty")
    return rows[0], rows[1:]
