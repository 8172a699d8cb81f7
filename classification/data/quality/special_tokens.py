"""Special tokens that the texts contain as text, and models that count the tokens at the end of a text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetDict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.data.corpus import text_columns
from classification.data.encoding import structural_ids
from classification.data.findings import WARNING, Finding, agree, example_fields, quantity
from classification.errors import UsageError, join_first

COUNT_END_TOKENS = ("bart", "bigbird_pegasus", "mbart", "mt5", "mvp", "plbart", "t5", "umt5")  # model types


def find_special_tokens(splits: DatasetDict, tokenizer: PreTrainedTokenizerBase) -> Iterator[Finding]:
    """A finding per split whose texts contain tokens such as `[SEP]` or `</s>`, which `encode_batch` reads as text."""
    tokens = [str(token) for token in tokenizer.convert_ids_to_tokens(sorted(structural_ids(tokenizer)))]
    for split, data in splits.items():
        present, rows = set(), np.zeros(len(data), dtype=bool)
        for column in text_columns(data):
            texts = data.with_format("arrow")[:].column(column)
            for token in tokens:
                matches = pc.fill_null(pc.match_substring(texts, token), False)
                if pc.any(matches).as_py():
                    present.add(token)
                    rows |= np.asarray(pa.chunked_array(matches) if isinstance(matches, pa.Array) else matches)
        if present:
            yield special_tokens_finding(split, sorted(present), np.flatnonzero(rows).tolist(), data)


def special_tokens_finding(split: str, tokens: list[str], rows: list[int], data: Dataset) -> Finding:
    """The finding about the numbers of the rows of `data`, a split, that contain `tokens`."""
    return Finding(
        kind="special_tokens",
        severity=WARNING,
        split=split,
        count=len(rows),
        what=f"{quantity(len(rows), 'row')} of {split} {agree(len(rows), 'contain')} {join_first(tokens)} as text",
        why="it is read as ordinary text, and ends or separates nothing",
        remedy="For two texts per row, put them into two columns: --text_column_names a,b",
        **example_fields(data, rows),
    )


def check_end_tokens(splits: DatasetDict, model: PreTrainedModel) -> None:
    """Refuse pairs of which only some have a second text, for a model that needs the same number of end tokens per row.

    Raises:
        UsageError: names the rows.
    """
    if model.config.model_type not in COUNT_END_TOKENS:
        return
    for split, data in splits.items():
        if "text_pair" not in data.column_names:
            continue
        blank = [row for row, text in enumerate(data["text_pair"]) if not text.strip()]
        if 0 < len(blank) < len(data):
            raise UsageError(
                f"--text_column_names: the second text of {quantity(len(blank), 'row')} of {split} is blank (ids "
                f"{join_first(data.select(blank)['id'])}), and a {model.config.model_type} model needs the same number "
                "of end tokens in every row. Fill these texts, remove the rows, or join both texts with "
                "--text_column_delimiter ' '."
            )
