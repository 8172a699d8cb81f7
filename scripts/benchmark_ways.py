"""The ways of training and predicting that `benchmark.py` compares, each in a process of its own."""

from __future__ import annotations

import contextlib
import csv
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmark_memory import peak_memory, reset_peak

LEARNING_RATE = 2e-5


@dataclass
class Workload:
    """Rows to train on and to predict, and how many tokens the model reads of each."""

    name: str
    max_length: int
    batch_size: int
    train: list[str]
    predict: list[str]
    model: str
    device: str
    precision: str


class CountingCollator:
    """A collator that counts the tokens of its batches, padding included."""

    def __init__(self, collate):
        self.collate, self.padded = collate, 0

    def __call__(self, rows):
        batch = self.collate(rows)
        self.padded += batch["input_ids"].numel()
        return batch


def load_classifier(work: Workload):
    """Tokenizer and model, loaded with the library alone."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(work.model)
    return tokenizer, AutoModelForSequenceClassification.from_pretrained(work.model)


def first_steps(rows, steps: int | None, batch_size: int):
    """The rows of the first `steps` batches, at most all rows; None selects all rows."""
    return rows.select(range(len(rows))[: steps and steps * batch_size])


class Counted:
    """A way whose collator runs in this process and counts tokens."""

    collate = None

    def padded(self) -> int:
        """Tokens so far, padding included."""
        return self.collate.padded if self.collate else 0


class NotebookLoop(Counted):
    """A hand-written loop: tokenises per item, pads per batch, reads the loss per step; half precision on CUDA only."""

    def __init__(self, work: Workload):
        import torch
        from torch.utils.data import DataLoader
        from transformers import DataCollatorWithPadding

        self.device, self.half = work.device, torch.float16 if work.precision == "fp16" else torch.bfloat16
        tokenizer, self.model = load_classifier(work)
        self.model.to(work.device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=LEARNING_RATE)
        self.collate = CountingCollator(DataCollatorWithPadding(tokenizer))
        items = [(text, i % 2) for i, text in enumerate(work.train)]

        class Items(torch.utils.data.Dataset):
            def __len__(self):
                return len(items)

            def __getitem__(self, i):
                text, label = items[i]
                return {**tokenizer(text, truncation=True, max_length=work.max_length), "labels": label}

        self.loader = DataLoader(Items(), batch_size=work.batch_size, shuffle=True, collate_fn=self.collate)

    def train(self, steps: int | None = None) -> None:
        import torch

        scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 1.0)
        for step, batch in enumerate(self.loader):
            if step == steps:
                break
            batch = {name: values.to(self.device) for name, values in batch.items()}
            with torch.autocast("cuda", self.half, enabled=self.device == "cuda"):
                loss = self.model(**batch).loss
            loss.backward()
            self.optimizer.step()
            scheduler.step()
            self.optimizer.zero_grad()
            loss.item()


class LibraryTrainer(Counted):
    """The library's Trainer on rows that were tokenised before: padded to the full length in fp32, as Hugging Face's
    run_classification.py does by default, or padded per batch in the number format of the workload."""

    def __init__(self, work: Workload, *, dynamic: bool):
        from datasets import Dataset
        from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, default_data_collator

        tokenizer, model = load_classifier(work)
        padding = False if dynamic else "max_length"
        rows = Dataset.from_dict({"text": work.train, "labels": [i % 2 for i in range(len(work.train))]}).map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=work.max_length, padding=padding),
            batched=True,
            remove_columns="text",
        )
        half = {name: work.precision == name for name in ("bf16", "fp16")} if dynamic else {}
        pad = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8 if any(half.values()) else None)
        self.collate = CountingCollator(pad if dynamic else default_data_collator)
        args = TrainingArguments(
            output_dir=tempfile.mkdtemp(), per_device_train_batch_size=work.batch_size, num_train_epochs=1,
            learning_rate=LEARNING_RATE, **half, use_cpu=work.device == "cpu", report_to="none", disable_tqdm=True,
            save_strategy="no", logging_strategy="no", dataloader_pin_memory=work.device == "cuda",
        )  # fmt: skip
        self.size, self.rows = work.batch_size, rows
        self.trainer = Trainer(model=model, args=args, train_dataset=rows, data_collator=self.collate)

    def train(self, steps: int | None = None) -> None:
        self.trainer.train_dataset = first_steps(self.rows, steps, self.size)
        self.trainer.train()


class Recipe:
    """What `run_classification.py` prepares from a command line, without checkpoints, and like the presets without
    attention dropout."""

    def __init__(self, work: Workload):
        folder = Path(tempfile.mkdtemp())
        for split, texts in (("train", work.train), ("validation", work.train[:4]), ("test", work.predict)):
            with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as handle:
                csv.writer(handle).writerows([("text", "label"), *((text, i % 2) for i, text in enumerate(texts))])
        self.trainer, self.rows = prepare_recipe(
            model_name_or_path=work.model, max_seq_length=work.max_length, num_train_epochs=1,
            per_device_train_batch_size=work.batch_size, learning_rate=LEARNING_RATE, attention_dropout=0,
            train_file=folder / "train.csv", validation_file=folder / "validation.csv", test_file=folder / "test.csv",
            output_dir=folder / "out", eval_strategy="no", save_strategy="no", load_best_model_at_end=False,
            disable_tqdm=True, overwrite_cache=True, use_cpu=work.device == "cpu", precision=work.precision,
        )  # fmt: skip
        self.texts, self.size = work.predict, work.batch_size
        self.trained = 0  # tokens

    def padded(self) -> int:
        """As the trainer counts tokens: with a GPU the collator runs in other processes."""
        return self.trained + int(self.trainer.evaluation.counts[2])

    def train(self, steps: int | None = None) -> None:
        self.trainer.train_dataset = first_steps(self.rows, steps, self.size)
        self.trainer.train()
        self.trained += int(self.trainer.training.counts[2])  # each training counts from zero

    def predict(self) -> None:
        """Tokenise and predict, as `pipeline` does."""
        from datasets import Dataset

        rows = Dataset.from_dict({"text": self.texts})
        self.trainer.predict(encode_for_recipe(rows, self.trainer.processing_class))


def prepare_recipe(**flags):
    """The trainer of a command line and its encoded training rows. All that the benchmark uses of the recipe's start
    is here and in `encode_for_recipe`."""
    from classification.cli.parser import parse_arguments
    from classification.models.kernels.allocator import own_process
    from classification.training import samplers
    from run_classification import prepare

    samplers.CHUNKS = 1  # the rows are one part of a longer epoch, not an epoch of a small data set
    with own_process("benchmark"):  # a process of the command keeps freed memory
        prepared = prepare(parse_arguments([f"--{name}={value}" for name, value in flags.items()]))
    return prepared.trainer, prepared.encoded["train"]


def encode_for_recipe(rows, tokenizer, *, cache_dir: str | None = None, overwrite_cache: bool = True):
    """A data set with the column text, as the recipe encodes it for prediction."""
    from datasets import DatasetDict

    from classification.data.encoding import Encoding
    from classification.data.truncation import Truncation
    from data_utils import encode_corpus

    choices = Encoding(cache_dir=cache_dir, overwrite_cache=overwrite_cache)
    splits, length = DatasetDict(test=rows), tokenizer.model_max_length
    return encode_corpus(splits, tokenizer, choices, max_length=length, truncation=Truncation())["test"]


class Pipeline(Counted):
    """The library's `pipeline` for text classification."""

    def __init__(self, work: Workload):
        from transformers import pipeline

        tokenizer, model = load_classifier(work)
        self.classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device=work.device)
        self.texts, self.length = work.predict, work.max_length

    def predict(self, rows: int | None = None) -> None:
        self.classify(self.texts[:rows], batch_size=32, truncation=True, max_length=self.length)


