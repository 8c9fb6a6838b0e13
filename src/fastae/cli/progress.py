# SPDX-License-Identifier: Apache-2.0
"""Progress bars: on a terminal, and nowhere else."""

import dataclasses


def watched(stream, description, total=None):
    """The same cohort stream, counting its variants on a bar while it is read."""
    return dataclasses.replace(stream, blocks=_counted(stream, description, total))


def variants_bar(description, total=None):
    """A bar of variants, which only a terminal shows."""
    from tqdm import tqdm

    return tqdm(desc=description, total=total, unit=" variants", unit_scale=True, disable=None)


def _counted(blocks, description, total):
    with variants_bar(description, total) as bar:
        for block in blocks:
            yield block
            bar.update(block.n_variants)
