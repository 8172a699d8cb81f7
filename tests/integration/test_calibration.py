"""Calibration in whole runs: fitted on validation, saved in the weights, honest in the figures, easy to turn off."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
import zoo
from corpus import make_rows, several_rows, write_splits
from helpers import assert_refused, read_predictions, weights

from classification.data.tasks import task_from_config
from run_classification import main

FLAGS = {"num_train_epochs": 2, "per_device_train_batch_size": 4}
FIGURES = ("loss", "loss_calibrated", "ece", "ece_calibrated", "brier", "brier_calibrated", "accuracy", "mcc")
HEAD = ("classifier.weight", "classifier.bias")


@pytest.fixture(scope="module")
def files(data) -> dict[str, str]:
    return write_splits(data, "calibration", make_rows, 64, 120, 60)


@pytest.fixture(scope="module")
def labels(data) -> dict[str, str]:
    return write_splits(data, "calibration_labels", several_rows, 96, 120, 60) | {"label_delimiter": "|"}


@pytest.fixture(scope="module")
def run(finished, files):
    return finished(**files, **FLAGS)


@pytest.fixture(scope="module")
def raw(finished, files):
    return finished(**files, **FLAGS, calibrate=False)


def written(rows: list[dict]) -> np.ndarray:
    return np.array([[float(value) for name, value in row.items() if name.startswith("prob_")] for row in rows])


def temperature_of(run) -> float:
    return transformers.AutoConfig.from_pretrained(run.folder).calibration["temperature"]


def used_again(run, tmp_path, **flags) -> dict:
    """The results of the saved model on the same validation and test rows."""
    arguments = {"model_name_or_path": run.folder, "output_dir": tmp_path / "again", "precision": "fp32", **flags}
    words = [f"--{name}={value}" for name, value in arguments.items()]
    return main([*words, "--do_eval", "--do_predict", "--disable_tqdm=true"])


def test_the_model_that_the_library_loads_gives_the_probabilities_of_the_run(run):
    assert abs(np.log(temperature_of(run))) > 0.1  # else nothing is tested
    texts = [row["text"] for row in run.predictions]
    assert np.abs(zoo.probabilities(run.folder, texts) - written(run.predictions)).max() < 1e-5
    classify = transformers.pipeline("text-classification", model=str(run.folder), top_k=None)
    for row, answers in zip(run.predictions, classify(texts), strict=True):
        assert all(abs(each["score"] - float(row[f"prob_{each['label']}"])) < 1e-5 for each in answers)


def test_the_saved_model_gives_the_same_files_and_figures_in_this_recipe(run, files, tmp_path):
    again = used_again(run, tmp_path, **{name: files[name] for name in ("validation_file", "test_file")})
    assert (tmp_path / "again" / "predictions.csv").read_text() == (run.folder / "predictions.csv").read_text()
    for name in [f"{split}_{figure}" for split in ("eval", "test") for figure in FIGURES]:
        assert again[name] == pytest.approx(run.results[name], abs=1e-6), name
    for now, then in zip(again["test_abstention"], run.results["test_abstention"], strict=True):
        assert now == {name: pytest.approx(value, abs=1e-6) for name, value in then.items()}


def test_without_calibration_everything_is_raw(run, raw):
    assert not hasattr(transformers.AutoConfig.from_pretrained(raw.folder), "calibration")
    calibrated, plain = weights(run.folder), weights(raw.folder)
    temperature = temperature_of(run)
    for name, tensor in plain.items():
        expected = tensor / temperature if name in HEAD else tensor
        assert torch.equal(calibrated[name], expected), name
    assert [row["prediction"] for row in run.predictions] == [row["prediction"] for row in raw.predictions]
    for name in ("eval_loss", "test_loss", "eval_accuracy", "test_ece", "test_brier"):
        assert run.results[name] == pytest.approx(raw.results[name], abs=1e-6)
    assert not [name for name in raw.results if name.endswith("_calibrated")]
    assert raw.account["task"].get("calibration") is None and raw.account["best_step"] == run.account["best_step"]
    assert [each["what"] for each in raw.account["selections"]] == ["checkpoint"]
    assert not [line for line in raw.shown.splitlines() if line.startswith("calibration")]


def test_run_json_names_the_rows_of_every_selection(run):
    checkpoint, temperature = run.account["selections"]
    assert checkpoint == {
        "what": "checkpoint", "split": "validation", "rows": 120, "method": "lowest val_loss",
        "value": f"step {run.account['best_step']}", "score": run.account["best_metric"], "cross_fitted": False,
    }  # fmt: skip
    assert temperature["what"] == "temperature" and temperature["split"] == "validation" and temperature["rows"] == 120
    assert temperature["value"] == temperature_of(run)
    assert temperature["loss_calibrated"] == run.results["eval_loss_calibrated"]
    task = task_from_config(SimpleNamespace(**run.account["task"]))
    assert task.temperatures == (temperature_of(run),)


def test_the_log_has_one_line_after_training_and_one_after_test(run):
    lines = [line for line in run.shown.splitlines() if line.startswith("calibration")]
    assert len(lines) == 2
    assert f"divided by {temperature_of(run):.4g}, fitted on 120 validation rows" in lines[0]
    assert f"log loss {run.results['eval_loss']:.4f} -> {run.results['eval_loss_calibrated']:.4f}" in lines[0]
    assert lines[0].endswith("(cross-fitted)")
    assert f"log loss {run.results['test_loss']:.4f} -> {run.results['test_loss_calibrated']:.4f}" in lines[1]


def test_few_validation_rows_are_a_warning(finished):
    run = finished(num_train_epochs=1)
    assert "calibration is fitted on 24 validation rows, and fewer than 100 are a guess" in run.shown


def test_training_further_starts_from_the_raw_model(run, files, tmp_path):
    """With a learning rate of nearly 0, the figures of the first step are those of the model that was saved."""
    flags = {"model_name_or_path": run.folder, "output_dir": tmp_path / "further", **files, "precision": "fp32"}
    further = {"learning_rate": 1e-12, "weight_decay": 0.0, "max_steps": 1, "eval_strategy": "steps", "eval_steps": 1}
    words = [f"--{name}={value}" for name, value in {**flags, **further, "disable_tqdm": True}.items()]
    result = main(words)
    assert result["eval_loss"] == pytest.approx(run.results["eval_loss"], abs=1e-6)
    config = transformers.AutoConfig.from_pretrained(tmp_path / "further")
    assert config.calibration["temperature"] == pytest.approx(temperature_of(run), rel=1e-4)
    rows = read_predictions(tmp_path / "further")
    assert np.abs(written(rows) - written(run.predictions)).max() < 1e-4


def test_each_label_is_calibrated_and_tuned_thresholds_are_calibrated_probabilities(finished, labels, tmp_path):
    run = finished(**labels, num_train_epochs=6, tune_thresholds="per_label")
    config = transformers.AutoConfig.from_pretrained(run.folder)
    assert set(config.calibration["temperature"]) == {"blame", "praise"}
    for row in run.predictions:
        chosen = [name for name, cut in config.thresholds.items() if float(row[f"prob_{name}"]) >= cut]
        assert row["prediction"] == "|".join(chosen)
    texts, model = [row["text"] for row in run.predictions], zoo.load(run.folder, training=False)
    batch = zoo.encode(model.tokenizer, texts)
    with torch.no_grad():
        logits = transformers.AutoModelForSequenceClassification.from_pretrained(run.folder)(**batch).logits
    assert np.abs(logits.sigmoid().numpy() - written(run.predictions)).max() < 1e-5
    flags = {name: labels[name] for name in ("validation_file", "test_file", "label_delimiter")}
    again = used_again(run, tmp_path, **flags)
    assert (tmp_path / "again" / "predictions.csv").read_text() == (run.folder / "predictions.csv").read_text()
    for name in ("eval_loss", "eval_loss_calibrated", "test_loss_calibrated", "test_brier_calibrated"):
        assert again[name] == pytest.approx(run.results[name], abs=1e-6)


@pytest.mark.parametrize(
    "flags", [{"lora_r": 4, "lora_merge": False}, {"pooling": "mean"}, {"freeze": "encoder", "learning_rate": 0.05}]
)
def test_other_heads_predict_the_same_again(flags, finished, files, tmp_path):
    run = finished(**files, **FLAGS | flags)
    assert transformers.AutoConfig.from_pretrained(run.folder).calibration["in_the_weights"] is True
    used_again(run, tmp_path, **{name: files[name] for name in ("validation_file", "test_file")})
    assert (tmp_path / "again" / "predictions.csv").read_text() == (run.folder / "predictions.csv").read_text()


def test_training_alone_calibrates_too(finished, files, run):
    alone = finished(**files, **FLAGS, do_train=True)
    assert weights(alone.folder).keys() == weights(run.folder).keys() and temperature_of(alone) == temperature_of(run)


def test_a_model_that_is_made_again_from_its_last_checkpoint_is_the_same(command, files, tmp_path):
    flags = {**files, "num_train_epochs": 1}
    main(command(**flags))
    before = {name: (tmp_path / "out" / name).read_bytes() for name in ("model.safetensors", "predictions.csv")}
    saved = json.loads((tmp_path / "out" / "config.json").read_text())["calibration"]
    for name in before:
        (tmp_path / "out" / name).unlink()
    main(command(**flags, resume="auto"))
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before
    assert json.loads((tmp_path / "out" / "config.json").read_text())["calibration"] == saved


def test_a_number_has_no_temperature(finished, numbers):
    run = finished(**numbers, num_train_epochs=1)
    assert not hasattr(transformers.AutoConfig.from_pretrained(run.folder), "calibration")
    assert not [name for name in run.results if "ece" in name or "brier" in name or "calibrated" in name]


def test_calibration_that_cannot_be_is_refused_before_training(command, numbers, run, nothing_slow):
    assert_refused(["--calibrate True", "regression has no probabilities"], main, command(**numbers, calibrate=True))
    for value in ("true", "false"):
        words = command(model_name_or_path=run.folder, do_predict=True, calibrate=value)
        assert_refused([f"--calibrate {value}", "Pass --do_train, or leave the flag out"], main, words)


def test_folds_are_scored_by_temperatures_that_their_rows_did_not_choose(finished, files):
    study = finished(train_file=files["train_file"], folds=2, validation_file=None, test_file=None, num_train_epochs=1)
    for fold in study.results["runs"].values():
        assert {"eval_loss", "eval_loss_calibrated"} <= set(fold)
    assert "eval_loss_calibrated_mean" in study.results
