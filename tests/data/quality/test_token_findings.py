"""Unknown tokens, unread tokens and ids outside the embeddings: counted per split, with examples."""

from __future__ import annotations

import numpy as np
import pytest
import zoo
from corpus import long_rows, make_rows, splits_of
from datasets import Dataset, DatasetDict
from helpers import make_bert, make_tokenizer

from classification.data.encoding import encode_batch, encoded_features
from classification.data.quality import token_batches
from classification.data.quality.token_findings import TokenStatistics, check_ids, inspect_tokens, token_ids
from classification.data.truncation import Truncation
from classification.errors import UsageError


def encode(splits: DatasetDict, tokenizer, truncation: Truncation, max_length: int) -> DatasetDict:
    options = {"tokenizer": tokenizer, "max_length": max_length, "truncation": truncation}
    features = encoded_features(tokenizer, truncation)
    return DatasetDict(
        {name: Dataset.from_dict(encode_batch(data[:], **options), features) for name, data in splits.items()}
    )


def statistics_of(splits: DatasetDict, tokenizer, strategy="head", max_length=16) -> TokenStatistics:
    truncation = Truncation(strategy)
    return inspect_tokens(encode(splits, tokenizer, truncation, max_length), splits, tokenizer, truncation)


# -------------------------------------------------------------------------------------------------- unknown tokens


@pytest.mark.parametrize("strategy", ["head", "window"])
def test_a_vocabulary_without_the_language_is_found_with_examples(strategy):
    """An English WordPiece vocabulary on Chinese: every character becomes [UNK]."""
    rows = [{"id": str(i), "text": text} for i, text in enumerate(["餐厅服务太差", "好吃 good"] * 12)]
    facts, (finding,) = statistics_of(splits_of(rows), zoo.make_tokenizer("bert"), strategy)
    # 餐厅服务太差 are 6 unknown tokens, 好 is in the vocabulary, 吃 is not, good is: 7 of 9.
    assert facts["train"]["tokens_unknown"] == pytest.approx(7 / 9)
    assert (finding.kind, finding.severity, finding.count) == ("unknown_tokens", "warning", 7 * 12)
    assert (
        "78% of the tokens of train are [UNK], the token for text that the model does not know, for example '"
        in finding.what
    )
    assert all(f"'{word}'" in finding.what for word in "餐厅") and "bert-base-chinese" in finding.remedy
    assert finding.ids == tuple(map(str, range(24)))


def test_few_unknown_tokens_are_no_finding():
    rows = [row | {"text": row["text"] + (" 吃" if i % 3 == 0 else "")} for i, row in enumerate(make_rows(60))]
    facts, findings = statistics_of(splits_of(rows), zoo.make_tokenizer("bert"))
    assert 0 < facts["train"]["tokens_unknown"] < 0.05 and findings == []


def test_a_tokenizer_of_bytes_knows_everything():
    rows = [row | {"text": "餐厅服务太差"} for row in make_rows(60)]
    facts, findings = statistics_of(splits_of(rows), zoo.make_tokenizer("gpt2"), max_length=64)
    assert facts["train"]["tokens_unknown"] == 0 and findings == []


def test_rows_of_unknown_tokens_are_found_across_batches(monkeypatch):
    monkeypatch.setattr(token_batches, "BATCH", 4)
    rows = [row | {"text": "odd strange" if i in (1, 5, 9) else "good film"} for i, row in enumerate(make_rows(10))]
    _, (finding,) = statistics_of(splits_of(rows), make_tokenizer())
    assert finding.ids == ("r0-1", "r0-5", "r0-9") and finding.count == 6
    assert "'odd', 'strange'" in finding.what


# --------------------------------------------------------------------------------------------------- unread tokens


def test_the_summary_counts_what_is_not_read():
    splits, tokenizer = splits_of(long_rows(48, 1)), make_tokenizer()
    truncation = Truncation("head_tail")
    encoded = encode(splits, tokenizer, truncation, 16)
    statistics = inspect_tokens(encoded, splits, tokenizer, truncation)
    lengths = np.array([len(text.split()) + 2 for text in splits["train"]["text"]])
    share = 100 * np.maximum(lengths - 16, 0).sum() / lengths.sum()
    (line,) = statistics.summary(encoded, 16, truncation)
    cut = f"{(lengths > 16).sum()} rows ({100 * (lengths > 16).mean():.1f}%) are cut to 16 (head_tail), {share:.1f}%"
    assert line.topic == "tokens" and cut in line.text and f"longest {lengths.max()};" in line.text
    (finding,) = statistics.findings
    assert (finding.kind, finding.severity) == ("unread_tokens", "note")
    assert finding.count == len(finding.ids) == (lengths > 16).sum() and f"{share:.0f}% of the tokens" in finding.what
    assert "too long: the middle is cut off" in finding.what


def test_windows_read_everything():
    splits, tokenizer = splits_of(long_rows(48, 1)), make_tokenizer()
    truncation = Truncation("window")
    encoded = encode(splits, tokenizer, truncation, 16)
    statistics = inspect_tokens(encoded, splits, tokenizer, truncation)
    counts = [len(windows) for windows in encoded["train"]["input_ids"]]
    (line,) = statistics.summary(encoded, 16, truncation)
    assert f"48 rows in {sum(counts)} windows of 16, at most {max(counts)} per row" in line.text
    assert "0 rows (0.0%) are cut" in line.text and statistics.findings == []


def test_token_ids_come_in_batches_of_rows(monkeypatch):
    monkeypatch.setattr(token_batches, "BATCH", 3)
    for values in ([[1, 2], [3], [], [4, 5, 6]], [[[1, 2], [2, 3]], [[3]], [[4]], [[5], [6]]]):
        batches = list(token_ids(Dataset.from_dict({"input_ids": values})))
        flat = [token for row in values for part in row for token in (part if isinstance(part, list) else [part])]
        assert [start for start, _, _ in batches] == [0, 3]
        assert np.concatenate([ids for _, ids, _ in batches]).tolist() == flat
        owners = np.concatenate([start + rows for start, _, rows in batches]).tolist()
        assert owners == [i for i, row in enumerate(values) for part in row for _ in
                          (part if isinstance(part, list) else [part])]  # fmt: skip


# ------------------------------------------------------------------------------------------------- other tokenizers


def test_ids_outside_the_embeddings_are_refused():
    splits, tokenizer = splits_of(make_rows(8)), make_tokenizer()
    encoded = encode(splits, tokenizer, Truncation(), 16)
    check_ids(encoded, tokenizer, make_bert(), splits)
    with pytest.raises(UsageError, match="--tokenizer_name.*gives token id .*, but the model has 5 tokens"):
        check_ids(encoded, tokenizer, make_bert(vocab_size=5), splits)
