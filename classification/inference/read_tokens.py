"""The tokens that the model reads of one text or pair, as `encode_batch` makes them, with their places in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from classification.data.encoding import cut, read_plainly
from classification.data.truncation import Truncation
from classification.errors import UsageError

# T tokens of both texts with the special tokens, before the cut.


@dataclass(frozen=True)
class ReadTokens:
    """The tokens of a text, or of a pair.

    Args:
        columns: `input_ids` and what else the model gets, of all tokens, [T] each.
        text_of: 0 for tokens of the text, 1 for those of the second text, -1 for special tokens, int64 [T].
        offsets: start and end of each token in its text, in characters, [T].
        windows: the tokens that each call of the model has; one window unless the strategy is `window`.
    """

    columns: dict[str, list[int]]
    text_of: np.ndarray
    offsets: list[tuple[int, int]]
    windows: list[Sequence[int]]

    @property
    def is_read(self) -> np.ndarray:
        """Whether the model reads a token, bool [T]."""
        read = np.zeros(len(self.text_of), dtype=bool)
        for window in self.windows:
            read[list(window)] = True
        return read

    def of_text(self, text: int) -> np.ndarray:
        """The tokens of one of the texts."""
        return np.flatnonzero(self.text_of == text)


def check_offsets(tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer that does not tell where in the text its tokens are."""
    if not tokenizer.is_fast:
        raise UsageError(
            f"--explain: the tokenizer {type(tokenizer).__name__} does not tell where in the text its tokens are, so "
            "its answers cannot be explained. Leave the flag out, or use a model whose folder has a tokenizer.json."
        )


def read_tokens(
    tokenizer: PreTrainedTokenizerBase, truncation: Truncation, text: str, pair: str | None = None
) -> ReadTokens:
    """The tokens of a text, or of a pair whose second text is not blank.

    Raises:
        UsageError: as from `check_offsets`.
    """
    check_offsets(tokenizer)
    texts = [text]
    pairs = [pair] if pair is not None and pair.strip() else None
    encoding = tokenizer(texts, pairs, verbose=False)
    again, places = read_plainly(encoding["input_ids"], texts, pairs, tokenizer)
    source = again if places else encoding
    columns = {name: list(source[name][0]) for name in encoding}
    indices = source.sequence_ids(0)
    length = len(indices)
    windows: list[Sequence[int]] = [range(length)]
    if length > tokenizer.model_max_length:
        windows = [*cut(indices, tokenizer.model_max_length, truncation)]
    text_of = np.array([-1 if index is None else index for index in indices], dtype=np.int64)
    return ReadTokens(columns, text_of, list(source[0].offsets), windows)
