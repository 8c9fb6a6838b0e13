# SPDX-License-Identifier: Apache-2.0
"""The progress bar of a training, drawn by tqdm (extra `cli`)."""

from __future__ import annotations

from typing import Any


def training_bar(n_rows: int, n_done: int) -> Any:
    """A bar of rows, all epochs together, on stderr.

    Parameters
    ----------
    n_rows : int
        Rows of all epochs.
    n_done : int
        Of these, done before the bar starts.

    Returns
    -------
    bar : tqdm.tqdm
        A context manager with `update` and `set_postfix`.

    Raises
    ------
    ImportError
        If tqdm is not installed.

    Examples
    --------
    >>> with training_bar(200, 100) as bar:
    ...     _ = bar.update(100)
    ...     bar.n
    200
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(
            "progress=True needs tqdm, which is not installed: pip install tqdm, or give a callback"
        ) from error
    return tqdm(desc="training", total=n_rows, initial=n_done, unit=" rows", unit_scale=True)
