"""What is known about the labels before the task is decided."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelHints:
    """What the data and the command line say about the labels.

    Args:
        class_names: of a `datasets.ClassLabel` or of 0/1 columns, in their order.
        do_regression: None where `--do_regression` was not given.
        delimiter: between the names of several labels in one cell; None means JSON arrays.
    """

    class_names: tuple[str, ...] | None = None
    do_regression: bool | None = None
    delimiter: str | None = None
