# SPDX-License-Identifier: Apache-2.0
"""Pictures of trainings, people, sweeps and archives, drawn with matplotlib (extra `plot`).

Every ``plot_x(data, *, ax=None)`` draws on axes and returns them: on those given, else on a figure of its own, which
``ax.figure.savefig`` or `save_figure` writes. Nothing here touches pyplot's global state.
"""

from fastae.plots.archives import bits_figure, calls_bytes, plot_bits, plot_frequencies, plot_sizes, sizes_figure
from fastae.plots.figures import PICTURE_FORMATS, check_picture, new_figure, save_figure
from fastae.plots.people import people_latents, plot_latents, principal_components
from fastae.plots.trainings import front_figure, plot_history, plot_sweep

__all__ = [
    "PICTURE_FORMATS",
    "bits_figure",
    "calls_bytes",
    "check_picture",
    "front_figure",
    "new_figure",
    "people_latents",
    "plot_bits",
    "plot_frequencies",
    "plot_history",
    "plot_latents",
    "plot_sizes",
    "plot_sweep",
    "principal_components",
    "save_figure",
    "sizes_figure",
]
