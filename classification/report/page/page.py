"""The page of a run: its sections drawn one by one into one file that loads nothing, of at most 10 MB."""

from __future__ import annotations

import base64
import hashlib
import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from classification.errors import cosmetic
from classification.messages.shown_texts import texts_shown
from classification.report.number_format import FILTERS
from classification.report.page.figures import drawing
from classification.report.page.page_order import SECTIONS
from classification.report.page.sections import MakeSection, Section
from classification.report.run_files import PAGE, RunFiles
from classification.report.run_words import describe_run
from classification.report.study_files import read_folder
from classification.system.files import replacing

logger = logging.getLogger(__name__)

MAX_BYTES = 10_000_000
TEMPLATES = Path(__file__).parent / "templates"
LARGE = 200_000  # bytes from which a section is drawn again with a smaller budget, or left out at last
LEAST_BUDGET = 50_000  # bytes


@dataclass(frozen=True)
class Drawn:
    """A section as HTML, and the function that made it."""

    make: MakeSection
    section: Section
    body: Markup

    @property
    def size(self) -> int:
        return len(self.body.encode("utf-8", "replace"))


def write_page(folder: Path) -> Path:
    """Draw report.html in the folder of a run or a study, from its files alone. It is written completely or not at all.

    Raises:
        UsageError: the folder holds no run, or its files are damaged or do not belong together.
        OSError: the disk refuses the file.
    """
    run = read_folder(folder)
    with texts_shown(run.shows_texts):  # in the message of an error
        page = draw_page(run)
    with replacing(folder / PAGE) as handle:
        handle.write(page)
    return folder / PAGE


def draw_page(run: RunFiles, sections: Sequence[MakeSection] = SECTIONS) -> str:
    """The whole page as text; the first of `sections` is the first screen.

    A section with an error is left out with a warning. Where the page would be larger than `MAX_BYTES`, large sections
    are drawn again with a smaller `byte_budget`, and left out if that does not help.
    """
    with drawing():
        drawn = [one for make in sections if (one := draw_section(run, make))]
        page = assemble(run, drawn)
        budget = run.byte_budget
        while (excess := size_of(page) - MAX_BYTES) > 0 and budget > 0:
            budget = smaller_budget(budget, excess, sum(one.size for one in drawn if one.size > LARGE))
            smaller = replace(run, byte_budget=budget)
            drawn = [(draw_section(smaller, one.make) or one) if one.size > LARGE else one for one in drawn]
            page = assemble(run, drawn)
        while size_of(page) > MAX_BYTES and max(one.size for one in drawn) > LARGE:
            drawn = without_largest(drawn)
            page = assemble(run, drawn)
    return page


def smaller_budget(budget: int, excess: int, large: int) -> int:
    """A budget with which sections of `large` bytes should become smaller by `excess`; 0 where that is hopeless."""
    share = 0.95 * (1 - excess / large) if large else 0.0
    return int(budget * share) if budget * share > LEAST_BUDGET else 0


def size_of(page: str) -> int:
    return len(page.encode())


def draw_section(run: RunFiles, make: MakeSection) -> Drawn | None:
    """One section; None where it has nothing to show or fails."""
    with cosmetic(f"{PAGE}: {make.__name__.removesuffix('_section').replace('_', ' ')}"):
        section = make(run)
        if section is not None:
            body = templates().get_template(section.template).render(run=run, values=section.values, section=section)
            return Drawn(make, section, Markup(body))
    return None


def without_largest(drawn: list[Drawn]) -> list[Drawn]:
    """The sections with a note in the place of the largest one, so that the page keeps its limit."""
    largest = max(drawn, key=lambda one: one.size)
    logger.warning(
        "%s: the section %r is left out, because it has %.1f MB", PAGE, largest.section.title, largest.size / 1e6
    )
    note = f"This section is left out: with its {largest.size / 1e6:.1f} MB, the page would be larger than 10 MB."
    section = replace(largest.section, template="", left_out=note)
    return [replace(one, section=section, body=Markup("")) if one is largest else one for one in drawn]


def assemble(run: RunFiles, drawn: Sequence[Drawn]) -> str:
    """The page around its sections."""
    stems = [one.section.template.removesuffix(".html.j2") for one in drawn if one.section.template]
    script = "\n".join(text for stem in ("report", *dict.fromkeys(stems)) if (text := asset(f"{stem}.js")))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = templates().get_template("report.html.j2").render(
        title=describe_run(run),
        script_source=Markup(f"'sha256-{digest}'" if script else "'none'"),
        style=Markup("\n".join(text for name in ("report", *dict.fromkeys(stems)) if (text := asset(f"{name}.css")))),
        script=Markup(script),
        first=drawn[0],
        rest=drawn[1:],
        folder="" if run.is_shared else shlex.quote(str(run.folder)),
    )  # fmt: skip
    return page.encode("utf-8", "replace").decode()  # JSON can hold halves of a character, which no file can


@cache
def asset(name: str) -> str:
    """A style sheet or a script in `templates/`; "" where there is none."""
    path = TEMPLATES / name
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


@cache
def templates() -> Environment:
    """Templates that escape every value, and fail where a name is unknown."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(FILTERS)
    return environment
