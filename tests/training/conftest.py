"""A Trainer on a tiny model, without the command line."""

from __future__ import annotations

import pytest
from corpus import make_rows
from helpers import make_bert, make_tokenizer

from classification.data.tasks import infer_task

TWO = infer_task(["negative", "positive"])


@pytest.fixture(scope="session")
def encode():
    """A function that tokenises rows, with `stride` in windows of 16 tokens; the labels are those of `task`."""
    from datasets import Dataset

    from classification.data.encoding import encode_batch
    from classification.data.truncation import Truncation

    tokenizer = make_tokenizer()

    def encode(rows: list[dict], task=TWO, stride: int | None = None) -> Dataset:
        truncation, length = (Truncation("window", stride), 16) if stride else (Truncation(), 64)
        texts = {"text": [row["text"] for row in rows]}
        columns = encode_batch(texts, tokenizer=tokenizer, max_length=length, truncation=truncation)
        return Dataset.from_dict(columns | {"labels": [task.encode(row["label"]) for row in rows]})

    return encode


@pytest.fixture
def make_trainer(encode, tmp_path):
    """A function that builds a Trainer of 64 training rows in batches of 8; keywords are `TrainingArguments`.

    Args:
        trainer: keywords of the Trainer itself.
    """
    from transformers import DataCollatorWithPadding, TrainingArguments

    from classification.training.objective import Objective
    from classification.training.trainer import ClassificationTrainer

    def make(trainer: dict | None = None, **changes) -> ClassificationTrainer:
        standard = {
            "output_dir": str(tmp_path / "trainer"), "use_cpu": True, "report_to": "none", "disable_tqdm": True,
            "num_train_epochs": 2, "per_device_train_batch_size": 8, "learning_rate": 0.005, "data_seed": 42,
            "eval_strategy": "epoch", "save_strategy": "no", "train_sampling_strategy": "group_by_length",
            "logging_nan_inf_filter": False,
        }  # fmt: skip
        tokenizer = make_tokenizer()
        parts = {
            "model": make_bert(), "objective": Objective(TWO), "processing_class": tokenizer,
            "train_dataset": encode(make_rows(64, 1)), "eval_dataset": encode(make_rows(24, 2)),
            "data_collator": DataCollatorWithPadding(tokenizer), "eval_tokens": 1024,
        }  # fmt: skip
        return ClassificationTrainer(args=TrainingArguments(**standard | changes), **parts | (trainer or {}))

    return make
