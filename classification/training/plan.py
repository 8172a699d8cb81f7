"""Loss, extra metric and schedule of a training, and the Trainer that uses them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from datasets import DatasetDict
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

from classification.data.labels import LabelSpace
from classification.data.rules.rule_choice import RuleChoice
from classification.data.unlabelled import join_unlabelled
from classification.evaluation.extra_metric import check_best_metric, load_metric
from classification.evaluation.score_protocols import ExtraMetric
from classification.models.head_prior import PRIOR, HeadPrior, decide_prior
from classification.training.average_kind import Average
from classification.training.averaging import attach_average
from classification.training.class_weights import class_weights
from classification.training.layer_rates import LayerRates
from classification.training.loaders import EqualDraws
from classification.training.objective import LossOptions, Objective
from classification.training.pruning import StopHopeless
from classification.training.r_drop import check_dropout
from classification.training.samplers import class_draw_weights
from classification.training.schedule import Schedule
from classification.training.teacher_choice import TeacherChoice
from classification.training.trainer import ClassificationTrainer


@dataclass(frozen=True)
class TrainingChoices:
    """How rows are drawn, when training stops, what is measured, and how labels are decided.

    Args:
        sampler: `random` or `balanced`.
        head_init: `prior` or `zero`, the bias of a new head.
        patience: evaluations without a better one that stop training.
        average: the average of weights that becomes a candidate beside the best checkpoint.
        metric_name: one more metric, as for `load_metric`; trust_remote_code: whether it may be code.
        calibrate: whether temperatures are fitted on validation.
        rule: the decision rule that was asked for.
        task_flags: flags that only some tasks support, where they were given: name -> value.
        layerwise_lr_decay: factor between the learning rates of two layers, see `LayerRates`; None for one rate.
        r_drop: see `RDrop`; 0 for one pass.
        teacher: a trained classifier whose probabilities are learned too.
        is_hopeless: of a trial of `--search`, whether it is stopped, by the best metrics so far (`StopHopeless`).
    """

    sampler: str = "random"
    head_init: Literal["prior", "zero"] = "prior"
    patience: int | None = None
    average: Average | None = None
    metric_name: str | None = None
    trust_remote_code: bool = False
    calibrate: bool = False
    rule: RuleChoice = RuleChoice()
    task_flags: Mapping[str, object] = field(default_factory=dict)
    layerwise_lr_decay: float | None = None
    r_drop: float = 0.0
    teacher: TeacherChoice | None = None
    is_hopeless: Callable[[Sequence[float]], bool] | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """All of a training that needs no model; `schedule` and `prior` are None where nothing is trained.

    `prior` is the bias of a new head.
    """

    choices: TrainingChoices
    objective: Objective
    extra_metric: ExtraMetric | None
    schedule: Schedule | None = None
    prior: HeadPrior | None = None


def plan_training(
    args: TrainingArguments,
    task: LabelSpace,
    label_ids: Sequence | None,
    loss: LossOptions,
    choices: TrainingChoices,
    validation_labels: Sequence | None = None,
    unlabelled: int = 0,
) -> TrainingPlan:
    """Decide all of a training that needs no model, so that its errors come early.

    Args:
        label_ids: of the training rows; None where nothing is trained.
        validation_labels: label ids of the rows that choose the checkpoint.
        unlabelled: number of training rows without a label.

    Raises:
        UsageError: a class weight for an unknown label, an unknown metric, or a patience that could never stop the run.
    """
    extra = load_metric(choices.metric_name, task, trusted=choices.trust_remote_code)
    weights = None if label_ids is None else class_weights(loss.class_weights, task, label_ids)
    objective = Objective(task, weights, loss.focal_gamma, loss.label_smoothing)
    if label_ids is None:
        return TrainingPlan(choices, objective, extra)
    check_best_metric(args.metric_for_best_model or "loss", task, extra, objective, validation_labels)
    schedule = Schedule.from_args(args, len(label_ids) + unlabelled)
    schedule.check_best(args)
    schedule.check_early_stopping(choices.patience)
    if choices.average:
        choices.average.check(schedule.evaluations)
    prior = None
    if choices.head_init == PRIOR:
        prior = decide_prior(task, label_ids, weights, balanced=choices.sampler == "balanced")
    return TrainingPlan(choices, objective, extra, schedule, prior)


def check_model(model: PreTrainedModel | PeftModel, choices: TrainingChoices) -> None:
    """Check that the model can be trained as chosen, before the rows are encoded.

    Raises:
        UsageError: rates by layer without layers, or two passes without dropout.
    """
    if choices.layerwise_lr_decay is not None:
        LayerRates.of(model, choices.layerwise_lr_decay)
    if choices.r_drop:
        check_dropout(model, choices.r_drop)


@contextmanager
def warning_about_smoothing_hidden() -> Iterator[None]:
    """Inside, the library does not warn that several labels per row are not smoothed: `Objective` smooths them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Label smoothing is not compatible with multi-label", UserWarning)
        yield


def build_trainer(
    plan: TrainingPlan,
    args: TrainingArguments,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoded: DatasetDict,
    collator: Callable,
    *,
    pads_to_max: bool,
) -> ClassificationTrainer:
    """The Trainer of a plan.

    Args:
        pads_to_max: every batch has `max_seq_length` tokens, so that evaluation takes a fixed number of rows.
    """
    train = encoded.get("train")
    balanced = train is not None and plan.choices.sampler == "balanced"
    decay = plan.choices.layerwise_lr_decay if train is not None else None
    with warning_about_smoothing_hidden():
        trainer = ClassificationTrainer(
            model=model,
            args=args,
            objective=plan.objective,
            extra_metric=plan.extra_metric,
            draw_weights=class_draw_weights(train["labels"][:]) if balanced else None,
            patience=plan.choices.patience if train is not None else None,
            # As many tokens as the flag's rows have where all texts are long.
            eval_tokens=None if pads_to_max else args.per_device_eval_batch_size * tokenizer.model_max_length,
            layer_rates=LayerRates.of(model, decay) if decay else None,
            r_drop=plan.choices.r_drop,
            train_dataset=None if train is None else join_unlabelled(train, encoded.get("unlabelled")),
            eval_dataset=encoded.get("validation"),
            processing_class=tokenizer,
            data_collator=collator,
        )
    trainer.add_callback(EqualDraws())
    if plan.choices.is_hopeless is not None:
        trainer.add_callback(StopHopeless(plan.choices.is_hopeless))
    if plan.schedule and plan.choices.average:
        trainer.average = attach_average(trainer, plan.choices.average, plan.schedule, plan.choices.patience)
        trainer.kept_files.append(trainer.average)
    return trainer
