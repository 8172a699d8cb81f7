"""Whether tokenizer, model and texts fit together: ids outside the embeddings, unknown tokens, tokens cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import pyarrow.compute as pc
import torch
from datasets import Dataset, DatasetDict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.data.corpus import text_columns
from classification.data.findings import NOTE, WARNING, Finding, agree, example_fields, quantity
from classification.data.quality.special_tokens import check_end_tokens, find_special_tokens
from classification.data.quality.token_batches import BATCH, token_ids
from classification.data.truncation import Truncation
from classification.errors import UsageError, join_first
from classification.messages.log import Line
from classification.messages.shown_texts import are_texts_shown, quoted

UNKNOWN_SHARE = 0.05  # of the tokens of a split; more is a finding
UNREAD_SHARE = 0.2
QUANTILES = {"least": 0, "25%": 25, "median": 50, "75%": 75, "95%": 95, "most": 100}
TEXTS_FOR_EXAMPLES = 200  # with unknown tokens
PARTS_CUT = {"head": "the end", "tail": "the beginning", "head_tail": "the middle"}  # by what a strategy keeps


class TokenFacts(TypedDict):
    """The tokens of one split."""

    tokens: dict[str, int]  # quantiles of the lengths, before the cut
    rows_cut: int
    tokens_not_read: float  # share
    tokens_unknown: float  # share of the tokens that are not special


class TokenStatistics(NamedTuple):
    """What the tokenizer makes of each split, and findings about it."""

    facts: dict[str, TokenFacts]
    findings: list[Finding]

    def summary(self, encoded: DatasetDict, max_length: int, truncation: Truncation) -> list[Line]:
        """One line per split: lengths, and how much of the texts the model does not read."""
        lines = []
        for split, rows in encoded.items():
            facts, tokens = self.facts[split], self.facts[split]["tokens"]
            cut = f"{quantity(facts['rows_cut'], 'row')} ({100 * facts['rows_cut'] / len(rows):.1f}%) "
            cut += agree(facts["rows_cut"], "are") + " cut"
            cut += f" to {max_length}" if not truncation.in_windows else ""
            if facts["rows_cut"]:
                cut += f" ({truncation.strategy}), {100 * facts['tokens_not_read']:.1f}% of the tokens not read"
            if truncation.in_windows:
                total, most = count_windows(rows)
                windows = f"{quantity(len(rows), 'row')} in {quantity(total, 'window')} of {max_length}"
                cut = f"{windows}, at most {most} per row; {cut}"
            lengths = f"median {tokens['median']}, 95% up to {tokens['95%']}, longest {tokens['most']}"
            lines.append(Line("tokens", f"{split:<10} {lengths}; {cut}"))
        return lines


def inspect_tokens(
    encoded: DatasetDict, splits: DatasetDict, tokenizer: PreTrainedTokenizerBase, truncation: Truncation
) -> TokenStatistics:
    """The facts of each split, and findings where more than 20% of its tokens are not read or more than 5% unknown.

    Args:
        encoded: the splits as token ids, with `full_length` and `read_length`.
        splits: the same rows as `id, text, text_pair?`.
    """
    statistics = TokenStatistics({}, [])
    for split, rows in encoded.items():
        full, read = numbers(rows, "full_length"), numbers(rows, "read_length")
        unknown = unknown_tokens(rows, tokenizer)
        facts: TokenFacts = {
            "tokens": quantiles(full),
            "rows_cut": int((full > read).sum()),
            "tokens_not_read": float((full - read).sum() / max(full.sum(), 1)),
            "tokens_unknown": unknown.share,
        }
        statistics.facts[split] = facts
        if unknown.share > UNKNOWN_SHARE:
            statistics.findings.append(unknown_finding(split, unknown, splits[split], tokenizer))
        if facts["tokens_not_read"] > UNREAD_SHARE:
            cut = np.flatnonzero(full > read).tolist()
            statistics.findings.append(
                unread_finding(split, cut, facts["tokens_not_read"], splits[split], truncation.strategy)
            )
    statistics.findings.extend(find_special_tokens(splits, tokenizer))
    return statistics


def quantiles(counts: Sequence[int] | np.ndarray) -> dict[str, int]:
    """The least, the median and others, by name."""
    return dict(zip(QUANTILES, np.percentile(counts, list(QUANTILES.values())).astype(int).tolist(), strict=True))


def check_ids(
    encoded: DatasetDict,
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    splits: DatasetDict,
) -> None:
    """Refuse ids outside the model's embeddings: the library would fail later, on a GPU without a reason.

    Args:
        splits: the same rows as texts.

    Raises:
        UsageError: names the tokenizer and both numbers of tokens; or as from `check_end_tokens`.
    """
    check_end_tokens(encoded, splits, model)
    embeddings = model.get_input_embeddings().weight
    assert isinstance(embeddings, torch.Tensor)
    num_embeddings = len(embeddings)
    for rows in encoded.values():
        largest = max((int(ids.max()) for _, ids, _ in token_ids(rows) if len(ids)), default=0)
        if largest >= num_embeddings:
            raise UsageError(
                f"--tokenizer_name {tokenizer.name_or_path}: gives token id {largest}, but the model has "
                f"{num_embeddings} tokens. Leave the flag out, or name the tokenizer of this model."
            )


def numbers(encoded: Dataset, column: str) -> np.ndarray:
    """A column of whole numbers, int32 [N], without a Python list of them."""
    return encoded.select_columns([column]).with_format("arrow")[:][column].to_numpy()


def count_windows(encoded: Dataset) -> tuple[int, int]:
    """The windows of all rows, and the most of one row."""
    batches = encoded.select_columns(["input_ids"]).with_format("arrow").iter(BATCH)
    counts = np.concatenate([pc.list_value_length(batch["input_ids"]).to_numpy() for batch in batches])
    return int(counts.sum()), int(counts.max())


class UnknownTokens(NamedTuple):
    """The rows with an unknown token, the number of unknown tokens, and their share of those that are not special."""

    rows: np.ndarray
    num_tokens: int
    share: float


def unknown_tokens(encoded: Dataset, tokenizer: PreTrainedTokenizerBase) -> UnknownTokens:
    special = list(set(tokenizer.all_special_ids) - {tokenizer.unk_token_id})
    rows_with_unknown, num_unknown, num_tokens = [np.empty(0, dtype=np.int64)], 0, 0
    for start, ids, rows in token_ids(encoded):
        is_text = ~np.isin(ids, special)
        unknown = rows[is_text & (ids == tokenizer.unk_token_id)]
        rows_with_unknown.append(start + np.unique(unknown))
        num_unknown += len(unknown)
        num_tokens += int(is_text.sum())
    return UnknownTokens(np.concatenate(rows_with_unknown), num_unknown, num_unknown / max(num_tokens, 1))


def unknown_finding(split: str, unknown: UnknownTokens, data: Dataset, tokenizer: PreTrainedTokenizerBase) -> Finding:
    """The finding about `data`, a split."""
    rows = unknown.rows.tolist()
    words = unknown_words(data.select(rows[:TEXTS_FOR_EXAMPLES]), tokenizer)
    return Finding(
        kind="unknown_tokens",
        severity=WARNING,
        split=split,
        count=unknown.num_tokens,
        what=f"{100 * unknown.share:.0f}% of the tokens of {split} are {tokenizer.unk_token}, the token for text "
        "that the model does not know" + (f", for example {join_first(words, 5)}" if are_texts_shown() else ""),
        why="the model cannot tell them apart",
        remedy="Use a model whose vocabulary has this language: bert-base-multilingual-cased, xlm-roberta-base or, for "
        "Chinese, bert-base-chinese",
        **example_fields(data, rows),
    )


def unread_finding(split: str, rows: list[int], share: float, data: Dataset, strategy: str) -> Finding:
    """The finding about `data`, a split.

    Args:
        rows: that are cut.
        share: of the tokens that are not read.
        strategy: of truncation.
    """
    return Finding(
        kind="unread_tokens",
        severity=NOTE,
        split=split,
        count=len(rows),
        what=f"{quantity(len(rows), 'row')} of {split} {agree(len(rows), 'are')} too long: "
        f"{PARTS_CUT.get(strategy, 'a part')} is cut off, and {100 * share:.0f}% of the tokens of {split} are not read",
        why="the model cannot use the text that was cut off",
        remedy="Raise --max_seq_length, or pass --truncation_strategy head_tail (both ends) or window (all of it)",
        **example_fields(data, rows),
    )


def unknown_words(data: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The parts of the texts that became unknown tokens, the most frequent first.

    For a tokenizer without offsets, the beginnings of the texts instead.
    """
    if not tokenizer.is_fast:
        return [quoted(text, 30) for text in data["text"]]
    words: Counter[str] = Counter()
    for name in text_columns(data):
        for text in data[name]:
            encoding = tokenizer(text, return_offsets_mapping=True, verbose=False)
            for token, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
                if token == tokenizer.unk_token_id:
                    words[text[start:end]] += 1
    return [quoted(word) for word, _ in words.most_common()]
