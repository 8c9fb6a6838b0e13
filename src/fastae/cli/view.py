# SPDX-License-Identifier: Apache-2.0
"""``fastae view``: some sites and samples of an archive."""

import dataclasses
import re

from ..errors import InputError
from .opening import opened_archive
from .options import add_threads, input_file
from .output import add_output_format, write_output
from .progress import note
from .selection import add_selection, selected_samples, selected_variants

EXAMPLES = """\
  fastae view cohort.fae | head                              everything, as VCF
  fastae view cohort.fae 20:2000000-2020000 -s HG00096,HG00097    a region, two people
  fastae view cohort.fae -R regions.bed -S ^people.txt -o part.vcf.gz
  fastae view cohort.fae -t ^X,Y,MT -Ou | bcftools stats     all but some chromosomes
  fastae view cohort.fae -h                                  the header alone; -H: all else
  fastae view cohort.fae -G -o sites.vcf.gz                  no genotypes"""

_FORMAT_LINES = re.compile(r"^##FORMAT=.*\n", re.MULTILINE)


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "view",
        add_help=False,  # -h is the header, as in bcftools
        help="print some sites and samples of an archive",
        description="Options have the letters and the meaning that they have in `bcftools view -I`: INFO (AC, AN, ...) "
        "stays as it was. An archive needs no index beside it.",
    )
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    parser.add_argument("more_regions", nargs="*", metavar="REGION", help="as -r")
    add_selection(parser)
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("-h", "--header-only", action="store_true", help="print the header only")
    parts.add_argument("-H", "--no-header", action="store_true", help="print the records without the header")
    parser.add_argument("-G", "--drop-genotypes", action="store_true", help="print sites without samples")
    parser.add_argument("-o", "--output", default="-", metavar="OUT", help="file to write [standard output]")
    add_output_format(parser)
    add_threads(parser)
    parser.add_argument("--help", action="help", help="show this help message and exit")
    parser.set_defaults(runner=run)


def run(args):
    if args.more_regions:
        if args.regions_file is not None:
            raise InputError("regions are given both by -R and behind the archive; choose one of the two")
        args.regions = [*(args.regions or []), *args.more_regions]
    with opened_archive(args.archive, args.threads) as archive:
        if archive.source == "fasta" and (args.header_only or args.no_header or args.drop_genotypes):
            raise InputError(f"{args.archive} holds FASTA sequences, to which -h, -H and -G do not apply")
        samples = [] if args.drop_genotypes else selected_samples(archive, args)
        variants = [] if args.header_only else selected_variants(archive, args)
        stream = archive.stream(variants=variants, samples=samples)
        attributes = {name: value for name, value in stream.attributes.items() if name != "final_newline"}
        stream = dataclasses.replace(stream, attributes=attributes)
        if samples == [] and archive.shape[1]:
            if archive.source == "fasta":
                raise InputError(f"{args.archive}: none of the sequences is left; name at least one")
            if not args.drop_genotypes:
                note("no samples are left; sites are written without genotypes")
            stream = _without_genotypes(stream)
        write_output(
            args,
            args.output,
            stream,
            archive_path=args.archive,
            n_variants=archive.shape[0] if variants is None else len(variants),
            with_header=not args.no_header,
        )


def _without_genotypes(stream):
    """A stream of no samples, with no word of FORMAT in its header."""
    header = _FORMAT_LINES.sub("", stream.header).removesuffix("\tFORMAT")
    blocks = (dataclasses.replace(block, header=header) for block in stream.blocks)
    return dataclasses.replace(stream, header=header, blocks=blocks)
