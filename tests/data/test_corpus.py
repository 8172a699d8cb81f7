"""The corpus as a value: where its rows come from, and its summary."""

from __future__ import annotations

import pytest
from corpus import make_rows, splits_of
from hypothesis import given, settings
from hypothesis import strategies as st

from classification.data.corpus import Corpus, Source, pair_key, text_columns, text_keys
from classification.data.findings import NOTE, Finding
from classification.data.label_columns import encode_labels
from classification.data.tasks import infer_task


def test_the_summary_names_the_task_and_counts_the_rows():
    task = infer_task(["negative", "positive"])
    rows = make_rows(20)
    splits = encode_labels(splits_of(rows[:10], validation=rows[10:14]), task)
    dropped = Finding(kind="dropped_rows", severity=NOTE, split="train", count=2, what="2 rows of train were dropped",
                      why="", remedy="")  # fmt: skip
    corpus = Corpus(splits, task, "split off train", {"train": 50, "validation": 4}, (dropped,))
    assert [(line.topic, " ".join(line.text.split())) for line in corpus.summary()] == [
        ("task", "single-label, 2 classes: negative, positive"),
        ("rows", "train 10 drawn from 50"),
        ("rows", "validation 4 (split off train)"),
        ("rows", "of train negative 5, positive 5"),
        ("rows", "2 rows of train were dropped"),
        ("rows", "test 0 (none given)"),
    ]


def test_numbers_have_no_counts_and_a_test_split_is_counted():
    task = infer_task([0.5, 1.5])
    rows = [row | {"label": float(i)} for i, row in enumerate(make_rows(8))]
    splits = encode_labels(splits_of(rows[:6], test=rows[6:]), task)
    lines = Corpus(splits, task, "", {"train": 6, "test": 2}).summary()
    assert [line.text.split()[:2] for line in lines[1:]] == [["train", "6"], ["test", "2"]]


@pytest.mark.parametrize(
    ("rows", "columns", "keys"),
    [
        ([{"text": "a", "label": 1}], ["text"], ["a"]),
        ([{"text_pair": "b", "text": "a"}], ["text", "text_pair"], ["a\x1fb"]),
    ],
)
def test_text_columns_and_keys(rows, columns, keys):
    data = splits_of(rows)["train"]
    assert text_columns(data) == columns and text_keys(data) == keys


def test_a_source_knows_its_local_paths(tmp_path):
    assert Source(files={"train": "a.csv"}).paths == ["a.csv"] and not Source(files={"train": "a.csv"}).needs_hub
    local = Source(dataset_name=str(tmp_path))
    assert local.paths == [str(tmp_path)] and not local.needs_hub
    assert Source(dataset_name="imdb").needs_hub and Source(dataset_name="imdb").paths == []


@given(*[st.text(alphabet="a\x1f1", max_size=4)] * 4)
@settings(max_examples=200, deadline=None)
def test_two_pairs_share_a_key_only_if_they_are_equal(first, second, other, last):
    assert (pair_key(first, second) == pair_key(other, last)) is ((first, second) == (other, last))


def test_the_key_of_an_ordinary_pair_keeps_its_form():
    """The hash of the key decides the split: another form would move rows."""
    assert pair_key("a film", "a book") == "a film\x1fa book" and pair_key("a film") == "a film"
    assert pair_key("a\x1fb", "c") != pair_key("a", "b\x1fc")
