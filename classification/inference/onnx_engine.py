"""The logits of an ONNX model, by onnxruntime."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from transformers import PreTrainedTokenizerBase

from classification.data.labels import LabelSpace
from classification.data.length_order import token_bounded_batches
from classification.errors import first_line, own_error
from classification.inference.onnx_model import INTEGERS, LOGITS, OnnxModel
from classification.inference.padded_engine import PaddedEngine
from classification.models.calibrated_head import folded_temperatures
from classification.models.precision import Precision
from classification.models.regression_head import saved_scale

# B rows, T tokens of the longest, C labels.

MEMORY = re.compile(r"failed to allocate|bad_alloc|out of memory", re.IGNORECASE)
BATCH_TOKENS = 1024  # with padding; small batches stay in the cache of a CPU


@dataclass
class OnnxEngine(PaddedEngine):
    """A `PaddedEngine` whose forward pass is a graph: batches of similar length, the longest first.

    The graph gives what the files of a trained model give: calibrated logits, or numbers in their own units. Like those
    of any engine, the logits here are raw.
    """

    model: Any
    name: str = "onnx"
    smaller: ClassVar[str] = "--max_seq_length with a smaller number, or a smaller model"

    @classmethod
    def make(
        cls, model: OnnxModel, tokenizer: PreTrainedTokenizerBase, task: LabelSpace, max_tokens: int | None = None
    ) -> OnnxEngine:
        """Args: max_tokens: of a batch, with padding; None for the usual number."""
        precision = Precision("fp32", "a graph has its own number format")  # without a second look at near ties
        return cls(model, tokenizer, task, precision, max_tokens or BATCH_TOKENS)

    def __post_init__(self) -> None:
        self.columns = [*self.model.inputs]
        scale, temperatures = saved_scale(self.model.config), folded_temperatures(self.model.config)
        self.std, self.mean = scale or (1.0, 0.0)
        self.temperatures = np.array(temperatures or (1.0,), dtype=np.float32)

    def plan(self, lengths: np.ndarray) -> list[list[int]]:
        """Row numbers in batches, the longest first; `lengths` are those of the rows, [W]."""
        return token_bounded_batches(lengths, self.max_tokens, 1)

    def forward(self, rows: list[dict[str, list[int]]], *, is_half: bool) -> np.ndarray:
        """Float32 [B, C]."""
        try:
            outputs = self.model.session.run([LOGITS], self.padded(rows))
        except Exception as error:  # the classes of onnxruntime have no base of their own
            if MEMORY.search(str(error)):
                raise MemoryError(first_line(error)) from None
            raise own_error(f"onnxruntime fails on {self.model.path.name}: {first_line(error)}") from error
        return self.raw(np.asarray(outputs[0], dtype=np.float32))

    def raw(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs of the graph as the logits that the task expects."""
        return ((outputs - np.float32(self.mean)) / np.float32(self.std)) * self.temperatures

    def padded(self, rows: list[dict[str, list[int]]]) -> dict[str, np.ndarray]:
        """The inputs of the graph, [B, T]."""
        longest = max(len(row["input_ids"]) for row in rows)
        fill = {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": self.tokenizer.pad_token_type_id}
        is_left = self.tokenizer.padding_side == "left"
        batch = {}
        for name, kind in self.model.inputs.items():
            values = np.full((len(rows), longest), fill.get(name, 0), dtype=np.int64)
            for place, row in zip(values, rows, strict=True):
                length = len(row["input_ids"])
                usual = 1 if name == "attention_mask" else 0
                place[longest - length if is_left else 0 :][:length] = row.get(name, usual)
            batch[name] = values if kind == INTEGERS[0] else values.astype(np.int32)
        return batch
