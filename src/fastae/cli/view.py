# SPDX-License-Identifier: Apache-2.0
"""``fastae view``: some sites and samples of an archive."""

from ..errors import InputError
from .options import add_output_type, add_threads, input_file
from .output import write_cohort


def add_parser(subparsers):
    parser = subparsers.add_parser("view", help="print some sites and samples of an archive")
    parser.add_argument("archive", type=input_file, metavar="ARCHIVE")
    parser.add_argument(
        "-r",
        "--regions",
        action="append",
        metavar="CHROM[:FROM-TO]",
        help="only sites that overlap, positions from 1, both ends included; parted by commas, or given again",
    )
    samples = parser.add_mutually_exclusive_group()
    samples.add_argument(
        "-s",
        "--samples",
        metavar="NAMES",
        help="only these, in this order, parted by commas; INFO (AC, AN, ...) stays as it was",
    )
    samples.add_argument(
        "-S", "--samples-file", type=input_file, metavar="FILE", help="only the samples named in FILE, one a line"
    )
    parser.add_argument("-o", "--output", default="-", metavar="OUT", help="file to write [standard output]")
    add_output_type(parser)
    add_threads(parser)
    parser.set_defaults(runner=run)


def run(args):
    from ..archive import open_archive

    with open_archive(args.archive, n_threads=args.threads) as archive:
        variants = _variants(archive, args.regions) if args.regions else None
        names = _names(args)
        if names == []:
            raise InputError(f"{args.samples_file or '-s'} names no samples; name at least one")
        samples = None if names is None else _indices(names, archive.samples)
        write_cohort(
            args.output,
            archive.stream(variants=variants, samples=samples),
            output_type=args.output_type,
            archive_path=args.archive,
            n_variants=archive.shape[0] if variants is None else len(variants),
        )


def _variants(archive, regions):
    try:
        return archive.query(regions)
    except InputError as error:
        if archive.source != "fasta":
            raise
        raise InputError(f"{error}: the columns of sequences are asked for as alignment:FROM-TO") from error


def _names(args):
    if args.samples is not None:
        return args.samples.split(",") if args.samples else []
    if args.samples_file is None:
        return None
    with open(args.samples_file, encoding="utf-8", errors="surrogateescape") as file:
        return [line.rstrip("\n") for line in file if line.strip()]


def _indices(names, samples):
    places: dict[str, list[int]] = {}
    for index, name in enumerate(samples):
        places.setdefault(name, []).append(index)
    seen = set()
    for name in names:
        if name not in places:
            raise InputError(f"the archive has no sample {name!r}; `fastae view ARCHIVE | grep -m1 ^#CHROM` lists them")
        if name in seen or len(places[name]) > 1:
            where = "asked for" if name in seen else "in the archive"
            raise InputError(f"sample {name!r} is {where} more than once; name every sample once")
        seen.add(name)
    return [places[name][0] for name in names]
