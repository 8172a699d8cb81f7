"""The corpus of a run as values: what to read, which rows to keep, and the splits that result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset, DatasetDict

from classification.data.column_names import UsedColumns
from classification.data.findings import Finding
from classification.data.labels import LabelSpace
from classification.errors import join_first
from classification.messages.log import Line

SPLITS = ("train", "validation", "test")
GIVEN = "given"  # validation_method of a validation split that the data has
NOT_USED = "not used"
IN_SUMMARY = ("dropped_rows", "sampled_checks")  # findings that the lines about the rows repeat
BATCH = 1000  # rows whose texts are in memory together
SEPARATOR = "\x1f"  # between the texts of a pair


@dataclass(frozen=True)
class Source:
    """Where the rows come from: files by split, or a data set on the Hub (or a local folder with its layout).

    Args:
        split_names: split of ours -> split of the data set; None for the same name.
        revision: commit of the data set on the Hub; None for the newest.
        found: filled in by reading: the `commit` that was read.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    dataset_name: str | None = None
    dataset_config_name: str | None = None
    split_names: Mapping[str, str | None] = field(default_factory=dict)
    remove_splits: tuple[str, ...] = ()
    cache_dir: str | None = None
    token: str | None = None
    revision: str | None = None
    found: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def needs_hub(self) -> bool:
        return self.dataset_name is not None and not Path(self.dataset_name).exists()

    @property
    def paths(self) -> list[str]:
        """Every local file and folder that is read."""
        local = [self.dataset_name] if self.dataset_name and Path(self.dataset_name).exists() else []
        return [*self.files.values(), *local]


@dataclass(frozen=True)
class RowChoices:
    """Which rows of the source are used.

    Args:
        on_bad_row: `error`, `drop` or `report` (bad rows become findings, for `--check_data`).
        limits: split -> most rows, by a seeded stratified draw; None for all.
        part: rows of train for a point of `--learning_curve`; None for all.
        seed: of the draws and the shuffle.
    """

    on_bad_row: str = "error"
    drop_duplicates: bool = False
    drop_leaked: bool = False
    limits: Mapping[str, int | None] = field(default_factory=dict)
    part: int | None = None
    shuffle: bool = False
    seed: int = 42


@dataclass(frozen=True)
class Corpus:
    """The splits that a run reads (`id, text, text_pair?, label?`, labels encoded by `task`), and how they were made.

    Args:
        validation_method: `GIVEN`, or how validation was split off train.
        rows_before_sampling: rows of each split before `--max_*_samples`.
        unlabelled: rows of train without a label, which a teacher labels; None for none.
        columns: the user's names.
    """

    splits: DatasetDict
    task: LabelSpace
    validation_method: str
    rows_before_sampling: Mapping[str, int]
    findings: tuple[Finding, ...] = ()
    unlabelled: Dataset | None = None
    columns: UsedColumns = UsedColumns()

    @property
    def texts(self) -> DatasetDict:
        """All rows that are tokenised: the splits and, as `unlabelled`, the rows of train without a label."""
        return DatasetDict({**self.splits, **({"unlabelled": self.unlabelled} if self.unlabelled else {})})

    @property
    def num_train_rows(self) -> int:
        """Rows of an epoch, with and without labels."""
        return len(self.splits["train"]) + len(self.unlabelled or ())

    @property
    def row_ids(self) -> dict[str, list[str]]:
        """The ids of each split; those of train are followed by those of the rows without a label."""
        ids = {split: list(rows["id"]) for split, rows in self.splits.items()}
        return ids | ({"train": ids["train"] + list(self.unlabelled["id"])} if self.unlabelled else {})

    @property
    def train_labels(self) -> list | None:
        """The label ids of train, None where nothing is trained."""
        return self.splits["train"]["label"][:] if "train" in self.splits else None

    @property
    def validation_labels(self) -> list | None:
        """The label ids of validation, None without one."""
        rows = self.splits.get("validation")
        return None if rows is None or "label" not in rows.column_names else rows["label"][:]

    @property
    def has_pairs(self) -> bool:
        return any("text_pair" in data.column_names for data in self.splits.values())

    def summary(self) -> list[Line]:
        """The task, and the rows of each split."""
        lines = [Line("task", self.task.describe())]
        for split, data in self.splits.items():
            before = self.rows_before_sampling[split]
            drawn = f" drawn from {before}" if len(data) < before else ""
            method = f" ({self.validation_method})" if split == "validation" else ""
            lines.append(Line("rows", f"{split:<10} {len(data):7d}{drawn}{method}"))
        if self.unlabelled:
            lines.append(Line("rows", f"{'unlabelled':<10} {len(self.unlabelled):7d} for the teacher"))
        counts = self.task.counts(self.splits["train"]["label"]) if "train" in self.splits else {}
        if counts:
            per_class = join_first((f"{name} {count}" for name, count in counts.items()), 8)
            lines.append(Line("rows", f"of train   {per_class}"))
        lines += [Line("rows", finding.what) for finding in self.findings if finding.kind in IN_SUMMARY]
        if "test" not in self.splits:
            lines.append(Line("rows", "test             0 (none given)"))
        return lines


def text_columns(data: Dataset) -> list[str]:
    """The columns that hold texts: `text` and, for pairs, `text_pair`."""
    return [name for name in ("text", "text_pair") if name in data.column_names]


def text_keys(data: Dataset) -> list[str]:
    """One string per row that is equal for equal texts (of a pair, both)."""
    return list(TextKeys(data))


@dataclass(frozen=True)
class TextKeys:
    """`text_keys` one by one, as often as needed: the texts are read in batches."""

    data: Dataset

    def __iter__(self) -> Iterator[str]:
        yield from (pair_key(*texts) for texts in batched_texts(self.data))


def batches_of(data: Dataset, *columns: str) -> Iterator[dict[str, list]]:
    """Some columns in batches of rows."""
    yield from data.select_columns(list(columns)).iter(BATCH)


def batched_texts(data: Dataset) -> Iterator[tuple[str, ...]]:
    """The one or two texts of each row, read in batches."""
    for batch in batches_of(data, *text_columns(data)):
        yield from zip(*batch.values(), strict=True)


def pair_key(text: str, pair: str | None = None) -> str:
    """The key of a text or a pair. The separator inside a text adds its length, so that no two pairs share a key."""
    if pair is None:
        return text
    key = f"{text}{SEPARATOR}{pair}"
    return key if key.count(SEPARATOR) == 1 else f"{key}{SEPARATOR}{len(text)}{SEPARATOR}"
