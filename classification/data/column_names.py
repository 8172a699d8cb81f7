"""Which columns of the user's data are meant: those that the flags name, or those with a usual name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datasets import Dataset

from classification.data.named_columns import describe_columns, existing_column, loosened, match_column, shown
from classification.errors import UsageError, join_first

TEXT_COLUMNS = ("text", "sentence", "review", "content")
PAIR_COLUMNS = (
    ("text_a", "text_b"), ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"),
    ("question", "sentence"),
)  # fmt: skip
LABEL_COLUMNS = ("label", "labels")


@dataclass(frozen=True)
class Columns:
    """The columns that the user named, as they were typed; None or empty means to look for a usual name.

    Args:
        text: one column, two for a pair, or with `delimiter` any number to join.
        label: a column of labels; labels: one 0/1 column per label.
        label_delimiter: between the names in one cell of `label`.
        group, time: for the validation split.
        slices: columns whose values get results of their own.
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
    slices: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def single_names(self) -> list[tuple[str, str]]:
        """Flag and name of each column that may be a field of an object."""
        named = {"id_column_name": self.id, "label_column_name": self.label, "time_column": self.time}
        named["validation_group_column"] = self.group
        texts = [("--text_column_names", name) for name in self.text]
        return texts + [(f"--{flag}", name) for flag, name in named.items() if name]


def usual_columns(data: Dataset, names: Sequence[str]) -> list[str]:
    """The columns with these usual names; spaces around a name do not count."""
    columns = {loosened(column): column for column in reversed(data.column_names)}
    columns |= {column: column for column in data.column_names}
    return [columns[name] for name in names if name in columns]


def find_text_columns(data: Dataset, split: str) -> tuple[str, ...]:
    """The one text column, or the two of a pair, with usual names.

    Raises:
        UsageError: none, or several candidates.
    """
    pairs = [pair for names in PAIR_COLUMNS if len(pair := tuple(usual_columns(data, names))) == len(names)]
    singles = [(name,) for name in usual_columns(data, TEXT_COLUMNS) if not any(name in pair for pair in pairs)]
    candidates: list[tuple[str, ...]] = [*pairs, *singles]
    if len(candidates) == 1:
        return tuple(map(shown, candidates[0]))
    if candidates:
        names = join_first((" + ".join(candidate) for candidate in candidates), 9)
        raise UsageError(f"--text_column_names: several columns could be the text ({names}). Name the one you mean.")
    raise UsageError(
        f"--text_column_names: no column is called {join_first(TEXT_COLUMNS)} in {split}; "
        f"{describe_columns(data.column_names)}. Name the text column, or two for pairs: --text_column_names a,b"
    )


def find_label_column(data: Dataset, given: str | None, split: str) -> str | None:
    """The label column: `given`, or the one with a usual name; None where test has none.

    Raises:
        UsageError: no such column (in train and validation), or several candidates.
    """
    flag = "--label_column_name"
    if given:
        if split == "test" and match_column(given, data.column_names, flag) is None:
            return None
        return existing_column(data.column_names, given, flag, split)
    candidates = usual_columns(data, LABEL_COLUMNS)
    if len(candidates) == 1 or (split == "test" and not candidates):
        return candidates[0] if candidates else None
    problem = f"no column is called {' or '.join(LABEL_COLUMNS)}"
    if candidates:
        problem = "several columns could be the label"
    raise UsageError(
        f"{flag}: {problem} in {split}; {describe_columns(data.column_names)}. Name it, or one 0/1 column per label: "
        "--label_column_names a,b,c."
    )
