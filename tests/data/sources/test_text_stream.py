"""Texts by the line and by the file: every line is a row, also a blank one."""

from __future__ import annotations

import gzip

import pytest
from stream_parity import open_input, read_bad_rows, read_input, refuse_input


def texts(path, **source) -> list[str]:
    return [row["text"] for row in read_input(path, **source)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"one\ntwo\n", ["one", "two"]), (b"one\r\n\r\ntwo", ["one", "", "two"]), (b"\n one \n\n", ["", " one ", ""]),
     (b"\xef\xbb\xbfone\n", ["one"]), ("one\nzwei\n".encode("utf-16"), ["one", "zwei"]), (b"a\rb\r", ["a", "b"]),
     ("a\u2028b\x0bc\x85d\x1ee\n".encode(), ["a\u2028b\x0bc\x85d\x1ee"]), (b'"a, b\nc" d\n', ['"a, b', 'c" d']),
     (b"a text with\x00b\n", ["a text with\x00b"]), (gzip.compress(b"one\ntwo\n"), ["one", "two"])],
)  # fmt: skip
def test_every_line_is_a_text_as_it_is_written(content, expected, tmp_path):
    (tmp_path / "a.txt").write_bytes(content)
    assert texts(tmp_path / "a.txt") == expected
    (tmp_path / "lines.log").write_bytes(content)
    assert texts(tmp_path / "lines.log", kind="text") == expected


def test_a_line_with_other_bytes_is_named_and_the_others_are_whole(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\n\ntw\xffo\nthree")
    rows, problems = read_bad_rows(tmp_path / "a.txt")
    assert [row["text"] for row in rows] == ["one", "", "tw\ufffdo", "three"]
    assert problems == {2: "line 3 is not valid UTF-8 (byte 3 of the line)"}
    assert "a.txt: line 3 is not valid UTF-8" in refuse_input(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "the file is empty"), ("\n \n\n", "all of its lines are blank"), ("\ufeff", "all of its lines are blank"),
     ('{"text": "a"}\n', "Pass --input_format jsonl")],
)  # fmt: skip
def test_a_file_without_texts_is_refused(content, words, tmp_path):
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    assert words in refuse_input(tmp_path / "a.txt")


def test_the_remedies_for_other_contents_work(tmp_path, caplog):
    (tmp_path / "a.txt").write_text('{"text": "a"}\n')
    assert texts(tmp_path / "a.txt", kind="jsonl") == ["a"]
    assert texts(tmp_path / "a.txt", kind="text") == ['{"text": "a"}']
    (tmp_path / "b.txt").write_text("id,text\n1,a\n")
    assert texts(tmp_path / "b.txt") == ["id,text", "1,a"] and "pass --input_format csv" in caplog.text
    assert texts(tmp_path / "b.txt", kind="csv") == ["a"]


def folder(tmp_path, files: dict[str, bytes]):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_folder_of_texts_per_class_has_ids_and_labels_and_no_hidden_files(tmp_path):
    path = folder(
        tmp_path, {"pos/0.txt": b"a\r\nb", "neg/1.txt": b"", "neg/._1.txt": b"x", ".hidden/2.txt": b"y", "README": b"z"}
    )
    assert read_input(path) == [
        {"id": "neg/1", "text": "", "label": "neg"},
        {"id": "pos/0", "text": "a\nb", "label": "pos"},
    ]


def test_a_folder_of_texts_alone_has_ids(tmp_path):
    path = folder(tmp_path, {"b.txt": b"two", "a.txt": b"one"})
    assert read_input(path) == [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]


def test_a_text_file_with_other_bytes_is_named(tmp_path):
    path = folder(tmp_path, {"pos/0.txt": b"one\ncaf\xe9", "neg/1.txt": b"two"})
    rows, problems = read_bad_rows(path)
    assert rows[1] == {"id": "pos/0", "text": "one\ncaf\ufffd", "label": "pos"}
    assert problems == {1: "pos/0: line 2 is not valid UTF-8 (byte 4 of the line)"}
    assert "pos/0: line 2 is not valid UTF-8" in refuse_input(path)


def test_the_identity_of_texts_is_their_content(tmp_path):
    one = open_input(folder(tmp_path / "1", {"a.txt": b"ab", "b.txt": b"c"})).identity
    assert open_input(folder(tmp_path / "2", {"a.txt": b"ab", "b.txt": b"c"})).identity == one
    assert open_input(folder(tmp_path / "3", {"a.txt": b"a", "b.txt": b"bc"})).identity != one
