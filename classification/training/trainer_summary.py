"""Figures and log lines of a Trainer: decisions, epochs, the best checkpoint, speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from classification.messages.log import Line
from classification.models.freezing import describe_trainable
from classification.training.averaging import WeightAverage
from classification.training.better_step import BetterStep, better_step
from classification.training.callbacks import epoch_figures
from classification.training.counters import EpochTotals, Meter
from classification.training.interruption import InterruptibleTrainer
from classification.training.objective import Objective
from classification.training.r_drop import RDrop
from classification.training.samplers import describe_balanced
from classification.training.schedule import Schedule, describe_best, describe_decay
from classification.training.throughput import measure_throughput

if TYPE_CHECKING:
    from classification.training.embeddings import EmbeddingRecorder


class TrainerSummary(InterruptibleTrainer):
    """The part of `ClassificationTrainer` that reads figures and changes no training.

    Attributes:
        objective, draw_weights, patience, r_drop: as given to `ClassificationTrainer`.
        training, evaluation: what was counted so far.
        totals: of the rows since the last line of an epoch.
        recorder: keeps embeddings of rows that are predicted, where somebody needs them.
        average: of the weights, where one is asked for.
    """

    objective: Objective
    draw_weights: np.ndarray | None
    patience: int | None
    r_drop: RDrop
    training: Meter
    evaluation: Meter
    totals: EpochTotals
    recorder: EmbeddingRecorder | None = None
    average: WeightAverage | None = None

    def take_epoch_totals(self) -> dict[str, float]:
        """train_loss and train_accuracy over the rows since the last call, in all processes; empty without rows.

        The accuracy is that of the labelled rows.
        """
        loss, hits, rows, unlabelled = self.accelerator.reduce(self.totals.take(), reduction="sum").tolist()
        if not rows:
            return {}
        has_accuracy = self.totals.counts_hits and rows > unlabelled
        return {"train_loss": loss / rows} | ({"train_accuracy": hits / (rows - unlabelled)} if has_accuracy else {})

    @property
    def epochs(self) -> list[dict[str, float]]:
        """The figures of each line `[Epoch ...]`, those of the run that was resumed included."""
        return epoch_figures(self.state)

    def throughput(self, *, pads_to_max: bool) -> dict:
        """The figures of `measure_throughput` over all processes. To be called once."""
        for meter in (self.training, self.evaluation):
            meter.counts = self.accelerator.reduce(meter.counts, reduction="sum")
        longest = self.processing_class.model_max_length
        return measure_throughput(
            self.model, self.training, self.evaluation, self.args, longest=longest, pads_to_max=pads_to_max
        )

    def summary(self, schedule: Schedule) -> list[Line]:
        """The decisions before training: parameters, objective, sampler, steps, weight decay, best checkpoint."""
        trainable = describe_trainable(self.model, self.args.learning_rate)
        weighted = self.objective.weights is not None
        sampler = [] if self.draw_weights is None else describe_balanced(weighted=weighted)
        steps = schedule.summary(self.args, self.patience, self.decay_summary())
        average = self.average.summary() if self.average else []
        rates = self.layer_rates.summary(self.model, self.args.learning_rate) if self.layer_rates else []
        return [*trainable, *self.objective.summary(), *self.r_drop.summary(), *sampler, *steps, *rates, *average]

    def decay_summary(self) -> Line:
        return describe_decay(self.model, set(self.get_decay_parameter_names(self.model)), self.args.weight_decay)

    def best_summary(self) -> list[Line]:
        better = self.better_step()
        rivals = self.average is not None
        return describe_best(self.args, self.state, rivals=rivals) + ([better.line()] if better else [])

    def better_step(self) -> BetterStep | None:
        """The evaluated step with the best headline metric, if the rule for the best checkpoint keeps another one."""
        if self.eval_dataset is None:
            return None
        return better_step(self.args, self.state, self.objective.task.headline, len(self.eval_dataset))
