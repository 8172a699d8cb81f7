"""The page and the model card of a run, drawn from its files at its end; an error here costs the page only."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from classification.cli.options import Options
from classification.errors import cosmetic
from classification.experiments.neighbours import write_file
from classification.log import log_lines, warning
from classification.report.card.model_card import write_card
from classification.report.run_files import PAGE
from classification.report.study_files import kept_run
from classification.reporting.run_result import Prepared


def write_neighbours(options: Options, prepared: Prepared) -> None:
    """neighbours.json: the training rows nearest to the test rows that the report shows."""
    write_file(options, prepared)


def draw_report(folder: Path) -> None:
    """report.html in the folder of a run or a study; an error is a warning that tells how to draw it later."""
    lost: list[str] = []
    with cosmetic(PAGE, lost):
        from classification.report.page.page import write_page  # matplotlib takes a third of a second to load

        write_page(folder)
    if lost:
        log_lines([warning(f"to draw {PAGE} from the files of the run: python scripts/report.py {quote(str(folder))}")])


def write_study_pages(folder: Path) -> None:
    """report.html of a study, and the model card where it has kept a model."""
    draw_report(folder)
    kept = kept_run(folder)
    if kept is not None:
        with cosmetic("README.md"):
            write_card(folder, kept)


def write_pages(options: Options, prepared: Prepared) -> None:
    """report.html, and the model card beside a model that was trained; for a part of a study neither."""
    if options.is_part:  # a study has one page, and one card of the model that it keeps
        return
    draw_report(options.output_dir)
    if options.trains:
        with cosmetic("README.md"):
            write_card(options.output_dir)
