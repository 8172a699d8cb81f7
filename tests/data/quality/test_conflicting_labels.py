"""One text with two labels is found inside a split and across splits, for every kind of task."""

from __future__ import annotations

import random

from planted import clean, findings_of, three_splits


def test_one_text_with_two_labels_is_found_in_and_across_splits():
    splits = three_splits()
    train, _, test = splits.values()
    train[0]["label"], train[1] = "no", train[1] | {"text": train[0]["text"] + ".", "label": "yes"}
    train[2]["label"], test[2] = "yes", test[2] | {"text": train[2]["text"], "label": "no"}
    conflict = findings_of(splits)["conflicting_labels", "train, test"]
    assert conflict.count == 2 and set(conflict.ids) == {"s1-0", "s1-1", "s1-2", "s3-2"}
    assert "s1-0 no / s1-1 yes" in " ".join(conflict.examples)
    assert conflict.what == "2 texts (4 rows of train, test) have different labels in different rows"


def test_numbers_conflict_from_half_a_deviation_on():
    rows = [row | {"label": i / 10} for i, row in enumerate(clean(100, 1))]
    random.Random(0).shuffle(rows)
    rows[1] |= {"text": rows[0]["text"], "label": rows[0]["label"] + 0.2}
    assert ("conflicting_labels", "train") not in findings_of({"train": rows})
    rows[1]["label"] = rows[0]["label"] + 3
    assert findings_of({"train": rows})["conflicting_labels", "train"].count == 1


def test_several_labels_per_row_are_compared_as_sets():
    rows = [row | {"label": [row["label"], "every"]} for row in clean(60, 1)]
    rows[1] |= {"text": rows[0]["text"], "label": rows[0]["label"][::-1]}
    assert ("conflicting_labels", "train") not in findings_of({"train": rows})
    rows[1]["label"] = ["every"]
    assert findings_of({"train": rows})["conflicting_labels", "train"].count == 1


def test_rows_without_a_label_conflict_with_nothing():
    splits = three_splits()
    splits["test"][0] |= {"text": splits["train"][0]["text"], "label": None}
    assert not [kind for kind, _ in findings_of(splits) if kind == "conflicting_labels"]
