"""Training is exact: the cut of a batch, the number of processes and a stop in the middle change nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from conftest import make_bert, make_rows, make_tokenizer, run_in_two_processes, write_csv
from safetensors.torch import load_file

from classification.data.labels import LabelSpace
from classification.training.objective import Objective
from classification.training.samplers import TrainSampler, in_row_order, longest_first
from run_classification import main

TWO, THREE = LabelSpace.from_train([0, 1]), LabelSpace.from_train([0, 1, 2])


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model.safetensors")


def largest_difference(first, second) -> float:
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


# Adam divides a gradient by its own size, so that rounding in a gradient of zero (a key bias) becomes a step of the
# learning rate. SGD keeps a difference in proportion.
SGD = {"optim": "sgd", "learning_rate": 0.2}


def account(folder) -> dict:
    return json.loads((Path(folder) / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def uneven(tmp_path) -> str:
    """27 training rows: no batch size below divides them."""
    return write_csv(tmp_path / "uneven.csv", make_rows(27, seed=5))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("micro_batch", [2, 4])
def test_accumulated_micro_batches_equal_one_batch(command, uneven, tmp_path, micro_batch, smoothing):
    common = {"train_file": uneven, "label_smoothing_factor": smoothing, "num_train_epochs": 2, **SGD}
    main(command(**common, per_device_train_batch_size=8, output_dir=tmp_path / "whole"))
    cut = {"per_device_train_batch_size": micro_batch, "gradient_accumulation_steps": 8 // micro_batch}
    main(command(**common, **cut, output_dir=tmp_path / "cut"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-5
    whole, parts = account(tmp_path / "whole")["epochs"], account(tmp_path / "cut")["epochs"]
    for one, other in zip(whole, parts, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-6)
        assert one["train_accuracy"] == other["train_accuracy"]
        assert one["eval_loss"] == pytest.approx(other["eval_loss"], abs=1e-6)


def several_labels(tmp_path) -> dict:
    """27 rows with up to two labels each, and as many of validation and test."""
    files = {}
    for split in ("train", "validation", "test"):
        rows = [row | {"label": "|".join(["odd"] * (i % 2) + ["third"] * (i % 3 == 0))}
                for i, row in enumerate(make_rows(27, seed=len(split)))]  # fmt: skip
        files[f"{split}_file"] = write_csv(tmp_path / f"several_{split}.csv", rows)
    return files | {"label_delimiter": "|", "class_weights": "balanced", "tune_thresholds": "global"}


@pytest.mark.parametrize("task", ["one label", "several labels"])
def test_two_processes_equal_one(command, uneven, tmp_path, task):
    """Also with rows that do not divide: 27 rows over 2 x 4 leave a last batch of 3."""
    common = {"train_file": uneven, "label_smoothing_factor": 0.1} if task == "one label" else several_labels(tmp_path)
    common |= {"num_train_epochs": 2, "use_cpu": True, **SGD}
    main(command(**common, per_device_train_batch_size=8, output_dir=tmp_path / "one"))
    run_in_two_processes(command(**common, per_device_train_batch_size=4, output_dir=tmp_path / "two"))
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    one, two = account(tmp_path / "one"), account(tmp_path / "two")
    compared = {"train_loss", "train_accuracy", "eval_loss", "eval_accuracy", "eval_f1_micro"}
    for first, second in zip(one["epochs"], two["epochs"], strict=True):
        for key in compared & set(first):
            assert first[key] == pytest.approx(second[key], abs=1e-6), key
    predictions = [(tmp_path / run / "predictions.csv").read_text() for run in ("one", "two")]
    assert [line.split(",")[:4] for line in predictions[0].splitlines()] == [
        line.split(",")[:4] for line in predictions[1].splitlines()
    ]


def test_the_library_alone_would_multiply_the_loss(tiny_model):
    """The fault that Objective is there for: a micro-batch's mean, asked to be a part of 4 micro-batches."""
    model = make_bert()
    batch = {"input_ids": torch.randint(4, 30, (2, 6)), "labels": torch.tensor([0, 1])}
    plain = model(**batch, num_items_in_batch=torch.tensor(8)).loss
    exact = Objective(TWO)(model(**batch), batch["labels"], torch.tensor(8))
    assert plain.item() == pytest.approx(4 * exact.item(), rel=1e-5)


