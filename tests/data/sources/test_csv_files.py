"""CSV and TSV files: every row and every character is kept, whatever separates and quotes the fields."""

from __future__ import annotations

import csv
import logging

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_parity import stream_refusal, streamed

from classification.data.sources.csv_files import read_csv
from classification.data.sources.data_files import DataFile
from classification.errors import UsageError


def read(tmp_path, content: str | bytes, name: str = "a.csv") -> list[dict]:
    """The rows as training reads them; a stream has the same ones."""
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    file = DataFile(tmp_path / name, f"--train_file {name}")
    rows = read_csv(file).to_pylist()
    assert streamed(file) == rows
    return rows


def refusal(tmp_path, content: str | bytes, name: str = "a.csv") -> str:
    with pytest.raises(UsageError, match=f"^--train_file {name}: ") as refused:
        read(tmp_path, content, name)
    assert stream_refusal(DataFile(tmp_path / name, f"--train_file {name}")) == str(refused.value)
    return str(refused.value)


def pairs(rows: list[dict]) -> list[tuple]:
    return [tuple(row.values()) for row in rows]


# ---------------------------------------------------------------------------------------------------------- separators

SEPARATED = {  # name, content -> texts and labels; what is found
    "semicolons": ("a.csv", "text;label\na, b;x\nc;y\n", [("a, b", "x"), ("c", "y")], "semicolons"),
    "semicolons and decimal commas": (
        "a.csv",
        "text;score\na;3,5\nb;4,0\n",
        [("a", "3,5"), ("b", "4,0")],
        "semicolons",
    ),
    "tabs in .csv": ("a.csv", "text\tlabel\na, b\tx\n", [("a, b", "x")], "tabs"),
    "commas in .tsv": ("a.tsv", "text,label\na,x\n", [("a", "x")], "commas"),
    "vertical bars": ("a.csv", "text|label\na,b|x\n", [("a,b", "x")], "vertical bars"),
    "Excel's own line": ("a.csv", "sep=;\r\ntext;label\r\na,b;x\r\n", [("a,b", "x")], "semicolons"),
}


@pytest.mark.parametrize("case", SEPARATED)
def test_the_separator_is_found_and_named_where_it_is_not_the_one_of_the_suffix(case, tmp_path, caplog):
    name, content, expected, found = SEPARATED[case]
    caplog.set_level("INFO")
    assert pairs(read(tmp_path, content, name)) == expected
    assert f"separated by {found}" in caplog.text or "Excel" in case


def test_one_column_of_texts_stays_one_column(tmp_path):
    assert read(tmp_path, "text\nhello; you\nbye | now\n") == [{"text": "hello; you"}, {"text": "bye | now"}]


def test_the_line_that_breaks_another_separator_is_named(tmp_path):
    message = refusal(tmp_path, "text;label\n" + "a;b\n" * 5 + "c;d;e\n")
    assert "line 7 has 3 fields where the header has 2, separated by semicolons" in message and "Quote" in message


def test_lines_are_counted_with_the_line_of_excel_and_blank_lines(tmp_path, caplog):
    assert "line 6 has 1 field" in refusal(tmp_path, "sep=;\n\ntext;label\n\na;b\nc\n")
    assert pairs(read(tmp_path, "\n \ntext,label\na,b\n")) == [("a", "b")] and not caplog.text
    assert pairs(read(tmp_path, "text,label\na,b\n\nc,d\n\n")) == [("a", "b"), ("c", "d")]
    assert "1 blank lines between rows" in caplog.text


# ------------------------------------------------------------------------------------------------------- tabs, quoting

GLUE = {  # rows without quoting -> texts
    "a quote that a later row closes": '"starts here\tneg\nother\tpos\nends here"\tneg\n',
    "the same with commas": '"Well, it starts\tneg\nother\tpos\nends here"\tneg\n',
    "a quote that is never closed": '"starts here\tneg\nother\tpos\n',
    "a quoted word": '"Great" film\tpos\nother\tneg\n',
    "a quoted text": '"Great film"\tpos\nother\tneg\n',
    "a lone quotation mark": '"\tpos\nother "\tneg\n',
}


