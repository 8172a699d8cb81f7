"""The page and the model card of a run, drawn from its files at its end; an error here costs the page only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from classification.cli.options import Options
from classification.data.hub_access import SHARED_REPORT, PushTarget
from classification.errors import cosmetic
from classification.messages.log import log_lines, warning
from classification.report.card.model_card import CARD, write_card
from classification.report.run_files import PAGE
from classification.report.study_files import kept_run


@contextmanager
def written_later(file: str, folder: Path, lost: list[str]) -> Iterator[None]:
    """Inside, an error costs only `file`: a warning names the command that writes it from the files of the run."""
    is_written = False
    with cosmetic(file, lost, asked=False):
        yield
        is_written = True
    if not is_written:
        log_lines(
            [warning(f"to write {file} from the files of the run: python scripts/report.py {quote(str(folder))}")]
        )


def draw_report(folder: Path) -> None:
    """report.html in the folder of a run or a study."""
    from classification.report.page.page import write_page  # matplotlib takes a third of a second to load

    write_page(folder)


def draw_shared_report(target: PushTarget | None, folder: Path, lost: list[str]) -> None:
    """The page without texts that is pushed with the model, where `--push_report` asks for it."""
    if target is None or not target.with_report:
        return
    (folder / SHARED_REPORT).unlink(missing_ok=True)  # that of an earlier run must not be pushed
    with cosmetic(f"{SHARED_REPORT} (which is not pushed)", lost):
        from classification.report.page.shared_page import write_shared_page

        write_shared_page(folder, folder / SHARED_REPORT)


def write_study_pages(folder: Path, lost: list[str]) -> None:
    """report.html of a study, and the model card where it has kept a model; `lost` gets what an error has cost."""
    with written_later(PAGE, folder, lost):
        draw_report(folder)
    with written_later(CARD, folder, lost):
        kept = kept_run(folder)
        if kept is not None:
            write_card(folder, kept)


def write_pages(options: Options, lost: list[str]) -> None:
    """report.html, and the model card beside a model that was trained; for a part of a study neither.

    Args:
        lost: gets what an error has cost.
    """
    if options.is_part:  # a study has one page, and one card of the model that it keeps
        return
    with written_later(PAGE, options.output_dir, lost):
        draw_report(options.output_dir)
    if options.trains:
        with written_later(CARD, options.output_dir, lost):
            write_card(options.output_dir)
