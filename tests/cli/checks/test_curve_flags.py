"""Learning curves that make no sense, or that do not go with other flags."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments

BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "a word": ({"learning_curve": "half"}, ["--learning_curve half", "such as 10,25,50"]),
    "a percent sign": ({"learning_curve": "10%"}, ["--learning_curve 10%", "percentages"]),
    "nothing": ({"learning_curve": ","}, ["--learning_curve ,", "above 0 and below 100"]),
    "zero": ({"learning_curve": "0,50"}, ["--learning_curve 0,50", "above 0"]),
    "all rows": ({"learning_curve": "50,100"}, ["--learning_curve 50,100", "the point at 100"]),
    "no number": ({"learning_curve": "nan"}, ["--learning_curve nan", "percentages"]),
    "data checks": ({"learning_curve": "50", "check_data": True}, ["--learning_curve 50 and --check_data", "Leave"]),
    "no training": ({"learning_curve": "50", "do_eval": True}, ["--learning_curve 50", "--do_train --do_eval"]),
    "no evaluation": ({"learning_curve": "50", "do_train": True}, ["--learning_curve 50", "--do_train --do_eval"]),
    "seeds": ({"learning_curve": "50", "seeds": "1,2"}, ["--learning_curve 50 and --seeds 1,2", "of its own"]),
    "folds": ({"learning_curve": "50", "folds": 2, "validation_file": None}, ["--learning_curve 50 and --folds 2"]),
    "a search": ({"learning_curve": "50", "search": 4}, ["--learning_curve 50 and --search 4", "Search first"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags_are_refused(case, command):
    flags, words = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**flags))


@pytest.mark.parametrize(
    ("words", "percentages"),
    [
        (["--learning_curve"], (10, 25, 50)),
        (["--learning_curve=50, 12.5,50"], (12.5, 50)),
        ([], ()),
    ],
)
def test_percentages_are_read_once_each_and_in_order(words, percentages, command):
    assert parse_arguments([*command(), *words]).run.learning_curve == percentages


@pytest.mark.parametrize("line", ["learning_curve: 10,25", "learning_curve: 25", "learning_curve: [10, 25]"])
def test_a_preset_can_ask_for_a_curve(line, command, tmp_path):
    preset = tmp_path / "curve.yaml"
    preset.write_text(line)
    assert 25 in parse_arguments([str(preset), *command()]).run.learning_curve


def test_a_point_is_the_same_training_without_what_belongs_to_the_run(command):
    options = parse_arguments(command(learning_curve="50", baselines="majority", strict=True, report_to="none"))
    point = options.for_curve_point("learning_curve/50-percent", 32, max_steps=4)
    assert point.phases == {"train", "eval"} and point.rows.part == 32 and point.is_part
    assert point.output_dir == options.output_dir / "learning_curve" / "50-percent"
    assert (point.run.baselines, point.run.learning_curve, point.run.neighbours, point.run.strict) == (
        (),
        (),
        False,
        False,
    )
    assert (point.loss, point.training, point.model) == (options.loss, options.training, options.model)
    assert point.run.resume is None and point.trainer["max_steps"] == 4


@pytest.mark.parametrize(("flags", "resume"), [({}, "auto"), ({"resume_anyway": True}, None)])
def test_a_point_continues_where_the_run_continues(flags, resume, command):
    options = parse_arguments(command(learning_curve="50", resume="auto", **flags))
    assert options.for_curve_point("learning_curve/50-percent", 32).run.resume == resume


def test_the_lstm_baseline_has_no_curve(command):
    lstm = parse_arguments(command(learning_curve="50", baselines="bilstm")).for_bilstm_baseline()
    assert lstm.run.learning_curve == () and lstm.as_typed["learning_curve"] is None
