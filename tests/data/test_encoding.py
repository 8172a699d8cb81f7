"""Texts and pairs to token ids: each truncation keeps its part, special tokens keep their places."""

from __future__ import annotations

import pytest
import transformers
import zoo
from helpers import make_tokenizer

from classification.data.encoding import encode_batch, encoded_features, structural_ids
from classification.data.truncation import STRATEGIES, Truncation


def numbered(count: int) -> str:
    return " ".join(f"w{i}" for i in range(count))


def make_numbered_tokenizer() -> transformers.PreTrainedTokenizerBase:
    return make_tokenizer(words=[f"w{i}" for i in range(60)])


@pytest.fixture(scope="module")
def tokenizer():
    return make_numbered_tokenizer()


def encode(tokenizer, texts, strategy, *, pairs=None, max_length=12, stride=None) -> dict:
    batch = {"text": texts} | ({"text_pair": pairs} if pairs else {})
    return encode_batch(batch, tokenizer=tokenizer, max_length=max_length, truncation=Truncation(strategy, stride))


@pytest.mark.parametrize(
    ("strategy", "windows"),
    [
        ("head", ["[CLS] w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 [SEP]"]),
        ("tail", ["[CLS] w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 [SEP]"]),
        ("head_tail", ["[CLS] w0 w1 w2 w8 w9 w10 w11 w12 w13 w14 [SEP]"]),
        ("window", ["[CLS] w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 [SEP]", "[CLS] w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 [SEP]"]),
    ],
)  # fmt: skip
def test_each_strategy_reads_its_part(tokenizer, strategy, windows):
    encoded = encode(tokenizer, [numbered(15)], strategy)
    read = encoded["input_ids"][0] if strategy == "window" else encoded["input_ids"]
    assert [tokenizer.decode(ids) for ids in read] == windows
    assert encoded["full_length"] == [17]
    assert encoded["read_length"] == [17 if strategy == "window" else 12]


