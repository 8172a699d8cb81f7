"""Ways to compute the logits of encoded texts, and which of them a model gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.data.labels import LabelSpace
from classification.errors import UsageError
from classification.inference.flat_engine import FlatEngine
from classification.inference.int8_engine import Int8Engine
from classification.inference.padded_engine import PaddedEngine
from classification.models.precision import Precision

# N texts, C labels.

FLAT_TOKENS = 4096  # of a batch
PADDED_TOKENS, TOKENS_ELSEWHERE = 8192, 65_536  # of a batch with padding, on a CPU and on other devices


class Engine(Protocol):
    """A model in one number format on one device."""

    name: str

    def logits(self, encoded: Mapping[str, list]) -> np.ndarray:
        """Float32 [N, C] in row order, of ragged `input_ids`, `token_type_ids`? (with windows lists of lists)."""


def make_engine(
    variant: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: LabelSpace, precision: Precision,
    max_tokens: int | None = None,
) -> Engine:  # fmt: skip
    """The fastest way that this model can have.

    Args:
        model: in fp32 on its device. max_tokens: of a batch; None for the usual number.

    Raises:
        UsageError: a variant that the model cannot have.
    """
    problem = FlatEngine.why_not(model)
    padded = PADDED_TOKENS if model.device.type == "cpu" else TOKENS_ELSEWHERE
    max_tokens = max_tokens or (padded if problem else FLAT_TOKENS)
    if variant == "int8":
        if not problem and not Int8Engine.is_available():
            problem = "this build of torch has no int8 product"
        if problem:
            raise UsageError(f"--variant int8: is not available for this model: {problem}. Leave the flag out.")
        bf16 = Precision("bf16", "beside int8")
        return Int8Engine(model, tokenizer, task, bf16, max_tokens)
    return (PaddedEngine if problem else FlatEngine)(model, tokenizer, task, precision, max_tokens)
