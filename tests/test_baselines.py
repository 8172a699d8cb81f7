"""Baselines stand in one table with the model, by the same metrics on the same rows, and see no label but train's."""

from __future__ import annotations

import csv
import json

import baselines
import numpy as np
import pytest
from conftest import make_rows, write_csv

from classification.cli.options import BASELINES, SCRATCH
from classification.errors import UsageError
from classification.experiments.classical_models import METHODS
from run_classification import main

SOME = "majority,nb_svm,logistic_regression"


def read(path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_every_baseline_has_its_method():
    assert set(BASELINES) == {*METHODS, SCRATCH}


def test_a_training_run_compares_its_model_with_the_best_baseline(command, tmp_path, capsys):
    main(command(baselines=SOME, num_train_epochs=3))
    account = json.loads((tmp_path / "out" / "run.json").read_text())
    assert list(account["baselines"]) == [*SOME.split(","), "model"]
    assert account["baselines"]["model"]["test_accuracy"] == account["results"]["test_accuracy"]
    assert account["baselines"]["majority"]["test_accuracy"] == 0.5
    assert account["baselines"]["nb_svm"]["test_loss"] is None
    assert account["baselines"]["logistic_regression"]["test_loss"] < 0.69
    compared = account["comparison"]
    best = max(SOME.split(","), key=lambda name: account["baselines"][name]["validation_accuracy"])
    assert compared["baseline"] == best and compared["split"] == "test"
    figures = compared["figures"]
    assert figures["rows"] == 24 and figures["model"] == account["results"]["test_accuracy"]
    assert figures["baseline"] == account["baselines"][best]["test_accuracy"]
    assert json.loads((tmp_path / "out" / "baselines.json").read_text())["comparison"] == compared
    out = capsys.readouterr().out
    assert f"versus       {figures['verdict']}: accuracy" in out and "NB-SVM" in out and "this model" in out


def test_a_model_that_has_not_learned_loses_and_the_run_says_so(command, tmp_path, capsys):
    files = {"test_file": write_csv(tmp_path / "more.csv", make_rows(100, seed=5))}
    main(command(baselines="nb_svm", num_train_epochs=1, learning_rate=1e-9, **files))
    assert "versus       the baseline wins: accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("lacks", ["test labels", "test"])
def test_without_test_labels_validation_is_compared(lacks, command, tmp_path, files):
    rows = [{"id": row["id"], "text": row["text"]} for row in read_rows(files["test"])]
    test = None if lacks == "test" else write_csv(tmp_path / "unlabelled.csv", rows)
    main(command(baselines="nb_svm", test_file=test))
    compared = json.loads((tmp_path / "out" / "run.json").read_text())["comparison"]
    assert compared["split"] == "validation" and compared["figures"]["rows"] == 24


def read_rows(path: str) -> list[dict]:
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def flags_alone(files, tmp_path, **more) -> list[str]:
    flags = {f"{split}_file": path for split, path in files.items()} | {"output_dir": tmp_path / "alone"} | more
    return [f"--{name}={value}" for name, value in flags.items()]


def test_alone_every_method_is_fitted(files, tmp_path, capsys):
    """The LSTM among them by the recipe's own way: its folder predicts what the table was made of."""
    results = baselines.main(flags_alone(files, tmp_path, precision="fp32", disable_tqdm=True))
    assert list(results) == list(BASELINES)
    for name, figures in results.items():
        assert figures["seconds"] > 0 or name == "majority"
        assert figures["size_bytes"] > 0 and 0 <= figures["test_accuracy"] <= 1
    assert results["nb_svm"]["test_accuracy"] > 0.9
    folder = tmp_path / "alone" / "baselines" / SCRATCH
    predicted = read(folder / "predictions.csv")
    assert np.mean([row["label"] == row["prediction"] for row in predicted]) == results[SCRATCH]["test_accuracy"]
    main(["--model_name_or_path", str(folder), "--test_file", files["test"], "--do_predict", "--precision=fp32",
          "--output_dir", str(tmp_path / "again"), "--disable_tqdm=true"])  # fmt: skip
    again = read(tmp_path / "again" / "predictions.csv")
    for one, other in zip(predicted, again, strict=True):
        assert float(one["prob_positive"]) == pytest.approx(float(other["prob_positive"]), abs=2e-6)
    assert not any(path.name.startswith("checkpoint") for path in folder.iterdir())
    assert "bidirectional LSTM" in capsys.readouterr().out


def test_labels_of_validation_and_test_are_not_seen_in_fitting(files, tmp_path):
    """All of them turned round: accuracy turns round with them, row for row."""
    turned = {"train": files["train"]}
    for split in ("validation", "test"):
        rows = [row | {"label": {"negative": "positive", "positive": "negative"}[row["label"]]}
                for row in read_rows(files[split])]  # fmt: skip
        turned[split] = write_csv(tmp_path / f"turned_{split}.csv", rows)
    named = ",".join(METHODS)
    there = baselines.main(flags_alone(files, tmp_path, baselines=named))
    back = baselines.main(flags_alone(turned, tmp_path, baselines=named, output_dir=tmp_path / "turned"))
    for name in METHODS:
        for split in ("validation", "test"):
            assert there[name][f"{split}_accuracy"] == pytest.approx(1 - back[name][f"{split}_accuracy"])


def test_a_method_without_meaning_has_a_dash_and_the_reason(tmp_path, files, capsys):
    rows = {split: read_rows(path) for split, path in files.items()}
    numbers = {
        split: write_csv(
            tmp_path / f"n_{split}.csv", [row | {"label": 0.5 + 3 * (row["label"] == "positive")} for row in of]
        )
        for split, of in rows.items()
    }
    results = baselines.main(flags_alone(numbers, tmp_path, baselines="majority,naive_bayes,logistic_regression"))
    assert "numbers" in results["naive_bayes"]["absent"] and "seconds" not in results["naive_bayes"]
    assert results["logistic_regression"]["test_rmse"] < results["majority"]["test_rmse"]
    out = capsys.readouterr().out
    assert "- naive Bayes has no meaning here" in out and "\nmean " in out and "\nridge regression " in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"baselines": "nb_smv"}, "--baselines nb_smv: there are .*Did you mean 'nb_svm'"),
        ({"baselines": "all", "do_predict": True}, "--baselines: is fitted to train"),
        ({"suspect_labels": True, "do_eval": True}, "--suspect_labels: is fitted to train"),
        ({"baselines": "all", "seeds": "1,2"}, "--baselines and --seeds 1,2: .* without --seeds"),
        ({"baselines": "all", "do_train": True}, "--baselines: validation decides which is best"),
        ({"suspect_labels": True, "folds": 2, "validation_file": None}, "--suspect_labels and --folds 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(flags, message, command, nothing_slow):
    with pytest.raises(UsageError, match=message):
        main(command(**flags))


@pytest.mark.parametrize("flag", ["--dry_run", "--check_data", "--suspect_labels", "--do_predict", "--seeds=1,2"])
def test_alone_it_refuses_what_it_does_not_do(flag, files, tmp_path):
    with pytest.raises(UsageError, match=flag.partition("=")[0] if "predict" not in flag else "--baselines"):
        baselines.main([*flags_alone(files, tmp_path), flag])


def test_a_table_is_not_overwritten(files, tmp_path):
    baselines.main(flags_alone(files, tmp_path, baselines="majority"))
    with pytest.raises(UsageError, match="holds another run"):
        baselines.main(flags_alone(files, tmp_path, baselines="naive_bayes"))


def test_another_run_is_not_touched(command, files, tmp_path):
    main(command(baselines="majority"))
    before = (tmp_path / "out" / "baselines.json").read_text()
    with pytest.raises(UsageError, match="holds another run"):
        baselines.main(flags_alone(files, tmp_path, output_dir=tmp_path / "out", baselines="majority"))
    assert (tmp_path / "out" / "baselines.json").read_text() == before
    baselines.main(
        flags_alone(files, tmp_path, output_dir=tmp_path / "out", baselines="majority", overwrite_output_dir=True)
    )
    assert (tmp_path / "out.bak-1" / "baselines.json").read_text() == before


def test_a_run_whose_baselines_fail_keeps_its_account(command, tmp_path):
    """No text has a word: the model reads the signs, the classical methods have nothing to count."""
    rows = [{"id": str(i), "text": "!?" * (1 + i % 7), "label": ("no", "yes")[i % 2]} for i in range(40)]
    with pytest.raises(UsageError, match="no text of train has a word"):
        main(command(baselines="nb_svm", train_file=write_csv(tmp_path / "signs.csv", rows), validation_file=None,
                     test_file=None))  # fmt: skip
    assert (tmp_path / "out" / "run.json").exists() and (tmp_path / "out" / "all_results.json").exists()


def test_thresholds_that_were_tuned_for_the_model_are_its_own(command, tmp_path):
    rows = [row | {"label": row["label"] + ("|any" if i % 3 else "")} for i, row in enumerate(make_rows(90, seed=1))]
    test = [row | {"label": row["label"] + ("|any" if i % 3 else "")} for i, row in enumerate(make_rows(40, seed=2))]
    flags = {"train_file": write_csv(tmp_path / "a.csv", rows), "test_file": write_csv(tmp_path / "b.csv", test),
             "validation_file": None, "label_delimiter": "|", "baselines": "logistic_regression,bilstm"}  # fmt: skip
    figures = []
    for name, tuned in (("plain", None), ("tuned", "per_label")):
        main(command(**flags, tune_thresholds=tuned, output_dir=tmp_path / name, validation_fraction=0.3))
        figures.append(json.loads((tmp_path / name / "baselines.json").read_text())["methods"])
    for method in ("logistic_regression", "bilstm"):
        assert figures[0][method]["test_f1_micro"] == figures[1][method]["test_f1_micro"]
