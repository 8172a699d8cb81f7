"""`--dry_run`: everything but training, and one batch as the Trainer will see it."""

from __future__ import annotations

import logging
import math

import torch
from datasets import DatasetDict
from transformers import PreTrainedModel

from classification.data.unlabelled import UNLABELLED
from classification.data.windows import COUNTS, documents_of_windows
from classification.errors import RunError
from classification.messages.shown_texts import HIDDEN, are_texts_shown
from classification.training.out_of_memory import Batch, cut_rows
from classification.training.schedule import Schedule
from classification.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)

PRINTED_IDS = 12


def dry_run(trainer: ClassificationTrainer, encoded: DatasetDict) -> dict[str, float]:
    """Make the optimizer, print the first batch (keys, shapes, dtypes, ids, mask, text), compute its loss in two ways.

    Returns:
        `dry_run_loss` of `model(**batch)` and `dry_run_loss_explicit` with the arguments written out; empty where
        the rows have no labels.

    Raises:
        UsageError: the optimizer or the learning rate schedule cannot be made.
        RunError: a loss is not finite.
    """
    split = "train" if "train" in encoded else next(iter(encoded))
    rows = encoded[split]
    if split == "train":
        trainer.create_optimizer_and_scheduler(Schedule.from_args(trainer.args, len(rows)).steps)
    if "labels" in rows.column_names and None in rows["labels"]:
        rows = rows.remove_columns("labels")  # test rows, some without a label
    loader = trainer.get_train_dataloader() if split == "train" else trainer.get_eval_dataloader(rows)
    batch = trainer._prepare_inputs(next(iter(loader)))
    logger.info("\nFirst batch of %s (first row only):", split)
    for name, tensor in batch.items():
        first = tensor.reshape(len(tensor), -1)[0].tolist()
        values = f"{first[:PRINTED_IDS]}".replace("]", ", ...]" if len(first) > PRINTED_IDS else "]")
        if name == "input_ids" and not are_texts_shown():
            values = HIDDEN
        dtype = str(tensor.dtype).removeprefix("torch.")
        logger.info("  %-15s %-9s %-8s %s", name, str(list(tensor.shape)), dtype, values)
    decoded = trainer.processing_class.decode(batch["input_ids"][0], skip_special_tokens=False)
    logger.info("  %-15s %s", "decoded", decoded if are_texts_shown() else HIDDEN)
    labelled = labelled_rows(batch) if "labels" in batch else {}
    losses = both_losses(trainer.model, labelled) if labelled else {}
    if losses:
        logger.info("  %-15s model(**batch) %.6f, with the arguments written out %.6f", "loss", *losses.values())
    if not all(map(math.isfinite, losses.values())):
        raise RunError(
            f"The loss of the first batch of {split} is not finite, so that training would stop. The weights of the "
            "model are damaged, or have no finite output for these rows. Look at them, or use another model."
        )
    logger.info("\nDry run: nothing was trained; only the tokenised rows were kept in the cache.")
    return losses


def labelled_rows(batch: Batch) -> Batch:
    """The rows of a batch that have a label; empty where none has."""
    parts = [part for part in cut_rows(batch, 1) if part["labels"].flatten()[0] != UNLABELLED]
    return {name: torch.cat([part[name] for part in parts]) for name in batch} if parts else {}


def both_losses(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> dict[str, float]:
    """The loss of a batch, from `model(**batch)` and from a call with every argument written out.

    For documents in windows it is the plain mean over all windows.
    """
    model.eval()
    counts = batch.get(COUNTS)
    if counts is not None:
        documents = documents_of_windows(counts, len(batch["input_ids"]))
        batch = {name: values for name, values in batch.items() if name != COUNTS}
        batch["labels"] = batch["labels"][documents]
    others = {name: batch[name] for name in ("attention_mask", "token_type_ids") if name in batch}
    with torch.no_grad():
        loss = model(**batch).loss.item()
        explicit = model(input_ids=batch["input_ids"], labels=batch["labels"], **others).loss.item()
    return {"dry_run_loss": loss, "dry_run_loss_explicit": explicit}
