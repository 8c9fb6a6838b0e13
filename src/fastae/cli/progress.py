# SPDX-License-Identifier: Apache-2.0
"""Progress bars: on a terminal, and nowhere else."""

import contextlib
import dataclasses


def watched(stream, description, total=None):
    """The same cohort stream, counting its variants on a bar while it is read."""
    return dataclasses.replace(stream, blocks=_counted(stream, description, total))


class _NoBar:
    """What `bar` gives where tqdm, an extra, is not installed."""

    n = 0

    def update(self, n):
        self.n += n


def variants_bar(description, total=None):
    """A bar of variants, which only a terminal shows."""
    return bar(description, total, " variants")


def bar(description, total, unit):
    """A bar that only a terminal shows."""
    try:
        from tqdm import tqdm
    except ImportError:
        return contextlib.nullcontext(_NoBar())
    return tqdm(desc=description, total=total, unit=unit, unit_scale=True, disable=None)


def _counted(blocks, description, total):
    with variants_bar(description, total) as counter:
        for block in blocks:
            yield block
            counter.update(block.n_variants)
