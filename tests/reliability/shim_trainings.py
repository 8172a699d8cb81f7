"""Trainings of a tiny model whose saves are broken: one ordinary, one that deletes old checkpoints, one with LoRA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from corpus import make_rows
from datasets import Dataset
from helpers import make_bert, make_tokenizer
from transformers import DataCollatorWithPadding, TrainingArguments

from classification.data.encoding import encode_batch
from classification.data.tasks import infer_task
from classification.data.truncation import Truncation
from classification.models.adapters import add_lora
from classification.training.objective import Objective
from classification.training.trainer import ClassificationTrainer

TASK = infer_task(["negative", "positive"])
TOKENIZER = make_tokenizer()
STEPS = 8
SAVE_STEPS = {"plain": 3, "rotation": 2, "lora": 3}
BROKEN = 6  # the step whose save is broken: in the middle of the second epoch


def encode(count: int, seed: int) -> Dataset:
    rows = make_rows(count, seed)
    texts = {"text": [row["text"] for row in rows]}
    columns = encode_batch(texts, tokenizer=TOKENIZER, max_length=64, truncation=Truncation())
    return Dataset.from_dict(columns | {"labels": [TASK.encode(row["label"]) for row in rows]})


def make_trainer(kind: str, folder: Path) -> ClassificationTrainer:
    """A Trainer of 8 steps in 2 epochs, with dropout, that saves at the steps of `SAVE_STEPS`."""
    every = SAVE_STEPS[kind]
    model = make_bert(hidden_size=16, intermediate_size=32, hidden_dropout_prob=0.1)
    if kind == "lora":
        torch.manual_seed(0)
        model = add_lora(model, 2)
    more = {}
    if kind == "rotation":  # the highest loss is the first: the best checkpoint is never the last
        more = {"save_total_limit": 1, "load_best_model_at_end": True, "metric_for_best_model": "eval_loss",
                "greater_is_better": True, "eval_strategy": "steps", "eval_steps": every}  # fmt: skip
    args = TrainingArguments(
        output_dir=str(folder), use_cpu=True, report_to="none", disable_tqdm=True, num_train_epochs=2,
        per_device_train_batch_size=8, learning_rate=0.005, data_seed=42, seed=1, save_strategy="steps",
        save_steps=every, train_sampling_strategy="group_by_length", logging_nan_inf_filter=False, **more,
    )  # fmt: skip
    return ClassificationTrainer(
        args=args, model=model, objective=Objective(TASK), processing_class=TOKENIZER, train_dataset=encode(32, 1),
        eval_dataset=encode(16, 2), data_collator=DataCollatorWithPadding(TOKENIZER), eval_tokens=1024,
    )  # fmt: skip


def weights_of(trainer: ClassificationTrainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def train_with(trainer: ClassificationTrainer, at_save: Callable[[Callable[[], object]], None]) -> None:
    """Train to the end; at the save of step `BROKEN`, first call `at_save` with a function that saves."""
    save = trainer._save_checkpoint

    def hooked(model, trial):
        if trainer.state.global_step == BROKEN:
            at_save(lambda: save(model, trial))
        return save(model, trial)

    trainer._save_checkpoint = hooked  # type: ignore[method-assign]
    trainer.train()
