"""`--dry_run`: one batch as the Trainer will see it, so that a mistake shows in seconds."""

from __future__ import annotations

import logging

import torch
from datasets import DatasetDict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.data.windows import COUNTS, documents_of_windows
from classification.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)

SHOWN_IDS = 12


def show_batch(trainer: ClassificationTrainer, encoded: DatasetDict, tokenizer: PreTrainedTokenizerBase) -> dict:
    """Print the first batch (keys, shapes, dtypes, ids, mask, decoded text) and its loss by two ways of calling.

    Returns:
        `dry_run_loss` of `model(**batch)` and `dry_run_loss_explicit` with the arguments written out; empty where
        the rows have no labels.
    """
    split = "train" if "train" in encoded else next(iter(encoded))
    rows = encoded[split]
    if "labels" in rows.column_names and None in rows["labels"]:
        rows = rows.remove_columns("labels")  # test rows, some without a label
    loader = trainer.get_train_dataloader() if split == "train" else trainer.get_eval_dataloader(rows)
    batch = trainer._prepare_inputs(next(iter(loader)))
    logger.info("\nThe first batch of %s, as the Trainer sees it (first row shown):", split)
    for name, tensor in batch.items():
        first = tensor.reshape(len(tensor), -1)[0].tolist()
        shown = f"{first[:SHOWN_IDS]}".replace("]", ", ...]" if len(first) > SHOWN_IDS else "]")
        dtype = str(tensor.dtype).removeprefix("torch.")
        logger.info("  %-15s %-9s %-8s %s", name, str(list(tensor.shape)), dtype, shown)
    logger.info("  %-15s %s", "decoded", tokenizer.decode(batch["input_ids"][0], skip_special_tokens=False))
    losses = both_losses(trainer.model, batch) if "labels" in batch else {}
    if losses:
        logger.info("  %-15s model(**batch) %.6f, with the arguments written out %.6f", "loss", *losses.values())
    logger.info("\nDry run: nothing was trained; only the tokenised rows were kept in the cache.")
    return losses


def both_losses(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> dict[str, float]:
    """The loss of a batch, called as `model(**batch)` and with every argument written out. Of documents in windows, the
    plain mean over all windows."""
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
