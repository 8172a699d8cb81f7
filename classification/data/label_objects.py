"""Labels that are objects: `{"id": 0, "name": "joy"}` is the name, `{"joy": 1, "fear": 0}` the names with 1."""

from __future__ import annotations

from collections.abc import Iterable

from classification.data.label_cells import Cells, RawLabels
from classification.data.label_values import as_yes_no, is_missing
from classification.errors import UsageError, join_first
from classification.messages.shown_texts import column_title, quoted

NAME_FIELDS = ("name", "label")
NO_LABELS = {"id", "name", "label", "value", "text", "title", "color", "score"}  # fields that describe a label


def objects_in(values: Iterable) -> list[dict]:
    """The objects among the cells and in lists."""
    items = (item for value in values for item in (value if isinstance(value, list) else [value]))
    return [item for item in items if isinstance(item, dict)]


def read_objects(cells: Cells) -> RawLabels:
    """The names that the objects have, or the fields whose value is 1.

    Raises:
        UsageError: it is not clear which field is the name.
    """
    objects = objects_in(cells.values)
    fields = list(dict.fromkeys(field for item in objects for field in item))
    if are_flags(objects, fields) and not any(isinstance(value, list) for value in cells.values):
        return read_flags(cells, fields)
    named = [field for field in NAME_FIELDS if is_a_name(objects, field)]
    if len(named) != 1:
        fields_text = join_first(map(column_title, fields), 12) or "none"
        example = next((field for field in fields if is_a_name(objects, field)), fields[0] if fields else "FIELD")
        problem = f"the labels of {cells.split} are objects with the fields {fields_text}"
        raise UsageError(
            f"{cells.flag}: {problem}. Name the field that is the label: --label_column_name "
            f"'{cells.column}.{column_title(example)}'"
        )
    field = named[0]

    def name(value: object) -> object:
        if isinstance(value, list):
            return [name(item) for item in value]
        return value.get(field) if isinstance(value, dict) else value

    given = join_first(map(column_title, fields), 6)
    note = f"'{cells.column}' has objects, of which the field '{field}' is the label (fields: {given})"
    values = [name(value) for value in cells.values]
    return RawLabels([None if is_missing(value) else value for value in values], note=note)


def is_a_name(objects: list[dict], field: str) -> bool:
    """Whether a field has text in every object that has it, and in at least one."""
    values = [item.get(field) for item in objects if item.get(field) is not None]
    return bool(values) and all(isinstance(value, str) for value in values)


def are_flags(objects: list[dict], fields: list[str]) -> bool:
    """Whether each field is a label with 0 or 1 (or true and false); a field that an object lacks is 0."""
    values = [value for item in objects for value in item.values() if value is not None]
    names_labels = len(fields) > 1 and not NO_LABELS & {field.lower() for field in fields}
    return names_labels and all(as_yes_no(value) is not None for value in values)


def read_flags(cells: Cells, fields: list[str]) -> RawLabels:
    """Each row gets the names of its fields with 1.

    Raises:
        UsageError: a cell is not an object.
    """
    values: list[list[str] | None] = []
    for row, value in enumerate(cells.values):
        if value is not None and not isinstance(value, dict):
            raise UsageError(
                f"{cells.flag}: {cells.row(row)} has {quoted(value)} where other rows have objects of 0 and 1. "
                "Correct it."
            )
        values.append(None if value is None else [field for field in fields if as_yes_no(value.get(field))])
    note = f"'{cells.column}' has objects with 0 or 1 for each label"
    return RawLabels(values, tuple(fields), note)
