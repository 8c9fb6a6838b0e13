# SPDX-License-Identifier: Apache-2.0
"""Writes encoder.json beside this file, what the encoder makes of some cohorts: `python tests/golden/encoder.py`.

A test compares. Where an encoder or the format is changed on purpose, run this once more and commit what it writes: the
difference names the presets and predictors whose archives changed.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_suffix(".json")
sys.path.insert(0, str(PATH.parent.parent))

import cohorts  # noqa: E402

from fastae.archive import container, write_archive  # noqa: E402
from fastae.archive.container import ContainerReader  # noqa: E402
from fastae.archive.presets import PRESETS  # noqa: E402
from fastae.cohort import Cohort  # noqa: E402

# By name: the cohort and how it is written. Networks are learnt in floating point, and are not the same everywhere.
CASES = {
    **{f"{preset}, {kind}": (kind, {"preset": preset}) for preset in PRESETS for kind in ("phased", "unphased", "odd")},
    **{
        f"{predictor} forced, {kind}": (kind, {"predictor": predictor})
        for predictor in ("frequency", "pbwt", "runs", "mosaic")
        for kind in ("unphased", "odd")
    },
}


def cohort_of(kind):
    rng = np.random.default_rng(17)
    if kind == "odd":
        return cohorts.mixed(rng, 80, 37)
    calls = cohorts.related(rng, 150, 150, noise=0.002)
    if kind == "unphased":
        calls.sort(axis=2)
    return Cohort.from_arrays(calls, phased=kind == "phased")


def digest(name, n_threads=1):
    """Of an archive's windows and blocks; texts, which liblzma compresses as its release does, are left out."""
    kind, options = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fae"
        shape = {"block_variants": 60, "block_samples": 80}
        write_archive(path, cohort_of(kind), n_threads=n_threads, **shape, **options)
        reader = ContainerReader(path)
        parts = []
        for section in reader.index.sections:
            if section.kind > container.SITES:
                parts.append(bytes([section.kind, section.window, section.slab, section.predictor]))
                parts.append(reader.read_section(section))
        reader.close()
    return f"{sum(map(len, parts[1::2]))} bytes {hashlib.sha256(b''.join(parts)).hexdigest()[:32]}"


if __name__ == "__main__":
    PATH.write_text(json.dumps({name: digest(name) for name in CASES}, indent=1) + "\n")
