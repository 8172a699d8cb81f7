"""What a run leaves behind: exact files, correct metrics, a model that loads everywhere, nothing secret."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import transformers
from corpus import make_rows, write_csv
from helpers import AGAIN, MODEL_FILES, RUN_FILES, TRAINED_FILES, file_times, read_predictions
from sklearn import metrics as sk

from run_classification import main


def test_the_output_folder_holds_exactly_these_files(trained):
    names = {path.name for path in trained.folder.iterdir()}
    assert names == TRAINED_FILES | RUN_FILES | {"checkpoint-16", "checkpoint-32"}
    inside = {path.name for path in (trained.folder / "checkpoint-32").iterdir()}
    state = {"optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "run_state.json", "manifest.json"}
    assert inside == MODEL_FILES | state


def test_results_have_the_keys_people_look_for(trained):
    result = trained.results
    assert result == json.loads((trained.folder / "all_results.json").read_text())
    metrics = ("loss", "accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc")
    assert {f"{split}_{name}" for split in ("eval", "test") for name in metrics} <= set(result)
    assert {"train_loss", "train_runtime", "train_samples", "test_per_class", "test_confusion_matrix"} <= set(result)
    assert np.sum(result["test_confusion_matrix"]) == 24


def test_test_metrics_are_those_of_the_predictions_file(trained):
    rows, result = trained.predictions, trained.results
    given, predicted = [row["label"] for row in rows], [row["prediction"] for row in rows]
    assert 0.5 < result["test_accuracy"] < 1
    assert result["test_accuracy"] == pytest.approx(sk.accuracy_score(given, predicted))
    assert result["test_mcc"] == pytest.approx(sk.matthews_corrcoef(given, predicted))
    losses = [-np.log(float(row[f"prob_{row['label']}"])) for row in rows]
    assert result["test_loss"] == pytest.approx(np.mean(losses), abs=1e-4)
    assert list(rows[0]) == [
        "id", "text", "label", "prediction", "prob_negative", "prob_positive", "tokens", "truncated",
    ]  # fmt: skip


def test_run_json_describes_the_run(trained):
    account = trained.account
    assert account["versions"]["transformers"] == transformers.__version__
    assert account["data"]["train"]["rows"] == 64 and len(account["data"]["train"]["fingerprint"]) == 32
    assert account["seeds"] == {"seed": 42, "data_seed": 42, "shuffle_seed": 42}
    assert account["arguments"]["trainer"]["learning_rate"] == 0.005
    assert [epoch["epoch"] for epoch in account["epochs"]] == [1.0, 2.0]
    assert account["best_step"] in (16, 32) and account["log_history"]
    assert {"prepare", "train", "eval", "predict", "neighbours", "total"} == set(account["seconds"])


def test_a_trained_model_is_evaluated_and_predicts_without_training(finished, trained):
    again = finished(model_name_or_path=trained.folder, train_file=None, do_eval=True, do_predict=True)
    for key in ("eval_loss", "eval_accuracy", "test_loss", "test_accuracy"):
        assert again.results[key] == pytest.approx(trained.results[key], abs=1e-6)
    assert {path.name for path in again.folder.iterdir()} == RUN_FILES - {"curves.svg", "neighbours.json"}


@pytest.fixture
def short(finished):
    """Eight tokens per text, and two secrets on the command line."""
    return finished(num_train_epochs=3, max_seq_length=8, token="hf_secret1", hub_token="hf_secret2")


def test_the_model_folder_works_from_a_copy_and_cuts_long_text(short, tmp_path):
    shutil.copytree(short.folder, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("checkpoint-*", "*.csv"))
    classify = transformers.pipeline("text-classification", model=str(tmp_path / "elsewhere"), truncation=True)
    rows = short.predictions
    assert [answer["label"] for answer in classify([row["text"] for row in rows])] == [r["prediction"] for r in rows]
    assert {row["truncated"] for row in rows} == {"True", "False"}
    assert max(int(row["tokens"]) for row in rows) == 8
    classify("good " * 500)  # the model has 64 positions


def test_secrets_are_written_nowhere(short):
    texts = [path.read_text(encoding="utf-8") for path in short.folder.rglob("*.json")]
    assert len(texts) >= 5 and not any("hf_secret" in text for text in [*texts, short.shown])
    assert {"--token=<redacted>", "--hub_token=<redacted>"} < set(short.account["command"])


def test_do_train_alone_selects_on_validation_and_predicts_nothing(finished):
    run = finished(do_train=True)
    assert not any(key.startswith(("eval_", "test_")) for key in run.results)
    assert run.account["best_step"]
    assert not (run.folder / "predictions.csv").exists()


def test_unlabelled_test_rows_are_predicted_and_not_scored(command, trained, tmp_path):
    rows = make_rows(10, seed=4)
    part = [row | {"label": "" if i < 4 else row["label"]} for i, row in enumerate(rows)]
    use = AGAIN | {"model_name_or_path": trained.folder}
    result = main(command(**use, test_file=write_csv(tmp_path / "part.csv", part)))
    assert result["test_scored"] == 6 and result["test_samples"] == 10
    assert [row["label"] for row in read_predictions(tmp_path / "out")] == [row["label"] for row in part]
    none = [{"text": row["text"]} for row in rows]
    flags = {"test_file": write_csv(tmp_path / "none.csv", none), "label_column_name": "label"}
    result = main(command(**use, **flags, output_dir=tmp_path / "none"))
    assert "test_accuracy" not in result and len(read_predictions(tmp_path / "none")) == 10


def test_another_run_is_moved_aside_not_overwritten(command, trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "out", copy_function=shutil.copyfile)
    main(command(seed=3, overwrite_output_dir=True))
    assert read_predictions(tmp_path / "out.bak-1") == trained.predictions
    assert not (tmp_path / "out.bak-1" / "out").exists() and (tmp_path / "out" / "run.json").exists()


def test_a_metric_of_scikit_learn_can_be_added_and_choose_the_checkpoint(finished):
    run = finished(metric_name="balanced_accuracy", metric_for_best_model="balanced_accuracy")
    assert run.results["eval_balanced_accuracy"] == pytest.approx(run.results["eval_accuracy"])  # classes are even


def test_the_objective_is_reported_where_it_is_not_the_loss(finished):
    result = finished(label_smoothing_factor=0.1, num_train_epochs=8).results
    assert result["eval_objective"] > result["eval_loss"] + 0.01  # smoothing costs a confident model


# ------------------------------------------------------------------------------------------------------------ dry run


def test_dry_run_shows_a_batch_and_writes_nothing(command, capsys, tmp_path):
    result = main([*command(), "--dry_run"])
    shown = capsys.readouterr().out
    assert result["dry_run_loss"] == pytest.approx(result["dry_run_loss_explicit"], abs=1e-7)
    for part in ("input_ids", "attention_mask", "token_type_ids", "labels", "[8, ", "int64", "[CLS]", "decay", "steps"):
        assert part in shown
    assert not (tmp_path / "out").exists()


def test_a_dry_run_beside_another_run_changes_nothing(command, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    main([*command(output_dir=tmp_path / "empty"), "--dry_run"])
    assert (tmp_path / "empty").is_dir()
    main([*command(output_dir=trained.folder), "--dry_run", "--overwrite_output_dir"])
    assert file_times(trained.folder) == trained.times
