"""A resumed training repeats the decision rule, where the rule chooses its checkpoint."""

from __future__ import annotations

import json

import pytest
from datasets import Dataset, DatasetDict

from classification.data.fingerprints import fingerprint
from classification.data.tasks import infer_task
from classification.training.run_fingerprint import fingerprint_of_task
from classification.training.unmarked_runs import was_finished

TWO, SEVERAL = infer_task(["ham", "spam"]), infer_task([["a"], ["b"], []])


def test_costs_and_thresholds_are_compared_where_they_choose_the_checkpoint():
    plain, spam = (fingerprint_of_task(task, needs_thresholds=True) for task in (TWO, TWO.with_thresholds(0.25)))
    assert set(plain.items()) ^ set(spam.items()) == {("decision costs", "[[0.0, 0.25], [0.75, 0.0]]")}
    assert fingerprint_of_task(TWO.with_thresholds(0.25), needs_thresholds=False) == fingerprint_of_task(
        TWO, needs_thresholds=False
    )
    assert fingerprint_of_task(SEVERAL, needs_thresholds=True)["--thresholds"] == "[0.5, 0.5]"


@pytest.mark.parametrize("flag", [None, "costs", "target_precision", "target_recall", "thresholds"])
def test_a_finished_run_of_the_first_version_had_no_such_rule(flag, tmp_path):
    rows = Dataset.from_dict({"id": ["x"], "text": ["good"], "label": [0]})
    record = {
        "arguments": {"thresholds": None}, "results": {"test_samples": 1},
        "data": {"test": {"fingerprint": fingerprint(rows)}},
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "all_results.json").write_text("{}")
    flags = {flag: "0.9"} if flag else {}
    assert was_finished(tmp_path, DatasetDict(test=rows), ["predict"], flags) == (flag is None)
