"""Runs with LoRA: adapters are saved alone or merged, reload to the same predictions, and find their base model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
import zoo
from corpus import write_csv
from helpers import AGAIN, assert_refused, largest_difference, make_tokenizer, read_predictions

from classification.cli.parser import parse_arguments
from classification.data.tasks import task_from_config
from classification.errors import UsageError
from classification.models.freezing import describe_trainable
from classification.models.loading import Loaded
from run_classification import main

LORA = {"lora_r": 4, "learning_rate": 0.01, "num_train_epochs": 2, "max_seq_length": 24}


def written(rows: list[dict]) -> np.ndarray:
    """The probabilities of predictions.csv, [B, 2]."""
    return np.array([[float(row["prob_negative"]), float(row["prob_positive"])] for row in rows])


def assert_it_predicts_the_same_again(run) -> Loaded:
    """The folder of a run, loaded by the recipe; an adapter is merged into the weights, so equal to rounding."""
    loaded = zoo.load(run.folder, training=False)
    expected = written(run.predictions)
    again = zoo.own_probabilities(loaded, [row["text"] for row in run.predictions])
    assert np.allclose(again, expected, atol=2e-6) and expected[:, 1].std() > 1e-4
    return loaded


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_architecture_trains_with_adapters_and_reloads(architecture, finished, tmp_path):
    """The best checkpoint's adapter is saved alone, and merged it gives a model that the library loads."""
    run = finished(**LORA, model_name_or_path=zoo.saved(architecture), lora_merge=False)
    assert not (run.folder / "model.safetensors").exists()
    loaded = assert_it_predicts_the_same_again(run)
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    texts = [row["text"] for row in run.predictions]
    assert np.allclose(zoo.probabilities(tmp_path, texts), zoo.scores(loaded, texts).softmax(-1), atol=2e-6)


def test_a_merged_run_loads_everywhere_and_equals_the_unmerged(finished):
    merged, apart = finished(**LORA), finished(**LORA, lora_merge=False)
    assert "LoRA adapters of rank 4 on 6 matrices, and the head" in merged.shown
    assert np.allclose(written(merged.predictions), written(apart.predictions), atol=2e-6)
    assert written(merged.predictions)[:, 1].std() > 1e-4
    names = {path.name for path in merged.folder.iterdir()}
    assert "model.safetensors" in names and "adapter_config.json" not in names
    texts = [row["text"] for row in merged.predictions]
    answers = transformers.pipeline("text-classification", str(merged.folder), truncation=True, top_k=None)(texts)
    scores = [next(one["score"] for one in answer if one["label"] == "positive") for answer in answers]
    assert np.allclose(scores, written(merged.predictions)[:, 1], atol=2e-6)


def test_an_adapter_alone_loads_by_the_printed_lines_and_by_the_recipe(finished, command, tmp_path):
    run = finished(**LORA, lora_merge=False)
    assert not (run.folder / "model.safetensors").exists()
    assert "accuracy" in (run.folder / "README.md").read_text()  # our card in the place of peft's, which is blank
    usage = run.shown[run.shown.index("Use it:") :].splitlines()
    lines = [line[2:] for line in usage if line.startswith("  ") and "#" not in line]
    scope: dict = {"print": lambda answer: scope.update(answer=answer)}
    exec("\n".join(lines), scope)
    model, tokenizer = scope["model"], scope["tokenizer"]
    with torch.no_grad():
        logits = model(**zoo.encode(tokenizer, [row["text"] for row in run.predictions])).logits
    assert np.allclose(logits.softmax(-1), written(run.predictions), atol=2e-6) and scope["answer"][0]["label"]
    main(command(**AGAIN, model_name_or_path=run.folder, output_dir=tmp_path / "again"))
    assert np.allclose(written(read_predictions(tmp_path / "again")), written(run.predictions), atol=2e-6)


def test_only_adapters_and_head_are_in_a_checkpoint_and_a_stopped_run_goes_on(finished, command, tmp_path):
    """Resumed from an adapter's checkpoint, the weights are bitwise those of a run without interruption."""
    complete = finished(**LORA, save_total_limit=5).folder
    assert (complete / "checkpoint-8" / "adapter_model.safetensors").exists()
    assert not (complete / "checkpoint-8" / "model.safetensors").exists()
    main(command(**LORA, resume=complete / "checkpoint-8", output_dir=tmp_path / "resumed"))
    assert largest_difference(complete, tmp_path / "resumed") == 0


