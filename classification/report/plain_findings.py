"""Findings about the data in words that quote no text of a row, for what other people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classification.report.number_format import count

QUOTING = {  # findings whose own words quote a text -> words that do not
    "telltale_word": "single words predict a label almost perfectly, so the model may have learned only these words "
    "(rows with them: {counts})",
    "markup": "texts contain HTML (rows: {counts})",
    "unknown_tokens": "the tokenizer does not know some tokens, so the model cannot tell them apart ({counts})",
    "special_tokens": "texts contain special tokens, which are read as text (rows: {counts})",
}
PLAIN_KINDS = (  # whose words hold counts and names of labels only
    "exact_duplicates", "normalised_duplicates", "near_duplicates", "conflicting_labels", "label_spellings",
    "missing_class", "few_rows", "many_classes", "one_class", "imbalance", "sorted_labels", "unread_tokens",
    "dropped_rows", "sampled_checks",
)  # fmt: skip


def without_texts(finding: Mapping[str, Any], findings: list[dict[str, Any]]) -> str:
    """A finding in words that quote no text; of a kind that is not known here its name and count.

    Args:
        findings: all of them: those of one kind that quote texts are one sentence.
    """
    kind, split, rows = str(finding.get("kind")), str(finding.get("split")), count(finding.get("count"))
    if kind in QUOTING:
        same = [one for one in findings if one.get("kind") == kind]
        return QUOTING[kind].format(
            counts=", ".join(f"{count(one.get('count'))} of {one.get('split')}" for one in same)
        )
    if kind in PLAIN_KINDS:
        why = f": {finding['why']}" if finding.get("why") else ""
        return f"{str(finding.get('what')).rstrip('.')}{why}".rstrip(".")
    return f"{kind.replace('_', ' ')} ({split}): {rows}"
