# SPDX-License-Identifier: Apache-2.0
"""How a cohort is written out again."""

import contextlib
import warnings

from ..errors import InputError, LossWarning
from ..io import write_cohort, write_vcf
from ..io.formats import FORMATS, format_to_write, output_format
from .progress import told, watched


def add_output_format(parser):
    parser.add_argument("--format", choices=FORMATS, help="of the output [by the name of the file]")
    parser.add_argument(
        "--lossy", action="store_true", help="leave out, and name, what the format cannot hold, instead of refusing it"
    )
    parser.add_argument(
        "-O",
        "--output-type",
        choices=("v", "z", "b", "u"),
        help="v: VCF, z: VCF in bgzip, b: BCF, u: BCF not compressed [by the name of the file]",
    )


def write_output(args, path, stream, *, archive_path, n_variants, with_header=True):
    """Write a stream from an archive as the options of `add_output_format` have it."""
    stream = watched(stream, "write", n_variants)
    with _losses_told():
        _write(args, path, stream, archive_path, with_header)


def _write(args, path, stream, archive_path, with_header):
    if args.output_type is None and with_header:
        write_cohort(path, stream, format=args.format, lossy=args.lossy, inputs=[archive_path])
    elif args.format or _format(args, path, stream, archive_path).name not in ("vcf", "bcf"):
        what = "-O" if args.output_type else "-H"
        raise InputError(f"{path}: {what} is of VCF and BCF named by their endings; leave out it or the other format")
    elif stream.source == "fasta":
        raise InputError(f"{archive_path}: the archive holds FASTA sequences, to which -O does not apply; leave it out")
    else:
        write_vcf(path, stream, output_type=args.output_type, with_header=with_header, inputs=[archive_path])


def _format(args, path, stream, archive_path):
    if args.output_type is None:
        return format_to_write(path, stream.source, [archive_path])
    return output_format(path) or FORMATS["vcf"]  # any other name will do: the option tells the format


@contextlib.contextmanager
def _losses_told():
    """What is left out, on stderr; other warnings as ever."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def tell(message, category, *where, **more):
            if issubclass(category, LossWarning):
                told(str(message))
            else:
                show(message, category, *where, **more)

        warnings.simplefilter("always", LossWarning)
        warnings.showwarning = tell
        yield
