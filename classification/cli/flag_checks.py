"""Every error of the command line that needs no data: names the flag, the value and the remedy."""

from __future__ import annotations

import math
from pathlib import Path

from classification.cli.options import BASELINES, READERS, Settings, comma_separated
from classification.data.labels import check_threshold
from classification.data.truncation import Truncation
from classification.errors import UsageError, did_you_mean, some
from classification.models.adapters import holds_adapter

# Arguments of the Trainer that would make this recipe's results wrong or break it: name -> (values, why).
REFUSED = {
    "dataloader_drop_last": ((True,), "would leave rows out, of evaluation too"),
    "prediction_loss_only": ((True,), "would leave no predictions to score"),
    "batch_eval_metrics": ((True,), "metrics here come from all rows at once"),
    "eval_do_concat_batches": ((False,), "metrics here come from all rows at once"),
    "bf16_full_eval": ((True,), "casts the weights for good, those that are saved too; evaluation uses --precision"),
    "fp16_full_eval": ((True,), "casts the weights for good, those that are saved too; evaluation uses --precision"),
    "hub_strategy": (("every_save", "checkpoint", "all_checkpoints"), "pushes a pickle that holds the access token"),
}
LARGEST_SEED = 2**32  # numpy's
AT_LEAST = {
    "per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "gradient_accumulation_steps": 1,
    "max_train_samples": 1, "max_eval_samples": 1, "max_predict_samples": 1, "max_seq_length": 4,
    "preprocessing_num_workers": 1, "weight_decay": 0, "max_grad_norm": 0, "dataloader_num_workers": 0,
    "early_stopping_patience": 1, "focal_gamma": 0, "folds": 2, "window_stride": 1,
    "freeze_layers": 0, "lora_r": 1,
}  # fmt: skip


def check_flags(settings: Settings) -> None:
    """Raise a UsageError for the first value that cannot be meant, or flags that contradict each other."""
    _check_sources(settings)
    _check_trainer(settings.trainer)
    _check_numbers(settings)
    _check_truncation(settings)
    _check_validation(settings.data)
    _check_labels(settings)
    _check_trainable(settings)
    _check_early_stopping(settings)
    _check_study(settings)
    _check_baselines(settings)


def _check_sources(settings: Settings) -> None:
    data, files = settings.data, settings.files
    if data.dataset_name and files:
        raise UsageError(f"--dataset_name {data.dataset_name} and --{next(iter(files))}_file: give one or the other.")
    if not data.dataset_name and not files:
        raise UsageError("No data: give --train_file FILE, or --dataset_name NAME for a data set on the Hub.")
    if files and "train" not in files and not (settings.trainer["do_eval"] or settings.trainer["do_predict"]):
        raise UsageError(
            "--train_file is missing: give it to train, or pass --do_eval or --do_predict to use a trained model."
        )
    if settings.trainer["do_train"] and files and "train" not in files:
        raise UsageError("--do_train: needs --train_file.")
    for split, path in files.items():
        if not Path(path).exists():
            folder = Path(path).parent
            near = did_you_mean(Path(path).name, (e.name for e in folder.iterdir())) if folder.is_dir() else ""
            raise UsageError(f"--{split}_file {path}: there is no such file.{near}")
        if Path(path).is_file() and Path(path).suffix.lower() not in READERS:
            raise UsageError(f"--{split}_file {path}: files must end in {some(READERS, 9)}. Rename or convert it.")
    for name in ("dataset_config_name", "train_split_name", "validation_split_name", "test_split_name"):
        if getattr(data, name) and not data.dataset_name:
            raise UsageError(f"--{name} {getattr(data, name)}: goes with --dataset_name, not with files.")


def _check_trainer(trainer: dict) -> None:
    for name, (values, why) in REFUSED.items():
        if trainer.get(name) in values:
            raise UsageError(f"--{name} {trainer[name]}: is not supported: it {why}. Leave it out.")
    if not str(trainer["output_dir"]).strip():
        raise UsageError("--output_dir '': must name a folder.")
    if trainer["load_best_model_at_end"] and trainer["eval_strategy"] == "no":
        raise UsageError("--load_best_model_at_end: needs evaluations to choose by. Leave out --eval_strategy no.")


