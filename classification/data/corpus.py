"""The order of work on the rows: read, decide the labels from all of train, split validation off, draw subsets, look
at what is left."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from accelerate import PartialState
from datasets import DatasetDict

from classification.cli.options import Settings
from classification.data.columns import Columns
from classification.data.findings import ERROR, NOTE, Finding
from classification.data.fit_checks import check_fit, check_validation
from classification.data.label_columns import encode_labels
from classification.data.labels import LabelSpace
from classification.data.quality.duplicates import Repeats
from classification.data.quality.label_findings import check_order, check_rows
from classification.errors import UsageError
from data_utils import GIVEN, add_validation, load_splits, read_splits, take_samples

logger = logging.getLogger(__name__)


@dataclass
class Rows:
    """The splits that a run reads, and what was decided about them."""

    splits: DatasetDict
    labels: LabelSpace
    how: str  # validation was made
    whole: dict[str, int]  # rows of each split before `--max_*_samples`
    findings: list[Finding] = field(default_factory=list)


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
    given, how = "validation" in splits, "not used"
    dropping = {"duplicates": training and data.drop_duplicates, "leaked": training and data.drop_leaked}
    if training:
        found += check_order(splits, labels, data.validation_strategy)
        splits = drop_repeats(splits, found, **dropping)
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
        with reporting(found, asked=settings.run.check_data):
            check_validation(splits["validation"]["label"][:], labels, data.validation_strategy, given=given)
    if not given:  # nearly equal rows may stand on both sides
        splits = drop_repeats(splits, found, duplicates=False, leaked=dropping["leaked"])
    splits = needed_splits(settings, splits)
    if training and data.shuffle_train_dataset:
        splits["train"] = splits["train"].shuffle(seed=data.shuffle_seed)
    whole = {split: len(rows) for split, rows in splits.items()}
    rows = Rows(take_samples(splits, settings.limits, data.shuffle_seed), labels, how, whole, found)
    if training:
        found += look_at(rows, settings)
    return rows


@contextmanager
def reporting(found: list[Finding], *, asked: bool) -> Iterator[None]:
    """For --check_data: a refusal of the validation set is a finding, and the checks go on."""
    try:
        yield
    except UsageError as error:
        if not asked:
            raise
        found.append(Finding("one_class", ERROR, "validation", 1, str(error).rstrip("."), "training refuses it", ""))


def drop_repeats(splits: DatasetDict, found: list[Finding], *, duplicates: bool, leaked: bool) -> DatasetDict:
    """The splits without the rows of train that repeat an earlier one, or stand in another split; a note in `found`
    says which.

    Raises:
        UsageError: none is left.
    """
    if not (duplicates or leaked):
        return splits
    train = splits["train"]
    drop = Repeats.find(splits).to_drop(duplicates=duplicates, leaked=leaked)
    if not len(drop):
        return splits
    if len(drop) == len(train):
        raise UsageError(
            f"--drop_leaked: all {len(train)} rows of train stand in validation or test too, so that none is left. "
            "Give other rows, or leave the flag out."
        )
    why = [word for word, asked in (("repeats", duplicates), ("leaks", leaked)) if asked]
    found.append(
        Finding("dropped_rows", NOTE, "train", len(drop), f"{len(drop)} rows of train were dropped ({', '.join(why)})",
                "it was asked for", "", tuple(train.select(drop)["id"]))
    )  # fmt: skip
    kept = np.delete(np.arange(len(train)), drop)
    return DatasetDict({**splits, "train": train.select(kept)})


def look_at(rows: Rows, settings: Settings) -> list[Finding]:
    """What the checks find in the rows that are left; the main process looks for all."""
    if not PartialState().is_main_process:
        return []
    remedied = bool({"class_weights", "loss", "sampler"} & set(settings.task_options))
    found = check_rows(rows.splits, rows.labels, made=rows.how != GIVEN, remedied=remedied)
    refused = {(finding.kind, finding.split) for finding in rows.findings}
    return [finding for finding in found if (finding.kind, finding.split) not in refused]


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
