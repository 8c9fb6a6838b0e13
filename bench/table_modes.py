# SPDX-License-Identifier: Apache-2.0
"""Write the tables of docs/derivatives.md, between its `bench` marks, from the lines of bench_modes.py.

python bench/table_modes.py modes.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from table import ROOT, duration, rewrite

DOCUMENT = ROOT / "docs" / "derivatives.md"


def size(n_bytes):
    """Bytes in three digits and a unit."""
    return f"{n_bytes / 1e6:.3g} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.3g} KB"


def table(title, headings, rows):
    lines = [f"**{title}**", "", "| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def costs(cases):
    shown = {"weight": "forward gradient, weights", "activity": "forward gradient, activities"}
    rows = [
        [
            f"{case['params']['sizes']}, {case['params']['batch']} rows",
            shown.get(case["params"]["gradient"], case["params"]["gradient"]),
            f"{case['predicted_forward_passes']:.3g}",
            f"{case['forward_passes']:.3g}",
            duration(case["seconds"]),
            f"{case['multiply_adds_per_s'] / 1e9:.2g}",
            size(case["predicted_scratch_bytes"]),
            size(case["scratch_bytes"]),
        ]
        for case in cases
    ]
    headings = ["network", "mode", "operations, forward passes", "time, forward passes", "time", "10⁹ multiply-adds/s"]
    return table(
        "A gradient after the forward pass, predicted and measured (16 tangents where they are random)",
        [*headings, "scratch, predicted", "measured"],
        rows,
    )


def naive(cases):
    rows = [
        [
            case["params"]["sizes"],
            str(case["params"]["n_params"]),
            duration(case["seconds"]),
            duration(case["rival_seconds"]),
            f"{case['predicted_ratio']:,.0f}",
            f"{case['ratio']:,.0f}",
        ]
        for case in cases
    ]
    headings = ["decoder", "parameters", "unit tangents", "naive", "fewer operations, times", "less time, times"]
    return table(f"Forward mode of a decoder, {cases[0]['params']['batch']} rows, both ways", headings, rows)


def variance(cases):
    rows = [
        [
            case["params"]["sizes"],
            str(case["predicted_weight"]),
            f"{case['weight']:.0f}",
            f"{case['activity']:.0f}",
            f"{case['weight'] / case['activity']:.0f}",
        ]
        for case in cases
    ]
    headings = ["network", "weights, predicted", "weights", "activities", "times less"]
    return table("Squared error of an estimate from one tangent, in squared lengths of the gradient", headings, rows)


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: python bench/table_modes.py MODES.jsonl")
    header, *lines = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    tables = [
        render([line for line in lines if line["name"] == name])
        for name, render in {"cost": costs, "unit tangents against naive": naive, "variance": variance}.items()
    ]
    features = ", ".join(header["features"])
    where = f"{header['cpu']} ({features}), float32, one thread, medians of one run, commit {header['commit']}."
    rewrite(DOCUMENT, "\n\n".join([*tables, where]))


if __name__ == "__main__":
    main()
