"""Texts that contain special tokens are named, and so are pairs that a model with counted end tokens cannot read."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import zoo
from datasets import Dataset, DatasetDict
from helpers import assert_refused

from classification.data.findings import WARNING
from classification.data.quality.special_tokens import COUNT_END_TOKENS, check_end_tokens, find_special_tokens


def split_of(*texts: str, pairs=None) -> Dataset:
    columns = {"id": [f"r{i}" for i in range(len(texts))], "text": list(texts)}
    return Dataset.from_dict(columns | ({"text_pair": pairs} if pairs else {}))


@pytest.mark.parametrize(
    ("architecture", "present", "absent"),
    [("bert", "[SEP]", "</s>"), ("roberta", "</s>", "[SEP]"), ("gpt2", "<|endoftext|>", "[SEP]")],
)
def test_rows_with_special_tokens_of_this_tokenizer_are_named(architecture, present, absent):
    texts = ["good", f"good {present} film", absent, f"x{present}"]
    splits = DatasetDict(train=split_of("good", absent), test=split_of(*texts))
    (finding,) = find_special_tokens(splits, zoo.make_tokenizer(architecture))
    assert (finding.split, finding.count, finding.ids, finding.severity) == ("test", 2, ("r1", "r3"), WARNING)
    assert finding.what == f"2 rows of test contain {present} as text" and "--text_column_names a,b" in finding.remedy


def test_second_texts_are_searched_and_unknown_tokens_are_nothing_special():
    splits = DatasetDict(test=split_of("good", "[UNK]", "bad", pairs=["[PAD]", "film", "[CLS]"]))
    (finding,) = find_special_tokens(splits, zoo.make_tokenizer("bert"))
    assert finding.ids == ("r0", "r2") and "[CLS], [PAD]" in finding.what


END = 2


def model_of(kind: str) -> SimpleNamespace:
    return SimpleNamespace(config=SimpleNamespace(model_type=kind, eos_token_id=END))


def ids_of(*rows: list) -> Dataset:
    return Dataset.from_dict({"input_ids": list(rows)})


@pytest.mark.parametrize("kind", COUNT_END_TOKENS)
def test_pairs_of_which_some_are_single_are_refused_where_end_tokens_count(kind):
    splits = DatasetDict(test=split_of("a", "b", "c", pairs=["x", " ", ""]))
    encoded = DatasetDict(test=ids_of([0, 5, END, 6, END], [0, 5, END], [0, 5, END]))
    encoded["train"], splits["train"] = ids_of([5, END, 6, END]), split_of("d", pairs=["y"])
    encoded, splits = (DatasetDict(train=part["train"], test=part["test"]) for part in (encoded, splits))
    words = ["--text_column_names", "2 rows of test is blank (ids r1, r2)", kind, "--text_column_delimiter ' '"]
    assert_refused(words, check_end_tokens, encoded, splits, model_of(kind))


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        (([0, 5, END], [0, 5], [0, END, END], [6, END]), "r1, r2"),
        (([0, 5], [0], [0, 6]), "r0, r1, r2"),
        (([[0, END], [5, END]], [[0, END]], [[0, 5, END], [6]]), "r2"),
    ],
    ids=["some rows differ", "no row has one", "one window of a row"],
)
def test_rows_without_the_usual_end_tokens_are_named(rows, ids):
    words = ["--tokenizer_name", f"(ids {ids})", "bart", "id 2"]
    splits = DatasetDict(test=split_of("a", "b", "c", "d"))
    assert_refused(words, check_end_tokens, DatasetDict(test=ids_of(*rows)), splits, model_of("bart"))


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("bert", ([0, END], [0])), ("bart", ([0, END], [5, END])), ("bart", ([[0, END], [END]], [[END]]))],
)
def test_equal_end_tokens_and_other_models_are_fine(kind, rows):
    check_end_tokens(DatasetDict(test=ids_of(*rows)), DatasetDict(test=split_of("a", "b")), model_of(kind))
