"""`--check_data`: the data on one screen, and what was found in it, before a model is chosen."""

from __future__ import annotations

import logging

import numpy as np

from classification.console import say_lengths, say_rows, say_table
from classification.data_checks import indicators
from classification.errors import UsageError
from classification.findings import SEVERITIES, Finding, refuse, say_all
from classification.rows import Rows, prepare_rows
from classification.scratch import texts_of, train_tokenizer
from classification.settings import Settings
from classification.sources import work_offline_if_hub_is_unreachable
from classification.suspects import look_for_suspects
from classification.tokenizer import UNBOUNDED, load_tokenizer
from classification.truncation import Truncation
from classification.vocabulary import check_tokens
from classification.words import split_words
from data_utils import encode_splits

logger = logging.getLogger(__name__)

SHOWN_CLASSES = 20
USUAL_LENGTH = 256


def check_data(settings: Settings) -> dict:
    """Read the data as training would, look at it, and say what is there.

    Returns:
        `findings`, each as a dictionary.

    Raises:
        UsageError: a finding is an error, or with `--strict` a warning.
    """
    if settings.needs_hub:
        work_offline_if_hub_is_unreachable()
    rows = prepare_rows(settings, config=None, fold=None)
    say_rows(rows)
    findings = rows.findings + check_tokens_of(rows, settings)
    say_data(rows, findings)
    if settings.run.suspect_labels:
        look_for_suspects(settings, rows.splits, rows.labels)
    refuse(findings, strict=settings.run.strict)
    return {"findings": [finding.as_dict() for finding in findings]}


def say_data(rows: Rows, findings: list[Finding]) -> None:
    """Classes and lengths of every split, and every finding with examples."""
    say_classes(rows)
    say_words(rows)
    logger.info("")
    say_all(findings)
    counts = [sum(finding.severity == severity for finding in findings) for severity in SEVERITIES]
    found = "Found {} errors, {} warnings and {} notes".format(*counts) if findings else "Found nothing amiss"
    logger.info("%s%s. Nothing was trained.", "\n" if findings else "", found)


def say_classes(rows: Rows) -> None:
    """How many rows of each split have each label; of numbers, their quantiles."""
    labels = rows.labels
    given = {
        split: indicators([label for label in data["label"] if label is not None], labels)
        for split, data in rows.splits.items()
        if "label" in data.column_names
    }
    if labels.is_regression:
        quantiles = (0, 25, 50, 75, 100)
        lines = {split: [float(v) * labels.std + labels.mean for v in np.percentile(column, quantiles)]
                 for split, column in given.items()}  # fmt: skip
        say_table("labels", ["least", "25%", "median", "75%", "most"], lines)
        return
    counts = {split: column.sum(axis=0).astype(int) for split, column in given.items()}
    names = labels.names[:SHOWN_CLASSES]
    width = min(30, max(12, *(len(name) for name in names)))
    say_table("label", [*counts], {name: [int(of[i]) for of in counts.values()] for i, name in enumerate(names)},
              narrowest=10, first=width)  # fmt: skip
    if labels.num_labels > SHOWN_CLASSES:
        logger.info("and %d more labels", labels.num_labels - SHOWN_CLASSES)


def say_words(rows: Rows) -> None:
    """Quantiles of the lengths of each split in words (both texts of a pair)."""
    lines = {}
    for split, data in rows.splits.items():
        texts = [data[name] for name in ("text", "text_pair") if name in data.column_names]
        counts = [sum(len(split_words(text)) for text in row) for row in zip(*texts, strict=True)]
        lines[split] = [int(value) for value in np.percentile(counts, (0, 25, 50, 75, 95, 100))]
    say_table("words", ["least", "25%", "median", "75%", "95%", "most"], lines)


def check_tokens_of(rows: Rows, settings: Settings) -> list[Finding]:
    """What the model's tokenizer makes of the texts; where there is none (offline), that is said and passed over."""
    name = settings.model.tokenizer_name or settings.model.model_name_or_path
    try:
        if settings.from_scratch:
            tokenizer = train_tokenizer(texts_of(rows.splits["train"]))
        else:
            tokenizer = load_tokenizer(name, use_fast=settings.model.use_fast_tokenizer, **settings.hub)
    except UsageError as error:
        logger.info("tokens       not looked at: %s", error)
        return []
    limit = tokenizer.model_max_length if tokenizer.model_max_length < UNBOUNDED else USUAL_LENGTH
    max_length = settings.data.max_seq_length or min(USUAL_LENGTH, limit)
    how = Truncation.choose(settings.data.truncation_strategy, settings.data.window_stride)
    tokenizer.truncation_side = how.side
    encoded = encode_splits(rows.splits, tokenizer, max_length=max_length, how=how, **settings.encoding)
    say_lengths(encoded, max_length, how)
    return check_tokens(encoded, rows.splits, tokenizer, how)
