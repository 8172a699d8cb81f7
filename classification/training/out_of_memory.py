"""After a lack of memory: how a batch is cut, and what to do where one row does not fit."""

from __future__ import annotations

import torch
from transformers import TrainingArguments

from classification.data.findings import quantity
from classification.data.windows import COUNTS, OF_DOCUMENTS
from classification.errors import RunError, first_line

Batch = dict[str, torch.Tensor]


def count_rows(batch: Batch) -> int:
    """Rows of a batch; a document in windows is one row."""
    return len(batch[COUNTS] if COUNTS in batch else batch["input_ids"])


def cut_rows(batch: Batch, size: int) -> list[Batch]:
    """Parts of at most `size` rows. A document in windows stays in one part."""
    rows = count_rows(batch)
    if size >= rows:
        return [batch]
    ends = [0, *batch[COUNTS].cumsum(0).tolist()] if COUNTS in batch else range(rows + 1)
    parts = []
    for first in range(0, rows, size):
        last = min(first + size, rows)
        of_rows, of_windows = slice(first, last), slice(ends[first], ends[last])
        parts.append({
            name: values[of_rows if name in (*OF_DOCUMENTS, COUNTS) else of_windows] for name, values in batch.items()
        })  # fmt: skip
    return parts


def does_not_fit(when: str, shape: torch.Size, problem: str, args: TrainingArguments, *, trains: bool) -> RunError:
    """The error of a single row that needs more memory than there is, with what would help and is not used yet.

    Args:
        when: the phase or step.
        shape: of its `input_ids`, windows x tokens.
        problem: what the allocator said.
    """
    windows = f" in {shape[0]} windows" if shape[0] > 1 else ""
    remedies = ["--max_seq_length with a smaller number"]
    remedies += ["--truncation_strategy head"] if windows else []
    names = ("activation_checkpointing", "gradient_checkpointing")  # transformers 5.17 has the second one alone
    if trains and not any(getattr(args, name, False) for name in names):
        remedies.append("--activation_checkpointing true")
    if not args.bf16 and not args.fp16:
        remedies.append("--precision bf16")
    remedies += ["--lora_r 8"] if trains else []
    remedies.append("a smaller model")
    return RunError(
        f"Out of memory {when}: one row of {quantity(shape[1], 'token')}{windows} does not fit ({problem}) "
        f"Use {', '.join(remedies[:-1])} or {remedies[-1]}."
    )


def not_repeatable(when: str, problem: str) -> RunError:
    """The error of a lack of memory that cannot be repaired, because weights or gradients have changed already."""
    return RunError(
        f"Out of memory {when} ({problem}) Continue from the last checkpoint, if there is one, with --resume auto and "
        "--activation_checkpointing true, or start again with a smaller --per_device_train_batch_size and a larger "
        "--gradient_accumulation_steps, --optim adamw_bnb_8bit or --lora_r 8."
    )


def problem_of(error: BaseException) -> str:
    """What an allocator said, in one sentence."""
    return first_line(error) if isinstance(error, Exception) else type(error).__name__
