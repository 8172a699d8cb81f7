"""Any number of labels per row, each predicted from a threshold of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from classification.data.label_hints import LabelHints
from classification.data.label_names import names_in
from classification.data.label_values import is_missing, label_key, sorted_names
from classification.data.labels import LabelSpace
from classification.data.rules.threshold_values import ByName, check_names, check_threshold
from classification.data.saved_temperatures import saved_calibration
from classification.errors import UsageError, join_first
from classification.messages.shown_texts import quoted

# B rows of a batch, C labels.

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class MultiLabel(LabelSpace):
    """Any number of labels per row: a sigmoid and binary cross entropy per label; an id is a row of 0.0 and 1.0.

    Args:
        thresholds: the probability from which each label is predicted.
        delimiter: between the names in one cell; None writes a JSON array.
    """

    delimiter: str | None = None

    problem_type = "multi_label_classification"
    headline = "f1_micro"
    main_metrics = ("f1_micro", "f1_macro", "f1_samples", "exact_match", "average_precision")
    metrics = "multi_label"
    answer, loss_name = "any number of {labels}", "binary cross entropy per label"
    default_rule = f"every label with a probability of at least {DEFAULT_THRESHOLD} is predicted"
    tune_scopes, rule_values = ("global", "per_label"), "thresholds"
    unsupported = {
        "sampler": "it draws rows by their one class; use --class_weights balanced",
        "costs": "every label is decided by itself; pass --thresholds with (cost of a false label) / (cost of a false "
        "label + cost of a missed one)",
    }

    @classmethod
    def from_values(cls, values: list, hints: LabelHints) -> MultiLabel | None:
        example = next((value for value in values if isinstance(value, list)), None)
        if example is None:
            return None
        if hints.do_regression:
            given = quoted(example)
            raise UsageError(f"--do_regression: the labels are lists (for example {given}). Leave the flag out.")
        sets = {frozenset(label_key(name) for name in value) for value in values}
        if len(sets) < 2:
            raise UsageError(
                f"Every training row has the same labels ({join_first(sorted(map(str, next(iter(sets))))) or 'none'}), "
                "so there is nothing to learn. Check the label columns and --label_delimiter."
            )
        names = hints.class_names if hints.class_names is not None else sorted_names(chain.from_iterable(values))
        if len(names) < 2:
            raise UsageError(
                f"There is only one label ({names[0]!r}): that is a single-label task with two classes. Name its "
                "column with --label_column_name, or write the two answers as names."
            )
        return cls(names, delimiter=hints.delimiter, thresholds=(DEFAULT_THRESHOLD,) * len(names))

    @classmethod
    def from_config(cls, config: Any, hints: LabelHints) -> MultiLabel | None:
        if config.problem_type != cls.problem_type:
            return None
        names = names_in(config)
        defaults = (DEFAULT_THRESHOLD,) * len(names)
        task = cls(names, delimiter=hints.delimiter, thresholds=defaults, **saved_calibration(config, names))
        saved = getattr(config, "thresholds", None)
        return task.with_thresholds(saved, "config.json: thresholds") if saved else task

    def follow(self, names: tuple[str, ...] | None, trained: LabelSpace, config: Any) -> LabelSpace | None:
        """The saved thresholds belong to the decisions of the trained model."""
        followed = super().follow(names, trained, config)
        return followed and replace(followed, thresholds=trained.thresholds)

    def write_to(self, config: Any) -> None:
        super().write_to(config)
        config.thresholds = dict(zip(self.names, self.thresholds, strict=True))

    def describe(self) -> str:
        return f"multi-label, {self.num_labels} labels: {join_first(self.names, 10)}"

    @property
    def items_per_row(self) -> int:
        return self.num_labels

    @property
    def label_feature(self) -> Any:
        from datasets import List, Value

        return List(Value("float32"))

    def encode(self, value: Any) -> list[float] | None:
        if is_missing(value) or (value in (-1, "-1", [-1], ["-1"]) and -1 not in self._ids):
            return None
        row = [0.0] * self.num_labels
        for name in value if isinstance(value, list) else [value]:
            row[self._ids[label_key(name)]] = 1.0
        return row

    def decode(self, label_id: Any) -> str:
        if label_id is None:
            return ""
        chosen = [name for name, given in zip(self.names, label_id, strict=True) if given]
        return self.delimiter.join(chosen) if self.delimiter else json.dumps(chosen, ensure_ascii=False)

    def read_cell(self, cell: str) -> list[float] | None:
        """An empty cell is a row without labels."""
        return self.encode((cell.split(self.delimiter) if self.delimiter else json.loads(cell)) if cell else [])

    def answer_value(self, decision: Any) -> tuple[str, ...]:
        return tuple(name for name, given in zip(self.names, decision, strict=True) if given)

    def confidences(self, probabilities: np.ndarray, decisions: np.ndarray) -> np.ndarray:
        return np.where(decisions.astype(bool), probabilities, 1 - probabilities).min(axis=1)

    def counts(self, label_ids: Iterable) -> dict[str, int]:
        given = np.array([label for label in label_ids if label is not None]).reshape(-1, self.num_labels)
        return dict(zip(self.names, given.sum(axis=0).astype(int).tolist(), strict=True))

    def indicators(self, label_ids: np.ndarray) -> np.ndarray:
        return np.asarray(label_ids, dtype=np.float64)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return np.exp(-np.logaddexp(0.0, -self.calibrated(logits).astype(np.float64)))

    def decide(self, logits: np.ndarray) -> np.ndarray:
        return self.probabilities(logits) >= np.array(self.thresholds)

    def margin(self, logits: np.ndarray) -> np.ndarray:
        thresholds = np.array(self.thresholds)
        with np.errstate(divide="ignore"):
            cuts = np.log(thresholds) - np.log1p(-thresholds)
        cuts *= np.array(self.temperatures or (1.0,))
        return np.abs(logits - cuts).min(axis=-1)

    def choices(self, logits: np.ndarray, label_ids: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each label is a question with the answers no, whose logit is 0, and yes."""
        columns = zip(logits.T.astype(np.float64), np.asarray(label_ids).T.astype(np.int64), strict=True)
        return [(np.stack([np.zeros_like(yes), yes], axis=1), truth) for yes, truth in columns]

    def outcomes(self, probabilities: np.ndarray, label_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return probabilities.ravel(), np.asarray(label_ids).astype(bool).ravel()

    def share_answered(self, right: np.ndarray, label_ids: np.ndarray) -> float:
        return right.sum() / max(np.asarray(label_ids).sum(), 1)

    def describe_answered(self, share: str) -> str:
        return f"finds {share} of the labels of test"

    def row_losses(self, logits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
        logits = logits.astype(np.float64)
        return (np.logaddexp(0.0, logits) - label_ids * logits).mean(axis=-1)

    def torch_losses(self, logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        targets = labels.float() * (1 - label_smoothing) + label_smoothing / 2 if label_smoothing else labels.float()
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")

    def torch_distances(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Of the two answers to each label, [B, C]."""
        return (first.sigmoid() - second.sigmoid()) * (first - second) / 2

    def soft_losses(self, logits: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
        """Each label is a question with the answers no and yes; the mean over labels, as in `row_losses`."""
        student, teacher = logits / temperature, targets / temperature
        yes = teacher.sigmoid() * (F.logsigmoid(teacher) - F.logsigmoid(student))
        no = (-teacher).sigmoid() * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
        return temperature**2 * (yes + no).mean(-1)

    def answer_counts(self, label_ids: np.ndarray) -> np.ndarray:
        yes = label_ids.sum(axis=0)
        return np.stack([len(label_ids) - yes, yes], axis=-1)

    def prior_logits(self, counts: np.ndarray) -> np.ndarray:
        return np.log((counts[:, 1] + 1) / (counts[:, 0] + 1))

    def answer_index(self, name: str) -> tuple[int, ...]:
        return self.label2id[name], 1

    def select_weights(self, weights: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.where(labels == 1, weights[:, 1], weights[:, 0])

    def describe_weights(self, weights: np.ndarray) -> str:
        ratios = weights[:, 1] / weights[:, 0]
        texts = (f"{name} {ratio:.3g}" for name, ratio in zip(self.names, ratios, strict=True))
        return f"{join_first(texts, 12)} (a row with the label, against one without)"

    def with_thresholds(self, given: ByName, source: str = "--thresholds") -> MultiLabel:
        by_name = self.target_names(given, source)
        for value in by_name.values():
            check_threshold(value, source)
        old = dict(zip(self.names, self.thresholds, strict=True))
        return replace(self, thresholds=tuple(float((old | by_name)[name]) for name in self.names))

    def target_names(self, given: ByName, source: str) -> dict[str, float]:
        by_name = given if isinstance(given, dict) else dict.fromkeys(self.names, given)
        check_names(by_name, self.names, source)
        return by_name

    def untuned(self) -> MultiLabel:
        defaults = (DEFAULT_THRESHOLD,) * len(self.thresholds)
        return replace(self, thresholds=defaults, temperatures=(), fitted_on="")

    def pipeline_options(self) -> str:
        return ", top_k=None"

    def describe_rule(self) -> str:
        return "" if set(self.thresholds) == {DEFAULT_THRESHOLD} else self.usage_note({})

    def usage_rule(self, config: Mapping[str, Any], texts: str) -> list[str]:
        cuts = dict(zip(self.names, self.thresholds, strict=True))
        place = "classify.model.config.thresholds" if config.get("thresholds") == cuts else repr(cuts)
        choice = '[each["label"] for each in answers if each["score"] >= cuts[each["label"]]]'
        return [f"cuts = {place}", f"print([{choice} for answers in classify({texts})])"]

    def usage_note(self, config: dict) -> str:
        cuts = [f"{cut:.3g} ({name})" for name, cut in zip(self.names, self.thresholds, strict=True)]
        same = len(set(self.thresholds)) == 1
        return (
            f"a label is predicted from a probability of {f'{self.thresholds[0]:.3g}' if same else join_first(cuts, 6)}"
        )
