"""Texts packed into blocks: every token is there, in order, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from corpus import make_rows
from datasets import Dataset
from helpers import assert_refused, make_tokenizer

from classification.data.encoding import Encoding
from classification.errors import UsageError
from classification.training.packed_texts import Frame, packed_blocks, tokenise

WORDS = 64  # rows of the embeddings of the tiny model


@pytest.fixture
def tokenizer():
    return make_tokenizer(mask_token="[MASK]")


def texts_of(count: int, seed: int = 1) -> Dataset:
    return Dataset.from_dict({"text": [row["text"] for row in make_rows(count, seed)]})


def pack_texts(texts, tokenizer, length, **changes):
    return packed_blocks(texts, tokenizer, Encoding(), length, "train", **{"vocabulary": WORDS} | changes)


@pytest.mark.parametrize("length", [3, 8, 31, 64])
def test_no_token_is_lost_but_those_of_the_last_unfinished_block(tokenizer, length):
    texts = texts_of(40)
    blocks = pack_texts(texts, tokenizer, length)
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    stream = []
    for text in texts["text"]:
        stream += [*tokenizer(text, add_special_tokens=False)["input_ids"], sep]
    assert blocks.shape == (len(stream) // (length - 2), length) and blocks.dtype == np.int32
    assert (blocks[:, 0] == cls).all() and (blocks[:, -1] == sep).all()
    inside = blocks[:, 1:-1].ravel().tolist()
    assert inside == stream[: len(inside)] and len(stream) - len(inside) < length - 2


def test_a_text_is_not_cut_at_the_length_that_the_model_reads(tokenizer):
    long = " ".join(["good", "film"] * 500)
    blocks = pack_texts(Dataset.from_dict({"text": [long]}), tokenizer, 12)
    assert (blocks[:, 1:-1] != tokenizer.sep_token_id).all() and len(blocks) == 1001 // 10


def test_the_texts_of_a_pair_are_neighbours(tokenizer):
    pairs = Dataset.from_dict({"text": ["good film", "bad"], "text_pair": ["a room", "the book"]})
    ids = tokenizer.convert_tokens_to_ids
    sep = "[SEP]"
    assert pack_texts(pairs, tokenizer, 12)[0, 1:-1].tolist() == ids(
        ["good", "film", sep, "a", "room", sep, "bad", sep, "the", "book"]
    )


def test_the_frame_is_that_of_the_tokenizer(tokenizer):
    frame = Frame.from_tokenizer(tokenizer)
    assert frame == Frame((tokenizer.cls_token_id,), (tokenizer.sep_token_id,), tokenizer.sep_token_id)


def test_texts_are_tokenised_once(tokenizer, tmp_path, caplog):
    caplog.set_level("INFO")
    frame, encoding = Frame.from_tokenizer(tokenizer), Encoding(cache_dir=str(tmp_path))
    first, again = (tokenise(texts_of(20), tokenizer, frame, encoding) for _ in range(2))
    assert first["input_ids"] == again["input_ids"]
    assert "texts: miss" in caplog.text and "texts: hit" in caplog.text


def test_texts_shorter_than_a_block_are_refused_and_the_length_in_the_message_works(tokenizer):
    texts = Dataset.from_dict({"text": ["good film", "bad"]})
    words = ("--max_seq_length 64", "2 texts of train", "5 tokens", "--max_seq_length 7")
    assert_refused(words, pack_texts, texts, tokenizer, 64)
    assert len(pack_texts(texts, tokenizer, 7)) == 1
    with pytest.raises(UsageError, match="--max_seq_length 8"):
        pack_texts(texts, tokenizer, 8)


def test_a_length_without_room_for_a_text_is_refused(tokenizer):
    assert_refused(("--max_seq_length 2", "Pass at least 3"), pack_texts, texts_of(5), tokenizer, 2)
    assert len(pack_texts(texts_of(5), tokenizer, 3))


def test_tokens_that_the_model_does_not_know_are_refused(tokenizer):
    with pytest.raises(UsageError, match="the model knows 6 tokens.*--tokenizer_name"):
        pack_texts(texts_of(5), tokenizer, 8, vocabulary=6)


def test_a_tokenizer_without_a_mask_token_is_refused():
    assert_refused(("no mask token", "Name an encoder"), Frame.from_tokenizer, make_tokenizer())
