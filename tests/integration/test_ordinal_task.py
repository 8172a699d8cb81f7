"""A fourth kind of task needs one new class: ordered classes, defined here, that every other file takes as they are.

The class trains, resumes from a checkpoint, writes predictions and reloads, registered by `register_task` and with
metrics of its own in `METRICS`. Nothing in the package knows it.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from corpus import BAD, FILLER, GOOD, write_splits
from helpers import AGAIN, account, largest_difference, read_predictions
from sklearn import metrics as sk

from classification.data import tasks
from classification.data.label_hints import LabelHints
from classification.data.labels import LabelSpace
from classification.data.single_label import log_softmax
from classification.errors import UsageError
from classification.evaluation.metrics import METRICS, on_decisions
from run_classification import main

ORDER = ("low", "medium", "high")


@dataclass(frozen=True)
class Ordinal(LabelSpace):
    """Classes in an order: softmax, and the ranked probability score (Epstein 1969) as the loss.

    The score is the squared distance between the cumulative distribution of the prediction and that of the label, so
    that a class far from the label costs more than a near one. The decision is the median class.
    """

    problem_type = "single_label_classification"  # what `transformers` and `pipeline` make of the logits
    headline = "mae"
    main_metrics = ("mae", "accuracy")
    metrics = "ordinal"

    @classmethod
    def from_values(cls, values: list, hints: LabelHints) -> Ordinal | None:
        return cls(ORDER) if set(values) == set(ORDER) else None

    @classmethod
    def from_config(cls, config: Any, hints: LabelHints) -> Ordinal | None:
        return cls(ORDER) if getattr(config, "is_ordinal", False) else None

    def write_to(self, config: Any) -> None:
        super().write_to(config)
        config.is_ordinal = True

    def describe(self) -> str:
        return f"ordinal: {' < '.join(self.names)}"

    def encode(self, value: Any) -> int | None:
        return self.label2id[value] if value else None

    def decode(self, label_id: Any) -> str:
        return "" if label_id is None else self.names[int(label_id)]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return np.exp(log_softmax(logits))

    def cumulative(self, logits: np.ndarray) -> np.ndarray:
        """The probability that the class is at most 0, 1, ..., C - 2: [B, C - 1]."""
        return self.probabilities(logits).cumsum(axis=-1)[:, :-1]

    def decide(self, logits: np.ndarray) -> np.ndarray:
        return (self.cumulative(logits) < 0.5).sum(axis=-1)

    def margin(self, logits: np.ndarray) -> np.ndarray:
        return np.abs(self.cumulative(logits) - 0.5).min(axis=-1)

    def row_losses(self, logits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
        steps = np.asarray(label_ids)[:, None] <= np.arange(self.num_labels - 1)
        return ((self.cumulative(logits) - steps) ** 2).sum(axis=-1)

    def torch_losses(self, logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        steps = labels[:, None] <= torch.arange(self.num_labels - 1, device=labels.device)
        return ((logits.softmax(dim=-1).cumsum(dim=-1)[:, :-1] - steps.float()) ** 2).sum(dim=-1)


def ordered_rows(count: int, seed: int) -> list[dict]:
    """A good word is high, a bad one low, both together medium."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        name = ORDER[i % 3]
        words = draw.choices(FILLER, k=draw.randint(2, 8))
        for vocabulary, others in ((BAD, "high"), (GOOD, "low")):
            if name != others:
                words.insert(draw.randrange(len(words) + 1), draw.choice(vocabulary))
        rows.append({"id": f"o{seed}-{i}", "text": " ".join(words), "label": name})
    return rows


