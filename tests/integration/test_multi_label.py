"""Several labels per row from the command line alone: trained, measured, written, loaded again, and used later."""

from __future__ import annotations

import json

import numpy as np
import pytest
import transformers
from corpus import several_rows, write_csv, write_splits
from helpers import AGAIN, SGD, assert_epochs_agree, largest_difference, make_bert, make_tokenizer, read_predictions

from classification.cli.parser import parse_arguments
from data_utils import load_corpus
from run_classification import main

TUNED = {"num_train_epochs": 2, "tune_thresholds": "global"}


def test_several_labels_are_learned_written_and_loaded(finished, several):
    run = finished(**several, num_train_epochs=12, per_device_train_batch_size=4)
    result, rows = run.results, run.predictions
    assert result["test_f1_micro"] > 0.9 and result["test_exact_match"] > 0.8 and result["test_f1_samples"] > 0.8
    assert set(result["test_per_class"]) == {"blame", "praise"} and "test_confusion_matrix" not in result
    assert [row["label"] for row in rows] == [row["labels"] for row in several_rows(32, 3)]
    exact = np.mean([row["label"] == row["prediction"] for row in rows])
    assert result["test_exact_match"] == pytest.approx(exact)
    config = transformers.AutoConfig.from_pretrained(run.folder)
    assert config.problem_type == "multi_label_classification"
    assert config.thresholds == {"blame": 0.5, "praise": 0.5}
    classify = transformers.pipeline("text-classification", model=str(run.folder), truncation=True, top_k=None)
    for row, answers in zip(rows, classify([row["text"] for row in rows]), strict=True):
        for answer in answers:
            assert answer["score"] == pytest.approx(float(row[f"prob_{answer['label']}"]), abs=1e-5)


def test_columns_of_0_and_1_give_the_same_run(finished, several, data):
    def column_rows(count, seed):
        return [
            {"id": row["id"], "text": row["text"], **{name: int(name in row["labels"]) for name in ("blame", "praise")}}
            for row in several_rows(count, seed)
        ]

    names = finished(**several, **TUNED)
    columns = finished(**write_splits(data, "columns", column_rows, 96, 32, 32), **TUNED,
                       label_column_names="blame,praise")  # fmt: skip
    assert largest_difference(names.folder, columns.folder) == 0
    assert [json.loads(row["prediction"]) for row in columns.predictions] == [
        [name for name in row["prediction"].split("|") if name] for row in names.predictions
    ]


@pytest.mark.parametrize("scope", ["global", "per_label"])
def test_tuned_thresholds_are_saved_and_decide(finished, several, scope):
    run = finished(**several, **TUNED | {"tune_thresholds": scope})
    saved = transformers.AutoConfig.from_pretrained(run.folder).thresholds
    assert (len(set(saved.values())) == 1) == (scope == "global") and 0.5 not in saved.values()
    for row in run.predictions:
        chosen = [name for name in saved if float(row[f"prob_{name}"]) >= saved[name]]
        assert row["prediction"] == "|".join(chosen)


def test_a_later_prediction_uses_the_tuned_thresholds(finished, several):
    trained = finished(**several, **TUNED | {"tune_thresholds": "per_label"})
    use = {"model_name_or_path": trained.folder, "train_file": None, "do_eval": True, "do_predict": True}
    used = finished(**several | use)
    for key in ("eval_f1_micro", "eval_f1_macro", "test_f1_micro", "test_exact_match"):
        assert used.results[key] == pytest.approx(trained.results[key])
    assert (used.folder / "predictions.csv").read_text() == (trained.folder / "predictions.csv").read_text()


def test_thresholds_can_be_given(command, finished, several, tmp_path):
    run = finished(**several, thresholds='{"praise": 0}', num_train_epochs=2)
    assert transformers.AutoConfig.from_pretrained(run.folder).thresholds == {"blame": 0.5, "praise": 0.0}
    assert all("praise" in row["prediction"] for row in run.predictions)
    main(command(**several | AGAIN | {"model_name_or_path": run.folder}, thresholds=1))
    assert not any(row["prediction"] for row in read_predictions(tmp_path / "out"))


def test_one_label_per_row_written_as_several_gives_the_same_ranking(finished, learned):
    several = finished(num_train_epochs=8, per_device_train_batch_size=4, label_delimiter="|")
    for first, second in zip(learned.predictions, several.predictions, strict=True):
        by_score = max(("negative", "positive"), key=lambda name: float(second[f"prob_{name}"]))
        assert by_score == first["prediction"]


def test_validation_is_split_off_by_labels(command, several):
    corpus = load_corpus(parse_arguments(command(**several | {"validation_file": None})))
    label_ids = corpus.splits["validation"]["label"][:]
    assert "stratified by labels" in corpus.validation_method and len(label_ids) == 19
    assert all(8 <= count <= 11 for count in corpus.task.counts(label_ids).values())


def test_accumulation_is_exact_with_several_labels_too(command, several, tmp_path):
    uneven = write_csv(tmp_path / "uneven.csv", several_rows(27, 5))
    common = several | SGD | {"train_file": uneven, "class_weights": "balanced", "loss": "focal", "num_train_epochs": 2}
    common["calibrate"] = False  # weights are compared
    main(command(**common, per_device_train_batch_size=8, output_dir=tmp_path / "whole"))
    main(command(**common, per_device_train_batch_size=2, gradient_accumulation_steps=4, output_dir=tmp_path / "cut"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-5
    assert_epochs_agree(tmp_path / "whole", tmp_path / "cut", ("train_loss", "eval_loss"))


def test_a_dry_run_shows_several_labels(command, several, capsys):
    result = main([*command(**several), "--dry_run"])
    assert result["dry_run_loss"] == pytest.approx(result["dry_run_loss_explicit"])
    assert "[8, 2]" in capsys.readouterr().out


def test_a_model_of_several_labels_from_elsewhere_can_be_used(command, several, tmp_path):
    """Without thresholds in its config: 0.5."""
    names = {"id2label": {0: "blame", 1: "praise"}, "label2id": {"blame": 0, "praise": 1}}
    make_bert(problem_type="multi_label_classification", **names).save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    result = main(command(**several | AGAIN | {"model_name_or_path": tmp_path / "model"}))
    assert result["test_per_class"]["blame"]["threshold"] == 0.5
