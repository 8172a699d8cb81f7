"""Text inside Markdown: whatever a label or the name of a data set holds, it stays text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from classification.messages.streams import on_one_line
from classification.report.number_format import FILTERS

TEMPLATES = Path(__file__).parent
SPECIAL = re.compile(  # what CommonMark, its tables or the Hub's formulas read inside a line
    r"([\\`*\[\]|~$@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))"
)
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
ADDRESS = re.compile(r"(?i)(?<=https):|(?<=http):|(?<=ftp):|(?<=mailto):|(?<=xmpp):|(?<=www)\.")  # else a link
LINE_SEPARATORS = re.compile("[\u2028\u2029]")


class Plain(str):
    """Markdown of ours, which is not escaped."""

    __slots__ = ()


def as_text(value: object) -> str:
    """A value as text in a line or a cell of Markdown.

    >>> as_text("a|b <i> *c*")
    'a\\\\|b &lt;i&gt; \\\\*c\\\\*'
    """
    if isinstance(value, Plain):
        return value
    line = LINE_SEPARATORS.sub(" ", on_one_line(" ".join(str(value).split())))
    escaped = ADDRESS.sub(lambda match: f"\\{match[0]}", SPECIAL.sub(r"\\\1", line.translate(ENTITIES)))
    return escaped.encode("utf-8", "replace").decode()  # JSON can hold halves of a character, which no file can


def fenced(code: str) -> Plain:
    """A block of Python, in a fence that the code cannot close."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return Plain(f"{fence}python\n{code}\n{fence}".encode("utf-8", "replace").decode())


@cache
def card_templates() -> Environment:
    """Templates in which every value is text, unless it is `Plain`; an unknown name fails."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), finalize=as_text, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, autoescape=False,
    )  # fmt: skip
    environment.filters.update(FILTERS)
    return environment
