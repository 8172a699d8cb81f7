"""Which of the user's columns mean what, and which rows can be used; label columns have a file of their own."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from datasets import Dataset

from classification.data.findings import ERROR, NOTE, Finding
from classification.data.labels import as_float, is_missing
from classification.errors import UsageError, did_you_mean, some

logger = logging.getLogger(__name__)

TEXT_COLUMNS = ("text", "sentence", "review", "content")
PAIR_COLUMNS = (
    ("text_a", "text_b"), ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"),
    ("question", "sentence"),
)  # fmt: skip
ID_COLUMNS = ("id", "guid", "idx")


@dataclass(frozen=True)
class Columns:
    """The columns that the user named; None or empty is: find out."""

    text: tuple[str, ...] = ()
    delimiter: str | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()
    label_delimiter: str | None = None
    id: str | None = None
    group: str | None = None
    time: str | None = None
    remove: tuple[str, ...] = ()


def not_a_column(name: str, data: Dataset) -> str:
    return f"there is no such column; there are {some(data.column_names, 12)}." + did_you_mean(name, data.column_names)


def existing_column(data: Dataset, column: str, flag: str) -> str:
    if column not in data.column_names:
        raise UsageError(f"{flag} {column}: {not_a_column(column, data)}")
    return column


def find_text_columns(data: Dataset) -> tuple[str, ...]:
    pairs = [pair for pair in PAIR_COLUMNS if set(pair) <= set(data.column_names)]
    singles = [
        (name,) for name in TEXT_COLUMNS if name in data.column_names and not any(name in pair for pair in pairs)
    ]
    candidates = pairs + singles
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        found = some((" + ".join(candidate) for candidate in candidates), 9)
        raise UsageError(f"--text_column_names: several columns could be the text ({found}). Name the one you mean.")
    raise UsageError(
        f"--text_column_names: no column is called {some(TEXT_COLUMNS)}; there are {some(data.column_names, 12)}. "
        "Name the text column, or two for pairs: --text_column_names a,b"
    )


def read_texts(data: Dataset, columns: tuple[str, ...], delimiter: str | None, split: str) -> dict[str, list]:
    """The content of `text` and, for a pair, `text_pair`; with a delimiter all columns are joined into `text`."""
    values = []
    for column in columns:
        values.append(data[existing_column(data, column, "--text_column_names")][:])
        wrong = next((value for value in values[-1] if value is not None and not isinstance(value, str)), None)
        if wrong is not None:
            raise UsageError(
                f"--text_column_names {column}: {split} holds {type(wrong).__name__} values there "
                f"(for example {str(wrong)[:40]!r}), not text. Name a column of strings."
            )
    if delimiter is not None:
        return {"text": [delimiter.join(part or "" for part in parts) for parts in zip(*values, strict=True)]}
    if len(values) > 2:
        raise UsageError(
            f"--text_column_names {','.join(columns)}: one column is a single text and two are a pair; "
            "to join more, pass --text_column_delimiter ' '."
        )
    return dict(zip(("text", "text_pair"), values, strict=False))


def read_ids(data: Dataset, wanted: str | None, split: str) -> list[str]:
    """The user's ids as strings, or `train-17`: fixed before any split, shuffle or filter."""
    if wanted:
        values = [str(value) for value in data[existing_column(data, wanted, "--id_column_name")]]
        repeated = [value for value, count in Counter(values).items() if count > 1]
        if repeated:
            raise UsageError(
                f"--id_column_name {wanted}: ids repeat in {split} (for example {some(repeated, 3)}). Name a column "
                "of unique ids, or leave the flag out to number the rows."
            )
        return values
    for column in ID_COLUMNS:
        if column in data.column_names:
            values = data[column][:]
            if not any(is_missing(value) for value in values) and len({str(value) for value in values}) == len(values):
                return [str(value) for value in values]
    return [f"{split}-{row}" for row in range(len(data))]


def read_times(data: Dataset, column: str) -> list[float | None]:
    """What orders the rows in time: numbers as they are, dates as seconds since 1970 (UTC where they say nothing).

    Raises:
        UsageError: no such column, or a value that is neither a number nor a date.
    """
    values = data[existing_column(data, column, "--time_column")][:]
    if all(is_missing(value) or as_float(value) is not None for value in values):
        return [as_float(value) for value in values]
    times: list[float | None] = []
    for row, value in enumerate(values):
        try:
            moment = None if is_missing(value) else datetime.fromisoformat(str(value).strip())
        except ValueError as error:
            raise UsageError(
                f"--time_column {column}: row {row} holds {value!r}, which is neither a number nor a date such as "
                "2024-01-31 or 2024-01-31T12:30:00. Convert the column."
            ) from error
        if moment and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        times.append(moment.timestamp() if moment else None)
    return times


def refuse_or_count(
    ids: list[str], problem: str, split: str, on_bad_row: str, found: list[Finding] | None = None
) -> None:
    """Raise a UsageError that names the bad rows; with `on_bad_row="drop"` say that they are dropped. `found` gets it
    too, and with `"report"` (for --check_data) that is all."""
    if ids and on_bad_row == "error":
        raise UsageError(
            f"{len(ids)} rows of {split} have {problem}: ids {some(ids)}. Mend them, or pass --on_bad_row drop."
        )
    dropped = on_bad_row == "drop"
    if ids and dropped:
        logger.warning("dropped %d rows of %s with %s (--on_bad_row drop)", len(ids), split, problem)
    if ids and found is not None:
        found.append(
            Finding(
                "blank_text" if "text" in problem else problem.partition(" (")[0].replace(" ", "_"),
                NOTE if dropped else ERROR, split, len(ids), f"{len(ids)} rows of {split} have {problem}",
                "they cannot be used", "They are dropped" if dropped else "Mend them, or pass --on_bad_row drop",
                tuple(ids),
            )
        )  # fmt: skip


def is_blank(text: str | None) -> bool:
    """Nothing to see: null, spaces, or characters without width."""
    return text is None or not any(character.isprintable() and not character.isspace() for character in text)


def drop_or_refuse_bad_rows(
    content: dict[str, list], split: str, on_bad_row: str, found: list[Finding] | None = None
) -> Dataset:
    """A data set of the rows that have a text and, in train and validation, a label (and a group and a time, where
    columns of them were named); arguments as of `refuse_or_count`."""
    pairs = content.get("text_pair", [""] * len(content["id"]))
    blank = [
        row
        for row, (text, pair) in enumerate(zip(content["text"], pairs, strict=True))
        if is_blank(text) or pair is None
    ]
    bad = {"null or blank text": blank}
    for column in ("label", "group", "time"):
        if column in content and not (column == "label" and split == "test"):
            bad[f"no {column}"] = [row for row, value in enumerate(content[column]) if value is None]
    for problem, rows in bad.items():
        refuse_or_count([content["id"][row] for row in rows], problem, split, on_bad_row, found)
    dropped = {row for rows in bad.values() for row in rows}
    kept = [row for row in range(len(content["id"])) if row not in dropped]
    if not kept:
        raise UsageError(f"No rows of {split} are left: every one has a blank text or no label.")
    content = {name: [values[row] for row in kept] for name, values in content.items()}
    if "label" in content and len({type(value) for value in content["label"]} - {type(None)}) > 1:
        content["label"] = [value if value is None else str(value) for value in content["label"]]
    return Dataset.from_dict(content)
