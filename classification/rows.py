"""The order of work on the rows: read, decide the labels from all of train, split validation off, draw subsets, look
at what is left."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np
from accelerate import PartialState
from datasets import DatasetDict

from classification.checks import check_fit, check_validation
from classification.columns import Columns
from classification.data_checks import check_order, check_rows
from classification.errors import UsageError
from classification.findings import NOTE, Finding
from classification.label_columns import encode_labels
from classification.labels import LabelSpace
from classification.settings import Settings
from data_utils import GIVEN, add_validation, load_splits, read_splits, take_samples

logger = logging.getLogger(__name__)

UNUSED = "not used"


@dataclass
class Rows:
    """The splits that a run reads, and what was decided about them."""

    splits: DatasetDict
    labels: LabelSpace
    how: str  # validation was made
    whole: dict[str, int]  # rows of each split before `--max_*_samples`
    findings: list[Finding] = field(default_factory=list)
    dropped: int = 0  # by `--drop_duplicates` and `--drop_leaked`, of train and what was split off it


def prepare_rows(settings: Settings, config, fold: tuple[int, int] | None) -> Rows:
    """Read the data, decide the labels from all of train, split off validation, draw the subsets; in this order.

    Args:
        config: of the model, whose labels count where nothing is trained.
        fold: number (from 0) and count of folds; that fold is the validation set.
    """
    data, training, found = settings.data, settings.wants("train"), []
    on_bad_row = {"on_bad_row": data.on_bad_row, "found": found}
    splits, class_names = load_splits(read_splits(**settings.source), Columns(**settings.columns), **on_bad_row)
    check_splits(settings, splits, fold)
    if training:
        labels = LabelSpace.from_train(splits["train"]["label"], class_names=class_names, **settings.label_options)
    else:
        labels = LabelSpace.from_config(config, **settings.label_options)
    check_fit(labels, settings.task_options)
    if settings.thresholds is not None:
        labels = labels.with_thresholds(settings.thresholds)
    splits = encode_labels(splits, labels, source="train" if training else "the model", **on_bad_row)
    if training:
        found += check_order(splits, labels, tail=data.validation_strategy == "tail")
    given, how = "validation" in splits, UNUSED
    if training or settings.wants("eval"):
        splits, how = add_validation(
            splits,
            labels,
            fraction=settings.validation_fraction,
            strategy=data.validation_strategy,
            seed=data.shuffle_seed,
            fold=fold,
        )
    if training and not fold:
        check_validation(splits["validation"]["label"][:], labels, data.validation_strategy, given=given)
    splits = needed_splits(settings, splits)
    if training and data.shuffle_train_dataset:
        splits["train"] = splits["train"].shuffle(seed=data.shuffle_seed)
    whole = {split: len(rows) for split, rows in splits.items()}
    rows = Rows(take_samples(splits, settings.limits, data.shuffle_seed), labels, how, whole, found)
    return look_at(rows, settings) if training else rows


def look_at(rows: Rows, settings: Settings) -> Rows:
    """The rows with what the checks find, without those that `--drop_duplicates` and `--drop_leaked` remove.

    The main process looks for all, unless rows are to be removed.
    """
    duplicates, leaked = settings.data.drop_duplicates, settings.data.drop_leaked
    if not (duplicates or leaked or PartialState().is_main_process):
        return rows
    remedied, made = bool({"class_weights", "loss", "sampler"} & set(settings.task_options)), rows.how != GIVEN
    found, repeats = check_rows(rows.splits, rows.labels, made=made, remedied=remedied)
    drop = repeats.to_drop(duplicates=duplicates, leaked=leaked, made=made)
    splits = DatasetDict()
    for place, (split, data) in enumerate(rows.splits.items()):
        kept = np.flatnonzero(~drop[repeats.split_of == place])
        if not len(kept):
            raise UsageError(f"--drop_leaked: every row of {split} stands in another split too: none is left. Give "
                             "other rows, or leave the flag out.")  # fmt: skip
        splits[split] = data.select(kept) if len(kept) < len(data) else data
    found = [without_dropped(finding, duplicates, leaked) for finding in found]
    return replace(rows, splits=splits, findings=rows.findings + found, dropped=int(drop.sum()))


def without_dropped(finding: Finding, duplicates: bool, leaked: bool) -> Finding:
    """A finding whose rows were removed is only a note."""
    if not finding.kind.endswith("_duplicates"):
        return finding
    removed = duplicates and finding.split == "train" or leaked and finding.split.startswith("train, ")
    return replace(finding, severity=NOTE, remedy="Removed from train") if removed else finding


def check_splits(settings: Settings, splits: DatasetDict, fold: tuple[int, int] | None) -> None:
    """Refuse what was asked for and the data does not have; what was only allowed is skipped and said."""
    if settings.wants("train") and "train" not in splits:
        raise UsageError("There is no train split. Name it with --train_split_name, or pass --do_eval or --do_predict.")
    if settings.trainer["do_predict"] and "test" not in splits:
        raise UsageError("--do_predict: there are no test rows. Give --test_file or --test_split_name.")
    if settings.wants("eval") and not {"train", "validation"} & set(splits):
        raise UsageError("--do_eval: there are no validation rows. Give --validation_file or --validation_split_name.")
    if "validation" not in splits:
        return
    if fold:
        raise UsageError("--folds: the data has validation rows of its own. Leave them out: --remove_splits validation")
    for name in sorted({"validation_fraction", "validation_strategy", "validation_group_column"} & settings.given):
        logger.warning("--%s has no effect: the data has validation rows of its own", name)


def needed_splits(settings: Settings, splits: DatasetDict) -> DatasetDict:
    """Only what the asked-for phases read is tokenised."""
    training = settings.wants("train")
    needed = {"train": training, "validation": training or settings.wants("eval"), "test": settings.wants("predict")}
    return DatasetDict({split: splits[split] for split in needed if needed[split] and split in splits})
