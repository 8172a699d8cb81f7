"""run.json and all_results.json: valid JSON whatever the numbers, and no secret."""

from __future__ import annotations

import json

import numpy as np

from classification.reporting.run_record import redact, redact_command, write_json


def test_infinite_metrics_stay_valid_json(tmp_path):
    write_json(tmp_path / "x.json", {"a": float("-inf"), "b": np.float32(0.5), "c": [np.int64(3), float("nan")]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": 0.5, "c": [3, None]}


def test_a_secret_is_redacted_in_both_spellings():
    command = ["--token", "a", "--hub-token=b", "--seed", "1"]
    assert redact_command(command) == ["--token", "<redacted>", "--hub-token=<redacted>", "--seed", "1"]


def test_a_secret_is_redacted_among_the_arguments():
    arguments = {"token": "a", "seed": 1, "trainer": {"hub_token": "b", "push_to_hub_token": None}}
    expected = {"token": "<redacted>", "seed": 1, "trainer": {"hub_token": "<redacted>", "push_to_hub_token": None}}
    assert redact(arguments) == expected
