"""A fingerprint changes with the contents of a split or the behaviour of a tokenizer, and with nothing else."""

from __future__ import annotations

from corpus import make_rows, splits_of
from helpers import make_tokenizer

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


def test_truncation_and_padding_of_earlier_calls_do_not_count():
    tokenizer, state = make_tokenizer(), tokenizer_state(make_tokenizer())
    tokenizer(["good", "good film"], truncation=True, max_length=3, padding=True)
    assert tokenizer_state(tokenizer) == state
    assert tokenizer_state(make_tokenizer(words=["new"])) != state
    tokenizer.truncation_side = "left"
    assert tokenizer_state(tokenizer) != state