@pytest.fixture(scope="module")
def ordinal(data):
    """The flags of a task whose kind is registered as long as the tests of this file run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "TASK_KINDS", list(tasks.TASK_KINDS))
        patch.setitem(METRICS, "ordinal", {
            "mae": on_decisions(sk.mean_absolute_error), "accuracy": on_decisions(sk.accuracy_score),
        })  # fmt: skip
        tasks.register_task(Ordinal)
        flags = {"per_device_train_batch_size": 4, "num_train_epochs": 10, "learning_rate": 0.002}
        yield write_splits(data, "ordinal", ordered_rows, 120, 30, 30) | flags


def test_the_losses_of_numpy_and_torch_are_the_ranked_probability_score():
    task, logits = Ordinal(ORDER), np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    labels = np.array([0, 1, 2, 0, 1, 2])
    probabilities = task.probabilities(logits)
    expected = [sum((p[: k + 1].sum() - (label <= k)) ** 2 for k in (0, 1))
                for p, label in zip(probabilities, labels, strict=True)]  # fmt: skip
    assert task.row_losses(logits, labels) == pytest.approx(expected)
    assert task.torch_losses(torch.tensor(logits), torch.tensor(labels), 0.0).numpy() == pytest.approx(expected)
    near, far = task.row_losses(np.array([[0.0, 9.0, 0.0], [0.0, 0.0, 9.0]]), np.array([0, 0]))
    assert 0.9 < near < 1.1 and 1.9 < far < 2.1  # a far class costs more


def test_it_is_learned_measured_and_written(finished, ordinal):
    run = finished(**ordinal)
    assert "ordinal: low < medium < high" in run.shown and "val_mae=" in run.shown
    assert run.results["test_mae"] < 0.2 and run.results["test_accuracy"] > 0.8
    rows = run.predictions
    assert [row["label"] for row in rows] == [row["label"] for row in ordered_rows(30, 3)]
    distances = [abs(ORDER.index(row["label"]) - ORDER.index(row["prediction"])) for row in rows]
    assert run.results["test_mae"] == pytest.approx(np.mean(distances))
    probabilities = np.array([[float(row[f"prob_{name}"]) for name in ORDER] for row in rows])
    medians = (probabilities.cumsum(axis=1) < 0.5).sum(axis=1)
    assert [row["prediction"] for row in rows] == [ORDER[median] for median in medians]


def test_it_resumes_to_the_same_weights(command, finished, ordinal, tmp_path):
    whole = finished(**ordinal)
    (tmp_path / "cut").mkdir()
    first, _ = sorted(whole.folder.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    shutil.copytree(first, tmp_path / "cut" / first.name, copy_function=shutil.copyfile)
    result = main(command(**ordinal, output_dir=tmp_path / "cut", resume="auto"))
    assert largest_difference(whole.folder, tmp_path / "cut") == 0
    assert read_predictions(tmp_path / "cut") == whole.predictions
    assert {name: result[name] for name in result if name.startswith(("eval_", "test_"))} == {
        name: value for name, value in whole.results.items() if name.startswith(("eval_", "test_"))
    }
    assert account(tmp_path / "cut")["best_step"] == whole.account["best_step"]


def test_a_saved_model_is_ordinal_again(command, finished, ordinal, tmp_path):
    trained = finished(**ordinal)
    result = main(command(**ordinal | AGAIN | {"model_name_or_path": trained.folder}))
    assert read_predictions(tmp_path / "out") == trained.predictions
    assert result["test_mae"] == trained.results["test_mae"]
    classify = transformers.pipeline("text-classification", model=str(trained.folder), truncation=True, top_k=None)
    for row, answers in zip(trained.predictions, classify([row["text"] for row in trained.predictions]), strict=True):
        for answer in answers:
            assert answer["score"] == pytest.approx(float(row[f"prob_{answer['label']}"]), abs=1e-5)


def test_it_is_compared_with_baselines(command, ordinal, tmp_path):
    main(command(**ordinal | {"num_train_epochs": 1}, baselines="majority", output_dir=tmp_path / "out"))
    assert account(tmp_path / "out")["comparison"]["figures"]["metric"] == "accuracy"


@pytest.mark.parametrize("flag", [{"tune_thresholds": "global"}, {"label_smoothing_factor": 0.1}, {"loss": "focal"}])
def test_flags_that_change_another_loss_or_have_no_meaning_are_refused(command, ordinal, flag):
    (name,) = flag
    with pytest.raises(UsageError, match=f"--{name}.*ordinal"):
        main(command(**ordinal | flag))


def test_without_its_class_the_labels_have_no_order(ordinal, monkeypatch):
    monkeypatch.setattr(tasks, "TASK_KINDS", [kind for kind in tasks.TASK_KINDS if kind is not Ordinal])
    assert tasks.infer_task(ORDER).names == ("high", "low", "medium")
