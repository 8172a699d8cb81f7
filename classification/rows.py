"""The order of work on the rows: read, decide the labels from all of train, split validation off, draw subsets."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from datasets import DatasetDict

from classification.checks import check_fit, check_validation, warn_of_repeats
from classification.columns import Columns
from classification.errors import UsageError
from classification.label_columns import encode_labels
from classification.labels import LabelSpace
from classification.settings import Settings
from classification.splits import text_keys
from data_utils import add_validation, load_splits, read_splits, take_samples

logger = logging.getLogger(__name__)


@dataclass
class Rows:
    """The splits that a run reads, and what was decided about them."""

    splits: DatasetDict
    labels: LabelSpace
    how: str  # validation was made
    whole: dict[str, int]  # rows of each split before `--max_*_samples`


def prepare_rows(settings: Settings, config, fold: tuple[int, int] | None) -> Rows:
    """Read the data, decide the labels from all of train, split off validation, draw the subsets; in this order.

    Args:
        config: of the model, whose labels count where nothing is trained.
        fold: number (from 0) and count of folds; that fold is the validation set.
    """
    data, training = settings.data, settings.wants("train")
    splits, class_names = load_splits(
        read_splits(**settings.source), Columns(**settings.columns), on_bad_row=data.on_bad_row
    )
    check_splits(settings, splits, fold)
    if training:
        labels = LabelSpace.from_train(splits["train"]["label"], class_names=class_names, **settings.label_options)
    else:
        labels = LabelSpace.from_config(config, **settings.label_options)
    check_fit(labels, settings.task_options)
    if settings.thresholds is not None:
        labels = labels.with_thresholds(settings.thresholds)
    splits = encode_labels(splits, labels, on_bad_row=data.on_bad_row, source="train" if training else "the model")
    given, how = "validation" in splits, "not used"
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
    if training:
        warn_of_repeats(text_keys(splits["train"]), text_keys(splits["validation"]))
    splits = needed_splits(settings, splits)
    if training and data.shuffle_train_dataset:
        splits["train"] = splits["train"].shuffle(seed=data.shuffle_seed)
    whole = {split: len(rows) for split, rows in splits.items()}
    return Rows(take_samples(splits, settings.limits, data.shuffle_seed), labels, how, whole)


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
