"""A Trainer on a tiny model, without the command line."""

from __future__ import annotations

import pytest
from corpus import make_rows
from helpers import make_bert, make_tokenizer

LABELS = ("negative", "positive")


@pytest.fixture(scope="session")
def encode():
    """A function that tokenises rows as `data_utils.encode_corpus` does."""
    from datasets import Dataset

    tokenizer = make_tokenizer()

    def encode(rows: list[dict]) -> Dataset:
        return Dataset.from_list([{**tokenizer(row["text"]), "labels": LABELS.index(row["label"])} for row in rows])

    return encode


@pytest.fixture
def make_trainer(encode, tmp_path):
    """A function that builds a Trainer of 64 training rows in batches of 8; keywords are `TrainingArguments`.

    Args:
        trainer: keywords of the Trainer itself.
    """
    from transformers import DataCollatorWithPadding, TrainingArguments

    from classification.data.tasks import infer_task
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
            "model": make_bert(), "objective": Objective(infer_task(LABELS)), "processing_class": tokenizer,
            "train_dataset": encode(make_rows(64, 1)), "eval_dataset": encode(make_rows(24, 2)),
            "data_collator": DataCollatorWithPadding(tokenizer), "eval_tokens": 1024,
        }  # fmt: skip
        return ClassificationTrainer(args=TrainingArguments(**standard | changes), **parts | (trainer or {}))

    return make
