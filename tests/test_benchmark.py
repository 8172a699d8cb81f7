"""The benchmark compares what it says: the same rows for every way, medians of their times, arithmetic by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT, make_rows, write_csv

sys.path.insert(0, str(ROOT / "scripts"))

import benchmark  # noqa: E402
from benchmark_ways import Workload  # noqa: E402

FIELDS = {"rows_per_second", "tokens_per_second", "padded_tokens_per_second", "padding_share", "flops_per_second"}


class Clockwork:
    """In the place of a process: answers come after set times."""

    def __init__(self):
        self.imports = 5.0
        self.asked, self.seconds = [], iter((2.0, 1.0, 8.0, 8.0, 1.0, 1.0, 3.0, 3.0))

    def ask(self, what, *argument):
        self.asked.append(what)
        return {"seconds": next(self.seconds), "padded": 50, "memory": 7}


def test_medians_are_taken_over_the_same_rows(tiny_model):
    texts = ["the film was good", "the film was good and the plot was bad"]
    work = Workload("two rows", 32, 2, texts, texts[:1], str(tiny_model), "cpu", "fp32")
    workers = {way: Clockwork() for way in ("b", "d")}
    flops = SimpleNamespace(per_token=10.0, per_square=1.0)
    counts = [len(text.split()) + 2 for text in texts]
    result = benchmark.measure(work, workers, 3, flops, ceiling=1000.0, progress=lambda: None)
    stock = result["training"]["b"]
    assert workers["b"].asked == ["build", "train", "train", "train", "train"]
    assert workers["d"].asked == ["build", "train", *["train", "predict"] * 3]
    assert stock["all_seconds"] == [8, 8, 1] and stock["rows_per_second"] == 2 / 8
    assert stock["padding_share"] == 1 - sum(counts) / 50 and stock["startup_seconds"] == 5 + 2 + 1
    arithmetic = 3 * (10 * sum(counts) + sum(count**2 for count in counts))
    assert stock["mfu"] == pytest.approx(arithmetic / 8 / 1000)
    ours = result["training"]["d"], result["prediction"]["d"]
    assert [way["rows_per_second"] for way in ours] == [2 / 3, 1 / 3] and not result["prediction"].keys() - {"d"}
    shown = benchmark.table("two rows", result, "fp32")
    assert "the example script's way" in shown and "d is 2.67 x" in shown


def test_the_shipped_texts_have_the_lengths_they_are_named_for():
    reviews = benchmark.shipped_reviews()
    words = [len(text.split()) for text in benchmark.long_texts(reviews, 400)]
    short = [len(text.split()) for text in benchmark.short_texts(reviews, 400)]
    assert 150 < sorted(words)[200] < 200 and max(words) > 400 and min(words) >= 20
    assert min(short) >= 8 and max(short) <= 22


@pytest.mark.slow
def test_every_way_is_timed_in_a_process_of_its_own(tiny_model, tmp_path):
    data = write_csv(tmp_path / "mine.csv", make_rows(64, 1))
    flags = {"data": data, "length": 32, "repeats": 2, "model_name_or_path": tiny_model}
    command = [str(ROOT / "scripts" / "benchmark.py"), "--output", str(tmp_path / "out.json")]
    command += [f"--{name}={value}" for name, value in flags.items()]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    result = figures["results"]["mine.csv, batch 16"]
    assert set(result["training"]) == {"a", "b", "c", "d"} and set(result["prediction"]) == {"pipeline", "d"}
    for way in (*result["training"].values(), *result["prediction"].values()):
        assert FIELDS <= way.keys() and way["rows_per_second"] > 0 and way["peak_memory_bytes"] > 1e8
        assert len(way["all_seconds"]) == 2
    padding = {name: way["padding_share"] for name, way in result["training"].items()}
    assert padding["b"] > max(padding["a"], padding["c"]) > padding["d"] >= 0
    assert set(figures["encoding_seconds"]) == {"tokenizer", "encode", "cached"}
