"""The shipped data sets are what their READMEs describe: sizes, labels, variety, and no text in two splits."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from functools import cache

import pytest
from helpers import ROOT
from sklearn.feature_extraction.text import TfidfVectorizer

from classification.cli.parser import parse_arguments
from data_utils import load_corpus

SETS = {
    "reviews": {"train": 400, "validation": 100, "test": 150},
    "tickets": {"train": 360, "test": 120},
    "urgency": {"train": 320, "test": 120},
    "questions": {"train": 400, "test": 150},
}
PHENOMENA = {"negation", "irony", "mixed", "context", "ambiguous word", "plain"}
TICKET_LABELS = ("billing", "delivery", "defect", "returns", "account", "praise")


@cache
def read(name: str, split: str) -> list[dict]:
    with (ROOT / "data" / name / f"{split}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def texts(name: str) -> dict[str, str]:
    """The text of each id, or both texts of a pair, of all splits."""
    columns = ("question1", "question2") if name == "questions" else ("text",)
    return {
        row["id"]: " / ".join(row[column] for column in columns) for split in SETS[name] for row in read(name, split)
    }


@pytest.mark.parametrize("preset", ["quickstart", "tickets", "urgency", "questions"])
def test_the_shipped_data_has_no_findings(preset, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    options = parse_arguments([str(ROOT / "presets" / f"{preset}.yaml"), "--output_dir", str(tmp_path / "out")])
    assert load_corpus(options).findings == ()


@pytest.mark.parametrize("name", SETS)
def test_sizes_and_ids(name):
    assert {split: len(read(name, split)) for split in SETS[name]} == SETS[name]
    assert len(texts(name)) == sum(SETS[name].values())  # no id twice, in no two splits


@pytest.mark.parametrize(
    ("name", "largest"), [("reviews", 0.35), ("tickets", 0.35), ("urgency", 0.37), ("questions", 0.55)]
)
def test_no_two_texts_are_alike(name, largest):
    rows = texts(name)
    matrix = TfidfVectorizer().fit_transform(rows.values())
    cosine = (matrix @ matrix.T).toarray()
    cosine[range(len(rows)), range(len(rows))] = 0
    assert cosine.max() < largest


@pytest.mark.parametrize(("name", "length"), [("reviews", 5), ("tickets", 6), ("urgency", 6)])
def test_no_two_texts_share_several_words_in_a_row(name, length):
    places = defaultdict(set)
    for row_id, text in texts(name).items():
        words = re.findall(r"[\w']+", text.lower().replace("’", "'"))
        for start in range(len(words) - length + 1):
            places[tuple(words[start : start + length])].add(row_id)
    assert not {gram: ids for gram, ids in places.items() if len(ids) > 1}


# ------------------------------------------------------------------------------------------------------------ reviews


@pytest.mark.parametrize("split", SETS["reviews"])
def test_reviews_have_equally_many_of_each_label_and_subject(split):
    rows, size = read("reviews", split), SETS["reviews"][split]
    assert Counter(row["label"] for row in rows) == dict.fromkeys(("negative", "positive"), size // 2)
    subjects = Counter(row["id"].partition("-")[0] for row in rows)
    assert subjects == dict.fromkeys(("film", "restaurant", "hotel", "book", "gadget"), size // 5)
    assert list(rows[0]) == ["id", "text", "label"] + ["phenomenon"] * (split == "test")


def test_every_phenomenon_has_both_labels():
    counts = Counter((row["phenomenon"], row["label"]) for row in read("reviews", "test"))
    assert {phenomenon for phenomenon, _ in counts} == PHENOMENA
    assert len(counts) == 12 and min(counts.values()) >= 10


def test_reviews_have_15_to_120_words():
    for row_id, text in texts("reviews").items():
        assert 15 <= len(text.split()) <= 120, row_id


# --------------------------------------------------------------------------------------- tickets, urgency, questions


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


def test_no_question_occurs_twice():
    questions = [part.lower() for text in texts("questions").values() for part in text.split(" / ")]
    assert len(set(questions)) == len(questions) == 1100
