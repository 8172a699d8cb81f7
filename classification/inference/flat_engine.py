"""A faster way to compute logits on a CPU: the layers of the encoder see real tokens only."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from classification.data.length_order import longest_first
from classification.inference.padded_engine import PaddedEngine, logits_of
from classification.models.flat_models import why_not_flat, with_flat_encoder
from classification.models.kernels.flat_encoder import FlatEncoder, Linear, Pack

logger = logging.getLogger(__name__)

# W rows or windows, C labels.

FEW = 32  # rows for which packing the weights does not pay
COMPARED = 4  # rows of the comparison with the model's own forward pass
TOLERANCE = 1e-3  # of their logits in fp32, relative to the largest
HALF_TOLERANCE = 0.1  # the same in bf16: several times its rounding


class OtherOutputs(Exception):
    """The flat forward pass differs from the model's own."""


@dataclass
class FlatEngine(PaddedEngine):
    """A `PaddedEngine` whose forward pass has no padding in the layers.

    Before it is used, its outputs for a few rows are compared with those of the model's own forward pass in fp32. Where
    they differ, the padded way is used, and a warning says so.

    Args:
        pack: makes the linear layers of the half-precision pass. tolerance: of this pass.
    """

    name: str = "flat"
    pack: Pack = Linear.pack
    tolerance: float = HALF_TOLERANCE
    flat: dict[torch.dtype, tuple[PreTrainedModel, FlatEncoder]] = field(default_factory=dict, init=False)
    is_checked: bool = field(default=False, init=False)
    is_right: bool = field(default=False, init=False)

    def __getstate__(self) -> dict[str, Any]:
        """Packed weights cannot be copied to another process; they are made again there."""
        return self.__dict__ | {"flat": {}}

    @staticmethod
    def why_not(model: PreTrainedModel) -> str:
        """Why a model cannot have this engine, "" where it can."""
        return why_not_flat(model) if model.device.type == "cpu" else f"on {model.device.type} the padded way is used"

    def compute(self, windows: list[dict[str, list[int]]], *, is_half: bool) -> np.ndarray:
        """Float32 [W, C]."""
        self.check_once(windows)
        return super().compute(windows, is_half=is_half)

    def plan(self, lengths: np.ndarray) -> list[list[int]]:
        """The longest rows first, as many as have `max_tokens` together."""
        if not self.is_right:
            return super().plan(lengths)
        batches: list[list[int]] = []
        room = 0
        for row in longest_first(lengths).tolist():
            if not batches or room < lengths[row]:
                batches.append([])
                room = self.max_tokens
            batches[-1].append(row)
            room -= max(1, int(lengths[row]))
        return batches

    def check_once(self, windows: list[dict[str, list[int]]]) -> None:
        """`check` before the first work that is worth it."""
        if not self.is_checked and len(windows) >= FEW:
            self.check(windows)

    def check(self, windows: list[dict[str, list[int]]]) -> None:
        """Use the flat pass from now on if it gives what the model gives."""
        self.is_checked = True
        order = longest_first(np.array([len(window["input_ids"]) for window in windows]))
        rows = [windows[i] for i in order[np.linspace(0, len(order) - 1, COMPARED).astype(int)]]
        try:
            expected = super().forward(rows, is_half=False)
            compare(expected, self.forward_flat(rows, is_half=False), TOLERANCE)
            if self.precision.is_half:
                compare(expected, self.forward_flat(rows, is_half=True), self.tolerance)
        except Exception as error:  # layers of a kind that nobody has seen; the plain way reports what is wrong there
            problem = str(error) if isinstance(error, OtherOutputs) else f"the flat forward pass fails ({error!r})"
            logger.warning("%s: the model's own forward pass is used, which is slower", problem)
            self.flat.clear()
        else:
            self.is_right = True

    def forward(self, rows: list[dict[str, list[int]]], *, is_half: bool) -> np.ndarray:
        """Float32 [B, C] of rows in descending length."""
        return self.forward_flat(rows, is_half=is_half) if self.is_right else super().forward(rows, is_half=is_half)

    @torch.inference_mode()
    def forward_flat(self, rows: list[dict[str, list[int]]], *, is_half: bool) -> np.ndarray:
        dtype = self.precision.dtype if is_half else torch.float32
        if dtype not in self.flat:
            self.flat[dtype] = with_flat_encoder(self.model, dtype, self.pack if is_half else Linear.pack)
        model, encoder = self.flat[dtype]
        encoder.lengths = [len(row["input_ids"]) for row in rows]
        return logits_of(model(**self.padded(rows)))

    def padded(self, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """The columns of rows, int64 [B, T], padded on the right. `tokenizer.pad` takes ten times as long."""
        fill = {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": self.tokenizer.pad_token_type_id}
        longest = max(len(row["input_ids"]) for row in rows)
        batch = {}
        for name in rows[0]:
            values = np.full((len(rows), longest), fill.get(name, 0), dtype=np.int64)
            for place, row in zip(values, rows, strict=True):
                place[: len(row[name])] = row[name]
            batch[name] = torch.from_numpy(values)
        return batch


def compare(expected: np.ndarray, found: np.ndarray, tolerance: float) -> None:
    """Raise `OtherOutputs` if logits [B, C] differ by more than `tolerance` times the largest."""
    difference = float(np.abs(expected - found).max())
    if not difference <= tolerance * max(1.0, float(np.abs(expected).max())):
        raise OtherOutputs(f"the flat forward pass gives other outputs (logits differ by {difference:.3g})")
