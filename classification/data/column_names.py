"""Which columns of the user's data are meant: those that the flags name, or those with a usual name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from classification.data.named_columns import describe_columns, existing_column, loosened, match_column, shown
from classification.errors import UsageError, join_first
from classification.messages.shown_texts import column_title

TEXT_COLUMNS = ("text", "sentence", "review", "content")
PAIR_COLUMNS = (
    ("text_a", "text_b"), ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"),
    ("question", "sentence"),
)  # fmt: skip
LABEL_COLUMNS = ("label", "labels")
ID_COLUMNS = ("id", "guid", "idx")


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
    def label_columns(self) -> tuple[str, ...]:
        """All columns that hold labels; () where none is named."""
        return self.labels or ((self.label,) if self.label else ())

    @property
    def label_flag(self) -> str:
        """The flag that names the label columns, with its value; "" without one."""
        if self.labels:
            return f"--label_column_names {','.join(self.labels)}"
        return f"--label_column_name {self.label}" if self.label else ""

    @property
    def single_names(self) -> list[tuple[str, str]]:
        """Flag and name of each column that may be a field of an object."""
        named = {"id_column_name": self.id, "label_column_name": self.label, "time_column": self.time}
        named["validation_group_column"] = self.group
        texts = [("--text_column_names", name) for name in self.text]
        return texts + [(f"--{flag}", name) for flag, name in named.items() if name]


@dataclass(frozen=True)
class UsedColumns:
    """The names of the columns that were read, as the data has them.

    Args:
        text: one, two of a pair, or with `delimiter` those that were joined.
        label: None where several columns, or none, hold the labels.
        labels: one 0/1 column per label. label_delimiter: between the names in one cell of `label`.
    """

    text: tuple[str, ...] = ()
    delimiter: str | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()
    label_delimiter: str | None = None

    def as_dict(self) -> dict[str, object]:
        """For data_statistics.json. A name that may be a text is left out where texts are hidden."""
        names = [*self.text, *self.labels, *filter(None, [self.label])]
        used = UsedColumns() if any(column_title(name) != name for name in names) else self
        return {
            "text_columns": list(used.text),
            "text_column_delimiter": used.delimiter if len(used.text) > 1 else None,
            "label_column": used.label,
            "label_columns": list(used.labels),
            "label_delimiter": used.label_delimiter,
        }


def usual_columns(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """The columns with these usual names; spaces around a name do not count."""
    known = {loosened(column): column for column in reversed(columns)}
    known |= {column: column for column in columns}
    return [known[name] for name in names if name in known]


def find_text_columns(columns: Sequence[str], split: str) -> tuple[str, ...]:
    """The one text column, or the two of a pair, with usual names.

    Raises:
        UsageError: none, or several candidates.
    """
    pairs = [pair for names in PAIR_COLUMNS if len(pair := tuple(usual_columns(columns, names))) == len(names)]
    singles = [(name,) for name in usual_columns(columns, TEXT_COLUMNS) if not any(name in pair for pair in pairs)]
    candidates: list[tuple[str, ...]] = [*pairs, *singles]
    if len(candidates) == 1:
        return tuple(map(shown, candidates[0]))
    if candidates:
        names = join_first((" + ".join(candidate) for candidate in candidates), 9)
        raise UsageError(f"--text_column_names: several columns could be the text ({names}). Name the one you mean.")
    raise UsageError(
        f"--text_column_names: no column is called {join_first(TEXT_COLUMNS)} in {split}; "
        f"{describe_columns(columns)}. Name the text column, or two for pairs: --text_column_names a,b"
    )


def find_label_column(columns: Sequence[str], given: str | None, split: str) -> str | None:
    """The label column: `given`, or the one with a usual name; None where test has none.

    Raises:
        UsageError: no such column (in train and validation), or several candidates.
    """
    flag = "--label_column_name"
    if given:
        if split == "test" and match_column(given, columns, flag) is None:
            return None
        return existing_column(columns, given, flag, split)
    candidates = usual_columns(columns, LABEL_COLUMNS)
    if len(candidates) == 1 or (split == "test" and not candidates):
        return candidates[0] if candidates else None
    problem = f"no column is called {' or '.join(LABEL_COLUMNS)}"
    if candidates:
        problem = "several columns could be the label"
    raise UsageError(
        f"{flag}: {problem} in {split}; {describe_columns(columns)}. Name it, or one 0/1 column per label: "
        "--label_column_names a,b,c."
    )
