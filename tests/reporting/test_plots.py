"""The plots have the figures and names of the run, in every script, and the same run draws the same file."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from classification.data.tasks import infer_task
from classification.reporting.plots import draw

LABELS = ["好评", "سيئ جدا", "😀 e\u0301"]


def words_of(path: Path) -> list[str]:
    """The texts of an SVG, in order."""
    return [element.text for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")]


def test_the_plots_have_curves_and_counts(tmp_path):
    task = infer_task(LABELS)
    epochs = [{"epoch": i, "train_loss": 1 / i, "eval_loss": 1 / i, "eval_accuracy": 0.5} for i in (1, 2)]
    draw(tmp_path, {"eval_confusion_matrix": [[5, 1, 0], [0, 71, 0], [1, 1, 9]]}, epochs, task)
    words = words_of(tmp_path / "confusion_matrix.svg")
    assert {"71", "9", "true", "predicted", "validation: 85 of 88 rows correct"} <= set(words)
    places = [words.index(name) for name in task.names]
    assert places == sorted(places)
    assert {"loss", "accuracy", "train", "validation", "epoch"} <= set(words_of(tmp_path / "curves.svg"))
    before = (tmp_path / "curves.svg").read_bytes()
    draw(tmp_path, {}, epochs, task)
    assert (tmp_path / "curves.svg").read_bytes() == before  # no date, no random names
