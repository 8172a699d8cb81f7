"""Documents in windows: a batch of them, their mean, and the row that fills a gap."""

from __future__ import annotations

import pytest
import torch
from corpus import splits_of
from helpers import make_tokenizer
from transformers import DataCollatorWithPadding

from classification.data.windows import (
    COUNTS,
    IGNORED,
    WindowCollator,
    documents_of_windows,
    in_parts,
    pool_windows,
    with_padding_row,
)


def test_the_collator_puts_windows_into_one_batch():
    rows = [{"input_ids": [[1, 2, 3]], "attention_mask": [[1] * 3], "labels": 1},
            {"input_ids": [[4, 5], [5, 6]], "attention_mask": [[1] * 2] * 2, "labels": 0}]  # fmt: skip
    batch = WindowCollator(DataCollatorWithPadding(make_tokenizer()))(rows)
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 5, 0], [5, 6, 0]]
    assert batch[COUNTS].tolist() == [1, 2] and batch["labels"].tolist() == [1, 0]


def test_columns_that_are_no_windows_do_not_disturb():
    rows = [{"input_ids": [[1, 2, 3]], "attention_mask": [[1] * 3], "full_length": 3, "read_length": 3}]
    batch = WindowCollator(DataCollatorWithPadding(make_tokenizer()))(rows)
    assert set(batch) == {"input_ids", "attention_mask", COUNTS}


def test_every_window_knows_its_document_and_the_mean_is_over_them():
    counts, logits = torch.tensor([1, 3]), torch.tensor([[1.0], [2.0], [3.0], [7.0]])
    assert documents_of_windows(counts, 4).tolist() == [0, 1, 1, 1]
    assert pool_windows(logits, counts).tolist() == [[1.0], [4.0]]
    assert pool_windows(logits, None) is logits
    half = pool_windows(logits.bfloat16(), counts)
    assert half.dtype == torch.float32


def test_a_batch_is_cut_into_parts():
    parts = list(in_parts({"input_ids": torch.arange(5), "attention_mask": torch.ones(5)}, 2))
    assert [part["input_ids"].tolist() for part in parts] == [[0, 1], [2, 3], [4]]
    assert all(len(part["attention_mask"]) == len(part["input_ids"]) for part in parts)


@pytest.mark.parametrize(("label", "ignored"), [(1, IGNORED), ([1.0, 0.0], [IGNORED, IGNORED]), (0.5, IGNORED)])
def test_the_padding_row_has_a_label_that_is_ignored(label, ignored):
    rows = splits_of([{"input_ids": [1, 2], "labels": label}, {"input_ids": [3], "labels": label}])["train"]
    filled = with_padding_row(rows)
    assert filled["labels"] == [label, label, ignored] and filled["input_ids"] == [[1, 2], [3], [1, 2]]
    assert filled.features == rows.features
