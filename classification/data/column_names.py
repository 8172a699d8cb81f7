"""Which columns of the user's data are meant: those that the flags name, or those with a usual name."""

from __future__ import annotations

from dataclasses import dataclass

from datasets import Dataset

from classification.errors import UsageError, did_you_mean, join_first

TEXT_COLUMNS = ("text", "sentence", "review", "content")
PAIR_COLUMNS = (
    ("text_a", "text_b"), ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"),
    ("question", "sentence"),
)  # fmt: skip
LABEL_COLUMNS = ("label", "labels")


@dataclass(frozen=True)
class Columns:
    """The columns that the user named; None or empty means to look for a usual name.

    Args:
        text: one column, two for a pair, or with `delimiter` any number to join.
        label: a column of labels; labels: one 0/1 column per label.
        label_delimiter: between the names in one cell of `label`.
        group, time: for the validation split.
        remove: columns to ignore.
    """

    text: tuple[str, ...] = ()
    delimiter: str | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()
    label_delimiter: str | None = None
    id: str | None = None
    group: str | None = None
    time: str | None = None
    remove: tuple[str, ...] = ()


def describe_columns(data: Dataset) -> str:
    """The column names of a split, for an error."""
    return f"the columns are {join_first(data.column_names, 12)}"


def not_a_column(name: str, data: Dataset) -> str:
    """The message for a column that does not exist."""
    return f"there is no such column; {describe_columns(data)}.{did_you_mean(name, data.column_names)}"


def existing_column(data: Dataset, column: str, flag: str) -> str:
    """`column`, if the split has it.

    Raises:
        UsageError: there is no such column; the message begins with `flag`.
    """
    if column not in data.column_names:
        raise UsageError(f"{flag} {column}: {not_a_column(column, data)}")
    return column


def find_text_columns(data: Dataset) -> tuple[str, ...]:
    """The one text column, or the two of a pair, with usual names.

    Raises:
        UsageError: none, or several candidates.
    """
    pairs = [pair for pair in PAIR_COLUMNS if set(pair) <= set(data.column_names)]
    singles = [
        (name,) for name in TEXT_COLUMNS if name in data.column_names and not any(name in pair for pair in pairs)
    ]
    candidates: list[tuple[str, ...]] = [*pairs, *singles]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = join_first((" + ".join(candidate) for candidate in candidates), 9)
        raise UsageError(f"--text_column_names: several columns could be the text ({names}). Name the one you mean.")
    raise UsageError(
        f"--text_column_names: no column is called {join_first(TEXT_COLUMNS)}; {describe_columns(data)}. "
        "Name the text column, or two for pairs: --text_column_names a,b"
    )


def find_label_column(data: Dataset, given: str | None, split: str) -> str | None:
    """The label column: `given`, or the one with a usual name; None where test has none.

    Raises:
        UsageError: no such column (in train and validation), or several candidates.
    """
    if given:
        if split == "test" and given not in data.column_names:
            return None
        return existing_column(data, given, "--label_column_name")
    candidates = [name for name in LABEL_COLUMNS if name in data.column_names]
    if len(candidates) == 1 or (split == "test" and not candidates):
        return candidates[0] if candidates else None
    problem = f"no column is called {' or '.join(LABEL_COLUMNS)}"
    if candidates:
        problem = "several columns could be the label"
    raise UsageError(
        f"--label_column_name: {problem} in {split}; {describe_columns(data)}. Name it, or one 0/1 column per label: "
        "--label_column_names a,b,c."
    )
