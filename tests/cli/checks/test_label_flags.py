"""Flags about labels, weights and thresholds that contradict each other or are out of range."""

from __future__ import annotations

from itertools import combinations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments

BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "two forms of labels": ({"label_column_name": "label", "label_column_names": "a,b"},
                            ["--label_column_names a,b", "--label_column_name label", "two forms"]),
    "one column of labels": ({"label_column_names": "a"}, ["--label_column_names 'a'", "two columns"]),
    "the same column twice": ({"label_column_names": "a,a"}, ["--label_column_names 'a,a'", "each once"]),
    "a delimiter of nothing": ({"label_delimiter": ""}, ["--label_delimiter ''", "'|'"]),
    "columns and a delimiter": ({"label_delimiter": "|", "label_column_names": "a,b"},
                                ["--label_column_names a,b", "--label_delimiter |", "two forms"]),
    "a number of several labels": ({"label_delimiter": "|", "do_regression": True},
                                   ["--do_regression", "--label_delimiter |"]),
    "a weight of zero": ({"class_weights": '{"positive": 0}'}, ["--class_weights", "'positive'", "above 0"]),
    "gamma without focal": ({"focal_gamma": 1}, ["--focal_gamma 1", "--loss focal"]),
    "focal and smoothing": ({"loss": "focal", "label_smoothing_factor": 0.1}, ["--loss focal", "--label_smoothing"]),
    "two orders of rows": ({"sampler": "balanced", "train_sampling_strategy": "sequential"},
                           ["--sampler balanced", "--train_sampling_strategy"]),
    "tuning without training": ({"tune_thresholds": "global", "do_predict": True}, ["--tune_thresholds", "--do_train"]),
    "a target without training": ({"target_recall": 0.9, "do_eval": True},
                                  ["--target_recall 0.9", "--do_train", "--thresholds or --costs"]),
    "a threshold above one": ({"thresholds": 1.5}, ["--thresholds 1.5", "from 0 to 1"]),
    "a threshold below zero": ({"thresholds": '{"a": -0.1}'}, ["--thresholds -0.1", "from 0 to 1"]),
}  # fmt: skip


RULES = {"tune_thresholds": "global", "target_precision": "0.9", "target_recall": "a=0.9", "costs": "no.csv",
         "thresholds": "0.4"}  # fmt: skip


@pytest.mark.parametrize(("first", "second"), combinations(RULES, 2))
def test_two_decision_rules_are_refused(first, second, command):
    words = [f"--{first} {RULES[first]} and --{second} {RULES[second]}:", "one rule"]
    assert_refused(words, parse_arguments, command(**{first: RULES[first], second: RULES[second]}))


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags_are_refused(case, command):
    flags, words = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**flags))
