"""The error for a file that is not UTF-8 names the line and the probable encoding."""

from __future__ import annotations

import pytest

from classification.data.text_encoding import check_utf8
from classification.errors import UsageError

CSV = "text,label\n" + "a good film,positive\na bad film,negative\n" * 6
SAMPLES = {  # encoding -> lines in it
    "cp1252": ["un café très agréable", "El niño comió una piña", "Maten var jättegod", "A comida não é boa"],
    "cp1250": ["Zażółć gęślą jaźń bardzo dobrze"],
    "cp1251": ["Это был очень хороший фильм"],
    "koi8_r": ["Это был очень хороший фильм, и я его никогда не забуду"],
    "gb18030": ["这部电影很好看，我不会忘记。"],
}
LINES = [(encoding, line) for encoding, lines in SAMPLES.items() for line in lines]


@pytest.mark.parametrize(("encoding", "line"), LINES)
def test_the_message_names_the_encoding_and_how_the_line_reads_in_it(encoding, line, tmp_path):
    (tmp_path / "a.csv").write_bytes(f"{CSV}{line},positive\n".encode(encoding))
    with pytest.raises(UsageError) as refused:
        check_utf8(tmp_path / "a.csv", "--train_file")
    assert f"in {encoding.upper().replace('_', '-')} '" in str(refused.value) and line[:20] in str(refused.value)
    assert "--train_file" in str(refused.value) and "a.csv: line 14 is not valid UTF-8" in str(refused.value)
    assert "iconv -f" in str(refused.value)


def test_the_utf_16_of_excel_is_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV.encode("utf-16"))
    with pytest.raises(UsageError, match="line 1 is not valid UTF-8.*The file is UTF-16.*iconv -f UTF-16 -t UTF-8"):
        check_utf8(tmp_path / "a.csv", "--test_file")


def test_the_excerpt_is_around_the_first_unusual_character(tmp_path):
    (tmp_path / "a.csv").write_bytes(("word " * 100 + "café" + " word" * 100).encode("latin-1"))
    with pytest.raises(UsageError, match=r"\(byte 504 of the line\).*CP1252 'd word word word café( word)+") as refused:
        check_utf8(tmp_path / "a.csv", "--test_file")
    assert len(str(refused.value)) < 400


def test_a_file_in_no_known_encoding_still_gets_a_remedy(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(range(128, 256)) * 4)
    with pytest.raises(UsageError, match="line 1 is not valid UTF-8.*iconv"):
        check_utf8(tmp_path / "a.csv", "--train_file")


def test_utf8_passes(tmp_path):
    (tmp_path / "a.csv").write_text("text\n这部电影 café 👍\n", encoding="utf-8-sig")
    check_utf8(tmp_path / "a.csv", "--train_file")
