"""What a run leaves behind: exact files, honest figures, a model that loads everywhere, nothing secret."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import transformers
from conftest import hub_folder, make_rows, write_csv
from sklearn import metrics as sk

from classification.data.labels import LabelSpace
from classification.errors import UsageError
from classification.evaluation import decisions
from classification.evaluation.metrics import load_metric, per_class, score
from classification.reporting.run_record import redact_command
from run_classification import main

MODEL_FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
RUN_FILES = {"all_results.json", "run.json", "predictions.csv", "curves.svg", "confusion_matrix.svg"}


def read_predictions(folder, name: str = "predictions.csv") -> list[dict]:
    with (folder / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_output_folder_holds_exactly_this(command, tmp_path):
    main(command(num_train_epochs=2))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == MODEL_FILES | RUN_FILES | {"checkpoint-8", "checkpoint-16"}
    inside = {path.name for path in (tmp_path / "out" / "checkpoint-16").iterdir()}
    assert inside == MODEL_FILES | {"optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"}


def test_results_have_the_keys_people_look_for(command, tmp_path):
    result = main(command())
    assert result == json.loads((tmp_path / "out" / "all_results.json").read_text())
    figures = ("loss", "accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc")
    assert {f"{split}_{figure}" for split in ("eval", "test") for figure in figures} <= set(result)
    assert {"train_loss", "train_runtime", "train_samples", "test_per_class", "test_confusion_matrix"} <= set(result)
    assert np.sum(result["test_confusion_matrix"]) == 24


def test_test_figures_are_those_of_the_predictions_file(command, tmp_path):
    result = main(command(num_train_epochs=2, learning_rate=0.001))
    rows = read_predictions(tmp_path / "out")
    given, predicted = [row["label"] for row in rows], [row["prediction"] for row in rows]
    assert result["test_accuracy"] == pytest.approx(sk.accuracy_score(given, predicted))
    assert result["test_mcc"] == pytest.approx(sk.matthews_corrcoef(given, predicted))
    losses = [-np.log(float(row[f"prob_{row['label']}"])) for row in rows]
    assert result["test_loss"] == pytest.approx(np.mean(losses), abs=1e-4)
    assert list(rows[0]) == [
        "id", "text", "label", "prediction", "prob_negative", "prob_positive", "tokens", "truncated",
    ]  # fmt: skip


def test_the_model_folder_works_from_a_copy_and_cuts_long_text(command, tmp_path):
    main(command(num_train_epochs=3, max_seq_length=8))
    shutil.copytree(tmp_path / "out", tmp_path / "elsewhere", ignore=shutil.ignore_patterns("checkpoint-*", "*.csv"))
    classify = transformers.pipeline("text-classification", model=str(tmp_path / "elsewhere"), truncation=True)
    rows = read_predictions(tmp_path / "out")
    assert [answer["label"] for answer in classify([row["text"] for row in rows])] == [r["prediction"] for r in rows]
    assert {row["truncated"] for row in rows} == {"True", "False"}
    assert max(int(row["tokens"]) for row in rows) == 8
    classify("good " * 500)  # 64 positions


def test_secrets_are_written_nowhere(command, tmp_path):
    main([*command(), "--token", "hf_secret1", "--hub_token=hf_secret2"])
    for path in (tmp_path / "out").rglob("*.json"):
        assert "hf_secret" not in path.read_text(encoding="utf-8"), path
    account = json.loads((tmp_path / "out" / "run.json").read_text())
    assert account["command"][-3:] == ["--token", "<redacted>", "--hub_token=<redacted>"]
    assert redact_command(["--token", "a", "--seed", "1"]) == ["--token", "<redacted>", "--seed", "1"]


def test_run_json_says_what_was_run(command, tmp_path):
    main(command(num_train_epochs=2))
    account = json.loads((tmp_path / "out" / "run.json").read_text())
    assert account["versions"]["transformers"] == transformers.__version__
    assert account["data"]["train"]["rows"] == 64 and len(account["data"]["train"]["fingerprint"]) == 32
    assert account["seeds"] == {"seed": 42, "data_seed": 42, "shuffle_seed": 42}
    assert account["arguments"]["trainer"]["learning_rate"] == 0.005
    assert [epoch["epoch"] for epoch in account["epochs"]] == [1.0, 2.0]
    assert account["best_step"] in (8, 16) and account["log_history"]
    assert {"prepare", "train", "eval", "predict", "total"} == set(account["seconds"])


def test_a_trained_model_is_evaluated_and_predicts_without_training(command, tmp_path):
    trained = main(command(num_train_epochs=3))
    use = {"model_name_or_path": tmp_path / "out", "output_dir": tmp_path / "again", "train_file": None}
    again = main(command(**use, do_eval=True, do_predict=True))
    for key in ("eval_loss", "eval_accuracy", "test_loss", "test_accuracy"):
        assert again[key] == pytest.approx(trained[key], abs=1e-6)
    assert {path.name for path in (tmp_path / "again").iterdir()} == RUN_FILES - {"curves.svg"}


def test_do_train_alone_selects_on_validation_and_predicts_nothing(command, tmp_path):
    result = main(command(do_train=True))
    assert not any(key.startswith(("eval_", "test_")) for key in result)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["best_step"]
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_a_train_file_alone_is_enough(command, capsys, tmp_path):
    result = main(command(validation_file=None, test_file=None))
    assert result["eval_samples"] == 12 and result["train_samples"] == 52  # 20% of 64, half of it of each class
    assert "no test rows were given" in capsys.readouterr().out


def test_a_data_set_of_the_hub_needs_no_other_flag(tiny_model, capsys, tmp_path, monkeypatch):
    """IMDB's layout: validation is split off, test is scored, the unlabelled split is never tokenised."""
    monkeypatch.chdir(tmp_path)
    result = main(["--model_name_or_path", tiny_model, "--dataset_name", hub_folder(tmp_path), "--output_dir", "out"])
    assert result["train_samples"] == 32 and result["eval_samples"] == 8 and result["test_scored"] == 10
    shown = capsys.readouterr().out
    assert "never tokenised: split unsupervised" in shown and "the lowest val_loss" in shown
    assert set(result["test_per_class"]) == {"neg", "pos"}


