"""What the training data of a model looked like, for data_statistics.json beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from classification.data.corpus import Corpus, text_columns
from classification.data.labels import LabelSpace
from classification.data.statistics_format import statistics_content
from classification.data.text_sums import MEASURED, TextSums, spread_rows, total
from classification.data.unknown_tokens import unknown_shares
from classification.messages.shown_texts import are_texts_shown

READ = ("input_ids", "full_length")
SAMPLED = 20_000  # rows of train whose tokens are counted; of more rows an even sample


def training_statistics(corpus: Corpus, encoded: Dataset, tokenizer: PreTrainedTokenizerBase, task: LabelSpace) -> str:
    """The content of data_statistics.json.

    Args:
        encoded: train as token ids.
    """
    train = corpus.splits["train"]
    rows = spread_rows(len(train), SAMPLED)
    sums = sums_of_rows(train.select(rows), encoded.select(rows), tokenizer)
    sums = replace(sums, classes=task.counts(train["label"][:]), answered=len(train))
    content = statistics_content(
        sums, rows=len(train), columns=corpus.columns.as_dict(), pairs=corpus.has_pairs, languages=are_texts_shown()
    )
    return as_text(content)


def sums_of_rows(rows: Dataset, encoded: Dataset, tokenizer: PreTrainedTokenizerBase) -> TextSums:
    """The sums of rows without their labels."""
    names, tokens = text_columns(rows), encoded.select_columns([*READ])
    texts = rows.select_columns(names)
    parts = []
    for start in range(0, len(rows), MEASURED):
        place = slice(start, start + MEASURED)
        content, columns = texts[place], tokens[place]
        unknown = unknown_shares(columns.pop("input_ids"), tokenizer)
        parts.append(TextSums.of(*map(content.get, names), unknown=unknown, full_lengths=columns["full_length"]))
    return total(parts)


def as_text(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair in the name of a label
        text = json.dumps(content, indent=2) + "\n"
    return text
