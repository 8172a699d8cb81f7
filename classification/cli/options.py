"""The checked command line as one value, and what its flags mean to the parts that read them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from classification.errors import UsageError

SPLITS = ("train", "validation", "test")
READERS = {  # suffix of a file -> the reader of `datasets`
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".arrow": "arrow",
}  # fmt: skip
BASELINES = (
    "majority", "naive_bayes", "nb_svm", "linear_svm", "logistic_regression", "decision_tree", "random_forest", "lda",
    "mlp", "bilstm",
)  # fmt: skip
REPORT = "report"  # of --on_bad_row, with --check_data: bad rows are findings
SCRATCH = "bilstm"  # the name of a model that is not loaded but made, and starts from random weights
SCRATCH_DEFAULTS = {"learning_rate": 2e-3, "num_train_epochs": 3.0}
OF_PRETRAINED = ("config_name", "tokenizer_name", "pooling", "freeze", "freeze_layers", "lora_r")


def comma_separated(text: str | None) -> tuple[str, ...]:
    """`"a, b"` -> `("a", "b")`, the form of every comma-separated flag."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def read_mapping(text: str, flag: str, otherwise: str) -> dict:
    """`{"spam": 5}`, or what a .json file of that kind holds.

    Raises:
        UsageError: no such file, or no JSON object; begins with `flag` and says what it takes `otherwise`.
    """
    problem = "it names nothing"
    try:
        content = Path(text).expanduser().read_text(encoding="utf-8") if text.endswith(".json") else text
        mapping = json.loads(content)
    except (OSError, ValueError) as error:
        mapping, problem = None, str(error)
    if not isinstance(mapping, dict) or not mapping:
        raise UsageError(
            f'{flag} {text}: must be {otherwise}, or labels and numbers as JSON such as {{"spam": 0.5}} or in a .json '
            f"file ({problem})."
        )
    return mapping


