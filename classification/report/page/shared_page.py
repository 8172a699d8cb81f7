"""The page of a run for people without its folder: without the list of rows, and without local paths and commands."""

from __future__ import annotations

from pathlib import Path

from classification.messages.shown_texts import texts_shown
from classification.report.page.errors_section import errors_section
from classification.report.page.page import draw_page
from classification.report.page.page_order import SECTIONS
from classification.report.page.reproduce_section import reproduce_section
from classification.report.shared_run import shared_run
from classification.report.study_files import read_folder
from classification.system.files import replacing

SHARED_SECTIONS = tuple(make for make in SECTIONS if make not in (errors_section, reproduce_section))


def write_shared_page(folder: Path, file: Path) -> None:
    """Draw the page of a run or a study from the files of `folder`. It is written completely or not at all.

    Raises:
        UsageError: the folder holds no run, or its files are damaged or do not belong together.
        OSError: the disk refuses the file.
    """
    run = read_folder(folder)
    with texts_shown(run.shows_texts):  # in the message of an error, which its owner reads
        page = draw_page(shared_run(run), SHARED_SECTIONS)
    with replacing(file) as handle:
        handle.write(page)
