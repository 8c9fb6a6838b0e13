# SPDX-License-Identifier: Apache-2.0
"""Matrices and tables as data frames, made by pandas or polars where somebody asks for them."""

from __future__ import annotations

import importlib
from typing import Any

from numpy.typing import NDArray


def to_frame(kind: str, values: NDArray[Any], columns: list[str], rows_of: Any) -> Any:
    """A matrix as a data frame.

    Parameters
    ----------
    kind : {"pandas", "polars"}
    values : ndarray of shape (n_rows, n_columns)
    columns : list of str, length n_columns
    rows_of : object
        What the rows were made of: where it is a pandas frame, the result has its index.

    Returns
    -------
    frame : pandas.DataFrame or polars.DataFrame

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    package = _package(kind)
    if kind == "polars":
        return package.DataFrame(values, schema=columns)
    return package.DataFrame(values, columns=columns, index=rows_of.index if hasattr(rows_of, "iloc") else None)


def records_to_pandas(records: NDArray[Any]) -> Any:
    """A structured array as a pandas.DataFrame, texts as they are, also those that no encoding has.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    package = _package("pandas")
    names = records.dtype.names or ()
    return package.DataFrame({name: package.Series(records[name], dtype=records.dtype[name]) for name in names})


def _package(kind: str) -> Any:
    try:
        return importlib.import_module(kind)
    except ImportError as error:
        what = "'fastae[pandas]'" if kind == "pandas" else kind
        raise ImportError(f"data frames of {kind} need it, and it is not installed: pip install {what}") from error
