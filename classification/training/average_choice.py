"""After training: the average of the weights beside the best checkpoint, both on validation; the better one is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from classification.data.findings import quantity
from classification.evaluation.metrics import LOWER_IS_BETTER, metric_names
from classification.messages.log import Line, log_lines, warning
from classification.training.averaging import WeightAverage, Weights
from classification.training.callbacks import epoch_figures, short_name
from classification.training.trainer import ClassificationTrainer

Figures = Mapping[str, float]


def choose_average(trainer: ClassificationTrainer) -> dict[str, object]:
    """Keep the average of the weights in the model where it is better on validation, and log both.

    The rule is `--metric_for_best_model`. Equal values keep the checkpoint. Without validation, and where its rows must
    not choose the weights, the average is kept without a comparison.

    Returns:
        The record of run.json; empty without an average.
    """
    average = trainer.average
    if average is None:
        return {}
    weights = average.weights()
    if not weights:
        log_lines([warning(f"--average {average.choice}: nothing was averaged; the weights stay as they are")])
        return {}
    facts: dict[str, object] = {"average": str(average.choice), "of": count_of(average)}
    if trainer.eval_dataset is None or not average.choice.compared:
        exchange(trainer.model, weights)
        reason = "there are no validation rows" if trainer.eval_dataset is None else "the rows of a fold choose nothing"
        log_lines([Line("average", f"{average.describe()}: used without a comparison ({reason})")])
        return facts | {"compared": False, "kept": True}
    return facts | compare(trainer, average, weights)


def compare(trainer: ClassificationTrainer, average: WeightAverage, weights: Weights) -> dict[str, object]:
    """Evaluate the average, and leave the better weights in the model."""
    step, before = step_in_use(trainer), figures_of_the_step(trainer)
    exchange(trainer.model, weights)
    try:
        figures = evaluate(trainer)
    except BaseException:
        exchange(trainer.model, weights)
        raise
    name = name_of_rule(trainer)
    kept = is_better(figures.get(name), before.get(name), lower=not rule_is_greater(trainer))
    if not kept:
        exchange(trainer.model, weights)
    end = "the average is kept" if kept else f"step {step} is kept"
    text = f"{show(trainer, figures)}; step {step}: {show(trainer, before)}: {end}"
    log_lines([Line("average", f"{average.choice} of {count_of(average)}: {text}")])
    return {"compared": True, "kept": kept, "metric": name, "figures": figures, "step": step, "step_figures": before}


def count_of(average: WeightAverage) -> str:
    """How many weights are in the average."""
    if average.choice.kind == "ema":
        return quantity(average.count, "step")
    return quantity(min(average.count, average.choice.evaluations), "evaluation")


def selection_of(record: Mapping[str, object], rows: int) -> list[dict[str, object]]:
    """The record of the choice between average and checkpoint, as `fit_decisions` has them; none without a choice.

    Args:
        record: as from `choose_average`. rows: of validation.
    """
    if not record.get("compared"):
        return []
    name = str(record["metric"])
    values = {"average": record["figures"][name], f"step {record['step']}": record["step_figures"].get(name)}  # type: ignore
    return [
        {
            "what": "average",
            "split": "validation",
            "rows": rows,
            "method": f"better {'val_loss' if name == 'eval_loss' else name.removeprefix('eval_')}",
            "value": f"{record['average']} of {record['of']}" if record["kept"] else f"step {record['step']}",
            "score": values["average" if record["kept"] else f"step {record['step']}"],
            "candidates": values,
            "cross_fitted": False,
        }
    ]


# ------------------------------------------------------------------------------------------------------------- figures


def step_in_use(trainer: ClassificationTrainer) -> int:
    """The step whose weights the model has after training."""
    state = trainer.state
    uses_best = trainer.args.load_best_model_at_end and state.best_model_checkpoint is not None
    return state.best_global_step if uses_best else state.global_step


def figures_of_the_step(trainer: ClassificationTrainer) -> Figures:
    """The validation figures of the weights in use: those of training, or where it has none of them, measured now."""
    step = step_in_use(trainer)
    known = [entry for entry in epoch_figures(trainer.state) if entry["step"] == step]
    names = names_of(trainer)
    if known and name_of_rule(trainer) in known[-1]:
        return {name: known[-1][name] for name in names if name in known[-1]}
    return evaluate(trainer)


def evaluate(trainer: ClassificationTrainer) -> Figures:
    """The validation figures of the model as it is, computed as in training."""
    metrics = trainer.predict(trainer.eval_dataset, metric_key_prefix="eval").metrics
    return {name: metrics[name] for name in names_of(trainer) if name in metrics}


def names_of(trainer: ClassificationTrainer) -> list[str]:
    return [f"eval_{name}" for name in metric_names(trainer.task, trainer.extra_metric, trainer.objective)]


def name_of_rule(trainer: ClassificationTrainer) -> str:
    return "eval_" + (trainer.args.metric_for_best_model or "loss").removeprefix("eval_")


def rule_is_greater(trainer: ClassificationTrainer) -> bool:
    greater = trainer.args.greater_is_better
    return name_of_rule(trainer).removeprefix("eval_") not in LOWER_IS_BETTER if greater is None else bool(greater)


def is_better(value: float | None, other: float | None, *, lower: bool) -> bool:
    """Whether a value is better than another one; no number is never better."""
    if value is None or not math.isfinite(value):
        return False
    if other is None or not math.isfinite(other):
        return True
    return value < other if lower else value > other


def show(trainer: ClassificationTrainer, figures: Figures) -> str:
    """`val_loss=0.4512 val_acc=0.8050`, with the rule's metric where it is another one."""
    rule = name_of_rule(trainer).removeprefix("eval_")
    names = dict.fromkeys(("loss", trainer.task.headline, rule))
    values = {"val_" + short_name(name): figures.get(f"eval_{name}") for name in names}
    return " ".join(f"{name}={value:.4f}" for name, value in values.items() if value is not None)


# ------------------------------------------------------------------------------------------------------------- weights


@torch.no_grad()
def exchange(model: nn.Module, weights: Weights) -> None:
    """Exchange the named parameters of a model with `weights`, in place: tied weights stay tied."""
    parameters = dict(model.named_parameters())
    for name, other in weights.items():
        before = parameters[name].detach().to(other.device, copy=True)
        parameters[name].copy_(other)
        weights[name] = before
