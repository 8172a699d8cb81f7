"""What a save costs: ours, which is sealed and on the disk, beside the library's, on the same Trainer and folder.

python scripts/benchmark_save.py --model_name_or_path FOLDER      # an encoder, and a random BERT of 110M parameters
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)
from transformers.utils.logging import disable_progress_bar

from classification.data.tasks import infer_task
from classification.models.bilstm_tokenizer import train_tokenizer
from classification.training import checkpoint_seal
from classification.training.objective import Objective
from classification.training.trainer import ClassificationTrainer


class Clock:
    """Adds up the seconds of every call of a function."""

    def __init__(self, function: Callable):
        self.function, self.seconds = function, 0.0

    def __call__(self, *args):
        start = time.perf_counter()
        try:
            return self.function(*args)
        finally:
            self.seconds += time.perf_counter() - start


def make_trainer(model: PreTrainedModel, folder: Path) -> ClassificationTrainer:
    """A Trainer after one step, so that the optimizer has its state."""
    tokenizer = train_tokenizer(["one text", "and another one"] * 4)
    rows = {"input_ids": [[2, 3, 4, 3]] * 8, "attention_mask": [[1] * 4] * 8, "labels": [0, 1] * 4}
    args = TrainingArguments(
        output_dir=str(folder), max_steps=1, per_device_train_batch_size=8, save_strategy="no", report_to="none",
        disable_tqdm=True, data_seed=0, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = ClassificationTrainer(
        args=args, objective=Objective(infer_task(["no", "yes"])), model=model, processing_class=tokenizer,
        train_dataset=Dataset.from_dict(rows), data_collator=DataCollatorWithPadding(tokenizer),
    )  # fmt: skip
    trainer.train()
    return trainer


def time_saves(trainer: ClassificationTrainer, repeats: int) -> dict[str, float]:
    """Medians in seconds: the library's save, ours, and the parts of ours that hash and that wait for the disk."""
    digest, fsync = Clock(checkpoint_seal.digest), Clock(os.fsync)
    checkpoint_seal.digest, os.fsync = digest, fsync  # type: ignore[assignment]
    seconds: dict[str, list[float]] = {"library": [], "ours": [], "sha256": [], "disk": []}
    for _ in range(repeats):
        for name, save in (("library", Trainer._save_checkpoint), ("ours", type(trainer)._save_checkpoint)):
            os.sync()
            digest.seconds = fsync.seconds = 0.0
            start = time.perf_counter()
            save(trainer, trainer.model, None)
            seconds[name].append(time.perf_counter() - start)
            if name == "ours":
                seconds["sha256"].append(digest.seconds)
                seconds["disk"].append(fsync.seconds)
            for checkpoint in Path(trainer.args.output_dir).glob("checkpoint-*"):
                shutil.rmtree(checkpoint)
    checkpoint_seal.digest, os.fsync = digest.function, fsync.function
    return {name: statistics.median(values) for name, values in seconds.items()}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_name_or_path", help="an encoder to measure too")
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: the folder of temporary files)")
    parser.add_argument("--repeats", type=int, default=5)
    return parser


def main() -> None:
    flags = make_parser().parse_args()
    if flags.folder:
        flags.folder.mkdir(parents=True, exist_ok=True)
    disable_progress_bar()
    print(f"{'':<24}{'parameters':>12}{'library':>10}{'ours':>10}{'sha256':>10}{'disk':>10}")
    models: dict[str, Callable[[], PreTrainedModel]] = {
        "random BERT": lambda: BertForSequenceClassification(BertConfig(num_labels=2))
    }
    if path := flags.model_name_or_path:
        models = {"encoder": lambda: AutoModelForSequenceClassification.from_pretrained(path)} | models
    for name, build in models.items():
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory(dir=flags.folder) as folder:
            model = build()
            seconds = time_saves(make_trainer(model, Path(folder)), flags.repeats)
        numbers = "".join(f"{value:>9.2f}s" for value in seconds.values())
        print(f"{name:<24}{model.num_parameters():>12,}{numbers}", flush=True)


if __name__ == "__main__":
    main()
