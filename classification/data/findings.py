"""A finding about the data as a value: what was found and where, why it matters, and what to do."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypedDict

from classification.errors import UsageError, join_first
from classification.messages.log import Line, log_lines, warning
from classification.messages.shown_texts import are_texts_shown, quoted

if TYPE_CHECKING:
    from datasets import Dataset

NOTE, WARNING, ERROR = "note", "warning", "error"  # unusual; costs quality; cannot be trained on
SEVERITIES = (ERROR, WARNING, NOTE)
MAX_IDS = 1000
MAX_EXAMPLES = 3
MAX_CHARACTERS = 60  # of a text in an example


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about the data that its owner would want to know.

    Args:
        kind: one word for the problem, such as `near_duplicates`.
        severity: `note`, `warning` or `error`.
        split: train, validation or test; two splits are comma separated.
        count: of the noun in `what`, usually rows.
        what: the problem; why: its effect on training or on the metrics; remedy: how to fix it.
        ids: of the rows concerned.
        examples: rows with ids and the beginnings of their texts; ids alone with `--report_texts false`.
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

    def as_dict(self) -> dict[str, object]:
        """For JSON: at most 1,000 ids."""
        return asdict(self) | {"ids": list(self.ids[:MAX_IDS])}


class ExampleFields(TypedDict):
    """The fields of a finding that `example_fields` fills."""

    ids: tuple[str, ...]
    examples: tuple[str, ...]


def example_fields(data: Dataset, rows: Sequence[int]) -> ExampleFields:
    """`ids` and `examples` of a finding about `rows` of a split."""
    examples = (example_of(row["id"], row["text"]) for row in data.select(rows[:MAX_EXAMPLES]))
    return {"ids": tuple(data.select(rows)["id"]), "examples": tuple(examples)}


def example_of(title: str, *texts: str) -> str:
    """Ids, or ids with labels, and the beginnings of the texts where these may be shown."""
    return f"{title}: {' / '.join(map(beginning, texts))}" if are_texts_shown() else title


def beginning(text: str) -> str:
    """The first words of a text, on one line and in quotes."""
    if not are_texts_shown():
        return quoted(text)
    line = " ".join(text.split())
    return f'"{line[:MAX_CHARACTERS]}..."' if len(line) > MAX_CHARACTERS else f'"{line}"'


def quantity(count: int, noun: str) -> str:
    """A number and its noun.

    >>> quantity(1, "row"), quantity(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def agree(count: int, verb: str) -> str:
    """The verb (given in the plural) for a number of things.

    >>> agree(1, "have"), agree(2, "have"), agree(1, "repeat")
    ('has', 'have', 'repeats')
    """
    return verb if count != 1 else {"have": "has", "are": "is", "were": "was"}.get(verb, f"{verb}s")


def summary_of(findings: Iterable[Finding]) -> list[Line]:
    """One line per error and warning, and one line for all notes together."""
    findings = list(findings)
    lines = [warning(str(finding)) for finding in findings if finding.severity != NOTE]
    notes = [finding.kind for finding in findings if finding.severity == NOTE]
    if notes:
        kinds = join_first(dict.fromkeys(notes), 9)
        lines.append(Line("data", f"{quantity(len(notes), 'note')} ({kinds}): listed by --check_data and in run.json"))
    return lines


def listing_of(findings: Iterable[Finding]) -> list[Line]:
    """Every finding with its examples, the most severe first."""
    lines = []
    for finding in sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)):
        lines.append(Line(finding.severity, str(finding), logging.INFO))
        examples = finding.examples or finding.ids
        lines += [Line("", f"{'':12} {example}") for example in examples[:MAX_EXAMPLES]]
    return lines


def report(findings: Sequence[Finding], *, strict: bool) -> None:
    """Log the findings, then raise a UsageError where `refuse` does."""
    log_lines(summary_of(findings))
    refuse(findings, strict=strict)


def refuse(findings: Iterable[Finding], *, strict: bool) -> None:
    """Raise a UsageError if a finding is an error, or with `--strict` a warning."""
    serious = [
        f"{finding.kind} ({finding.split})"
        for finding in findings
        if finding.severity == ERROR or (strict and finding.severity == WARNING)
    ]
    if serious:
        flag, alternative = ("--strict: ", ", or leave --strict out") if strict else ("", "")
        raise UsageError(
            f"{flag}data checks failed: {quantity(len(serious), 'finding')} ({join_first(serious, 9)}). "
            f"Fix the problems listed above{alternative}."
        )


@contextmanager
def errors_as_findings(findings: list[Finding], split: str, *, wanted: bool) -> Iterator[None]:
    """For `--check_data`: a refused split becomes a finding, and the checks go on."""
    try:
        yield
    except UsageError as error:
        if not wanted:
            raise
        problem = str(error).rstrip(".")
        findings.append(
            Finding(
                kind="one_class",
                severity=ERROR,
                split=split,
                count=1,
                what=problem,
                why="training refuses it",
                remedy="",
            )
        )
