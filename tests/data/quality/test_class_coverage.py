"""Classes without rows or with few are found in every split, and one class with most rows."""

from __future__ import annotations

import pytest
from planted import clean, findings_of, three_splits


@pytest.fixture
def imbalanced():
    """Train with 177 of 200 rows of one class and 3 of another; test with one class only."""
    splits = three_splits()
    train = [row | {"label": "ham"} for row in splits["train"]]
    for i, name in enumerate(["spam"] * 20 + ["rare"] * 3):
        train[7 * i]["label"] = name
    test = [row | {"label": "ham"} for row in splits["test"]]
    validation = [row | {"label": ("ham", "spam")[i % 2]} for i, row in enumerate(splits["validation"])]
    return {"train": train, "validation": validation, "test": test}


def test_missing_few_and_overwhelming_classes_are_found(imbalanced):
    findings = findings_of(imbalanced)
    assert {key: finding.count for key, finding in findings.items()} == {
        ("few_rows", "train"): 1,
        ("imbalance", "train"): 177,
        ("one_class", "test"): 2,
        ("missing_class", "validation"): 1,
    }
    assert "rare (3 rows)" in findings["few_rows", "train"].what
    assert findings["one_class", "test"].what == "test has one class only (ham)"
    assert findings["one_class", "test"].severity == "warning"
    assert findings["missing_class", "validation"].what == "validation has no rows of class rare"


def test_a_class_with_most_rows_is_found_unless_a_flag_against_it_is_given(imbalanced):
    train = {"train": imbalanced["train"]}
    finding = findings_of(train)["imbalance", "train"]
    assert "88% of the training rows are ham" in str(finding)
    assert set(finding.ids) == {row["id"] for row in imbalanced["train"] if row["label"] != "ham"}
    assert ("imbalance", "train") not in findings_of(train, has_imbalance_flag=True)


def test_a_label_of_most_rows_is_no_imbalance_where_rows_have_several():
    rows = [row | {"label": ["often", *(["seldom"] if i % 9 == 0 else [])]} for i, row in enumerate(clean(90, 1))]
    assert not [kind for kind, _ in findings_of({"train": rows}) if kind == "imbalance"]


def test_a_declared_class_without_rows_is_found():
    names = ("no", "yes", "never")
    findings = findings_of({"train": clean(60, 1)}, class_names=names)
    assert "no training rows of class never" in findings["missing_class", "train"].what
    test = [row | {"label": "no"} for row in clean(20, 2)]
    assert ("one_class", "test") in findings_of({"train": clean(60, 1), "test": test}, class_names=names)


def test_a_split_without_labels_lacks_no_class():
    test = [{"id": row["id"], "text": row["text"]} for row in clean(20, 2)]
    assert findings_of({"train": clean(60, 1), "test": test}) == {}
    numbers = [row | {"label": i % 7 + 0.5} for i, row in enumerate(clean(60, 1))]
    assert findings_of({"train": numbers, "test": clean(20, 2, (0.5, 1.5))}) == {}


def test_nearly_as_many_classes_as_rows_are_found():
    """An id or a text was taken for the label."""
    rows = [row | {"label": f"c{i % 40}"} for i, row in enumerate(clean(60, 1))]
    finding = findings_of({"train": rows})["many_classes", "train"]
    assert finding.count == 40 and finding.severity == "warning"
    assert str(finding).startswith("train has 40 classes in 60 rows") and "--label_column_name" in finding.remedy
    few = [row | {"label": f"c{i % 20}"} for i, row in enumerate(clean(60, 1))]
    assert ("many_classes", "train") not in findings_of({"train": few})
