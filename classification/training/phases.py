"""The phases of a run after its preparation: train and save, predict a split, score it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, DatasetDict

from classification.data.corpus import Corpus
from classification.data.rows_in_train import rows_in_train
from classification.data.statistics_format import FILE
from classification.errors import cosmetic
from classification.evaluation.predictions import Predictions
from classification.evaluation.probability_quality import score_probabilities
from classification.evaluation.score_protocols import MeanLoss
from classification.evaluation.split_metrics import score_labelled
from classification.messages.log import log_lines
from classification.models.adapters import merge_adapters
from classification.models.calibrated_head import calibrated_head
from classification.models.fp32_ties import fp32_logits, full_fp32
from classification.models.regression_head import own_units
from classification.training.average_choice import choose_average, selection_of
from classification.training.checkpoint_pickles import refuse_code_in
from classification.training.divergence import check_finite
from classification.training.embeddings import recorded
from classification.training.final_model import save_final_model
from classification.training.fitted_decisions import chosen_checkpoint, fit_decisions, needs_validation
from classification.training.plan import TrainingChoices
from classification.training.trainer import ClassificationTrainer
from classification.training.training_statistics import training_statistics

FEW = 4  # rows that show whether the temperatures are in the saved weights


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the files of the model.

    Args:
        metrics: of training, as `train_<name>`.
        validation: the predictions on which the decisions were fitted, by the model that is kept; None without any.
        selections: what was chosen on validation, and on which rows.
        average: as from `choose_average`.
    """

    metrics: dict
    validation: Predictions | None
    selections: list[dict[str, object]]
    average: dict[str, object]


def train_and_save(
    trainer: ClassificationTrainer,
    corpus: Corpus,
    encoded: DatasetDict,
    *,
    checkpoint: str | None,
    choices: TrainingChoices,
    merges_adapters: bool,
    lost: list[str],
) -> Trained:
    """Train, keep the best weights, fit the decisions on validation, save model and tokenizer.

    An error after training costs the decisions or the merge, never the model. `trainer.task` gets the decisions.

    Args:
        checkpoint: to continue from.
        lost: gets what an error has cost.

    Raises:
        RunError: training diverged; names the rows.
    """
    trainer.finite_steps.row_ids = corpus.row_ids
    trainer.args.eval_on_start &= checkpoint is None  # the run before has done it
    with trainer.until_saved():
        with refuse_code_in(checkpoint):
            outcome = trainer.train(resume_from_checkpoint=checkpoint)
        lost += trainer.lost
        average = choose_weights(trainer, merges_adapters=merges_adapters, lost=lost)
        validation, selections = choose_decisions(trainer, corpus, encoded, choices, average, lost)
        save_calibrated(trainer, corpus, encoded, lost)
    metrics = {f"train_{name.removeprefix('train_')}": value for name, value in outcome.metrics.items()}
    return Trained(metrics | {"train_samples": len(encoded["train"])}, validation, selections, average)


def choose_weights(trainer: ClassificationTrainer, *, merges_adapters: bool, lost: list[str]) -> dict[str, object]:
    """Leave in the model the weights that are kept; the record of `choose_average`."""
    if not trainer.lost:
        with cosmetic("the line about the best checkpoint"):
            log_lines(trainer.best_summary())
    average = dict[str, object]()
    with cosmetic("--average", lost):
        average = choose_average(trainer)
    if merges_adapters:
        with cosmetic("--lora_merge", lost):
            trainer.replace_model(merge_adapters(trainer.model))
    return average


