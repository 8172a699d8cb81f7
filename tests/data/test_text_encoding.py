"""The error for a file that is not UTF-8 names the line and the probable encoding."""

from __future__ import annotations

import pytest

from classification.data.text_encoding import check_utf8, guess_encoding
from classification.errors import UsageError

CSV = "text,label\n" + "a good film,positive\na bad film,negative\n" * 6
SAMPLES = {  # encoding -> a line that it has and UTF-8 bytes do not
    "cp1252": "un café très agréable,positive\n",
    "cp1250": "Zażółć gęślą jaźń bardzo dobrze,positive\n",
    "cp1251": "Это был очень хороший фильм,positive\n",
    "koi8_r": "Это был очень хороший фильм,positive\n",
    "gb18030": "这部电影很好看，我不会忘记。,positive\n",
    "utf_16": "a good film,positive\n",  # how Excel saves "Unicode text"
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_common_encodings_are_recognised(encoding, tmp_path):
    text = CSV + SAMPLES[encoding]
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert text.encode(encoding).decode(guess_encoding(tmp_path / "a.csv")) == text
    name = encoding.upper().replace("_", "-")
    with pytest.raises(UsageError, match=f"--train_file .*a.csv: line .*probably {name}.*iconv -f {name} -t UTF-8"):
        check_utf8(tmp_path / "a.csv", "--train_file")


def test_the_message_has_the_line_and_the_guess_to_judge(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV.encode() + "café,negative\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"line 14 is not valid UTF-8 \(byte 4 of the line\).*reads 'café,negative'"):
        check_utf8(tmp_path / "a.csv", "--test_file")


def test_a_file_without_a_recognisable_encoding_still_gets_a_remedy(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(UsageError, match="line 1 is not valid UTF-8.*iconv"):
        check_utf8(tmp_path / "a.csv", "--train_file")


def test_utf8_passes(tmp_path):
    (tmp_path / "a.csv").write_text("text\n这部电影 café 👍\n", encoding="utf-8-sig")
    check_utf8(tmp_path / "a.csv", "--train_file")
