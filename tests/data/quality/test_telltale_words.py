"""A word whose presence predicts the label is found, for every kind of task."""

from __future__ import annotations

import pytest
from planted import by_kind, clean, inspected

from classification.data.quality.telltale_words import find_telltale_words


def findings_of(rows: list[dict]) -> dict:
    return by_kind(find_telltale_words(inspected({"train": rows})))


@pytest.mark.parametrize("labels", ["classes", "several", "numbers"])
def test_a_word_that_predicts_the_label_is_found(labels):
    rows = clean(200, 1)
    for row in rows:
        is_yes = row["label"] == "yes"
        row["text"] += " telltale" if is_yes else ""
        row["label"] = {"classes": row["label"], "several": ["yes"] if is_yes else [], "numbers": 0.5 * is_yes}[labels]
        row["label"] = ["every", *row["label"]] if labels == "several" and len(row["text"]) % 2 else row["label"]
    holders = [row for row in rows if "telltale" in row["text"]]
    finding = findings_of(rows)["telltale_word", "train"]
    assert finding.count == len(holders) and finding.ids == tuple(row["id"] for row in holders)
    assert "the word 'telltale'" in finding.what
    for row in holders[::4]:  # now the word is in three of four
        row["text"] = row["text"].removesuffix(" telltale")
    assert findings_of(rows) == {}


def test_of_two_labels_that_exclude_each_other_one_is_reported():
    rows = [row | {"text": row["text"] + " telltale" * (row["label"] == "yes")} for row in clean(200, 1)]
    (finding,) = find_telltale_words(inspected({"train": rows}))
    assert "gives the label no away (in train, 0 of the 94 rows with the word have the label" in finding.what
    assert "and 106 of the 106 rows without it" in finding.what
    rows = [row | {"label": [row["label"]]} for row in rows]  # two labels per row are allowed, but no row has two
    assert len(find_telltale_words(inspected({"train": rows}))) == 1


def test_a_word_of_a_few_rows_is_no_finding():
    rows = [row | {"label": ("no", "yes")[i < 9]} for i, row in enumerate(clean(200, 1))]
    rows = [row | {"text": row["text"] + " telltale" * (row["label"] == "yes")} for row in rows]
    assert findings_of(rows) == {}


def test_the_second_text_of_a_pair_counts_too():
    rows = [row | {"text_pair": "telltale" if row["label"] == "yes" else "other"} for row in clean(200, 1)]
    finding = findings_of(rows)["telltale_word", "train"]
    assert set(finding.ids) in ({row["id"] for row in rows if row["label"] == label} for label in ("yes", "no"))
