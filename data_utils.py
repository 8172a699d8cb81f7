"""The way of the data: raw files -> splits of `id, text, text_pair?, label?` -> token ids.

After `load_splits` nobody knows the user's column names.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from dataclasses import dataclass
from pathlib import Path

import datasets
from datasets import Dataset, DatasetDict
from datasets.fingerprint import Hasher
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from classification.checks import check_fit, check_validation
from classification.columns import (
    Columns,
    drop_or_refuse_bad_rows,
    existing_column,
    find_text_columns,
    not_a_column,
    read_ids,
    read_texts,
    read_times,
)
from classification.errors import UsageError, did_you_mean, some
from classification.label_columns import encode_labels, read_labels
from classification.labels import LabelSpace, is_missing
from classification.settings import SPLITS, Settings
from classification.sources import read_file, read_hub
from classification.splits import choose_validation, draw_rows, text_keys

logger = logging.getLogger(__name__)


# ------------------------------------------------------------------------------------------------- all of it


@dataclass
class Rows:
    """The splits that a run reads, and what was decided about them."""

    splits: DatasetDict
    labels: LabelSpace
    how: str
    """how validation was made"""
    whole: dict[str, int]
    """rows of each split before `--max_*_samples`"""


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
        labels = LabelSpace.from_train(splits["train"]["label"], class_names=class_names, **settings.labels)
    else:
        labels = LabelSpace.from_config(config, **settings.labels)
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
    if training:
        check_validation(splits["validation"]["label"][:], labels, data.validation_strategy, given=given)
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


# ---------------------------------------------------------------------------------------------------- loading


def read_splits(
    *,
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    files: dict[str, str] | None = None,
    split_names: dict[str, str | None] | None = None,
    remove_splits: tuple[str, ...] = (),
    cache_dir: str | None = None,
    token: str | None = None,
) -> DatasetDict:
    """The splits train, validation and test that the source has, with the user's columns; others are left alone."""
    if files:
        return DatasetDict(
            {split: read_file(path, flag=f"--{split}_file", cache_dir=cache_dir) for split, path in files.items()}
        )
    raw = read_hub(dataset_name, dataset_config_name, cache_dir=cache_dir, token=token)
    split_names = split_names or {}
    splits = DatasetDict()
    for split in SPLITS:
        source = split_names.get(split) or split
        if source in raw and source not in remove_splits:
            splits[split] = raw[source]
        elif split_names.get(split):
            raise UsageError(
                f"--{split}_split_name {source}: the data set has no such split; it has {some(raw)}."
                + did_you_mean(source, raw)
            )
    unknown = [name for name in remove_splits if name not in raw]
    if unknown:
        raise UsageError(f"--remove_splits {some(unknown)}: the data set has {some(raw)}.")
    unused = sorted(set(raw) - {split_names.get(split) or split for split in splits})
    if unused:
        logger.info("data         not used, never tokenised: split %s", some(unused))
    return splits


def load_splits(
    raw: DatasetDict, columns: Columns, *, on_bad_row: str = "error"
) -> tuple[DatasetDict, tuple[str, ...] | None]:
    """Give every split the columns `id, text, text_pair?, label?` (and train `group?, time?`) and nothing else.

    Returns:
        The splits, labels still raw (None where missing), and the class names where the data declares them.

    Raises:
        UsageError: a column is missing or ambiguous, ids repeat, or rows have no text or (in train and validation)
            no label; names the rows. With `on_bad_row="drop"` such rows are dropped and counted.
    """
    for name in columns.remove:
        if not any(name in data.column_names for data in raw.values()):
            raise UsageError(f"--remove_columns {name}: {not_a_column(name, next(iter(raw.values())))}")
    raw = DatasetDict(
        {
            split: data.select_columns([c for c in data.column_names if c not in columns.remove])
            for split, data in raw.items()
        }
    )
    class_names = None
    splits = DatasetDict()
    for split, data in raw.items():
        text_columns = columns.text or find_text_columns(data)
        content = read_texts(data, text_columns, columns.delimiter, split)
        content["id"] = read_ids(data, columns.id, split)
        values, names = read_labels(data, columns, split)
        if values is not None:
            content["label"] = values
            class_names = class_names or names
        if columns.group and split == "train":
            group = data[existing_column(data, columns.group, "--validation_group_column")]
            content["group"] = [None if is_missing(value) else str(value) for value in group]
        if columns.time and split == "train":
            content["time"] = read_times(data, columns.time)
        splits[split] = drop_or_refuse_bad_rows(content, split, on_bad_row)
    if len({"text_pair" in data.column_names for data in splits.values()}) > 1:
        raise UsageError("--text_column_names: some splits hold pairs and others single texts; name the columns.")
    return splits, class_names


# ------------------------------------------------------------------------------------- labels, splits, subsets


