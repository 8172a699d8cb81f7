"""How much of each text the tokenizer does not know."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from transformers import PreTrainedTokenizerBase

from classification.data.encoding import count_tokens, structural_ids


def unknown_shares(input_ids: Iterable[list], tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """The share of each row's tokens that are unknown, those around texts left out, float32 [N].

    Args:
        input_ids: ragged lists of N rows, or with windows lists of lists.
    """
    unknown, structural = tokenizer.unk_token_id, structural_ids(tokenizer)
    shares = []
    for row in input_ids:
        tokens = [token for window in row for token in window] if row and isinstance(row[0], list) else row
        of_text = len(tokens) - count_tokens(tokens, structural)
        # GPT-2 has one token for the end of a text and for what it does not know: nothing is unknown to it.
        is_known = unknown is None or unknown in structural
        shares.append(0.0 if is_known else tokens.count(unknown) / max(of_text, 1))
    return np.array(shares, dtype=np.float32)
