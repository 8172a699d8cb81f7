"""The sections of a report, in their order: another one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from classification.report.run_files import RunFiles


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Args:
        anchor: its id in the page, such as `slices`.
        title: its heading.
        template: a file in `templates/`, which gets `run` and `values`.
    """

    anchor: str
    title: str
    template: str
    values: Mapping[str, Any]


SECTIONS: tuple[Callable[[RunFiles], Section | None], ...] = ()
