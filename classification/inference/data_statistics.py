"""data_statistics.json of a model folder, read back: what the model was trained on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classification.data.statistics_format import FILE, FORMAT
from classification.messages.log import Line, log_lines, warning
from classification.models.choice import ModelChoice
from classification.models.encoder_pooling import find_file

MEDIAN, LOW, HIGH = "50%", "5%", "95%"


@dataclass(frozen=True)
class DataStatistics:
    """What the training data of a model looked like.

    Args:
        rows: of train.
        text_columns: the user's names, two for a pair, or with `text_column_delimiter` any number that were joined;
            () where they are not known.
        label_column: the user's name; None where it is not known or there were several. label_columns: one 0/1 column
            per label. label_delimiter: between the names in one cell of `label_column`.
        tokens: quantiles of the lengths of whole texts: `LOW`, `MEDIAN`, `HIGH` and others.
        unknown_tokens: share of each text's tokens, on average. characters_per_token: of all texts together.
        scripts: share of each text's letters, on average. function_words: the same of words, by language; may be empty.
        classes: share of rows with each label; empty for a task without labels.
    """

    rows: int
    text_columns: tuple[str, ...] = ()
    text_column_delimiter: str | None = None
    label_column: str | None = None
    label_columns: tuple[str, ...] = ()
    label_delimiter: str | None = None
    has_pairs: bool = False
    tokens: Mapping[str, float] = field(default_factory=dict)
    unknown_tokens: float = 0.0
    characters_per_token: float = 0.0
    scripts: Mapping[str, float] = field(default_factory=dict)
    function_words: Mapping[str, float] = field(default_factory=dict)
    classes: Mapping[str, float] = field(default_factory=dict)


def find_statistics(choice: ModelChoice) -> DataStatistics | None:
    """The statistics of a model in a folder or on the Hub, as from `read_statistics`."""
    path = find_file(choice, FILE)
    return None if path is None else read_statistics(path.parent)


def read_statistics(folder: str | Path) -> DataStatistics | None:
    """The statistics in a model folder.

    None where there are none, as for a model made elsewhere or by another version. A damaged file is None too, with a
    warning.
    """
    path = Path(folder) / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return from_content(content) if content["format"] == FORMAT else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log_lines([damaged(path, error)])
        return None


def damaged(path: Path, error: Exception) -> Line:
    return warning(
        f"{path} cannot be read ({type(error).__name__}): the input is not compared with the training data. Name the "
        "columns with --text_column_names if they are not found. The answers are the same without the file."
    )


def from_content(content: Mapping[str, Any]) -> DataStatistics:
    """The statistics as values.

    Raises:
        TypeError, ValueError, KeyError, AttributeError: the content has another form.
    """
    return DataStatistics(
        rows=int(content["rows"]),
        text_columns=tuple(text_of(name) for name in content.get("text_columns") or ()),
        text_column_delimiter=optional_text(content.get("text_column_delimiter")),
        label_column=optional_text(content.get("label_column")),
        label_columns=tuple(text_of(name) for name in content.get("label_columns") or ()),
        label_delimiter=optional_text(content.get("label_delimiter")),
        has_pairs=bool(content.get("has_pairs")),
        tokens=numbers_of(content["tokens"]),
        unknown_tokens=number_of(content["unknown_tokens"]),
        characters_per_token=number_of(content["characters_per_token"]),
        scripts=numbers_of(content["scripts"]),
        function_words=numbers_of(content["function_words"]),
        classes=numbers_of(content["classes"]),
    )


def text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a text")
    return value


def optional_text(value: Any) -> str | None:
    return None if value is None else text_of(value)


def number_of(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError("a number that no share or length can be")
    return number


def numbers_of(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: number_of(value) for name, value in values.items()}
