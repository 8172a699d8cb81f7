"""The way of the data: raw files -> splits of `id, text, text_pair?, label?` -> token ids.

After `load_splits` nobody knows the user's column names.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from pathlib import Path

import datasets
from datasets import Dataset, DatasetDict
from datasets.fingerprint import Hasher
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from classification.cli.options import SPLITS
from classification.data import encoding, truncation
from classification.data.columns import (
    Columns,
    drop_or_refuse_bad_rows,
    existing_column,
    find_text_columns,
    not_a_column,
    read_ids,
    read_texts,
    read_times,
)
from classification.data.findings import Finding
from classification.data.label_columns import read_labels
from classification.data.labels import LabelSpace, is_missing
from classification.data.readers import read_file, read_hub
from classification.data.splitting import choose_validation, draw_rows, text_columns, text_keys
from classification.data.truncation import Truncation
from classification.data.windows import WindowCollator
from classification.errors import UsageError, did_you_mean, some

logger = logging.getLogger(__name__)

GIVEN = "given"  # of validation: it was not split off train


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
    raw: DatasetDict, columns: Columns, *, on_bad_row: str = "error", found: list[Finding] | None = None
) -> tuple[DatasetDict, tuple[str, ...] | None]:
    """Give every split the columns `id, text, text_pair?, label?` (and train `group?, time?`) and nothing else.

    Returns:
        The splits, labels still raw (None where missing), and the class names where the data declares them.

    Raises:
        UsageError: a column is missing or ambiguous, ids repeat, or rows have no text or (in train and validation)
            no label; names the rows. With `on_bad_row="drop"` they are dropped; `found` gets a finding of it.
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
        splits_off = split == "train" and "validation" not in raw
        if columns.group and splits_off:
            group = data[existing_column(data, columns.group, "--validation_group_column")]
            content["group"] = [None if is_missing(value) else str(value) for value in group]
        if columns.time and splits_off:
            content["time"] = read_times(data, columns.time)
        splits[split] = drop_or_refuse_bad_rows(content, split, on_bad_row, found)
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
    how = GIVEN
    if "validation" not in splits:
        train = splits["train"]
        rows, how = choose_validation(train, labels, fraction, strategy, seed, fold)
        if not rows[0] or not rows[1]:
            grouped = " without parting a group of --validation_group_column" if "group" in train.column_names else ""
            raise UsageError(
                f"--validation_fraction: no validation set can be split off {len(train)} training rows{grouped}. "
                "Give more rows, or a file with --validation_file."
            )
        validation = train.select(rows[1])
        if fold:  # to put all folds together again
            validation = validation.add_column("position", rows[1])
        splits = DatasetDict({**splits, "train": train.select(rows[0]), "validation": validation})
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
            for batch in data.select_columns([column]).iter(1000):
                digest.update("".join(f"{value}\x1e" for value in batch[column]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


# ----------------------------------------------------------------------------------------------------- encoding


def encode_splits(
    splits: DatasetDict,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    how: Truncation,
    cache_dir: str | None = None,
    num_workers: int | None = None,
    overwrite_cache: bool = False,
) -> DatasetDict:
    """Tokenise every split once with `datasets.map`; labels join as `labels`.

    The cache file's name is a hash of the texts, the tokenizer, the length, the way of cutting and our own source.
    The library's own fingerprint follows files and pickled functions instead and misses a change in an imported
    function (https://github.com/huggingface/datasets/issues/3297).
    """
    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE) / "text_classification_encoded"
    folder.mkdir(parents=True, exist_ok=True)
    source = [inspect.getsource(part) for part in (encoding, truncation)]
    encoded = DatasetDict()
    for split, data in splits.items():
        texts = data.select_columns(text_columns(data))
        key = Hasher.hash((fingerprint(texts), tokenizer_state(tokenizer), max_length, how, source))
        hit = not overwrite_cache and any(folder.glob(f"{key}*.arrow"))
        if overwrite_cache:
            for old in folder.glob(f"{key}*.arrow"):
                old.unlink()
        encoded[split] = texts.map(
            encoding.encode_batch,
            batched=True,
            remove_columns=texts.column_names,
            fn_kwargs={"tokenizer": tokenizer, "max_length": max_length, "truncation": how},
            features=encoding.features(tokenizer, how),
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
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    pad_to_max_length: bool,
    multiple_of: int | None,
    in_windows: bool,
) -> DataCollatorWithPadding | WindowCollator:
    """Pads a batch to its longest row, or to `max_length` with `pad_to_max_length`: [B, T].

    T is rounded up to `multiple_of`, unless that does not divide `max_length`.
    """
    if multiple_of and max_length % multiple_of:
        multiple_of = None  # rounding up could pass the model's last position
    pad = DataCollatorWithPadding(
        tokenizer, padding="max_length" if pad_to_max_length else "longest", max_length=max_length,
        pad_to_multiple_of=multiple_of,
    )  # fmt: skip
    return WindowCollator(pad) if in_windows else pad
