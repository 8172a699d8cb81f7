"""Files sorted by label, or in blocks of one label, are found, and random order is not."""

from __future__ import annotations

import pytest
from planted import clean, encoded, findings_of, three_splits

from classification.data.quality import check_order


@pytest.mark.parametrize(("order", "what"), [("sorted", "is sorted by label"), ("blocks", "comes in blocks")])
def test_order_by_label_is_found(order, what):
    splits = three_splits()
    rows = sorted(splits["train"], key=lambda row: row["label"])
    if order == "blocks":
        rows = [row for start in range(0, 100, 25) for half in (0, 100) for row in rows[half + start :][:25]]
    assert what in findings_of(splits | {"train": rows})["sorted_labels", "train"].what


def test_numbers_in_order_are_found():
    rows = [row | {"label": i / 10} for i, row in enumerate(clean(100, 1))]
    assert findings_of({"train": rows}).keys() == {("sorted_labels", "train")}


@pytest.mark.parametrize(("first", "last", "found"), [(15, 15, True), (992, 8, True), (3, 3, False), (60, 1, False)])
def test_small_and_rare_classes_in_order_are_found(first, last, found):
    rows = [row | {"label": ("no", "yes")[i >= first]} for i, row in enumerate(clean(first + last, 1))]
    data, task = encoded({"train": rows})
    assert bool(check_order(data, task, "stratified")) == found


def test_order_names_rows_where_the_label_changes():
    rows = [row | {"label": None if i < 30 else "ab"[i >= 50]} for i, row in enumerate(clean(70, 1))]
    findings = findings_of({"train": clean(60, 2, "ab"), "test": rows})
    assert findings["sorted_labels", "test"].ids == ("s1-50",)


def test_a_tail_of_a_sorted_file_is_a_warning_only_if_it_becomes_validation():
    splits = three_splits()
    splits["train"].sort(key=lambda row: row["label"])
    data, task = encoded(splits)
    assert [finding.severity for finding in check_order(data, task, "tail")] == ["note"]
    del data["validation"]
    assert [finding.severity for finding in check_order(data, task, "tail")] == ["warning"]
    assert [finding.severity for finding in check_order(data, task, "stratified")] == ["note"]


def test_alternating_labels_are_no_order():
    rows = [row | {"label": ("no", "yes")[i % 2]} for i, row in enumerate(clean(200, 1))]
    assert findings_of({"train": rows}) == {}


def test_a_split_of_one_class_has_no_order():
    test = [row | {"label": "no"} for row in clean(40, 3)]
    assert ("sorted_labels", "test") not in findings_of({"train": clean(60, 1), "test": test})
