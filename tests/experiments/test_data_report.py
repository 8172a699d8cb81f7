"""`--check_data` describes the data and lists every finding, with or without a model."""

from __future__ import annotations

import logging

import pytest
from corpus import make_rows, several_rows, write_csv

from classification.cli.parser import parse_arguments
from classification.errors import UsageError
from classification.experiments.data_report import report_on_data
from data_utils import encode_corpus, load_corpus


@pytest.fixture
def report(command, caplog):
    """A function that reports on the data of a command line."""
    caplog.set_level(logging.INFO)

    def run(**flags) -> dict:
        options = parse_arguments([str(word) for word in command(**flags, check_data=True)])
        return report_on_data(options, load_corpus, encode_corpus)

    return run


def test_without_a_tokenizer_the_tokens_are_not_inspected(report, tmp_path, caplog):
    facts = report(model_name_or_path=tmp_path / "none")
    assert facts["tokens"] == {} and facts["rows"] == {"train": 64, "validation": 24, "test": 24}
    assert f"tokens       not inspected: tokenizer {tmp_path / 'none'}" in caplog.text


def test_texts_are_measured_in_words_and_tokens(report, tmp_path):
    rows = [row | {"text": f"{row['text']}, weird!"} for row in make_rows(64, 1)]
    facts = report(train_file=write_csv(tmp_path / "a.csv", rows))
    lengths = [len(row["text"].split()) for row in rows]
    assert (facts["words"]["train"]["least"], facts["words"]["train"]["most"]) == (min(lengths), max(lengths))
    assert facts["tokens"]["train"]["tokens"]["most"] == max(lengths) + 4  # a comma, "!", [CLS] and [SEP]


def test_a_warning_ends_the_report_with_strict(report, tmp_path):
    rows = [row | {"text": row["text"] + " weird odd strange" * 12} for row in make_rows(64, 1)]
    with pytest.raises(UsageError, match="--strict: data checks failed"):
        report(train_file=write_csv(tmp_path / "a.csv", rows), strict=True)
    assert (tmp_path / "out" / "data_checks.json").exists()


def test_data_without_faults_has_no_problems(report, caplog):
    assert report()["findings"] == []
    assert "no problems found" in caplog.text
    header = next(line for line in caplog.messages if line.startswith("\nlabel "))
    assert header.split() == ["label", "train", "validation", "test"]
    assert next(line for line in caplog.messages if line.startswith("negative ")).split() == [
        "negative",
        "32",
        "12",
        "12",
    ]


def test_labels_of_several_per_row_are_counted_by_label(report, tmp_path):
    rows = several_rows(64, 1)
    path = write_csv(tmp_path / "s.csv", rows)
    facts = report(train_file=path, validation_file=None, test_file=None, label_delimiter="|")
    counts = {split: sum(values.values()) for split, values in facts["labels"].items()}
    assert sum(counts.values()) == sum(len(row["labels"].split("|")) for row in rows if row["labels"])


def test_numbers_have_quantiles_in_their_units(report, tmp_path, caplog):
    rows = [row | {"label": 10.5 + i} for i, row in enumerate(make_rows(65, 1))]
    path = write_csv(tmp_path / "n.csv", rows)
    facts = report(train_file=path, validation_file=path, test_file=path)
    assert facts["labels"]["train"] == pytest.approx(
        {"least": 10.5, "25%": 26.5, "median": 42.5, "75%": 58.5, "95%": 71.3, "most": 74.5}
    )
    assert any(line.startswith("\nlabels ") and "median" in line for line in caplog.messages)