@dataclass
class Settings:
    """The checked command line. `given` holds the names that a flag or the preset gave."""

    data: Any
    model: Any
    objective: Any
    run: Any
    trainer: dict
    given: set[str]
    argv: list[str]
    notes: list[str]
    study_dir: Path | None = None
    from_scratch: bool = False

    @property
    def room(self) -> Path:
        """The folder that must hold no other run."""
        return self.study_dir or self.output_dir

    @property
    def output_dir(self) -> Path:
        return Path(self.trainer["output_dir"])

    @property
    def files(self) -> dict[str, str]:
        paths = {split: getattr(self.data, f"{split}_file") for split in SPLITS}
        return {split: path for split, path in paths.items() if path}

    @property
    def names(self) -> list[str]:
        """The model, unless it is made here, and, where there is one, the data set: local folders or names on the
        Hub."""
        model = None if self.from_scratch else self.model.model_name_or_path
        return [name for name in (model, self.data.dataset_name) if name]

    @property
    def inputs(self) -> list[str]:
        """Every local file and folder that the run reads."""
        return [*self.files.values(), *(name for name in self.names if Path(name).exists())]

    @property
    def needs_hub(self) -> bool:
        return not all(Path(name).exists() for name in self.names)

    @property
    def hub(self) -> dict:
        """What every `from_pretrained` of the model takes."""
        return {
            "cache_dir": self.model.cache_dir,
            "revision": self.model.model_revision,
            "token": self.model.token,
            "trust_remote_code": self.model.trust_remote_code,
        }

    @property
    def config(self) -> dict:
        """The arguments of `load_config`."""
        model = self.model
        own = {"name": model.model_name_or_path, "config_name": model.config_name, "from_scratch": self.from_scratch}
        return own | self.hub

    @property
    def source(self) -> dict:
        """The arguments of `read_splits`."""
        data = self.data
        return {
            "dataset_name": data.dataset_name,
            "dataset_config_name": data.dataset_config_name,
            "files": self.files,
            "split_names": {split: getattr(data, f"{split}_split_name") for split in SPLITS},
            "remove_splits": comma_separated(data.remove_splits),
            "cache_dir": self.model.cache_dir,
            "token": self.model.token,
        }

    @property
    def columns(self) -> dict:
        """The fields of `Columns`."""
        data = self.data
        return {
            "text": comma_separated(data.text_column_names),
            "delimiter": data.text_column_delimiter,
            "label": data.label_column_name,
            "labels": comma_separated(data.label_column_names),
            "label_delimiter": data.label_delimiter,
            "id": data.id_column_name,
            "group": data.validation_group_column,
            "time": data.time_column,
            "remove": comma_separated(data.remove_columns),
        }

    @property
    def classifier(self) -> dict:
        """The arguments of `load_classifier` that the command line decides."""
        return self.hub | {
            "tokenizer_name": self.model.tokenizer_name,
            "use_fast": self.model.use_fast_tokenizer,
            "max_length": self.data.max_seq_length,
            "truncation_strategy": self.data.truncation_strategy,
            "window_stride": self.data.window_stride,
            "pooling": self.model.pooling,
            "attention_dropout": self.model.attention_dropout,
            "ignore_mismatched_sizes": self.model.ignore_mismatched_sizes,
        }

    @property
    def encoding(self) -> dict:
        """The arguments of `encode_splits` that the command line decides."""
        return {
            "cache_dir": self.model.cache_dir,
            "num_workers": self.data.preprocessing_num_workers,
            "overwrite_cache": self.data.overwrite_cache,
        }

    @property
    def trainable(self) -> dict:
        """The arguments of `choose_trainable`."""
        return {name: getattr(self.model, name) for name in ("freeze", "freeze_layers", "lora_r")}

    @property
    def limits(self) -> dict[str, int | None]:
        """At most so many rows of each split."""
        return {
            "train": self.data.max_train_samples,
            "validation": self.data.max_eval_samples,
            "test": self.data.max_predict_samples,
        }

    @property
    def validation_fraction(self) -> float | None:
        return None if self.data.validation_fraction == "auto" else float(self.data.validation_fraction)

    @property
    def label_options(self) -> dict:
        """What the command line says of the task: arguments of `LabelSpace.from_train` and `from_config`."""
        known = self.data.do_regression if "do_regression" in self.given else None
        return {"do_regression": known, "delimiter": self.data.label_delimiter}

    @property
    def class_weights(self) -> str | dict | None:
        text = self.objective.class_weights
        if text in (None, "balanced", "effective"):
            return text
        return read_mapping(text, "--class_weights", "balanced, effective")

    @property
    def loss_options(self) -> dict[str, float]:
        """The arguments of `Objective` that need no data."""
        return {
            "focal_gamma": self.objective.focal_gamma if self.objective.loss == "focal" else 0.0,
            "label_smoothing": self.trainer.get("label_smoothing_factor", 0.0),
        }

    @property
    def thresholds(self) -> float | dict | None:
        """One threshold for all labels, or some by name."""
        text = self.objective.thresholds
        if text is None:
            return None
        try:
            return float(text)
        except ValueError:
            return read_mapping(text, "--thresholds", "a number")

    @property
    def task_options(self) -> dict[str, Any]:
        """The flags that only some tasks can follow, where they ask for something; for `checks.check_fit`."""
        objective = self.objective
        options = {
            "class_weights": objective.class_weights,
            "loss": objective.loss if objective.loss != "cross_entropy" else None,
            "sampler": objective.sampler if objective.sampler != "random" else None,
            "label_smoothing_factor": self.trainer.get("label_smoothing_factor") or None,
            "tune_thresholds": objective.tune_thresholds,
            "thresholds": objective.thresholds,
        }
        return {name: value for name, value in options.items() if value is not None}

    @property
    def study(self) -> str | None:
        """`seeds` or `folds`, where one command trains several times."""
        return next((name for name in ("seeds", "folds") if getattr(self.run, name) is not None), None)

    @property
    def baselines(self) -> tuple[str, ...]:
        """The names of `--baselines`, none where it was not given."""
        named = self.run.baselines
        return BASELINES if named == "all" else tuple(dict.fromkeys(comma_separated(named)))

    @property
    def seeds(self) -> tuple[int, ...]:
        try:
            return tuple(int(seed) for seed in comma_separated(self.run.seeds))
        except ValueError as error:
            raise UsageError(f"--seeds {self.run.seeds}: must be whole numbers, such as 1,2,3.") from error

    def one_of_study(self, folder: str, *, first: bool, **trainer) -> Settings:
        """The settings of one run of a study, in a folder of its own inside the output folder. The first run looks
        after that folder: refuses one that holds a run, or moves it aside."""
        return replace(
            self,
            run=replace(self.run, seeds=None, folds=None, overwrite_output_dir=self.run.overwrite_output_dir and first),
            trainer=self.trainer | {"output_dir": str(self.output_dir / folder)} | trainer,
            study_dir=self.output_dir if first else None,
        )

    def start_from_scratch(self) -> None:
        """The model is made here: defaults that suit random weights.

        Raises:
            UsageError: a flag that needs pretrained weights, or nothing is trained.
        """
        for name in OF_PRETRAINED:
            if name in self.given and getattr(self.model, name) not in (None, 0, "none"):
                raise UsageError(
                    f"--model_name_or_path {SCRATCH} and --{name} {getattr(self.model, name)}: this model starts from "
                    f"random weights with a vocabulary of its own. Leave --{name} out, or name a pretrained model."
                )
        if not self.wants("train"):
            raise UsageError(
                f"--model_name_or_path {SCRATCH}: starts from random weights, and this run does not train. Name the "
                "folder of a trained one (the --output_dir of its training), or pass --do_train."
            )
        self.from_scratch = True
        chosen = {name: value for name, value in SCRATCH_DEFAULTS.items() if name not in self.given}
        self.trainer |= chosen
        said = "".join(f", --{name} {value:g}" for name, value in chosen.items())
        self.notes.append(f"--model_name_or_path {SCRATCH}: a bidirectional LSTM from random weights{said}")

    def wants(self, phase: str) -> bool:
        """Whether `--do_train`, `--do_eval` or `--do_predict` was asked for, as typed; none of them means all."""
        asked = {name for name in ("do_train", "do_eval", "do_predict") if self.trainer[name]}
        return not asked or f"do_{phase}" in asked

    def as_dict(self) -> dict:
        """Every flag of ours and its value."""
        return {name: value for group in (self.data, self.model, self.objective, self.run) for name, value in
                vars(group).items()}  # fmt: skip

    def training_arguments(self, **decided) -> TrainingArguments:
        """`TrainingArguments` with what the device decided; what was given wins over decisions."""
        values = self.trainer | {name: value for name, value in decided.items() if name not in self.given}
        try:
            return TrainingArguments(**values)
        except (ValueError, TypeError) as error:
            raise UsageError(f"The Trainer refuses these arguments: {error}") from error
