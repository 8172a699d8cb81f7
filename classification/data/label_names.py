"""When the names of two sets of labels mean the same classes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from classification.data.label_values import as_int, label_key
from classification.errors import UsageError

PLACEHOLDER = re.compile(r"LABEL_(0|[1-9]\d*)")  # what the library calls class i of a model without names


def class_id(name: str) -> int | None:
    """The id that a name states: 3 for `LABEL_3`, "3" and "3.0"; None for any other name."""
    placeholder = PLACEHOLDER.fullmatch(str(name))
    return int(placeholder[1]) if placeholder else as_int(name)


def are_ids(names: Sequence[str]) -> bool:
    """Whether the names only count the classes: `LABEL_0`, `LABEL_1`, ... or 0, 1, ... in this order."""
    return [class_id(name) for name in names] == list(range(len(names)))


def folded(name: str) -> str:
    """A name without differences of case, spaces and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", str(name)).casefold().split())


def align(own: Sequence[str], trained: Sequence[str]) -> tuple[str, ...] | None:
    """`own` in the order of the same classes in `trained`, None where they are not the same set of classes.

    Names are the same where they are equal, where they differ in case or spaces only, or where both count the classes.

    >>> align(["negative", "positive"], ["Positive", "Negative"])
    ('positive', 'negative')
    >>> align(["0", "1"], ["LABEL_0", "LABEL_1"])
    ('0', '1')
    >>> align(["neg", "pos"], ["LABEL_0", "LABEL_1"]) is None
    True
    """
    by_id = (are_ids(trained) or are_ids(own)) and all(class_id(name) is not None for name in (*own, *trained))
    keys: list[Callable[[str], object]] = [label_key, class_id, folded] if by_id else [label_key, folded]
    for key in keys:
        places = {key(name): name for name in own}
        wanted = [key(name) for name in trained]
        if len(places) == len(own) and len(wanted) == len(set(wanted)) and places.keys() == set(wanted):
            return tuple(places[name] for name in wanted)
    return None


def names_in(config: Any) -> tuple[str, ...]:
    """The names of the classes of a model, by id.

    Raises:
        UsageError: an id without a name, or two ids with one name.
    """
    names = {int(i): str(name) for i, name in config.id2label.items()}
    if sorted(names) != list(range(len(names))) or len({label_key(name) for name in names.values()}) < len(names):
        raise UsageError(
            f"--model_name_or_path {config.name_or_path}: id2label in its config.json is {names}, which does not name "
            f"every class from 0 to {len(names) - 1} once. Correct it there."
        )
    return tuple(names[i] for i in range(len(names)))
