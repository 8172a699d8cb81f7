"""Prediction speed beside other ways, in turns, on the same rows: `python scripts/benchmark.py --predict`.

The ways: this recipe, as `predict.load` answers; its `--variant int8`; `pipeline` with batches of 32; and a plain loop
over batches of 32 with ONNX Runtime (needs onnx, onnxscript and onnxruntime). `--ideas` measures the recipe with one
idea after the other instead. Each way runs in a process of its own,
tokenises the texts itself, and answers all of them in each turn. The labels are compared with those of the model in
fp32.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmark_memory import peak_memory, reset_peak

BATCH = 32
ONNX = ("onnx", "onnxscript", "onnxruntime")
Labels = list[Any]  # of N texts: a label, or a sorted list of labels


@dataclass(frozen=True)
class PredictionWork:
    """N texts for a saved classifier that reads at most `length` tokens of each."""

    name: str
    model: str
    length: int
    texts: list[str]


class Recipe:
    """`predict.load`, which the command uses too."""

    def __init__(self, work: PredictionWork, **choices):
        from predict import load

        self.texts, self.classifier = work.texts, load(work.model, max_seq_length=work.length, **choices)

    def predict(self) -> Labels:
        return [sorted(label) if isinstance(label, tuple) else label
                for label in (answer.label for answer in self.classifier(self.texts))]  # fmt: skip


class Idea(Recipe):
    """The recipe without some of its ideas; `change` names a function of benchmark_ideas.py."""

    def __init__(self, work: PredictionWork, change: str = "", precision: str = "auto"):
        import benchmark_ideas

        super().__init__(work, precision=precision)
        benchmark_ideas.forget_near_ties()
        if change:
            self.classifier = getattr(benchmark_ideas, change)(self.classifier)


class Pipeline:
    """The library's `pipeline`."""

    def __init__(self, work: PredictionWork):
        from transformers import pipeline

        self.texts, self.length = work.texts, work.length
        self.classify = pipeline("text-classification", model=work.model, device="cpu")

    def predict(self) -> Labels:
        outputs = self.classify(self.texts, batch_size=BATCH, truncation=True, max_length=self.length)
        return [output["label"] for output in outputs]


