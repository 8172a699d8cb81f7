"""Baselines are fitted on train alone, and decide by thresholds of their own."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import baselines
import numpy as np
import pytest
from corpus import make_rows, splits_of
from datasets import Dataset
from helpers import ROOT

from classification.cli.parser import parse_arguments
from classification.data.bad_rows import BadRows
from classification.data.corpus import GIVEN, Corpus
from classification.data.label_columns import encode_labels
from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.evaluation.predictions import Predictions
from classification.experiments import baselines as baseline_code
from classification.experiments.baselines import fit_classical, run_baselines
from classification.experiments.classical_models import METHODS
from classification.experiments.comparison import baseline_notes, baseline_table

SPLITS = {"train": (64, 1), "validation": (24, 2), "test": (24, 3)}


def corpus(change=lambda row: row, splits=tuple(SPLITS)) -> Corpus:
    """Encoded splits, with `change` applied to the rows of `splits`."""
    rows = {split: make_rows(*size) for split, size in SPLITS.items()}
    rows |= {split: [change(row) for row in rows[split]] for split in splits}
    data = splits_of(rows.pop("train"), **rows)
    task = infer_task(data["train"]["label"])
    return Corpus(encode_labels(data, task, BadRows("error", [])), task, GIVEN, {})


@pytest.fixture
def options(tmp_path):
    """A function that parses a command line of three files; folds have no validation file."""
    for split in SPLITS:
        (tmp_path / f"{split}.csv").write_text("text,label\n")

    def parse(*flags: str):
        splits = ["train", "test"] if "--folds=2" in flags else SPLITS
        files = [f"--{split}_file={tmp_path / split}.csv" for split in splits]
        return parse_arguments([*files, f"--output_dir={tmp_path / 'out'}", "--disable_tqdm=true", *flags])

    return parse


def flip(row: dict) -> dict:
    return row | {"label": {"negative": "positive", "positive": "negative"}[row["label"]]}


def test_labels_of_validation_and_test_are_not_seen_in_fitting(monkeypatch):
    """If all of them are flipped, accuracy becomes one minus accuracy."""
    monkeypatch.setattr("classification.experiments.baselines.MAX_CORES", 1)  # starting processes takes seconds
    plain, flipped = corpus(), corpus(flip, ("validation", "test"))
    names = list(METHODS)
    first, second = (fit_classical(names, each.splits, each.task, 0, quiet=True) for each in (plain, flipped))
    for name in names:
        for split in ("validation", "test"):
            accuracies = [results[name].metrics[split]["accuracy"] for results in (first, second)]
            assert accuracies[0] == pytest.approx(1 - accuracies[1])


def test_a_method_that_does_not_apply_has_dashes_and_the_reason():
    numbers = corpus(lambda row: row | {"label": 0.5 + 3 * (row["label"] == "positive")})
    names = ["majority", "naive_bayes", "logistic_regression"]
    results = fit_classical(names, numbers.splits, numbers.task, 0, quiet=True)
    assert "numbers" in results["naive_bayes"].not_applicable and results["naive_bayes"].train_seconds is None
    rmse = {name: results[name].metrics["test"]["rmse"] for name in ("majority", "logistic_regression")}
    assert rmse["logistic_regression"] < rmse["majority"]
    _, rows = baseline_table(results, numbers.task)
    assert list(rows) == ["mean", "naive Bayes", "ridge regression"] and rows["naive Bayes"] == ["-"] * 7
    assert baseline_notes(results)[0].text.startswith("naive Bayes does not apply to this task: it compares counts")


def test_thresholds_that_were_tuned_for_the_model_are_its_own(options):
    several = corpus(lambda row: row | {"label": [row["label"]] + (["any"] if int(row["id"][3:]) % 3 else [])})
    tuned = Corpus(several.splits, several.task.with_thresholds(0.9), GIVEN, {})
    parsed = options("--baselines=logistic_regression,bilstm", "--tune_thresholds=per_label")
    logits = np.random.default_rng(0).normal(size=(24, 3))

    def run(options, fold=None):
        assert not options.training.rule.is_fitted and options.output_dir.name == "bilstm"
        options.output_dir.mkdir(parents=True, exist_ok=True)
        predictions = Predictions(several.splits["test"], logits, *[np.ones(24)] * 2)
        return SimpleNamespace(
            metrics={},
            predictions={"test": predictions},
            seconds={},
            throughput={},
            task=tuned.task,
            output_dir=options.output_dir,
            lost=[],
            is_finished_before=False,
        )

    first, second = (run_baselines(parsed, each, run) for each in (several, tuned))
    assert list(first) == ["logistic_regression", "bilstm"]
    for name in first:
        assert first[name].metrics["test"]["f1_micro"] == second[name].metrics["test"]["f1_micro"] > 0
    given = run_baselines(options("--baselines=bilstm", "--thresholds=0.9"), several, run)
    assert given["bilstm"].metrics["test"]["f1_micro"] < first["bilstm"].metrics["test"]["f1_micro"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--baselines=nb_smv"], "--baselines nb_smv: unknown baseline.*Did you mean 'nb_svm'"),
        (["--baselines=all", "--do_predict"], "--baselines.* train"),
        (["--suspect_labels", "--do_eval"], "--suspect_labels.* train"),
        (["--baselines=all", "--seeds=1,2"], "--baselines and --seeds 1,2: .* without --seeds"),
        (["--baselines=all", "--do_train"], "--baselines: validation"),
        (["--suspect_labels", "--seeds=1,2"], "--suspect_labels and --seeds 1,2: .* without --seeds"),
    ],
)
def test_what_cannot_be_compared_is_refused(flags, message, options):
    with pytest.raises(UsageError, match=message):
        options(*flags)


@pytest.mark.parametrize(
    "flag",
    ["--dry_run", "--check_data", "--suspect_labels", "--learning_curve", "--search=2", "--do_predict", "--seeds=1,2"],
)
def test_the_script_refuses_what_it_does_not_do(flag, options, tmp_path):
    options()
    words = [f"--{split}_file={tmp_path / split}.csv" for split in SPLITS]
    with pytest.raises(UsageError, match=flag.partition("=")[0] if "predict" not in flag else "--baselines"):
        baselines.main([*words, f"--output_dir={tmp_path / 'out'}", flag])


def test_the_earlier_command_answers_with_the_new_one():
    command = [sys.executable, "-m", "classification.baselines", "--train_file", "my reviews.csv"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "error: this command has moved: python scripts/baselines.py --train_file 'my reviews.csv'\n"


def test_a_split_without_labels_is_predicted_and_not_scored():
    made = corpus()
    made.splits["test"] = Dataset.from_dict({"id": ["a"], "text": ["good film"]})
    (result,) = fit_classical(["nb_svm"], made.splits, made.task, 0, quiet=True).values()
    assert result.logits["test"].shape == (1, 2) and result.metrics["test"] == {"scored": 0}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "change",
    [
        lambda row: row | {"label": row["id"]},  # a class per row
        lambda row: row | {"text": "🙂"},
        lambda row: row | {"text": "good film " * 20_000 if row["id"].endswith("-3") else row["text"]},
        lambda row: row | {"text": "one text"},
    ],
    ids=["a class per row", "emoji", "a long text", "equal texts"],
)
def test_methods_are_fitted_on_odd_rows_without_a_warning_of_the_libraries(change):
    rows = [change(row) for row in make_rows(40, 1)]
    splits = splits_of(rows, validation=rows[:10])
    task = infer_task(splits["train"]["label"])
    encoded = encode_labels(splits, task, BadRows("error", []))
    names = [name for name in METHODS if name not in ("lda", "mlp", "random_forest")]  # these take seconds
    results = fit_classical(names, encoded, task, 0, quiet=True)
    assert all(result.not_applicable is None and result.metrics for result in results.values())


def test_a_method_that_cannot_be_fitted_has_the_reason_and_the_others_go_on(monkeypatch):
    data = corpus()

    def fail(self, x, y):
        raise ValueError("the sum of the counts is too large.\nMore of it.")

    monkeypatch.setattr("sklearn.naive_bayes.MultinomialNB.fit", fail)
    results = fit_classical(["naive_bayes", "nb_svm"], data.splits, data.task, 0, quiet=True)
    assert results["naive_bayes"].not_applicable == "the sum of the counts is too large."
    assert results["nb_svm"].metrics["test"]["accuracy"] > 0.9


def test_the_time_of_counting_words_is_a_part_of_the_time_of_each_method_that_reads_words(monkeypatch):
    data = corpus()
    real = baseline_code.count_words
    slow = {"train": 100.0, "validation": 30.0, "test": 24.0}
    monkeypatch.setattr(baseline_code, "count_words", lambda splits: (real(splits)[0], slow))
    results = fit_classical(["majority", "naive_bayes", "nb_svm"], data.splits, data.task, 0, quiet=True)
    for name in ("naive_bayes", "nb_svm"):
        assert 100 < results[name].train_seconds < 130 and 0.5 < results[name].rows_per_second < 1  # 24 rows of test
    assert results["majority"].train_seconds < 30 and results["majority"].rows_per_second > 1


def test_outputs_that_are_not_finite_are_no_result(monkeypatch):
    data = corpus()
    nothing = "sklearn.linear_model.LogisticRegression.decision_function"
    monkeypatch.setattr(nothing, lambda self, x: np.full(x.shape[0], np.nan))
    results = fit_classical(["logistic_regression"], data.splits, data.task, 0, quiet=True)
    assert results["logistic_regression"].not_applicable == "its outputs are not finite."


def test_the_lstm_continues_where_the_run_continues(options):
    flags = ["--baselines=bilstm"]
    assert options(*flags).for_bilstm_baseline().run.resume is None
    resumed = options(*flags, "--resume=auto")
    assert resumed.for_bilstm_baseline().run.resume == "auto" and resumed.for_bilstm_baseline().is_part
    changed = options(*flags, "--resume=auto", "--resume_anyway=true")
    assert changed.for_bilstm_baseline().run.resume is None  # the LSTM of other flags is another one
