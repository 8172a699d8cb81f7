"""Files must be UTF-8; the error for any other file names the encoding that it probably has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from charset_normalizer import from_bytes

from classification.errors import UsageError

SAMPLE = 1 << 16  # bytes from which the encoding is guessed
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
WESTERN = "cp1252"
LATIN = (WESTERN, "cp1250", "cp1254", "iso8859_2")  # a few lines are not enough to tell these apart
COMMON = [  # without the rare encodings, guesses from a few lines are right more often
    *LATIN, "cp1251", "cp1253", "cp1255", "cp1256", "cp874", "koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949",
]  # fmt: skip
BEFORE, AFTER = 20, 40  # characters of a line in the message, around the first that is not ASCII


def check_utf8(file: Path, flag: str) -> None:
    """Raise a UsageError that names the first line of `file` that is not UTF-8, and how to convert the file."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise UsageError(
                    f"{flag} {file}: line {number} is not valid UTF-8 (byte {error.start + 1} of the line). "
                    f"{describe_remedy(file, line)}"
                ) from error


def describe_remedy(file: Path, line: bytes) -> str:
    """How `line` reads in the probable encodings, so that people can judge them, and the command for the first."""
    encodings = probable_encodings(file)
    names = [encoding.upper().replace("_", "-") for encoding in encodings]
    if encodings == ["utf_16"]:
        reason = "The file is UTF-16, as Excel saves it"
    else:
        readings = (f"in {name} {excerpt(line, code)!r}" for name, code in zip(names, encodings, strict=True))
        reason = f"The line reads {' and '.join(readings)}"
    return f"{reason}. Convert the file from the right encoding: iconv -f {names[0]} -t UTF-8 OLD > NEW"


def excerpt(line: bytes, encoding: str) -> str:
    """The part of a line around its first character that is not ASCII."""
    text = " ".join(line.decode(encoding, errors="replace").split())
    first = next((place for place, character in enumerate(text) if not character.isascii()), 0)
    return text[max(first - BEFORE, 0) : first + AFTER]


def probable_encodings(file: Path) -> list[str]:
    """One or two encodings, by Python's names, the more common first."""
    with file.open("rb") as handle:
        if handle.read(2) in UTF_16_MARKS:
            return ["utf_16"]
        handle.seek(0)
        guess = from_bytes(b"".join(lines_not_ascii(handle)), cp_isolation=COMMON).best()
    if guess is None or WESTERN in guess.could_be_from_charset:
        return [WESTERN]
    return [WESTERN, guess.encoding] if guess.encoding in LATIN else [guess.encoding]


def lines_not_ascii(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Lines that are not ASCII, up to the size of a sample: the others say nothing about the encoding."""
    size = 0
    for line in lines:
        if not line.isascii():
            yield line[:SAMPLE]
            size += len(line)
        if size > SAMPLE:
            return
