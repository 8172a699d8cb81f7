"""Findings about the data: what was found, why it matters, and what to do."""

from __future__ import annotations

from typing import Any

from classification.evaluation.suspicious_scores import suspicions
from classification.report.json_fields import list_in
from classification.report.number_format import count
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles

SEVERITIES = {"error": ("error", "bad"), "warning": ("warning", "warn"), "note": ("note", "note")}
MOST, IDS, EXAMPLES = 40, 20, 3


def findings_section(run: RunFiles) -> Section:
    given = [finding for finding in list_in(run.record, "findings") if isinstance(finding, dict)]
    order = list(SEVERITIES)
    given.sort(key=lambda finding: order.index(finding["severity"]) if finding.get("severity") in order else len(order))
    shown = [one_finding(finding, with_texts=run.shows_texts) for finding in given[:MOST]]
    rest = len(given) - len(shown)
    left_out = f"{count(rest)} more are in run.json." if rest else ""
    serious = [finding for finding in shown if finding["class"] in ("warn", "bad")]
    notes = [finding for finding in shown if finding not in serious]
    values = {"serious": serious, "notes": notes, "doubts": suspicions(run.metrics, run.record)}
    return Section("findings", "Findings about the data", "findings.html.j2", values, left_out)


def one_finding(finding: dict[str, Any], *, with_texts: bool) -> dict[str, Any]:
    """A finding as the template needs it; its examples hold the beginnings of texts."""
    name, style = SEVERITIES.get(str(finding.get("severity")), ("note", "note"))
    ids = [str(row) for row in finding.get("ids") or ()]
    examples = [str(example) for example in finding.get("examples") or ()][:EXAMPLES] if with_texts else []
    return {
        **{field: sentence(finding.get(field)) for field in ("what", "why", "remedy")},
        "split": str(finding.get("split") or "").replace(",", " and "),
        "severity": name,
        "class": style,
        "count": finding.get("count"),
        "ids": ids[:IDS],
        "more_ids": max(len(ids), int(finding.get("count") or 0)) - IDS if len(ids) > IDS else 0,
        "examples": examples,
    }


def sentence(text: object) -> str:
    """A text as a sentence by itself.

    >>> sentence("the word 'film'"), sentence("Fix it!"), sentence(None)
    ("The word 'film'.", 'Fix it!', '')
    """
    words = str(text or "").strip()
    if not words:
        return ""
    return words[0].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")
