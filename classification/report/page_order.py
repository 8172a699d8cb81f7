"""The sections of a report in their order: another one is one file `<name>_section.py` and one line here."""

from __future__ import annotations

from classification.report.baselines_section import baselines_section
from classification.report.classes_section import classes_section
from classification.report.confusion_section import confusion_section
from classification.report.cost_section import cost_section
from classification.report.curves_section import curves_section
from classification.report.decisions_section import decisions_section
from classification.report.errors_section import errors_section
from classification.report.findings_section import findings_section
from classification.report.headline_section import headline_section
from classification.report.numbers_section import numbers_section
from classification.report.probabilities_section import probabilities_section
from classification.report.reproduce_section import reproduce_section
from classification.report.sections import MakeSection
from classification.report.slices_section import slices_section
from classification.report.studies_section import studies_section

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
    cost_section,
    reproduce_section,
)
