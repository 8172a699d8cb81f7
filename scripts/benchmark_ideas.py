"""What each idea behind the speed of `predict.py` adds: `python scripts/benchmark.py --predict --ideas`.

Each way has one idea more than the one before. All of them answer the same texts as the recipe, in turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from classification.inference import padded_engine
from classification.inference.classifier import Classifier
from classification.inference.engines import PADDED_TOKENS
from classification.inference.flat_engine import FlatEngine
from classification.inference.padded_engine import PaddedEngine
from classification.models.kernels.flat_encoder import joined


@dataclass(frozen=True)
class PlainLayer:
    """A `LinearLayer` of torch's own calls: weights as they are, activation and sum each in a pass of their own."""

    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def pack(cls, layers: Sequence[nn.Linear], dtype: torch.dtype, scale: float) -> PlainLayer:
        weight, bias = joined(layers, scale)
        return cls(weight.to(dtype), bias.to(dtype))

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return F.linear(hidden, self.weight, self.bias)

    def gelu(self, hidden: torch.Tensor, form: str) -> torch.Tensor:
        return F.gelu(self(hidden), approximate=form)

    def add(self, hidden: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return self(hidden) + other


def with_padding(classifier: Classifier) -> Classifier:
    """The model's own forward pass over padded batches of similar length."""
    engine = classifier.engine
    own = PaddedEngine(engine.model, engine.tokenizer, engine.task, engine.precision, PADDED_TOKENS)
    return replace(classifier, engine=own)


def with_plain_layers(classifier: Classifier) -> Classifier:
    """Without padding, but with layers that are neither packed nor fused."""
    engine = classifier.engine
    own = FlatEngine(
        engine.model, engine.tokenizer, engine.task, engine.precision, engine.max_tokens, pack=PlainLayer.pack
    )
    return replace(classifier, engine=own)


def forget_near_ties() -> None:
    """In this process nothing is computed a second time in fp32."""
    padded_engine.near_ties = lambda *given: np.zeros(0, dtype=np.int64)