class OnnxLoop:
    """ONNX Runtime on batches of texts in their order."""

    def __init__(self, work: PredictionWork):
        import onnxruntime
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.texts, self.length = work.texts, work.length
        self.tokenizer = AutoTokenizer.from_pretrained(work.model)
        model = AutoModelForSequenceClassification.from_pretrained(work.model).eval()
        self.names = model.config.id2label
        inputs = dict(self.tokenizer(["a text", "another text"], padding=True, return_tensors="pt"))
        shape = {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens")}
        file = Path(tempfile.mkdtemp()) / "model.onnx"
        torch.onnx.export(
            model, (), str(file), kwargs=inputs, dynamo=True, dynamic_shapes=dict.fromkeys(inputs, shape),
            input_names=list(inputs), output_names=["logits"], verbose=False,
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.inputs = {given.name for given in self.session.get_inputs()}

    def predict(self) -> Labels:
        labels: Labels = []
        for first in range(0, len(self.texts), BATCH):
            batch = self.tokenizer(
                self.texts[first : first + BATCH], padding=True, truncation=True, max_length=self.length,
                return_tensors="np",
            )  # fmt: skip
            (logits,) = self.session.run(["logits"], {name: batch[name] for name in self.inputs})
            labels += [self.names[int(best)] for best in logits.argmax(axis=1)]
        return labels


WAYS: dict[str, tuple[str, Callable[[PredictionWork], Any]]] = {
    "recipe": ("this recipe", Recipe),
    "int8": ("this recipe, --variant int8", lambda work: Recipe(work, variant="int8")),
    "pipeline": ("pipeline, batches of 32", Pipeline),
    "onnx": ("ONNX Runtime, batches of 32", OnnxLoop),
    "fp32": ("this recipe, --precision fp32", lambda work: Recipe(work, precision="fp32")),
    "by length": ("+ batches by length", lambda work: Idea(work, "with_padding", "fp32")),
    "half": ("+ half precision", lambda work: Idea(work, "with_padding")),
    "flat": ("+ no padding", lambda work: Idea(work, "with_plain_layers")),
    "packed": ("+ packed weights, fused layers", lambda work: Idea(work)),
}
COMPARISON = ("recipe", "int8", "pipeline", "onnx", "fp32")
IDEAS = ("pipeline", "by length", "half", "flat", "packed", "recipe", "int8", "fp32")


def serve(way: str, connection) -> None:
    """Build a way for each work that comes, and answer its texts as often as asked, until the connection closes."""
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    with open(os.devnull, "w") as silent, contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        worker: Any = None
        while True:
            try:
                work = connection.recv()
            except EOFError:
                return
            try:
                reset_peak()
                start = time.perf_counter()
                if work is not None:
                    worker = WAYS[way][1](work)
                    connection.send((time.perf_counter() - start, None, peak_memory()))
                else:
                    labels = worker.predict()
                    connection.send((time.perf_counter() - start, labels, peak_memory()))
            except Exception as error:
                connection.send(error)


class Process:
    """A way in a process of its own; `ask` builds it for a work, or with None predicts."""

    def __init__(self, way: str):
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(way, other), daemon=True)
        self.process.start()
        other.close()

    def ask(self, work: PredictionWork | None) -> tuple[float, Labels, int]:
        self.connection.send(work)
        answer = self.connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.connection.close()
        self.process.join()


@dataclass
class Figures:
    """What was measured of one way: seconds of each turn, labels of the last, bytes at the peak."""

    seconds: list[float] = field(default_factory=list)
    labels: Labels = field(default_factory=list)
    memory: int = 0

    def add(self, answer: tuple[float, Labels, int]) -> None:
        self.seconds.append(answer[0])
        self.labels, self.memory = answer[1], max(self.memory, answer[2])


def measure(work: PredictionWork, processes: dict[str, Process], repeats: int) -> dict[str, Figures]:
    """All ways in turns; one turn before the measurement warms them up."""
    found = {way: Figures() for way in processes}
    for way, process in processes.items():
        process.ask(work)
        found[way].memory = process.ask(None)[2]
    for _ in range(repeats):
        for way, process in processes.items():
            found[way].add(process.ask(None))
    return found


def describe(found: dict[str, Figures], arithmetic: float, ceiling: float, texts: int) -> tuple[str, dict]:
    """A table and its figures.

    Args:
        arithmetic: operations of one forward pass over the real tokens of all texts.
    """
    exact = found["fp32"].labels
    medians = {way: statistics.median(figures.seconds) for way, figures in found.items()}
    lines = [f"{'':34s}{'rows/s':>9s}{'of the ceiling':>16s}{'x pipeline':>12s}{'memory':>10s}{'same label':>12s}"]
    values: dict[str, dict[str, float]] = {}
    for way, figures in found.items():
        seconds = medians[way]
        same = sum(a == b for a, b in zip(figures.labels, exact, strict=True)) / len(exact)
        values[way] = {
            "rows_per_second": texts / seconds, "share_of_ceiling": arithmetic / seconds / ceiling,
            "times_pipeline": medians["pipeline"] / seconds, "memory_bytes": figures.memory, "agreement": same,
        }  # fmt: skip
        lines.append(
            f"{WAYS[way][0]:34s}{texts / seconds:9,.1f}{arithmetic / seconds / ceiling:16.0%}"
            f"{medians['pipeline'] / seconds:12.2f}{figures.memory / 1e9:8.2f}GB{same:12.2%}"
        )
    return "\n".join(lines), values


def count_arithmetic(work: PredictionWork) -> float:
    """Operations of a forward pass over the tokens of all texts, padding left out."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from classification.training.flops import Flops

    tokenizer = AutoTokenizer.from_pretrained(work.model)
    lengths = [len(ids) for ids in tokenizer(work.texts, truncation=True, max_length=work.length)["input_ids"]]
    flops = Flops(AutoModelForSequenceClassification.from_pretrained(work.model), work.length)
    return flops.per_token * sum(lengths) + flops.per_square * sum(length * length for length in lengths)


def chosen_ways(names: Sequence[str]) -> list[str]:
    """The ways that can run here; one line names what a missing one needs."""
    missing = [name for name in ONNX if find_spec(name) is None]
    if "onnx" in names and missing:
        print(f"without ONNX Runtime: pip install {' '.join(missing)}", flush=True)
    return [name for name in names if name != "onnx" or not missing]


def run(works: Sequence[PredictionWork], output: Path, repeats: int, names: Sequence[str] = COMPARISON) -> None:
    """Measure all works, print a table for each, and write the figures to a JSON file."""
    import torch

    from classification.models.kernels.machine import product_ceiling
    from classification.models.precision import decide_precision
    from classification.reporting.run_record import environment

    precision = decide_precision("auto", "cpu")
    ceiling = product_ceiling(torch.device("cpu"), precision.dtype)
    print(f"fastest matrix product: {ceiling / 1e9:,.0f} GFLOP/s in {precision.name}", flush=True)
    results = {}
    with contextlib.ExitStack() as stack:
        processes = {way: stack.enter_context(contextlib.closing(Process(way))) for way in chosen_ways(names)}
        for work in works:
            text, results[work.name] = describe(
                measure(work, processes, repeats), count_arithmetic(work), ceiling, len(work.texts)
            )
            print(f"\n{work.name}: {len(work.texts):,} texts\n{text}", flush=True)
    content = {"product_flops_per_second": ceiling, "results": results, **environment()}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print(f"\nThe figures are in {output}")
