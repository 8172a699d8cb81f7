"""HTML tags and entities left in the texts."""

from __future__ import annotations

from collections import Counter

from classification.data.corpus import batched_texts
from classification.data.findings import NOTE, Finding, agree, example_fields, quantity
from classification.data.quality.inspected import Inspected
from classification.data.words import ENTITY, TAG
from classification.errors import join_first
from classification.messages.shown_texts import are_texts_shown

MAX_CHARACTERS = 20  # of a tag in the message


def find_markup(inspected: Inspected) -> list[Finding]:
    """One finding per split."""
    findings = []
    for split, data in inspected.splits.items():
        rows, tags = [], Counter[str]()
        for row, columns in enumerate(batched_texts(data)):
            found = [tag for text in columns if has_markup(text) for tag in markup_in(text)]
            rows += [row] if found else []
            tags.update(found)
        if not rows:
            continue
        examples = f" ({join_first((tag for tag, _ in tags.most_common()), 3)})" if are_texts_shown() else ""
        findings.append(
            Finding(
                kind="markup",
                severity=NOTE,
                split=split,
                count=len(rows),
                what=f"{quantity(len(rows), 'row')} of {split} {agree(len(rows), 'contain')} HTML" + examples,
                why="tags use up tokens, and later texts may have none",
                remedy="Replace tags by spaces, and entities by their characters",
                **example_fields(data, rows),
            )
        )
    return findings


def has_markup(text: str) -> bool:
    return ("<" in text and TAG.search(text) is not None) or ("&" in text and ENTITY.search(text) is not None)


def markup_in(text: str) -> list[str]:
    return [match.group()[:MAX_CHARACTERS] for pattern in (TAG, ENTITY) for match in pattern.finditer(text)]
