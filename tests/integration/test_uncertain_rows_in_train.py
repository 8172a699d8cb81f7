"""Rows worth labelling are appended to train as they are written, once somebody has filled in their labels."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from corpus import make_rows
from helpers import assert_refused

from classification.data.single_label import SingleLabel
from classification.inference.uncertain_rows import UncertainPlan, find_candidates, write_uncertain
from run_classification import main


class Rows:
    """A batch of rows that have a review instead of a text."""

    number, first, problems = 0, 0, {}

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def column(self, name):
        return [row[name] for row in self.rows]

    def records(self):
        return iter(self.rows)


def written(path: Path, count: int) -> list[list[str]]:
    rows = [{"id": f"new-{i}", "review": row["text"] + ' "so", \n\r good'} for i, row in enumerate(make_rows(40, 7))]
    trained = SimpleNamespace(text_columns=("text",), label_column="label")
    plan = UncertainPlan.make(count, ("id", "review"), ("review",), None, trained)
    logits = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    task = SingleLabel(("negative", "positive"))
    write_uncertain(path, [find_candidates(plan, Rows(rows), logits, np.arange(40), task, ("id", "review"))])
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def test_labelled_rows_are_appended_to_train(command, files, tmp_path, capsys):
    header, *rows = written(tmp_path / "more.csv", 10)
    train = Path(files["train"])
    with train.open(encoding="utf-8", newline="") as handle:
        assert next(csv.reader(handle)) == header == ["id", "text", "label"] and len(rows) == 10
    with train.open("a", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([*row[:-1], "positive"] for row in rows)
    main(command(train_file=str(train), dry_run=True))
    assert re.search(r"train +74\n", capsys.readouterr().out)  # 64 before


def test_rows_without_labels_are_refused_by_their_ids(command, files, tmp_path):
    header, *rows = written(tmp_path / "more.csv", 3)
    with Path(files["train"]).open("a", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(rows)
    assert_refused([rows[0][0], "label"], main, command(train_file=files["train"], dry_run=True))
