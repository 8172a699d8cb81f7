"""Every flag of this recipe: its name, type, default and help. `classification/cli` turns them into `Options`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

DEFAULT_MODEL = "bert-base-uncased"
DEFAULT_OUTPUT_DIR = "out"


def option(
    default: Any, help: str, *, replaces: tuple[str, ...] = (), for_training: bool = False, **metadata: Any
) -> Any:
    """A flag.

    Args:
        replaces: flags of a preset that lose their meaning where this one is typed.
        for_training: a preset's value is ignored where nothing is trained.
        metadata: for `argparse`.
    """
    relations = {"replaces": replaces, "for_training": for_training}
    return field(default=default, metadata={"help": help, **relations, **metadata})


HUB_FLAGS = ("dataset_name", "dataset_config_name", "train_split_name", "validation_split_name", "test_split_name")
FILE_FLAGS = ("train_file", "validation_file", "test_file")
DECISION_FLAGS = ("tune_thresholds", "target_precision", "target_recall", "costs", "thresholds")


@dataclass(frozen=True)
class DataArguments:
    """The data and how its columns are read."""

    _argument_group_name = "data"

    dataset_name: str | None = option(
        None, "Data set on the Hub, or a local folder with the Hub's layout.", replaces=(*FILE_FLAGS, "slice_columns")
    )
    dataset_config_name: str | None = option(None, "Configuration of the data set.", replaces=FILE_FLAGS)
    train_file: str | None = option(
        None,
        "CSV, TSV, JSON, JSONL, Parquet or Arrow file, or a folder with one sub-folder of .txt files per class.",
        replaces=(*FILE_FLAGS, *HUB_FLAGS, "slice_columns"),
    )
    validation_file: str | None = option(None, "Validation rows. Default: split off train.", replaces=HUB_FLAGS)
    test_file: str | None = option(
        None, "Test rows. Rows without a label are predicted, not scored.", replaces=(*HUB_FLAGS, "slice_columns")
    )
    unlabelled_file: str | None = option(
        None, "Texts without labels, in any format of --train_file, for --teacher.", for_training=True
    )
    train_split_name: str | None = option(None, "Split of the data set used as train.", replaces=FILE_FLAGS)
    validation_split_name: str | None = option(None, "Split of the data set used as validation.", replaces=FILE_FLAGS)
    test_split_name: str | None = option(None, "Split of the data set used as test.", replaces=FILE_FLAGS)
    remove_splits: str | None = option(None, "Splits to ignore, comma separated.")
    remove_columns: str | None = option(None, "Columns to ignore, comma separated.")
    text_column_names: str | None = option(None, "Text column. Two columns, comma separated, are a pair.")
    text_column_delimiter: str | None = option(None, "Join the text columns with this string into one text.")
    label_column_name: str | None = option(
        None,
        "Label column: names, whole numbers, numbers with a fraction, or lists. Default: label or labels.",
        replaces=("label_column_names",),
    )
    label_column_names: str | None = option(
        None,
        "Multi-label: one 0/1 column per label, comma separated.",
        replaces=("label_column_name", "label_delimiter"),
    )
    label_delimiter: str | None = option(
        None, "Multi-label: the string between names in the label column.", replaces=("label_column_names",)
    )
    id_column_name: str | None = option(
        None, "Column of unique ids. Default: id, guid or idx if complete and unique, else train-0, train-1, ..."
    )
    do_regression: bool = option(
        False, "Predict a number. Default: if the labels have fractions; false makes each number a class."
    )
    on_bad_row: Literal["error", "drop"] = option("error", "What to do with rows without a text or a label.")
    drop_duplicates: bool = option(False, "Drop training rows that repeat an earlier one, near copies included.")
    drop_leaked: bool = option(False, "Drop training rows that are in validation or test too, near copies included.")
    validation_fraction: str = option(
        "auto", "Share of train that becomes validation. auto: 5%%, but at least min(200 rows, 20%%)."
    )
    validation_strategy: Literal["stratified", "random", "tail", "time"] = option(
        "stratified",
        "Rows that become validation: a stratified or random draw, the last rows, or the newest by --time_column.",
    )
    time_column: str | None = option(None, "Column of dates or numbers that orders the rows in time.")
    validation_group_column: str | None = option(None, "Rows with one value here (a user, a film) stay in one split.")
    slice_columns: str | None = option(None, "Columns whose values get results of their own, comma separated.")
    max_train_samples: int | None = option(None, "Train on a seeded stratified sample of this many rows.")
    max_eval_samples: int | None = option(None, "The same for validation.")
    max_predict_samples: int | None = option(None, "The same for test.")
    shuffle_train_dataset: bool = option(False, "Shuffle the training rows once before training.")
    shuffle_seed: int = option(42, "Seed of the validation split, the samples and the shuffle.")
    max_seq_length: int | None = option(
        None,
        "Tokens that the model reads at once; pairs are cut longest first. Default: 256 or the model's limit; without "
        "training, the length saved with the model.",
    )
    truncation_strategy: Literal["head", "tail", "head_tail", "window"] | None = option(
        None,
        "The part of a long text that is read: its head, its tail, both (Sun et al. 2019), or all in overlapping "
        "windows, whose logits are averaged. Default: head; without training, as in training.",
    )
    window_stride: int | None = option(
        None, "Tokens from the start of one window to the start of the next. Default: half a window."
    )
    pad_to_max_length: bool = option(False, "Pad every batch to max_seq_length instead of to its longest row.")
    preprocessing_num_workers: int | None = option(None, "Number of processes that tokenise.")
    overwrite_cache: bool = option(False, "Tokenise again even if the cache has the result.")


@dataclass(frozen=True)
class ModelArguments:
    """The encoder to fine-tune."""

    _argument_group_name = "model"

    model_name_or_path: str = option(
        DEFAULT_MODEL, "Model on the Hub, a local folder, or bilstm (an LSTM from random weights)."
    )
    config_name: str | None = option(None, "Use the config of another model.")
    tokenizer_name: str | None = option(None, "Use the tokenizer of another model.")
    cache_dir: str | None = option(None, "Folder of downloads and tokenised data.")
    model_revision: str = option("main", "Branch, tag or commit of the model.")
    token: str | None = option(None, "Access token for the Hub; never written anywhere.")
    use_fast_tokenizer: bool = option(True, "No effect: transformers 5 always uses the fast tokenizer.")
    trust_remote_code: bool = option(False, "Run code that comes with the model. Only for models whose code you read.")
    ignore_mismatched_sizes: bool = option(False, "Replace a head that was trained for other labels.")
    pooling: Literal["cls", "mean", "max"] | None = option(
        None, "Pool the last hidden states: first token, mean or maximum. Default: the model's head.", for_training=True
    )
    head_init: Literal["prior", "zero"] = option(
        "prior", "Bias of a new head: the class shares of train (Lin et al. 2017), or 0.", for_training=True
    )
    attention_dropout: float | None = option(
        None, "Dropout on the attention weights; 0 is faster. Default: the model's own.", for_training=True
    )
    freeze: Literal["none", "embeddings", "encoder"] = option(
        "none", "Do not train the embeddings, or anything but the head and its pooler.", for_training=True
    )
    freeze_layers: int = option(0, "Freeze the embeddings and this many of the lowest layers.", for_training=True)
    lora_r: int | None = option(
        None, "Train LoRA adapters of this rank and the head instead of all weights.", for_training=True
    )
    lora_merge: bool = option(
        True, "Merge the adapters into the saved weights; false saves the adapters alone.", for_training=True
    )


@dataclass(frozen=True)
class ObjectiveArguments:
    """The training loss, the sampler, early stopping and decision thresholds."""

    _argument_group_name = "objective"

    class_weights: str | None = option(
        None,
        "Weight rows by class: balanced, effective (number of samples, Cui et al. 2019), or class to weight as JSON or "
        "a .json file. Multi-label: the weight of rows with the label against rows without.",
    )
    loss: Literal["cross_entropy", "focal"] = option(
        "cross_entropy", "focal gives more weight to rows that are still wrong (Lin et al. 2017)."
    )
    focal_gamma: float = option(2.0, "Strength of --loss focal; 0 is cross_entropy.")
    sampler: Literal["random", "balanced"] = option(
        "random", "balanced draws rows with replacement, every class equally often."
    )
    early_stopping_patience: int | None = option(
        None, "Stop after this many evaluations without a better metric_for_best_model.", for_training=True
    )
    layerwise_lr_decay: float | None = option(
        None, "Multiply the learning rate by this for each layer further from the head, such as 0.9.", for_training=True
    )
    r_drop: float = option(
        0.0, "Weight of the distance between two passes with different dropout (Liang et al. 2021).", for_training=True
    )
    average: str | None = option(
        None, "Average of weights to compare with the best checkpoint: ema, ema=0.99, or last=3.", for_training=True
    )
    teacher: str | None = option(
        None, "Trained classifier, local or on the Hub, whose probabilities are learned too (Hinton et al. 2015).",
        for_training=True,
    )  # fmt: skip
    teacher_temperature: float = option(2.0, "Divides the logits of teacher and model while it learns from them.")
    teacher_weight: float = option(0.5, "Share of the teacher in the loss of a labelled row.")
    calibrate: bool = option(
        True, "Fit temperatures on validation, so that probabilities are as high as they are often right.",
        for_training=True,
    )  # fmt: skip
    tune_thresholds: Literal["global", "per_label"] | None = option(
        None, "Tune the decision on validation for F1. Without a value: per_label.", nargs="?", const="per_label",
        replaces=DECISION_FLAGS, for_training=True,
    )  # fmt: skip
    target_precision: str | None = option(
        None,
        "Decide so that this share of the predictions of a label is right on validation: 0.95, label=0.95 or JSON.",
        replaces=DECISION_FLAGS,
        for_training=True,
    )
    target_recall: str | None = option(
        None, "The same for the share of a label's rows that is found.", replaces=DECISION_FLAGS, for_training=True
    )
    costs: str | None = option(
        None,
        "CSV or JSON file with a cost per true and predicted class: the class with the least expected cost is "
        "predicted.",
        replaces=DECISION_FLAGS,
    )  # fmt: skip
    thresholds: str | None = option(
        None,
        "Probability from which a label, or the second of two classes, is predicted: 0.3, label=0.3, JSON or a .json "
        "file. Default: 0.5.",
        replaces=DECISION_FLAGS,
    )


@dataclass(frozen=True)
class RunArguments:
    """What this run does."""

    _argument_group_name = "run"

    config: str | None = option(None, "Preset (YAML), or run.json to repeat a run; flags override it. May come first.")
    precision: Literal["auto", "bf16", "fp16", "fp32"] = option(
        "auto", "Number format of the matrix products.", replaces=("bf16", "fp16")
    )
    metric_name: str | None = option(None, "One more metric: a scikit-learn scorer, or trusted code of evaluate.")
    check_data: bool = option(False, "Check the data, print the findings and stop. Needs no model.")
    check_rows: int = option(100_000, "Rows per split whose words are checked, by a seeded draw; 0 for none.")
    suspect_labels: bool = option(
        False, "Write the rows that a classical model labels differently to suspect_labels.csv. Also with --check_data."
    )
    baselines: str | None = option(
        None, "Compare with simple methods: all, or names, comma separated (docs/data.md).", nargs="?", const="all"
    )
    strict: bool = option(False, "Treat warnings about the data as errors.")
    dry_run: bool = option(False, "Do everything but training: print the decisions and one batch.")
    seeds: str | None = option(
        None, "Train once per seed, comma separated; keep the best.", replaces=("seed", "folds"), for_training=True
    )
    folds: int | None = option(
        None, "Cross-validate in this many parts.", replaces=("seeds", "validation_file"), for_training=True
    )
    search: int | None = option(
        None, "Try this many settings on validation with optuna; the best trial becomes the model.", for_training=True
    )
    search_space: str | None = option(None, "YAML file of the flags that --search tries and their ranges.")
    learning_curve: str | None = option(
        None, "Also train on these percentages of train: would more labels help? Default: 10,25,50.",
        nargs="?", const="10,25,50", for_training=True,
    )  # fmt: skip
    resume: str | None = option(
        None, "auto: continue from the last good checkpoint, or start. Or the folder of a checkpoint."
    )
    resume_anyway: bool = option(False, "Resume although data or flags differ from the checkpoint's, with a warning.")
    overwrite_output_dir: bool = option(False, "Move another run in output_dir to output_dir.bak-N.")
    logging_dir: str | None = option(None, "Folder of TensorBoard logs (with --report_to tensorboard).")
    csv_safe: bool = option(False, "Put an apostrophe before CSV cells that a spreadsheet would run as a formula.")
    neighbours: bool = option(True, "Show the training rows nearest to test rows in the report.")
    report_texts: bool = option(True, "false: report, model card and log name rows by id and hold no texts.")
    push_report: bool = option(False, "With --push_to_hub: push the report too, without texts, ids of rows and paths.")
    inject_fault: str | None = option(
        None, "Faults to test the recovery with, such as kill@step=10, comma separated (docs/reliability.md)."
    )


@dataclass
class TrainerAdditions:
    """Flags of `transformers.TrainingArguments` with a further meaning here; all others are flags as they are."""

    _argument_group_name = "Trainer (transformers.TrainingArguments)"

    debug: str = option("", "Show tracebacks of usage errors; the flag takes no value.", nargs="?", const="")
