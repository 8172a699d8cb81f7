"""Whether tokenizer, model and texts belong together: ids that the model does not have, unknown tokens, texts cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetDict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.data.findings import NOTE, WARNING, Finding, shown
from classification.data.splitting import text_columns
from classification.data.truncation import Truncation
from classification.errors import UsageError, some

UNKNOWN_SHARE = 0.05
UNREAD_SHARE = 0.2
QUANTILES = {"least": 0, "25%": 25, "median": 50, "75%": 75, "95%": 95, "most": 100}
LOOKED_AT = 200  # texts with unknown tokens, from which examples are taken


def token_ids(encoded: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All token ids of a split in one row, int64, and the number of the row that each is from."""
    column = encoded.with_format("arrow")[:].column("input_ids").combine_chunks()
    rows = np.arange(len(column))
    while pa.types.is_nested(column.type):  # windows lie one level deeper
        offsets = column.offsets.to_numpy()
        rows, column = np.repeat(rows, np.diff(offsets)), column.flatten()
    return column.to_numpy(zero_copy_only=False).astype(np.int64), rows


def check_ids(encoded: DatasetDict, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Refuse ids beyond the model's embeddings: the library would fail later, on a GPU without a reason."""
    known = model.get_input_embeddings().weight.shape[0]
    for rows in encoded.values():
        ids, _ = token_ids(rows)
        if len(ids) and ids.max() >= known:
            raise UsageError(
                f"--tokenizer_name {tokenizer.name_or_path}: gives token {ids.max()}, and the model knows {known} "
                "tokens: they do not belong together. Leave the flag out, or name the tokenizer of this model."
            )


def look_at_tokens(
    encoded: DatasetDict, texts: DatasetDict, tokenizer: PreTrainedTokenizerBase, how: Truncation
) -> tuple[dict, list[Finding]]:
    """For each split how long its texts are and what is not read or not known of them, and as findings where more than
    20% of the tokens are not read, or more than 5% unknown.

    Args:
        encoded, texts: the splits, tokenised and as `id, text, text_pair?`.
    """
    facts, findings = {}, []
    for split, rows in encoded.items():
        full, read = np.array(rows["full_length"][:]), np.array(rows["read_length"][:])
        unknown, unknown_share = unknown_tokens(rows, tokenizer)
        facts[split] = {
            "tokens": quantiles(full),
            "rows_cut": int((full > read).sum()),
            "tokens_not_read": float((full - read).sum() / max(full.sum(), 1)),
            "tokens_unknown": unknown_share,
        }
        if unknown_share > UNKNOWN_SHARE:
            findings.append(unknown_finding(split, unknown, unknown_share, texts[split], tokenizer))
        if facts[split]["tokens_not_read"] > UNREAD_SHARE:
            cut = np.flatnonzero(full > read).tolist()
            findings.append(unread_finding(split, cut, facts[split]["tokens_not_read"], texts[split], how))
    return facts, findings


def quantiles(counts: Sequence[int]) -> dict[str, int]:
    """The least, the median and others, by name."""
    return dict(zip(QUANTILES, np.percentile(counts, list(QUANTILES.values())).astype(int).tolist(), strict=True))


def unknown_tokens(rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[np.ndarray, float]:
    """The row of every unknown token, and their share of the tokens that are not special."""
    ids, of_rows = token_ids(rows)
    of_text = ~np.isin(ids, list(set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}))
    unknown = of_text & (ids == tokenizer.unk_token_id)
    return of_rows[unknown], float(unknown.sum() / max(of_text.sum(), 1))


def unknown_finding(
    split: str, unknown: np.ndarray, share: float, texts: Dataset, tokenizer: PreTrainedTokenizerBase
) -> Finding:
    first = list(dict.fromkeys(unknown.tolist()))
    words = examples(texts.select(first[:LOOKED_AT]), tokenizer)
    return Finding(
        "unknown_tokens", WARNING, split, len(unknown),
        f"{100 * share:.0f}% of the tokens of {split} are unknown to the tokenizer ({tokenizer.unk_token}), for "
        f"example {some(words, 5)}",
        "to the model they are all the same",
        "Take one whose vocabulary has this language: bert-base-multilingual-cased, xlm-roberta-base or, for "
        "Chinese, bert-base-chinese",
        **shown(texts, first),
    )  # fmt: skip


def unread_finding(split: str, cut: list[int], share: float, texts: Dataset, how: Truncation) -> Finding:
    return Finding(
        "unread_tokens", NOTE, split, len(cut),
        f"{len(cut)} rows of {split} are cut ({how.strategy}), {100 * share:.0f}% of its tokens are not read",
        "what stands there cannot help",
        "A longer --max_seq_length reads more, --truncation_strategy head_tail both ends, window all",
        **shown(texts, cut),
    )  # fmt: skip


def examples(texts: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What the tokenizer does not know, the most frequent first, or the beginnings of the texts where it cannot say."""
    if not tokenizer.is_fast:
        return [repr(text[:30]) for text in texts["text"]]
    words: Counter[str] = Counter()
    for name in text_columns(texts):
        for text in texts[name]:
            encoding = tokenizer(text, return_offsets_mapping=True, verbose=False)
            for token, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
                if token == tokenizer.unk_token_id:
                    words[text[start:end]] += 1
    return [repr(word) for word, _ in words.most_common()]
