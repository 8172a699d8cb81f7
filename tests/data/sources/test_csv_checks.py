"""CSV and TSV files that can be read in two ways: a remedy that works, and never fewer rows in silence."""

from __future__ import annotations

import csv
import io

import pytest
from stream_parity import stream_refusal, streamed

from classification.data.sources.csv_files import read_csv
from classification.data.sources.data_files import DataFile
from classification.errors import UsageError


def read(tmp_path, content: str, name: str = "a.csv") -> list[tuple]:
    """The rows as training reads them; a stream has the same ones."""
    (tmp_path / name).write_bytes(content.encode())
    file = DataFile(tmp_path / name, f"--test_file {name}")
    rows = read_csv(file).to_pylist()
    assert streamed(file) == rows
    return [tuple(row.values()) for row in rows]


def refusal(tmp_path, content: str, name: str = "a.csv") -> str:
    with pytest.raises(UsageError, match=f"^--test_file {name}: ") as refused:
        read(tmp_path, content, name)
    assert stream_refusal(DataFile(tmp_path / name, f"--test_file {name}")) == str(refused.value)
    return str(refused.value)


def written(rows: list[tuple], separator: str = "\t") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue()


ROWS = [(f"text {i}\tgoes\non {i}", f"l{i % 2}") for i in range(20)]
HEADER = [("text", "label")]


@pytest.mark.parametrize("plain", [0, 6, 15])
def test_a_tsv_whose_lines_are_rows_with_and_without_quoting_is_refused(plain, tmp_path):
    rows = [*[(f"plain {i}", "l0") for i in range(plain)], *ROWS]
    message = refusal(tmp_path, written(HEADER + rows), "a.tsv")
    assert f"line {plain + 2}: a quotation mark opens a field that ends in line {plain + 3}" in message
    assert "put the column names in quotation marks" in message and "write the file as CSV" in message


def test_both_remedies_for_a_tsv_with_two_readings_work(tmp_path):
    assert read(tmp_path, '"text"\t"label"\n' + written(ROWS), "a.tsv") == ROWS
    plain = [tuple(line.split("\t")) for line in written(ROWS).splitlines()]
    assert read(tmp_path, written(HEADER + plain, ",")) == plain


def test_labels_numbers_or_ids_show_that_the_lines_of_a_tsv_are_rows(tmp_path):
    for number, first in enumerate([["l0", "l1"], range(20), [f"u-{i}" for i in range(20)]]):
        rows = [(str(first[i % len(first)]), f"{chr(34) * (i == 3)}text {i}{chr(34) * (i == 5)}") for i in range(20)]
        content = "key\ttext\n" + "".join("\t".join(row) + "\n" for row in rows)
        assert read(tmp_path, content, f"{number}.tsv") == rows


IDS = {
    "a letter and a number": [f"u{i}" for i in range(20)],
    "hexadecimal": [f"{i * 7919 + 1048576:06x}-{i:02x}" for i in range(20)],
    "dates": [f"2024-01-{i + 1:02d}T10:00" for i in range(20)],
}


@pytest.mark.parametrize("case", IDS)
def test_rows_with_ids_are_not_swallowed_by_a_quotation_mark(case, tmp_path):
    texts = [f'"text {i}' if i == 3 else f'text {i}"' if i == 5 else f"text {i}" for i in range(20)]
    content = "id,text\n" + "".join(f"{row_id},{text}\n" for row_id, text in zip(IDS[case], texts, strict=True))
    assert "line 5: a quotation mark opens a field that ends in line 7" in refusal(tmp_path, content)


def test_texts_of_several_lines_beside_ids_are_one_row_each(tmp_path):
    rows = [(f"u{i}", f"Dear all, this is {i}\nthanks") for i in range(20)]
    assert read(tmp_path, written([("id", "text"), *rows], ",")) == rows


@pytest.mark.parametrize(("count", "level"), [(1, "WARNING"), (15, "INFO")])
def test_a_single_column_says_which_lines_became_one_row(count, level, tmp_path, caplog):
    caplog.set_level("INFO")
    rows = [(f"text {i}\nand more" if i < count else f"text {i}",) for i in range(20)]
    assert read(tmp_path, written([("text",), *rows], ",")) == rows
    (record,) = [record for record in caplog.records if "run over several lines" in record.message]
    assert record.levelname == level and f"({count} of 20 rows, first the lines 2 to 3)" in record.message


# ------------------------------------------------------------------------------------------ separators that do not fit

SPACED = {
    "names and fields": '"label", "text"\n"a", "good, really"\n"b", "x"\n',
    "fields with commas": 'label, text\na, "good, really"\nb, x\n',
    "a whole column": 'label, text\na, "good"\nb, "x"\n',
}


@pytest.mark.parametrize("case", SPACED)
def test_spaces_before_quotation_marks_are_no_part_of_the_fields(case, tmp_path, caplog):
    caplog.set_level("INFO")
    rows = read(tmp_path, SPACED[case])
    assert rows == [("a", "good, really" if "really" in SPACED[case] else "good"), ("b", "x")]
    assert "spaces between a separator and a field are not read" in caplog.text


def test_spaces_after_separators_stay_where_no_quotation_marks_need_them_gone(tmp_path):
    assert read(tmp_path, "label, text\na, good\nb, x\n") == [("a", " good"), ("b", " x")]
    assert read(tmp_path, 'label, text\na, "Great" film\nb, x\n') == [("a", ' "Great" film'), ("b", " x")]


REFUSED = {
    "a colon": ("text:label\na:b\nc:d\n", ["separated by ':'", "Separate them by commas"]),
    "a Chinese comma": ("文，类\n好，是\n坏，否\n", ["separated by '，'"]),
    "another separator than the header's": ("text,label\na;b\nc;d\n", ["line 2 has 1 field", "has semicolons"]),
    "commas in a single column": ("text\na, b\nc, d\n", ["line 2 has 2 fields", "Quote fields that contain commas"]),
    "spaces before some marks": ('text,label\na, "b, c"\nd,e\n', ["Quote fields right after the separator"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_separator_that_does_not_fit_is_named(case, tmp_path):
    content, words = REFUSED[case]
    message = refusal(tmp_path, content)
    assert all(word in message for word in words) and "name the first column" not in message


def test_a_single_column_of_texts_may_have_any_sign(tmp_path):
    assert read(tmp_path, "text\na: b\nc: d\n") == [("a: b",), ("c: d",)]
    assert read(tmp_path, "http://a\nhttp://b\n") == [("http://b",)]
    assert read(tmp_path, "text:en\na: b\nc\n") == [("a: b",), ("c",)]