def test_the_best_adapter_is_reloaded(finished):
    """The learning rate ruins the second epoch: the saved adapter scores like the first."""
    run = finished(**LORA | {"learning_rate": 3.0, "lr_scheduler_type": "constant", "warmup_steps": 0})
    epochs = run.account["epochs"]
    assert min(epoch["eval_loss"] for epoch in epochs) == pytest.approx(run.results["eval_loss"], abs=1e-5)
    assert len({round(epoch["eval_loss"], 3) for epoch in epochs}) == 2


@pytest.fixture(scope="module")
def ratings(tmp_path_factory) -> str:
    rows = [{"text": f"{'good ' * (i % 5 + 1)}film {i}", "label": 20 + 10 * (i % 5) + 0.5} for i in range(40)]
    return write_csv(tmp_path_factory.mktemp("ratings") / "train.csv", rows)


@pytest.mark.parametrize("merge", [True, False])
def test_lora_on_numbers_keeps_their_units(merge, finished, ratings):
    run = finished(**LORA, train_file=ratings, validation_file=None, test_file=ratings, lora_merge=merge)
    texts = [row["text"] for row in run.predictions]
    predicted = np.array([float(row["prediction"]) for row in run.predictions])
    task = task_from_config(transformers.AutoConfig.from_pretrained(run.folder))
    again = task.in_units(task.decide(zoo.scores(zoo.load(run.folder, training=False), texts).numpy()))
    assert np.allclose(again, predicted, atol=1e-3) and 15 < predicted.mean() < 75
    if merge:
        score = transformers.pipeline("text-classification", str(run.folder))(texts[0])[0]["score"]
        assert score == pytest.approx(predicted[0], abs=1e-3)


@pytest.fixture(scope="module")
def xlnet(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("xlnet")
    sizes = {"vocab_size": 64, "d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64}
    torch.manual_seed(0)
    transformers.XLNetModel(transformers.XLNetConfig(**sizes, initializer_range=0.2)).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("flags", [{}, {"lora_r": 2, "lora_merge": False}], ids=["model", "adapter"])
def test_xlnet_reads_its_last_token_and_is_padded_on_the_left(flags, finished, xlnet):
    run = finished(model_name_or_path=xlnet, **flags)
    assert transformers.AutoTokenizer.from_pretrained(run.folder).padding_side == "left"
    assert_it_predicts_the_same_again(run)


def test_an_adapter_finds_its_base_from_any_folder(command, tiny_model, tmp_path, monkeypatch):
    shutil.copytree(tiny_model, tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    main(command(lora_r=2, lora_merge=False, model_name_or_path="base"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    rows = read_predictions(tmp_path / "out")
    again = zoo.own_probabilities(zoo.load(tmp_path / "out", training=False), [row["text"] for row in rows])
    assert np.allclose(again, written(rows), atol=2e-6)
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(UsageError, match="holds an adapter, but its base model .*base does not exist"):
        zoo.load(tmp_path / "out", training=False)


def test_an_adapter_is_trained_on_but_not_with_another_on_top(finished, command, tmp_path):
    start = {"model_name_or_path": finished(**LORA, lora_merge=False).folder, "output_dir": tmp_path / "more"}
    words = ["--pooling mean: the folder holds an adapter, which has a"]
    assert_refused(words, parse_arguments, command(**start, pooling="mean"))
    words = ["--lora_merge False: the folder holds an adapter"]
    assert_refused(words, parse_arguments, command(**start, lora_r=2, lora_merge=False))
    assert np.isfinite(main(command(**start, lora_r=2))["train_loss"])
    assert (tmp_path / "more" / "model.safetensors").exists()
    loaded = zoo.load(start["model_name_or_path"])
    assert "trained: all" in describe_trainable(loaded.model, 0.01)[0].text


def test_an_adapter_for_other_labels_needs_the_flag(finished, command, tmp_path):
    folder = finished(**LORA, lora_merge=False).folder
    with pytest.raises(UsageError, match="the adapter does not fit.*--ignore_mismatched_sizes"):
        zoo.load(folder, "abc")
    rows = [{"text": f"film {i}", "label": "abc"[i % 3]} for i in range(30)]
    three = {"train_file": write_csv(tmp_path / "three.csv", rows), "validation_file": None, "test_file": None}
    result = main(command(**three, model_name_or_path=folder, ignore_mismatched_sizes=True))
    assert set(result["eval_per_class"]) == {"a", "b", "c"}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["id2label"] == {"0": "a", "1": "b", "2": "c"}
