# SPDX-License-Identifier: Apache-2.0
"""``fastae sweep``: a grid of autoencoders, and what each stores of a cohort."""

import os

from ..sweep import MAX_DEPTH, MAX_WIDTH
from .opening import opened_data
from .options import add_threads, input_file, integer, integers
from .progress import bar, logged

EXAMPLES = """\
  fastae sweep cohort.vcf.gz -r 20:2000000-2020000 --latents 2,4 --bits 1 --depth 1 --plot front.png"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "sweep",
        help="show the trade-off of latents against parameters and storage",
        description="Train an autoencoder for every combination of latents, bits and depth, on all sites as one block, "
        "and tell what its latents, its decoder and the errors that it leaves take, as an archive stores them. "
        "A cohort too large for one block is refused: take a region (-r) of it. Time grows faster than the "
        "latents do: on hundreds of rows a network of 32 takes seconds, one of hundreds takes minutes.",
    )
    parser.add_argument("input", type=input_file, metavar="DATA", help="archive, or any file that `compress` reads")
    for name, default, most, text in (
        ("latents", "2,4,8,16,32", MAX_WIDTH, "latents of a row, at most as many as rows or common alleles"),
        ("bits", "1,2,4", 8, "bits of a latent"),
        ("depth", "1,2,3", MAX_DEPTH, "layers of the encoder, and of the decoder"),
    ):
        of_each = integers(1, most)
        parser.add_argument(f"--{name}", type=of_each, default=default, metavar="N,N,...", help=f"{text} [{default}]")
    parser.add_argument(
        "--hidden",
        type=integer(1, MAX_WIDTH),
        metavar="N",
        help="width of the decoder's hidden layers [4 to 64, by rows]",
    )
    parser.add_argument("--epochs", type=integer(1), metavar="N", help="how often each row is seen [as for an archive]")
    parser.add_argument(
        "--seed", type=integer(0), default=0, metavar="N", help="of weights and order of rows [%(default)s]"
    )
    parser.add_argument(
        "-r", "--regions", action="append", metavar="CHROM[:FROM-TO]", help="only these sites, as `fastae view` has it"
    )
    parser.add_argument("--drop-format", action="store_true", help="leave out FORMAT fields other than GT")
    add_threads(parser)
    parser.add_argument("--results", metavar="FILE", help="keep finished points here, and go on from those that are")
    parser.add_argument("--tsv", metavar="FILE", help="write the table here, too, for programs")
    parser.add_argument(
        "--plot", metavar="FILE", help="draw bits per genotype against wrong alleles: png, svg, pdf or html"
    )
    parser.add_argument("--json", action="store_true", help="print the table for machines")
    parser.set_defaults(runner=run, how_to_go_on=how_to_go_on)


def how_to_go_on(args):
    if args.results is None:
        return "--results FILE would have kept the finished points"
    if not os.path.exists(args.results):
        return "no point was finished"
    return f"finished points are in {args.results}, and the same command goes on from them"


def run(args):
    from ..fileio import atomic_output, check_outputs
    from ..sweep import sweep

    if args.plot is not None:
        from .. import plots

        plots.check_picture(args.plot)
    check_outputs([args.results, args.tsv, args.plot], [args.input])
    with opened_data(args.input, regions=args.regions, drop_format=args.drop_format, n_threads=args.threads) as stream:
        cohort = stream.read()

    def tell(point):
        counted.update(1)
        logged(point.summary())

    n_points = len(args.latents) * len(args.bits) * len(args.depth) + 1
    with bar("sweep", n_points, " networks") as counted:
        table = sweep(
            cohort,
            latents=args.latents,
            bits=args.bits,
            depth=args.depth,
            n_hidden=args.hidden,
            n_epochs=args.epochs,
            seed=args.seed,
            n_jobs=args.threads,
            results=args.results,
            progress=tell,
        )
    if args.tsv is not None:
        with atomic_output(args.tsv, [args.input]) as file:
            file.write(table.to_tsv().encode())
    if args.plot is not None:
        plots.save_figure(
            plots.front_figure(table), args.plot, title="Bits per genotype and wrong alleles of autoencoders"
        )
    print(table.to_json() if args.json else table.to_text())
