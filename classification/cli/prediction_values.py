"""The values of the flags of predict.py: one reader per kind of value, and the default name of the output."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from classification.data.sources.file_formats import ENDINGS, PACKED, TEXT_ENDING, WRITTEN, format_of_name
from classification.data.truncation import STRATEGIES
from classification.errors import UsageError, did_you_mean
from classification.system.files import NOT_TEXT

STDIN = STDOUT = "-"
MOST_SHARDS = 100_000
LARGEST = 2**31 - 1
SHARD = re.compile(r"\s*(-?\d+)\s*/\s*(-?\d+)\s*")


@dataclass(frozen=True)
class Reader:
    """Turns the word of a flag into a value; `choices` are its words, where only a few are allowed."""

    read: Callable[[str, str], object]
    choices: tuple[str, ...] = ()

    def __call__(self, name: str, word: str) -> object:
        """Raises a UsageError that names the flag, the value and the remedy."""
        if NOT_TEXT.search(word):
            raise UsageError(
                f"--{name} {word!r}: is not valid UTF-8. Set the variable PYTHONUTF8=1, or rename the file."
            )
        return self.read(name, word)


def one_of(*choices: str) -> Reader:
    def read(name: str, word: str) -> str:
        if word.lower() not in choices:
            hint = did_you_mean(word, choices)
            raise UsageError(f"--{name} {word}: must be one of {', '.join(choices)}.{hint}")
        return word.lower()

    return Reader(read, choices)


def whole_number(lowest: int) -> Reader:
    def read(name: str, word: str) -> int:
        number = (
            int(word) if re.fullmatch(r"\s*[+-]?[0-9][0-9_]*\s*", word) and not word.strip().endswith("_") else None
        )
        if number is None or not lowest <= number <= LARGEST:
            raise UsageError(f"--{name} {word}: must be a whole number from {lowest} on.")
        return number

    return Reader(read)


def read_name(name: str, word: str) -> str:
    if not word.strip():
        raise UsageError(f"--{name} {word!r}: is empty. Give a value, or leave --{name} out.")
    return word


def read_text(name: str, word: str) -> str:
    if not word.strip() and name == "text":
        raise UsageError(f"--{name} {word!r}: is empty. Give a text.")
    return word


def read_probability(name: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = -1.0
    if not 0 < number < 1:
        percent = " A percentage is divided by 100." if 1 <= number <= 100 else ""
        raise UsageError(f"--{name} {word}: must be a probability between 0 and 1, such as 0.8.{percent}")
    return number


def read_shard(name: str, word: str) -> tuple[int, int]:
    match = SHARD.fullmatch(word)
    if not match:
        raise UsageError(f"--{name} {word}: must be I/N, such as 1/4: part 1 of 4.")
    number, count = int(match[1]), int(match[2])
    if not 1 <= count <= MOST_SHARDS:
        raise UsageError(f"--{name} {word}: the number of shards must be from 1 to {MOST_SHARDS:,}.")
    if not 1 <= number <= count:
        raise UsageError(f"--{name} {word}: shards are numbered from 1 to {count}. Pass 1/{count} to {count}/{count}.")
    return number, count


def read_folders(name: str, word: str) -> tuple[str, ...]:
    """Comma-separated folders; a name with a comma is one folder if it exists."""
    names = (word,) if os.path.exists(word) else tuple(part.strip() for part in word.split(","))
    if not all(names):
        raise UsageError(f"--{name} {word}: an empty name. Give folders with a comma between two: a.parts,b.parts")
    return tuple(map(os.path.expanduser, names))


READERS = {
    "any": Reader(lambda name, word: word),
    "name": Reader(read_name),
    "text": Reader(read_text),
    "count": whole_number(1),
    "length": whole_number(4),
    "probability": Reader(read_probability),
    "shard": Reader(read_shard),
    "folders": Reader(read_folders),
    "format": one_of(*WRITTEN),
    "input_format": one_of(*WRITTEN, "text"),
    "on_bad_row": one_of("error", "keep", "drop"),
    "precision": one_of("auto", "bf16", "fp16", "fp32"),
    "variant": one_of("default", "int8"),
    "truncation": one_of(*STRATEGIES),
}


def word_of(values: Mapping[str, object], name: str) -> str:
    """The word that a flag has, "" where it is not given."""
    value = values.get(name)
    return value if isinstance(value, str) else ""


def words_of(values: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The words of a flag that has several, () where it is not given."""
    value = values.get(name)
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def default_output(source: str | None, values: Mapping[str, object]) -> str:
    """`reviews.csv` -> `reviews.predictions.csv` in the working folder; standard input -> standard output.

    Lines of text become CSV; folders and data sets of the Hub, whose columns have types, become Parquet.
    """
    if source in (None, STDIN):
        return STDOUT
    path = PurePosixPath(str(source).replace(os.sep, "/"))
    kind = values.get("format") or values.get("input_format") or format_of_name(path.name) or "parquet"
    stem = path.name
    for endings in (PACKED, (*ENDINGS, TEXT_ENDING)):
        suffix = PurePosixPath(stem).suffix
        stem = stem.removesuffix(suffix) if suffix.lower() in endings and stem != suffix else stem
    return f"{stem or 'input'}.predictions.{'csv' if kind == 'text' else kind}"
