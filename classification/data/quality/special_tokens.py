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
from classification.data.quality.token_batches import flat_ids, lengths, sequence_batches
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


def check_end_tokens(encoded: DatasetDict, splits: DatasetDict, model: PreTrainedModel) -> None:
    """Refuse rows whose number of end tokens differs, or is zero, for a model that reads a text at its end token.

    Args:
        encoded: the splits as token ids.
        splits: the same rows as texts.

    Raises:
        UsageError: names the rows.
    """
    if model.config.model_type not in COUNT_END_TOKENS:
        return
    usual: int | None = None
    for split, rows in encoded.items():
        counts, row_numbers = count_end_tokens(rows, model.config.eos_token_id)
        usual = int(np.bincount(counts).argmax()) if usual is None else usual
        odd = sorted(set(row_numbers[(counts != usual) | (counts == 0)].tolist()))
        if odd:
            raise UsageError(describe_odd_rows(split, splits[split].select(odd), usual, model))


def count_end_tokens(encoded: Dataset, end: int) -> tuple[np.ndarray, np.ndarray]:
    """End tokens of each sequence that the model reads (a text, or one of its windows), and the row of each."""
    counts, row_numbers = [], []
    for first, sequences, rows in sequence_batches(encoded):
        owners = np.repeat(np.arange(len(sequences)), lengths(sequences))
        counts.append(np.bincount(owners[flat_ids(sequences) == end], minlength=len(sequences)))
        row_numbers.append(first + rows)
    return np.concatenate(counts), np.concatenate(row_numbers)


def describe_odd_rows(split: str, odd: Dataset, usual: int, model: PreTrainedModel) -> str:
    """The error for rows whose number of end tokens is not the usual one."""
    kind, rows = model.config.model_type, f"{quantity(len(odd), 'row')} of {split}"
    ids = f"ids {join_first(odd['id'])}"
    if usual and "text_pair" in odd.column_names:
        return (
            f"--text_column_names: the second text of {rows} is blank ({ids}), and a {kind} model needs the same "
            "number of end tokens in every row. Fill these texts, remove the rows, or join both texts with "
            "--text_column_delimiter ' '."
        )
    return (
        f"--tokenizer_name: {rows} {agree(len(odd), 'have')} no end token (id {model.config.eos_token_id}), or another "
        f"number of them than the other rows ({ids}), and a {kind} model reads a text at that token. Name the "
        "tokenizer that was trained with this model."
    )
