# SPDX-License-Identifier: Apache-2.0
"""Figures, the one style of all pictures, and the files they become."""

from __future__ import annotations

import html
import io
import os
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastae.errors import InputError
from fastae.fileio import atomic_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

PICTURE_FORMATS = ("png", "svg", "pdf", "html")

# The colours of M. Okabe and K. Ito (2008), told apart by colour-blind people. Their order, with that of the marks, is
# such that labels of like marks differ in lightness, too: for print in black and white.
BLUE, GREEN, VERMILLION, PINK = "#0072B2", "#009E73", "#D55E00", "#CC79A7"
BLACK, ORANGE, YELLOW, SKY = "#000000", "#E69F00", "#F0E442", "#56B4E9"
COLOURS = (BLUE, GREEN, VERMILLION, PINK, BLACK, ORANGE, YELLOW, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "p", ">", "h", "d")
GREY = "0.55"
N_STYLES = len(COLOURS) * len(MARKERS)  # they have no common divisor, so both change from label to label

_MOST_LETTERS = 48  # of a name in a legend or beside a bar

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""
_PAGE_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; color: #111; background: #fff; max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem; }
svg { max-width: 100%; height: auto; }"""


def new_figure(
    n_axes: int, *, width: float = 6.4, height: float = 4.8, stacked: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure with axes side by side; it is saved by its own `savefig` and needs no display.

    Parameters
    ----------
    n_axes : int
        Number of axes, left to right.
    width, height : float
        Inches of each.
    stacked : bool
        One below the other instead, with one x axis for all.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes, length n_axes

    Raises
    ------
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> figure, (left, right) = new_figure(2)
    >>> line = left.plot([1, 2, 3])
    >>> figure.savefig("empty.png")
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("drawing needs matplotlib, which is not installed: pip install 'fastae[plot]'") from error
    n_rows, n_columns = (n_axes, 1) if stacked else (1, n_axes)
    figure = Figure(figsize=(width * n_columns, height * n_rows), layout="constrained")
    return figure, list(figure.subplots(n_rows, n_columns, sharex=stacked, squeeze=False).ravel())


def axes_of(ax: Axes | None, *, width: float = 6.4, height: float = 4.8) -> Axes:
    """The axes to draw on: those given, or new ones of a width and height.

    Raises
    ------
    TypeError
        If something else is given.
    """
    if ax is None:
        return new_figure(1, width=width, height=height)[1][0]
    if not hasattr(ax, "annotate"):
        raise TypeError(
            f"ax is {type(ax).__name__}, not matplotlib's axes; leave it out, and write the picture that comes back by "
            "save_figure(ax.figure, path)"
        )
    return ax


def as_written(text: str) -> str:
    """A text with what no font can show as escapes: names from files may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str) -> str:
    """As `as_written`, but so long at most that a picture has room for it: its ends tell what it is."""
    text = as_written(text)
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 14]} \u2026 {text[-11:]}"


def style_of(number: int) -> dict[str, Any]:
    """Colour and mark of one of at most N_STYLES labels."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def add_legend(ax: Axes, handles: Sequence[Any], names: Sequence[str]) -> Legend:
    """A legend beside the axes with names letter by letter: a dollar starts no formula, an underscore hides none."""
    legend = ax.legend(
        handles,
        [str(number) for number in range(len(names))],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        ncols=1 + (len(names) - 1) // 20,
        frameon=False,
        markerscale=1.5,
        columnspacing=1.0,
        handletextpad=0.2,
        fontsize=8 if len(names) > 10 else "medium",
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(shortened(name))
    return legend


def picture_format(path: str | os.PathLike[str]) -> str:
    """What a picture's name says it is: one of PICTURE_FORMATS. Raises InputError if its ending is another."""
    name = os.fsdecode(path)
    ending = os.path.splitext(name)[1].lstrip(".").lower()
    if ending not in PICTURE_FORMATS:
        raise InputError(f"{name}: a picture's name ends in {', '.join('.' + known for known in PICTURE_FORMATS)}")
    return ending


def check_picture(path: str | os.PathLike[str]) -> str:
    """Refuse the name of a picture that could not be drawn, before anything is computed for it.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str
        The format, by the name's ending: one of PICTURE_FORMATS.

    Raises
    ------
    InputError
        The ending is another.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> check_picture("sweep.svg")
    'svg'
    """
    ending = picture_format(path)
    new_figure(1)
    return ending


def save_figure(figure: Figure, path: str | os.PathLike[str], *, title: str = "") -> None:
    """Write a picture, which gets its name when it is complete; one figure always gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Its ending says the format, see PICTURE_FORMATS. HTML is one file with the picture in it.
    title : str
        What the picture shows: the title of an HTML page, and what a screen reader says of its picture.

    Raises
    ------
    InputError
        The ending is another, or `fastae.fileio.check_output` refuses the path.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> figure, _ = new_figure(1)
    >>> save_figure(figure, "empty.svg")
    """
    kind = picture_format(path)
    if kind == "html":
        title = title or "Picture"
        data = html_page(title, f"<h1>{escaped(title)}</h1>\n{inline_svg(figure, title, 1)}").encode()
    else:
        data = _drawn(figure, kind)
    with atomic_output(path) as file:
        file.write(data)


def _drawn(figure: Figure, kind: str) -> bytes:
    from matplotlib import rc_context

    picture = io.BytesIO()  # a picture's writer hides why a file cannot be written
    stamp: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with rc_context({"svg.hashsalt": "fastae", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # names may be in any script: a box stands for a letter
        figure.savefig(picture, format=kind, dpi=120, metadata=stamp)
    return picture.getvalue()


def inline_svg(figure: Figure, description: str, number: int) -> str:
    """A picture as part of an HTML page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    description : str
        What a screen reader says.
    number : int
        Of the picture in its page, which keeps its identifiers apart from those of others.

    Returns
    -------
    str
        An element ``svg`` that refers to nothing outside of it.
    """
    root = ET.fromstring(_drawn(figure, "svg"))
    prefix = f"p{number}-"
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{_SVG}}}metadata":
                parent.remove(child)
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, prefix + value)
            elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
                element.set(key, f"#{prefix}{value[1:]}")
            elif "url(#" in value:
                element.set(key, _REFERENCE.sub(rf"url(#{prefix}\1)", value))
    title = ET.Element(f"{{{_SVG}}}title", {"id": f"{prefix}title"})
    title.text = as_written(description)
    root.insert(0, title)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}title")
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")


def escaped(text: object) -> str:
    """A text from anywhere as it is shown in an HTML page."""
    return html.escape(as_written(str(text)))


def html_page(title: str, body: str, style: str = "") -> str:
    """A page of one file; `title` is a text, `body` HTML."""
    return _PAGE.format(title=escaped(title), style=f"{_PAGE_STYLE}\n{style}".strip(), body=body)
