"""Whole runs: they learn, keep the best checkpoint, continue where they stopped and repeat exactly."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import torch
import transformers
from corpus import make_rows, write_csv
from helpers import account, largest_difference, make_bert, make_tokenizer, weights

from run_classification import main


def logits_alone(folder, texts: list[str]) -> torch.Tensor:
    """Logits [N, C] of the saved model in fp32, one text at a time."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in texts])


def test_it_learns_and_every_parameter_moves(learned, tiny_model):
    assert learned.results["test_accuracy"] == 1.0
    before = transformers.AutoModel.from_pretrained(tiny_model).state_dict()
    after = weights(learned.folder)
    for name, tensor in before.items():
        assert not torch.equal(tensor, after[f"bert.{name}"]), f"{name} did not move"


def test_val_loss_is_the_mean_over_rows_of_the_saved_model(trained):
    rows = make_rows(24, seed=2)
    temperature = trained.account["task"]["calibration"]["temperature"]  # is in the saved weights
    logits = logits_alone(trained.folder, [row["text"] for row in rows]) * temperature
    labels = torch.tensor([("negative", "positive").index(row["label"]) for row in rows])
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    assert trained.results["eval_loss"] == pytest.approx(losses.mean().item(), abs=1e-5)


def test_predictions_are_beside_their_own_row(trained):
    """Texts of many lengths are evaluated longest first; one by one through a pipeline gives the same."""
    classify = transformers.pipeline("text-classification", model=str(trained.folder), truncation=True, top_k=None)
    given = make_rows(24, seed=3)
    assert [(row["id"], row["text"]) for row in trained.predictions] == [(row["id"], row["text"]) for row in given]
    for row in trained.predictions:
        scores = {score["label"]: score["score"] for score in classify([row["text"]])[0]}
        assert row["prediction"] == max(scores, key=scores.get)
        assert float(row["prob_positive"]) == pytest.approx(scores["positive"], abs=1e-4)


def test_bf16_predictions_have_the_labels_of_the_saved_model(finished):
    run = finished(precision="bf16", learning_rate=1e-3)
    logits = logits_alone(run.folder, [row["text"] for row in run.predictions])
    names = [("negative", "positive")[i] for i in logits.argmax(-1).tolist()]
    assert [row["prediction"] for row in run.predictions] == names


# ------------------------------------------------------------------------------------------------ best, again, resumed


def test_the_best_checkpoint_is_the_one_that_is_kept(finished, data):
    """Validation labels are swapped, so that val_loss rises while the model learns: the first epochs are the best."""
    rows = make_rows(24, seed=2, labels=("positive", "negative"))
    swapped = write_csv(data / "swapped_again.csv", rows)
    flags = {"num_train_epochs": 5, "per_device_train_batch_size": 4, "calibrate": False}  # weights are compared
    run = finished(validation_file=swapped, **flags)
    losses = {epoch["step"]: epoch["eval_loss"] for epoch in run.account["epochs"]}
    best, last = min(losses, key=losses.get), max(losses)
    assert run.account["best_step"] == best != last
    assert run.results["eval_loss"] == pytest.approx(losses[best], abs=1e-7)
    assert largest_difference(run.folder, run.folder / f"checkpoint-{best}") == 0
    assert {path.name for path in run.folder.glob("checkpoint-*")} == {f"checkpoint-{n}" for n in (best, last)}