def test_objective_equals_the_library_smoother():
    from transformers.trainer_pt_utils import LabelSmoother

    torch.manual_seed(0)
    logits, labels = torch.randn(7, 3), torch.tensor([0, 1, 2, 0, 1, 2, 1])
    outputs = transformers.modeling_outputs.SequenceClassifierOutput(logits=logits)
    ours = Objective(THREE, label_smoothing=0.1)(outputs, labels)
    assert ours.item() == pytest.approx(LabelSmoother(0.1)({"logits": logits}, labels).item(), rel=1e-5)


def test_rows_labelled_ignored_add_nothing():
    logits = torch.randn(4, 1)
    labels = torch.tensor([0.5, -100.0, 1.5, -100.0])
    regression = Objective(LabelSpace.from_train([1.5, 2.5]))
    assert regression.total(logits, labels) == pytest.approx(regression.total(logits[::2], labels[::2]).item())


def test_val_loss_is_the_mean_over_rows(command, tmp_path):
    """24 validation rows in batches of 7: a mean of batch means would weigh the last three rows double."""
    result = main(command(per_device_eval_batch_size=7))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    losses = []
    for row in make_rows(24, seed=2):
        encoding = tokenizer(row["text"], return_tensors="pt")
        losses.append(model(**encoding, labels=torch.tensor([model.config.label2id[row["label"]]])).loss.item())
    assert result["eval_loss"] == pytest.approx(np.mean(losses), abs=1e-5)


def test_it_learns_and_every_parameter_moves(command, tiny_model, tmp_path):
    result = main(command(num_train_epochs=8, per_device_train_batch_size=4))
    assert result["test_accuracy"] == 1.0
    before = transformers.AutoModel.from_pretrained(tiny_model).state_dict()
    after = weights(tmp_path / "out")
    for name, tensor in before.items():
        assert not torch.equal(tensor, after[f"bert.{name}"]), f"{name} did not move"


def test_the_best_checkpoint_is_the_one_that_is_kept(command, tmp_path):
    """Validation labels are swapped, so that val_loss rises while the model learns: the first epoch is the best."""
    swapped = write_csv(tmp_path / "swapped.csv", make_rows(24, seed=2, labels=("positive", "negative")))
    result = main(command(validation_file=swapped, num_train_epochs=5, per_device_train_batch_size=4))
    run = account(tmp_path / "out")
    losses = {epoch["step"]: epoch["eval_loss"] for epoch in run["epochs"]}
    best, last = min(losses, key=losses.get), max(losses)
    assert run["best_step"] == best != last
    assert result["eval_loss"] == pytest.approx(losses[best], abs=1e-7)
    assert largest_difference(tmp_path / "out", tmp_path / "out" / f"checkpoint-{best}") == 0
    assert {path.name for path in (tmp_path / "out").glob("checkpoint-*")} == {f"checkpoint-{n}" for n in (best, last)}


