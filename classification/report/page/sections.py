"""A section of the report as a value. `page_order` lists the functions that make them."""

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
        template: a file in `templates/`, which gets `run` and `values`. `<name>.css` and `.js` beside it are used.
        left_out: a sentence about what the section does not show, printed below its heading.
    """

    anchor: str
    title: str
    template: str
    values: Mapping[str, Any]
    left_out: str = ""


MakeSection = Callable[[RunFiles], Section | None]  # None where the run has nothing to show
