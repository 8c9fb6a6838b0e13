# SPDX-License-Identifier: Apache-2.0
"""Write the speed tables between the `bench` marks of README.md (main rows) and bench/README.md (all of them).

    python bench/table.py dense.jsonl coders.jsonl roofline.jsonl

The files hold JSON lines of the benches, some or all of them: a header, then cases, and so on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAIN = {  # case -> what a row of README.md is measured with; all its parameters if None
    "forward pass": [{"batch": 1}, {"batch": 64}, {"batch": 256}, {"batch": 4096}],
    "training step, reverse mode": [{"batch": 1}, {"batch": 64}, {"batch": 256}, {"batch": 4096}],
    "training step, forward mode": [{"batch": 64}, {"batch": 256}],
    "jvp, all parameters and inputs": [{"batch": 1}, {"batch": 64}, {"batch": 256}, {"batch": 4096}],
    "16 tangents at once, inputs": [{"batch": 256}],
    "IntDecoder.scores": [{"batch": 5008}],
    "bitpack.unpack": [{"bits": 1}, {"bits": 3}, {"bits": 8}],
    "rans.decode": [{"symbols": 256}],
}


def duration(seconds):
    """Three digits and a unit."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{_digits(seconds / 1e-9)} ns"


def _digits(number):
    """Three digits, or all of a larger whole number."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def markdown(headings, rows):
    """A table; a heading that starts with > is of numbers, set to the right."""
    names = [heading.lstrip(">") for heading in headings]
    rules = ["---:" if heading.startswith(">") else "---" for heading in headings]
    return "\n".join("| " + " | ".join(row) + " |" for row in [names, rules, *rows])


def read(paths):
    """(header, cases that belong to it) of all files, in order."""
    runs = []
    for path in paths:
        for text in Path(path).read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            if "cpu" in line:
                runs.append((line, []))
            elif not runs:
                raise SystemExit(f"{path} does not start with a header line; is it the output of a bench?")
            else:
                runs[-1][1].append(line)
    return [(header, merged(cases)) for header, cases in runs]


def merged(cases):
    """Lines of one case against one rival each, as one line against all of them."""
    found = {}
    for case in cases:
        known = found.setdefault(_key(case), dict(case))
        if "rivals" in case:
            known["rivals"] = {**known["rivals"], **case["rivals"]}
            known["rival"] = min(known["rivals"], key=known["rivals"].get)
            known["rival_seconds"] = known["rivals"][known["rival"]]
            known["ratio"] = known["rival_seconds"] / known["seconds"]
    return list(found.values())


def measured_with(case):
    """The parameters of a case in words."""
    params = _without_bytes(case["params"])
    sizes = params.pop("sizes", None)
    if sizes is not None:
        sizes = sizes if isinstance(sizes, str) else "-".join(map(str, sizes))
    isa = params.pop("isa", None)
    words = [f"{name.replace('_', ' ')} {value:,}" for name, value in params.items()]
    words += [isa.replace("_", " ")] if isa else []
    return ", ".join(([sizes] if sizes else []) + words)


def where(header):
    """The line that says on what machine."""
    threads = "one thread" if header["threads"] == 1 else f"{header['threads']} threads"
    features = ", ".join(header["features"])
    return f"{header['cpu']} ({features}), {threads} each, medians of one run, commit {header['commit']}."


def ratios_table(cases):
    """One row a case: how many times faster fastae is than each rival."""
    rivals = list(dict.fromkeys(name for case in cases for name in case["rivals"]))
    rows = []
    for case in cases:
        ratios = [_digits(case["rivals"][name] / case["seconds"]) if name in case["rivals"] else "" for name in rivals]
        rows.append([case["name"], measured_with(case), duration(case["seconds"]), *ratios])
    return markdown(["", "", ">fastae", *(f">times {name}" for name in rivals)], rows)


def best_rival_table(cases):
    """One row a case: the fastest rival and how many times faster fastae is."""
    rows = []
    for case in cases:
        rival = ["", "", ""]
        if "rival" in case:
            rival = [case["rival"], duration(case["rival_seconds"]), f"{case['ratio']:.2g}"]
        params = case["params"]
        per_second = params["n"] / case["seconds"] if "n" in params and "sizes" not in params else None
        rate = f"{per_second / 1e9:.3g} GB/s" if per_second else ""  # values are bytes
        rows.append([case["name"], measured_with(case), duration(case["seconds"]), rate, *rival])
    return markdown(["", "", ">fastae", ">values", "best rival", ">", ">times faster"], rows)


def all_rivals_table(cases, alone):
    """One row a case, one column a rival, the fastest in bold; `alone` has the seconds on one thread, where known."""
    rivals = list(dict.fromkeys(name for case in cases for name in case["rivals"]))
    rows = []
    for case in cases:
        times = []
        for name in rivals:
            text = duration(case["rivals"][name]) if name in case["rivals"] else ""
            times.append(f"**{text}**" if name == case["rival"] else text)
        rate = f"{case['gflops']:.0f} GF/s" if "gflops" in case else ""
        rate += f", {case['of_blas']:.0%} of BLAS" if "of_blas" in case else ""
        row = [case["name"], measured_with(case), duration(case["seconds"]), *times, f"{case['ratio']:.2f}", rate]
        before = alone.get(_key(case))
        rows.append([*row, f"{before / case['seconds']:.2f}" if before else ""] if alone else row)
    headings = ["", "", ">fastae", *(f">{name}" for name in rivals), ">times the best", ">rate"]
    return markdown([*headings, ">times one thread"] if alone else headings, rows)


def roofline_table(cases):
    rows = [
        [
            *(case["name"], measured_with(case), duration(case["seconds"])),
            *(f"{case[key] / 1e9:.3g}" for key in ("operations_per_s", "bytes_per_s")),
            *(case["limit"], f"{case['fraction']:.0%}"),
        ]
        for case in cases
    ]
    return markdown(["", "", ">time", ">Gop/s", ">GB/s", "limit", ">of it"], rows)


def _without_bytes(params):
    """What was measured; bytes are a result."""
    return {name: value for name, value in params.items() if not name.endswith("bytes")}


def _key(case):
    return case["name"], json.dumps(_without_bytes(case["params"]))


def is_main(header, case, isa):
    """Whether README.md shows a case; of several instruction sets it shows `isa`."""
    params = {name: str(value) for name, value in case["params"].items()}
    wanted = [{name: str(value) for name, value in entry.items()} for entry in MAIN.get(case["name"], [])]
    return header["threads"] == 1 and params.get("isa") == isa and any(w.items() <= params.items() for w in wanted)


def _is_dense(case):
    """Whether a case of floats was raced against several rivals."""
    return "batch" in case["params"] and "isa" not in case["params"] and "rivals" in case


def main_text(runs):
    """What README.md shows."""
    parts = []
    for header, cases in runs:
        isa = next((case["params"]["isa"] for case in cases if "isa" in case["params"]), None)  # the widest is first
        rows = [case for case in cases if is_main(header, case, isa) and "fraction" not in case]
        dense = [case for case in rows if _is_dense(case)]
        others = [case for case in rows if case not in dense]
        parts += [ratios_table(dense)] if dense else []
        parts += [best_rival_table(others)] if others else []
        parts += [where(header)] if rows else []
    return "\n\n".join(parts)


def full_text(runs):
    """What bench/README.md shows."""
    parts = []
    alone = {}
    for header, cases in runs:
        if header["threads"] == 1:
            alone |= {_key(case): case["seconds"] for case in cases if "rivals" in case}
        known = alone if header["threads"] > 1 else {}
        roofline = [case for case in cases if "fraction" in case]
        timed = [case for case in cases if "seconds" in case and case not in roofline]
        products = [case for case in timed if case["name"].startswith("matrix product")]
        dense = [case for case in timed if _is_dense(case) and case not in products]
        others = [case for case in timed if case not in products and case not in dense]
        parts += [all_rivals_table(group, known) for group in (dense, products) if group]
        parts += [best_rival_table(others)] if others else []
        parts += [roofline_table(roofline)] if roofline else []
        parts += [f"{case['name']}: {case['rate'] / 1e9:,.0f} {case['unit']}." for case in cases if "rate" in case]
        parts.append(where(header))
    return "\n\n".join(parts)


def rewrite(document, text, name="bench"):
    """Replace what stands between the marks of this name."""
    first, last = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    old = document.read_text(encoding="utf-8")
    before, start, rest = old.partition(first)
    _, end, after = rest.partition(last)
    if not (start and end):
        raise SystemExit(f"{document} lacks the marks {first} and {last}, between which the table goes; add them")
    document.write_text(f"{before}{first}\n{text}\n{last}{after}", encoding="utf-8")


def main():
    if len(sys.argv) < 2:
        raise SystemExit("usage: python bench/table.py RESULTS.jsonl ...")
    runs = read(sys.argv[1:])
    rewrite(ROOT / "bench" / "README.md", full_text(runs))
    rewrite(ROOT / "README.md", main_text(runs))


if __name__ == "__main__":
    main()
