"""The sections of a report in their order: another one is one file `<name>_section.py` and one line here."""

from __future__ import annotations

from classification.report.page.baselines_section import baselines_section
from classification.report.page.classes_section import classes_section
from classification.report.page.confusion_section import confusion_section
from classification.report.page.cost_section import cost_section
from classification.report.page.curves_section import curves_section
from classification.report.page.decisions_section import decisions_section
from classification.report.page.errors_section import errors_section
from classification.report.page.findings_section import findings_section
from classification.report.page.headline_section import headline_section
from classification.report.page.learning_curve_section import learning_curve_section
from classification.report.page.numbers_section import numbers_section
from classification.report.page.probabilities_section import probabilities_section
from classification.report.page.reproduce_section import reproduce_section
from classification.report.page.search_section import search_section
from classification.report.page.sections import MakeSection
from classification.report.page.slices_section import slices_section
from classification.report.page.studies_section import studies_section

SECTIONS: tuple[MakeSection, ...] = (
    headline_section,  # the first screen
    studies_section,
    decisions_section,
    findings_section,
    curves_section,
    confusion_section,
    classes_section,
    probabilities_section,
    numbers_section,
    slices_section,
    errors_section,
    baselines_section,
    search_section,
    learning_curve_section,
    cost_section,
    reproduce_section,
)
