"""The phases of a run after its preparation: train and save, score a split."""

from __future__ import annotations

import numpy as np
from datasets import DatasetDict

from classification.data.corpus import Corpus
from classification.evaluation.metrics import MeanLoss
from classification.evaluation.predictions import Predictions
from classification.evaluation.split_metrics import score_labelled
from classification.evaluation.thresholds import tune_thresholds
from classification.log import log_lines
from classification.models.adapters import merge_adapters
from classification.models.regression_head import own_units
from classification.training.trainer import ClassificationTrainer


def train_and_save(
    trainer: ClassificationTrainer,
    corpus: Corpus,
    encoded: DatasetDict,
    *,
    checkpoint: str | None,
    threshold_scope: str | None,
    merges_adapters: bool,
) -> dict:
    """Train, reload the best checkpoint, tune thresholds if asked, save model and tokenizer.

    Args:
        checkpoint: to continue from.
        threshold_scope: `global` or `per_label`; None leaves the thresholds of `trainer.task`.

    Returns:
        The metrics of training, as `train_<name>`.
    """
    outcome = trainer.train(resume_from_checkpoint=checkpoint)
    log_lines(trainer.best_summary())
    if threshold_scope:
        predictions = predict_split(trainer, corpus, encoded, "validation")
        probabilities = trainer.task.probabilities(predictions.logits)
        assert probabilities is not None  # only tasks with probabilities support thresholds
        truth = np.array(predictions.rows["label"][:])
        trainer.task, lines = tune_thresholds(threshold_scope, probabilities, truth, trainer.task)
        log_lines(lines)
        trainer.task.write_to(trainer.model.config)
    if merges_adapters:
        trainer.replace_model(merge_adapters(trainer.model))
    with own_units(trainer.model, trainer.task):
        trainer.save_model()
    metrics = {f"train_{name.removeprefix('train_')}": value for name, value in outcome.metrics.items()}
    return metrics | {"train_samples": len(encoded["train"])}


def predict_split(trainer: ClassificationTrainer, corpus: Corpus, encoded: DatasetDict, split: str) -> Predictions:
    """The predictions of a split's rows, in their order."""
    rows = encoded[split]
    unlabelled = rows.select_columns([name for name in rows.column_names if name != "labels"])
    logits = trainer.predict(unlabelled).predictions
    tokens, full_tokens = (np.array(rows[name][:]) for name in ("read_length", "full_length"))
    return Predictions(corpus.splits[split], logits, tokens=tokens, full_tokens=full_tokens)


def score_split(
    trainer: ClassificationTrainer,
    corpus: Corpus,
    encoded: DatasetDict,
    split: str,
    objective: MeanLoss | None = None,
) -> tuple[Predictions, dict]:
    """The predictions of a split; how many rows it has, how much of them was read, and the metrics of labelled rows."""
    predictions = predict_split(trainer, corpus, encoded, split)
    metrics = {
        "samples": len(predictions.rows),
        "rows_cut": float(predictions.truncated.mean()),
        "tokens_not_read": float(1 - predictions.tokens.sum() / predictions.full_tokens.sum()),
    }
    if "label" in predictions.rows.column_names:
        label_ids = predictions.rows["label"][:]
        metrics |= score_labelled(predictions.logits, label_ids, trainer.task, trainer.extra_metric, objective)
    return predictions, metrics
