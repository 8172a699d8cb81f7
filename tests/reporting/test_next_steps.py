"""The end of a run: the files that exist, and lines of Python that load the model."""

from __future__ import annotations

import ast

import pytest

from classification.data.tasks import infer_task
from classification.models.usage_lines import usage
from classification.reporting.next_steps import next_steps

TASKS = {"one label": ["a", "b"], "several labels": [["a"], ["b"], []], "a number": [1.5, 2.5]}


def test_only_files_that_exist_are_listed(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "seed-1").mkdir()
    (tmp_path / "seed-1" / "run.json").write_text("{}")
    lines = next_steps(tmp_path, model=str(tmp_path), task=infer_task(["a", "b"]), seconds=61.4)
    text = "\n".join(line.text for line in lines)
    assert f"Files in {tmp_path} (run time 61 s):" in text
    before = next_steps(tmp_path, model=str(tmp_path), task=infer_task(["a", "b"]), seconds=None)[0]
    assert f"Files in {tmp_path}:" in before.text  # of a run that was finished before
    assert "  run          run.json" in text and "predictions.csv" not in text
    assert "  seed-1       run.json" in text


def test_folds_leave_no_single_model(tmp_path):
    lines = next_steps(tmp_path, model=None, task=infer_task(["a", "b"]), seconds=1)
    assert "without --folds" in lines[-1].text and "pipeline" not in "".join(line.text for line in lines)


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("config", ["{}", '{"truncation_strategy": "window", "auto_map": {}}'])
def test_the_lines_are_python(tmp_path, kind, config):
    (tmp_path / "config.json").write_text(config)
    text = usage(str(tmp_path), infer_task(TASKS[kind]))
    code, *command = text.split("\n  python ")
    ast.parse("if True:\n" + code)
    assert "truncation=True" in code and str(tmp_path) in code
    assert ("trust_remote_code=True" in code) == ("auto_map" in config)
    assert command == ([f"predict.py {tmp_path} FILE"] if "window" in config else [])
