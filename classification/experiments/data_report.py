"""`--check_data`: the data on one screen, and the findings about it, before a model is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from datasets import DatasetDict
from transformers import PreTrainedTokenizerBase

from classification.cli.options import Options
from classification.data.corpus import Corpus, batched_texts
from classification.data.encoding import Encoding
from classification.data.findings import SEVERITIES, Finding, listing_of, quantity, refuse
from classification.data.hub_access import work_offline_if_hub_is_unreachable
from classification.data.quality.row_sample import RowSample
from classification.data.quality.token_findings import QUANTILES, inspect_tokens, quantiles
from classification.data.truncation import Truncation
from classification.data.words import split_words
from classification.errors import UsageError
from classification.experiments.label_errors import report_label_errors
from classification.messages.log import Line, log_lines
from classification.models.bilstm_tokenizer import all_texts, train_tokenizer
from classification.models.choice import ModelChoice
from classification.models.tokenization import DEFAULT_LENGTH, UNBOUNDED, load_tokenizer
from classification.reporting.console import log_table, name_width
from classification.reporting.run_record import write_json
from classification.training.processes import stop_together, this_process

FILE = "data_checks.json"
MAX_CLASSES = 20  # rows of the class table; the file has all


class Encode(Protocol):
    """`data_utils.encode_corpus`."""

    def __call__(
        self,
        splits: DatasetDict,
        tokenizer: PreTrainedTokenizerBase,
        encoding: Encoding,
        *,
        max_length: int,
        truncation: Truncation,
    ) -> DatasetDict: ...


@dataclass(frozen=True)
class TokenReport:
    """What the tokenizer of the model makes of the texts."""

    facts: Mapping[str, object] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    lines: Sequence[Line] = ()


def report_on_data(options: Options, load: Callable[[Options], Corpus], encode: Encode) -> dict[str, Any]:
    """Inspect the data as training would read it, print what is there, and write it to data_checks.json.

    Of several processes the main one does all of it.

    Args:
        load: `data_utils.load_corpus`.

    Returns:
        `rows`, `labels`, `words` and `tokens` of each split, and `findings`, each as a dictionary; in processes other
        than the main one nothing.

    Raises:
        UsageError: a finding is an error, or with `--strict` a warning.
    """
    with stop_together():
        return inspect_data(options, load(options), encode) if this_process().is_main_process else {}


def inspect_data(options: Options, corpus: Corpus, encode: Encode) -> dict[str, Any]:
    """`report_on_data` in one process."""
    log_lines(corpus.summary(), title="data")
    tokens = report_on_tokens(options, corpus.splits, encode)
    findings = [*corpus.findings, *tokens.findings]
    labels, words = count_labels(corpus), count_words(corpus.splits, options)
    log_lines(tokens.lines)
    log_label_counts(labels, corpus)
    if words:
        log_table("words", list(QUANTILES), {split: list(values.values()) for split, values in words.items()})
    log_lines([Line("", ""), *listing_of(findings), count_findings(findings)])
    facts = {
        "rows": {split: len(data) for split, data in corpus.splits.items()},
        "labels": labels,
        "words": words,
        "tokens": tokens.facts,
        "findings": [finding.as_dict() for finding in findings],
    }
    options.output_dir.mkdir(parents=True, exist_ok=True)
    write_json(options.output_dir / FILE, facts)
    log_lines([Line("output", f"all findings with ids: {options.output_dir / FILE}; nothing was trained")])
    if options.run.suspect_labels:
        log_lines(report_label_errors(options, corpus.splits, corpus.task))
    refuse(findings, strict=options.run.strict)
    return facts


def count_findings(findings: Sequence[Finding]) -> Line:
    if not findings:
        return Line("data", "no problems found")
    counts = (quantity(sum(finding.severity == severity for finding in findings), severity) for severity in SEVERITIES)
    return Line("data", "found {}, {} and {}".format(*counts))


# ------------------------------------------------------------------------------------------------------ labels, words


def count_labels(corpus: Corpus) -> dict[str, dict[str, float]]:
    """Rows per label in each split; for regression, quantiles of the numbers."""
    counts: dict[str, dict[str, float]] = {}
    for split, data in corpus.splits.items():
        if "label" not in data.column_names:
            continue
        given = [label for label in data["label"][:] if label is not None]
        counts[split] = dict(corpus.task.counts(given)) or quantiles_of_numbers(np.array(given), corpus)
    return counts


def quantiles_of_numbers(label_ids: np.ndarray, corpus: Corpus) -> dict[str, float]:
    values = corpus.task.in_units(np.percentile(label_ids, list(QUANTILES.values())))
    return dict(zip(QUANTILES, values.tolist(), strict=True))


def log_label_counts(counts: dict[str, dict[str, float]], corpus: Corpus) -> None:
    if not corpus.task.counts([]):
        log_table("labels", list(QUANTILES), {split: list(values.values()) for split, values in counts.items()})
        return
    names = corpus.task.names[:MAX_CLASSES]
    rows = {name: [values[name] for values in counts.values()] for name in names}
    log_table("label", list(counts), rows, narrowest=10, first=name_width(names))
    if corpus.task.num_labels > MAX_CLASSES:
        log_lines([Line("labels", f"and {corpus.task.num_labels - MAX_CLASSES} more")])


def count_words(splits: DatasetDict, options: Options) -> dict[str, dict[str, int]]:
    """Quantiles of the lengths in words (both texts of a pair) of the rows that the checks read."""
    sample = RowSample.draw(splits, options.run.check_rows, options.rows.seed)
    lengths = {
        split: [sum(map(len, map(split_words, texts))) for texts in batched_texts(splits[split].select(rows))]
        for split, rows in sample.rows.items()
    }
    return {split: quantiles(counts) for split, counts in lengths.items() if counts}


# ------------------------------------------------------------------------------------------------------------- tokens


def report_on_tokens(options: Options, splits: DatasetDict, encode: Encode) -> TokenReport:
    """Tokenise the texts and inspect the result; empty, with a line that says so, if the tokenizer does not load."""
    model = options.model
    if model.needs_hub:
        work_offline_if_hub_is_unreachable()
    try:
        tokenizer = choose_tokenizer(model, splits)
    except UsageError as error:  # usually offline
        return TokenReport(lines=[Line("tokens", f"not inspected: {error}")])
    limit = tokenizer.model_max_length if tokenizer.model_max_length < UNBOUNDED else DEFAULT_LENGTH
    max_length = model.max_length or min(DEFAULT_LENGTH, limit)
    truncation = Truncation.choose(model.truncation_strategy, model.window_stride)
    tokenizer.truncation_side = truncation.side
    encoded = encode(splits, tokenizer, options.encoding, max_length=max_length, truncation=truncation)
    statistics = inspect_tokens(encoded, splits, tokenizer, truncation)
    return TokenReport(statistics.facts, statistics.findings, statistics.summary(encoded, max_length, truncation))


def choose_tokenizer(model: ModelChoice, splits: DatasetDict) -> PreTrainedTokenizerBase:
    """The tokenizer of the model, or one trained on the texts if the model starts from random weights.

    Raises:
        UsageError: the tokenizer does not load.
    """
    if model.from_scratch:
        return train_tokenizer(all_texts(splits["train"]))
    return load_tokenizer(model.tokenizer_name or model.name, model.hub)
