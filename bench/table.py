# SPDX-License-Identifier: Apache-2.0
"""Write the speed table between the `bench` marks of README.md and bench/README.md from the benches' JSON lines.

python bench/table.py dense.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "bench" / "README.md"]
START, END = "<!-- bench:start -->", "<!-- bench:end -->"


def duration(seconds):
    """Three digits and a unit."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(lines):
    """Markdown of a header line and cases, a row each."""
    header, *cases = lines
    rows = ["| | network | batch | fastae | rival | | times faster |", "|---|---|---:|---:|---|---:|---:|"]
    for case in cases:
        params = case["params"]
        name = case["name"] + (f", {params['gradient']} mode" if "gradient" in params else "")
        rival = (
            [case["rival"], duration(case["rival_seconds"]), f"{case['ratio']:.2g}"]
            if "rival" in case
            else ["", "", ""]
        )
        rows.append(
            " | ".join(["| " + name, params["sizes"], str(params["batch"]), duration(case["seconds"]), *rival]) + " |"
        )
    features = ", ".join(header["features"])
    where = f"{header['cpu']} ({features}), one thread each, medians of one run, commit {header['commit']}."
    return "\n".join([*rows, "", where])


def rewrite(document, text):
    """Replace what stands between the marks."""
    old = document.read_text(encoding="utf-8")
    before, start, rest = old.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{document} lacks the marks {START} and {END}, between which the table goes; add them")
    document.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: python bench/table.py RESULTS.jsonl")
    text = table([json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()])
    for document in DOCUMENTS:
        rewrite(document, text)


if __name__ == "__main__":
    main()
