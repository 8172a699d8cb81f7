"""A finding about the data as a value: what was found where, why it matters, and what to do."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from datasets import Dataset

from classification.errors import UsageError, some

logger = logging.getLogger(__name__)

NOTE, WARNING, ERROR = "note", "warning", "error"  # unusual; will cost something; cannot be trained on
SEVERITIES = (ERROR, WARNING, NOTE)
KEPT_IDS = 1000
SHOWN_EXAMPLES = 3
SHOWN_TEXT = 60  # characters of a text in an example


@dataclass(frozen=True)
class Finding:
    """Something about the data that its owner would want to know.

    Args:
        kind: one word for it, such as `near_duplicates`.
        severity: `note`, `warning` or `error`.
        split: train, validation or test, or those it lies between, comma separated.
        count: of what `what` says, usually rows.
        what: what was found; why: what it does to training or to the figures; remedy: what mends it.
        ids: of rows concerned.
        examples: of it, with ids and the beginnings of texts.
    """

    kind: str
    severity: str
    split: str
    count: int
    what: str
    why: str
    remedy: str
    ids: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what}: {self.why}. {self.remedy}".rstrip()

    def as_dict(self) -> dict:
        """For JSON: at most 1,000 ids."""
        return asdict(self) | {"ids": list(self.ids[:KEPT_IDS])}


def beginning(text: str) -> str:
    """The first words of a text, on one line and in quotes."""
    line = " ".join(text.split())
    return f'"{line[:SHOWN_TEXT]}..."' if len(line) > SHOWN_TEXT else f'"{line}"'


def shown(data: Dataset, rows: Sequence[int]) -> dict:
    """The ids of `rows`, and examples of them with the beginnings of their texts: fields of a finding."""
    examples = (f"{row['id']}: {beginning(row['text'])}" for row in data.select(rows[:SHOWN_EXAMPLES]))
    return {"ids": tuple(data.select(rows)["id"]), "examples": tuple(examples)}


def say_findings(findings: Iterable[Finding]) -> None:
    """What is more than a note, a line each, and how many notes there are."""
    notes = []
    for finding in findings:
        if finding.severity == NOTE:
            notes.append(finding.kind)
        else:
            logger.warning("%s", finding)
    if notes:
        kinds = some(dict.fromkeys(notes), 9)
        logger.info("data         %d notes (%s): --check_data shows them, and so does run.json", len(notes), kinds)


def say_all(findings: Iterable[Finding]) -> None:
    """Every finding with examples of it, the gravest first."""
    for finding in sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)):
        logger.info("%-8s %s", finding.severity, finding)
        for example in finding.examples[:SHOWN_EXAMPLES] or finding.ids[:SHOWN_EXAMPLES]:
            logger.info("         %s", example)


def refuse(findings: Iterable[Finding], *, strict: bool) -> None:
    """Raise a UsageError where a finding is an error, or with `--strict` more than a note."""
    serious = [
        f"{finding.kind} ({finding.split})"
        for finding in findings
        if finding.severity == ERROR or (strict and finding.severity == WARNING)
    ]
    if serious:
        flag, otherwise = ("--strict: ", ", or leave --strict out") if strict else ("", "")
        raise UsageError(
            f"{flag}{len(serious)} findings about the data must not be: {some(serious, 9)}. Mend what the lines above "
            f"name{otherwise}."
        )
