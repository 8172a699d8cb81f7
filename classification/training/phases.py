"""The phases of a run after its preparation: train and save, predict a split, score it."""

from __future__ import annotations

import numpy as np
from datasets import DatasetDict

from classification.data.corpus import Corpus
from classification.errors import cosmetic
from classification.evaluation.metrics import MeanLoss
from classification.evaluation.predictions import Predictions
from classification.evaluation.split_metrics import score_labelled
from classification.evaluation.thresholds import tune_thresholds
from classification.log import log_lines
from classification.models.adapters import merge_adapters
from classification.models.regression_head import own_units
from classification.training.checkpoint_pickles import refuse_code_in
from classification.training.divergence import check_finite
from classification.training.final_model import save_final_model
from classification.training.trainer import ClassificationTrainer


def train_and_save(
    trainer: ClassificationTrainer,
    corpus: Corpus,
    encoded: DatasetDict,
    *,
    checkpoint: str | None,
    threshold_scope: str | None,
    merges_adapters: bool,
    lost: list[str],
) -> dict:
    """Train, reload the best checkpoint, tune thresholds if asked, save model and tokenizer.

    An error after training costs the thresholds or the merge, never the model.

    Args:
        checkpoint: to continue from.
        threshold_scope: `global` or `per_label`; None leaves the thresholds of `trainer.task`.
        lost: gets what an error has cost.

    Returns:
        The metrics of training, as `train_<name>`.

    Raises:
        RunError: training diverged; names the rows.
    """
    trainer.finite_steps.row_ids = {split: rows["id"] for split, rows in corpus.splits.items()}
    trainer.args.eval_on_start &= checkpoint is None  # the run before has done it
    with refuse_code_in(checkpoint):
        outcome = trainer.train(resume_from_checkpoint=checkpoint)
    lost += trainer.lost
    if not trainer.lost:
        with cosmetic("the line about the best checkpoint"):
            log_lines(trainer.best_summary())
    if threshold_scope:
        with cosmetic("--tune_thresholds", lost):
            tune_on_validation(trainer, corpus, encoded, threshold_scope)
    if merges_adapters:
        with cosmetic("--lora_merge", lost):
            trainer.replace_model(merge_adapters(trainer.model))
    with own_units(trainer.model, trainer.task):
        save_final_model(trainer)
    metrics = {f"train_{name.removeprefix('train_')}": value for name, value in outcome.metrics.items()}
    return metrics | {"train_samples": len(encoded["train"])}


def tune_on_validation(trainer: ClassificationTrainer, corpus: Corpus, encoded: DatasetDict, scope: str) -> None:
    """Give `trainer.task` and the config of its model the thresholds with the highest F1 on validation."""
    predictions = predict_split(trainer, corpus, encoded, "validation")
    probabilities = trainer.task.probabilities(predictions.logits)
    assert probabilities is not None  # only tasks with probabilities support thresholds
    truth = np.array(predictions.rows["label"][:])
    trainer.task, lines = tune_thresholds(scope, probabilities, truth, trainer.task)
    trainer.task.write_to(trainer.model.config)
    log_lines(lines)


def predict_split(trainer: ClassificationTrainer, corpus: Corpus, encoded: DatasetDict, split: str) -> Predictions:
    """The predictions of a split's rows, in their order.

    Raises:
        RunError: the model's output is not finite; names the rows.
    """
    rows = encoded[split]
    unlabelled = rows.select_columns([name for name in rows.column_names if name != "labels"])
    logits = trainer.predict(unlabelled).predictions
    trained = trainer.state.global_step > 0
    check_finite(logits, corpus.splits[split]["id"], split, trainer.args, trained=trained)
    tokens, full_tokens = (np.array(rows[name][:]) for name in ("read_length", "full_length"))
    return Predictions(corpus.splits[split], logits, tokens=tokens, full_tokens=full_tokens)


def score_predictions(
    trainer: ClassificationTrainer, predictions: Predictions, objective: MeanLoss | None = None
) -> dict:
    """How many rows there are, how much of them was read, and the metrics of the labelled ones."""
    metrics = {
        "samples": len(predictions.rows),
        "rows_cut": float(predictions.truncated.mean()),
        "tokens_not_read": float(1 - predictions.tokens.sum() / max(predictions.full_tokens.sum(), 1)),
    }
    if "label" in predictions.rows.column_names:
        label_ids = predictions.rows["label"][:]
        metrics |= score_labelled(predictions.logits, label_ids, trainer.task, trainer.extra_metric, objective)
    return metrics
