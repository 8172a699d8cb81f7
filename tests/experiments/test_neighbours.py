"""The training rows nearest to a test row: which are searched, within which budget, and what the file holds of them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from corpus import make_rows
from datasets import Dataset

from classification.data.tasks import infer_task
from classification.experiments import neighbours
from classification.experiments.neighbours import (
    Neighbours,
    allowed_tokens,
    draw_training_rows,
    first_within,
    names_of,
    search,
)

TASK = infer_task(["negative", "positive"])
SEVERAL = infer_task([["a"], ["b"], []])


def encoded(count: int, seed: int = 0) -> Dataset:
    return Dataset.from_list([row | {"label": TASK.encode(row["label"])} for row in make_rows(count, seed)])


def test_the_nearest_come_first_by_angle_and_not_by_length():
    candidates = np.array([[100.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])
    near, similarity = search(np.array([[1.0, 0.1]]), candidates)
    assert near.tolist() == [[0, 1, 2]]
    assert similarity[0] == pytest.approx([0.995, 0.774, 0.0995], abs=1e-3)


def test_fewer_training_rows_than_neighbours_are_all_given():
    near, _ = search(np.eye(2), np.eye(2))
    assert near.tolist() == [[0, 1], [1, 0]]


def test_every_class_keeps_its_share_in_the_draw():
    rows = encoded(400)
    chosen = draw_training_rows(rows, encoded(4, 9), TASK, np.full(400, 10), 1000, seed=1)
    labels = np.array(rows["label"])[chosen]
    assert len(chosen) == 100 == len(set(chosen)) and chosen == sorted(chosen) and labels.sum() == 50


def test_the_draw_depends_on_the_seed_alone():
    rows, shown, lengths = encoded(400), encoded(4, 9), np.full(400, 10)
    first, again, other = (draw_training_rows(rows, shown, TASK, lengths, 500, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_row_with_the_text_of_a_shown_row_is_always_searched():
    rows = encoded(400)
    shown = rows.select([17, 399])
    same = {row for row, text in enumerate(rows["text"]) if text in shown["text"]}
    chosen = draw_training_rows(rows, shown, TASK, np.full(400, 10), 100, seed=1)
    assert {17, 399} <= same <= set(chosen) and len(chosen) == 10


def test_at_most_5000_rows_are_searched(monkeypatch):
    monkeypatch.setattr(neighbours, "MAX_TRAIN", 50)
    assert len(draw_training_rows(encoded(400), encoded(2, 9), TASK, np.full(400, 10), 10**9, seed=1)) == 50


@pytest.mark.parametrize("room", [-5, 0, 60, 300, 4000])
def test_the_draw_keeps_within_its_room(room):
    lengths = np.arange(400) % 30 + 1
    chosen = draw_training_rows(encoded(400), encoded(2, 9), TASK, lengths, room, seed=1)
    assert lengths[chosen].sum() <= max(room, 0) and bool(chosen) == (room >= 60)


@pytest.mark.parametrize("task", [SEVERAL, infer_task([1.5, 2.5, 3.5])])
def test_rows_of_other_tasks_are_drawn_too(task):
    labels = [task.encode(["a"] if i % 3 else []) if task is SEVERAL else task.encode(i / 7) for i in range(60)]
    rows = Dataset.from_list([row | {"label": label} for row, label in zip(make_rows(60), labels, strict=True)])
    assert len(draw_training_rows(rows, encoded(2, 9), task, np.full(60, 10), 300, seed=1)) == 30


def test_the_first_rows_that_fit_are_kept():
    assert first_within([3, 0, 2], np.array([5, 1, 7, 2]), 8) == [3, 0]
    assert first_within([3], np.array([5, 1, 7, 2]), 1) == [] == first_within([], np.array([5]), 9)


def test_the_budget_follows_from_counts(monkeypatch):
    """8% of what training, evaluations and test passed forward; a backward pass costs two."""
    monkeypatch.setattr(neighbours, "Flops", lambda model, length: SimpleNamespace(per_token=1e12))
    trainer = SimpleNamespace(
        model=None, processing_class=SimpleNamespace(model_max_length=8), args=SimpleNamespace(world_size=1),
        training=SimpleNamespace(passes=3.0), state=SimpleNamespace(epoch=2.0, log_history=[{"eval_runtime": 1}] * 2),
    )  # fmt: skip
    tokens = {"train": 1000, "validation": 100, "test": 700}
    assert allowed_tokens(trainer, tokens) == int(0.08 * (3 * 2 * 1000 + 3 * 100 + 700))
    trainer.args.world_size = 2  # one of the two processes embeds
    assert allowed_tokens(trainer, tokens) == int(0.04 * 7000)
    monkeypatch.setattr(neighbours, "Flops", lambda model, length: SimpleNamespace(per_token=1e6))
    assert allowed_tokens(trainer, tokens) == 20_000


def test_the_file_names_labels_marks_same_texts_and_cuts_long_ones():
    train = Dataset.from_dict({"id": ["a", "b"], "text": ["same", "x" * 400], "label": [[1.0, 0.0], [0.0, 0.0]]})
    test = Dataset.from_dict({"id": ["p", "q"], "text": ["other", "same"]})
    found = Neighbours([1], np.array([[0, 1]]), np.array([[1.0, 0.123456]]), [0, 1], 2, "")
    content = json.loads(json.dumps(found.as_dict(train, test, SEVERAL, with_texts=True)))
    assert content["rows"] == {"1": {"id": "q", "nearest": [[0, 1.0, 1], [1, 0.1235, 0]]}}
    assert content["train"][0] == {"id": "a", "labels": ["a"], "texts": ["same"]}
    assert content["train"][1]["labels"] == [] and content["train"][1]["texts"][0] == "x" * 299 + "…"
    assert "texts" not in found.as_dict(train, test, SEVERAL, with_texts=False)["train"][0]


def test_equal_first_texts_of_two_pairs_are_not_the_same_text():
    train = Dataset.from_dict({"id": ["a", "b"], "text": ["t", "t"], "text_pair": ["u", "v"], "label": [0, 1]})
    test = Dataset.from_dict({"id": ["p"], "text": ["t"], "text_pair": ["u"]})
    found = Neighbours([0], np.array([[0, 1]]), np.array([[1.0, 1.0]]), [0, 1], 1, "")
    assert [same for _, _, same in found.as_dict(train, test, TASK, with_texts=True)["rows"]["0"]["nearest"]] == [1, 0]


def test_labels_are_names_or_a_number():
    assert names_of(1, TASK) == ["positive"] and names_of([1.0, 1.0], SEVERAL) == ["a", "b"]
    assert names_of(infer_task([1.5, 2.5]).encode(2.25), infer_task([1.5, 2.5])) == ["2.25"]