def test_pairs_are_trained_on_predicted_and_loaded_as_pairs(command, tmp_path):
    """The second text gives the label away; the first agrees with it in half of the rows only."""
    files = {}
    for split, seed in (("train", 1), ("validation", 2), ("test", 3)):
        first, second = make_rows(48, seed=seed), make_rows(48, seed=seed + 10)
        rows = [
            {"id": a["id"], "premise": a["text"], "hypothesis": b["text"], "label": b["label"]}
            for a, b in zip(first[:24] + first[1:25], second, strict=True)
        ]
        files[f"{split}_file"] = write_csv(tmp_path / f"pairs_{split}.csv", [r | {"id": i} for i, r in enumerate(rows)])
    main(command(**files, num_train_epochs=8, max_seq_length=48, per_device_train_batch_size=4))
    rows = read_predictions(tmp_path / "out")
    assert list(rows[0])[:4] == ["id", "text", "text_pair", "label"]
    assert sum(row["label"] == row["prediction"] for row in rows) >= 40
    classify = transformers.pipeline("text-classification", model=str(tmp_path / "out"), truncation=True)
    answers = classify([{"text": row["text"], "text_pair": row["text_pair"]} for row in rows])
    assert [answer["label"] for answer in answers] == [row["prediction"] for row in rows]


def test_unlabelled_test_rows_are_predicted_and_not_scored(command, tmp_path):
    rows = make_rows(10, seed=4)
    part = [row | {"label": "" if i < 4 else row["label"]} for i, row in enumerate(rows)]
    result = main(command(test_file=write_csv(tmp_path / "part.csv", part)))
    assert result["test_scored"] == 6 and result["test_samples"] == 10
    assert [row["label"] for row in read_predictions(tmp_path / "out")] == [row["label"] for row in part]
    none = [{"text": row["text"]} for row in rows]
    flags = {"test_file": write_csv(tmp_path / "none.csv", none), "label_column_name": "label"}
    result = main(command(**flags, output_dir=tmp_path / "none"))
    assert "test_accuracy" not in result and len(read_predictions(tmp_path / "none")) == 10


def test_another_run_is_moved_aside_not_overwritten(command, tmp_path):
    main(command())
    before = (tmp_path / "out" / "predictions.csv").read_text()
    main(command(seed=3, overwrite_output_dir=True))
    assert (tmp_path / "out.bak-1" / "predictions.csv").read_text() == before
    assert not (tmp_path / "out.bak-1" / "out").exists() and (tmp_path / "out" / "run.json").exists()


