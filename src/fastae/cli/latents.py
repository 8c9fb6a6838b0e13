# SPDX-License-Identifier: Apache-2.0
"""``fastae latents``: the latents of an archive, for other programs to read."""

import io
import sys

from ..errors import InputError
from ..fileio import atomic_output
from .opening import opened_archive
from .options import add_threads, input_file
from .selection import add_selection, selected_samples, selected_variants

EXAMPLES = """\
  fastae latents cohort.fae | head                  a table, parted by tabs
  fastae latents cohort.fae -o latents.npz          arrays for NumPy
  fastae latents cohort.fae -r 20:2000000-2020000 -s HG00096    of one window, of one person"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "latents",
        help="print or save the latents of an archive",
        description="The latents of an archive's haplotypes (of its samples, where calls are unphased), a line "
        "for each and each window of sites: sample, haplotype, window, z1, z2, ... In an archive that was not written "
        "with `compress --latents` they are those of its autoencoders, if it has any.",
    )
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    add_selection(parser)
    parser.add_argument(
        "-o", "--output", default="-", metavar="OUT", help="*.npz for NumPy, else a table with tabs [standard output]"
    )
    add_threads(parser)
    parser.set_defaults(runner=run)


def run(args):
    import numpy as np

    with opened_archive(args.archive, args.threads) as archive:
        variants, samples = selected_variants(archive, args), selected_samples(archive, args)
        variants = variants if variants is None else np.sort(variants)
        samples = range(archive.shape[1]) if samples is None else samples
        windows = archive.windows
        numbers = [i for i, (sites, _) in enumerate(windows) if variants is None or _any_within(variants, sites)]
        chosen = [
            (_text(windows[number][1]), latents[samples])
            for number, latents in zip(numbers, archive.latents(numbers), strict=True)
            if latents.shape[2]
        ]
        if not chosen:
            where = "has no latents" + (" there" if variants is not None else "")
            raise InputError(f"{args.archive}: the archive {where}; write one with `fastae compress --latents M`")
        names = [archive.samples[i] for i in samples]
    if args.output == "-":
        _write_table(sys.stdout.buffer, names, chosen)
        return
    with atomic_output(args.output, [args.archive]) as file:
        if args.output.lower().endswith(".npz"):
            np.savez(file, samples=np.array(names, dtype=str), **_arrays(chosen))
        else:
            _write_table(file, names, chosen)


def _any_within(variants, sites):
    """If any of some ascending numbers is in a slice."""
    first, last = variants.searchsorted([sites.start, sites.stop])
    return first < last


def _text(spans):
    return ",".join(f"{chrom}:{first}-{last}" for chrom, first, last in spans)


def _arrays(chosen):
    """Latents as one array (samples, rows of a sample, windows, latents), NaN where a window has fewer, and windows."""
    import numpy as np

    parts = [latents for _, latents in chosen]
    n_rows, n_latents = (max(part.shape[axis] for part in parts) for axis in (1, 2))
    whole = np.full((len(parts[0]), n_rows, len(parts), n_latents), np.nan, np.float32)
    for number, part in enumerate(parts):
        whole[:, : part.shape[1], number, : part.shape[2]] = part
    return {"latents": whole, "windows": np.array([text for text, _ in chosen])}


def _write_table(file, names, chosen):
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="\n")
    width = max(latents.shape[2] for _, latents in chosen)
    print("sample", "haplotype", "window", *(f"z{i + 1}" for i in range(width)), sep="\t", file=text)
    for window, latents in chosen:
        for name, rows in zip(names, latents.tolist(), strict=True):
            for haplotype, row in enumerate(rows, 1):
                number = haplotype if len(rows) > 1 else "."
                print(name, number, window, *(f"{value:.4g}" for value in row), sep="\t", file=text)
    text.flush()
    text.detach()
