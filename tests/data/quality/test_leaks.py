"""Texts in two splits are counted by text and by likeness."""

from __future__ import annotations

import random

import pytest
from planted import WORDS, findings_of, three_splits


@pytest.fixture
def splits():
    return three_splits()


def test_leaks_between_splits_are_counted_by_text(splits):
    train, validation, test = splits.values()
    for i in range(4):
        test[i] |= {key: train[i][key] for key in ("text", "label")}
    test[5] |= {key: train[0][key] for key in ("text", "label")}  # a text that is in test twice
    test[6] |= {"text": train[6]["text"].title(), "label": train[6]["label"]}
    validation[7] |= {key: train[7][key] for key in ("text", "label")}
    validation[8] |= {key: test[8][key] for key in ("text", "label")}
    findings = findings_of(splits)
    assert {key: finding.count for key, finding in findings.items()} == {
        ("exact_duplicates", "train, test"): 4,
        ("normalised_duplicates", "train, test"): 1,
        ("exact_duplicates", "train, validation"): 1,
        ("exact_duplicates", "validation, test"): 1,
        ("exact_duplicates", "test"): 1,
    }
    leak = findings["exact_duplicates", "train, test"]
    assert set(leak.ids) == {"s1-0", "s1-1", "s1-2", "s1-3", "s3-0", "s3-1", "s3-2", "s3-3", "s3-5"}
    assert leak.what == "4 texts are in both train (4 rows) and test (5 rows), byte for byte"
    assert leak.severity == "warning" and "--drop_leaked" in leak.remedy
    assert leak.examples[0].startswith("s1-0 = s3-0: ")
    assert findings["exact_duplicates", "train, validation"].what.startswith("1 text is in both train (1 row)")
    assert findings["normalised_duplicates", "train, test"].what.startswith(
        "1 more text is in both train and test, identical apart from case"
    )


def test_a_leak_does_not_hide_the_near_leaks_of_its_text(splits):
    long = random.Random(9).choices(WORDS, k=60)
    splits["train"][0] |= {"text": " ".join(long), "label": "yes"}
    for place in range(6):  # the text itself, and five with a different word
        splits["test"][place] |= {
            "text": " ".join(long[:50] + ["other"] * (place > 0) + long[50 + place :]),
            "label": "yes",
        }
    findings = findings_of(splits)
    assert findings["exact_duplicates", "train, test"].count == 1
    assert findings["near_duplicates", "train, test"].count == 5
    assert {"s3-1", "s3-5"} <= set(findings["near_duplicates", "train, test"].ids)


def test_a_validation_set_split_off_train_is_counted_as_train(splits):
    train, validation, test = splits.values()
    validation[0] |= {key: validation[1][key] for key in ("text", "label")}
    validation[2] |= {key: test[2][key] for key in ("text", "label")}
    test[3] |= {key: train[3][key] for key in ("text", "label")}
    assert {key: finding.count for key, finding in findings_of(splits, split_off=True).items()} == {
        ("exact_duplicates", "train"): 1,
        ("exact_duplicates", "train, test"): 2,
    }


def test_near_copies_on_both_sides_of_the_split_are_leaks_into_validation(splits):
    long = random.Random(9).choices(WORDS, k=60)
    splits["train"][0] |= {"text": " ".join(long), "label": "yes"}
    splits["validation"][0] |= {"text": " ".join([*long, "other"]), "label": "yes"}
    assert {key: finding.count for key, finding in findings_of(splits, split_off=True).items()} == {
        ("near_duplicates", "train"): 1,
        ("near_duplicates", "train, validation"): 1,
    }