def add_validation(
    splits: DatasetDict,
    labels: LabelSpace,
    *,
    fraction: float | None,
    strategy: str,
    seed: int,
    fold: tuple[int, int] | None = None,
) -> tuple[DatasetDict, str]:
    """Split a validation set off train where there is none; returns the splits and how it was made.

    Args:
        fold: number (from 0) and count of folds; that fold is the validation set.
    """
    how = "given"
    if "validation" not in splits:
        train = splits["train"]
        rows, how = choose_validation(train, labels, fraction, strategy, seed, fold)
        if not rows[0] or not rows[1]:
            grouped = " without parting a group of --validation_group_column" if "group" in train.column_names else ""
            raise UsageError(
                f"--validation_fraction: no validation set can be split off {len(train)} training rows{grouped}. "
                "Give more rows, or a file with --validation_file."
            )
        splits = DatasetDict({**splits, "train": train.select(rows[0]), "validation": train.select(rows[1])})
    for_the_split = {"group", "time"}
    return DatasetDict(
        {
            name: rows.select_columns([column for column in rows.column_names if column not in for_the_split])
            for name, rows in splits.items()
        }
    ), how


def take_samples(splits: DatasetDict, limits: dict[str, int | None], seed: int) -> DatasetDict:
    """At most `limits[split]` rows of each split, by a seeded stratified draw (`--max_*_samples`)."""
    taken = DatasetDict()
    for split, data in splits.items():
        limit = limits.get(split)
        if limit is not None and limit < len(data):
            classes = [str(label) for label in data["label"]] if "label" in data.column_names else [""] * len(data)
            if len(set(classes)) > len(data) / 2:  # regression, or many labels: every value its own class
                classes = [""] * len(data)
            data = data.select(draw_rows(text_keys(data), classes, limit, seed))
        taken[split] = data
    return taken


def fingerprint(data: Dataset) -> str:
    """A hash of what a split says (texts and labels), whatever file or order of columns it came from."""
    digest = hashlib.blake2b(digest_size=16)
    for column in ("text", "text_pair", "label"):
        if column in data.column_names:
            digest.update(f"\x1d{column}".encode())
            for value in data[column]:
                digest.update(f"{value}\x1e".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


# ----------------------------------------------------------------------------------------------------- encoding


def encode_batch(batch: dict[str, list], *, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict[str, list]:
    """Token ids of a batch of texts or pairs, cut to `max_length` (longest first), unpadded.

    Returns ragged `input_ids`, `attention_mask` and, where the model has segments, `token_type_ids`; `full_length`
    is the length in tokens before the cut.
    """
    pairs = batch.get("text_pair")
    encoding = tokenizer(batch["text"], pairs, truncation="longest_first", max_length=max_length, verbose=False)
    lengths = [len(ids) for ids in encoding["input_ids"]]
    at_limit = [row for row, length in enumerate(lengths) if length >= max_length]
    if at_limit:
        texts = [batch["text"][row] for row in at_limit]
        whole = tokenizer(texts, [pairs[row] for row in at_limit] if pairs else None, verbose=False)
        for row, ids in zip(at_limit, whole["input_ids"], strict=True):
            lengths[row] = len(ids)
    return {**encoding, "full_length": lengths}


def encode_splits(
    splits: DatasetDict,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    cache_dir: str | None = None,
    num_workers: int | None = None,
    overwrite_cache: bool = False,
) -> DatasetDict:
    """Tokenise every split once with `datasets.map`; labels join as `labels`.

    The cache file's name is a hash of the texts, the tokenizer, the length and the source of `encode_batch`.
    The library's own fingerprint follows files and pickled functions instead and misses a change in an imported
    function (https://github.com/huggingface/datasets/issues/3297).
    """
    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE) / "text_classification_encoded"
    folder.mkdir(parents=True, exist_ok=True)
    encoded = DatasetDict()
    for split, data in splits.items():
        texts = data.select_columns([name for name in ("text", "text_pair") if name in data.column_names])
        key = Hasher.hash((fingerprint(texts), tokenizer_state(tokenizer), max_length, inspect.getsource(encode_batch)))
        hit = not overwrite_cache and any(folder.glob(f"{key}*.arrow"))
        if overwrite_cache:
            for old in folder.glob(f"{key}*.arrow"):
                old.unlink()
        encoded[split] = texts.map(
            encode_batch,
            batched=True,
            remove_columns=texts.column_names,
            fn_kwargs={"tokenizer": tokenizer, "max_length": max_length},
            num_proc=num_workers,
            cache_file_name=str(folder / f"{key}.arrow"),
            new_fingerprint=key,
            desc=f"Tokenising {split}",
        )
        logger.info("cache        %s: %s (%s)", split, "hit" if hit else "miss, tokenised", key)
        if "label" in data.column_names:
            encoded[split] = encoded[split].add_column("labels", data["label"][:], feature=data.features["label"])
    return encoded


def tokenizer_state(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of what decides a tokenizer's output. Truncation and padding, which each call sets, are left out of it
    and reset on the tokenizer."""
    if tokenizer.is_fast:
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        return Hasher.hash((backend.to_str(), tokenizer.truncation_side, tokenizer.model_input_names))
    return Hasher.hash(tokenizer)


def make_collator(
    tokenizer: PreTrainedTokenizerBase, *, max_length: int, pad_to_max_length: bool, multiple_of: int | None
) -> DataCollatorWithPadding:
    """Pads a batch to its longest row, or to `max_length` with `pad_to_max_length`: [B, T].

    T is rounded up to `multiple_of`, unless that does not divide `max_length`.
    """
    if multiple_of and max_length % multiple_of:
        multiple_of = None  # rounding up could pass the model's last position
    return DataCollatorWithPadding(
        tokenizer, padding="max_length" if pad_to_max_length else "longest", max_length=max_length,
        pad_to_multiple_of=multiple_of,
    )  # fmt: skip
