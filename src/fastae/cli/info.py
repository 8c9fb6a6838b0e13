# SPDX-License-Identifier: Apache-2.0
"""``fastae info``: what an archive holds and what each part costs."""

import json

from ..errors import InputError
from .opening import opened_archive
from .options import input_file

EXAMPLES = """\
  fastae info cohort.fae
  fastae info cohort.fae --json | python -m json.tool    for programs
  fastae info cohort.fae --html report.html --labels populations.tsv"""

_MAX_PLACES = 6  # chromosomes that are named before the rest is counted
_PARTS = (
    *(("genotypes", ""), ("latents", "  "), ("decoder", "  "), ("residual", "  "), ("index", "  ")),
    *(("sites", ""), ("samples", ""), ("header", ""), ("total", "")),
)


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "info",
        help="tell what an archive holds and what each part of it costs",
        description="Genotypes are all that calls take: latents, decoder, residual and index.",
    )
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    add_json(parser)
    parser.add_argument(
        "--html", metavar="FILE", help="check everything, and write a report with pictures as one page for a browser"
    )
    report = parser.add_argument_group("pictures of the report", "as `fastae plot` draws them; latents that are stored")
    report.add_argument(
        "--labels", type=input_file, metavar="FILE", help="colour people by this table of sample and label"
    )
    report.add_argument("--by", metavar="COLUMN", help="the column of --labels to colour by [the second]")
    report.add_argument("--history", type=input_file, metavar="FILE", help="curves of a training")
    report.add_argument("--front", type=input_file, metavar="FILE", help="a sweep's trade-off")
    report.add_argument("--sizes", type=input_file, metavar="FILE", help="a table of other tools' bytes")
    report.add_argument("--dataset", metavar="NAME", help="of --sizes, where the table has several")
    parser.set_defaults(runner=run)


def add_json(parser):
    parser.add_argument("--json", action="store_true", help="print the result for machines")


def run(args):
    if args.html is not None:
        if args.json:
            raise InputError("--json and --html are two results; ask for one at a time")
        _write_report(args)
        return
    for name in ("labels", "by", "history", "front", "sizes", "dataset"):
        if getattr(args, name) is not None:
            raise InputError(f"--{name} is for a report; give --html FILE, too")
    if args.json:
        print_facts(args.archive)
        return
    facts = _facts(args.archive)
    sizes = _sizes(facts["bytes"], facts["bits_per_genotype"])
    print("\n".join([args.archive, *_description(facts), "", *sizes]))


def print_facts(path, **more):
    """One line of JSON that tells of an archive, whichever command made it."""
    print(json.dumps({"archive": path, **more, **_facts(path)}))


def _facts(path):
    with opened_archive(path) as archive:
        facts = archive.info() | {"samples": len(archive.samples)}  # of the names, so that their damage is seen
    n_genotypes = facts["variants"] * facts["samples"]
    bits = {part: 8 * size / n_genotypes for part, size in facts["bytes"].items()} if n_genotypes else None
    return facts | {"bits_per_genotype": bits}


def _description(facts):
    """What is in the archive: lines of a name and a text."""
    places = [f"{chrom}:{first}-{last}" for chrom, (first, last) in facts["chromosomes"].items()]
    if len(places) > _MAX_PLACES:
        places[_MAX_PLACES - 1 :] = [f"and {len(places) - _MAX_PLACES + 1:,} more"]
    blocks = f"{facts['blocks']:,}"
    if facts["blocks"]:
        shape = f"{facts['block_variants']:,} sites x {facts['block_samples']:,} samples"
        blocks += f" of up to {shape}, in {_windows(facts['windows'])} of sites"
    predictors = [f"{name} in {n:,}" for name, n in facts["predictors"].items() if n]
    latents = f"in {_windows(facts['latent_windows'])}" if facts["latent_windows"] else "none"
    for name, text in (
        (
            "holds",
            f"{'aligned sequences' if facts['source'] == 'fasta' else 'variants'}, format version {facts['version']}",
        ),
        ("samples", f"{facts['samples']:,}"),
        ("sites", " ".join([f"{facts['variants']:,}", *places])),
        ("ploidy", str(facts["ploidy"])),
        ("blocks", blocks),
        ("predictors", ", ".join(predictors) or "none"),
        ("latents", latents),
    ):
        yield f"  {name:<12}{text}"


def _windows(n):
    return f"{n:,} window{'s' if n != 1 else ''}"


def _sizes(sizes, bits):
    """What each part takes: lines of a table."""
    yield f"  {'part':<13}{'bytes':>15}{'share':>8}{'bits per genotype':>20}"
    for part, indent in _PARTS:
        share = f"{sizes[part] / sizes['total']:.1%}"
        cost = "" if bits is None else f"{bits[part]:.5f}"
        yield f"  {indent + part:<13}{sizes[part]:>15,}{share:>8}{cost:>20}"


def _write_report(args):
    from ..fileio import atomic_output, check_output
    from ..plots import check_picture
    from ..report import html_report
    from ..sweep import read_sweep
    from .tables import read_history, read_labels, read_sizes

    inputs = [args.archive, args.labels, args.history, args.front, args.sizes]
    inputs = [path for path in inputs if path is not None]
    check_output(args.html, inputs)
    check_picture("report.html")  # without matplotlib it is refused now
    with opened_archive(args.archive) as archive:
        page = html_report(
            archive,
            labels=None if args.labels is None else read_labels(args.labels, archive.samples, args.by),
            history=None if args.history is None else read_history(args.history),
            sweep=None if args.front is None else read_sweep(args.front),
            sizes=None if args.sizes is None else read_sizes(args.sizes, args.dataset)[0],
        )
    with atomic_output(args.html, inputs) as file:
        file.write(page.encode())
