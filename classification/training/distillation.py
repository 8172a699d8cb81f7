"""A small model learns the probabilities of a large one (Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a
Neural Network)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from classification.data.labels import LabelSpace
from classification.data.unlabelled import UNLABELLED
from classification.data.windows import IGNORED, TEACHER, documents_of_windows
from classification.training.loss_terms import LossTerm
from classification.training.teacher_choice import TeacherChoice

if TYPE_CHECKING:
    from classification.training.teacher import Teacher

# B rows of a micro-batch, W windows of its documents, C labels.


NO_TEACHER: dict[str, object] = dict.fromkeys(
    ("--teacher", "--teacher_temperature", "--teacher_weight", "--unlabelled_file")
)


class Distillation(LossTerm):
    """The loss of a labelled row is (1 - w) * objective + w * soft, that of a row without a label is soft alone.

    soft is T^2 times the Kullback-Leibler divergence of the model's probabilities from those of the teacher, both at
    temperature T. Several labels per row have the mean over labels, and a number has the squared error. Each window of
    a document is compared with the teacher's logits of the whole document, and weighs 1/n. The sum is divided by all
    rows of the global batch, with and without labels.

    Args:
        teacher: until its logits are computed.
        unlabelled: number and hash of the rows without a label; None without any.
    """

    columns = (TEACHER,)

    def __init__(
        self, task: LabelSpace, choice: TeacherChoice, teacher: Teacher | None = None, unlabelled: str | None = None
    ):
        self.task, self.choice, self.teacher = task, choice, teacher
        weights = teacher.weights if teacher else None
        temperature = choice.temperature if task.output_scale is None else None  # a number has none
        self.fingerprint: Mapping[str, object] = {
            "--teacher": f"weights {weights}, reading {teacher.reading}" if teacher else None,
            "--teacher_temperature": temperature,
            "--teacher_weight": choice.weight,
            "--unlabelled_file": unlabelled,
        }
        self.facts: Mapping[str, object] = {
            "name": choice.name,
            "weights": weights,
            "architecture": type(teacher.model).__name__ if teacher else None,
            "parameters": sum(each.numel() for each in teacher.model.parameters()) if teacher else None,
            "temperature": temperature,
            "weight": choice.weight,
            "unlabelled_file": choice.unlabelled_file,
        }

    def total(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        counts: torch.Tensor | None,
        columns: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        targets, first = columns[TEACHER].float(), labels.reshape(len(labels), -1)[:, 0]
        weights = torch.full(first.shape, self.choice.weight, device=first.device)
        weights = weights.masked_fill(first == UNLABELLED, 1.0).masked_fill(first == IGNORED, 0.0)
        if counts is not None:
            documents = documents_of_windows(counts, len(logits))
            weights, targets = (weights / counts)[documents], targets[documents]
        return (weights * self.task.soft_losses(logits.float(), targets, self.choice.temperature)).sum()

    def describe(self, labelled: int, unlabelled: int) -> str:
        """One line for people; the arguments are numbers of rows."""
        parameters = f"{self.facts['parameters']:,} parameters"
        text = f"{self.facts['architecture']}, {parameters}; {self.choice.weight:g} of the loss of {labelled} rows"
        text += f", and all of that of {unlabelled} rows without a label" if unlabelled else ""
        temperature = self.facts["temperature"]
        text += "" if temperature is None else f"; temperature {temperature:g}"
        return f"{text}; val_loss stays plain"


def distillation_in(terms: Sequence[LossTerm]) -> Distillation | None:
    return next((term for term in terms if isinstance(term, Distillation)), None)


def fingerprint_of_teacher(terms: Sequence[LossTerm]) -> Mapping[str, object]:
    """The flags about the teacher, each None where there is none."""
    term = distillation_in(terms)
    return NO_TEACHER if term is None else term.fingerprint
