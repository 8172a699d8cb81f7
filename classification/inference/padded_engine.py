"""The plain way to compute logits: the model's own forward pass over padded batches of texts of similar length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import DataCollatorWithPadding, PreTrainedModel, PreTrainedTokenizerBase

from classification.data.labels import LabelSpace
from classification.data.length_order import token_bounded_batches
from classification.errors import first_line, own_error
from classification.models.fp32_ties import near_ties
from classification.models.memory_errors import free_memory, is_out_of_memory
from classification.models.precision import Precision

# N texts, W windows of them all (W = N without windows), T tokens of a padded batch, C labels.

ENCODED = ("input_ids", "attention_mask", "token_type_ids")
PROBES, PROBE_TOKENS = 8, 48


@dataclass
class PaddedEngine:
    """A model in one number format on one device.

    In half precision, rows near another decision are computed once more in fp32, so that every label is that of fp32.

    Args:
        model: in fp32 on its device.
        max_tokens: of a batch, with padding. A lack of memory halves it for good.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    task: LabelSpace
    precision: Precision
    max_tokens: int
    name: str = "padded"
    repeated: int = field(default=0, init=False)  # rows that were computed once more
    smaller: ClassVar[str] = "--max_seq_length with a smaller number, --precision bf16 or a smaller model"

    def __post_init__(self) -> None:
        self.model.eval()
        accepted = signature(self.model.forward).parameters
        self.columns = [name for name in ENCODED if name in accepted or "input_ids" not in accepted]
        self.pad = DataCollatorWithPadding(self.tokenizer, pad_to_multiple_of=8 if self.precision.is_half else None)

    def logits(self, encoded: Mapping[str, list]) -> np.ndarray:
        """Float32 [N, C] in row order. What overflows also in fp32 is not finite.

        Args:
            encoded: as from `encode_batch`: lists of [N] rows, each a list of tokens or, with windows, of windows.

        Raises:
            RunError: one text alone does not fit into memory.
        """
        logits = self.pooled(*self.flatten(encoded), is_half=self.precision.is_half)
        if self.precision.is_half:
            close = near_ties(logits, self.task, self.rounding)
            self.repeated += len(close)
            if len(close):
                logits[close] = self.pooled(*self.flatten(encoded, close), is_half=False)
        return logits

    @cached_property
    def rounding(self) -> float:
        """What half precision changes in logits; measured with tokens drawn at random, so that no input changes it."""
        rows = random_rows(self.model, self.tokenizer, self.columns)
        if not rows:
            return 0.0
        exact, rounded = (self.compute(rows, is_half=is_half) for is_half in (False, True))
        return float(np.nan_to_num(np.abs(exact - rounded), nan=0.0, posinf=0.0).max())

    def pooled(
        self, windows: list[dict[str, list[int]]], counts: np.ndarray | None, *, is_half: bool
    ) -> np.ndarray:  # fmt: skip
        """Float32 [N, C]: the mean over the windows of each text."""
        return pool(self.compute(windows, is_half=is_half), counts)

    def flatten(
        self, encoded: Mapping[str, list], chosen: Sequence[int] | np.ndarray | None = None
    ) -> tuple[list[dict[str, list[int]]], np.ndarray | None]:
        """What the model reads, [W], and the number of windows of each text, [N]; None without windows.

        Args:
            chosen: texts by their numbers; None for all.
        """
        names = [name for name in self.columns if name in encoded]
        rows = list(zip(*(encoded[name] for name in names), strict=True))
        rows = rows if chosen is None else [rows[i] for i in chosen]
        if not rows or not (rows[0][0] and isinstance(rows[0][0][0], list)):
            return [dict(zip(names, row, strict=True)) for row in rows], None
        windows = [dict(zip(names, window, strict=True)) for row in rows for window in zip(*row, strict=True)]
        return windows, np.array([len(row[0]) for row in rows])

    def compute(self, windows: list[dict[str, list[int]]], *, is_half: bool) -> np.ndarray:
        """Float32 [W, C], computed in batches of similar length."""
        logits = np.empty((len(windows), self.task.num_labels), dtype=np.float32)
        lengths = np.array([len(window["input_ids"]) for window in windows], dtype=np.int64)
        for batch in self.plan(lengths):
            logits[batch] = self.within_memory([windows[i] for i in batch], is_half=is_half)
        return logits

    def plan(self, lengths: np.ndarray) -> list[list[int]]:
        """Row numbers in batches, the longest first; `lengths` are those of the rows, [W]."""
        return token_bounded_batches(lengths, self.max_tokens, self.pad.pad_to_multiple_of or 1)

    def within_memory(self, rows: list[dict[str, list[int]]], *, is_half: bool) -> np.ndarray:
        """Float32 [B, C] of B rows, in two halves where they do not fit into memory."""
        try:
            return self.forward(rows, is_half=is_half)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            problem = first_line(error)
        free_memory()  # the error is gone, which held the tensors
        length = max(len(row["input_ids"]) for row in rows)
        if len(rows) == 1:
            raise own_error(f"Out of memory: one text of {length} tokens does not fit ({problem}) Use {self.smaller}.")
        middle = len(rows) // 2
        self.max_tokens = max(1, min(self.max_tokens, middle * length))
        parts = [self.within_memory(part, is_half=is_half) for part in (rows[:middle], rows[middle:])]
        return np.concatenate(parts)

    @torch.inference_mode()
    def forward(self, rows: list[dict[str, list[int]]], *, is_half: bool) -> np.ndarray:
        device = self.model.device
        padded = self.pad(rows)
        batch = {name: padded[name].to(device) for name in self.columns if name in padded}
        with torch.autocast(device.type, dtype=self.precision.dtype if is_half else None, enabled=is_half):
            outputs = self.model(**batch)
        return logits_of(outputs)


def logits_of(outputs: Any) -> np.ndarray:
    """Float32 [B, C] of what a model returns: an object, or with `return_dict: false` a tuple."""
    logits = outputs.logits if hasattr(outputs, "logits") else outputs[0]
    return logits.float().cpu().numpy()


def random_rows(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, columns: Sequence[str]
) -> list[dict[str, list[int]]]:
    """`PROBES` rows of ordinary tokens between the special ones, always the same; none where no token is ordinary.

    The tokenizer is not called: another thread may be using it.
    """
    draw, known = np.random.default_rng(0), model.get_input_embeddings().get_parameter("weight").shape[0]
    ordinary = np.setdiff1d(np.arange(min(len(tokenizer), known)), tokenizer.all_special_ids)
    first = tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id
    last = tokenizer.eos_token_id if tokenizer.sep_token_id is None else tokenizer.sep_token_id
    names = [name for name in columns if name in tokenizer.model_input_names]
    length = min(PROBE_TOKENS, tokenizer.model_max_length)
    ends = [[token] if token is not None else [] for token in (first, last)]
    rows = []
    for _ in range(PROBES if len(ordinary) else 0):
        ids = [*ends[0], *draw.choice(ordinary, size=max(length - 2, 1)).tolist(), *ends[1]]
        filled = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids)}
        rows.append({name: filled[name] for name in names})
    return rows


def pool(logits: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    """The mean of each text's windows: [W, C] -> [N, C]; unchanged without `counts`."""
    if counts is None:
        return logits
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return (np.add.reduceat(logits, starts, axis=0) / counts[:, None]).astype(np.float32)
