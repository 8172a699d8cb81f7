"""`--r_drop`: every row passes the model twice with different dropout, and the two outputs should agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from classification.data.labels import LabelSpace
from classification.data.windows import IGNORED, labels_of_windows
from classification.errors import UsageError
from classification.messages.log import Line
from classification.models.attention_dropout import attention_dropout_name

# B rows of a micro-batch, W windows of its documents, C labels.

COPIES, TOKENS = 8, 4  # of a made-up row, to see whether dropout changes the output


@dataclass(frozen=True)
class RDrop:
    """R-Drop of Liang et al. 2021, Regularized Dropout for Neural Networks.

    The loss of a row is the mean of the objectives of both passes, plus `weight` times the mean of the two
    Kullback-Leibler divergences between their outputs (`LabelSpace.torch_distances`). The paper adds up the objectives
    and divides the divergences by 2: its weight a is `weight` / 2 here. Class weights, focal loss and label smoothing
    change the objective only.

    Both passes are one forward pass of the doubled micro-batch: DDP, gradient checkpointing and passes that are halved
    for lack of memory see an ordinary batch.

    Args:
        weight: of the divergences, at least 0; 0 is one pass and the plain loss.
    """

    task: LabelSpace
    weight: float = 0.0

    @property
    def passes(self) -> int:
        return 2 if self.weight else 1

    def repeat(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The inputs [B, ...] of all passes, one after the other: [2 B, ...]."""
        return {name: torch.cat([each, each]) for name, each in inputs.items()} if self.weight else inputs

    def split(self, logits: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The logits of each pass, [B, C] or of windows [W, C]."""
        return logits.chunk(2) if self.weight else (logits,)

    def combine(
        self,
        totals: Sequence[torch.Tensor],
        logits: Sequence[torch.Tensor],
        labels: torch.Tensor,
        counts: torch.Tensor | None,
    ) -> torch.Tensor:
        """The sum over the rows that is minimised, []: of the `totals` [] and `logits` of each pass.

        Args:
            labels: [B] or [B, C]. A row with the label -100 is padding and adds nothing.
            counts: windows of each document, [B].
        """
        if not self.weight:
            return totals[0]
        first, second = logits
        return (totals[0] + totals[1]) / 2 + self.weight * self.distance(first, second, labels, counts)

    def distance(
        self, first: torch.Tensor, second: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor | None
    ) -> torch.Tensor:
        """The sum of the rows' distances in fp32, []; that of a document is the mean over its windows."""
        distances = self.task.torch_distances(first.float(), second.float())
        labels, shares = labels_of_windows(labels, counts, len(first))
        if shares is not None:
            distances = distances * shares.reshape(-1, *[1] * (distances.dim() - 1))
        return distances.where(labels != IGNORED, 0.0).sum() / self.task.items_per_row

    def summary(self) -> list[Line]:
        if not self.weight:
            return []
        text = f"two passes per row with different dropout; loss + {self.weight:g} x the distance of their outputs"
        return [Line("r-drop", f"{text}; a step costs about twice as much, val_loss stays plain")]


def check_dropout(model: PreTrainedModel | PeftModel, weight: float) -> None:
    """Refuse R-Drop where two passes are equal: it would double the cost and change nothing.

    A few copies of a made-up row pass the model in training mode, because no list of names covers every dropout. The
    random numbers of the run stay as they were.

    Raises:
        UsageError: the output of all copies is the same.
    """
    if hasattr(
        model.config, "attention_type"
    ):  # BigBird: after one short text it never uses its sparse attention again
        return
    was_training = model.training
    token = 2 if model.config.get_text_config().pad_token_id == 1 else 1  # padding may have an embedding of zeros
    ids = torch.full((COPIES, TOKENS), token, device=model.device)
    with torch.no_grad(), torch.random.fork_rng():
        logits = model.train()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    model.train(was_training)
    if not torch.equal(logits, logits[:1].expand_as(logits)):
        return
    other = ", or pass --attention_dropout 0.1" if attention_dropout_name(model.config) else ""
    raise UsageError(
        f"--r_drop {weight:g}: no dropout of this model is above 0, so that both passes of a row would be equal. Leave "
        f"the flag out{other}."
    )
