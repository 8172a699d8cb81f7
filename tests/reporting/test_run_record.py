"""run.json and all_results.json: valid JSON whatever the numbers, and no secret."""

from __future__ import annotations

import json
import shutil

import numpy as np

from classification.reporting.run_record import run_record, write_json


def test_infinite_metrics_stay_valid_json(tmp_path):
    write_json(tmp_path / "x.json", {"a": float("-inf"), "b": np.float32(0.5), "c": [np.int64(3), float("nan")]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": 0.5, "c": [3, None]}


def test_a_secret_of_the_command_line_or_a_preset_is_nowhere_in_the_record():
    argv = ["preset.yaml", "--token", "sentinel-one", "--run_name=sentinel-two", "--seed", "1"]
    arguments = {"token": "sentinel-one", "run_name": "sentinel-two", "trainer": {"hub_token": "sentinel-two"}}
    record = run_record(argv, arguments, results={"loss": 0.5})
    assert "sentinel" not in json.dumps(record) and record["results"] == {"loss": 0.5}
    assert record["command"] == [
        "run_classification.py", "preset.yaml", "--token", "<redacted>", "--run_name=<redacted>", "--seed", "1",
    ]  # fmt: skip
    assert record["arguments"]["trainer"] == {"hub_token": "<redacted>"}


def test_the_flags_that_repeat_a_run_have_no_secret():
    flags = {"token": "sentinel-one", "run_name": "of sentinel-one", "train_file": "https://me:sentinel@host/a.csv"}
    record = run_record(["--token", "sentinel-one"], {"token": "sentinel-one"}, flags=flags, seed=3)
    hidden = {"token": "<redacted>", "run_name": "of <redacted>", "train_file": "https://<redacted>@host/a.csv"}
    assert record["flags"] == hidden and record["seed"] == 3


def test_names_that_are_not_utf8_can_be_written(tmp_path):
    """Such as the name of the working directory."""
    write_json(tmp_path / "x.json", {"folder": "/d\udcff", "name": "標題"})
    assert json.loads((tmp_path / "x.json").read_text()) == {"folder": "/d\udcff", "name": "標題"}


def test_the_commit_of_a_model_on_the_hub_is_recorded(tmp_path, tiny_model):
    """`main` can be another model tomorrow."""
    folder, commit = tmp_path / "models--me--model", "a" * 40
    shutil.copytree(tiny_model, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    arguments = {"model_name_or_path": "me/model", "model_revision": "main", "cache_dir": str(tmp_path)}
    assert run_record([], arguments)["commits"] == {"model_name_or_path": commit}
    taught = {
        "model_name_or_path": tiny_model,
        "model_revision": "other",
        "teacher": "me/model",
        "cache_dir": str(tmp_path),
    }
    assert run_record([], taught)["commits"] == {"teacher": commit}
    for name in (tiny_model, "bilstm", "not/in/cache", "me/other"):
        assert run_record([], arguments | {"model_name_or_path": name})["commits"] == {}
