# SPDX-License-Identifier: Apache-2.0
"""Progress bars: on a terminal, and nowhere else."""

import contextlib
import dataclasses


def watched(stream, description, total=None):
    """The same cohort stream, counting its variants on a bar while it is read."""
    return dataclasses.replace(stream, blocks=_counted(stream, description, total))


class _NoBar:
    """What `variants_bar` gives where tqdm, an extra, is not installed."""

    n = 0

    def update(self, n):
        self.n += n


def variants_bar(description, total=None):
    """A bar of variants, which only a terminal shows."""
    try:
        from tqdm import tqdm
    except ImportError:
        return contextlib.nullcontext(_NoBar())
    return tqdm(desc=description, total=total, unit=" variants", unit_scale=True, disable=None)


def _counted(blocks, description, total):
    with variants_bar(description, total) as bar:
        for block in blocks:
            yield block
            bar.update(block.n_variants)
