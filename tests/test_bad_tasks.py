"""What does not go with the task is refused: weights for a number, thresholds for one label, folds of one class."""

from __future__ import annotations

import pytest
from conftest import make_bert
from test_bad_input import CSV

from classification.data.labels import LabelSpace
from classification.errors import UsageError
from run_classification import main

SEVERAL = "text,label\n" + "".join(f"good film {i},a|b\nbad film {i},a\nfine film {i},\n" for i in range(6))
NUMBERS = "text,label\n" + "good film,1.5\nbad film,2.5\n" * 6


@pytest.mark.parametrize(
    ("content", "flags", "words"),
    [
        (NUMBERS, {"class_weights": "balanced"}, ["--class_weights balanced", "regression has no classes"]),
        (NUMBERS, {"loss": "focal"}, ["--loss focal", "regression"]),
        (NUMBERS, {"sampler": "balanced"}, ["--sampler balanced", "regression"]),
        (NUMBERS, {"label_smoothing_factor": 0.1}, ["--label_smoothing_factor 0.1", "regression"]),
        (NUMBERS, {"metric_for_best_model": "f1_macro"}, ["--metric_for_best_model f1_macro", "pearson"]),
        (SEVERAL, {"label_delimiter": "|", "sampler": "balanced"}, ["--sampler balanced", "--class_weights balanced"]),
        (SEVERAL, {"label_delimiter": "|", "label_smoothing_factor": 0.1}, ["--label_smoothing_factor 0.1"]),
        (SEVERAL, {"label_delimiter": "|", "thresholds": 1.5}, ["--thresholds 1.5", "from 0 to 1"]),
        (SEVERAL, {"label_delimiter": "|", "thresholds": '{"a": -0.1}'}, ["--thresholds -0.1", "from 0 to 1"]),
        (SEVERAL, {"label_delimiter": "|", "thresholds": '{"c": 0.1}'}, ["--thresholds", "'c'", "a, b"]),
        (SEVERAL, {"label_delimiter": "|", "class_weights": '{"c": 2}'}, ["--class_weights", "'c'", "a, b"]),
        (SEVERAL, {"label_delimiter": "|", "metric_for_best_model": "mcc"},
         ["--metric_for_best_model mcc", "f1_micro"]),
        (SEVERAL, {"label_delimiter": "|", "metric_name": "r3"}, ["--metric_name r3", "exact_match"]),
        ('{"text": "a", "label": ["x"]}\n{"text": "b", "label": []}\n', {"label_delimiter": "|"},
         ["--label_delimiter", "holds lists"]),
        ('{"text": "a", "label": ["x"]}\n{"text": "b", "label": []}\n', {"do_regression": True},
         ["--do_regression", "lists"]),
        (CSV.replace("label", "label,user").replace("ive", "ive,u1"), {"validation_group_column": "user"},
         ["--validation_group_column", "all 12 rows", "'u1'"]),
        (CSV.replace("label", "label,user").replace("ive", "ive,"), {"validation_group_column": "user"},
         ["12 rows of train", "no group", "--on_bad_row drop"]),
        ("text,label\n" + "".join(f"text {i},{'rare' if i < 3 else 'usual'}\n" for i in range(40)), {"folds": 5},
         ["--folds 5", "holds one class only ('usual')", "fewer folds"]),
        ("text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(12)), {"folds": 8},
         ["--folds 8", "the largest has 6"]),
        (CSV.replace("label", "label,when").replace("ive", "ive,2024"),
         {"validation_strategy": "time", "time_column": "when"}, ["--time_column", "all 12 rows have the same time"]),
        (CSV.replace("label", "label,when").replace("negative", "negative,2024-01-01").replace(
            "positive", "positive,2025-01-01"), {"validation_strategy": "time", "time_column": "when"},
         ["--validation_strategy time", "one class only", "'positive'"]),
    ],
)  # fmt: skip
def test_what_does_not_go_with_the_task_is_refused(content, flags, words, command, nothing_slow, tmp_path):
    path = tmp_path / ("a.jsonl" if content.startswith("{") else "a.csv")
    path.write_text(content)
    with pytest.raises(UsageError) as refused:
        main(command(**{"train_file": path, "validation_file": None, "test_file": None} | flags))
    for word in words:
        assert word in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_thresholds_outside_0_to_1_in_a_saved_config_are_refused():
    config = make_bert(problem_type="multi_label_classification").config
    config.thresholds = {"LABEL_0": 3}
    with pytest.raises(UsageError, match="config.json: thresholds 3: a threshold is a probability"):
        LabelSpace.from_config(config)
