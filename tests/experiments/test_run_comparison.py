"""Two runs are compared on the same rows, whatever the order of their rows and labels, or not at all."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import compare_runs as script
import numpy as np
import pytest
from datasets import Dataset
from helpers import ROOT

from classification.data.tasks import infer_task, task_as_dict
from classification.errors import UsageError
from classification.evaluation.predictions import Predictions
from classification.evaluation.split_metrics import score_labelled
from classification.experiments.comparison_table import comparison_lines
from classification.experiments.run_comparison import compare_runs
from classification.reporting.predictions_file import write_predictions
from classification.reporting.run_record import write_json

SEVERAL = infer_task([["a"], ["b"], ["c"]])
NUMBER = infer_task([1.5, 2.5, 4.0])


def one_hot(task, names: list[str], scale: float = 2.0) -> np.ndarray:
    """Logits that decide for these names."""
    return np.array([[scale if name == given else -scale for name in task.names] for given in names])


def write_run(folder, task, logits, labels, *, ids=None, texts=None, order=None, safe=False, **flags):
    """The files of a run with test rows; labels are raw."""
    folder.mkdir(parents=True)
    count = len(logits)
    label_ids = [task.encode(label) for label in labels]
    slices = {name: [str(i % 2) for i in range(count)] for name in flags.pop("slices", ())}
    rows = Dataset.from_dict({
        "id": ids or [f"r{i}" for i in range(count)], "text": texts or [f"row number {i} of all" for i in range(count)],
        "label": label_ids, **{f"slice.{name}": cells for name, cells in slices.items()},
    })  # fmt: skip
    predictions = Predictions(rows, np.asarray(logits, dtype=np.float64), np.full(count, 5), np.full(count, 5))
    if order is not None:
        predictions = Predictions(rows.select(order), predictions.logits[order], *[np.full(count, 5)] * 2)
    write_predictions(folder / "predictions.csv", predictions, task, safe=safe)
    scored = score_labelled(predictions.logits, predictions.label_ids, task)
    metrics = {f"test_{name}": value for name, value in scored.items()} | {"test_samples": count}
    write_json(folder / "all_results.json", metrics)
    record = {
        "results": metrics, "labels": task.names, "task": task_as_dict(task), "data": {"test": {"rows": count}},
        "arguments": {"csv_safe": safe, **flags}, "finished": True,
    }  # fmt: skip
    write_json(folder / "run.json", record)
    return folder


TRUTH = ["no", "yes"] * 20


def wrong_at(*rows: int) -> list[str]:
    """The truth with these rows turned."""
    return [{"no": "yes", "yes": "no"}[label] if row in rows else label for row, label in enumerate(TRUTH)]


@pytest.fixture
def pair(tmp_path):
    """A has 4 mistakes, B has 1; B has its rows and label names in another order."""
    task = infer_task(["no", "yes"])
    turned = type(task)(("yes", "no"))
    first = write_run(tmp_path / "a", task, one_hot(task, wrong_at(0, 1, 2, 3)), TRUTH, slices=["source"])
    order = list(reversed(range(40)))
    second = write_run(tmp_path / "b", turned, one_hot(turned, wrong_at(3)), TRUTH, order=order)
    return first, second


def test_rows_and_labels_in_another_order_are_the_same(pair):
    compared = compare_runs(*pair)
    assert compared.rows == compared.scored == 40
    assert (compared.metrics["accuracy"]["a"], compared.metrics["accuracy"]["b"]) == (0.9, 0.975)
    assert compared.test["only_a_right"] == 0 and compared.test["only_b_right"] == 3
    names = ("id", "label", "prediction_a", "prediction_b", "right")
    cells = [[row[name] for name in names] for row in compared.flipped]
    assert cells == [["r0", "no", "yes", "no", "B"], ["r1", "yes", "no", "yes", "B"], ["r2", "no", "yes", "no", "B"]]


def test_a_run_against_itself_turned_round_has_the_opposite_difference(pair):
    forth, back = compare_runs(*pair), compare_runs(*reversed(pair))
    assert forth.test["difference"] == pytest.approx(-back.test["difference"]) and forth.test["difference"] > 0
    assert forth.test["mcnemar_p"] == back.test["mcnemar_p"]
    assert {row["id"] for row in forth.flipped} == {row["id"] for row in back.flipped}


def test_few_flipped_rows_are_no_difference_and_many_are(tmp_path, pair):
    assert compare_runs(*pair).test["verdict"] == "no difference beyond chance"
    task = infer_task(["no", "yes"])
    bad = write_run(tmp_path / "bad", task, one_hot(task, wrong_at(*range(20))), TRUTH)
    assert compare_runs(bad, pair[0]).test["verdict"] == "B is better"
    assert compare_runs(pair[0], bad).test["verdict"] == "A is better"


def test_metrics_have_the_intervals_of_the_rows(pair):
    figures = compare_runs(*pair).metrics["accuracy"]
    assert figures["a_low"] < 0.9 < figures["a_high"] and figures["b_low"] < 0.975 <= figures["b_high"]


def test_changes_are_sorted_by_size_per_class_and_slice(pair):
    compared = compare_runs(*pair)
    assert {entry["class"] for entry in compared.classes} == {"no", "yes"}
    for entries in (compared.classes, compared.slices):
        sizes = [abs(entry["change"]) for entry in entries]
        assert sizes == sorted(sizes, reverse=True)
    by_name = {(entry["column"], entry["value"]): entry for entry in compared.slices}
    even = by_name[("source", "0")]  # rows 0 and 2 of 20 are wrong in A, none in B
    assert (even["rows"], even["a"], even["b"]) == (20, 0.9, 1.0)
    assert ("words", "5") in by_name


DIFFERENT = {
    "a row that only one has": ({"ids": ["new", *(f"r{i}" for i in range(1, 40))]},
                                  ["(ids r0)", "(ids new)", "39 of 40 and 40 rows match"]),
    "another text": ({"texts": ["other"] + [f"row number {i} of all" for i in range(1, 40)]},
                     ["1 with another text (ids r0)", "39 of 40"]),
    "another label": ({"labels": ["yes", *TRUTH[1:]]}, ["1 with another label (ids r0)", "39 of 40"]),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENT)
def test_other_rows_are_refused_with_what_differs_and_how_many_match(case, tmp_path, pair):
    changes, words = DIFFERENT[case]
    task = infer_task(["no", "yes"])
    labels = changes.pop("labels", TRUTH) if "labels" in changes else TRUTH
    other = write_run(tmp_path / "c", task, one_hot(task, TRUTH), labels, **changes)
    with pytest.raises(UsageError) as refused:
        compare_runs(pair[0], other)
    assert all(word in str(refused.value) for word in [*words, "--do_predict"]), str(refused.value)


def test_other_labels_and_tasks_are_refused(tmp_path, pair):
    other = infer_task(["no", "maybe"])
    folder = write_run(tmp_path / "c", other, one_hot(other, ["no", "maybe"]), ["no", "maybe"])
    with pytest.raises(UsageError, match="label names .* differ: only .*a has yes; only .*c has maybe"):
        compare_runs(pair[0], folder)
    numbers = write_run(tmp_path / "d", NUMBER, np.zeros((2, 1)), [1.5, 2.5])
    with pytest.raises(UsageError, match="different tasks .*single label.*regression"):
        compare_runs(pair[0], numbers)


def test_a_folder_without_a_run_or_predictions_is_refused(tmp_path, pair):
    with pytest.raises(UsageError, match="has no run.json"):
        compare_runs(pair[0], tmp_path)
    (pair[1] / "predictions.csv").unlink()
    with pytest.raises(UsageError, match="b: has no predictions of test rows.*--do_predict"):
        compare_runs(*pair)


def test_several_labels_per_row_in_another_order_and_with_another_delimiter(tmp_path):
    labels = [["a"], ["a", "b"], [], ["c"], ["b", "c"]] * 4
    turned = type(SEVERAL)(("c", "b", "a"), delimiter="|", thresholds=(0.5,) * 3)
    plain = [SEVERAL.encode(label) for label in labels]
    logits = np.where(np.array(plain) > 0, 3.0, -3.0)
    first = write_run(tmp_path / "a", SEVERAL, logits, labels)
    worse = logits[:, ::-1].copy()
    worse[0] *= -1
    second = write_run(tmp_path / "b", turned, worse, labels, label_delimiter="|")
    compared = compare_runs(first, second)
    assert compared.metrics["f1_micro"]["a"] == 1 and compared.metrics["f1_micro"]["b"] < 1
    assert [(row["id"], row["right"]) for row in compared.flipped] == [("r0", "A")]
    assert compared.flipped[0]["prediction_b"] == "b|c" and compared.flipped[0]["prediction_a"] == '["a"]'


def test_numbers_of_two_scales_are_compared_in_their_own_units(tmp_path):
    truth = np.linspace(1, 5, 30)
    other = type(NUMBER)(("score",), 100.0, 7.0)
    offs = {"a": (NUMBER, truth + 0.5), "b": (other, truth - 0.1)}
    folders = []
    for name, (task, predicted) in offs.items():
        logits = np.array([[task.encode(value)] for value in predicted.tolist()])
        folders.append(write_run(tmp_path / name, task, logits, truth.tolist()))
    compared = compare_runs(*folders)
    assert compared.metrics["rmse"]["a"] == pytest.approx(0.5) and compared.metrics["rmse"]["b"] == pytest.approx(0.1)
    assert compared.test["verdict"] == "B is better" and compared.test["mcnemar_p"] is None and not compared.classes
    assert len(compared.flipped) == 30 and compared.flipped[0]["change"] == pytest.approx(-0.4)


def test_guarded_cells_are_the_same_as_plain_ones(tmp_path):
    task = infer_task(["=no", "+yes"])
    labels = ["=no", "+yes"] * 10
    ids, texts = [f"-{i}" for i in range(20)], [f"@text {i}" for i in range(20)]
    first = write_run(tmp_path / "a", task, one_hot(task, labels), labels, ids=ids, texts=texts)
    second = write_run(tmp_path / "b", task, one_hot(task, labels[::-1]), labels, ids=ids, texts=texts, safe=True)
    compared = compare_runs(first, second)
    assert compared.metrics["accuracy"]["a"] == 1 and compared.metrics["accuracy"]["b"] == 0
    compared.write(tmp_path / "flipped.csv")
    with (tmp_path / "flipped.csv").open(encoding="utf-8", newline="") as handle:
        row = next(csv.DictReader(handle))
    assert row["id"] == "'-0" and row["text"] == "'@text 0" and row["label"] == "'=no"


def test_rows_without_labels_are_compared_by_their_predictions(tmp_path):
    task, names = infer_task(["no", "yes"]), ["no", "yes", "no"]
    first = write_run(tmp_path / "a", task, one_hot(task, names), [None] * 3)
    second = write_run(tmp_path / "b", task, one_hot(task, ["no", "no", "no"]), [None] * 3)
    compared = compare_runs(first, second)
    assert not compared.metrics and [row["id"] for row in compared.flipped] == ["r1"]
    assert "1 of 3 differ" in "\n".join(comparison_lines(compared))


def test_the_output_is_one_screen_and_the_file_has_all(tmp_path, capsys):
    task = infer_task(["no", "yes"])
    many = [name for name in TRUTH for _ in range(10)]
    first = write_run(tmp_path / "a", task, one_hot(task, many), many)
    second = write_run(tmp_path / "b", task, one_hot(task, ["no"] * 400), many)
    result = script.main([str(first), str(second), "--output", str(tmp_path / "flipped.csv")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 160
    assert "A is better: accuracy of B - A is -0.5000" in "\n".join(lines)
    assert "200 right only in A, 0 right only in B" in "\n".join(lines)
    assert len((tmp_path / "flipped.csv").read_text().splitlines()) == 201 == len(result["flipped"]) + 1


def test_hidden_texts_are_in_no_output(tmp_path):
    task = infer_task(["no", "yes"])
    texts = [f"secret {i}" for i in range(40)]
    first = write_run(tmp_path / "a", task, one_hot(task, TRUTH), TRUTH, texts=texts, report_texts=False)
    second = write_run(tmp_path / "b", task, one_hot(task, wrong_at(1)), TRUTH, texts=texts)
    compared = compare_runs(first, second)
    compared.write(tmp_path / "flipped.csv")
    file = (tmp_path / "flipped.csv").read_text()
    for shown in ("\n".join(comparison_lines(compared)), json.dumps(compared.as_dict()), file):
        assert "secret" not in shown and "r1" in shown


def test_the_script_prints_json_from_any_folder(pair, tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "compare_runs.py"), "a", "b", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0 and json.loads(done.stdout)["test"]["only_b_right"] == 3, done.stderr
    assert not done.stderr


def test_a_file_that_cannot_be_written_is_one_line_with_a_remedy(pair, tmp_path):
    with pytest.raises(UsageError, match="--output .*none/x.csv: cannot be written .* Name a file in a folder"):
        script.main([*map(str, pair), "--output", str(tmp_path / "none" / "x.csv")])