def test_a_resumed_run_ends_with_the_same_weights(command, tmp_path):
    """With dropout, from the middle of the second epoch, with the newest checkpoint half written."""
    model = tmp_path / "with-dropout"
    make_bert(hidden_dropout_prob=0.2).bert.save_pretrained(model)
    make_tokenizer().save_pretrained(model)
    steps = {
        "model_name_or_path": model, "num_train_epochs": 3, "eval_strategy": "steps", "eval_steps": 3,
        "save_total_limit": 20,
    }  # fmt: skip
    main(command(**steps, output_dir=tmp_path / "whole"))
    (tmp_path / "cut").mkdir()
    for step in (9, 12):  # an epoch has 8
        shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", tmp_path / "cut" / f"checkpoint-{step}")
    (tmp_path / "cut" / "checkpoint-12" / "optimizer.pt").unlink()
    main(command(**steps, output_dir=tmp_path / "cut", resume="auto"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") == 0
    whole, cut = account(tmp_path / "whole")["epochs"], account(tmp_path / "cut")["epochs"]
    assert [epoch["step"] for epoch in whole] == [epoch["step"] for epoch in cut]
    assert [epoch["eval_loss"] for epoch in whole] == [epoch["eval_loss"] for epoch in cut]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(command, trained, tmp_path):
    flags = {"num_train_epochs": 2, "per_device_train_batch_size": 4}
    main(command(**flags))
    main(command(**flags, seed=2, output_dir=tmp_path / "other"))
    assert largest_difference(trained.folder, tmp_path / "out") == 0
    assert largest_difference(trained.folder, tmp_path / "other") > 0


# ------------------------------------------------------------------------------------------------------------ progress


def test_without_a_terminal_there_are_lines_and_no_cursor_codes(command, capfd):
    main(command(disable_tqdm=False))
    shown = capfd.readouterr()
    tenths = [line for line in shown.out.splitlines() if line.startswith("training    ")]
    assert len(tenths) == 8 and re.match(r"training      10%: step 1 of 8, [\d.]+ ", tenths[0])
    assert "training     100%: step 8 of 8, " in tenths[-1]
    assert not re.search("[\r\x1b]", shown.out + shown.err) and "it/s" not in shown.err


def test_progress_can_be_turned_off(command, capfd):
    main(command(disable_tqdm=True))
    shown = capfd.readouterr()
    assert "step 8 of 8" not in shown.out and "it/s" not in shown.out + shown.err


# ---------------------------------------------------------------------------------------------------------- throughput


def test_the_counts_of_a_run_are_those_of_its_data(finished):
    """64 rows, twice; validation (24) three times and test (24) once."""
    run = finished(num_train_epochs=2, per_device_train_batch_size=1)
    training, evaluation = (run.account["throughput"][name] for name in ("training", "evaluation"))
    tokens = sum(len(row["text"].split()) + 2 for row in make_rows(64, 1))
    assert training["rows"] == 128 and evaluation["rows"] == 3 * 24 + 24
    assert training["tokens_per_second"] * training["seconds"] == pytest.approx(2 * tokens)
    assert training["padding_share"] == pytest.approx(0) and 0 < training["waiting_share"] < 1
    seconds = run.account["seconds"]
    assert training["seconds"] + evaluation["seconds"] < sum(seconds[phase] for phase in ("train", "eval", "predict"))
    assert re.search(
        r"speed        training [\d.,]+ rows/s \(.* tokens/s, 0% padding, .*; evaluation .*; peak memory", run.shown
    )


def test_padding_is_counted_and_named(finished):
    run = finished(pad_to_max_length=True)
    tokens = sum(len(row["text"].split()) + 2 for row in make_rows(64, 1))
    padding = run.account["throughput"]["training"]["padding_share"]
    assert padding == pytest.approx(1 - tokens / (64 * 32))
    assert "of the tokens are padding: leave out --pad_to_max_length" in run.shown


@pytest.mark.parametrize("rows", [1, 500])
def test_the_size_of_its_batches_changes_no_prediction(rows, finished):
    runs = finished(per_device_eval_batch_size=rows), finished(pad_to_max_length=True)
    first, second = ([float(row["prob_positive"]) for row in run.predictions] for run in runs)
    assert np.allclose(first, second, atol=2e-6) and np.std(first) > 1e-4


def test_batches_are_by_length_unless_asked_otherwise(trained):
    assert trained.account["arguments"]["trainer"]["train_sampling_strategy"] == "group_by_length"
