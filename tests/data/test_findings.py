"""Findings as lines for people, as JSON, and as a refusal."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from corpus import splits_of

from classification.data.findings import (
    ERROR,
    NOTE,
    WARNING,
    Finding,
    agree,
    beginning,
    example_fields,
    listing_of,
    quantity,
    refuse,
    summary_of,
)
from classification.errors import UsageError

FINDING = Finding(
    kind="markup", severity=NOTE, split="train", count=2, what="2 rows of train contain HTML", why="tags use up tokens",
    remedy="Remove them", ids=("a", "b"), examples=("a: <br>",),
)  # fmt: skip
LEAK = replace(FINDING, kind="leak", severity=WARNING, split="train, test", what="1 text is in both")
BLANK = replace(FINDING, kind="blank_text", severity=ERROR, what="1 row has no text", examples=())


def test_the_summary_has_a_line_per_warning_and_one_for_all_notes():
    lines = summary_of([FINDING, LEAK, replace(FINDING, kind="few"), FINDING])
    assert [(line.topic, line.level) for line in lines] == [("", logging.WARNING), ("data", logging.INFO)]
    assert lines[0].text == "1 text is in both: tags use up tokens. Remove them"
    assert lines[1].text == "3 notes (markup, few): listed by --check_data and in run.json"
    assert summary_of([]) == []


def test_the_listing_has_every_finding_with_examples_most_severe_first():
    lines = listing_of([FINDING, LEAK, BLANK])
    assert [line.topic for line in lines] == ["error", "", "", "warning", "", "note", ""]
    assert [line.text.strip() for line in lines[1:3]] == ["a", "b"]  # ids, where there are no examples
    assert lines[-1].text == " " * 13 + "a: <br>"


def test_errors_are_always_refused_and_warnings_when_strict():
    refuse([FINDING, LEAK], strict=False)
    refuse([FINDING], strict=True)
    with pytest.raises(UsageError, match=r"^data checks failed: 1 finding \(blank_text \(train\)\). Fix the problems"):
        refuse([BLANK, LEAK, FINDING], strict=False)
    with pytest.raises(UsageError, match=r"^--strict: data checks failed: 2 findings .*leak \(train, test\).*--strict"):
        refuse([BLANK, LEAK, FINDING], strict=True)


def test_json_has_at_most_a_thousand_ids():
    many = replace(FINDING, ids=tuple(map(str, range(2000))))
    assert len(many.as_dict()["ids"]) == 1000 and many.as_dict()["kind"] == "markup"


def test_examples_are_the_beginnings_of_texts_on_one_line():
    data = splits_of([{"id": str(i), "text": "one\ntwo " + "word " * 30} for i in range(9)])["train"]
    fields = example_fields(data, [1, 2, 3, 4])
    assert fields["ids"] == ("1", "2", "3", "4") and len(fields["examples"]) == 3
    assert fields["examples"][0].startswith('1: "one two word word') and fields["examples"][0].endswith('..."')
    assert beginning("short") == '"short"'


def test_numbers_agree_with_their_nouns_and_verbs():
    assert quantity(1, "row") == "1 row" and quantity(0, "row") == "0 rows"
    verbs = ("have", "are", "were", "repeat")
    assert [agree(1, verb) for verb in verbs] == ["has", "is", "was", "repeats"]
    assert [agree(2, verb) for verb in verbs] == list(verbs)
