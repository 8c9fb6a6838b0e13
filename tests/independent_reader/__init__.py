# SPDX-License-Identifier: Apache-2.0
"""A reader of fastae's files that was written from FORMAT.md alone, with NumPy and the standard library.

It explains the format more than it is fast: all that decodes is plain Python, and each part names its section of the
document. In the order in which one may read them:

======================  ==================================================================================
`data`                  numbers, bits, texts: §1, §2.2, §5.1
`rans`, `arithmetic`    the two coders: §2 and §5.9
`packed`                arrays of bytes: §5.3
`container`             header, index, sections: §5.1
`sites`                 CHROM to INFO: §5.2
`columns`               calls as a matrix of bits, and back: §5.4
`gaps`                  predictor 0, frequency: §5.5
`network`               the integer decoder: §3
`autoencoder`           predictor 1: §5.6, §5.7
`wings`                 predictor 2, pbwt: §5.8, with `sorted_columns`: §5.9
`runs`                  predictor 3: §5.10
`mosaic`                predictor 4: §5.11
`archive`               all of it, and latents for analysis: §5.12
`texts`                 the VCF or FASTA that was stored: §5.13
`chunks`                arrays, for Zarr: §8
`other_files`           packed latents, saved models, checkpoints: §4, §6, §7
======================  ==================================================================================
"""

from .archive import PREDICTORS, Archive, read_archive
from .autoencoder import read_model
from .chunks import read_chunk
from .container import read_container
from .data import Bytes, FormatError
from .sites import read_sites
from .texts import file_of

__all__ = [
    "PREDICTORS",
    "Archive",
    "Bytes",
    "FormatError",
    "file_of",
    "read_archive",
    "read_chunk",
    "read_container",
    "read_model",
    "read_sites",
]
