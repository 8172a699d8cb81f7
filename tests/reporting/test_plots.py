"""The plots have the figures and names of the run, in every script, and the same run draws the same file."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib

from classification.data.tasks import infer_task
from classification.reporting.plots import draw

LABELS = ["好评", "سيئ جدا", "😀 e\u0301"]


def words_of(path: Path) -> list[str]:
    """The texts of an SVG, in order."""
    return [element.text for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")]


def test_a_matplotlibrc_changes_nothing(tmp_path):
    """The one in the working directory is read when matplotlib is imported. It can name programs, such as latex."""
    metrics = {"test_confusion_matrix": [[5, 1], [1, 9]]}
    draw(tmp_path, metrics, [], infer_task(["a", "b"]))
    plain = (tmp_path / "confusion_matrix.svg").read_text()
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30, "figure.dpi": 20}):
        draw(tmp_path, metrics, [], infer_task(["a", "b"]))
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "confusion_matrix.svg").read_text() == plain


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


def test_epochs_without_a_figure_leave_a_gap(tmp_path):
    """A metric that validation does not allow is nan."""
    nan = float("nan")
    epochs = [{"epoch": i, "train_loss": 1 / i, "eval_loss": nan, "eval_accuracy": nan} for i in (1, 2, 3)]
    draw(tmp_path, {}, epochs, infer_task(["a", "b"]))
    assert "nan" not in (tmp_path / "curves.svg").read_text()


def test_labels_that_no_row_has_draw_an_empty_matrix(tmp_path):
    draw(tmp_path, {"test_confusion_matrix": [[0, 0], [0, 1]]}, [], infer_task(["a", "b"]))
    assert "test: 1 of 1 rows correct" in words_of(tmp_path / "confusion_matrix.svg")
