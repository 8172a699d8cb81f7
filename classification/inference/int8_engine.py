"""`--variant int8`: the linear layers of the encoder in int8. Faster, and not exact: its agreement is measured."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from classification.inference.flat_engine import FlatEngine
from classification.models.kernels.flat_encoder import Pack
from classification.models.kernels.int8_linear import Int8Linear

logger = logging.getLogger(__name__)

# N texts, C labels.

COMPARED_TEXTS = 256  # of the first that are predicted
TOLERANCE = 0.5  # of logits, relative to the largest


@dataclass
class Int8Engine(FlatEngine):
    """A `FlatEngine` in int8, without a second look at near ties; few texts are computed as by default.

    Args:
        agreement: texts that were compared with the default way, and those whose whole answer agrees.
    """

    name: str = "int8"
    pack: Pack = Int8Linear.pack
    tolerance: float = TOLERANCE
    agreement: tuple[int, int] = field(default=(0, 0), init=False)

    def logits(self, encoded: Mapping[str, list]) -> np.ndarray:
        """Float32 [N, C] in row order."""
        windows, counts = self.flatten(encoded)
        self.check_once(windows)
        if not self.is_right:
            return super().logits(encoded)
        logits = self.pooled(windows, counts, is_half=True)
        broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))  # one row is enough to break its batch
        if len(broken):
            logits[broken] = self.exact(encoded, broken)
        if not self.agreement[0]:
            self.compare_with_default(encoded, logits)
        return logits

    def exact(self, encoded: Mapping[str, list], rows: np.ndarray) -> np.ndarray:
        """The logits of some texts in fp32."""
        return self.pooled(*self.flatten(encoded, rows), is_half=False)

    def compare_with_default(self, encoded: Mapping[str, list], logits: np.ndarray) -> None:
        """Report how many of some texts, evenly spaced, have the answer of the default way."""
        rows = np.unique(np.linspace(0, len(logits) - 1, min(COMPARED_TEXTS, len(logits))).astype(int))
        exact = self.exact(encoded, rows)
        same = self.task.decide(exact) == self.task.decide(logits[rows])
        agreeing = int(same.reshape(len(rows), -1).all(axis=1).sum())
        self.agreement = (len(rows), agreeing)
        largest = float(np.abs(exact - logits[rows]).max())
        if self.task.output_scale is not None:  # two numbers are hardly ever equal
            std, _ = self.task.output_scale
            text = "int8         the numbers of %d texts differ from those of fp32 by at most %.3g"
            logger.info(text, len(rows), largest * std)
            return
        logger.info(
            "int8         %d of %d texts (%.1f%%) have the answer of fp32; logits differ by at most %.3f",
            agreeing, len(rows), 100 * agreeing / len(rows), largest,
        )  # fmt: skip

    @staticmethod
    def is_available() -> bool:
        """Whether this build of torch has the int8 product."""
        return torch.backends.mkldnn.is_available() and hasattr(torch.ops.onednn, "qlinear_pointwise")
