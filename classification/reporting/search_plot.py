"""search.svg: the value of every trial of a search, and the best one so far."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from classification.errors import cosmetic
from classification.files import replacing
from classification.reporting.plots import STYLE, TRAIN, VALIDATION

NAME = "search.svg"


def draw_search(folder: Path, found: Mapping[str, Any]) -> None:
    """Write search.svg.

    Args:
        found: what run.json holds of the search.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with matplotlib.rc_context(), warnings.catch_warnings(), cosmetic(NAME):
        matplotlib.rcdefaults()  # a matplotlibrc in the working directory can name programs to run, such as latex
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        numbers, values, best = points_of(found)
        axes.plot(numbers, values, "o", color=VALIDATION, label="trial")
        axes.step(numbers, best, where="post", color=TRAIN, label="best so far")
        axes.set_title(f"{found['metric']} on validation")
        axes.set_xlabel("trial")
        axes.locator_params(axis="x", integer=True)
        axes.grid(axis="y", color="#e5e5e5")
        axes.legend(frameon=False)
        with replacing(folder / NAME) as handle:
            figure.savefig(handle, format="svg", metadata={"Date": None})


def points_of(found: Mapping[str, Any]) -> tuple[list[int], list[float], list[float]]:
    """Of the complete trials: number, value, and the best value up to there."""
    complete = [trial for trial in found["trials"] if trial["value"] is not None]
    values = [float(trial["value"]) for trial in complete]
    best = np.maximum.accumulate(values) if found["higher"] else np.minimum.accumulate(values)
    return [trial["number"] for trial in complete], values, best.tolist() if values else []
