# SPDX-License-Identifier: Apache-2.0
"""``fastae plot``: pictures of archives, trainings and sweeps."""

import argparse

from ..errors import InputError
from .opening import opened_archive
from .options import input_file

EXAMPLES = """\
  fastae plot latents cohort.fae --labels populations.tsv -o people.png
  fastae plot bits cohort.fae -o bits.svg
  fastae plot history autoencoder.model.history.tsv -o training.pdf
  fastae plot front sweep.jsonl -o front.html
  fastae plot sizes tools.tsv --archive cohort.fae -o sizes.png"""
_DESCRIPTION = """\
Draw a picture that can be read in black and white and by colour-blind people, of one of these kinds:

  latents  people by their latents, of an archive that has some, or of an .npz
           from `fastae latents` or `fastae train`
  bits     bits per site of an archive along the chromosome, and the rarer
           alleles' frequency below
  history  the curves of a training, from the history that `fastae train` wrote
  front    bits per genotype and wrong alleles, from the results or the table
           of `fastae sweep`
  sizes    a table of tools, parted by tabs: columns tool, and genotype_bytes,
           bytes or total_bytes; maybe dataset"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "plot",
        help="draw people, bits, training curves, the trade-off or sizes",
        description=_DESCRIPTION,
    )
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("input", type=input_file, metavar="INPUT", help="a file that this kind is drawn of")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="picture: png, svg, pdf or html")
    parser.add_argument(
        "--labels", type=input_file, metavar="FILE", help="latents: a table of sample and label, parted by a tab"
    )
    parser.add_argument("--by", metavar="COLUMN", help="latents: the column of --labels to colour by [the second]")
    parser.add_argument(
        "--pair", type=_pair, metavar="I,J", help="latents: draw these two, from 1 [first principal components]"
    )
    parser.add_argument("--dataset", metavar="NAME", help="sizes: of this one, where the table has several")
    parser.add_argument("--archive", type=input_file, metavar="FILE", help="sizes: an archive to put beside the tools")
    parser.set_defaults(runner=run)


def _pair(text):
    try:
        first, second = (int(part) - 1 for part in text.split(","))
        if min(first, second) < 0:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no pair of latents; give two numbers, as 1,2") from None
    return first, second


def run(args):
    from ..fileio import check_output
    from ..plots import check_picture, save_figure

    check_output(args.output, [path for path in (args.input, args.labels, args.archive) if path is not None])
    check_picture(args.output)
    draw, options = KINDS[args.kind]
    for name in ("labels", "by", "pair", "dataset", "archive"):
        if getattr(args, name) is not None and name not in options:
            raise InputError(f"--{name} does not apply to pictures of {args.kind}; leave it out")
    if args.by is not None and args.labels is None:
        raise InputError("--by names a column of --labels; give this, too")
    figure, title = draw(args)
    save_figure(figure, args.output, title=title)


def _latents(args):
    from ..plots import plot_latents
    from .tables import read_labels, read_people

    samples, Z = read_people(args.input)
    labels = None if args.labels is None else read_labels(args.labels, samples, args.by)
    wanted = 2 if args.pair is None else max(args.pair) + 1
    if Z.shape[1] < wanted or len(Z) < 2:
        raise InputError(f"{args.input}: {len(Z)} people of {Z.shape[1]} latents; two and {wanted} are needed to draw")
    title = f"{len(samples):,} people by {Z.shape[1]:,} latents"
    ax = plot_latents(Z, labels, pair=args.pair)
    ax.set_title(title)
    return ax.figure, title


def _bits(args):
    from .. import plots

    with opened_archive(args.input) as archive:
        if not archive.shape[0]:
            raise InputError(f"{args.input}: the archive has no sites to draw")
        return plots.bits_figure(archive), "Bits per site and frequency of the rarer alleles along the chromosome"


def _history(args):
    from ..plots import plot_history
    from .tables import read_history

    history = read_history(args.input)
    if not len(history):
        raise InputError(f"{args.input}: the history has no epochs to draw")
    return plot_history(history).figure, f"Training: loss and Hamming distance over {len(history)} epochs"


def _front(args):
    from .. import plots
    from ..sweep import read_sweep

    table = read_sweep(args.input)
    if not table.points:
        raise InputError(f"{args.input}: the sweep has no finished points to draw")
    return plots.front_figure(table), "Bits per genotype and wrong alleles of autoencoders"


def _sizes(args):
    from .. import plots
    from .tables import read_sizes

    sizes, dataset = read_sizes(args.input, args.dataset)
    if args.archive is not None:
        with opened_archive(args.archive) as archive:
            sizes["fastae"] = plots.calls_bytes(archive)
    return plots.sizes_figure(sizes, dataset), f"Sizes of tools in bytes{': ' + dataset if dataset else ''}"


# what draws each kind, and the options that apply
KINDS = {
    "latents": (_latents, ("labels", "by", "pair")),
    "bits": (_bits, ()),
    "history": (_history, ()),
    "front": (_front, ()),
    "sizes": (_sizes, ("dataset", "archive")),
}
