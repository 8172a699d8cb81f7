"""Runs of the report's tests, made of arrays: no training, no files."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
from markupsafe import Markup

from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.report.page.figures import drawing
from classification.report.page.page import templates
from classification.report.run_files import PredictionTable, RunFiles


def run_of(
    task, label_ids, decisions, probabilities=None, metrics=None, slices=None, record=None, texts=None
) -> RunFiles:
    """A run with test predictions; its results are at least that test was scored, if it has a label."""
    count, scored = len(label_ids), sum(label is not None for label in label_ids)
    metrics = ({"test_loss": 0.5, "test_scored": scored} if scored else {"test_scored": 0}) | (metrics or {})
    table = PredictionTable(
        ids=[f"test-{i}" for i in range(count)],
        texts=texts or [(f"text {i}",) for i in range(count)],
        label_ids=list(label_ids),
        decisions=np.asarray(decisions),
        probabilities=probabilities,
        tokens=np.arange(count) % 30 + 3,
        truncated=np.zeros(count, dtype=bool),
        slices=slices or {},
    )
    record = {"arguments": {"report_texts": True}, **(record or {})}
    return RunFiles(Path("run"), record, metrics, task, table, {})


def single_run(labels, probabilities, names=("ham", "spam"), **more) -> RunFiles:
    """One class per row; the decision is the most probable class."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return run_of(SingleLabel(tuple(names)), labels, probabilities.argmax(axis=1), probabilities, **more)


def multi_run(labels, probabilities, names=("a", "b"), **more) -> RunFiles:
    probabilities = np.asarray(probabilities, dtype=np.float64)
    task = MultiLabel(tuple(names), thresholds=(0.5,) * len(names))
    return run_of(task, labels, probabilities >= 0.5, probabilities, **more)


def number_run(labels, predictions, mean=0.0, std=1.0, **more) -> RunFiles:
    """Labels and predictions in units."""
    task = Regression(("score",), mean=mean, std=std)
    labels = [None if label is None else (label - mean) / std for label in labels]
    return run_of(task, labels, (np.asarray(predictions, dtype=np.float64) - mean) / std, **more)


def random_run(count=500, classes=3, seed=0, **more) -> RunFiles:
    """A model whose probabilities are those of the data, so it is calibrated."""
    draw = np.random.default_rng(seed)
    probabilities = draw.dirichlet(np.full(classes, 0.5), size=count)
    labels = (probabilities.cumsum(axis=1) < draw.random((count, 1))).sum(axis=1)
    return single_run(labels.tolist(), probabilities, names=[f"class {i}" for i in range(classes)], **more)


def rendered(make, run) -> str:
    """A section as HTML; "" where it has nothing to show. An error or a warning of any library fails the test."""
    with warnings.catch_warnings(), drawing():
        warnings.simplefilter("error")
        section = make(run)
        if section is None:
            return ""
        page = templates().get_template(section.template)
        return page.render(run=run, values=section.values, section=section) + section.left_out


def words(html: str) -> str:
    """The text of a page that people read: without tags, SVG and surplus white space."""
    html = re.sub(r"<svg.*?</svg>", " ", html, flags=re.DOTALL)
    text = Markup(re.sub(r"<(?!/?bdi|/?span)[^>]*>", " ", html)).striptags()
    return " ".join(text.split())
