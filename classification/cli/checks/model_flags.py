"""Checks of the flags about the model and the lengths that are read."""

from __future__ import annotations

from classification.cli.flags import BILSTM, Flags
from classification.data.truncation import Truncation
from classification.errors import UsageError
from classification.models.adapter_folders import holds_adapter

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
            f"of a trained one (the --output_dir of its training; in this folder ./{BILSTM}), or pass --do_train."
        )


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
    if "head_init" in flags.given:
        choices["head_init"] = model.head_init
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
    if "model_revision" in flags.given and holds_adapter(name):
        raise UsageError(
            f"--model_name_or_path {name} and --model_revision {model.model_revision}: the folder holds an adapter. "
            "The revision of its base model is revision in adapter_config.json. Write it there, and leave the flag out."
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
