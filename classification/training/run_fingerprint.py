"""What decides the weights of a training, as short printable values: two trainings with equal values are the same.

A checkpoint holds these values, and a run that resumes from it compares them with its own (`resume_guard`).
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterable, Mapping

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel, TrainingArguments

from classification.data.fingerprints import tokenizer_state
from classification.data.labels import LabelSpace
from classification.data.truncation import Truncation
from classification.models.choice import ModelChoice
from classification.training.distillation import fingerprint_of_teacher
from classification.training.plan import TrainingChoices
from classification.training.trainer import ClassificationTrainer

Fingerprint = dict[str, object]  # values by flag, or by a name where there is no flag

LABELS, TASK, STEPS, RATE = "labels", "task", "optimizer steps", "--learning_rate"
ARCHITECTURE, PARAMETERS, TRAINABLE = "architecture", "parameters", "trainable parameters"
ENCODER = "--model_name_or_path (weights of the encoder)"
BEST = ("metric_for_best_model", "greater_is_better")  # what is better on validation
COUNTS_ON = "restore_callback_states_from_checkpoint"  # whether a resumed run knows how long it has been patient
LONGEST = 160  # characters of a printed list
OF_THE_TASK = {  # of a model's config: written by the run itself, or without effect on its output
    "_name_or_path", "transformers_version", "architectures", "auto_map", "dtype", "torch_dtype", "id2label",
    "label2id", "num_labels", "problem_type", "thresholds", "calibration", "decision_costs", "label_mean", "label_std",
    "label_own_units", "truncation_strategy", "window_stride", "use_cache", "return_dict", "output_attentions",
    "output_hidden_states",
}  # fmt: skip


def run_fingerprint(
    trainer: ClassificationTrainer,
    data: Mapping[str, Mapping[str, object]],
    choices: TrainingChoices,
    model: ModelChoice,
    *,
    pads_to_max: bool,
    arguments: Iterable[str],
    decisions: Mapping[str, object],
    steps: int,
) -> Fingerprint:
    """The fingerprint of a training that has not begun.

    Args:
        data: rows and fingerprint of each split.
        arguments: names of the `TrainingArguments` that a resumed run must repeat.
        decisions: as from `run_decisions`. steps: in all.
    """
    args = trainer.args
    values = fingerprint_of_task(trainer.task, needs_thresholds=args.metric_for_best_model != "eval_loss")
    values |= {f"{split} rows": describe_rows(data[split]) for split in ("train", "validation") if split in data}
    values |= fingerprint_of_tokens(trainer, pads_to_max=pads_to_max)
    values |= fingerprint_of_model(trainer.model)
    values |= {**fingerprint_of_choices(trainer, choices, model), **fingerprint_of_teacher(trainer.loss_terms)}
    if trainer.eval_dataset is not None and choices.average and choices.average.compared:
        arguments = (*arguments, *BEST)  # they choose between the average and the step
    if choices.patience:
        arguments = (*arguments, COUNTS_ON)
    values |= {f"--{name}": plain_value(getattr(args, name)) for name in arguments}
    for name in without_effect(args):
        values.pop(name, None)
    values |= {STEPS: steps, "number of processes": args.world_size}
    return values | decided(decisions)


def use_fingerprint(
    trainer: ClassificationTrainer,
    data: Mapping[str, Mapping[str, object]],
    *,
    pads_to_max: bool,
    decisions: Mapping[str, object],
) -> Fingerprint:
    """The fingerprint of a run that uses a trained model; the arguments are those of `run_fingerprint`."""
    values = fingerprint_of_task(trainer.task, needs_thresholds=True)
    values |= {f"{split} rows": describe_rows(facts) for split, facts in data.items()}
    values |= fingerprint_of_tokens(trainer, pads_to_max=pads_to_max)
    values |= fingerprint_of_model(trainer.model) | {ENCODER: hash_of_weights(trainer.model)}
    return values | decided(decisions)


def decided(decisions: Mapping[str, object]) -> Fingerprint:
    """Decisions under the names of their flags."""
    return {name if name in ("device", "attention") else f"--{name}": value for name, value in decisions.items()}


def fingerprint_of_task(task: LabelSpace, *, needs_thresholds: bool) -> Fingerprint:
    values: Fingerprint = {TASK: task.problem_type, LABELS: describe_labels(task)}
    rule = {"--thresholds": task.thresholds, "decision costs": task.costs} if needs_thresholds else {}
    return values | {name: short(value) for name, value in rule.items() if value}


def fingerprint_of_tokens(trainer: ClassificationTrainer, *, pads_to_max: bool) -> Fingerprint:
    tokenizer, truncation = trainer.processing_class, Truncation.from_config(trainer.model.config)
    return {
        "tokenizer": hash_of(tokenizer_state(tokenizer).encode()),
        "--max_seq_length": tokenizer.model_max_length,
        "--truncation_strategy": truncation.strategy,
        "--window_stride": truncation.stride,
        "--pad_to_max_length": pads_to_max,
    }


def fingerprint_of_model(model: PreTrainedModel | PeftModel) -> Fingerprint:
    """Architecture, shapes, trainable parameters, dropout, and a hash of the encoder's weights."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    parameters = dict(model.named_parameters())
    config = {name: value for name, value in base.config.to_diff_dict().items() if name not in OF_THE_TASK}
    dropout = {name: value for name, value in base.config.to_dict().items() if is_dropout(name, value)}
    return {
        ARCHITECTURE: type(base).__name__,
        PARAMETERS: describe_parameters(parameters),
        TRAINABLE: describe_parameters({name: each for name, each in parameters.items() if each.requires_grad}),
        "model config": hash_of(json.dumps(config | dict.fromkeys(dropout), sort_keys=True, default=str).encode()),
        "dropout": short(dropout),
        ENCODER: hash_of_weights(base.base_model),
    }


