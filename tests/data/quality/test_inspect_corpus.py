"""The registry of data checks: clean data has no findings, and a new check needs one line."""

from __future__ import annotations

import pytest
from planted import clean, encoded, findings_of, three_splits

from classification.data import quality
from classification.data.findings import NOTE, Finding


@pytest.mark.parametrize("split_off", [False, True])
def test_clean_data_has_no_findings(split_off):
    assert findings_of(three_splits(), split_off=split_off) == {}


@pytest.mark.parametrize("labels", ["several", "numbers"])
def test_clean_data_of_every_task_has_no_findings(labels):
    values = {"no": {"several": ["a"], "numbers": 0.5}, "yes": {"several": ["a", "b"], "numbers": 1.75}}
    rows = [row | {"label": values[row["label"]][labels]} for row in clean(120, 1)]
    assert findings_of({"train": rows}) == {}


def test_a_check_is_added_by_one_line_in_the_registry(monkeypatch):
    def find_anything(inspected):
        count = len(inspected.train)
        return [Finding(kind="rows", severity=NOTE, split="train", count=count, what="", why="", remedy="")]

    monkeypatch.setattr(quality, "CHECKS", (*quality.CHECKS, find_anything))
    data, task = encoded(three_splits())
    findings = quality.inspect_corpus(data, task, split_off=False, has_imbalance_flag=False)
    assert [(finding.kind, finding.count) for finding in findings] == [("rows", 200)]
