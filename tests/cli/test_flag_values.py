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
        ({"target_precision": "95"}, ["--target_precision 95", "Write 95% as 0.95"]),
        ({"target_recall": "1"}, ["--target_recall 1", "between 0 and 1"]),
        ({"target_recall": "a=0"}, ["--target_recall 0", "between 0 and 1"]),
        ({"target_precision": "nan"}, ["--target_precision nan", "between 0 and 1"]),
        ({"target_precision": "positive"}, ["--target_precision positive", "a number", "JSON"]),
        ({"target_precision": '{"a": "0.9"}'}, ["--target_precision '0.9'", "between 0 and 1"]),
        ({"target_precision": '{"a": true}'}, ["--target_precision True", "between 0 and 1"]),
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
        "a percentage",
        "a target of all",
        "a target of nothing",
        "a target of nan",
        "a target without a share",
        "a share that is a text",
        "a share that is a truth value",
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


@pytest.mark.parametrize("flag", ["thresholds", "target_precision", "target_recall"])
def test_numbers_by_name_can_be_typed_in_three_ways(flag, command, tmp_path):
    (tmp_path / "values.json").write_text('{"a=b": 0.25}')
    for text in ("a=b=0.25", '{"a=b": 0.25}', str(tmp_path / "values.json")):
        assert getattr(parse_arguments(command(**{flag: text})).training.rule, flag) == {"a=b": 0.25}
    assert getattr(parse_arguments(command(**{flag: "2.5e-1"})).training.rule, flag) == 0.25


def test_tuning_without_a_value_is_per_label(command):
    assert parse_arguments([*command(), "--tune_thresholds"]).training.rule.tune_thresholds == "per_label"
