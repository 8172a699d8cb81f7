"""The path of the data: raw files -> splits of `id, text, text_pair?, label?` -> token ids, in the order it happens.

After `standardise_columns` no code uses the user's column names, after `encode_labels` none uses their labels.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import replace
from functools import partial

from datasets import DatasetDict
from datasets.fingerprint import Hasher
from transformers import DataCollatorWithPadding, PreTrainedConfig, PreTrainedTokenizerBase

from classification.cli.options import Options
from classification.data import encoding as encoding_code
from classification.data import truncation as truncation_code
from classification.data.bad_rows import BadRows
from classification.data.columns import standardise_columns
from classification.data.corpus import GIVEN, NOT_USED, Corpus, text_columns
from classification.data.encoded_cache import read_entry, remove_entry, write_entry
from classification.data.encoding import Encoding
from classification.data.findings import Finding, errors_as_findings
from classification.data.fingerprints import fingerprint, tokenizer_state
from classification.data.hub_access import work_offline_if_hub_is_unreachable
from classification.data.label_columns import encode_labels
from classification.data.labels import LabelSpace
from classification.data.quality import check_order, drop_repeats, inspect_corpus
from classification.data.rules.decided_rule import decide_rule
from classification.data.sources.cache_folder import cache_folder, disk_errors_named
from classification.data.sources.readers import read_splits
from classification.data.splitting import add_validation, check_validation, take_samples
from classification.data.tasks import infer_task, task_from_config
from classification.data.trained_labels import continue_task, name_as_in_data
from classification.data.truncation import Truncation
from classification.data.windows import WindowCollator
from classification.errors import UsageError
from classification.experiments.teacher_of_run import read_unlabelled
from classification.training.processes import this_process

logger = logging.getLogger(__name__)

# ---------------------------------------------------------------------------------------------------- files to rows


def load_corpus(
    options: Options, config: PreTrainedConfig | None = None, fold: tuple[int, int] | None = None
) -> Corpus:
    """Read the data, decide the task from all of train, split off validation, sample, inspect; in this order.

    Args:
        config: of the trained model, which decides the task where nothing is trained.
        fold: number (from 0) and count of folds; that fold is the validation set.

    Raises:
        UsageError: a column, label or split is missing or wrong; names the flag, the rows and the remedy.
    """
    if options.source.needs_hub:
        work_offline_if_hub_is_unreachable()
    bad_rows = BadRows(options.rows.on_bad_row, [])
    findings = bad_rows.findings
    splits, class_names, names = standardise_columns(read_splits(options.source), options.columns, bad_rows)
    check_splits(options, splits, fold)
    task = decide_task(options, splits, class_names, config)
    splits = encode_labels(splits, task, bad_rows, source="train" if options.trains else "the model")
    has_validation, method = "validation" in splits, NOT_USED
    drops_leaked = options.trains and options.rows.drop_leaked
    if options.trains:
        findings += check_order(splits, task, options.split.strategy)
        splits = drop_repeats(splits, findings, duplicates=options.rows.drop_duplicates, leaked=drops_leaked)
    if options.trains or options.evaluates:
        splits, method = add_validation(splits, task, replace(options.split, fold=fold))
    if options.trains and not fold:
        with errors_as_findings(findings, "validation", wanted=options.run.check_data):
            check_validation(splits["validation"]["label"][:], task, options.split.strategy, given=has_validation)
    if not has_validation:  # near copies may be on both sides
        splits = drop_repeats(splits, findings, duplicates=False, leaked=drops_leaked)
    unlabelled = read_unlabelled(options, splits, bad_rows)
    splits = needed_splits(options, splits)
    if options.trains and options.rows.shuffle:
        splits["train"] = splits["train"].shuffle(seed=options.rows.seed)
    sampled = take_samples(splits, options.rows.limits, options.rows.seed, part=options.rows.part)
    if options.trains:
        findings += inspect_rows(sampled, task, options, findings, split_off=method != GIVEN)
    rows_before_sampling = {split: len(data) for split, data in splits.items()}
    return Corpus(sampled, task, method, rows_before_sampling, tuple(findings), unlabelled, names)


def check_splits(options: Options, splits: DatasetDict, fold: tuple[int, int] | None) -> None:
    """Refuse a phase that was asked for and has no rows; warn about flags without effect."""
    if options.trains and "train" not in splits:
        raise UsageError("There is no train split. Name it with --train_split_name, or pass --do_eval or --do_predict.")
    if options.trainer["do_predict"] and "test" not in splits:
        raise UsageError("--do_predict: there are no test rows. Give --test_file or --test_split_name.")
    if options.evaluates and not {"train", "validation"} & set(splits):
        raise UsageError("--do_eval: there are no validation rows. Give --validation_file or --validation_split_name.")
    if "validation" not in splits:
        return
    if fold:
        raise UsageError("--folds: the data has a validation split. Leave it out: --remove_splits validation")
    for name in sorted({"validation_fraction", "validation_strategy", "validation_group_column"} & options.given):
        logger.warning("--%s has no effect: the data has a validation split", name)


def decide_task(
    options: Options, splits: DatasetDict, class_names: tuple[str, ...] | None, config: PreTrainedConfig | None
) -> LabelSpace:
    """The task: of the training labels, or of the trained model; and whether it supports the flags."""
    declared = None if options.columns.labels else class_names  # the order of 0/1 columns names no ids
    if options.trains:
        hints = replace(options.hints, class_names=class_names)
        task = continue_task(infer_task(splits["train"]["label"][:], hints), config, declared)
    else:
        task = name_as_in_data(task_from_config(config, options.hints), splits, declared, options.model.name)
    return decide_rule(task, options.training.rule, options.training.task_flags)


def needed_splits(options: Options, splits: DatasetDict) -> DatasetDict:
    """Only the splits that a phase reads are tokenised."""
    needed = {"train": options.trains, "validation": options.trains or options.evaluates, "test": options.predicts}
    return DatasetDict({split: splits[split] for split in needed if needed[split] and split in splits})


def inspect_rows(
    splits: DatasetDict, task: LabelSpace, options: Options, findings: list[Finding], *, split_off: bool
) -> list[Finding]:
    """New findings of the data checks; runs in the main process only."""
    if not this_process().is_main_process:
        return []
    has_imbalance_flag = bool({"class_weights", "loss", "sampler"} & set(options.training.task_flags))
    known = {(finding.kind, finding.split) for finding in findings}
    new_findings = inspect_corpus(
        splits, task, split_off=split_off, has_imbalance_flag=has_imbalance_flag,
        check_rows=options.run.check_rows, seed=options.rows.seed,
    )  # fmt: skip
    return [finding for finding in new_findings if (finding.kind, finding.split) not in known]


# ------------------------------------------------------------------------------------------------ rows to token ids


@disk_errors_named("--cache_dir")
def encode_corpus(
    splits: DatasetDict,
    tokenizer: PreTrainedTokenizerBase,
    encoding: Encoding,
    *,
    max_length: int,
    truncation: Truncation,
) -> DatasetDict:
    """Tokenise every split once with `datasets.map`; labels join as `labels`.

    The name of the cache file is a hash of the texts, the tokenizer, the length, the truncation and our own source.
    The library's fingerprint follows files and pickled functions instead and misses a change in an imported function
    (https://github.com/huggingface/datasets/issues/3297).
    """
    folder = cache_folder(encoding.cache_dir, "text_classification_encoded")
    features = encoding_code.encoded_features(tokenizer, truncation)
    source = [inspect.getsource(part) for part in (encoding_code, truncation_code)]
    encoded = DatasetDict()
    for split, data in splits.items():
        texts = data.select_columns(text_columns(data))
        key = Hasher.hash((fingerprint(texts), tokenizer_state(tokenizer), max_length, truncation, source))
        if encoding.overwrite_cache and this_process().is_local_main_process:
            remove_entry(folder, key)
        rows = read_entry(folder, key, len(texts), features)
        logger.info("cache        %s: %s (%s)", split, "miss, tokenising" if rows is None else "hit", key)
        encode = partial(
            texts.map,
            encoding_code.encode_batch,
            batched=True,
            remove_columns=texts.column_names,
            fn_kwargs={"tokenizer": tokenizer, "max_length": max_length, "truncation": truncation},
            features=features,
            num_proc=encoding.num_workers and min(encoding.num_workers, len(texts)),
            new_fingerprint=key,
            desc=f"Tokenising {split}",
        )
        if rows is None:
            rows = write_entry(folder, key, len(texts), features, encode)
        encoded[split] = rows
        if "label" in data.column_names:
            encoded[split] = encoded[split].add_column("labels", data["label"][:], feature=data.features["label"])
    return encoded


# ----------------------------------------------------------------------------------------------- token ids to batches


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
        tokenizer,
        padding="max_length" if pad_to_max_length else "longest",
        max_length=max_length,
        pad_to_multiple_of=multiple_of,
    )
    return WindowCollator(pad) if in_windows else pad
