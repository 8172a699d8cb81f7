"""Checks of the flags about the model, the Trainer and the lengths that are read."""

from __future__ import annotations

import math

from classification.cli.flags import BILSTM, Flags
from classification.data.truncation import Truncation
from classification.errors import UsageError
from classification.models.adapters import holds_adapter

# Arguments of the Trainer that would make the results wrong or break the run: name -> (values, reason).
REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "dataloader_drop_last": ((True,), "drops rows, of evaluation too"),
    "prediction_loss_only": ((True,), "leaves no predictions to score"),
    "batch_eval_metrics": ((True,), "computes metrics per batch, while metrics here come from all rows at once"),
    "eval_do_concat_batches": ((False,), "keeps batches apart, while metrics here come from all rows at once"),
    "bf16_full_eval": ((True,), "casts the weights for good, the saved ones too; evaluation uses --precision"),
    "fp16_full_eval": ((True,), "casts the weights for good, the saved ones too; evaluation uses --precision"),
    "hub_strategy": (("every_save", "checkpoint", "all_checkpoints"), "pushes a pickle that holds the access token"),
}
AT_LEAST = {
    "per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "gradient_accumulation_steps": 1,
    "max_train_samples": 1, "max_eval_samples": 1, "max_predict_samples": 1, "max_seq_length": 4,
    "preprocessing_num_workers": 1, "weight_decay": 0, "max_grad_norm": 0, "dataloader_num_workers": 0,
    "early_stopping_patience": 1, "focal_gamma": 0, "folds": 2, "window_stride": 1,
    "freeze_layers": 0, "lora_r": 1,
}  # fmt: skip
NEEDS_PRETRAINED = ("config_name", "tokenizer_name", "pooling", "freeze", "freeze_layers", "lora_r")


def check_scratch(flags: Flags) -> None:
    """Refuse flags that need pretrained weights, and runs without training."""
    if not flags.from_scratch:
        return
    for name in NEEDS_PRETRAINED:
        value = getattr(flags.model, name)
        if name in flags.given and value not in (None, 0, "none"):
            raise UsageError(
                f"--model_name_or_path {BILSTM} and --{name} {value}: this model starts from random weights with a "
                f"vocabulary of its own. Leave --{name} out, or name a pretrained model."
            )
    if not flags.includes("train"):
        raise UsageError(
            f"--model_name_or_path {BILSTM}: starts from random weights, and this run does not train. Give the folder "
            "of a trained one (the --output_dir of its training), or pass --do_train."
        )


def check_trainer(flags: Flags) -> None:
    """No argument of the Trainer that would make the results wrong."""
    trainer = flags.trainer
    for name, (values, reason) in REFUSED.items():
        if trainer.get(name) in values:
            raise UsageError(f"--{name} {trainer[name]}: is not supported: it {reason}. Leave it out.")
    if not trainer.text("output_dir").strip():
        raise UsageError("--output_dir '': must name a folder.")
    if trainer["load_best_model_at_end"] and trainer["eval_strategy"] == "no":
        raise UsageError("--load_best_model_at_end: needs evaluations to choose by. Leave out --eval_strategy no.")


def check_numbers(flags: Flags) -> None:
    """Numbers inside their range."""
    trainer, values = flags.trainer, {**flags.as_typed(), **flags.trainer}
    for name, lowest in AT_LEAST.items():
        value = values.get(name)
        if isinstance(value, int | float) and value < lowest:
            raise UsageError(f"--{name} {value:g}: must be at least {lowest}.")
    for name in ("num_train_epochs", "learning_rate"):
        number = trainer.number(name)
        if not (number > 0 and math.isfinite(number)):
            extra = " To evaluate without training, pass --do_eval or --do_predict." if name[0] == "n" else ""
            raise UsageError(f"--{name} {number:g}: must be greater than 0.{extra}")
    warmup = trainer.number("warmup_steps")
    if warmup < 0 or (warmup >= 1 and warmup != int(warmup)):
        raise UsageError(f"--warmup_steps {warmup:g}: must be a share of the steps (0 to below 1) or a whole number.")
    for name, number in (
        ("label_smoothing_factor", trainer.number("label_smoothing_factor")),
        ("attention_dropout", flags.model.attention_dropout or 0.0),
    ):
        if not 0 <= number < 1:
            raise UsageError(f"--{name} {number:g}: must be from 0 to below 1.")


def check_truncation(flags: Flags) -> None:
    """Check that --window_stride fits. The config of a trained model is checked after loading."""
    data = flags.data
    if flags.includes("train") or data.truncation_strategy:
        truncation = Truncation.choose(data.truncation_strategy, data.window_stride)
        if data.max_seq_length:
            truncation.check_stride(data.max_seq_length, 0)


def check_model(flags: Flags) -> None:
    """One way to choose the trainable parameters, and only where something is trained."""
    model = flags.model
    choices = {name: getattr(model, name) for name in ("pooling", "lora_r", "freeze_layers", "freeze")}
    choices = {name: value for name, value in choices.items() if value not in (None, 0, "none")}
    ways = [f"--{name} {value}" for name, value in choices.items() if name != "pooling"]
    if model.attention_dropout is not None:
        choices["attention_dropout"] = model.attention_dropout
    if choices and not flags.includes("train"):
        name, value = next(iter(choices.items()))
        raise UsageError(f"--{name} {value}: cannot be changed after training. Leave it out.")
    if len(ways) > 1:
        raise UsageError(f"{ways[0]} and {ways[1]}: two ways to choose the trainable parameters. Give one of them.")
    if "lora_merge" in flags.given and not model.lora_r:
        raise UsageError(f"--lora_merge {model.lora_merge}: has no effect without --lora_r. Add it, or leave it out.")
    check_adapter(flags)


def check_adapter(flags: Flags) -> None:
    """What an adapter's folder cannot be combined with."""
    model = flags.model
    name = model.model_name_or_path
    if model.pooling and holds_adapter(name):
        raise UsageError(
            f"--model_name_or_path {name} and --pooling {model.pooling}: the folder holds an adapter, which has a "
            "head. Leave --pooling out, or start from the base model."
        )
    if model.pooling and not model.lora_merge:
        raise UsageError(
            f"--pooling {model.pooling} and --lora_merge False: the base model of an adapter has no such head. Leave "
            "one of them out."
        )
    if holds_adapter(name) and not model.lora_merge:
        raise UsageError(
            f"--model_name_or_path {name} and --lora_merge False: the folder holds an adapter, and the base model of "
            "a second adapter on top would not be saved. Leave --lora_merge out."
        )


def check_early_stopping(flags: Flags) -> None:
    patience = flags.objective.early_stopping_patience
    if patience is not None and flags.includes("train") and not flags.trainer["load_best_model_at_end"]:
        raise UsageError(
            f"--early_stopping_patience {patience}: needs a best checkpoint, which is turned off. Leave out "
            "--eval_strategy no and --load_best_model_at_end false."
        )