def test_regression_is_in_the_units_of_its_labels(command, tmp_path):
    files = {}
    for split, seed in (("train", 1), ("validation", 2), ("test", 3)):
        rows = make_rows(48, seed=seed, labels=("20.5", "70.5"))
        files[f"{split}_file"] = write_csv(tmp_path / f"n_{split}.csv", rows)
    result = main(command(**files, do_regression=True, num_train_epochs=12, metric_for_best_model="mae"))
    assert result["test_mae"] < 10 and result["test_pearson"] > 0.8
    predictions = [float(row["prediction"]) for row in read_predictions(tmp_path / "out")]
    assert 0 < min(predictions) < 40 and 50 < max(predictions) < 100
    assert transformers.AutoConfig.from_pretrained(tmp_path / "out").problem_type == "regression"


def test_few_steps_at_a_low_rate_are_warned_of(command, capsys):
    main([*command(learning_rate=2e-5), "--dry_run"])
    assert "warning: 8 steps at a learning rate of 2e-05" in capsys.readouterr().out
    main([*command(), "--dry_run"])
    assert "hardly move" not in capsys.readouterr().out


def test_a_dry_run_beside_another_run_touches_nothing(command, tmp_path):
    (tmp_path / "empty").mkdir()
    main([*command(output_dir=tmp_path / "empty"), "--dry_run"])
    assert (tmp_path / "empty").is_dir()
    main(command())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    main([*command(), "--dry_run", "--overwrite_output_dir"])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_dry_run_shows_a_batch_and_writes_nothing(command, capsys, tmp_path):
    result = main([*command(), "--dry_run"])
    shown = capsys.readouterr().out
    assert result["dry_run_loss"] == pytest.approx(result["dry_run_loss_explicit"], abs=1e-7)
    for part in ("input_ids", "attention_mask", "token_type_ids", "labels", "[8, ", "int64", "[CLS]", "decay", "steps"):
        assert part in shown
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------------ metrics

LABELS = LabelSpace.from_train(["a", "b", "c"])


def some_logits(count: int = 50) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return draw.normal(size=(count, 3)).astype(np.float32), draw.integers(0, 3, count)


def test_metrics_are_those_of_scikit_learn():
    logits, ids = some_logits()
    result, predicted = score(logits, ids, LABELS), logits.argmax(-1)
    assert result["accuracy"] == sk.accuracy_score(ids, predicted)
    assert result["f1_macro"] == sk.f1_score(ids, predicted, average="macro")
    assert result["mcc"] == sk.matthews_corrcoef(ids, predicted)
    assert result["loss"] == pytest.approx(sk.log_loss(ids, decisions.probabilities(logits, LABELS)))
    table = per_class(logits, ids, LABELS)
    assert table["per_class"]["b"]["recall"] == sk.recall_score(ids, predicted, labels=[1], average="macro")
    assert table["confusion_matrix"] == sk.confusion_matrix(ids, predicted).tolist()


@pytest.mark.parametrize("name", ["balanced_accuracy", "roc_auc_ovr", "neg_log_loss"])
def test_any_scorer_of_scikit_learn_can_be_added(name):
    logits, ids = some_logits()
    value = score(logits, ids, LABELS, load_metric(name, LABELS))[name]
    expected = {
        "balanced_accuracy": sk.balanced_accuracy_score(ids, logits.argmax(-1)),
        "roc_auc_ovr": sk.roc_auc_score(ids, decisions.probabilities(logits, LABELS), multi_class="ovr"),
        "neg_log_loss": -sk.log_loss(ids, decisions.probabilities(logits, LABELS)),
    }
    assert value == pytest.approx(expected[name])


def test_an_added_metric_can_choose_the_checkpoint(command):
    result = main(command(metric_name="balanced_accuracy", metric_for_best_model="balanced_accuracy"))
    assert result["eval_balanced_accuracy"] == pytest.approx(result["eval_accuracy"])  # classes are even


def test_a_metric_is_never_run_from_the_working_directory_by_accident(tmp_path, monkeypatch):
    (tmp_path / "exotic").mkdir()
    (tmp_path / "exotic" / "exotic.py").write_text("raise SystemExit('executed')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--metric_name exotic.*execute"):
        load_metric("exotic", LABELS)


def test_the_objective_is_reported_where_it_is_not_the_loss(command):
    result = main(command(label_smoothing_factor=0.1, num_train_epochs=8))
    assert result["eval_objective"] > result["eval_loss"] + 0.01  # a sure model pays for its sureness


def test_infinite_figures_stay_valid_json(tmp_path):
    from classification.reporting.run_record import write_json

    write_json(tmp_path / "x.json", {"a": float("-inf"), "b": np.float32(0.5), "c": [np.int64(3), float("nan")]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": 0.5, "c": [3, None]}
