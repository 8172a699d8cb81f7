"""Rows of each kind of task with a word in every text that occurs nowhere else: it finds texts in what is written."""

from __future__ import annotations

from pathlib import Path

from corpus import make_rows, number_rows, several_rows, stars, write_csv

CANARY = "canary"  # a piece of a word of every row
LABELS = {"label", "labels"}


def marked(rows: list[dict]) -> list[dict]:
    """Rows with a word of their own, a tag, and for the good ones a word that gives the label away."""
    words = [f"<i class=canary{i}> canary{i}" + (" canaryword" if "positive" in str(row.get("label")) else "")
             for i, row in enumerate(rows)]  # fmt: skip
    return [row | {"text": f"{word} {row['text']}"} for row, word in zip(rows, words, strict=True)]


def planted(rows: list[dict]) -> list[dict]:
    """Some rows again: as they are, in capitals with another label, and sorted by label."""
    name = "text" if "text" in rows[0] else "sentence1"
    other = (
        rows[0] | {"id": "conflict", name: rows[0][name].upper()} | {key: rows[1][key] for key in LABELS & {*rows[1]}}
    )
    near = rows[2] | {"id": "near", name: rows[2][name] + " the"}
    return [*rows, rows[0] | {"id": "again"}, other, near]


def single(count: int, seed: int) -> list[dict]:
    return marked(make_rows(count, seed))


def pairs(count: int, seed: int) -> list[dict]:
    return [{"sentence1": row.pop("text"), "sentence2": f"a canary {seed}", **row} for row in single(count, seed)]


TASKS = {
    "single label": (single, {"baselines": "majority,logistic_regression"}),
    "several labels": (
        lambda count, seed: marked(several_rows(count, seed)),
        {"label_delimiter": "|", "tune_thresholds": "global"},
    ),
    "numbers": (lambda count, seed: marked(number_rows(stars)(count, seed)), {}),
    "pairs": (pairs, {}),
}


def files_of(folder: Path, make) -> dict[str, str]:
    splits = {"train": planted(make(64, 1)), "validation": make(24, 2), "test": make(24, 3)}
    splits["test"].append(splits["train"][0] | {"id": "leaked"})
    return {f"{name}_file": write_csv(folder / f"{name}.csv", rows) for name, rows in splits.items()}
