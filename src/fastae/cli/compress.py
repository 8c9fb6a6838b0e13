# SPDX-License-Identifier: Apache-2.0
"""``fastae compress``: a cohort file into an archive."""

from ..archive.predictors import PREDICTORS
from ..archive.presets import PRESETS
from .options import add_threads, input_file
from .progress import watched

EXAMPLES = """\
  fastae compress cohort.vcf.gz cohort.fae
  fastae compress cohort.bcf cohort.fae --preset max --threads 4      smallest
  fastae compress cohort.vcf.gz cohort.fae --latents 8                latents beside the calls, for analysis"""


def add_parser(subparsers):
    parser = subparsers.add_parser("compress", help="store a VCF, BCF or aligned FASTA as an archive")
    parser.add_argument("input", type=input_file, metavar="IN", help="VCF (plain, gzip or bgzip), BCF or aligned FASTA")
    parser.add_argument("output", metavar="OUT", help="the archive, by habit *.fae")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="default",
        help="fast: quick to read parts of; max: as small as can be [%(default)s]",
    )
    parser.add_argument(
        "--predictor",
        choices=("auto", *PREDICTORS),
        default="auto",
        help="force one on every block [%(default)s: whichever of the preset's is smallest]",
    )
    parser.add_argument(
        "--latents",
        type=int,
        default=0,
        metavar="M",
        help="store also M latents of every haplotype (sample, if unphased) and window of sites, for analysis: "
        "see `fastae latents` [none]",
    )
    parser.add_argument(
        "--latent-bits", type=int, default=4, metavar="B", help="bits of each of these, 1 to 8 [%(default)s]"
    )
    add_threads(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random weights [%(default)s]")
    parser.add_argument("--drop-format", action="store_true", help="leave out FORMAT fields other than GT")
    parser.set_defaults(runner=run)


def run(args):
    from ..archive import write_archive
    from ..errors import InputError
    from ..io import read_cohort

    if args.output == "-":
        raise InputError("an archive is written to a file, not to standard output; give its name")
    with read_cohort(args.input, drop_format=args.drop_format) as stream:
        write_archive(
            args.output,
            watched(stream, "compress"),
            preset=args.preset,
            predictor=args.predictor,
            n_latents=args.latents,
            latent_bits=args.latent_bits,
            n_threads=args.threads,
            seed=args.seed,
            inputs=[args.input],
        )
