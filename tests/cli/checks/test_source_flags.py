"""Flags that name no data, two sources of data, or a way to make validation that does not fit."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.checks.source_flags import check_file
from classification.cli.parser import parse_arguments
from classification.errors import UsageError

BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "missing file": ({"train_file": "trian.csv"}, ["--train_file trian.csv", "no such file"]),
    "unknown kind of file": ({"test_file": "notes.docx"}, ["--test_file", "notes.docx", ".csv", "convert"]),
    "no data": ({"train_file": None, "validation_file": None, "test_file": None}, ["--train_file", "--dataset_name"]),
    "no training file": ({"train_file": None}, ["--train_file", "--do_predict"]),
    "data set and files": ({"dataset_name": "imdb"}, ["--dataset_name imdb", "--train_file", "one or the other"]),
    "split name without data set": ({"test_split_name": "dev"}, ["--test_split_name dev", "no effect with files"]),
    "training without its file": ({"do_train": True, "do_eval": True, "train_file": None},
                                  ["--do_train", "--train_file"]),
    "all rows for validation": ({"validation_fraction": 1}, ["--validation_fraction 1", "auto"]),
    "tail and groups": ({"validation_strategy": "tail", "validation_group_column": "id"},
                        ["--validation_strategy tail", "--validation_group_column id"]),
    "time and groups": ({"validation_strategy": "time", "time_column": "id", "validation_group_column": "id"},
                        ["--validation_strategy time", "--validation_group_column id"]),
    "time without a column": ({"validation_strategy": "time"}, ["--validation_strategy time", "--time_column"]),
    "a time column without a use": ({"time_column": "id"}, ["--time_column id", "--validation_strategy time"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags_are_refused(case, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.docx").write_text("x")
    flags, words = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**flags))


def test_a_link_to_nothing_is_not_called_a_misspelling(tmp_path):
    (tmp_path / "a.csv").symlink_to("nowhere.csv")
    with pytest.raises(UsageError, match="a.csv: is a link to a file that is not there"):
        check_file(str(tmp_path / "a.csv"), "--train_file")
