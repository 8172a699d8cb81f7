"""The command line: dataclasses, preset files, translated old names, and every error that needs no data."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from transformers import TrainingArguments

from classification.cli.flag_checks import check_flags
from classification.cli.options import REPORT, SCRATCH, Settings
from classification.cli.parser import Parser, given_values, preset_flags, translate
from classification.errors import UsageError, some

OLDEST_TRANSFORMERS = (5, 17)
DEFAULT_MODEL = "bert-base-uncased"
DEFAULT_OUTPUT_DIR = "out"


def option(default, help: str, **metadata):
    return field(default=default, metadata={"help": help, **metadata})


@dataclass
class DataArguments:
    """What is read and how its columns are understood."""

    _argument_group_name = "data"

    dataset_name: str | None = option(None, "Data set on the Hub, or a local folder with the Hub's layout.")
    dataset_config_name: str | None = option(None, "Configuration of the data set.")
    train_file: str | None = option(
        None, "CSV, TSV, JSON, JSONL, Parquet or Arrow file, or a folder with one sub-folder of .txt files per class."
    )
    validation_file: str | None = option(None, "Validation rows; without it they are split off train.")
    test_file: str | None = option(None, "Test rows; without labels they are predicted, not scored.")
    train_split_name: str | None = option(None, "Split of the data set used as train.")
    validation_split_name: str | None = option(None, "Split of the data set used as validation.")
    test_split_name: str | None = option(None, "Split of the data set used as test.")
    remove_splits: str | None = option(None, "Splits to leave out, comma separated.")
    remove_columns: str | None = option(None, "Columns to leave out, comma separated.")
    text_column_names: str | None = option(None, "Text column; two, comma separated, are a pair.")
    text_column_delimiter: str | None = option(None, "Join the text columns with this string instead.")
    label_column_name: str | None = option(
        None, "Label column: names, whole numbers, numbers with a fraction, or lists. Default: label or labels."
    )
    label_column_names: str | None = option(None, "Several labels a row: one 0/1 column for each, comma separated.")
    label_delimiter: str | None = option(None, "Several labels a row: what stands between names in the label column.")
    id_column_name: str | None = option(
        None, "Column of unique ids. Default: id, guid or idx where complete and unique, else train-0, train-1 ..."
    )
    do_regression: bool = option(
        False, "The label is a number to predict. Default: where numbers have a fraction; false makes them classes."
    )
    on_bad_row: Literal["error", "drop"] = option("error", "What to do with rows that lack a text or a label.")
    drop_duplicates: bool = option(False, "Remove the rows of train that repeat an earlier one, nearly so included.")
    drop_leaked: bool = option(False, "Remove the rows of train that stand in validation or test, nearly so included.")
    validation_fraction: str = option(
        "auto", "Share of train that becomes validation. auto: 5%%, but at least min(200 rows, 20%%)."
    )
    validation_strategy: Literal["stratified", "random", "tail", "time"] = option(
        "stratified", "How: by label, at random, the last rows as they stand, or the newest by --time_column."
    )
    time_column: str | None = option(None, "Column of dates or numbers that orders the rows in time.")
    validation_group_column: str | None = option(None, "Keep rows with one value here (a user, a film) on one side.")
    max_train_samples: int | None = option(None, "Train on a seeded stratified draw of so many rows.")
    max_eval_samples: int | None = option(None, "The same for validation.")
    max_predict_samples: int | None = option(None, "The same for test.")
    shuffle_train_dataset: bool = option(False, "Shuffle the training rows once before training.")
    shuffle_seed: int = option(42, "Seed of the validation split, the draws and that shuffle.")
    max_seq_length: int | None = option(
        None,
        "Tokens that the model reads at a time, pairs cut longest first. Default: 256, or what the model reads if that "
        "is less; without training, the length saved with the model.",
    )
    truncation_strategy: Literal["head", "tail", "head_tail", "window"] | None = option(
        None,
        "What is read of a longer text: its head, its tail, the first quarter and the end (Sun et al. 2019), or all of "
        "it (of a pair, of the longer text) in overlapping windows, whose logits are averaged. Default: head; without "
        "training, as in training.",
    )
    window_stride: int | None = option(
        None, "Tokens from the start of one window to the start of the next. Default: half a window."
    )
    pad_to_max_length: bool = option(False, "Pad every batch to max_seq_length instead of its longest row.")
    preprocessing_num_workers: int | None = option(None, "Processes that tokenise.")
    overwrite_cache: bool = option(False, "Tokenise again even if a cached result fits.")


@dataclass
class ModelArguments:
    """Which encoder is fine-tuned."""

    _argument_group_name = "model"

    model_name_or_path: str = option(DEFAULT_MODEL, "Model on the Hub, or a local folder, or bilstm: from scratch.")
    config_name: str | None = option(None, "Another config than the model's.")
    tokenizer_name: str | None = option(None, "Another tokenizer than the model's.")
    cache_dir: str | None = option(None, "Where downloads and tokenised data are kept.")
    model_revision: str = option("main", "Branch, tag or commit of the model.")
    token: str | None = option(None, "Access token for the Hub; never written anywhere.")
    use_fast_tokenizer: bool = option(True, "Use the fast (Rust) tokenizer where there is one.")
    trust_remote_code: bool = option(False, "Run code that comes with the model. Only for models whose code you read.")
    ignore_mismatched_sizes: bool = option(False, "Replace a head that was trained for other labels.")
    pooling: Literal["cls", "mean", "max"] | None = option(
        None,
        "A head on the first token, the mean or the maximum of the last hidden states. Default: the model's own head.",
    )
    attention_dropout: float | None = option(
        None, "Dropout on the attention weights in training; 0 is faster. Default: the model's own."
    )
    freeze: Literal["none", "embeddings", "encoder"] = option(
        "none", "What does not train: the embeddings, or all but the head (and the pooler before it)."
    )
    freeze_layers: int = option(0, "The embeddings and so many of the lowest layers do not train.")
    lora_r: int | None = option(None, "Train adapters of this rank (LoRA) and the head instead of all weights.")
    lora_merge: bool = option(True, "Add the adapters into the weights that are saved; false saves them alone.")


@dataclass
class ObjectiveArguments:
    """What training minimises, how rows are drawn, when it stops, and how labels are decided."""

    _argument_group_name = "objective"

    class_weights: str | None = option(
        None,
        "Weigh rows by class: balanced, effective (number of rows, Cui et al. 2019), or name to weight as JSON or a "
        ".json file. With several labels a row: yes against no.",
    )
    loss: Literal["cross_entropy", "focal"] = option(
        "cross_entropy", "focal attends to rows that are still wrong (Lin et al. 2017)."
    )
    focal_gamma: float = option(2.0, "How much, with --loss focal; 0 is cross_entropy.")
    sampler: Literal["random", "balanced"] = option(
        "random", "balanced draws rows with replacement, every class equally often."
    )
    early_stopping_patience: int | None = option(
        None, "Stop after so many evaluations in a row without a better metric_for_best_model."
    )
    tune_thresholds: Literal["global", "per_label"] | None = option(
        None, "Several labels a row: tune the probability from which a label is given, on validation for F1."
    )
    thresholds: str | None = option(
        None, "Several labels a row: that probability, or label to probability as JSON or a .json file. Default: 0.5."
    )


@dataclass
class RunArguments:
    """How this run behaves."""

    _argument_group_name = "run"

    config: str | None = option(None, "Preset file (YAML); flags override it. The first argument may name it too.")
    precision: Literal["auto", "bf16", "fp16", "fp32"] = option("auto", "Number format of the matrix products.")
    metric_name: str | None = option(None, "One more metric: a scikit-learn scorer, or one that evaluate.load finds.")
    check_data: bool = option(False, "Look at the data, say what is found, and end: no model is needed.")
    suspect_labels: bool = option(
        False, "List the rows whose label a classical model contradicts in suspect_labels.csv; with --check_data too."
    )
    baselines: str | None = option(
        None, "Classical methods in the same table: all, or some, comma separated (see README).", nargs="?", const="all"
    )
    strict: bool = option(False, "What is found in the data and more than a note is an error.")
    dry_run: bool = option(False, "Everything but training: show what was decided and one batch.")
    seeds: str | None = option(None, "Train once for each of these seeds, comma separated; keep the best.")
    folds: int | None = option(None, "Cross-validate: train so many times, each time another part is validation.")
    resume: str | None = option(None, "auto: continue from the last good checkpoint, or start. Or a checkpoint folder.")
    overwrite_output_dir: bool = option(False, "Move another run in output_dir to output_dir.bak-N.")
    logging_dir: str | None = option(None, "Folder for TensorBoard (with --report_to tensorboard).")


@dataclass
class TrainerArguments(TrainingArguments):
    """`TrainingArguments` under a heading of its own in --help."""

    _argument_group_name = "Trainer (transformers.TrainingArguments)"

    debug: str = option(
        "", "Alone: show tracebacks of usage errors. With underflow_overflow: the Trainer's check.", nargs="?", const=""
    )


# Where this recipe starts from other values than TrainingArguments: the reference run, exactness, nothing silent.
TRAINER_DEFAULTS = {
    "output_dir": DEFAULT_OUTPUT_DIR,
    "learning_rate": 2e-5,
    "num_train_epochs": 3.0,
    "per_device_train_batch_size": 16,
    "per_device_eval_batch_size": 32,
    "warmup_steps": 0.1,
    "train_sampling_strategy": "group_by_length",
    "weight_decay": 0.01,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": 2,
    "load_best_model_at_end": True,
    "metric_for_best_model": "val_loss",
    "logging_steps": 50,
    "logging_nan_inf_filter": False,
    "ddp_find_unused_parameters": False,
    "hub_strategy": "end",  # each save would push training_args.bin, a pickle with the token in it
    "disable_tqdm": False,
}


def make_parser() -> Parser:
    parser = Parser(
        (DataArguments, ModelArguments, ObjectiveArguments, RunArguments, TrainerArguments),
        prog="run_classification.py",
        usage="run_classification.py [preset.yaml] [--flag value ...]",
        description="Fine-tune a Hugging Face encoder on labelled text. All flags are optional but the data.",
        allow_abbrev=False,
    )
    parser.set_defaults(**TRAINER_DEFAULTS)  # for --help; given_values replaces them
    return parser


def parse_arguments(argv: list[str]) -> Settings:
    """Turn a command line into checked settings.

    Raises:
        UsageError: anything that can be known without reading data; names the flag, the value and the remedy.
    """
    installed = version("transformers")
    if tuple(map(int, installed.split(".")[:2])) < OLDEST_TRANSFORMERS:
        raise UsageError(f"transformers {installed} is too old: pip install -r requirements.txt")
    if {"-h", "--help"} & set(argv):
        make_parser().print_help()
        raise SystemExit(0)
    notes: list[str] = []
    parser = make_parser()
    first = argv[0] if argv and not argv[0].startswith("-") else None
    typed = given_values(parser, translate(argv[1:] if first else argv, notes))
    path = typed.pop("config", first)
    if first and path != first:
        raise UsageError(f"{first} and --config {path}: two presets. Give one.")
    preset = (
        given_values(parser, translate(preset_flags(Path(path), parser), notes), f"preset {path}: ") if path else {}
    )
    _let_flags_win(preset, typed, notes)
    given = preset | typed
    given["precision"] = _one_precision(given)
    given["config"] = path
    groups = [
        group(**{f.name: given[f.name] for f in fields(group) if f.name in given})
        for group in (DataArguments, ModelArguments, ObjectiveArguments, RunArguments)
    ]
    names = {f.name for f in fields(TrainingArguments) if f.init}
    trainer = TRAINER_DEFAULTS | {name: value for name, value in given.items() if name in names}
    for flag in ("do_train", "do_eval", "do_predict"):
        trainer.setdefault(flag, False)
    settings = Settings(*groups, trainer=trainer, given=set(given), argv=list(argv), notes=notes)
    _complete(settings)
    check_flags(settings)
    return settings


def _let_flags_win(preset: dict, typed: dict, notes: list[str]) -> None:
    """Drop what a preset says about the data's source, the labels' form, thresholds or the precision where a flag
    says it in other words, and what it says about training where a flag says not to train."""
    hub = {f.name for f in fields(DataArguments) if f.name.startswith("dataset_") or f.name.endswith("_split_name")}
    files = {"train_file", "validation_file", "test_file"}
    one_column, columns = {"label_column_name", "label_delimiter"}, {"label_column_names"}
    thresholds = {"thresholds", "tune_thresholds"}
    training = {"tune_thresholds", "early_stopping_patience", "seeds", "folds"}
    training |= {"pooling", "freeze", "freeze_layers", "lora_r", "lora_merge", "attention_dropout"}
    formats = {"precision", "bf16", "fp16"}
    sources = (({"train_file"}, files), (files, hub), (hub, files))
    forms = ((one_column, columns), (columns, one_column), (thresholds, thresholds), (formats, formats))
    studies = (({"seeds"}, {"seed", "folds"}), ({"folds"}, {"seeds", "validation_file"}))
    if typed.get("model_name_or_path") == SCRATCH:
        studies += (({"model_name_or_path"}, {"learning_rate", "num_train_epochs"}),)  # meant for pretrained weights
    if ("do_eval" in typed or "do_predict" in typed) and not typed.get("do_train"):
        studies = (({"do_eval", "do_predict"}, training),)
    for said, instead in (*sources, *forms, *studies):
        if said & set(typed):
            dropped = sorted(instead & set(preset) - set(typed))
            for name in dropped:
                del preset[name]
            if dropped:
                notes.append(f"flags replace the preset's {some(dropped, 9)}")


def _one_precision(given: dict) -> str:
    """`--precision`, or what `--bf16` and `--fp16` say; more than one word on it is an error."""
    asked = [name for name in ("bf16", "fp16") if given.pop(name, False)]
    if given.get("precision"):
        asked.append(given["precision"])
    if len(set(asked)) > 1:
        raise UsageError(
            f"--{asked[0]} and --{asked[1] if asked[1] == 'fp16' else 'precision ' + asked[1]} contradict each other. "
            "Pass one of --precision auto, bf16, fp16 or fp32."
        )
    return asked[0] if asked else "auto"


def _complete(settings: Settings) -> None:
    """Fill in what follows from what was typed."""
    trainer, given = settings.trainer, settings.given
    if trainer["metric_for_best_model"] in ("val_loss", "eval_val_loss"):
        trainer["metric_for_best_model"] = "eval_loss"
    trainer.setdefault("seed", 42)
    trainer.setdefault("data_seed", trainer["seed"])
    if not settings.wants("train"):
        trainer |= {"eval_strategy": "no", "load_best_model_at_end": False}
    elif trainer["eval_strategy"] == "no" and "load_best_model_at_end" not in given:
        trainer["load_best_model_at_end"] = False
        settings.notes.append("--eval_strategy no: no best checkpoint is chosen, the last weights are kept")
    elif "eval_strategy" in given and "save_strategy" not in given:
        trainer["save_strategy"] = trainer["eval_strategy"]
        if trainer["eval_strategy"] == "steps":
            trainer["save_steps"] = trainer.get("save_steps") or trainer.get("eval_steps") or trainer["logging_steps"]
    if trainer.get("resume_from_checkpoint"):
        settings.run.resume = settings.run.resume or trainer.pop("resume_from_checkpoint")
    for group, names in (
        (settings.data, ("train_file", "validation_file", "test_file", "dataset_name")),
        (settings.model, ("model_name_or_path", "config_name", "tokenizer_name", "cache_dir")),
        (settings.run, ("resume",)),
    ):
        for name in names:
            if getattr(group, name):
                setattr(group, name, os.path.expanduser(getattr(group, name)))
    trainer["output_dir"] = os.path.expanduser(str(trainer["output_dir"]))
    if settings.model.model_name_or_path == SCRATCH and not Path(SCRATCH).is_dir():
        settings.start_from_scratch()
    if settings.run.folds and not {"load_best_model_at_end", "early_stopping_patience"} & given:
        trainer["load_best_model_at_end"] = False
        trainer |= {"save_strategy": "no"} if "save_strategy" not in given else {}
        settings.notes.append(
            "--folds: the last weights of each run are scored; to choose the epoch by the very rows that are scored "
            "would flatter them (--load_best_model_at_end true does)"
        )
    if settings.objective.early_stopping_patience is not None:
        trainer.setdefault("restore_callback_states_from_checkpoint", True)  # a resumed run has not forgotten
    if settings.run.dry_run:
        trainer["push_to_hub"] = False
    if settings.run.check_data:
        trainer |= dict.fromkeys(("do_train", "do_eval", "do_predict"), False)  # all that training would read
        if settings.data.on_bad_row == "error":
            settings.data.on_bad_row = REPORT
