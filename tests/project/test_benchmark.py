"""The benchmark: every way gets the same rows, the median pass counts, and the arithmetic is that of the rows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from types import SimpleNamespace

import benchmark
import benchmark_ideas
import benchmark_predictions
import benchmark_texts
import benchmark_ways
import numpy as np
import pytest
from benchmark_ways import Workload
from corpus import make_rows, write_csv
from helpers import ROOT
from made_classifiers import save_tiny

import run_classification
from classification.models.kernels import allocator
from classification.models.kernels.flat_encoder import Linear
from classification.training import samplers
from predict import load

FIELDS = {"rows_per_second", "tokens_per_second", "padded_tokens_per_second", "padding_share", "flops_per_second"}


class Clockwork:
    """Replaces a process: its answers name seconds that are fixed here."""

    def __init__(self):
        self.imports = 5.0
        self.requests, self.seconds = [], iter((2.0, 1.0, 8.0, 8.0, 1.0, 1.0, 3.0, 3.0))

    def ask(self, request, *argument):
        self.requests.append(request)
        return {"seconds": next(self.seconds), "padded": 50, "memory": 7}


TEXTS = ["the film was good", "the film was good and the plot was bad"]
FLOPS = SimpleNamespace(per_token=10.0, per_square=1.0)


def two_rows(model) -> Workload:
    return Workload("two rows", 32, 2, TEXTS, TEXTS[:1], str(model), "cpu", "fp32")


def test_medians_are_taken_over_the_same_rows(tiny_model):
    workers = {way: Clockwork() for way in ("hf_script", "recipe")}
    counts = [len(text.split()) + 2 for text in TEXTS]
    result = benchmark.measure(two_rows(tiny_model), workers, 3, FLOPS, ceiling=1000.0, progress=lambda: None)
    script = result["training"]["hf_script"]
    assert workers["hf_script"].requests == ["build", "train", "train", "train", "train"]
    assert workers["recipe"].requests == ["build", "train", *["train", "predict"] * 3]
    assert script["all_seconds"] == [8, 8, 1] and script["rows_per_second"] == 2 / 8
    assert script["padding_share"] == 1 - sum(counts) / 50 and script["startup_seconds"] == 5 + 2 + 1
    arithmetic = 3 * (10 * sum(counts) + sum(count**2 for count in counts))
    assert script["mfu"] == pytest.approx(arithmetic / 8 / 1000)
    recipe = result["training"]["recipe"], result["prediction"]["recipe"]
    assert [way["rows_per_second"] for way in recipe] == [2 / 3, 1 / 3]
    assert not result["prediction"].keys() - {"recipe"}
    rows = [line.split() for line in benchmark.table("two rows", result, "fp32").splitlines()[2:]]
    assert rows[0][:7] == ["training", "Hugging", "Face", "script", "0.2", "2.67", "x"]
    assert rows[1][:6] == ["training", "this", "recipe", "0.7", "1.00", "x"]


def test_no_pass_starts_after_the_deadline(tiny_model):
    """One pass is always measured."""
    workers = {way: Clockwork() for way in ("hf_script", "recipe")}
    over = time.monotonic() - 1
    result = benchmark.measure(two_rows(tiny_model), workers, 3, FLOPS, 1000.0, lambda: None, deadline=over)
    assert [way["all_seconds"] for way in result["training"].values()] == [[8], [8]]


def test_the_shipped_texts_have_the_lengths_they_are_named_for():
    reviews = benchmark_texts.shipped_reviews()
    words = [len(text.split()) for text in benchmark_texts.long_texts(reviews, 400)]
    short = [len(text.split()) for text in benchmark_texts.short_texts(reviews, 400)]
    assert 150 < sorted(words)[200] < 200 and max(words) > 400 and min(words) >= 20
    assert min(short) >= 8 and max(short) <= 22


@pytest.mark.slow
def test_every_way_is_timed_in_a_process_of_its_own(tiny_model, tmp_path):
    data = write_csv(tmp_path / "mine.csv", make_rows(64, 1))
    flags = {"data": data, "length": 32, "repeats": 2, "model_name_or_path": tiny_model}
    command = [str(ROOT / "scripts" / "benchmark.py"), "--output", str(tmp_path / "out.json")]
    command += [f"--{name}={value}" for name, value in flags.items()]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert not done.stderr  # neither warnings nor progress frames
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    result = figures["results"]["mine.csv, batch 16"]
    assert set(result["training"]) == set(benchmark.TRAINING)
    assert set(result["prediction"]) == set(benchmark.PREDICTION)
    for way in (*result["training"].values(), *result["prediction"].values()):
        assert FIELDS <= way.keys() and way["rows_per_second"] > 0 and way["peak_memory_bytes"] > 1e8
        assert len(way["all_seconds"]) == 2
    padding = {name: way["padding_share"] for name, way in result["training"].items()}
    assert padding["hf_script"] > max(padding["notebook"], padding["dynamic_padding"]) > padding["recipe"] >= 0
    for label in ("notebook loop", "Hugging Face script", "Trainer, dynamic padding", "this recipe", "pipeline"):
        assert label in done.stdout
    assert set(figures["encoding_seconds"]) == {"tokenizer", "encode", "cached"}


def test_the_recipe_is_prepared_as_by_the_command(monkeypatch, files):
    """Only a process of the command keeps freed memory, which its speed depends on."""
    owners = []
    prepared = SimpleNamespace(trainer="trainer", encoded={"train": "rows"})
    monkeypatch.setattr(samplers, "CHUNKS", samplers.CHUNKS)
    monkeypatch.setattr(run_classification, "prepare", lambda options: owners.extend(allocator._owner) or prepared)
    assert benchmark_ways.prepare_recipe(train_file=files["train"]) == ("trainer", "rows")
    assert owners and not allocator._owner


@pytest.mark.parametrize("change", [benchmark_ideas.with_padding, benchmark_ideas.with_plain_layers])
def test_without_an_idea_the_answers_are_the_same(change, tmp_path):
    texts = [f"{'good ' * (i % 9)}bad film" for i in range(70)]
    classifier = load(str(save_tiny(tmp_path)), precision="fp32")
    changed = change(classifier)
    assert np.allclose(changed.outputs(texts).logits, classifier.outputs(texts).logits, atol=1e-5)
    assert (classifier.engine.name, classifier.engine.pack) == ("flat", Linear.pack)
    assert changed.engine.name == "padded" or changed.engine.pack == benchmark_ideas.PlainLayer.pack


def test_each_compared_way_is_known():
    names = {*benchmark_predictions.COMPARISON, *benchmark_predictions.IDEAS}
    assert names == {*benchmark_predictions.WAYS}
