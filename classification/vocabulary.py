"""Whether tokenizer, model and texts belong together: unknown tokens, and ids that the model does not have."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetDict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.errors import UsageError, some

logger = logging.getLogger(__name__)

UNKNOWN_SHARE = 0.05
LOOKED_AT = 200  # texts with unknown tokens, from which examples are taken


def token_ids(encoded: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All token ids of a split in one row, int64, and the number of the row that each is from."""
    column = encoded.with_format("arrow")[:].column("input_ids").combine_chunks()
    rows = np.arange(len(column))
    while pa.types.is_nested(column.type):  # windows lie one level deeper
        offsets = column.offsets.to_numpy()
        rows, column = np.repeat(rows, np.diff(offsets)), column.flatten()
    return column.to_numpy(zero_copy_only=False).astype(np.int64), rows


def check_vocabulary(
    encoded: DatasetDict, texts: DatasetDict, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel
) -> None:
    """Refuse ids beyond the model's embeddings (the library would fail in some later step, on a GPU without a reason),
    and warn where more than 5% of a split's tokens are unknown: to the model they are all one word.

    Args:
        encoded, texts: the splits, tokenised and as `id, text, text_pair?`.
    """
    known = model.get_input_embeddings().weight.shape[0]
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    for split in encoded:
        ids, rows = token_ids(encoded[split])
        if len(ids) and ids.max() >= known:
            raise UsageError(
                f"--tokenizer_name {tokenizer.name_or_path}: gives token {ids.max()}, and the model knows {known} "
                "tokens: they do not belong together. Leave the flag out, or name the tokenizer of this model."
            )
        of_text = ~np.isin(ids, list(special))
        unknown = of_text & (ids == tokenizer.unk_token_id)
        share = unknown.sum() / max(of_text.sum(), 1)
        if share > UNKNOWN_SHARE:
            first = list(dict.fromkeys(rows[unknown].tolist()))[:LOOKED_AT]
            shown = some(examples(texts[split].select(first), tokenizer), 5)
            logger.warning(
                "%.0f%% of the tokens of %s are unknown to the tokenizer (%s), for example %s: to the model they are "
                "all the same. Take one whose vocabulary has this language: bert-base-multilingual-cased, "
                "xlm-roberta-base or, for Chinese, bert-base-chinese", 100 * share, split, tokenizer.unk_token, shown,
            )  # fmt: skip


def examples(texts: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What the tokenizer does not know, the most frequent first, or the beginnings of the texts where it cannot say."""
    if not tokenizer.is_fast:
        return [repr(text[:30]) for text in texts["text"]]
    words: Counter[str] = Counter()
    for name in set(texts.column_names) & {"text", "text_pair"}:
        for text in texts[name]:
            encoding = tokenizer(text, return_offsets_mapping=True, verbose=False)
            for token, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
                if token == tokenizer.unk_token_id:
                    words[text[start:end]] += 1
    return [repr(word) for word, _ in words.most_common()]
