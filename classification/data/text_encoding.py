"""Files must be UTF-8; the error for any other file names the encoding that it probably has."""

from __future__ import annotations

from pathlib import Path

from charset_normalizer import from_bytes

from classification.errors import UsageError

SAMPLE = 1 << 16  # bytes from which the encoding is guessed
COMMON = [  # without the rare ones, guesses from a few lines are right more often
    "utf_16", "utf_32", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp874", "koi8_r",
    "iso8859_2", "gb18030", "big5", "cp932", "euc_jp", "cp949",
]  # fmt: skip
MOST_COMMON = "cp1252"
MAX_CHARACTERS = 60  # of the line in the message


def check_utf8(file: Path, flag: str) -> None:
    """Raise a UsageError that names the first line of `file` that is not UTF-8."""
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
    """How to convert the file, with `line` as the guessed encoding reads it, so that the reader can judge the guess."""
    encoding = guess_encoding(file)
    name = encoding.upper().replace("_", "-")
    if encoding.startswith("utf"):  # by its byte order mark
        sample = "as Excel saves it"
    else:
        text = " ".join(line.decode(encoding, errors="replace").split())
        sample = f"in which the line reads {text[:MAX_CHARACTERS]!r}"
    return f"The encoding is probably {name}, {sample}. Convert the file: iconv -f {name} -t UTF-8 OLD > NEW"


def guess_encoding(file: Path) -> str:
    """Python's name of the most probable encoding; of two equally probable ones the more common."""
    with file.open("rb") as handle:
        best = from_bytes(handle.read(SAMPLE), cp_isolation=COMMON).best()
    if best is None or MOST_COMMON in best.could_be_from_charset:
        return MOST_COMMON
    return best.encoding