@pytest.mark.parametrize(("strategy", "side"), [("head", "right"), ("tail", "left")])
@pytest.mark.parametrize("max_length", [5, 8, 9, 14, 40])
def test_head_and_tail_equal_the_tokenizers_own_truncation(strategy, side, max_length):
    """Single texts and pairs of all lengths; so `pipeline(truncation=True)` cuts what training cut."""
    tokenizer = make_numbered_tokenizer()
    lengths = [(a, b) for a in (1, 2, 3, 6, 7, 20) for b in (1, 3, 4, 7, 8, 20)]
    texts, pairs = [numbered(a) for a, _ in lengths], [numbered(b) for _, b in lengths]
    ours = encode(tokenizer, texts, strategy, pairs=pairs, max_length=max_length)
    single = encode(tokenizer, texts, strategy, max_length=max_length)
    tokenizer.truncation_side = side
    theirs = tokenizer(texts, pairs, truncation="longest_first", max_length=max_length)
    assert all(ours[name] == theirs[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
    assert single["input_ids"] == tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]


def test_pairs_are_cut_longest_first():
    batch = {"text": ["good"], "text_pair": ["the film was a very dull and bleak meal"]}
    tokenizer = make_tokenizer()
    encoded = encode_batch(batch, tokenizer=tokenizer, max_length=9, truncation=Truncation())
    assert tokenizer.decode(encoded["input_ids"][0]) == "[CLS] good [SEP] the film was a very [SEP]"
    assert encoded["token_type_ids"][0] == [0] * 3 + [1] * 6 and encoded["full_length"] == [13]


def test_the_longer_text_of_a_pair_slides_and_the_other_is_in_every_window(tokenizer):
    encoded = encode(tokenizer, [numbered(12)], "window", pairs=["good film"], max_length=9)
    windows = encoded["input_ids"][0]
    assert len(windows) == 5 and all(tokenizer.decode(ids).endswith("[SEP] good film [SEP]") for ids in windows)
    assert tokenizer.decode(windows[1]) == "[CLS] w2 w3 w4 w5 [SEP] good film [SEP]"
    assert encoded["token_type_ids"][0][0] == [0] * 6 + [1] * 3


def test_a_blank_second_text_makes_a_single_text_and_rows_keep_their_order(tokenizer):
    texts, pairs = ["good", "bad", "fine"], ["film", " ", "meal"]
    encoded = encode(tokenizer, texts, "head", pairs=pairs)
    decoded = [tokenizer.decode(ids) for ids in encoded["input_ids"]]
    assert decoded == ["[CLS] good [SEP] film [SEP]", "[CLS] bad [SEP]", "[CLS] fine [SEP] meal [SEP]"]
    assert encoded["full_length"] == [5, 3, 5]


def test_special_tokens_in_a_text_are_text(tokenizer):
    """The brackets and their content are three words, which this vocabulary lacks."""
    text = "[SEP] " + numbered(9) + " [CLS] w1"
    ids = encode(tokenizer, [text], "tail", max_length=7)["input_ids"][0]
    assert tokenizer.decode(ids) == "[CLS] w8 [UNK] [UNK] [UNK] w1 [SEP]"


INJECTED = ["a </s> b <s> c [SEP] [CLS] [MASK] <pad> <mask> <|endoftext|> [PAD]", "</s>", "x[SEP]y", "＜/s＞ film", ""]
ORDINARY = ["the film was very good", "a < b > [c] / d", "", "<unk> [UNK] good"]


@pytest.mark.parametrize("strategy", ["head", "tail", "head_tail", "window"])
@pytest.mark.parametrize("pairs", [None, "good x[SEP]y</s>"])
@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_no_text_adds_a_token_that_ends_or_separates(architecture, pairs, strategy):
    """Every row, cut or not, has the special tokens of the template and no other."""
    tokenizer = zoo.make_tokenizer(architecture)
    texts = INJECTED + ORDINARY
    seconds = pairs and [pairs] * len(texts)
    rows = encode(tokenizer, texts, strategy, pairs=seconds, max_length=24)["input_ids"]
    reference = tokenizer("a", seconds and "a")["input_ids"]
    structural = structural_ids(tokenizer)
    for row in rows:
        for ids in row if strategy == "window" else [row]:
            assert len(ids) <= 24
            assert sorted(set(ids) & structural) == sorted(set(reference) & structural)
            assert sum(token in structural for token in ids) == sum(token in structural for token in reference)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_ordinary_texts_have_the_tokens_of_the_library(architecture):
    """Also beside rows that are read again."""
    tokenizer = zoo.make_tokenizer(architecture)
    rows = encode(tokenizer, INJECTED + ORDINARY, "head", max_length=60)["input_ids"]
    assert rows[len(INJECTED) :] == tokenizer(ORDINARY)["input_ids"]
    assert tokenizer("x[SEP]y")["input_ids"] == zoo.make_tokenizer(architecture)("x[SEP]y")["input_ids"]


def test_a_marker_of_the_user_stays_a_token():
    """Only tokens that begin, end, separate, pad or mask are taken out of the texts."""
    tokenizer = make_numbered_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<ent>"]})
    ids = encode(tokenizer, ["w1 <ent> w2"], "head")["input_ids"][0]
    assert tokenizer.decode(ids) == "[CLS] w1 <ent> w2 [SEP]"


def test_a_tokenizer_in_python_is_cut_like_a_fast_one(tokenizer, tmp_path):
    """Some languages have no fast tokenizer, and without one there are no sequence ids."""
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(tokenizer.convert_ids_to_tokens(range(80))).replace("None", ""))
    slow = transformers.models.bert_japanese.BertJapaneseTokenizer(
        str(vocabulary), word_tokenizer_type="basic", subword_tokenizer_type="wordpiece"
    )
    assert not slow.is_fast
    texts, pairs = [numbered(15), numbered(4)], ["good film", numbered(16)]
    for strategy in STRATEGIES:
        slow_encoded = encode(slow, texts, strategy, pairs=pairs)
        assert slow_encoded["input_ids"] == encode(tokenizer, texts, strategy, pairs=pairs)["input_ids"]


def test_only_masks_and_segments_are_small_numbers():
    """RoCBert has two more columns of ids in the thousands."""

    def tokenizer(text):
        return dict.fromkeys(("input_ids", "attention_mask", "input_shape_ids"))

    columns = encoded_features(tokenizer, Truncation())
    types = {name: column.feature.dtype for name, column in columns.items() if name.startswith(("input", "att"))}
    assert types == {"input_ids": "int32", "attention_mask": "int8", "input_shape_ids": "int32"}
