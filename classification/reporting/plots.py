"""The run in two pictures: loss and headline metric by epoch, and which classes are taken for which."""

from __future__ import annotations

import logging
import unicodedata
import warnings
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from classification.data.labels import LabelSpace
from classification.evaluation.metrics import headline

MOST_CLASSES = 40
MOST_NUMBERS = 15  # classes up to which the counts are written into the matrix
NAME_LENGTH = 24
INK, TRAIN, VALIDATION = "#333333", "#c46a1b", "#2a5fa5"
# Text stays text: the viewer's fonts have every script, join Arabic letters and set them from right to left.
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "recipe", "font.size": 10, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": "#999999", "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlelocation": "left", "text.parse_math": False,
}  # fmt: skip


def draw(folder: Path, results: dict, epochs: list[dict], labels: LabelSpace) -> None:
    """Write `curves.svg` after training, and `confusion_matrix.svg` where rows with one label each were scored.

    Args:
        results: what all_results.json holds, epochs: the figures of each epoch, as in run.json.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    split = next((key for key in ("test", "eval") if f"{key}_confusion_matrix" in results), None)
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the library's font draws nothing here
        if len(epochs) > 1:
            _save(draw_curves(epochs, headline(labels)), folder / "curves.svg")
        if split and labels.num_labels <= MOST_CLASSES:
            counts = np.array(results[f"{split}_confusion_matrix"])
            title = f"{'test' if split == 'test' else 'validation'}: {counts.sum()} rows, {counts.trace()} right"
            _save(draw_confusion(counts, labels.names, title), folder / "confusion_matrix.svg")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", metadata={"Date": None})


def draw_curves(epochs: list[dict], metric: str) -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    steps = [epoch["epoch"] for epoch in epochs]
    for axes, name, title in zip(figure.subplots(1, 2), ("loss", metric), ("loss", metric), strict=True):
        for key, color, label in ((f"train_{name}", TRAIN, "train"), (f"eval_{name}", VALIDATION, "validation")):
            values = [epoch.get(key) for epoch in epochs]
            if None not in values:
                axes.plot(steps, values, marker="o", markersize=4, color=color, label=label)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="#e5e5e5")
        axes.legend(frameon=False)
    return figure


def draw_confusion(counts: np.ndarray, names: tuple[str, ...], title: str) -> Figure:
    """Rows are the true classes, columns the predicted ones; a cell's shade is its share of the row."""
    size = len(names)
    shown = [name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…" for name in names]
    # Room for the names is reckoned here: the library measures by a font that lacks most scripts.
    room = 0.075 * max(map(width_of, shown)) + 0.5
    side = max(1.6, 0.42 * min(size, MOST_NUMBERS) if size <= MOST_NUMBERS else 0.2 * size)
    figure = Figure(figsize=(side + room + 0.6, side + room + 0.6))
    whole = figure.get_size_inches()[0]
    axes = figure.add_axes((room / whole, room / whole, side / whole, side / whole))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if size <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(size), shown, rotation=90)
    axes.set_yticks(range(size), shown)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.text(0.1 / whole, 1 - 0.25 / whole, title, va="top")
    middle = (room + side / 2) / whole
    figure.text(middle, 0.1 / whole, "predicted", ha="center")
    figure.text(0.1 / whole, middle, "true", va="center", rotation=90)
    return figure


def width_of(name: str) -> int:
    """Columns of a terminal that a name takes: two for East Asian letters, none for marks on other letters."""
    wide = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)
    return wide - sum(unicodedata.combining(letter) > 0 for letter in name)
