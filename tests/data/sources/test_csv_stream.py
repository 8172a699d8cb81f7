"""CSV streams: bad rows are named with their line, the rows beside them are whole, and nothing is guessed."""

from __future__ import annotations

import pytest
from stream_parity import read_bad_rows, read_input, refuse_input

from classification.data.sources.csv_rows import any_field_size
from classification.data.sources.row_batches import InputSource
from classification.data.sources.row_streams import open_rows

BAD = {  # content -> rows, number of a row -> what is said about it
    "too few and too many fields": (
        b"id,text\n1,a\n2\n3,b,c,d\n4,e\n",
        [("1", "a"), ("2", None), ("3", "b,c,d"), ("4", "e")],
        {1: "line 3 has 1 field where the header has 2", 2: "line 4 has 4 fields where the header has 2"},
    ),
    "bytes that are not UTF-8": (
        b"id,text\n1,caf\xc3\xa9 \xff!\n2,b\n3,c\n",
        [("1", "café \ufffd!"), ("2", "b"), ("3", "c")],
        {0: "line 2 is not valid UTF-8 (byte 9 of the line)"},
    ),
    "text after a quotation mark": (
        b'id,text\n1,"a, b"\n"2" x,c\n3,d\n4,e\n',
        [("1", "a, b"), (None, None), ("3", "d"), ("4", "e")],
        {1: "line 3: text follows a closing quotation mark"},
    ),
    "a bad row after a text of several lines": (
        b'id,text\n1,"a\n\nb"\n2\n3,c\n4,d\n',
        [("1", "a\n\nb"), ("2", None), ("3", "c"), ("4", "d")],
        {1: "line 5 has 1 field where the header has 2"},
    ),
    "a byte inside a text of several lines": (
        b'id,text\n1,"a\n\xffb\n\xff"\n2,c\n',
        [("1", "a\n\ufffdb\n\ufffd"), ("2", "c")],
        {0: "line 3 is not valid UTF-8 (byte 1 of the line)"},
    ),
    "lines of Excel and blank lines before": (
        b"sep=;\n\nid;text\n\n1;a\n2\n3;b\n",
        [("1", "a"), ("2", None), ("3", "b")],
        {1: "line 6 has 1 field where the header has 2"},
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_named_and_the_others_are_whole(case, tmp_path):
    content, rows, problems = BAD[case]
    (tmp_path / "a.csv").write_bytes(content)
    read, found = read_bad_rows(tmp_path / "a.csv")
    assert [tuple(row.values()) for row in read] == rows and found == problems
    line = next(iter(problems.values())).split()[1].rstrip(":")
    assert f"a.csv: line {line}" in refuse_input(tmp_path / "a.csv")


def test_quotation_marks_in_a_tsv_with_a_bad_row_stay_part_of_the_text(tmp_path):
    (tmp_path / "a.tsv").write_text('text\tlabel\n"a\tb\nc\td\te\nf\tg\n')
    rows, problems = read_bad_rows(tmp_path / "a.tsv")
    assert [row["text"] for row in rows] == ['"a', "c", "f"] and list(problems) == [1]


def test_a_quoted_tsv_with_a_bad_row_stays_quoted(tmp_path):
    (tmp_path / "a.tsv").write_text('text\tlabel\n"a\tb"\tx\nc\n"d ""e"""\ty\nf\tz\n')
    rows, problems = read_bad_rows(tmp_path / "a.tsv")
    assert [row["text"] for row in rows] == ["a\tb", "c", 'd "e"', "f"] and list(problems) == [1]


def test_another_separator_is_found_in_a_file_with_a_bad_row(tmp_path):
    (tmp_path / "a.csv").write_text("id;text\n1;a, b\n2\n3;c\n")
    rows, problems = read_bad_rows(tmp_path / "a.csv")
    assert rows[0] == {"id": "1", "text": "a, b"} and list(problems) == [1]


REFUSED = {  # what cannot be told from the rows beside it is an error also where bad rows are kept
    "a quotation mark that is never closed": (b'id,text\n1,a\n2,"never\n3,b\n4,c\n', "line 3: the quotation mark"),
    "the same after a short row": (b'id,text\n1\n2,a\n3,"never\n4,b\n5,c\n6,d\n', "line 4: the quotation mark"),
    "one that may go on in the next line": (b'id,text\n1,"a" b "c\nd",e\n2,f\n3,g\n', "line 2: text follows"),
    "rows in one field": (b'id,text\n1,"a\n2,b\n3,c"\n4,d\n5,e\n6,f\n7\n', "each of these lines is a row"),
    "the wrong separator in most rows": (b"id,text\n1;a\n2;b\n3,c\n", "line 2 has 1 field"),
    "column names that are not UTF-8": (b"id,t\xff\n1,a\n2,b\n", "line 1 is not valid UTF-8"),
    "a broken UTF-16 file": ("id,text\n1,a\n".encode("utf-16") + b"\x00", "UTF-16 and broken"),
    "a duplicate column": (b"text,text\na,b\n", "duplicate column"),
    "no row that can be read": (b"id,text\n1,\xff\xe9\xe8\n", "no row can be read; line 2 is not valid UTF-8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_isolated_is_refused_also_where_bad_rows_are_kept(case, tmp_path):
    content, words = REFUSED[case]
    (tmp_path / "a.csv").write_bytes(content)
    message = refuse_input(tmp_path / "a.csv", keep_bad_rows=True)
    assert message.startswith(f"INPUT {tmp_path / 'a.csv'}: ") and words in message


def test_a_file_in_another_encoding_is_said_once_with_the_remedy(tmp_path, caplog):
    (tmp_path / "a.csv").write_bytes("id,text\n1,plain\n2,un café très agréable\n3,El niño comió\n".encode("cp1252"))
    rows, problems = read_bad_rows(tmp_path / "a.csv")
    assert len(rows) == 3 and list(problems) == [1, 2]
    assert caplog.text.count("iconv -f CP1252 -t UTF-8") == 1


def test_files_below_one_another_may_order_their_columns_differently(tmp_path):
    for name, content in (("test-0.csv", "id,text\n1,a\n2,b\n"), ("test-1.csv", "text,id\nc,3\nd\ne,5\n")):
        (tmp_path / name).write_text(content)
    rows, problems = read_bad_rows(tmp_path)
    assert rows == [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}, {"id": "3", "text": "c"},
                    {"id": None, "text": "d"}, {"id": "5", "text": "e"}]  # fmt: skip
    assert problems == {3: "test-1.csv: line 3 has 1 field where the header has 2"}


def test_a_long_field_is_read_beside_another_reader(tmp_path):
    """The limit of the length of fields belongs to the whole process."""
    (tmp_path / "a.csv").write_text("text\n" + "x" * 300_000 + "\n")
    with any_field_size():
        stream = open_rows(InputSource(str(tmp_path / "a.csv")))
    rows = stream.batches()
    assert len(next(rows).column("text")[0]) == 300_000 and len(read_input(tmp_path / "a.csv")) == 1
