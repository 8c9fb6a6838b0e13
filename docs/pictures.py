# SPDX-License-Identifier: Apache-2.0
"""The pictures of howto/pictures.md, drawn of the region that comes with the package: python docs/pictures.py."""

import tempfile
from importlib import resources
from pathlib import Path

import fastae
from fastae.cli import main

HERE = Path(__file__).parent


def draw(folder):
    """Write pictures-*.svg into a folder."""
    with resources.as_file(resources.files("fastae") / "data") as data, tempfile.TemporaryDirectory() as scratch:
        archive, model, latents = (f"{scratch}/{name}" for name in ("cohort.fae", "autoencoder.model", "z.npz"))
        with fastae.read_vcf(data / "kg3_chr20_eur300.vcf.gz") as cohort:
            fastae.write_archive(archive, cohort)
        labels = str(data / "kg3_chr20_eur300.populations.tsv")
        for command in (
            ["train", archive, "-o", model, "--epochs", "40", "--save-latents", latents, "-p", "1"],
            ["plot", "latents", latents, "--labels", labels, "-o", f"{folder}/pictures-latents.svg"],
            ["plot", "history", f"{model}.history.tsv", "-o", f"{folder}/pictures-history.svg"],
            ["plot", "bits", archive, "-o", f"{folder}/pictures-bits.svg"],
        ):
            if main([*command, "-q"]):
                raise SystemExit(1)


if __name__ == "__main__":
    draw(HERE)
