"""A matplotlib figure as inline SVG: text stays text, and its colours are those of the page."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler
from markupsafe import Markup
from matplotlib.figure import Figure

from classification.system.files import replacing

# Draw with these colours only: each becomes the variable of templates/report.css that has its name.
INK, MUTED, GRID, EDGE, SURFACE = "#16191d", "#545c67", "#e1e5ea", "#8b95a1", "#ffffff"
BLUE, ORANGE, GREEN, PURPLE, PINK, TEAL, RED = (
    "#1f5fbf", "#b4540a", "#1b7a46", "#7b3fa6", "#a8326b", "#1d6f7d", "#b3261e",
)  # fmt: skip
SERIES = (BLUE, ORANGE, GREEN, PURPLE, PINK, TEAL)  # the order of curves in one plot
VARIABLES = {
    INK: "ink", MUTED: "muted", GRID: "grid", EDGE: "edge", SURFACE: "surface", BLUE: "blue", ORANGE: "orange",
    GREEN: "green", PURPLE: "purple", PINK: "pink", TEAL: "teal", RED: "red", "#000000": "ink",
}  # fmt: skip

NARROW = 4.8  # inches: a plot up to this width fits on a phone; a wider one scrolls in a box of its own
PIXELS = 72  # of the page per inch of a figure
TAG = r"<[^!][^>]*>"

STYLE: dict[Any, object] = {
    "svg.fonttype": "none", "svg.hashsalt": "recipe", "text.parse_math": False, "font.size": 11.5, "text.color": INK,
    "axes.labelcolor": MUTED, "axes.edgecolor": EDGE, "xtick.color": EDGE, "ytick.color": EDGE,
    "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlelocation": "left", "axes.titlesize": 12, "axes.titlecolor": INK, "axes.grid": True,
    "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 1, "axes.labelsize": 11.5, "legend.frameon": False,
    "legend.fontsize": 11, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "lines.linewidth": 2, "axes.prop_cycle": cycler(color=SERIES), "legend.labelcolor": INK,
}  # fmt: skip


@contextmanager
def drawing() -> Iterator[None]:
    """Inside, new figures have the style of the page. A section is always drawn inside; a test enters it itself."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # a matplotlibrc in the working directory can name programs to run, such as latex
        matplotlib.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the reader's fonts have every script
        yield


def new_figure(width: float = NARROW, height: float = 3.0) -> Figure:
    """A figure in the style of the page, whose parts find their room by themselves; inches, 72 pixels each."""
    return Figure(figsize=(width, height), layout="constrained")


def write_figure(file: Path, draw: Callable[[], Figure]) -> None:
    """Draw into an SVG file of its own, on white."""
    with drawing():
        figure = draw()
        figure.set_facecolor("white")
        with replacing(file) as handle:
            figure.savefig(handle, format="svg", facecolor="white", metadata={"Date": None})


def figure_svg(figure: Figure, title: str, description: str) -> Markup:
    """The figure as inline SVG.

    Args:
        title: what a screen reader calls it. description: what a reader without the image needs to know of it.
    """
    with drawing():
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    key = "p" + hashlib.sha256(f"{title}\0{description}\0{drawn}".encode("utf-8", "replace")).hexdigest()[:8]
    inner = drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")]
    inner = re.sub(r"<(metadata|style)\b.*?</\1>", "", inner, flags=re.DOTALL)  # that style would be the whole page's
    inner = with_own_names(inner, key)
    width, height = (number * PIXELS for number in figure.get_size_inches())
    wide = " wide" if width > NARROW * PIXELS else ""
    head = Markup(
        '<svg class="plot{wide}" role="img" aria-labelledby="{key}-t" aria-describedby="{key}-d" '
        'viewBox="0 0 {w:g} {h:g}" style="--w:{w:g}px" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<title id="{key}-t">{title}</title>'
        '<desc id="{key}-d">{description}</desc>'
    ).format(wide=wide, key=key, w=width, h=height, title=title, description=description)
    return head + Markup(f"{inner.strip()}</svg>")


def with_own_names(svg: str, key: str) -> str:
    """Inside tags, ids begin with `key`, so that two figures share none, colours become the variables of the page, and
    the font is that of the page. Texts between the tags stay.
    """
    tags = re.findall(TAG, svg)
    used = {name for tag in tags for name in re.findall(r'(?:xlink:href="|url\()#([^")]+)', tag)}

    def restyle(match: re.Match) -> str:
        tag = re.sub(r' id="([^"]*)"', lambda own: f' id="{key}{own[1]}"' if own[1] in used else "", match[0])
        tag = re.sub(r'(xlink:href="|url\()#', rf"\1#{key}", tag)
        tag = re.sub(r"font: ([^;\"]*?)([\d.]+px)[^;\"]*", r"font: \1\2 var(--font)", tag)
        tag = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", tag)
        tag = re.sub(r"(?<=[ :])#[0-9a-f]{6}\b", lambda colour: variable(colour[0]), tag)
        return re.sub(r"\s+", " ", tag)

    return re.sub(TAG, restyle, svg)


def variable(colour: str) -> str:
    name = VARIABLES.get(colour)
    return f"var(--{name})" if name else colour
