"""What a loss term beside the objective is: a sum over the rows of a micro-batch that is minimised too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

# B rows of a micro-batch, W windows of its documents, C labels.


class LossTerm(Protocol):
    """A term that is added to the sum of the row losses before both are divided by the rows of the global batch.

    Attributes:
        columns: names of the encoded columns that the term reads and the model does not.
    """

    columns: tuple[str, ...]

    def total(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        counts: torch.Tensor | None,
        columns: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        """The sum over the rows in fp32, []: logits [B, C] or of windows [W, C], labels [B] or [B, C].

        Args:
            counts: windows of each document, [B].
            columns: the values of `columns` for these rows.
        """
        ...
