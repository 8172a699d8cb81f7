"""`--check_data`: the data on one screen, and what was found in it, before a model is chosen."""

from __future__ import annotations

import logging

import numpy as np

from classification.cli.options import Settings
from classification.data.corpus import Rows, prepare_rows
from classification.data.findings import SEVERITIES, Finding, refuse, say_all
from classification.data.quality.label_findings import label_counts
from classification.data.quality.token_findings import QUANTILES, look_at_tokens, quantiles
from classification.data.quality.words import split_words
from classification.data.readers import work_offline_if_hub_is_unreachable
from classification.data.truncation import Truncation
from classification.errors import UsageError
from classification.experiments.bag_of_words import texts_of
from classification.experiments.label_errors import look_for_suspects
from classification.models.bilstm_tokenizer import all_texts, train_tokenizer
from classification.models.loading import DEFAULT_LENGTH
from classification.models.tokenization import UNBOUNDED, load_tokenizer
from classification.reporting.console import SHOWN_CLASSES, WIDEST, say_lengths, say_rows, say_table
from classification.reporting.run_record import write_json
from data_utils import encode_splits

logger = logging.getLogger(__name__)

FILE = "data_checks.json"


def check_data(settings: Settings) -> dict:
    """Read the data as training would, look at it, say what is there, and write it to data_checks.json.

    Returns:
        `rows`, `labels`, `words` and `tokens` of each split, and `findings`, each as a dictionary.

    Raises:
        UsageError: a finding is an error, or with `--strict` a warning.
    """
    if settings.needs_hub:
        work_offline_if_hub_is_unreachable()
    rows = prepare_rows(settings, config=None, fold=None)
    say_rows(rows)
    tokens, of_tokens = tokens_of(rows, settings)
    findings, labels, words = rows.findings + of_tokens, count_labels(rows), count_words(rows)
    say_labels(labels, rows)
    say_table("words", list(QUANTILES), {split: [*counts.values()] for split, counts in words.items()})
    say_verdict(findings)
    facts = {
        "rows": {split: len(data) for split, data in rows.splits.items()},
        "labels": labels, "words": words, "tokens": tokens,
        "findings": [finding.as_dict() for finding in findings],
    }  # fmt: skip
    settings.output_dir.mkdir(parents=True, exist_ok=True)
    write_json(settings.output_dir / FILE, facts)
    logger.info("Nothing was trained. All of it, with ids: %s", settings.output_dir / FILE)
    if settings.run.suspect_labels:
        look_for_suspects(settings, rows.splits, rows.labels)
    refuse(findings, strict=settings.run.strict)
    return facts


def say_verdict(findings: list[Finding]) -> None:
    logger.info("")
    say_all(findings)
    counts = [sum(finding.severity == severity for finding in findings) for severity in SEVERITIES]
    found = "\nFound {} errors, {} warnings and {} notes.".format(*counts) if findings else "Found nothing amiss."
    logger.info("%s", found)


def count_labels(rows: Rows) -> dict[str, dict]:
    """How many rows of each split have each label; of numbers, their quantiles."""
    labels, counts = rows.labels, {}
    for split, data in rows.splits.items():
        if "label" not in data.column_names:
            continue
        if labels.is_regression:
            given = [label for label in data["label"] if label is not None]
            values = np.percentile(given, list(QUANTILES.values())) * labels.std + labels.mean
            counts[split] = dict(zip(QUANTILES, map(float, values), strict=True))
        else:
            counts[split] = label_counts(data["label"], labels)
    return counts


def say_labels(counts: dict[str, dict], rows: Rows) -> None:
    if rows.labels.is_regression:
        say_table("labels", list(QUANTILES), {split: [*values.values()] for split, values in counts.items()})
        return
    names = rows.labels.names[:SHOWN_CLASSES]
    width = min(WIDEST, max(12, *(len(name) for name in names)))
    say_table("label", [*counts], {name: [of[name] for of in counts.values()] for name in names},
              narrowest=10, first=width)  # fmt: skip
    if rows.labels.num_labels > SHOWN_CLASSES:
        logger.info("and %d more labels", rows.labels.num_labels - SHOWN_CLASSES)


def count_words(rows: Rows) -> dict[str, dict[str, int]]:
    """Quantiles of the lengths of each split in words (both texts of a pair)."""
    return {
        split: quantiles([sum(len(split_words(text)) for text in row) for row in texts_of(data)])
        for split, data in rows.splits.items()
    }


def tokens_of(rows: Rows, settings: Settings) -> tuple[dict, list[Finding]]:
    """What the model's tokenizer makes of the texts; where there is none (offline), that is said and passed over."""
    name = settings.model.tokenizer_name or settings.model.model_name_or_path
    try:
        if settings.from_scratch:
            tokenizer = train_tokenizer(all_texts(rows.splits["train"]))
        else:
            tokenizer = load_tokenizer(name, use_fast=settings.model.use_fast_tokenizer, **settings.hub)
    except UsageError as error:
        logger.info("tokens       not looked at: %s", error)
        return {}, []
    limit = tokenizer.model_max_length if tokenizer.model_max_length < UNBOUNDED else DEFAULT_LENGTH
    max_length = settings.data.max_seq_length or min(DEFAULT_LENGTH, limit)
    how = Truncation.choose(settings.data.truncation_strategy, settings.data.window_stride)
    tokenizer.truncation_side = how.side
    encoded = encode_splits(rows.splits, tokenizer, max_length=max_length, how=how, **settings.encoding)
    tokens, findings = look_at_tokens(encoded, rows.splits, tokenizer, how)
    say_lengths(tokens, encoded, max_length, how)
    return tokens, findings