WAYS = {
    "notebook": NotebookLoop,
    "hf_script": lambda work: LibraryTrainer(work, dynamic=False),
    "dynamic_padding": lambda work: LibraryTrainer(work, dynamic=True),
    "recipe": Recipe,
    "pipeline": Pipeline,
}


def serve(way: str, connection) -> None:
    """Answer requests `(what, argument)` until the connection closes, each with seconds, tokens and peak memory."""
    logging.disable(logging.WARNING)  # the rows are made up, and warnings about them would hide the figures
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork", force=True)  # for loaders, as in a run; this process was spawned
    start = time.perf_counter()
    import torch

    import run_classification  # noqa: F401  all processes import the same modules, so that start-up times compare

    connection.send(time.perf_counter() - start)
    worker, silent = None, open(os.devnull, "w")
    while True:
        try:
            what, argument = connection.recv()
        except EOFError:  # the benchmark is over
            return
        reset_peak()
        start = time.perf_counter()
        with contextlib.redirect_stdout(silent):
            if what == "build":
                worker = WAYS[way](argument)
            else:
                before = worker.padded()
                getattr(worker, what)(*argument)
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        padded = 0 if what == "build" else worker.padded() - before
        connection.send({"seconds": seconds, "padded": padded, "memory": peak_memory()})


class Worker:
    """One way of working in a process of its own."""

    def __init__(self, way: str):
        os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}  # inherited
        os.environ["TQDM_DISABLE"] = "1"
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(way, other))  # a daemon could not start loaders
        self.process.start()
        other.close()  # only the process holds this end: if the process dies, `recv` raises EOFError
        self.imports = self.connection.recv()  # seconds

    def ask(self, what: str, *argument) -> dict:
        self.connection.send((what, argument[0] if what == "build" else argument))
        return self.connection.recv()

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.join()
