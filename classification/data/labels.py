"""What a task is: its labels, and everything that depends on the kind of task.

Each kind is one subclass in a file of its own (`single_label`, `multi_label`, `regression`); `tasks` decides which one
the data has. Nothing else in the recipe asks what kind of task it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from classification.data.answer_values import AnswerValues
from classification.data.label_hints import LabelHints
from classification.data.label_values import label_key
from classification.data.output_distances import OutputDistances
from classification.data.probability_checks import ProbabilityChecks
from classification.data.rules.rule_protocol import RuleProtocol
from classification.data.rules.threshold_values import RULE_FLAGS
from classification.data.saved_temperatures import KEY as CALIBRATION
from classification.data.saved_temperatures import calibration_facts
from classification.errors import UsageError, did_you_mean, join_first
from classification.messages.shown_texts import quoted

# N rows of a split, B rows of a batch, C labels. A label id is what `encode` returns; `label_ids` holds one per row.


@dataclass(frozen=True)
class LabelSpace(AnswerValues, ProbabilityChecks, OutputDistances, RuleProtocol, ABC):
    """The protocol of a task. The defaults are those of one class per row.

    `names[i]` is the name of class i. `headline` is the metric that people read first, `main_metrics` those of the
    results table, `metrics` the key of the task's entry in `evaluation.metrics.METRICS`. `answer` and `loss_name` are
    for people: what a text is given, and the plain loss; "" where `describe` has to do.
    """

    names: tuple[str, ...]
    thresholds: tuple[float, ...] = field(default=(), kw_only=True)
    temperatures: tuple[float, ...] = field(default=(), kw_only=True)  # one, or one per label; () is not calibrated
    fitted_on: str = field(default="", kw_only=True, compare=False)  # the rows that gave the temperatures
    costs: tuple[tuple[float, ...], ...] = field(default=(), kw_only=True)  # [C, C], see `decision_costs`; () is none
    keeps_head: bool = field(default=False, kw_only=True, compare=False)  # the ids are those of a trained head

    problem_type: ClassVar[str]  # as `transformers` calls it
    headline: ClassVar[str]
    main_metrics: ClassVar[tuple[str, ...]]
    metrics: ClassVar[str]
    answer: ClassVar[str] = ""  # {labels} is how many there are
    loss_name: ClassVar[str] = ""
    unsupported: ClassVar[dict[str, str]] = {  # flag -> reason
        **dict.fromkeys(RULE_FLAGS, "no thresholds or costs decide its labels"),
        **dict.fromkeys(("loss", "label_smoothing_factor"), "it changes cross entropy, which is not the loss here"),
    }
    is_exclusive: ClassVar[bool] = False  # a row has exactly one of the names
    output_scale: ClassVar[tuple[float, float] | None] = None  # (std, mean) of standardised outputs

    @classmethod
    @abstractmethod
    def from_values(cls, values: list, hints: LabelHints) -> LabelSpace | None:
        """The task, where the raw training labels (none missing) are of this kind, else None."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Any, hints: LabelHints) -> LabelSpace | None:
        """The task, where a trained model's config is of this kind, else None."""

    def follow(self, names: tuple[str, ...] | None, trained: LabelSpace, config: Any) -> LabelSpace | None:
        """This task with the ids of `trained`, whose order `names` have; None where its head has other classes."""
        return None if names is None else replace(self, names=names, keeps_head=True)

    def write_to(self, config: Any) -> None:
        """Write what `from_config` reads, and remove what an earlier task left in the config."""
        for stale in ("label_mean", "label_std", "label_own_units", "thresholds", "decision_costs", CALIBRATION):
            if hasattr(config, stale):
                delattr(config, stale)
        config.num_labels = self.num_labels
        config.id2label, config.label2id = dict(enumerate(self.names)), self.label2id
        config.problem_type = self.problem_type
        if self.temperatures:
            config.calibration = calibration_facts(self.names, self.temperatures, self.fitted_on)

    def check_support(self, flags: Mapping[str, object]) -> None:
        """Raise a UsageError for the first of `flags` (name -> value) that this kind of task does not support."""
        for name, value in flags.items():
            if name in self.unsupported:
                raise UsageError(
                    f"--{name} {value}: not supported for this task ({self.describe()}): {self.unsupported[name]}. "
                    "Leave the flag out."
                )

    @abstractmethod
    def describe(self) -> str:
        """One line for people: the kind of task and its labels."""

    @property
    def num_labels(self) -> int:
        return len(self.names)

    @property
    def label2id(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    @property
    def items_per_row(self) -> int:
        """Numbers in the label of a row."""
        return 1

    @cached_property
    def _ids(self) -> dict[int | str, int]:
        return {label_key(name): i for i, name in enumerate(self.names)}

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """A raw label as an id (or a list of numbers), None where it is missing.

        Raises:
            KeyError: a label that train does not have.
        """

    @abstractmethod
    def decode(self, label_id: Any) -> str:
        """The text of a label id or of a decision, "" for None."""

    def read_cell(self, cell: str) -> Any:
        """The label id or decision that `decode` wrote as this text."""
        return self.encode(cell)

    def describe_unknown(self, unknown: dict[str, list[str]], split: str, source: str) -> str:
        """The error for raw labels that `encode` refused: value -> ids of rows."""
        counts = (f"{quoted(value)} x {len(rows)} (ids {join_first(rows, 3)})" for value, rows in unknown.items())
        hints = "".join(did_you_mean(value, self.names) for value in list(unknown)[:5])
        return (
            f"{split} has labels that {source} does not have: {join_first(counts)}. The labels are "
            f"{join_first(self.names, 10)}.{hints} Fix them, remove these rows from {split}, or train with rows that "
            "have them."
        )

    def counts(self, label_ids: Iterable) -> dict[str, int]:
        """Rows per name; labels of None are not counted. Empty for a task without classes."""
        given = np.array([label for label in label_ids if label is not None], dtype=np.int64)
        return dict(zip(self.names, np.bincount(given, minlength=self.num_labels).tolist(), strict=True))

    def indicators(self, label_ids: np.ndarray) -> np.ndarray:
        """Label ids as columns of 0 and 1, float64 [N, C]; for regression the numbers themselves, [N, 1]."""
        return (np.asarray(label_ids)[:, None] == np.arange(self.num_labels)).astype(np.float64)

    def strata(self, label_ids: np.ndarray) -> np.ndarray:
        """What a stratified split balances: classes [N], or 0 and 1 per label [N, C]."""
        return np.asarray(label_ids)

    def only_class(self, label_ids: Iterable) -> str | None:
        """The one label that all rows have, None where there are several (or no classes)."""
        present = {self.decode(label) for label in label_ids}
        return present.pop() if len(present) == 1 else None

    def side(self, label_id: Any) -> Hashable:
        """The group of a label by which a sorted file is recognised."""
        return str(label_id)

    def conflict(self, label_ids: Sequence) -> bool:
        """Whether the labels of one text contradict each other."""
        return any(label != label_ids[0] for label in label_ids)

    @abstractmethod
    def probabilities(self, logits: np.ndarray) -> np.ndarray | None:
        """Float64 [B, C] of logits [B, C]; None for a task without probabilities."""

    @abstractmethod
    def decide(self, logits: np.ndarray) -> np.ndarray:
        """Decisions in the form of label ids, [B] or [B, C]."""

    @abstractmethod
    def margin(self, logits: np.ndarray) -> np.ndarray:
        """Distance of each row's logits from another decision, float [B]."""

    @abstractmethod
    def row_losses(self, logits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
        """Loss per row, float64 [B]; the plain mean is val_loss."""

    def in_units(self, label_ids: np.ndarray) -> np.ndarray:
        """Label ids or decisions as metrics read them: class ids, or numbers in the label's own units."""
        return label_ids.astype(np.int64)

    def is_constant(self, decisions: np.ndarray) -> bool:
        """Whether every row has the same decision."""
        return len(np.unique(decisions, axis=0)) == 1

    @abstractmethod
    def torch_losses(self, logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        """Unreduced training losses of fp32 logits [B, C]: [B], or [B, C] where a row has several labels.

        A label of -100 is padding: its loss must be finite, and is ignored.
        """

    def torch_hits(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | None:
        """Number of rows decided correctly, []; None where accuracy is not the headline."""
        return None

    def answer_counts(self, label_ids: np.ndarray) -> np.ndarray:
        """Rows per answer that a weight can be given to: float64 [C], or [C, 2] for no and yes."""
        return np.bincount(label_ids, minlength=self.num_labels).astype(np.float64)

    def prior_logits(self, counts: np.ndarray) -> np.ndarray | None:
        """The logits [C] that predict the shares of `answer_counts`, plus one each; None leaves the bias at 0."""
        return None

    def answer_index(self, name: str) -> tuple[int, ...]:
        """Where the weight of a name is in an array of the shape of `answer_counts`."""
        return (self.label2id[name],)

    def select_weights(self, weights: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The weight of each loss in `torch_losses`; `weights` have the shape of `answer_counts`."""
        return weights[labels.clamp(min=0)]

    def describe_weights(self, weights: np.ndarray) -> str:
        """Class weights for people."""
        texts = (f"{name} {weight:.3g}" for name, weight in zip(self.names, weights, strict=True))
        return f"{join_first(texts, 12)} (per row, mean 1 over train)"

    def untuned(self) -> LabelSpace:
        """The same task with the default decision rule and without temperatures, for the logits of another model."""
        return replace(self, temperatures=(), fitted_on="")

    def pipeline_options(self) -> str:
        """Arguments that `pipeline` needs beyond the usual ones, each after a comma."""
        return ""

    def usage_note(self, config: dict) -> str:
        """One comment beside the lines that load the model; `config` is the saved config.json."""
        return "more than one text: classify([...], batch_size=32); all probabilities: top_k=None"
