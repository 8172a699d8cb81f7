"""The share of unknown tokens is one of the text: what surrounds a text does not count."""

from __future__ import annotations

import pytest
from helpers import make_tokenizer

from classification.data.unknown_tokens import unknown_shares


def shares(tokenizer, *texts) -> list[float]:
    return unknown_shares(tokenizer(list(texts))["input_ids"], tokenizer).tolist()


def test_the_tokens_around_a_text_do_not_count():
    assert shares(make_tokenizer(), "good zzz", "zzz", "good good", "") == [0.5, 1.0, 0.0, 0.0]


def test_windows_count_together():
    tokenizer = make_tokenizer()
    window = tokenizer("good zzz")["input_ids"]
    assert unknown_shares([[window, window]], tokenizer).tolist() == [0.5]


@pytest.mark.parametrize("token", [None, "[SEP]"])
def test_a_tokenizer_without_an_unknown_token_of_its_own_knows_everything(token):
    tokenizer = make_tokenizer()
    tokenizer.unk_token = token
    assert shares(tokenizer, "good zzz") == [0.0]


def test_no_rows_are_no_error():
    assert unknown_shares([], make_tokenizer()).shape == (0,)
