"""The encoding of a text: UTF-8, UTF-16 and UTF-32 are found and read; any other is named in the error."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from charset_normalizer import from_bytes

from classification.data.sources.first_bytes import is_text
from classification.messages.shown_texts import quoted

SAMPLE = 1 << 16  # bytes from which the encoding is guessed
BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
FEW_NULLS = 0.2  # share of null characters up to which a text is not UTF-16, where ASCII has a half
WESTERN = "cp1252"
LATIN = (WESTERN, "cp1250", "cp1254", "iso8859_2")  # a few lines are not enough to tell these apart
COMMON = [  # without the rare encodings, guesses from a few lines are right more often
    *LATIN, "cp1251", "cp1253", "cp1255", "cp1256", "cp874", "koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949",
]  # fmt: skip
HIRAGANA, HANGUL = ("\u3041", "\u3096"), ("\uac00", "\ud7a3")
BY_SCRIPT = (  # encoding, letters, and the share of them that a text in it has and one in another encoding has not
    ("cp932", HIRAGANA, 0.2), ("euc_jp", HIRAGANA, 0.2), ("cp949", HANGUL, 0.9),
)  # fmt: skip
REMOVE_BYTES = "iconv -c -f UTF-8 -t UTF-8 OLD > NEW"
SURE = 3  # characters that are UTF-8 for each byte that is not, from which a file is called UTF-8
BEFORE, AFTER = 20, 40  # characters of a line in the message, around the first that is not ASCII


def find_encoding(head: bytes) -> str | None:
    """The encoding by the byte order mark, or by the null bytes that ASCII characters have in UTF-16 and UTF-32.

    Returns:
        Python's name; `utf-8-sig` where nothing else is found, which also reads UTF-8 without a mark; None where the
        first bytes are binary.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    if b"\x00" not in head:
        return None if not is_text(head) and not decodes(head, "utf-8") else "utf-8-sig"
    if head.count(0) <= FEW_NULLS * len(head) and decodes(head, "utf-8"):
        return "utf-8-sig"
    return next((encoding for encoding in WIDE if is_wide(head, encoding)), None)


def is_wide(head: bytes, encoding: str) -> bool:
    """Whether the first bytes are text in `encoding`, without a byte order mark."""
    head = head[: len(head) // 4 * 4]
    if not head or not decodes(head, encoding):
        return False
    text = codecs.getincrementaldecoder(encoding)("strict").decode(head)
    return "\x00" not in text and any(character in text for character in '\n\r,\t;{"')


def decodes(head: bytes, encoding: str) -> bool:
    """Whether the bytes are `encoding`; a character that is cut at their end is none the less."""
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(head)
    except UnicodeDecodeError:
        return False
    return True


def describe_not_utf8(handle: BinaryIO) -> str:
    """The first line that is not UTF-8, its probable encoding, and how to convert the file."""
    for number, line in enumerate(handle, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            remedy = describe_remedy(line, [line, *lines_not_ascii(handle)])
            return f"line {number} is not valid UTF-8 (byte {error.start + 1} of the line). {remedy}"
    return "the text is not valid UTF-8. Write it anew as UTF-8."


def describe_remedy(line: bytes, sample: list[bytes]) -> str:
    """How `line` reads in the probable encodings, so that people can judge them, and the command for the first."""
    if is_mostly_utf8(sample):
        return f"The rest of the file is UTF-8. Correct the line, or remove such bytes: {REMOVE_BYTES}"
    encodings = probable_encodings(sample)
    names = [encoding.upper().replace("_", "-") for encoding in encodings]
    readings = (f"in {name} {quoted(excerpt(line, code))}" for name, code in zip(names, encodings, strict=True))
    return (
        f"The line reads {' and '.join(readings)}. Convert the file from the right encoding: "
        f"iconv -f {names[0]} -t UTF-8 OLD > NEW"
    )


def excerpt(line: bytes, encoding: str) -> str:
    """The part of a line around its first character that is not ASCII."""
    text = " ".join(line.decode(encoding, errors="replace").split())
    first = next((place for place, character in enumerate(text) if not character.isascii()), 0)
    return text[max(first - BEFORE, 0) : first + AFTER]


def probable_encodings(sample: list[bytes]) -> list[str]:
    """One or two encodings of lines that are not ASCII, by Python's names, the more common first."""
    content = b"".join(line[:SAMPLE] for line in sample)
    for encoding, script, share in BY_SCRIPT:
        if share_of(script, content, encoding) >= share:
            return [encoding]
    guess = from_bytes(content, cp_isolation=COMMON).best()
    if guess and guess.encoding in ("cp1251", "koi8_r", "cp932"):  # these swap capitals and small letters
        small = {code: share_of(("\u0430", "\u045f"), content, code) for code in ("cp1251", "koi8_r")}
        likely = max(small, key=small.__getitem__)
        return [likely if small[likely] > 0.5 else guess.encoding]
    if guess is None or WESTERN in guess.could_be_from_charset:
        return [WESTERN]
    return [WESTERN, guess.encoding] if guess.encoding in LATIN else [guess.encoding]


def is_mostly_utf8(sample: list[bytes]) -> bool:
    """Whether lines are UTF-8 but for a few bytes."""
    text = b"".join(sample).decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    return sum(not character.isascii() for character in text) - broken >= SURE * broken


def share_of(script: tuple[str, str], content: bytes, encoding: str) -> float:
    """The share of the letters between two characters in all characters that are not ASCII; 0 where it does not fit."""
    try:
        characters = [character for character in content.decode(encoding) if not character.isascii()]
    except UnicodeDecodeError:
        return 0.0
    return sum(script[0] <= character <= script[1] for character in characters) / max(len(characters), 1)


def lines_not_ascii(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that are not ASCII, up to the size of a sample: the others say nothing about the encoding."""
    size = 0
    for line in lines:
        if not line.isascii():
            yield line
            size += len(line)
        if size > SAMPLE:
            return
