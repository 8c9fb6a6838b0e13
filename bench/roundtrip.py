# SPDX-License-Identifier: Apache-2.0
"""Every data file through `fastae compress` and `fastae decompress`, and whether it comes back.

    python bench/roundtrip.py [--data DIR] [--predictor auto autoencoder] [FILE ...]

One JSON line per file and predictor, after a line that names machine and commit. A VCF is judged by `bcftools view` of
both sides and by its whole text, a FASTA file by its bytes; `equal` is false if anything differs, and the exit status
then 1. The folder of data files is `--data`, else $FASTAE_DATA, else ../shared/data.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sizes import ROOT, compress, machine


def text_digest(path):
    """SHA-256 of the text of a file, unpacked if it is gzip."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        opener = gzip.open if file.read(2) == b"\x1f\x8b" else open
    with opener(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def bcftools_digest(path):
    """SHA-256 of sample names and records as bcftools writes them."""
    digest = hashlib.sha256()
    with subprocess.Popen(["bcftools", "view", "--no-version", path], stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            if not line.startswith(b"##"):
                digest.update(line)
    if process.returncode:
        raise SystemExit(f"bcftools cannot read {path}")
    return digest.hexdigest()


def measure(source, predictor, threads, folder):
    """The JSON object of one file under one predictor."""
    archive = Path(folder) / "cohort.fae"
    output = Path(folder) / source.name
    seconds, peak = compress(source, archive, predictor, threads)
    start = time.perf_counter()
    command = [sys.executable, "-m", "fastae", "decompress", archive, output, "--threads", str(threads)]
    if status := subprocess.run(command).returncode:
        raise SystemExit(f"decompressing the archive of {source} failed with status {status}")
    decompress_seconds = time.perf_counter() - start
    equal = {"text": text_digest(source) == text_digest(output)}
    if ".vcf" in source.name:
        equal["bcftools"] = bcftools_digest(source) == bcftools_digest(output)
    return {
        "name": "roundtrip",
        "params": {"file": source.name, "predictor": predictor, "threads": threads},
        "equal": equal,
        "bytes": {"source": source.stat().st_size, "archive": archive.stat().st_size},
        "compress_seconds": round(seconds, 2),
        "compress_peak_rss_bytes": peak,
        "decompress_seconds": round(decompress_seconds, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", nargs="*", type=Path, help="only these files")
    parser.add_argument("--data", type=Path, default=os.environ.get("FASTAE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--predictor", nargs="+", default=["auto"])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    files = args.file or sorted(
        path for path in Path(args.data).iterdir() if path.name.endswith((".vcf.gz", ".fasta.gz"))
    )
    if not files:
        raise SystemExit(f"no *.vcf.gz or *.fasta.gz in {args.data}: name files, or their folder by --data")
    print(json.dumps(machine()), flush=True)
    all_equal = True
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            for predictor in args.predictor:
                case = measure(path, predictor, args.threads, folder)
                all_equal &= all(case["equal"].values())
                print(json.dumps(case), flush=True)
    return 0 if all_equal else 1


if __name__ == "__main__":
    sys.exit(main())
