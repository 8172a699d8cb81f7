"""Explanations as one HTML page that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from classification.inference.explained_text import completeness, segments
from classification.inference.explanation import Explanation
from classification.system.files import replacing

TEMPLATES = Path(__file__).parent / "templates"
MAX_TEXTS = 200  # a page with more is slow to open


def write_explanations(path: Path, explanations: Sequence[Explanation], model: str, left_out: int = 0) -> None:
    """Write the page of `--explain_html`, completely or not at all; the first `MAX_TEXTS` texts are shown.

    Args:
        model: its name. left_out: how many explained texts `explanations` lacks.

    Raises:
        OSError: the disk refuses the file.
    """
    with replacing(path) as handle:
        handle.write(draw_explanations(explanations, model, left_out))


def draw_explanations(explanations: Sequence[Explanation], model: str, left_out: int = 0) -> str:
    """The whole page as text; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("explanation.html.j2").render(
        title=f"Answers of {Path(model).name or model}, explained",
        model=model,
        style=Markup((TEMPLATES / "explanation.css").read_text(encoding="utf-8").strip()),
        explanations=explanations[:MAX_TEXTS],
        left_out=left_out + max(0, len(explanations) - MAX_TEXTS),
        segments=segments,
        completeness=completeness,
    )
    return page.encode("utf-8", "replace").decode()
