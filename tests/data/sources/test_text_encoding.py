"""UTF-8, UTF-16 and UTF-32 are read; the error for any other file names the line and the probable encoding."""

from __future__ import annotations

import pytest

from classification.data.sources.data_files import DataFile
from classification.data.sources.text_encoding import find_encoding
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


def read_text(path, flag: str = "--train_file") -> str:
    with DataFile(path, f"{flag} {path}").text() as handle:
        return handle.read()


@pytest.mark.parametrize(("encoding", "line"), LINES)
def test_the_message_names_the_encoding_and_how_the_line_reads_in_it(encoding, line, tmp_path):
    (tmp_path / "a.csv").write_bytes(f"{CSV}{line},positive\n".encode(encoding))
    with pytest.raises(UsageError) as refused:
        read_text(tmp_path / "a.csv")
    assert f"in {encoding.upper().replace('_', '-')} '" in str(refused.value) and line[:20] in str(refused.value)
    assert "--train_file" in str(refused.value) and "a.csv: line 14 is not valid UTF-8" in str(refused.value)
    assert "iconv -f" in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("text", [CSV, "text,label\n" + "这部电影很好看，我不会忘记,好\n" * 9, '[{"text": "ü"}]'])
def test_unicode_is_read_with_and_without_a_byte_order_mark(encoding, text, tmp_path):
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert read_text(tmp_path / "a.csv") == text


def test_a_long_character_at_the_end_of_the_first_bytes_is_no_error(tmp_path):
    for shift in range(4):
        text = "x" * shift + "👍" * 40_000
        (tmp_path / "a.csv").write_text(text, encoding="utf-8")
        assert read_text(tmp_path / "a.csv") == text


def test_a_broken_utf_16_file_is_not_called_western(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV.encode("utf-16") + b"\x00")
    with pytest.raises(UsageError, match="the text is UTF-16 and broken. Write it anew as UTF-8") as refused:
        read_text(tmp_path / "a.csv")
    assert "1252" not in str(refused.value)


def test_null_characters_are_text_and_binary_bytes_are_not(tmp_path):
    assert find_encoding(b"text,label\na\x00b,c\n" * 9) == "utf-8-sig"
    for content in (bytes(range(256)) * 4, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(200, 256))):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(UsageError, match="--train_file .*a.csv: is a binary file, not text"):
            read_text(tmp_path / "a.csv")


def test_the_excerpt_is_around_the_first_unusual_character(tmp_path):
    (tmp_path / "a.csv").write_bytes(("word " * 100 + "café" + " word" * 100).encode("latin-1"))
    with pytest.raises(UsageError, match=r"\(byte 504 of the line\).*CP1252 'd word word word café( word)+") as refused:
        read_text(tmp_path / "a.csv", "--test_file")
    assert len(str(refused.value)) < 400


def test_a_file_in_no_known_encoding_still_gets_a_remedy(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(range(128, 256)) * 4)
    with pytest.raises(UsageError, match="line 1 is not valid UTF-8.*iconv"):
        read_text(tmp_path / "a.csv")


def test_utf8_passes(tmp_path):
    (tmp_path / "a.csv").write_text("text\n这部电影 café 👍\n", encoding="utf-8-sig")
    read_text(tmp_path / "a.csv")


SCRIPTS = {
    "cp932": "この映画はとても良い", "euc_jp": "この映画はとても良い", "cp949": "이 영화는 정말 좋았다",
    "cp1251": "очень хороший фильм",
    "koi8_r": "очень хороший фильм", "gb18030": "这部电影非常好看", "big5": "這部電影非常好看",
}  # fmt: skip


@pytest.mark.parametrize("encoding", SCRIPTS)
def test_the_script_of_many_lines_shows_the_encoding(encoding, tmp_path):
    lines = "".join(f"{SCRIPTS[encoding]} {i},positive\n" for i in range(30))
    (tmp_path / "a.csv").write_bytes(f"{CSV}{lines}".encode(encoding))
    with pytest.raises(UsageError) as refused:
        read_text(tmp_path / "a.csv")
    assert f"iconv -f {encoding.upper().replace('_', '-')} " in str(refused.value)
    assert SCRIPTS[encoding] in str(refused.value)


def test_a_few_bad_bytes_in_utf8_are_not_called_another_encoding(tmp_path):
    lines = [f"café déjà vu {i}".encode() for i in range(9)]
    lines[4] += b"\xff"
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines))
    with pytest.raises(UsageError, match="line 5 is not valid UTF-8.*The rest of the file is UTF-8") as refused:
        read_text(tmp_path / "a.csv")
    assert "iconv -c -f UTF-8" in str(refused.value) and "1252" not in str(refused.value)