def fingerprint_of_choices(trainer: ClassificationTrainer, choices: TrainingChoices, model: ModelChoice) -> Fingerprint:
    objective = trainer.objective
    weights = None if objective.weights is None else [round(value, 6) for value in objective.weights.flatten().tolist()]
    return {
        "--loss": f"focal, --focal_gamma {objective.focal_gamma:g}" if objective.focal_gamma else "cross_entropy",
        "--class_weights": None if weights is None else short(weights),
        "--sampler": choices.sampler,
        "--head_init": choices.head_init,
        "--early_stopping_patience": choices.patience,
        "--layerwise_lr_decay": choices.layerwise_lr_decay,
        "--r_drop": choices.r_drop or None,
        "--average": str(choices.average) if choices.average else None,
        "--pooling": model.pooling,
        "--lora_r": model.lora_r,
    }


# ------------------------------------------------------------------------------------------------------------- values


def describe_rows(facts: Mapping[str, object]) -> str:
    return f"{facts['rows']} rows ({str(facts['fingerprint'])[:12]})"


def describe_labels(task: LabelSpace) -> str:
    """The names in their order; for a number its scale too."""
    scale = task.output_scale
    return short(list(task.names)) + (f" with standard deviation {scale[0]!r} and mean {scale[1]!r}" if scale else "")


def describe_parameters(parameters: Mapping[str, nn.Parameter]) -> str:
    """How many there are, and a hash of their names and shapes."""
    return describe_shapes({name: tuple(each.shape) for name, each in parameters.items()})


def describe_shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    numbers = sum(torch.Size(shape).numel() for shape in shapes.values())
    return f"{numbers:,} in {len(shapes)} tensors ({hash_of(repr(sorted(shapes.items())).encode())})"


def is_dropout(name: str, value: object) -> bool:
    return "drop" in name and isinstance(value, int | float)


def hash_of_weights(module: nn.Module) -> str:
    """A hash of all parameters, those of adapters excepted."""
    digest = hashlib.sha256()
    parameters = {name.replace(".base_layer", ""): each for name, each in module.named_parameters()}
    for name in sorted(name for name in parameters if "lora_" not in name):
        digest.update(parameters[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def short(value: object) -> str:
    """A list or mapping as JSON; a long one is cut, and a hash stands for the rest."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({hash_of(text.encode('utf-8', 'surrogatepass'))})"


def plain_value(value: object) -> object:
    """A value of `TrainingArguments` as JSON holds it."""
    if isinstance(value, enum.Enum):
        return value.value
    return value if isinstance(value, str | int | float | bool | None) else short(value)


def without_effect(args: TrainingArguments) -> list[str]:
    """The flags that others make irrelevant."""
    unused = {
        "--num_train_epochs": args.max_steps > 0,
        "--eval_steps": args.eval_strategy != "steps",
        "--eval_delay": args.eval_strategy == "no",
        "--save_steps": args.save_strategy != "steps",
    }
    return [name for name, is_unused in unused.items() if is_unused]


def chooses_best(args: TrainingArguments, patience: int | None) -> bool:
    """Whether evaluations decide about the weights: the best checkpoint, the end of training, or the learning rate."""
    return bool(args.load_best_model_at_end or patience or args.lr_scheduler_type == "reduce_lr_on_plateau")
