# SPDX-License-Identifier: Apache-2.0
"""``fastae compress``: a cohort file into an archive."""

import dataclasses

from ..archive.latents import MAX_LATENTS
from ..archive.predictors import PREDICTORS
from ..archive.presets import PRESETS
from ..errors import InputError
from ..io.formats import FORMATS
from .info import add_json, print_facts
from .opening import opened_cohort
from .options import add_threads, check_archive_output, cohort_file, integer
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
        type=integer(0, MAX_LATENTS),
        default=0,
        metavar="M",
        help="store also M latents of every haplotype (sample, if unphased) and window of sites, for analysis: "
        "see `fastae latents` [none]",
    )
    parser.add_argument("--latent-bits", type=integer(1, 8), metavar="B", help="bits of each of these, 1 to 8 [4]")
    add_threads(parser)
    parser.add_argument("--seed", type=integer(0), default=0, metavar="N", help="of the random weights [%(default)s]")
    parser.add_argument("--drop-format", action="store_true", help="leave out FORMAT fields other than GT")
    add_json(parser)
    parser.set_defaults(runner=run)


def run(args):
    from ..archive import write_archive

    check_archive_output(args.output)
    if args.latent_bits is not None and not args.latents:
        raise InputError("--latent-bits is of the latents that --latents stores; give --latents M, too")
    with opened_cohort(args.input, format=args.format, drop_format=args.drop_format) as stream:
        stream = watched(stream, "compress")
        write_archive(
            args.output,
            _with_people_and_sites(stream) if args.latents else stream,
            preset=args.preset,
            predictor=args.predictor,
            n_latents=args.latents,
            **({} if args.latent_bits is None else {"latent_bits": args.latent_bits}),
            n_threads=args.threads,
            seed=args.seed,
            inputs=[] if args.input == "-" else [args.input],
        )
    if stream.attributes.get("final_newline") == "no":
        note("the last line of the input has no end, which is kept; if the input was cut, fetch it again")
    if args.json:
        print_facts(args.output, input=args.input)


def _with_people_and_sites(stream):
    """The same stream, refused where it has nobody, or no site, that latents could tell of."""
    if not stream.samples:
        raise InputError("--latents are of people, and there are no samples; leave it out")
    return dataclasses.replace(stream, blocks=_with_sites(stream))


def _with_sites(blocks):
    n_variants = 0
    for block in blocks:
        n_variants += block.n_variants
        yield block
    if not n_variants:
        raise InputError("--latents are of windows of sites, and there are no sites; leave it out")
