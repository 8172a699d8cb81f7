"""A fingerprint changes with the contents of a split or the behaviour of a tokenizer, and with nothing else."""

from __future__ import annotations

import pytest
from corpus import make_rows, splits_of
from datasets import Dataset
from helpers import make_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from classification.data.fingerprints import fingerprint, tokenizer_state


def test_only_texts_labels_and_their_order_count():
    rows = make_rows(6)
    data = splits_of(rows)["train"]
    same = splits_of([{"label": row["label"], "text": row["text"], "id": "other"} for row in rows])["train"]
    assert fingerprint(data) == fingerprint(same)
    changes = [rows[::-1], rows[:5], [row | {"text": row["text"] + " "} for row in rows],
               [row | {"label": "x"} for row in rows], [row | {"text_pair": "x"} for row in rows]]  # fmt: skip
    others = [fingerprint(splits_of(changed)["train"]) for changed in changes]
    assert len({fingerprint(data), *others}) == 1 + len(changes)


def hash_texts(*texts: str | None) -> str:
    return fingerprint(Dataset.from_dict({"text": list(texts)}))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["a\x1eb"], ["a", "b"]),
        (["good\x1e", "bad"], ["good", "\x1ebad"]),
        ([None], [""]),
        ([None], ["None"]),
        (["a", None], ["a"]),
        (["asb", "c"], ["a", "bsc"]),
        (["s\x00\x00\x00\x00\x00\x00\x00\x01b"], ["s", "b"]),
    ],
)
def test_no_text_hides_the_end_of_another(first, second):
    assert hash_texts(*first) != hash_texts(*second)


def test_a_label_is_not_its_text():
    texts = {"text": ["x", "y"]}
    labels = [[1, 0], ["1", "0"], [1.0, 0.0], [[1.0], [0.0]], [None, 0]]
    assert len({fingerprint(Dataset.from_dict(texts | {"label": label})) for label in labels}) == len(labels)


TEXTS = st.lists(st.none() | st.text(alphabet="ab\x1d\x1e\x1f\x00snr", max_size=4), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_two_contents_share_a_fingerprint_only_if_they_are_equal(first, second):
    same = first == second
    assert (hash_texts(*first) == hash_texts(*second)) is same
    pairs = [
        fingerprint(Dataset.from_list([{"text": "x", "text_pair": t} for t in texts])) for texts in (first, second)
    ]
    assert (pairs[0] == pairs[1]) is same and pairs[0] != hash_texts(*first)


def test_truncation_and_padding_of_earlier_calls_do_not_count():
    tokenizer, state = make_tokenizer(), tokenizer_state(make_tokenizer())
    tokenizer(["good", "good film"], truncation=True, max_length=3, padding=True)
    assert tokenizer_state(tokenizer) == state
    assert tokenizer_state(make_tokenizer(words=["new"])) != state
    tokenizer.truncation_side = "left"
    assert tokenizer_state(tokenizer) != state
