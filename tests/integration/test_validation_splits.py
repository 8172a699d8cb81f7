"""The validation split that a command line asks for. Nothing is trained."""

from __future__ import annotations

from corpus import make_rows, write_csv

from classification.cli.parser import parse_arguments
from classification.data.findings import summary_of
from data_utils import load_corpus


def read(command, path, **flags):
    """The corpus of a command line with one file."""
    words = command(train_file=path, validation_file=None, test_file=None, **flags)
    return load_corpus(parse_arguments([str(word) for word in words]))


def test_the_newest_rows_become_validation(command, tmp_path):
    rows = [row | {"date": f"2024-0{1 + i // 16}-{10 + i % 16}"} for i, row in enumerate(make_rows(64))]
    flags = {"validation_strategy": "time", "time_column": "date"}
    corpus = read(command, write_csv(tmp_path / "dated.csv", rows), **flags)
    assert corpus.splits["validation"]["id"][:] == [row["id"] for row in rows[51:]]
    assert "the newest rows of train" in " ".join(line.text for line in corpus.summary())


def test_a_group_is_on_one_side(command, tmp_path):
    rows = [row | {"user": f"u{i // 8}"} for i, row in enumerate(make_rows(64))]
    flags = {"validation_group_column": "user", "validation_fraction": 0.25}
    corpus = read(command, write_csv(tmp_path / "users.csv", rows), **flags)
    users = {split: {int(name.split("-")[1]) // 8 for name in corpus.splits[split]["id"]} for split in corpus.splits}
    assert len(corpus.splits["validation"]) == 16 and not users["train"] & users["validation"]


def test_texts_on_both_sides_are_reported(command, tmp_path):
    """Groups may share a text; without groups, equal texts stay on one side."""
    rows = [row | {"user": f"u{i}", "id": str(i)} for i, row in enumerate(make_rows(16) * 4)]
    path = write_csv(tmp_path / "users.csv", rows)
    grouped, plain = read(command, path, validation_group_column="user"), read(command, path)
    assert leaks_in(grouped) and not leaks_in(plain)
    assert "in both train" in " ".join(line.text for line in summary_of(grouped.findings))


def leaks_in(corpus) -> list:
    """Findings of equal texts in train and validation."""
    return [finding for finding in corpus.findings if finding.split == "train, validation"]