@pytest.mark.parametrize("case", GLUE)
def test_a_row_without_quoting_keeps_its_quotation_marks(case, tmp_path, caplog):
    caplog.set_level("INFO")
    lines = GLUE[case].splitlines()
    rows = read(tmp_path, "text\tlabel\n" + GLUE[case] + "x\tpos\ny\tneg\n", "a.tsv")
    assert pairs(rows) == [tuple(line.split("\t")) for line in [*lines, "x\tpos", "y\tneg"]]
    assert "quotation marks are part of the text" in caplog.text


TEXTS = ["two\nlines", "two\r\nlines", "a\ttab", 'He said "hi"', '"all quoted"', "plain", "", "well, so", "\ttab first"]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("texts", [TEXTS, *([text, "plain"] for text in TEXTS)])
def test_what_pandas_writes_is_read_as_it_was(texts, separator, quoting, tmp_path):
    frame = pd.DataFrame({"text": texts, "label": [f"l{i % 2}" for i in range(len(texts))]})
    name = "a.tsv" if separator == "\t" else "a.csv"
    content = frame.to_csv(index=False, sep=separator, quoting=quoting)
    assert read(tmp_path, content, name) == frame.to_dict("records")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=9), min_size=1))
def test_any_text_is_read_as_it_was_written(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("any")
    frame = pd.DataFrame({"id": [f"r{i}" for i in range(len(texts))], "text": texts})
    assert read(folder, frame.to_csv(index=False, quoting=csv.QUOTE_ALL)) == frame.to_dict("records")
    frame["text"] = [" ".join(text.split()) for text in texts]
    plain = "id\ttext\n" + "".join(f"r{i}\t{text}\n" for i, text in enumerate(frame["text"]))
    if '""' not in plain and ',"' not in plain:
        assert len(read(folder, plain, "a.tsv")) == len(texts)


def test_texts_of_several_lines_in_one_column_are_one_row_each_and_that_is_said(tmp_path, caplog):
    assert read(tmp_path, 'text\n"two\nlines"\nplain\n', "a.tsv") == [{"text": "two\nlines"}, {"text": "plain"}]
    assert "run over several lines; each is one row" in caplog.text


def test_a_quoted_tsv_with_a_fault_is_refused(tmp_path):
    message = refusal(tmp_path, '"text"\t"label"\n"good"\t"pos"\n"bad\t"neg"\n', "a.tsv")
    assert "line 3" in message and "quotation mark" in message


# ----------------------------------------------------------------------------------------------------- commas, quoting

SWALLOWED = {
    "by a later row": 'text,label\n"starts here,neg\nother,pos\nends here",neg\n' + "x,pos\ny,neg\n" * 5,
    "with ids": 'id,text,label\n1,"starts,neg\n2,other,pos\n3,ends",neg\n' + "4,x,pos\n5,y,neg\n" * 5,
    "with numbers": 'text,score\n"starts,1.5\nother,2.5\nends",3\n' + "".join(f"x,{i}.25\n" for i in range(9)),
}


@pytest.mark.parametrize("case", SWALLOWED)
def test_rows_are_never_swallowed_by_a_quotation_mark(case, tmp_path):
    message = refusal(tmp_path, SWALLOWED[case])
    assert "line 2: a quotation mark opens a field that ends in line 4" in message and "quote the field" in message
    repaired = (
        SWALLOWED[case]
        .replace('"starts', '"""starts')
        .replace(",neg\n", '",neg\n', 1)
        .replace('ends here"', "ends here")
    )
    assert case != "by a later row" or len(read(tmp_path, repaired)) == 13


def test_a_quoted_text_of_several_lines_with_commas_is_one_row(tmp_path):
    content = 'text,label\n"Hello, world\nbye",pos\n' + "x,pos\ny,neg\n" * 5
    assert pairs(read(tmp_path, content))[0] == ("Hello, world\nbye", "pos")


REFUSED = {
    "never closed": ('text,label\na,b\n"never,c\nd,e\n', ["line 3", "never closed", '""']),
    "text after a quote": ('text,label\n"Great" film,pos\n', ["line 2", "text follows a closing quotation mark"]),
    "a space before a quote": ('text,label\na, "b, c"\n', ["line 2 has 3 fields", "Quote"]),
    "names of rows by R": ('"text","label"\n"1","a","b"\n"2","c","d"\n', ["3 fields", "name the first column"]),
    "a carriage return in a text": ("text,label\na\rx,b\nc,d\n", ["line 2 has 1 field", "carriage return"]),
    "JSON": ('{"text": "a"}\n', ["holds JSON", ".jsonl"]),
    "a quote alone": ('"\n', ["line 1", "never closed"]),
    "a duplicate column": ("text,label,text\na,b,c\n", ["duplicate column 'text'", "Rename"]),
    "a separator at the end of the header only": ("text,label,\na,b\n", ["line 2 has 2 fields where the header has 3"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_row_that_does_not_fit_is_refused_with_its_line(case, tmp_path):
    content, words = REFUSED[case]
    assert all(word in refusal(tmp_path, content) for word in words)


# ------------------------------------------------------------------------------------------------- what else is written

READ = {
    "carriage returns": ("text,label\ra,b\rc,d\r", [("a", "b"), ("c", "d")]),
    "mixed line ends": ("text,label\na,b\r\nc,d\n", [("a", "b"), ("c", "d")]),
    "a separator at the end of rows": ("text,label\na,b,\nc,d,\n", [("a", "b"), ("c", "d")]),
    "a mark before a quoted header": (b'\xef\xbb\xbf"text","label"\na,b\n', [("a", "b")]),
    "two marks": (b"\xef\xbb\xbf\xef\xbb\xbftext,label\na,b\n", [("a", "b")]),
    "UTF-16 with tabs": ("text\tlabel\na\tb\n".encode("utf-16"), [("a", "b")]),
    "other characters for lines": ("text,label\na\u2028b\x0bc\x85d,e\n", [("a\u2028b\x0bc\x85d", "e")]),
    "null characters": ("text,label\na\x00b,c\n", [("a\x00b", "c")]),
    "a row of blanks": ("text,label\na,b\n,\n", [("a", "b"), ("", "")]),
    "no line end": ("text,label\na,b", [("a", "b")]),
    "values": ("text,label\nNA,None\n1e5,007\n2020-06-01T10:00:00Z,True\n",
               [("NA", "None"), ("1e5", "007"), ("2020-06-01T10:00:00Z", "True")]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_unusual_files_are_read_as_they_are_written(case, tmp_path):
    content, expected = READ[case]
    rows = read(tmp_path, content)
    assert pairs(rows) == expected and list(rows[0]) == ["text", "label"]


def test_names_keep_their_spaces(tmp_path):
    assert read(tmp_path, "label, text\na, b\n") == [{"label": "a", " text": " b"}]


def test_a_long_field_is_read_and_the_limit_of_the_process_stays(tmp_path):
    limit = csv.field_size_limit()
    assert len(read(tmp_path, f'text,label\n"{"x" * (limit + 9)}",b\n')[0]["text"]) == limit + 9
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("content", "words"),
    [("I loved it,pos\nbad,neg\nok,pos\n", "looks like a row"), ("1,I loved it\n0,bad\n", "looks like a row"),
     ("text,label\na,b\ntext,label\nc,d\n", "1 rows repeat the header"), ("text\na\rb\nc\n", "carriage return"),
     ("text,label\na\x00,b\n", "1 fields contain null characters")],
)  # fmt: skip
def test_what_is_probably_not_meant_is_said(content, words, tmp_path, caplog):
    read(tmp_path, content)
    assert words in caplog.text


def test_an_ordinary_file_is_read_without_a_word(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    read(tmp_path, 'id,text,label\n1,"a, b",pos\n2,"""c"" d",neg\n')
    assert not caplog.text


def test_many_rows_come_in_order(tmp_path):
    rows = read(tmp_path, "id,text\n" + "".join(f"{i},t{i}\n" for i in range(5001)))
    assert [row["id"] for row in rows] == [str(i) for i in range(5001)]
