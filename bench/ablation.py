# SPDX-License-Identifier: Apache-2.0
"""What each part of an archive is worth: predictors alone, contexts removed, block shapes, phasing, latents.

    python bench/ablation.py [--data DIR] [--only PART ...] > ablation.jsonl
    python bench/ablation.py --docs ablation.jsonl

One JSON line per case, after a line that names machine and commit. Times are seconds of the processor on one thread,
medians of N_REPEATS reads of a freshly opened archive. The second form measures nothing: it writes tables and a picture
of the blocks into docs/ablation.md. The folder of VCF and FASTA files is `--data`, else $FASTAE_DATA, else
../shared/data.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sysconfig
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import ROOT, pin_threads, print_header
from table import markdown, read, rewrite

from fastae import _core
from fastae.archive import open_archive, write_archive
from fastae.archive.columns import SAMPLES, split
from fastae.archive.phasing import Effort, split_phased
from fastae.archive.predictors import autoencoder, pbwt, training
from fastae.archive.presets import PRESETS
from fastae.io import read_cohort
from fastae.plots import new_figure, save_figure

N_REPEATS = 3
LONG = 0.5  # seconds
DOCUMENT = ROOT / "docs" / "ablation.md"
PICTURE = ROOT / "docs" / "ablation-blocks.svg"
LARGEST = "kg3_chr22_50M"
BLOCKS = [1024 << i for i in range(7)]
PRESETS["wings"] = replace(PRESETS["default"], one_way_cells=0)  # every block is begun in its middle
WAYS = {  # how a file is written, by what the tables call it
    "`fast`": {"preset": "fast"},
    "`default`": {"preset": "default"},
    "`max`": {"preset": "max"},
    "`frequency` alone": {"predictor": "frequency"},
    "`runs` alone": {"preset": "fast", "predictor": "runs"},
    "`pbwt` alone": {"predictor": "pbwt"},
    "`mosaic` alone": {"predictor": "mosaic"},
    "`autoencoder` alone": {"predictor": "autoencoder"},
}
COLUMN_SHAPES = {"pbwt, one way": ("max", "pbwt"), "pbwt, wings": ("wings", "pbwt"), "runs": ("fast", "runs")}
EFFORTS = {
    "no phasing: rows are people": None,
    "greedy pass only": Effort(rounds=0),
    "1 round, beam 4 (`fast`)": Effort(rounds=1, beam=4, n_nearest=8),
    "2 rounds, beam 2": Effort(beam=2),
    "2 rounds, beam 6 (`default`)": Effort(),
    "4 rounds, beam 8 (`max`)": Effort(rounds=4, beam=8, n_nearest=32),
    "8 rounds, beam 16": Effort(rounds=8, beam=16, n_nearest=32),
}
N_LATENTS = [1, 2, 4, 8, 16]

# What is left out of csrc/pbwt*, or changed there: (file, text, what stands there instead), each text found once.
NO_MATCH = ("pbwt_costs_body.h", "match[i] = longer;", "match[i] = 0;")
NO_RELATION = [
    ("pbwt_model.h", "relation = match < first ? 0 : match == first ? 1 : 2;", "relation = 1; (void) first;"),
    (
        "pbwt_model.h",
        "relation = length < first ? 0 : length < 2 * first ? 1 : 2;",
        "relation = 1; (void) first, (void) length;",
    ),
]
NO_DISTANCE = ("pbwt_model.h", "return distance * MATCHES + match;", "(void) distance; return match;")
NO_CLOSE = ("pbwt_model.h", "close = run < 4 && (history >> (run + 1) & 3) != 0;", "close = 0;")
NO_STARTS = [
    ("pbwt_model.h", "INHERITED, STARTS_OF_RATES[at]);", "2, at < RATES_OF_ZEROS ? 3 : 51);"),
    ("pbwt_model.h", "{ (uint32_t) STARTS_OF_BITS[at] << 24, INHERITED - 1 };", "{ 1u << 30, 1 };"),
]
NO_RUNS = ("pbwt.c", "unsigned octave = floor_log2(head->n_runs);", "unsigned octave = 0;")
NO_FREQUENCY = (
    "pbwt.c",
    "kind = RARE - 1 + (head->minor_class - RARE - 1) * RUN_OCTAVES + octave;",
    "kind = RARE - 1 + octave;",
)
NO_INHERITANCE = [
    (
        "pbwt_model.h",
        "(uint32_t) ((uint64_t) from->changes * INHERITED / from->cells);",
        "from->cells > 0 ? at < RATES_OF_ZEROS ? 12 : 204 : 0;",
    ),
    ("pbwt_model.h", "(adaptive_bit) { model->p1, INHERITED - 1 };", "(adaptive_bit) { 1u << 30, 1 };"),
]


def _history(n):
    return ("pbwt_model.h", "#define HISTORY 5", f"#define HISTORY {n}")


def _reordering(n):
    return ("pbwt.c", "#define REORDERING 6", f"#define REORDERING {n}")


def _adaptation(n):
    return ("pbwt_model.h", "#define BIT_COUNT_MOST 250", f"#define BIT_COUNT_MOST {n}")


EVERYTHING = [NO_MATCH, *NO_RELATION, NO_DISTANCE, NO_CLOSE, NO_RUNS, NO_FREQUENCY]
CONTEXTS = {
    "all contexts": [],
    "without: how long alike": [NO_MATCH, *NO_RELATION],
    "without: distance to the last minor allele": [NO_DISTANCE],
    "without: how long alike where the run began": NO_RELATION,
    "without: another run just before": [NO_CLOSE],
    "without: class of the allele's frequency": [NO_FREQUENCY],
    "without: class of the number of runs": [NO_RUNS],
    "without: what contexts start with": NO_STARTS,
    "without: inheritance of coarser contexts": NO_INHERITANCE,
    "without: the cells just before (history 1)": [_history(1)],
    "history of 3 cells, not 5": [_history(3)],
    "history of 4": [_history(4)],
    "without all of the above but history": EVERYTHING,
    "order changed from 2 minor alleles on, not 6": [_reordering(2)],
    "from 3 on": [_reordering(3)],
    "from 10 on": [_reordering(10)],
    "from 26 on": [_reordering(26)],
    "bits adapt faster (60, not 250)": [_adaptation(60)],
    "bits adapt slower (1,000)": [_adaptation(1000)],
}
LEADS = [0, 256, 1024, 2048, 4096, 8192]


def files(folder):
    """Development files, by name."""
    found = sorted([*folder.glob("*.vcf.gz"), *folder.glob("*.fasta.gz")])
    if not found:
        raise SystemExit(f"no *.vcf.gz or *.fasta.gz in {folder}: name their folder by --data")
    return {path.name.split(".")[0]: path for path in found}


def emit(part, params, **results):
    print(json.dumps({"name": part, "params": params, **results}), flush=True)


def is_unphased(cohort):
    """Whether rows are samples as the calls are."""
    some = cohort.select(slice(0, 256))
    return split(some.call_genotype, some.call_genotype_phased)[0].rows == SAMPLES


# ---- archives ------------------------------------------------------------------------------------------------------


def milliseconds(path, read):
    """Of the processor, the median of reads of a freshly opened archive; what takes long is read once."""
    times = []
    while len(times) < N_REPEATS and sum(times) < LONG:
        start = time.process_time()
        with open_archive(path) as archive:
            read(archive)
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def archived(cohort, path, block, **options):
    """Bytes and times of an archive whose blocks have so many sites; the region is the one that takes longest."""
    start = time.process_time()
    write_archive(path, cohort, **options)
    seconds = time.process_time() - start
    with open_archive(path) as archive:
        info = archive.info()
        if not np.array_equal(archive[:, :], cohort.call_genotype):
            raise SystemExit(f"{path}: not exact")
    n, width = cohort.n_variants, max(1, cohort.n_variants // 100)
    places = {0, n // 2, n - width, min(block, n) - width, min(block - width // 2, n - width)}
    regions = [milliseconds(path, lambda a, at=at: a[at : at + width, :]) for at in places if at >= 0]
    return {
        "genotypes": info["bytes"]["genotypes"],
        "latents": info["bytes"]["latents"],
        "decoder": info["bytes"]["decoder"],
        "blocks": {name: count for name, count in info["predictors"].items() if count},
        "compress_s": seconds,
        "everything_ms": milliseconds(path, lambda a: a[:, :]),
        "person_ms": milliseconds(path, lambda a: a[:, cohort.n_samples // 2]),
        "region_ms": max(regions),
    }


def measure_predictors(name, cohort, folder):
    for way, options in WAYS.items():
        if options.get("predictor") == "mosaic" and not is_unphased(cohort):
            continue
        block = 8192 if options.get("preset") == "fast" else 2048 if "frequency" in way else 32_768
        found = archived(cohort, folder / "a.fae", block, **options)
        emit("predictors", {"file": name, "way": way}, samples=cohort.n_samples, variants=cohort.n_variants, **found)


def measure_blocks(name, cohort, folder):
    for shape, (preset, predictor) in COLUMN_SHAPES.items():
        for n in BLOCKS:
            if n // 2 < cohort.n_variants:
                options = {"preset": preset, "predictor": predictor, "block_variants": n}
                emit(
                    "blocks",
                    {"file": name, "way": shape, "block": n},
                    **archived(cohort, folder / "a.fae", n, **options),
                )


def measure_phasing(name, cohort, folder):
    if not is_unphased(cohort):
        return
    for way, effort in EFFORTS.items():
        PRESETS["tried"] = replace(PRESETS["default"], phasing=effort)
        found = archived(cohort, folder / "a.fae", 32_768, preset="tried", predictor="pbwt")
        emit("phasing", {"file": name, "way": way}, **found)
    del PRESETS["tried"]


# ---- the coder of sorted columns -----------------------------------------------------------------------------------


def alleles(cohort):
    """Table and columns of all alleles, unphased calls being phased as `default` does it."""
    calls, phased = cohort.call_genotype, cohort.call_genotype_phased
    if is_unphased(cohort):
        return split_phased(calls, phased, [slice(0, cohort.n_samples)], Effort())
    return split(calls, phased)


def build(edits, folder):
    """The coder with some of its source changed, made once: a function of a matrix and the column where wings start."""
    library = folder / "coder.so"
    if not library.exists():
        shutil.copytree(ROOT / "csrc", folder)
        for name, old, new in edits:
            text = (folder / name).read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise SystemExit(f"csrc/{name} has {old!r} {text.count(old)} times: change bench/ablation.py with it")
            (folder / name).write_text(text.replace(old, new), encoding="utf-8")
        compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
        flags = ["-std=c11", "-O3", "-shared", "-fPIC", "-w", f"-I{folder}"]
        sources = [ROOT / "bench" / "ablation.c", *(folder / name for name in ("cpu.c", "error.c", "sums.c"))]
        subprocess.run([compiler, *flags, *map(str, sources), "-o", str(library), "-lpthread"], check=True)
    kernel = ctypes.CDLL(str(library)).ablation_bytes
    size = ctypes.c_size_t
    kernel.argtypes = [ctypes.c_void_p, size, size, size, ctypes.c_uint]
    kernel.restype = ctypes.c_int64

    def n_bytes(bits, start=0):
        sizes = [kernel(bits.ctypes.data, *bits.shape, start, shift) for shift in range(_core.PBWT_SHIFTS)]
        if min(sizes) < 0:
            raise SystemExit(f"not exact with {edits}")
        return min(sizes)

    return n_bytes


def measure_contexts(name, cohort, folder):
    table, matrix = alleles(cohort)
    bits = np.ascontiguousarray(matrix[table.is_allele])
    for number, (way, edits) in enumerate(CONTEXTS.items()):
        emit("contexts", {"file": name, "way": way}, bytes=build(edits, folder / str(number))(bits))
    if name == LARGEST:
        for lead in LEADS:
            edits = [("pbwt.c", "#define LEAD_MOST 2048", f"#define LEAD_MOST {lead}")]
            n_bytes = build(edits, folder / f"lead{lead}")(bits, len(bits) // 2)
            emit("lead", {"file": name, "lead": lead}, bytes=n_bytes)


def measure_latents(name, cohort, folder):
    table, matrix = alleles(cohort)
    alone = len(pbwt.encode(matrix, table, one_way_cells=1 << 62))
    for n_latents in N_LATENTS:
        start = time.process_time()
        usual = training.Shape.usual(matrix.shape[1], int(training.guided_columns(matrix, table).sum()))
        trained = training.fit_window(matrix, table, 0, shape=replace(usual, n_latents=n_latents))
        if trained is None:
            return
        fitted, guided = trained
        found = []
        for model in training.models(fitted):
            numbers, residual = autoencoder.encode(matrix, table, model, fitted.codes, guided)
            book, decoder = model.to_bytes()
            found.append((len(book) + len(numbers), len(decoder), len(residual)))
        model.__dict__["leans"] = np.zeros_like(model.leans)  # rows in the order of their codes, and no more
        ordered = len(autoencoder.encode(matrix, table, model, fitted.codes, guided)[1])
        emit(
            "latents",
            {"file": name, "latents": n_latents},
            codes=len(np.unique(fitted.codes, axis=0)),
            pbwt=alone,
            ordered=ordered,
            parts=min(found, key=sum),
            least_residual=min(residual for _, _, residual in found),
            seconds=time.process_time() - start,
        )


# ---- tables --------------------------------------------------------------------------------------------------------


def number(n):
    return f"{n:,}"


def share(n, base):
    return f"{100 * (n / base - 1):+.1f} %"


def matrix_table(cases, value, first):
    """A row for each way, a column for each file."""
    names = list(dict.fromkeys(case["params"]["file"] for case in cases))
    ways = list(dict.fromkeys(case["params"]["way"] for case in cases))
    found = {(case["params"]["way"], case["params"]["file"]): case for case in cases}
    rows = []
    for way in ways:
        there = [found.get((way, name)) for name in names]
        rows.append([way, *("" if case is None else value(case) for case in there)])
    return markdown([first, *(f">{name}" for name in names)], rows)


def predictors_text(cases):
    names = list(dict.fromkeys(case["params"]["file"] for case in cases))
    ways = list(dict.fromkeys(case["params"]["way"] for case in cases))
    found = {(case["params"]["file"], case["params"]["way"]): case for case in cases}
    rows, times = [], []
    for name in names:
        there = {way: found[name, way] for way in ways if (name, way) in found}
        best = min((case["genotypes"] for way, case in there.items() if "alone" in way), default=0)
        first = next(iter(there.values()))
        row = [name, f"{first['samples']:,} × {first['variants']:,}"]
        for way in ways:
            text = number(there[way]["genotypes"]) if way in there else ""
            row.append(f"**{text}**" if "alone" in way and way in there and there[way]["genotypes"] == best else text)
        rows.append(row)
        times += [
            [
                *(name, way, number(case["genotypes"]), f"{case['compress_s']:.2f}"),
                *(f"{case[key]:.1f}" for key in ("everything_ms", "person_ms", "region_ms")),
                ", ".join(f"{count} {kind}" for kind, count in case["blocks"].items()),
            ]
            for way, case in there.items()
        ]
    sizes = markdown(["file", "people × sites", *(f">{way}" for way in ways)], rows)
    head = ["file", "way", ">bytes", ">compress, s", ">everything, ms", ">one person, ms", ">worst 1 % of sites, ms"]
    return sizes, markdown([*head, "blocks by"], times)


def blocks_text(cases):
    rows = []
    for case in cases:
        params = case["params"]
        times = [f"{case[key]:.1f}" for key in ("region_ms", "person_ms", "everything_ms")]
        n_blocks = sum(case["blocks"].values())
        row = [params["way"], f"{params['block']:,}", str(n_blocks), number(case["genotypes"]), *times]
        rows.append([*row, f"{case['compress_s']:.2f}"])
    head = ["coder", ">sites a block", ">blocks", ">bytes", ">worst 1 % of sites, ms", ">one person, ms"]
    return markdown([*head, ">everything, ms", ">compress, s"], rows)


def draw_blocks(cases):
    figure, axes = new_figure(1)
    axis = np.ravel(axes)[0]
    for way in COLUMN_SHAPES:
        some = [case for case in cases if case["params"]["way"] == way]
        line = [case["region_ms"] for case in some], [case["genotypes"] / 1e3 for case in some]
        axis.plot(*line, marker="o", label=way)
        for case, x, y in zip(some, *line, strict=True):
            axis.annotate(f"{case['params']['block']:,}", (x, y), (4, 4), textcoords="offset points", fontsize=7)
    axis.set_xscale("log")
    axis.set_xlabel("milliseconds for the worst 1 % of the sites")
    axis.set_ylabel("genotypes, KB")
    axis.legend()
    save_figure(figure, PICTURE)


def contexts_text(cases):
    base = {case["params"]["file"]: case["bytes"] for case in cases if case["params"]["way"] == "all contexts"}

    def cell(case):
        name = case["params"]["file"]
        full = case["params"]["way"] == "all contexts"
        return number(case["bytes"]) if full else share(case["bytes"], base[name])

    return matrix_table(cases, cell, "columns of alleles")


def latents_text(cases):
    rows = []
    for case in cases:
        latents, decoder, residual = case["parts"]
        row = [case["params"]["file"], str(case["params"]["latents"]), number(case["codes"]), number(case["pbwt"])]
        row += [number(case["ordered"]), number(case["least_residual"]), number(latents), number(decoder)]
        row += [number(residual), number(sum(case["parts"])), share(sum(case["parts"]), case["pbwt"])]
        rows.append([*row, f"{case['seconds']:.0f}"])
    head = ["file", ">latents", ">codes", ">`pbwt`", ">rows begun in the order of codes", ">least residual"]
    head += [">codes' bytes", ">decoder", ">residual", ">sum", ">against `pbwt`", ">train and code, s"]
    return markdown(head, rows)


def sizes_text(cases):
    return predictors_text(cases)[0]


def times_text(cases):
    return predictors_text(cases)[1]


def lead_text(cases):
    rows = [[f"{case['params']['lead']:,}", number(case["bytes"])] for case in cases]
    return markdown([">columns passed backwards, at most", ">bytes"], rows)


def phasing_text(cases):
    return matrix_table(
        cases, lambda case: f"{case['genotypes']:,} ({case['compress_s']:.1f} s)", "phased by the writer"
    )


TABLES = {  # by the marks between which they go: lines of which part, as what
    "sizes": ("predictors", sizes_text),
    "times": ("predictors", times_text),
    "blocks": ("blocks", blocks_text),
    "lead": ("lead", lead_text),
    "phasing": ("phasing", phasing_text),
    "contexts": ("contexts", contexts_text),
    "latents": ("latents", latents_text),
}


def write_docs(path):
    """The tables of those parts that there are lines of."""
    parts, where = {}, {}
    for header, cases in read([path]):
        for case in cases:
            parts.setdefault(case["name"], []).append(case)
            where[case["name"]] = f"{header['cpu']}, one thread, commit {header['commit']}."
    for marks, (part, text) in TABLES.items():
        if part in parts:
            rewrite(DOCUMENT, f"{text(parts[part])}\n\n{where[part]}", marks)
    if "blocks" in parts:
        draw_blocks(parts["blocks"])


PARTS = {
    "predictors": measure_predictors,
    "blocks": measure_blocks,
    "phasing": measure_phasing,
    "contexts": measure_contexts,
    "latents": measure_latents,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("FASTAE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--docs", type=Path, metavar="JSONL", help="write docs/ablation.md's tables from these lines")
    args = parser.parse_args()
    if args.docs:
        write_docs(args.docs)
        return
    pin_threads()
    print_header()
    with tempfile.TemporaryDirectory() as folder:
        for part in args.only:
            for name, path in files(Path(args.data)).items():
                if part != "blocks" or name == LARGEST:
                    PARTS[part](name, read_cohort(path).read(), Path(folder))


if __name__ == "__main__":
    main()
