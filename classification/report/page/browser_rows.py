"""The rows of the error browser as values: labels by number, texts within a budget, the nearest training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from classification.data.labels import LabelSpace
from classification.report.prediction_table import PredictionTable
from classification.report.run_files import RunFiles
from classification.report.shown_rows import MISTAKE, RIGHT, UNSCORED, ShownRows
from classification.report.text_budget import fit_texts, shortened

KINDS = (MISTAKE, RIGHT, UNSCORED)
TOP = 3  # probabilities per row
TEXTS_SHARE, NEIGHBOURS_SHARE = 0.6, 0.12  # of the bytes that a page may have
NAME_LENGTH = 200  # characters of an id or of a slice value


@dataclass(frozen=True)
class Neighbour:
    """A training row that the model finds alike: its place in `Browser.training`, and the cosine similarity."""

    place: int
    similarity: float
    has_same_text: bool


@dataclass(frozen=True)
class BrowserRow:
    """One row of the browser.

    Args:
        kind: place in `KINDS`.
        label, prediction: numbers of the labels that the row has and gets; empty for a number and without a label.
        label_text, prediction_text: the two as text, for numbers only.
        sure: confidence, or the error of a number; None where there is none.
        top: (label, probability) of the most probable labels.
        texts: as they are shown; lengths: characters of each whole text.
        slices: of each slice column, the place of the value in `Browser.slices`.
    """

    row: int
    row_id: str
    kind: int
    label: tuple[int, ...]
    prediction: tuple[int, ...]
    label_text: str
    prediction_text: str
    sure: float | None
    top: tuple[tuple[int, float], ...]
    texts: tuple[str, ...]
    lengths: tuple[int, ...]
    slices: tuple[int, ...]
    tokens: int
    is_cut: bool
    nearest: tuple[Neighbour, ...]

    def as_list(self) -> list[Any]:
        """What the page's script reads; see templates/errors.js."""
        sizes = [[len(text), length] for text, length in zip(self.texts, self.lengths, strict=True)]
        nearest = [[one.place, one.similarity, int(one.has_same_text)] for one in self.nearest]
        return [
            self.row, self.row_id, self.kind, self.label, self.prediction, self.label_text, self.prediction_text,
            self.sure, self.top, self.texts, sizes, self.slices, self.tokens, int(self.is_cut), nearest,
        ]  # fmt: skip