def choose_decisions(
    trainer: ClassificationTrainer,
    corpus: Corpus,
    encoded: DatasetDict,
    choices: TrainingChoices,
    average: Mapping[str, object],
    lost: list[str],
) -> tuple[Predictions | None, list[dict[str, object]]]:
    """Give `trainer.task` what is fitted on validation; the predictions for that, and the record of each choice."""
    validation, selections = None, list[dict[str, object]]()
    if "validation" not in encoded:
        return validation, selections
    rows = len(encoded["validation"])
    with cosmetic("the record of the best checkpoint", lost):
        selections += chosen_checkpoint(trainer.args, trainer.state, rows, trainer.better_step())
    with cosmetic("the record of --average", lost):
        selections += selection_of(average, rows)
    with cosmetic("calibration and decisions", lost):
        if needs_validation(choices, trainer.task):
            validation = predict_split(trainer, corpus, encoded, "validation")
            trainer.task, fitted = fit_decisions(trainer.task, validation, choices, lost)
            selections += fitted
            trainer.task.write_to(trainer.model.config)
    return validation, selections


def save_calibrated(trainer: ClassificationTrainer, corpus: Corpus, encoded: DatasetDict, lost: list[str]) -> None:
    """Save the model, with its temperatures in the weights where they fit, the tokenizer and the data statistics."""

    def few() -> np.ndarray:
        return few_logits(trainer, encoded["validation"])

    notes = dict[str, str]()
    with cosmetic(FILE, lost, asked=False):
        if trainer.args.should_save:
            train = encoded["train"]
            notes[FILE] = training_statistics(corpus, train, trainer.processing_class, trainer.task)
    with own_units(trainer.model, trainer.task), ExitStack() as calibrated:
        with cosmetic("calibration in the saved weights", lost):  # an error before any logit is computed
            calibrated.enter_context(calibrated_head(trainer.model, trainer.task, few, lost))
        save_final_model(trainer, notes)


def few_logits(trainer: ClassificationTrainer, rows: Dataset) -> np.ndarray:
    """Logits of the first rows in fp32, float32 [at most 4, C]; every process computes all of them."""
    columns = [name for name in trainer.processing_class.model_input_names if name in rows.column_names]
    few = rows.select(range(min(FEW, len(rows)))).select_columns(columns)
    batch = trainer.data_collator([few[i] for i in range(len(few))])
    inputs = {name: each.to(trainer.args.device) for name, each in batch.items()}
    with full_fp32(trainer.args.tf32):
        return fp32_logits(trainer.model, [inputs], lambda batch, counts: FEW, trainer.in_passes)


def predict_split(trainer: ClassificationTrainer, corpus: Corpus, encoded: DatasetDict, split: str) -> Predictions:
    """The predictions of a split's rows, in their order.

    Raises:
        RunError: the model's output is not finite; names the rows.
    """
    rows = encoded[split]
    unlabelled = rows.select_columns([name for name in rows.column_names if name != "labels"])
    with recorded(trainer, split, unlabelled):
        logits = trainer.predict(unlabelled).predictions
    trained = trainer.state.global_step > 0
    check_finite(logits, corpus.splits[split]["id"], split, trainer.args, trained=trained)
    tokens, full_tokens = (np.array(rows[name][:]) for name in ("read_length", "full_length"))
    in_train = rows_in_train(corpus.splits, split)
    return Predictions(corpus.splits[split], logits, tokens=tokens, full_tokens=full_tokens, in_train=in_train)


def score_predictions(
    trainer: ClassificationTrainer,
    predictions: Predictions,
    objective: MeanLoss | None = None,
    validation: Predictions | None = None,
) -> dict:
    """How many rows there are, how much of them was read, and the metrics of the labelled ones.

    Args:
        validation: the rows that choose the confidence of `abstention`, which may be these rows; None leaves it out.
    """
    metrics = {
        "samples": len(predictions.rows),
        "rows_cut": float(predictions.truncated.mean()),
        "tokens_not_read": float(1 - predictions.tokens.sum() / max(predictions.full_tokens.sum(), 1)),
    }
    if "label" in predictions.rows.column_names:
        label_ids = predictions.rows["label"][:]
        metrics |= score_labelled(predictions.logits, label_ids, trainer.task, trainer.extra_metric, objective)
        metrics |= score_probabilities(predictions, trainer.task, validation)
    return metrics
