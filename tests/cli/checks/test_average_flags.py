"""`--average` is one of three forms, in a run that trains."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments
from classification.training.average_kind import Average


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ema", Average("ema")),
        ("ema=0.99", Average("ema", 0.99)),
        (" ema=.5", Average("ema", 0.5)),
        ("last=3", Average("last", evaluations=3)),
        (None, None),
    ],
)
def test_the_forms_of_an_average(command, typed, expected):
    assert parse_arguments(command(average=typed)).training.average == expected


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"average": "mean"}, ["--average mean: must be ema, ema=DECAY", "last=3"]),
        ({"average": "ema="}, ["--average ema=: the decay must be above 0 and below 1", "ema=0.99"]),
        ({"average": "ema=1"}, ["--average ema=1: the decay"]),
        ({"average": "ema=0"}, ["--average ema=0: the decay"]),
        ({"average": "ema=99%"}, ["--average ema=99%: the decay"]),
        ({"average": "ema=nan"}, ["--average ema=nan: the decay"]),
        ({"average": "last"}, ["--average last: name at least two evaluations, such as last=3"]),
        ({"average": "last=1"}, ["--average last=1: name at least two"]),
        ({"average": "last=2.5"}, ["--average last=2.5: name at least two"]),
        ({"average": "last=inf"}, ["--average last=inf: name at least two"]),
        ({"average": "ema", "do_predict": True}, ["--average ema", "does not train", "--do_train"]),
        ({"average": "last=3", "eval_strategy": "no"}, ["--average last=3 and --eval_strategy no", "--average ema"]),
    ],
)
def test_an_average_that_cannot_be_made_is_refused(command, flags, words):
    assert_refused(words, parse_arguments, command(**flags))


@pytest.mark.parametrize("flags", [{"average": "ema", "do_predict": True, "do_train": True},
                                   {"average": "ema", "eval_strategy": "no"},
                                   {"average": "last=2", "check_data": True}])  # fmt: skip
def test_the_remedies_work(command, flags):
    parse_arguments(command(**flags))


def test_the_rows_of_a_fold_choose_no_weights_unless_they_are_asked_to(command):
    folds = {"average": "ema", "folds": 3, "validation_file": None}
    assert parse_arguments(command(**folds)).training.average == Average("ema", compared=False)
    assert parse_arguments(command(**folds, load_best_model_at_end=True)).training.average == Average("ema")
    assert parse_arguments(command(average="ema", load_best_model_at_end=False)).training.average == Average("ema")


def test_a_preset_that_averages_can_predict(train, preset):
    parse_arguments([preset(average="ema"), *train, "--do_predict"])
