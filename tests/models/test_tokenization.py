"""Tokenizer and model agree on padding, segments and length, or the pair is refused."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
import zoo
from helpers import make_bert, make_tokenizer

from classification.errors import UsageError
from classification.models.tokenization import check_length, longest_input

TEXTS = ["good", "the room was bad and the book was very dull not fine"]


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "gpt2", "llama", "qwen2"])
def test_padding_is_on_the_right_whatever_side_a_tokenizer_had(architecture, tmp_path):
    """On the left the positions would shift, and with them the logits."""
    logits = []
    for side in ("left", "right"):
        folder = tmp_path / side
        zoo.save_pretrained(architecture, folder)
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"padding_side": side}))
        assert transformers.AutoTokenizer.from_pretrained(folder).padding_side == side
        loaded = zoo.load(folder)
        assert loaded.tokenizer.padding_side == "right"
        logits.append(zoo.scores(loaded, TEXTS))
    assert torch.equal(*logits)


def test_a_tokenizer_without_pad_and_end_token_is_refused(tmp_path):
    make_bert().bert.save_pretrained(tmp_path)
    tokenizer = make_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="has no pad token, and there is no end-of-text token.*--tokenizer_name"):
        zoo.load(tmp_path)


def test_a_pad_token_that_only_the_tokenizer_has_is_replaced(tmp_path):
    """Common for decoders: its id is beyond the embeddings, so that the first uneven batch would fail."""
    zoo.save_pretrained("gpt2", tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(tmp_path / "model")
    loaded = zoo.load(tmp_path / "model")
    assert zoo.lines_of(loaded)["padding"] == "with <|endoftext|>: the model has no embedding for [PAD]"
    loaded.tokenizer.save_pretrained(tmp_path / "out")
    saved = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert saved.pad_token == "<|endoftext|>" and loaded.model.config.pad_token_id == saved.pad_token_id
    assert zoo.scores(loaded, TEXTS).isfinite().all()


def test_positions_that_are_counted_from_another_pad_token_are_refused(tmp_path):
    """RoBERTa counts from the id of its pad token: a tokenizer that pads with 0 would shift them after reloading."""
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="--tokenizer_name .*: pads with token 0.* its own pad token, 1"):
        zoo.load(zoo.saved("roberta"), tokenizer_name=str(tmp_path))


@pytest.mark.parametrize(("architecture", "warns"), [("gpt2", True), ("llama", False), ("bert", False)])
def test_a_pair_without_a_token_between_its_texts_is_a_warning(architecture, warns):
    lines = zoo.lines_of(zoo.load(zoo.saved(architecture), pairs=True))
    assert ("--text_column_delimiter ' | '" in lines.get("", "")) == warns


@pytest.mark.parametrize(("pairs", "words"), [
    (False, []), (True, ["--max_seq_length 4: 3 of", "two texts", "at least 5"]),
])  # fmt: skip
def test_a_length_without_room_for_the_texts_is_refused(pairs, words, tiny_model):
    if not words:
        assert zoo.load(tiny_model, max_length=4, pairs=pairs).tokenizer.model_max_length == 4
        return
    with pytest.raises(UsageError) as refused:
        zoo.load(tiny_model, max_length=4, pairs=pairs)
    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize(("changes", "limit"), [({}, 64), ({"max_position_embeddings": 40}, 40)])
@pytest.mark.parametrize(("architecture", "offset"), [("bert", 0), ("roberta", 2)])
def test_the_longest_input_follows_from_the_position_table(architecture, offset, changes, limit):
    """RoBERTa's positions start behind the padding index: 514 are 512 tokens."""
    expected = limit - offset if changes else limit
    loaded = zoo.load(zoo.saved(architecture, **changes), max_length=16)
    loaded.tokenizer.model_max_length = int(1e30)
    assert longest_input(loaded.model, loaded.tokenizer) == expected
    check_length(expected, expected)
    with pytest.raises(UsageError, match=f"--max_seq_length {expected + 1}.*at most {expected}"):
        check_length(expected + 1, expected)
