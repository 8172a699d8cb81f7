"""A training, its export, and predictions from the exported folder by predict.py and by another program."""

from __future__ import annotations

import csv
import re
import subprocess
import sys

import export_onnx
import pytest
from helpers import ROOT, assert_refused, read_predictions

import predict


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    """The shared run, and its export, which is compared on the run's own predictions."""
    run, out = finished(), tmp_path_factory.mktemp("onnx") / "out-onnx"
    return run, out, export_onnx.main([str(run.folder), str(out)])


def test_without_a_file_the_predictions_of_the_run_are_the_rows(exported):
    run, _, record = exported
    check = record["check"]
    assert (check["rows"], check["agreeing"]) == (len(run.predictions), len(run.predictions))
    assert check["scores"]["onnx"] == pytest.approx(run.results["test_accuracy"])


def test_predict_gives_the_same_file_from_both_folders(exported, shared_files, tmp_path):
    run, out, _ = exported
    outputs = []
    for name, folder, flags in (("torch", run.folder, ["--precision", "fp32"]), ("onnx", out, [])):
        file = tmp_path / f"{name}.csv"
        results = predict.main([str(folder), shared_files["test_file"], "-o", str(file), *flags])
        outputs.append((read_predictions(tmp_path, file.name), results["accuracy"]))
    (first, accuracy), (second, other) = outputs
    assert accuracy == other and first[0].keys() == second[0].keys()
    for one, two in zip(first, second, strict=True):
        assert one["prediction"] == two["prediction"]
        for name in one:
            if name.startswith("prob_"):
                assert float(one[name]) == pytest.approx(float(two[name]), abs=1e-5)


def test_the_snippet_of_the_page_gives_the_answers_of_predict(exported):
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    code = re.search(r"<!-- snippet: begin -->\n```python\n(.*?)```", page, re.DOTALL).group(1)
    assert len([line for line in code.splitlines() if line]) <= 16
    texts = ["A wonderful film", "A waste of time"]
    assert all(text in code for text in texts)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=exported[1].parent, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    given = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    for (label, probability), answer in zip(given, predict.load(str(exported[1]))(texts), strict=True):
        assert label == answer.label and float(probability) == pytest.approx(answer.probability, abs=1e-5)


def test_the_graph_is_another_model_than_the_weights(exported):
    """A prediction cannot be continued with the other one: their logits differ in the last bits."""
    run, out, _ = exported
    assert predict.load(str(run.folder)).identity != predict.load(str(out)).identity


def test_a_second_export_into_the_folder_needs_a_flag(exported):
    run, out, _ = exported
    assert_refused(["OUT", "exists", "--overwrite"], export_onnx.main, [str(run.folder), str(out)])


def test_columns_of_a_file_may_be_named(exported, tmp_path):
    run, _, _ = exported
    file, label = tmp_path / "other.csv", run.predictions[0]["prediction"]
    with file.open("w", newline="") as handle:
        csv.writer(handle).writerows([["body", "verdict"], ["good film", label], ["bad film", label]])
    words = [str(run.folder), str(tmp_path / "out"), "--check_file", str(file)]
    assert_refused(["other.csv", "--text_column_names"], export_onnx.main, words)
    words += ["--text_column_names", "body", "--label_column_name", "verdict"]
    check = export_onnx.main(words)["check"]
    assert check["different_texts"] == 2 and check["scores"]["pytorch"] == check["scores"]["onnx"]


def test_the_command_prints_one_line_and_code_2_for_a_refusal(tmp_path):
    script = str(ROOT / "scripts" / "export_onnx.py")
    done = subprocess.run(
        [sys.executable, script, str(tmp_path), "out"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "config.json" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        {"lora_r": 4, "lora_merge": False},
        {"truncation_strategy": "window", "max_seq_length": 8, "window_stride": 3},
        {"truncation_strategy": "head_tail", "max_seq_length": 8},
        {"pooling": "mean"},
        {"tune_thresholds": "per_label"},
    ],
)
def test_every_way_of_training_is_exported(finished, tmp_path, flags):
    run = finished(**flags)
    record = export_onnx.main([str(run.folder), str(tmp_path / "out")])
    assert record["check"]["agreeing"] == len(run.predictions)
    first, second = predict.load(str(run.folder), precision="fp32"), predict.load(str(tmp_path / "out"))
    assert (first.task, first.truncation) == (second.task, second.truncation)
    assert first.tokenizer.model_max_length == second.tokenizer.model_max_length
    texts = ["a good film", "a " * 30 + "bad book"]
    assert [(answer.label, answer.tokens) for answer in first(texts)] == [
        (answer.label, answer.tokens) for answer in second(texts)
    ]
