"""What is typed after a flag: weights and thresholds as numbers, JSON or files."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"class_weights": "heavy"}, ["--class_weights heavy", "effective", "JSON"]),
        ({"class_weights": "weights.json"}, ["--class_weights weights.json", "No such file"]),
        ({"class_weights": "[1, 2]"}, ["--class_weights [1, 2]", '{"spam": 0.5}']),
        ({"class_weights": '{"a": 1, "a": 2}'}, ["--class_weights", "'a' is there twice"]),
        ({"class_weights": '{"a": NaN}'}, ["--class_weights", "the weight of 'a' is nan"]),
        ({"class_weights": '{"a": Infinity}'}, ["--class_weights", "the weight of 'a' is inf"]),
        ({"class_weights": '{"a": true}'}, ["--class_weights", "the weight of 'a' is True"]),
        ({"thresholds": "nan"}, ["--thresholds nan", "from 0 to 1"]),
        ({"thresholds": "0,5"}, ["--thresholds 0,5", "a number"]),
    ],
    ids=[
        "weights that are no weights",
        "weights in no file",
        "a list of weights",
        "one label twice",
        "nan",
        "infinity",
        "no number",
        "a threshold of nan",
        "a decimal comma",
    ],
)
def test_bad_weights_are_refused(flags, words, command):
    assert_refused(words, parse_arguments, command(**flags))


def test_weights_can_come_from_a_file_and_a_preset(train, preset, tmp_path):
    (tmp_path / "weights.json").write_text('{"positive": 7}', encoding="utf-8-sig")  # as a Windows editor saves it
    ways = [
        [*train, "--class_weights", str(tmp_path / "weights.json")],
        [*train, "--class_weights", '{"positive": 7}'],
        [preset(class_weights={"positive": 7}), *train],
    ]
    assert [parse_arguments(argv).loss.class_weights for argv in ways] == [{"positive": 7}] * 3
