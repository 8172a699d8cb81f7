"""Pairs of texts: trained on, cut, predicted and loaded as pairs."""

from __future__ import annotations

import transformers
from corpus import make_rows, write_csv, write_splits
from helpers import largest_difference


def test_pairs_are_trained_on_predicted_and_loaded_as_pairs(finished, data):
    """The second text reveals the label; the first agrees with it in half of the rows only."""
    files = {}
    for split, seed in (("train", 1), ("validation", 2), ("test", 3)):
        first, second = make_rows(48, seed=seed), make_rows(48, seed=seed + 10)
        rows = [
            {"id": i, "premise": a["text"], "hypothesis": b["text"], "label": b["label"]}
            for i, (a, b) in enumerate(zip(first[:24] + first[1:25], second, strict=True))
        ]
        files[f"{split}_file"] = write_csv(data / f"pairs_{split}.csv", rows)
    run = finished(**files, num_train_epochs=8, max_seq_length=48, per_device_train_batch_size=4)
    rows = run.predictions
    assert list(rows[0])[:4] == ["id", "text", "text_pair", "label"]
    assert sum(row["label"] == row["prediction"] for row in rows) >= 40
    classify = transformers.pipeline("text-classification", model=str(run.folder), truncation=True)
    answers = classify([{"text": row["text"], "text_pair": row["text_pair"]} for row in rows])
    assert [answer["label"] for answer in answers] == [row["prediction"] for row in rows]


def test_a_pair_with_an_empty_second_text_is_a_single_text(finished, trained, data):
    def half_empty(count, seed):
        return [{"id": row["id"], "text_a": row["text"], "text_b": "", "label": row["label"]}
                for row in make_rows(count, seed)]  # fmt: skip

    pairs = finished(**write_splits(data, "half_empty", half_empty), num_train_epochs=2, per_device_train_batch_size=4)
    assert largest_difference(trained.folder, pairs.folder) == 0
    rows = [dict(row) for row in pairs.predictions]
    assert [row.pop("text_pair") for row in rows] == [""] * 24
    assert rows == trained.predictions
    line = '"text_pair": "It was long."}'  # of a run and of a study alike
    study = finished(**write_splits(data, "half_empty", half_empty), seeds="1,2", num_train_epochs=1)
    assert line in pairs.shown and line in study.shown and line not in trained.shown
