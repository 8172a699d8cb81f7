"""The plots of a run: loss and headline metric per epoch, and the confusion matrix."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from classification.data.labels import LabelSpace
from classification.errors import cosmetic
from classification.messages.streams import on_one_line
from classification.reporting.console import text_width
from classification.system.files import replacing

MAX_CLASSES = 40
MAX_NUMBERS = 15  # classes up to which the counts are written into the matrix
NAME_LENGTH = 24
INK, TRAIN, VALIDATION = "#333333", "#c46a1b", "#2a5fa5"
# Text stays text: the viewer's fonts have every script, join Arabic letters and set them from right to left.
STYLE: dict[Any, object] = {
    "svg.fonttype": "none", "svg.hashsalt": "recipe", "font.size": 10, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": "#999999", "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlelocation": "left", "text.parse_math": False,
}  # fmt: skip


def draw(
    folder: Path,
    metrics: Mapping[str, object],
    epochs: Sequence[Mapping[str, float]],
    task: LabelSpace,
    lost: list[str] | None = None,
) -> None:
    """Write `curves.svg` after training, and `confusion_matrix.svg` where rows with one label each were scored.

    Args:
        metrics: what all_results.json holds; epochs: the figures of each epoch, as in run.json.
        lost: gets what an error has cost.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    split = next((key for key in ("test", "eval") if f"{key}_confusion_matrix" in metrics), None)
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # a matplotlibrc in the working directory can name programs to run, such as latex
        matplotlib.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # SVG text uses the viewer's fonts
        if len(epochs) > 1:
            with cosmetic("curves.svg", lost, asked=False):
                _save(draw_curves(epochs, task.headline), folder / "curves.svg")
        if not split or task.num_labels > MAX_CLASSES:
            return
        with cosmetic("confusion_matrix.svg", lost, asked=False):
            counts = np.array(metrics[f"{split}_confusion_matrix"])
            title = f"{'test' if split == 'test' else 'validation'}: {counts.trace()} of {counts.sum()} rows correct"
            names = tuple(map(on_one_line, task.names))  # XML has no control characters
            _save(draw_confusion(counts, names, title), folder / "confusion_matrix.svg")


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as handle:
        figure.savefig(handle, format="svg", metadata={"Date": None})


def draw_curves(epochs: Sequence[Mapping[str, float]], metric: str) -> Figure:
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
    short_names = [name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…" for name in names]
    # The room for names is estimated here: the library measures with a font that lacks most scripts.
    room = 0.075 * max(map(text_width, short_names)) + 0.5
    side = max(1.6, 0.42 * min(size, MAX_NUMBERS) if size <= MAX_NUMBERS else 0.2 * size)
    figure = Figure(figsize=(side + room + 0.6, side + room + 0.6))
    inches = figure.get_size_inches()[0]
    axes = figure.add_axes((room / inches, room / inches, side / inches, side / inches))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if size <= MAX_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(size), short_names, rotation=90)
    axes.set_yticks(range(size), short_names)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.text(0.1 / inches, 1 - 0.25 / inches, title, va="top")
    middle = (room + side / 2) / inches
    figure.text(middle, 0.1 / inches, "predicted", ha="center")
    figure.text(0.1 / inches, middle, "true", va="center", rotation=90)
    return figure
