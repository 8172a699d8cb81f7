"""Seeds and folds that make no study, or that do not go with other flags."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments

BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "no seeds": ({"seeds": ""}, ["--seeds", "at least two"]),
    "a seed below zero": ({"seeds": "-1,2"}, ["--seeds -1,2", "from 0 on"]),
    "one seed": ({"seeds": "1"}, ["--seeds 1", "at least two"]),
    "seeds that are words": ({"seeds": "a,b"}, ["--seeds a,b", "whole numbers"]),
    "the same seed twice": ({"seeds": "1,1"}, ["--seeds 1,1", "different"]),
    "seeds and a seed": ({"seeds": "1,2", "seed": 3}, ["--seeds 1,2", "--seed 3"]),
    "seeds and folds": ({"seeds": "1,2", "folds": 3}, ["--seeds 1,2", "--folds 3"]),
    "a study without training": ({"seeds": "1,2", "do_predict": True}, ["--seeds 1,2", "--do_train --do_eval"]),
    "a study and a checkpoint": ({"seeds": "1,2", "resume": "out/seed-1/checkpoint-8"},
                                 ["--resume out/seed-1/checkpoint-8", "--seeds 1,2", "Pass --resume auto"]),
    "a study that differs": ({"folds": 2, "validation_file": None, "resume": "auto", "resume_anyway": True},
                             ["--resume_anyway", "--folds 2", "Leave it out"]),
    "one fold": ({"folds": 1}, ["--folds 1", "at least 2"]),
    "folds and a validation file": ({"folds": 3}, ["--folds 3", "--validation_file"]),
    "folds in time": ({"folds": 3, "validation_file": None, "validation_strategy": "tail"},
                      ["--folds 3", "--validation_strategy"]),
    "folds and thresholds": ({"folds": 3, "validation_file": None, "tune_thresholds": "global"},
                             ["--folds 3", "--tune_thresholds"]),
    "folds and a target": ({"folds": 3, "validation_file": None, "target_recall": "a=0.9"},
                           ["--folds 3 and --target_recall a=0.9", "--thresholds or --costs"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags_are_refused(case, command):
    flags, words = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**flags))


@pytest.mark.parametrize("flag", ["resume", "resume_from_checkpoint"])
def test_a_study_can_be_continued(flag, command):
    value = "auto" if flag == "resume" else True
    assert parse_arguments(command(seeds="1,2", **{flag: value})).run.resume == "auto"


@pytest.mark.parametrize("rule", [{"thresholds": 0.3}, {"costs": '{"negative": 1, "positive": 3}'}])
def test_folds_may_have_a_fixed_decision_rule(rule, command):
    assert parse_arguments(command(folds=3, validation_file=None, **rule)).study.folds == 3
