"""data_statistics.json is read back; a folder without it, or with a damaged one, costs nothing but the comparison."""

from __future__ import annotations

import json
import logging

import pytest

from classification.data.statistics_format import FILE, FORMAT, statistics_content
from classification.data.text_sums import TextSums
from classification.inference.data_statistics import read_statistics

COLUMNS = {"text_columns": ["review"], "text_column_delimiter": None, "label_column": "stars", "label_columns": [],
           "label_delimiter": None}  # fmt: skip


def content(**more) -> dict:
    sums = TextSums.of(
        ["the cat sat", "a dog"],
        full_lengths=[5, 4],
        unknown=[0, 0.5],
        classes={"a": 2},
        answered=2,
    )
    options = {"rows": 2, "columns": COLUMNS, "pairs": False, "languages": True}
    return statistics_content(sums, **options) | more


def write(folder, content) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / FILE).write_text(text, encoding="utf-8", errors="surrogateescape")


def test_what_is_written_is_read_back(tmp_path):
    write(tmp_path, content())
    read = read_statistics(tmp_path)
    assert (read.rows, read.text_columns, read.label_column, read.has_pairs) == (2, ("review",), "stars", False)
    assert read.tokens["50%"] in (4, 5) and read.unknown_tokens == 0.25 and read.classes == {"a": 1.0}
    assert read.scripts == {"Latin": 1.0} and read.function_words["English"] > 0


def test_hidden_texts_leave_the_languages_out():
    written = content()
    hidden = statistics_content(TextSums(), rows=0, columns={}, pairs=False, languages=False)
    assert written["function_words"] and hidden["function_words"] == {}


@pytest.mark.parametrize("name", ["none", "elsewhere/deeper"])
def test_a_folder_without_statistics_is_silent(tmp_path, caplog, name):
    assert read_statistics(tmp_path / name) is None and not caplog.records


def test_a_file_of_another_version_is_silent(tmp_path, caplog):
    write(tmp_path, {"format": FORMAT + 1})
    assert read_statistics(tmp_path) is None and not caplog.records


@pytest.mark.parametrize(
    "damage",
    [
        "", "{", "[]", "null", "3", '{"rows": 3}', '{"format": 1}', "\udcff\udcfe", '{"format": 1, "rows": "x"}',
        "[" * 100_000,
        content(tokens=[1, 2]), content(scripts={"Latin": "much"}), content(classes={"a": None}), content(rows=None),
        content(unknown_tokens=float("nan")), content(unknown_tokens=-1), content(text_columns=[3]),
        content(text_columns=5), content(label_column=["a"]), content(text_column_delimiter=7), content(scripts=None),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_warning_and_no_error(tmp_path, caplog, damage):
    write(tmp_path, damage)
    with caplog.at_level(logging.WARNING):
        assert read_statistics(tmp_path) is None
    (record,) = caplog.records
    assert FILE in record.getMessage() and "\n" not in record.getMessage()
