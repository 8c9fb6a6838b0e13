# SPDX-License-Identifier: Apache-2.0
"""``fastae decompress``: an archive into the file that it came from."""

from .opening import opened_archive
from .options import add_threads, input_file
from .output import add_output_format, write_output

EXAMPLES = """\
  fastae decompress cohort.fae cohort.vcf.gz
  fastae decompress cohort.fae - -Ou | bcftools stats    into a pipe"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "decompress", help="write an archive out as the file it came from, or another format"
    )
    parser.add_argument("input", type=input_file, metavar="IN", help="the archive")
    parser.add_argument(
        "output", metavar="OUT", help="*.vcf, *.vcf.gz, *.bcf, *.fa, *.bed, ..., or - for standard output"
    )
    add_output_format(parser)
    add_threads(parser)
    parser.set_defaults(runner=run)


def run(args):
    with opened_archive(args.input, args.threads) as archive:
        write_output(args, args.output, archive.stream(), archive_path=args.input, n_variants=archive.shape[0])
