"""A decision rule is chosen or given once, saved with the model, and obeyed by every later use of it."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import textwrap

import numpy as np
import pytest
import transformers
from corpus import make_rows, rare_rows, several_rows, write_splits
from helpers import account, read_predictions

from classification.cli.parser import parse_arguments
from classification.data.tasks import task_from_config
from run_classification import main

NAMES = ("naïve, quite", 'say "no"', "日本語")
COSTS = {NAMES[0]: [0, 1, 2.5], NAMES[1]: [3, 0, 1.5], NAMES[2]: [4, 0.5, 0]}  # by true class, in the order of NAMES
TEXT = '["An evening I will not forget."]'


def three_rows(count: int, seed: int) -> list[dict]:
    """Texts that name a film are of a third class."""
    rows = make_rows(count, seed=seed, labels=NAMES[:2])
    return [row | {"label": NAMES[2] if "film" in row["text"] else row["label"]} for row in rows]


@pytest.fixture(scope="session")
def three(tmp_path_factory) -> dict:
    """Flags of three classes with costs in a CSV file, whose rows and columns are in another order than the classes."""
    folder = tmp_path_factory.mktemp("three")
    with (folder / "costs.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", *NAMES[::-1]])
        writer.writerows([[name, *COSTS[name][::-1]] for name in (NAMES[1], NAMES[2], NAMES[0])])
    return write_splits(folder, "three", three_rows, 96, 40, 40) | {"costs": folder / "costs.csv"}


@pytest.fixture(scope="session")
def rare(tmp_path_factory) -> dict:
    """Flags of two classes, one of them rare, so that a short training predicts the other one only."""
    return write_splits(tmp_path_factory.mktemp("rare"), "rare", rare_rows, 96, 60, 60) | {"num_train_epochs": 2}


def probabilities(rows: list[dict], names) -> np.ndarray:
    return np.array([[float(row[f"prob_{name}"]) for name in names] for row in rows])


def printed_lines(run, texts: list[str]) -> list:
    """What the last of the lines prints that the end of a run shows, for other texts."""
    code = textwrap.dedent(run.shown.split("Use it:\n")[1]).strip()
    assert TEXT in code
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(code.replace(TEXT, repr(texts)), {})
    return ast.literal_eval(shown.getvalue().strip().splitlines()[-1])


def test_costs_decide_the_predictions_and_the_metrics(finished, three):
    run = finished(**three, num_train_epochs=2)
    rows, matrix = run.predictions, np.array([COSTS[name] for name in NAMES])
    cheapest = (probabilities(rows, NAMES) @ matrix).argmin(axis=1)
    assert [row["prediction"] for row in rows] == [NAMES[i] for i in cheapest]
    assert any(i != j for i, j in zip(cheapest, probabilities(rows, NAMES).argmax(axis=1), strict=True))
    assert run.results["test_accuracy"] == pytest.approx(np.mean([row["label"] == row["prediction"] for row in rows]))
    config = json.loads((run.folder / "config.json").read_text(encoding="utf-8"))
    assert config["decision_costs"] == {name: dict(zip(NAMES, COSTS[name], strict=True)) for name in NAMES}
    assert "decision     the class with the least expected cost is predicted (--costs " in run.shown
    assert "decision     cost per row " in run.shown
    assert [path for path in run.account["files"]["costs"]][0]["path"] == str(three["costs"])


def test_a_later_use_of_the_model_obeys_its_costs_without_the_flag(finished, three):
    trained = finished(**three, num_train_epochs=2)
    use = three | {"costs": None, "train_file": None, "model_name_or_path": trained.folder}
    used = finished(**use, do_eval=True, do_predict=True)
    for key in ("eval_accuracy", "eval_f1_macro", "test_accuracy", "test_f1_macro"):
        assert used.results[key] == pytest.approx(trained.results[key])
    decided = [[row["prediction"] for row in run.predictions] for run in (trained, used)]
    assert decided[0] == decided[1] and "(saved with the model)" in used.shown
    other = finished(**use | {"costs": json.dumps(dict.fromkeys(NAMES, 1))}, do_predict=True)
    names = np.array(NAMES)[probabilities(other.predictions, NAMES).argmax(axis=1)]
    assert [row["prediction"] for row in other.predictions] == names.tolist()


def test_the_printed_lines_give_the_predictions_of_the_file(finished, three, rare, tmp_path):
    several = write_splits(tmp_path, "several", several_rows, 96, 40, 40) | {"label_column_name": "labels"}
    for run in (
        finished(**three, num_train_epochs=2),
        finished(**rare, tune_thresholds="per_label"),
        finished(**several, label_delimiter="|", num_train_epochs=2, target_recall="blame=0.9"),
    ):
        rows = run.predictions
        printed = printed_lines(run, [row["text"] for row in rows])
        if isinstance(printed[0], list):
            printed = ["|".join(sorted(names)) for names in printed]
        assert printed == [row["prediction"] for row in rows]


def test_a_tuned_threshold_is_recorded_saved_and_obeyed(finished, rare, tmp_path, capsys):
    run = finished(**rare, tune_thresholds="per_label")
    (record,) = [each for each in run.account["selections"] if each["what"] == "decision rule"]
    assert record["method"] == "--tune_thresholds per_label" and record["metric"] == "f1_macro"
    assert (record["rows"], record["split"], record["cross_fitted"], record["parts"]) == (60, "validation", True, 5)
    assert record["after"] > record["before"]
    saved = transformers.AutoConfig.from_pretrained(run.folder).decision_costs
    assert record["value"] == saved == run.account["task"]["decision_costs"]
    threshold = saved["negative"] / sum(saved.values())
    shares = probabilities(run.predictions, ["positive"])[:, 0]
    predicted = [row["prediction"] == "positive" for row in run.predictions]
    assert predicted == (shares >= threshold).tolist() and 0 < sum(predicted)
    figures = (
        f"(macro F1 {record['before']:.3f} -> {record['after']:.3f} on 60 validation rows, cross-fitted in 5 parts)"
    )
    assert f"decision     'positive' is predicted from a probability of {threshold:.4g} {figures}" in run.shown


def test_a_finished_run_resumes_with_its_rule(command, rare, tmp_path, capsys):
    flags = command(**rare, tune_thresholds="per_label")
    main(flags)
    before = account(tmp_path / "out")["selections"], read_predictions(tmp_path / "out")
    capsys.readouterr()
    main([*flags, "--resume=auto"])
    shown = capsys.readouterr().out
    assert "this run is finished: nothing to do" in shown and "costs = classify.model.config" in shown
    assert before == (account(tmp_path / "out")["selections"], read_predictions(tmp_path / "out"))


def test_every_seed_of_a_study_has_a_rule_of_its_own_and_the_best_one_is_kept(command, rare, tmp_path):
    results = main(command(**rare, target_recall="positive=0.9", seeds="1,2"))
    rules = {}
    for name in ("seed-1", "seed-2"):
        (record,) = [each for each in account(tmp_path / "out" / name)["selections"] if each["what"] == "decision rule"]
        rules[name] = record["value"]
        assert record["labels"]["positive"]["recall"] >= 0.9 and record["target"] == {"positive": 0.9}
    assert rules["seed-1"] != rules["seed-2"]
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    assert config.decision_costs == rules[results["best"]]
    rows, task = read_predictions(tmp_path / "out"), task_from_config(config)
    logits = np.log(probabilities(rows, task.names))
    assert [task.decode(each) for each in task.untuned().with_saved_costs(config).decide(logits)] == [
        row["prediction"] for row in rows
    ]


def test_a_baseline_has_the_same_costs_and_no_tuned_rule(command, rare, tmp_path):
    costs = '{"negative": 0, "positive": 1}'  # a positive row that is missed costs something, a false alarm nothing
    main(command(**rare, costs=costs, baselines="naive_bayes"))
    baseline = account(tmp_path / "out")["baselines"]["naive_bayes"]
    assert baseline["test_balanced_accuracy"] == 0.5 and baseline["test_accuracy"] < 0.2
    main(command(**rare, tune_thresholds="per_label", baselines="naive_bayes", output_dir=tmp_path / "tuned"))
    assert account(tmp_path / "tuned")["baselines"]["naive_bayes"]["test_accuracy"] > 0.5


def test_a_repeated_run_reads_the_costs_of_then(finished, three, tmp_path):
    run = finished(**three, num_train_epochs=2)
    options = parse_arguments(["--config", str(run.folder / "run.json"), "--output_dir", str(tmp_path / "again")])
    assert options.training.rule.costs.rows[NAMES[1]] == dict(zip(NAMES[::-1], COSTS[NAMES[1]][::-1], strict=True))


def test_without_calibration_a_chosen_rule_is_for_the_raw_probabilities(finished, rare):
    run = finished(**rare, tune_thresholds="per_label", calibrate=False)
    plain = finished(**rare, calibrate=False)
    assert [each["what"] for each in run.account["selections"]].count("temperature") == 0
    assert (run.folder / "model.safetensors").read_bytes() == (plain.folder / "model.safetensors").read_bytes()
    shares = probabilities(run.predictions, ["positive"])[:, 0]
    assert (shares == probabilities(plain.predictions, ["positive"])[:, 0]).all()
    config = transformers.AutoConfig.from_pretrained(run.folder)
    threshold = config.decision_costs["negative"] / sum(config.decision_costs.values())
    assert [row["prediction"] == "positive" for row in run.predictions] == (shares >= threshold).tolist()


def test_training_that_goes_on_keeps_the_saved_costs_and_says_so(command, finished, three, tmp_path, capsys):
    trained = finished(**three, num_train_epochs=2)
    main(command(**three | {"costs": None, "model_name_or_path": trained.folder}))
    assert "decision     the class with the least expected cost is predicted (saved with the model)" in (
        capsys.readouterr().out
    )
    saved = [
        transformers.AutoConfig.from_pretrained(path).decision_costs for path in (trained.folder, tmp_path / "out")
    ]
    assert saved[0] == saved[1]
