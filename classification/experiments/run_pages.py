"""The page and the model card of a run, drawn from its files at its end; an error here costs the page only."""

from __future__ import annotations

from classification.cli.options import Options
from classification.reporting.run_result import Prepared


def write_neighbours(options: Options, prepared: Prepared) -> None:
    """neighbours.json: the training rows nearest to the test rows that the report shows."""


def write_pages(options: Options, prepared: Prepared) -> None:
    """report.html, and the model card beside a model that was trained."""
