"""Repeats inside a split are counted by likeness."""

from __future__ import annotations

import random

import pytest
from planted import WORDS, clean, findings_of, near_copies, three_splits


@pytest.fixture
def splits():
    return three_splits()


def test_repeats_inside_a_split_are_counted_by_likeness(splits):
    train = splits["train"]
    for place in (10, 11, 12):
        train[place]["text"] = train[0]["text"]
    train[20]["text"] = train[1]["text"].upper() + " .."
    train[21]["text"] = f"<p>{train[2]['text']}</p>"
    long = " ".join(random.Random(9).choices(WORDS, k=60)).split()
    train[30]["text"], train[31]["text"] = " ".join(long), " ".join([*long[:30], "other", *long[31:]])
    train[30]["label"] = train[31]["label"]
    findings = findings_of(splits)
    counts = {key: (finding.count, set(finding.ids)) for key, finding in findings.items()}
    assert counts.pop(("markup", "train"))[0] == 1
    counts.pop(("conflicting_labels", "train"), None)  # labels are random
    assert counts == {
        ("exact_duplicates", "train"): (3, {"s1-10", "s1-11", "s1-12"}),
        ("normalised_duplicates", "train"): (2, {"s1-20", "s1-21"}),
        ("near_duplicates", "train"): (1, {"s1-31"}),
    }
    exact, near = findings["exact_duplicates", "train"], findings["near_duplicates", "train"]
    assert exact.what == "3 of 200 rows of train repeat an earlier row, byte for byte"
    assert near.what == "1 of 200 rows of train repeats an earlier row, nearly identical"
    assert (exact.severity, near.severity) == ("warning", "note")  # more than 1% of the rows, and less
    assert exact.examples[0].startswith("s1-0 = s1-10: ") and "--drop_duplicates" in exact.remedy


def test_nearly_equal_rows_of_different_classes_are_no_repeats():
    rows = [row | {"label": ("no", "yes")[row["id"].endswith("copy")]} for row in near_copies(30)]
    random.Random(0).shuffle(rows)
    assert findings_of({"train": rows}) == {}


def test_questions_about_one_long_text_are_no_repeats():
    """Pairs are near copies only if both of their texts are."""
    draw, rows = random.Random(0), []
    for passage in range(12):
        text = " ".join(draw.choices(WORDS, k=90))
        for i in range(5):
            question, label = " ".join(draw.choices(WORDS, k=8)), draw.choice("ab")
            rows.append({"id": f"{passage}-{i}", "text": text, "text_pair": question, "label": label})
    draw.shuffle(rows)
    train, test = rows[:40], rows[40:]
    assert findings_of({"train": train, "test": test}) == {}
    question = train[3]["text_pair"].split()
    test[1] |= train[3] | {"id": "copy", "text": train[3]["text"] + " more"}
    test[1]["text_pair"] = " ".join([*question[:7], "other"])
    assert findings_of({"train": train, "test": test}) == {}
    test[1]["text_pair"] = train[3]["text_pair"].upper()
    assert findings_of({"train": train, "test": test})["near_duplicates", "train, test"].count == 1


def test_signs_with_a_meaning_make_another_text():
    texts = [
        "it rained :)",
        "it rained :(",
        "I use C++ a lot",
        "I use C# a lot",
        "-5 of them",
        "5 of them",
        "5 of them?",
    ]
    rows = clean(60, 1) + [{"id": text, "text": text, "label": ("no", "yes")[i % 2]} for i, text in enumerate(texts)]
    rows += [{"id": "stars", "text": "⭐⭐", "label": "yes"}, {"id": "star", "text": "⭐", "label": "no"}]
    assert findings_of({"train": rows}) == {}