@dataclass(frozen=True)
class TrainingRow:
    """A training row near a test row; `texts` are beginnings, and empty where the page has no texts."""

    row_id: str
    labels: tuple[str, ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Browser:
    """All that the error browser shows.

    Args:
        slices: of each slice column, its different values in their order.
        training: the training rows that `BrowserRow.nearest` names.
        problem: why the neighbours are missing although there is a neighbours.json; "" for no problem.
    """

    rows: Sequence[BrowserRow]
    slices: Mapping[str, Sequence[str]]
    training: Sequence[TrainingRow] = field(default_factory=list)
    problem: str = ""


def make_browser(run: RunFiles, table: PredictionTable, shown: ShownRows) -> Browser:
    """The chosen rows of a run with all that the page shows of them."""
    texts, lengths = shown_texts(run, table, shown.rows)
    values = {name: distinct([column[row] for row in shown.rows]) for name, column in table.slices.items()}
    places = {name: {value: place for place, value in enumerate(column)} for name, column in values.items()}
    nearest, training, problem = read_neighbours(run, table, shown.rows)
    rows = [
        BrowserRow(
            row=row,
            row_id=short(table.ids[row]),
            kind=KINDS.index(shown.judgement.kinds[row]),
            **answers(table, run.task, row),
            sure=sureness_of(shown, row),
            top=most_probable(table, row),
            texts=texts[place],
            lengths=lengths[place],
            slices=tuple(places[name][column[row]] for name, column in table.slices.items()),
            tokens=int(table.tokens[row]),
            is_cut=bool(table.truncated[row]),
            nearest=nearest.get(row, ()),
        )
        for place, row in enumerate(shown.rows)
    ]
    slices = {name: [short(value) for value in column] for name, column in values.items()}
    return Browser(rows, slices, training, problem)


def distinct(values: Sequence[str]) -> list[str]:
    """The different values, the most frequent first."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return sorted(counts, key=lambda value: (-counts[value], value))


def short(name: str) -> str:
    return shortened(name, NAME_LENGTH)


def answers(table: PredictionTable, task: LabelSpace, row: int) -> dict[str, Any]:
    """Label and prediction of a row: numbers of labels, or as text where they are numbers."""
    label, decision = table.label_ids[row], table.decisions[row]
    if table.probabilities is None:
        return {
            "label": (), "prediction": (), "label_text": display_number(task.decode(label)),
            "prediction_text": display_number(task.decode(decision)),
        }  # fmt: skip
    return {
        "label": () if label is None else ids_of(label), "prediction": ids_of(decision), "label_text": "",
        "prediction_text": "",
    }  # fmt: skip


def ids_of(label: Any) -> tuple[int, ...]:
    """Numbers of the labels of a row, in increasing order."""
    if np.ndim(label):
        return tuple(np.flatnonzero(np.asarray(label)).tolist())
    return (int(label),)


def display_number(text: str) -> str:
    """
    >>> display_number("3.14159265"), display_number("1234567"), display_number("")
    ('3.142', '1.235e+06', '')
    """
    return f"{float(text):.4g}" if text else ""


def sureness_of(shown: ShownRows, row: int) -> float | None:
    values = shown.judgement.errors if shown.judgement.confidence is None else shown.judgement.confidence
    value = float(values[row]) if values is not None else np.nan
    return float(f"{value:.6g}") if np.isfinite(value) else None


def most_probable(table: PredictionTable, row: int) -> tuple[tuple[int, float], ...]:
    if table.probabilities is None:
        return ()
    probabilities = table.probabilities[row]
    order = np.argsort(-probabilities, kind="stable")[:TOP].tolist()
    return tuple((label, round(float(probabilities[label]), 4)) for label in order)


def shown_texts(
    run: RunFiles, table: PredictionTable, rows: Sequence[int]
) -> tuple[list[tuple[str, ...]], list[tuple[int, ...]]]:
    """The texts of each row as they are shown, and the lengths of the whole texts."""
    if not run.shows_texts:
        return [()] * len(rows), [()] * len(rows)
    whole = [table.texts[row] for row in rows]
    fitted = iter(fit_texts([text for texts in whole for text in texts], int(TEXTS_SHARE * run.byte_budget)))
    return [tuple(next(fitted) for _ in texts) for texts in whole], [tuple(map(len, texts)) for texts in whole]


Found = tuple[dict[int, tuple[Neighbour, ...]], list[TrainingRow], str]


def read_neighbours(run: RunFiles, table: PredictionTable, rows: Sequence[int]) -> Found:
    """The nearest training rows of the shown rows, the training rows, and why there are none."""
    if not run.neighbours:
        return {}, [], ""
    try:
        return neighbours_of(run, table, set(rows))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return {}, [], "neighbours.json is damaged, so the nearest training rows are left out."


def neighbours_of(run: RunFiles, table: PredictionTable, rows: set[int]) -> Found:
    """See `read_neighbours`; a damaged file raises what the damage causes."""
    content = run.neighbours
    listed = {int(row): found for row, found in content["rows"].items() if int(row) in rows}
    is_other = content["test_rows"] != len(table.ids) or any(table.ids[row] != one["id"] for row, one in listed.items())
    if is_other:
        return {}, [], "neighbours.json belongs to other predictions, so the nearest training rows are left out."
    training = [TrainingRow(short(str(one["id"])), tuple(map(str, one["labels"]))) for one in content["train"]]
    nearest = {
        row: tuple(
            Neighbour(range(len(training))[place], float(value), bool(same)) for place, value, same in one["nearest"]
        )
        for row, one in listed.items()
    }
    if run.shows_texts and all("texts" in one for one in content["train"]):
        budget = int(NEIGHBOURS_SHARE * run.byte_budget)
        fitted = iter(fit_texts([str(text) for one in content["train"] for text in one["texts"]], budget))
        training = [
            TrainingRow(row.row_id, row.labels, tuple(next(fitted) for _ in one["texts"]))
            for row, one in zip(training, content["train"], strict=True)
        ]
    return nearest, training, ""
