"""The first screen: the figure with its interval in words, beside the best simple method, and what to be careful of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_rows import multi_run, number_run, rendered, single_run, words

from classification.report.page.headline_section import headline_section

SCORES = {"test_loss": 0.3, "test_accuracy": 0.873, "test_accuracy_low": 0.861, "test_accuracy_high": 0.885}
RECORD = {
    "arguments": {"model_name_or_path": "bert-base-uncased", "dataset_name": "imdb"},
    "data": {"train": {"rows": 23750}, "validation": {"rows": 1250}, "test": {"rows": 25000}},
}


def screen(run=None, **changes) -> str:
    run = run or single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    metrics = SCORES | {"test_scored": 25000}
    return words(rendered(headline_section, replace(run, **{"metrics": metrics, "record": RECORD} | changes)))


def test_the_figure_is_read_out_with_its_interval():
    text = screen()
    assert "bert-base-uncased on imdb" in text
    assert "The model gets 87.3% of the 25,000 test rows right." in text
    assert "With other test rows of the same kind, 86.1% to 88.5% would be expected." in text
    assert (
        "Trained on 23,750 rows, best state (checkpoint) chosen on 1,250 validation rows, tested on 25,000 test rows."
        in text
    )
    assert "one of 2 labels per text" in text and "no warnings about the data" in text


def test_without_an_interval_none_is_claimed():
    text = screen(metrics={"test_loss": 0.3, "test_accuracy": 0.5, "test_scored": 4})
    assert "50.0% of the 4 test rows right" in text and "would be expected" not in text


def test_without_test_labels_the_figure_of_validation_is_named_as_such():
    text = screen(metrics={"eval_loss": 0.3, "eval_accuracy": 0.75, "eval_scored": 1250, "test_scored": 0})
    assert "75.0% of the 1,250 validation rows right" in text and "There are no test rows with labels" in text
    assert "tested on" not in text


def test_without_any_label_nothing_is_claimed():
    text = screen(metrics={"test_scored": 0})
    assert "No row was scored" in text and "%" not in text.replace("100%", "")


def test_an_undefined_figure_is_called_undefined():
    assert "accuracy on test is undefined" in screen(
        metrics={"test_loss": 0.3, "test_accuracy": None, "test_scored": 2}
    )


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("the model wins", "better than the best simple method, NB-SVM, which reaches 80.0% on the same test rows"),
        ("the baseline wins", "worse than the best simple method"),
        ("within noise", "no clear difference from the best simple method"),
    ],
)
def test_the_best_simple_method_is_beside_the_figure(verdict, sentence):
    figures = {"metric": "accuracy", "model": 0.873, "baseline": 0.8, "verdict": verdict}
    record = RECORD | {
        "baselines": {"nb_svm": {"title": "NB-SVM"}},
        "comparison": {"baseline": "nb_svm", "split": "test", "figures": figures},
    }
    assert sentence in screen(record=record)


def test_warnings_are_counted_and_notes_are_not():
    findings = [{"severity": severity} for severity in ("warning", "note", "error", "note", "warning")]
    assert "3 warnings about the data" in screen(record=RECORD | {"findings": findings})


def test_a_doubt_about_the_figure_is_on_the_first_screen():
    classes = {"ham": {"support": 25000}, "spam": {"support": 0}}
    text = screen(metrics=SCORES | {"test_scored": 25000, "test_per_class": classes})
    assert "doubt All 25,000 scored rows of test have the label ham." in text and "Read more" in text


def test_a_doubt_about_test_comes_before_one_about_validation():
    collapsed = {f"{prefix}_collapsed": "it predicts ham" for prefix in ("eval", "test")}
    text = screen(metrics=SCORES | collapsed | {"test_scored": 9, "eval_scored": 9, "eval_accuracy": 0.5})
    assert text.index("On test, the model has collapsed") < text.index("On validation, the model has collapsed")


def test_a_run_that_trains_nothing_chose_no_checkpoint():
    record = {"arguments": {}, "data": {"validation": {"rows": 5}, "test": {"rows": 5}}}
    text = screen(record=record, metrics=SCORES | {"test_scored": 5, "eval_loss": 0.1, "eval_accuracy": 0.7})
    assert "Checked on 5 validation rows, tested on 5 test rows." in text and "validation 70.0%" in text
    assert "checkpoint" not in text


def test_other_tasks_have_words_of_their_own():
    multi = multi_run([[1.0, 0.0]], [[0.9, 0.1]])
    text = screen(multi, metrics={"test_loss": 1, "test_f1_micro": 0.8213, "test_scored": 120})
    assert "The model reaches a score of 0.821 on the 120 test rows." in text and "any number of 2 labels" in text
    text = screen(number_run([1.0], [1.0]), metrics={"test_loss": 1, "test_rmse": 9.713, "test_scored": 1})
    assert "The model's numbers are typically off by 9.71 on the 1 test row." in text and "a number per text" in text


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (
            {"model_name_or_path": "/data/models/best", "train_file": "/x/reviews/train.csv"},
            "models/best on reviews/train.csv",
        ),
        (
            {"model_name_or_path": "org/name", "dataset_name": "org/set", "dataset_config_name": "en"},
            "org/name on org/set en",
        ),
        ({"model_name_or_path": "/opt/minilm_l6/model/", "train_file": "a.csv"}, "minilm_l6 on a.csv"),
        ({"model_name_or_path": "./out/checkpoint-12", "test_file": "t.csv"}, "out/checkpoint-12 on t.csv"),
        ({"model_name_or_path": "C:\\models\\bert", "train_file": "C:\\data\\a.csv"}, "bert on data/a.csv"),
        (
            {"model_name_or_path": "bilstm", "train_file": "قوائم/تدريب.csv"},
            "LSTM from random weights on قوائم/تدريب.csv",
        ),
        ({}, "model"),
    ],
)
def test_the_title_names_the_model_and_the_data(arguments, title):
    assert screen(record=RECORD | {"arguments": arguments}).startswith(title + " Task:")