def _check_numbers(settings: Settings) -> None:
    trainer = settings.trainer
    values = vars(settings.data) | vars(settings.model) | vars(settings.objective) | vars(settings.run) | trainer
    for name, lowest in AT_LEAST.items():
        value = values.get(name)
        if value is not None and value < lowest:
            raise UsageError(f"--{name} {value:g}: must be at least {lowest}.")
    for name in ("num_train_epochs", "learning_rate"):
        if not (trainer[name] > 0 and math.isfinite(trainer[name])):
            extra = " To evaluate without training, pass --do_eval or --do_predict." if name[0] == "n" else ""
            raise UsageError(f"--{name} {trainer[name]:g}: must be greater than 0.{extra}")
    warmup = trainer["warmup_steps"]
    if warmup < 0 or (warmup >= 1 and warmup != int(warmup)):
        raise UsageError(f"--warmup_steps {warmup:g}: must be a share of the steps (0 to below 1) or a whole number.")
    for name, value in (
        ("label_smoothing_factor", trainer.get("label_smoothing_factor", 0.0)),
        ("attention_dropout", settings.model.attention_dropout or 0.0),
    ):
        if not 0 <= value < 1:
            raise UsageError(f"--{name} {value:g}: must be from 0 to below 1.")


def _check_truncation(settings: Settings) -> None:
    """Of a trained model, which may have been trained on windows, only its config says whether a stride fits."""
    data = settings.data
    if settings.wants("train") or data.truncation_strategy:
        asked = Truncation.choose(data.truncation_strategy, data.window_stride)
        if data.max_seq_length:
            asked.check_stride(data.max_seq_length, 0)


def _check_validation(data) -> None:
    strategy = data.validation_strategy
    if strategy in ("tail", "time") and data.validation_group_column:
        raise UsageError(
            f"--validation_strategy {strategy} and --validation_group_column {data.validation_group_column}: the last "
            "rows are taken, groups or not. Give one of them."
        )
    if (strategy == "time") != bool(data.time_column):
        raise UsageError(
            f"--validation_strategy {strategy} and --time_column {data.time_column}: the newest rows become "
            "validation with both, --validation_strategy time and --time_column NAME."
        )
    if data.validation_fraction != "auto":
        try:
            valid = 0 < float(data.validation_fraction) < 1
        except ValueError:
            valid = False
        if not valid:
            raise UsageError(f"--validation_fraction {data.validation_fraction}: must be auto or between 0 and 1.")


def _check_labels(settings: Settings) -> None:
    """One form of labels and one way of deciding them, weights that are weights."""
    data, objective = settings.data, settings.objective
    for other in ("label_column_name", "label_delimiter", "do_regression"):
        if data.label_column_names and getattr(data, other):
            raise UsageError(
                f"--label_column_names {data.label_column_names} and --{other} {getattr(data, other)}: two forms of "
                "labels. Name one 0/1 column for each label, or one column that holds them."
            )
    names = comma_separated(data.label_column_names)
    if data.label_column_names is not None and len(set(names)) < max(2, len(names)):
        raise UsageError(f"--label_column_names {data.label_column_names!r}: name two columns or more, each once.")
    if data.label_delimiter == "":
        raise UsageError("--label_delimiter '': must be what stands between two names, such as '|'.")
    if data.do_regression and data.label_delimiter:
        raise UsageError(f"--do_regression and --label_delimiter {data.label_delimiter}: a number or several labels?")
    if objective.tune_thresholds and objective.thresholds:
        raise UsageError(
            f"--tune_thresholds {objective.tune_thresholds} and --thresholds {objective.thresholds}: give one of them."
        )
    if objective.tune_thresholds and not settings.wants("train"):
        raise UsageError("--tune_thresholds: is done after training. Pass --do_train, or --thresholds to set them.")
    if "focal_gamma" in settings.given and objective.loss != "focal":
        raise UsageError(f"--focal_gamma {objective.focal_gamma:g}: goes with --loss focal.")
    if objective.loss == "focal" and settings.trainer.get("label_smoothing_factor"):
        raise UsageError("--loss focal and --label_smoothing_factor: give one of them.")
    if objective.sampler == "balanced" and settings.trainer.get("train_sampling_strategy", "random") not in (
        "random", "group_by_length",
    ):  # fmt: skip
        raise UsageError("--sampler balanced: draws its own order. Leave out --train_sampling_strategy.")
    weights = settings.class_weights
    for name, weight in weights.items() if isinstance(weights, dict) else ():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise UsageError(f"--class_weights: the weight of {name!r} is {weight!r}; it must be a number above 0.")
    thresholds = settings.thresholds
    for threshold in thresholds.values() if isinstance(thresholds, dict) else (thresholds,):
        if threshold is not None:
            check_threshold(threshold, "--thresholds")


