# SPDX-License-Identifier: Apache-2.0
"""``fastae compress``: a cohort file into an archive."""

import sys

from ..archive.predictors import PREDICTORS
from ..archive.presets import PRESETS
from ..io.formats import FORMATS, open_cohort
from .options import add_threads, check_archive_output, cohort_file
from .progress import note, watched

EXAMPLES = """\
  fastae compress cohort.vcf.gz cohort.fae
  bcftools view -Ou -t 20 cohort.bcf | fastae compress - chr20.fae    from a pipe
  fastae compress cohort.bcf cohort.fae --preset max --threads 4      smallest
  fastae compress cohort.vcf.gz cohort.fae --latents 8                latents beside the calls, for analysis"""


def add_parser(subparsers):
    parser = subparsers.add_parser("compress", help="store a cohort file as an archive")
    parser.add_argument(
        "input",
        type=cohort_file,
        metavar="IN",
        help="VCF (plain, gzip or bgzip), BCF, aligned FASTA, PLINK, ..., or - for standard input",
    )
    parser.add_argument("output", metavar="OUT", help="the archive, by habit *.fae")
    parser.add_argument("--format", choices=FORMATS, help="of the input [what its contents and name tell]")
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
    parser.add_argument("--latent-bits", type=int, metavar="B", help="bits of each of these, 1 to 8 [4]")
    add_threads(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random weights [%(default)s]")
    parser.add_argument("--drop-format", action="store_true", help="leave out FORMAT fields other than GT")
    parser.set_defaults(runner=run)


def run(args):
    from ..archive import write_archive
    from ..errors import InputError

    check_archive_output(args.output)
    if args.latent_bits is not None and not args.latents:
        raise InputError("--latent-bits is of the latents that --latents stores; give --latents M, too")
    stream, title = open_cohort(args.input, args.format, args.drop_format)
    with stream:
        if sys.stderr.isatty():
            note(f"reading {title} from {'standard input' if args.input == '-' else args.input}")
        write_archive(
            args.output,
            watched(stream, "compress"),
            preset=args.preset,
            predictor=args.predictor,
            n_latents=args.latents,
            **({} if args.latent_bits is None else {"latent_bits": args.latent_bits}),
            n_threads=args.threads,
            seed=args.seed,
            inputs=[] if args.input == "-" else [args.input],
        )
