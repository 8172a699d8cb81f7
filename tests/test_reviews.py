"""The shipped data set is what its README says: balanced, varied, and no text leaks from one split into another."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict

import pytest
from conftest import ROOT
from sklearn.feature_extraction.text import TfidfVectorizer

FOLDER = ROOT / "data" / "reviews"
SIZES = {"train": 400, "validation": 100, "test": 150}
PHENOMENA = {"negation", "irony", "mixed", "context", "ambiguous word", "plain"}


def read(split: str) -> list[dict]:
    with (FOLDER / f"{split}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def reviews() -> list[dict]:
    return [row | {"split": split} for split in SIZES for row in read(split)]


@pytest.mark.parametrize("split", SIZES)
def test_each_split_has_its_size_and_as_many_of_each_label(split):
    rows = read(split)
    assert Counter(row["label"] for row in rows) == dict.fromkeys(("negative", "positive"), SIZES[split] // 2)
    subjects = Counter(row["id"].partition("-")[0] for row in rows)
    assert subjects == dict.fromkeys(("film", "restaurant", "hotel", "book", "gadget"), SIZES[split] // 5)
    expected = ["id", "text", "label"] + ["phenomenon"] * (split == "test")
    assert list(rows[0]) == expected


def test_every_phenomenon_has_both_labels():
    counts = Counter((row["phenomenon"], row["label"]) for row in read("test"))
    assert {phenomenon for phenomenon, _ in counts} == PHENOMENA
    assert len(counts) == 12 and min(counts.values()) >= 10


def test_reviews_have_15_to_120_words_and_ids_of_their_own(reviews):
    assert len({row["id"] for row in reviews}) == len(reviews)
    for row in reviews:
        assert 15 <= len(row["text"].split()) <= 120, row["id"]


def test_no_two_reviews_share_five_words_in_a_row(reviews):
    places = defaultdict(set)
    for row in reviews:
        words = re.findall(r"[\w']+", row["text"].lower().replace("’", "'"))
        for start in range(len(words) - 4):
            places[tuple(words[start : start + 5])].add(row["id"])
    assert not {gram: ids for gram, ids in places.items() if len(ids) > 1}


def test_no_two_reviews_are_alike(reviews):
    matrix = TfidfVectorizer().fit_transform([row["text"] for row in reviews])
    cosine = (matrix @ matrix.T).toarray()
    cosine[range(len(reviews)), range(len(reviews))] = 0
    assert cosine.max() < 0.35