def _check_trainable(settings: Settings) -> None:
    """What trains is said in one way, and only where something trains."""
    model, given = settings.model, settings.given
    asked = {name: getattr(model, name) for name in ("pooling", "lora_r", "freeze_layers", "freeze")}
    asked = {name: value for name, value in asked.items() if value not in (None, 0, "none")}
    ways = [f"--{name} {value}" for name, value in asked.items() if name != "pooling"]
    if model.attention_dropout is not None:
        asked["attention_dropout"] = model.attention_dropout
    if asked and not settings.wants("train"):
        name, value = next(iter(asked.items()))
        raise UsageError(f"--{name} {value}: is decided in training; a trained model keeps it. Leave it out.")
    if len(ways) > 1:
        raise UsageError(f"{ways[0]} and {ways[1]}: two ways to say what trains. Give one of them.")
    if "lora_merge" in given and not model.lora_r:
        raise UsageError(f"--lora_merge {model.lora_merge}: goes with --lora_r.")
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
            "one on top of it would not be saved. Leave --lora_merge out."
        )


def _check_early_stopping(settings: Settings) -> None:
    patience = settings.objective.early_stopping_patience
    if patience is not None and settings.wants("train") and not settings.trainer["load_best_model_at_end"]:
        raise UsageError(
            f"--early_stopping_patience {patience}: waits for a better checkpoint, and none is looked for. Leave out "
            "--eval_strategy no and --load_best_model_at_end false."
        )


def _check_study(settings: Settings) -> None:
    """Seeds and folds: what they cannot be combined with, and what would not be a study."""
    run, given = settings.run, settings.given
    if not settings.study:
        return
    flag = f"--{settings.study} {getattr(run, settings.study)}"
    if run.seeds is not None and run.folds is not None:
        raise UsageError(f"--seeds {run.seeds} and --folds {run.folds}: one study at a time.")
    if run.seeds is not None:
        usable = [seed for seed in set(settings.seeds) if 0 <= seed < LARGEST_SEED]
        if len(usable) < max(2, len(settings.seeds)):
            raise UsageError(f"{flag}: give at least two different whole numbers from 0 on, such as 1,2,3.")
    if run.seeds and "seed" in given:
        raise UsageError(f"{flag} and --seed {settings.trainer['seed']}: give one of them.")
    if not (settings.wants("train") and settings.wants("eval")):
        raise UsageError(f"{flag}: trains and evaluates; pass --do_train --do_eval, or no --do_* flag.")
    for name, why in (("resume", "a study starts from the beginning"), ("push_to_hub", "push the model that is kept")):
        if getattr(run, name, None) or settings.trainer.get(name):
            raise UsageError(f"{flag} and --{name}: {why}. Leave --{name} out.")
    if not run.folds:
        return
    for name in ("validation_file", "validation_split_name", "max_eval_samples", "validation_fraction"):
        if name in given:
            raise UsageError(f"{flag} and --{name}: each fold is the validation set of one run. Leave --{name} out.")
    if settings.data.validation_strategy in ("tail", "time"):
        raise UsageError(f"{flag}: folds have no order in time. Leave out --validation_strategy.")
    if settings.objective.tune_thresholds:
        raise UsageError(f"{flag} and --tune_thresholds: would be tuned on the rows they are scored on. Leave it out.")


def _check_baselines(settings: Settings) -> None:
    """Baselines that exist, and data that they can be fitted to."""
    for name in settings.baselines:
        if name not in BASELINES:
            raise UsageError(
                f"--baselines {name}: there are {some(BASELINES, 12)}, or all of them with --baselines all."
                + did_you_mean(name, BASELINES)
            )
    for flag, asked in (("baselines", settings.baselines), ("suspect_labels", settings.run.suspect_labels)):
        if asked and not settings.wants("train"):
            raise UsageError(f"--{flag}: is fitted to train, which this run does not read. Pass --do_train too.")
        if asked and settings.study:
            study = f"--{settings.study} {getattr(settings.run, settings.study)}"
            raise UsageError(f"--{flag} and {study}: give --{flag} to a run of its own, without --{settings.study}.")
    if settings.baselines and settings.run.check_data:
        raise UsageError("--check_data and --baselines: fit them with python scripts/baselines.py.")
    if settings.baselines and not settings.wants("eval"):
        raise UsageError("--baselines: validation decides which is best. Pass --do_eval too, or no --do_* flag.")