def test_a_resumed_run_ends_with_the_same_weights(command, tmp_path):
    model = tmp_path / "with-dropout"
    make_bert(hidden_dropout_prob=0.2).bert.save_pretrained(model)
    make_tokenizer().save_pretrained(model)
    steps = {
        "model_name_or_path": model,
        "num_train_epochs": 3,
        "eval_strategy": "steps",
        "eval_steps": 3,
        "save_total_limit": 20,
    }
    main(command(**steps, output_dir=tmp_path / "whole"))
    # Cut off in the middle of the second epoch (8 steps each), with the newest checkpoint half written.
    (tmp_path / "cut").mkdir()
    for step in (9, 12):
        shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", tmp_path / "cut" / f"checkpoint-{step}")
    (tmp_path / "cut" / "checkpoint-12" / "optimizer.pt").unlink()
    main(command(**steps, output_dir=tmp_path / "cut", resume="auto"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") == 0


def test_the_same_seed_gives_the_same_run_and_another_seed_another(command, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        main(command(output_dir=tmp_path / name, seed=seed))
    assert largest_difference(tmp_path / "a", tmp_path / "b") == 0
    assert largest_difference(tmp_path / "a", tmp_path / "c") > 0


def test_predictions_stand_beside_their_own_row(command, tmp_path):
    """Texts of many lengths are evaluated longest first; one by one through the reloaded model gives the same."""
    import csv

    main(command(num_train_epochs=3, train_sampling_strategy="group_by_length", per_device_eval_batch_size=4))
    classify = transformers.pipeline("text-classification", model=str(tmp_path / "out"), truncation=True, top_k=None)
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    given = make_rows(24, seed=3)
    assert [row["id"] for row in rows] == [row["id"] for row in given]
    assert [row["text"] for row in rows] == [row["text"] for row in given]
    for row in rows:
        scores = {score["label"]: score["score"] for score in classify([row["text"]])[0]}
        assert row["prediction"] == max(scores, key=scores.get)
        assert float(row["prob_positive"]) == pytest.approx(scores["positive"], abs=1e-4)


def test_bf16_predictions_have_the_labels_of_the_fp32_model(command, files, tmp_path):
    main(command(precision="bf16", num_train_epochs=1, learning_rate=1e-3))
    main(command(precision="fp32", model_name_or_path=tmp_path / "out", train_file=None, do_predict=True,
                 validation_file=None, output_dir=tmp_path / "again"))  # fmt: skip
    columns = [
        [line.split(",")[3] for line in (tmp_path / run / "predictions.csv").read_text().splitlines()]
        for run in ("out", "again")
    ]
    assert columns[0] == columns[1]


def test_padding_to_max_length_gives_the_same_run(command, tmp_path):
    main(command(**SGD, output_dir=tmp_path / "longest"))
    main(command(**SGD, output_dir=tmp_path / "max", pad_to_max_length=True))
    assert largest_difference(tmp_path / "longest", tmp_path / "max") < 1e-5


@pytest.mark.parametrize("grouped", [False, True])
def test_every_row_is_visited_once_an_epoch(grouped):
    lengths = np.arange(103) % 17
    sampler = TrainSampler(103, batch_size=8, seed=3, multiple_of=8, lengths=lengths if grouped else None)
    orders = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        order = list(sampler)
        assert len(order) == len(sampler) == 104
        assert sorted(order[:103]) == list(range(103)) and order[103] == 103  # 103 is the padding row
        orders.append(order)
    assert orders[0] != orders[1]


def test_grouping_by_length_saves_padding():
    lengths = np.random.default_rng(0).integers(5, 200, 9600)

    def padded(sampler):
        order = np.array(list(sampler))
        return sum(len(batch) * lengths[batch].max() for batch in np.split(order, 600))

    plain = padded(TrainSampler(9600, batch_size=16, seed=1))
    grouped = padded(TrainSampler(9600, batch_size=16, seed=1, lengths=lengths))
    assert grouped < 1.1 * lengths.sum() < plain


def test_seeds_next_to_each_other_share_no_order():
    """The library's seed + epoch makes epoch 1 of seed 42 the epoch 0 of seed 43."""
    first, second = TrainSampler(50, batch_size=5, seed=42), TrainSampler(50, batch_size=5, seed=43)
    first.set_epoch(1)
    assert list(first) != list(second)


def test_row_order_is_restored():
    lengths = np.array([3, 9, 5, 9])
    order = longest_first(lengths)
    assert order.tolist() == [1, 3, 2, 0]
    assert in_row_order(lengths[order], order).tolist() == lengths.tolist()
