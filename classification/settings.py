"""The checked command line as one value, and what its flags mean to the parts that read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from classification.errors import UsageError

SPLITS = ("train", "validation", "test")
READERS = {  # suffix of a file -> the reader of `datasets`
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".arrow": "arrow",
}  # fmt: skip


def comma_separated(text: str | None) -> tuple[str, ...]:
    """`"a, b"` -> `("a", "b")`, the form of every comma-separated flag."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


@dataclass
class Settings:
    """The checked command line. `given` holds the names that a flag or the preset gave."""

    data: Any
    model: Any
    run: Any
    trainer: dict
    given: set[str]
    argv: list[str]
    notes: list[str]

    @property
    def output_dir(self) -> Path:
        return Path(self.trainer["output_dir"])

    @property
    def files(self) -> dict[str, str]:
        paths = {split: getattr(self.data, f"{split}_file") for split in SPLITS}
        return {split: path for split, path in paths.items() if path}

    @property
    def names(self) -> list[str]:
        """The model and, where there is one, the data set: local folders or names on the Hub."""
        return [name for name in (self.model.model_name_or_path, self.data.dataset_name) if name]

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
            "id": data.id_column_name,
            "group": data.validation_group_column,
            "remove": comma_separated(data.remove_columns),
        }

    @property
    def classifier(self) -> dict:
        """The arguments of `load_classifier` that the command line decides."""
        return self.hub | {
            "tokenizer_name": self.model.tokenizer_name,
            "use_fast": self.model.use_fast_tokenizer,
            "max_length": self.data.max_seq_length,
            "ignore_mismatched_sizes": self.model.ignore_mismatched_sizes,
        }

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

    def wants(self, phase: str) -> bool:
        """Whether `--do_train`, `--do_eval` or `--do_predict` was asked for, as typed; none of them means all."""
        asked = {name for name in ("do_train", "do_eval", "do_predict") if self.trainer[name]}
        return not asked or f"do_{phase}" in asked

    def training_arguments(self, **decided) -> TrainingArguments:
        """`TrainingArguments` with what the device decided; what was given wins over decisions."""
        values = self.trainer | {name: value for name, value in decided.items() if name not in self.given}
        try:
            return TrainingArguments(**values)
        except (ValueError, TypeError) as error:
            raise UsageError(f"The Trainer refuses these arguments: {error}") from error
