"""The vocabulary of a model from scratch covers every script."""

from __future__ import annotations

from classification.models.bilstm_tokenizer import train_tokenizer


def test_every_script_has_pieces():
    """Neither Chinese nor Thai puts spaces between words."""
    texts = ["这部电影很好看", "这个酒店不好", "ราคาถูกมาก ราคาแพง", "とても良い映画でした", "Not a GOOD film"]
    tokenizer = train_tokenizer(texts * 2)
    for text in texts:
        assert tokenizer.unk_token not in tokenizer.tokenize(text)
    assert tokenizer.tokenize("电影好") == ["电", "影", "好"]
    assert tokenizer.tokenize("good") == tokenizer.tokenize("GOOD") == ["good"]


def test_the_texts_of_a_pair_are_separated():
    tokenizer = train_tokenizer(["good film"] * 2)
    encoding = tokenizer("good", "film")
    assert tokenizer.convert_ids_to_tokens(encoding["input_ids"]) == ["[CLS]", "good", "[SEP]", "film", "[SEP]"]
    assert encoding["token_type_ids"] == [0, 0, 0, 1, 1]
