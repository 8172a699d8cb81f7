"""The small sets of the other tasks are what their READMEs say, and no text leaks from train into test."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict

import pytest
from conftest import ROOT
from sklearn.feature_extraction.text import TfidfVectorizer

SETS = {
    "tickets": {"train": 360, "test": 120},
    "urgency": {"train": 320, "test": 120},
    "questions": {"train": 400, "test": 150},
}
TICKET_LABELS = ("billing", "delivery", "defect", "returns", "account", "praise")


def read(name: str, split: str) -> list[dict]:
    with (ROOT / "data" / name / f"{split}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def texts(name: str) -> dict[str, str]:
    """By id the text, or both of a pair, of train and test."""
    columns = ("question1", "question2") if name == "questions" else ("text",)
    return {
        row["id"]: " / ".join(row[column] for column in columns) for split in SETS[name] for row in read(name, split)
    }


@pytest.mark.parametrize("name", SETS)
def test_sizes_and_ids(name):
    assert {split: len(read(name, split)) for split in SETS[name]} == SETS[name]
    assert len(texts(name)) == sum(SETS[name].values())


@pytest.mark.parametrize(("name", "largest"), [("tickets", 0.35), ("urgency", 0.37), ("questions", 0.55)])
def test_no_two_texts_are_alike(name, largest):
    rows = texts(name)
    matrix = TfidfVectorizer().fit_transform(rows.values())
    cosine = (matrix @ matrix.T).toarray()
    cosine[range(len(rows)), range(len(rows))] = 0
    assert cosine.max() < largest


@pytest.mark.parametrize("name", ["tickets", "urgency"])
def test_no_two_texts_share_six_words_in_a_row(name):
    places = defaultdict(set)
    for row_id, text in texts(name).items():
        words = re.findall(r"[\w']+", text.lower())
        for start in range(len(words) - 5):
            places[tuple(words[start : start + 6])].add(row_id)
    assert not {gram: ids for gram, ids in places.items() if len(ids) > 1}


def test_no_question_occurs_twice():
    questions = [part.lower() for text in texts("questions").values() for part in text.split(" / ")]
    assert len(set(questions)) == len(questions) == 1100


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_shares_of_ticket_labels(split):
    rows = [row["labels"].split("|") if row["labels"] else [] for row in read("tickets", split)]
    shares = {name: sum(name in labels for labels in rows) / len(rows) for name in TICKET_LABELS}
    expected = {"delivery": 0.40, "defect": 0.34, "billing": 0.26, "returns": 0.25, "praise": 0.15, "account": 0.09}
    assert shares == pytest.approx(expected, abs=0.02)
    assert [name for labels in rows for name in labels if name not in TICKET_LABELS] == []
    sizes = Counter(min(len(labels), 3) for labels in rows)
    assert [sizes[count] / len(rows) for count in range(4)] == pytest.approx([0.08, 0.47, 0.33, 0.12], abs=0.01)


@pytest.mark.parametrize("split", ["train", "test"])
def test_urgency_is_spread_evenly_and_questions_are_half_and_half(split):
    values = [row["urgency"] for row in read("urgency", split)]
    assert all(re.fullmatch(r"\d\.\d|10\.0", value) for value in values)
    bins = Counter(min(int(float(value)), 9) for value in values)
    assert all(abs(bins[place] / len(values) - 0.1) < 0.01 for place in range(10))
    labels = Counter(row["label"] for row in read("questions", split))
    assert labels["same"] == labels["different"] == SETS["questions"][split] / 2
