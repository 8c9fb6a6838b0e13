# SPDX-License-Identifier: Apache-2.0
"""The people of PLINK files, .fam and .psam: their names, and their lines, which are kept as text."""

from __future__ import annotations

import re
from collections import Counter

from ..errors import InputError

FAM_COLUMNS = ("FID", "IID", "PAT", "MAT", "SEX", "PHENO1")
FAM, PSAM = "plink1.fam", "pgen.psam"  # attributes of a cohort: the text of the file that it came with
PROVISIONAL = "pgen.provisional_ref"
_NO_VALUE = {"FID": "0", "PAT": "0", "MAT": "0", "SEX": "0", "PHENO1": "-9"}
_IN_WORDS = {"FID": "families", "PAT": "fathers", "MAT": "mothers", "SEX": "sex", "PHENO1": "phenotypes"}
_SEXES = {"M": "1", "F": "2", "m": "1", "f": "2"}


class People:
    """The people of a file.

    Attributes
    ----------
    head : str
        Lines ahead of them, each with its end.
    columns : tuple of str
        Names of the columns; those of a .fam if the file names none.
    lines : dict of str to str
        The line of each sample, without a line feed: by IID or, if any two are alike, all by FID_IID, as plink2 exports
        them.
    """

    def __init__(self, path, text):
        """Parse `text`; `path` is for messages.

        Raises
        ------
        InputError
            If a line lacks columns, nobody is there, or two people would have one name.
        """
        lines = [line for line in text.split("\n") if line.strip()]
        n_head = sum(1 for line in lines if line.startswith("#"))
        self.head = "".join(f"{line}\n" for line in lines[:n_head])
        self.columns = tuple(_split(lines[n_head - 1][1:])) if n_head else FAM_COLUMNS
        if "IID" not in self.columns[:2] or any(line.startswith("#") for line in lines[n_head:]):
            raise InputError(f"{path}: the header has columns {' '.join(self.columns)[:60]}, expected #FID IID or #IID")
        pairs = []
        for number, line in enumerate(lines[n_head:], 1):
            fields = _split(line)
            if len(fields) < len(self.columns):
                wanted = " ".join(self.columns)
                raise InputError(
                    f"{path}: sample {number} has {len(fields)} columns, expected {len(self.columns)}: {wanted}"
                )
            person = dict(zip(self.columns, fields, strict=False))
            pairs.append((person.get("FID", "0"), person["IID"]))
        self.lines: dict[str, str] = dict(zip(_names(path, pairs), lines[n_head:], strict=True))

    def text(self, samples):
        """The file again, of some samples; those it does not know get a line without values."""
        return self.head + "".join(
            f"{self.lines[name] if name in self.lines else self._blank(name)}\n" for name in samples
        )

    def _blank(self, name):
        return "\t".join(name if column == "IID" else _NO_VALUE.get(column, "NA") for column in self.columns)

    def fam_line(self, name):
        """The line of a sample in the six columns of a .fam, whatever ours are."""
        person: dict[str, str] = dict(zip(self.columns, _split(self.lines[name]), strict=False))
        phenotypes = [person[column] for column in self.columns if column not in (*FAM_COLUMNS[:5], "SID")]
        person["PHENO1"] = phenotypes[0] if phenotypes else "NA"
        person["SEX"] = _SEXES.get(person.get("SEX", "NA"), person.get("SEX", "NA"))
        values = ((column, person.get(column, "NA")) for column in FAM_COLUMNS)
        return "\t".join(_NO_VALUE.get(column, value) if value == "NA" else value for column, value in values)

    def beyond_fam(self):
        """Columns that a .fam has no place for: SID, and all phenotypes but the first."""
        others = [column for column in self.columns if column not in FAM_COLUMNS[:5]]
        return [column for column in others if column == "SID"] + [c for c in others if c != "SID"][1:]


def _split(line):
    return re.split("[ \t]+", line.strip(" \t\r"))


def _names(path, pairs):
    if not pairs:
        raise InputError(f"{path}: the file names no samples, and a cohort needs one")
    names = [iid for _, iid in pairs]
    if len(set(names)) < len(names):
        names = [f"{fid}_{iid}" for fid, iid in pairs]
        if len(set(names)) < len(names):
            double = Counter(names).most_common(1)[0][0]
            raise InputError(f"{path}: two samples would be called {double} (FID_IID); give every sample its own IID")
    return names


def check_names(path, samples):
    """Raise InputError unless PLINK can hold these names of samples."""
    if not samples:
        raise InputError(f"{path}: the cohort has no samples, and PLINK needs one")
    refuse_blanks(path, "sample", samples)


def refuse_blanks(path, what, texts):
    """Raise InputError if a name is empty or holds a blank, which would part it in two."""
    for text in texts:
        if not text or any(c in text for c in " \t\r\n"):
            raise InputError(
                f"{path}: {what} {text!r} is empty or has a blank in it, which PLINK cannot hold; rename it"
            )


def fam_text(path, stream):
    """The text of the .fam of a stream, and names of what it leaves out."""
    check_names(path, stream.samples)
    attributes = stream.attributes
    if FAM in attributes:
        people = People(f"{path}: attribute {FAM}", attributes[FAM])
        if list(people.lines) == stream.samples:
            return attributes[FAM], []
        return people.text(stream.samples), []
    if PSAM in attributes:
        people = People(f"{path}: attribute {PSAM}", attributes[PSAM])
        known = (people.fam_line(name) if name in people.lines else _blank_fam(name) for name in stream.samples)
        beyond = people.beyond_fam()
        return "".join(f"{line}\n" for line in known), [f"columns of the .psam ({', '.join(beyond)})"] * bool(beyond)
    return "".join(f"{_blank_fam(name)}\n" for name in stream.samples), []


def beyond_vcf(path, stream):
    """Names of what PLINK tells of the samples and alleles of a stream, for which VCF has no place."""
    provisional = ["that REF is provisional"] if stream.attributes.get(PROVISIONAL) == "all" else []
    for key in (PSAM, FAM):
        if text := stream.attributes.get(key):
            people = People(f"{path}: attribute {key}", text)
            lines = [_split(people.lines[name]) for name in stream.samples if name in people.lines]
            columns = zip(people.columns, zip(*lines, strict=False), strict=False)
            told = [name for name, values in columns if name != "IID" and set(values) - {_NO_VALUE.get(name), "NA"}]
            return [_IN_WORDS.get(name, name) for name in told] + provisional
    return provisional


def psam_text(path, stream):
    """The text of the .psam of a stream."""
    check_names(path, stream.samples)
    for key in (PSAM, FAM):  # a .psam without a header is a .fam
        if text := stream.attributes.get(key):
            people = People(f"{path}: attribute {key}", text)
            if list(people.lines) == stream.samples:
                return text
            return people.text(stream.samples)
    return "#IID\tSEX\n" + "".join(f"{name}\tNA\n" for name in stream.samples)


def _blank_fam(name):
    return f"0\t{name}\t0\t0\t0\t-9"
