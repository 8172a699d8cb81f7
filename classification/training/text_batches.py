"""Batches of encoded texts for a model that is not trained: texts of similar length, padded to the longest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from classification.data.length_order import in_row_order
from classification.data.windows import COUNTS, WindowCollator, in_parts, pool_windows
from classification.training.evaluation_order import TokenBoundedBatches
from classification.training.out_of_memory import Batch

MULTIPLE = 8  # of the padded length, in half precision


class TextBatches:
    """Texts in batches of at most `max_tokens` tokens with padding, the longest first.

    Args:
        encoded: as from `encode_batch`, one list (with windows a list of lists) per text.
        is_half: whether the model computes in half precision.
    """

    def __init__(
        self, encoded: Mapping[str, list], tokenizer: PreTrainedTokenizerBase, *, in_windows: bool, max_tokens: int,
        is_half: bool,
    ):  # fmt: skip
        multiple = MULTIPLE if is_half and tokenizer.model_max_length % MULTIPLE == 0 else None
        pad = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)
        self.collate = WindowCollator(pad) if in_windows else pad
        self.encoded = {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}
        lengths = np.array([sum(map(len, ids)) if in_windows else len(ids) for ids in encoded["input_ids"]])
        self.numbers = TokenBoundedBatches(lengths, max_tokens, multiple or 1)
        self.max_tokens = max_tokens

    def __len__(self) -> int:
        return len(self.numbers)

    def outputs(
        self, forward: Callable[[Batch], torch.Tensor],
        shown: Callable[[TokenBoundedBatches], Iterable[list[int]]] = iter,
    ) -> np.ndarray:  # fmt: skip
        """What `forward` gives each text, fp32 [N, C], in the order of the texts; of a document in windows, the mean.

        Args:
            forward: a batch on the CPU -> fp32 [B, C] on the CPU; with windows at most `max_tokens` of them at once.
            shown: wraps the batches, for a progress bar.
        """
        parts = []
        for numbers in shown(self.numbers):
            batch = dict(
                self.collate([{name: values[row] for name, values in self.encoded.items()} for row in numbers])
            )
            counts = batch.pop(COUNTS, None)
            rows = max(1, self.max_tokens // batch["input_ids"].shape[1])
            states = torch.cat([forward(part) for part in in_parts(batch, rows)])
            parts.append(pool_windows(states, counts).numpy())
        return in_row_order(np.concatenate(parts), self.numbers.order)
