"""A plot of the report with its heading and the sentence that says what to see in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Panel:
    """One SVG; the name of a class below it, in any script, "" for none; a short text beside the name."""

    svg: Markup
    name: str = ""
    text: str = ""


@dataclass(frozen=True)
class Block:
    """A heading, a sentence computed from the data, and plots.

    Args:
        sentence: may hold HTML whose names are escaped, from `with_names`.
        is_wide: the panels are a row of small plots across the page.
    """

    title: str
    sentence: Markup | str
    panels: Sequence[Panel]
    note: str = ""
    is_wide: bool = False


def with_names(template: str, *names: str, **texts: object) -> Markup:
    """A sentence with names of classes in it, isolated from the direction of the text around them.

    >>> str(with_names("{} of {n}", "<b>", n=3))
    '<bdi dir="auto">&lt;b&gt;</bdi> of 3'
    """
    isolated = [Markup('<bdi dir="auto">{}</bdi>').format(name) for name in names]
    return Markup(template).format(*isolated, **texts)
