"""Loading a checkpoint: no code is run from its pickles, and what does not fit is one error before training."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from safetensors import SafetensorError

from classification.errors import RunError, UsageError, first_line

# Functions of the library that read a checkpoint when training begins.
LOADERS = {
    "_load_from_checkpoint", "_load_optimizer_and_scheduler", "_load_scaler", "_load_rng_state", "_load_callback_state",
    "_init_training_state", "load_from_json",
}  # fmt: skip


@contextmanager
def refuse_code_in(checkpoint: str | None) -> Iterator[None]:
    """Inside, the Trainer continues from `checkpoint`; its pickles may hold tensors and numbers only.

    Raises:
        UsageError: a file is damaged, does not fit this run, or holds other objects, which could execute code. Nothing
            was executed.
    """
    try:
        yield
    except (UsageError, RunError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if checkpoint is None or not is_of_loading(error):
            raise
        if isinstance(error, pickle.UnpicklingError | SafetensorError):
            raise UsageError(
                f"--resume {checkpoint}: its weights, optimizer.pt, scheduler.pt or rng_state.pth are damaged or hold "
                "objects that could execute code; nothing was executed. Use a checkpoint that you wrote, or leave "
                "--resume out."
            ) from error
        raise UsageError(
            f"--resume {checkpoint}: cannot be loaded ({type(error).__name__}: {first_line(error).removesuffix('.')}). "
            "It is damaged, or of another model, optimizer or version of transformers. Run the command that wrote it, "
            "or choose another --output_dir and leave --resume out."
        ) from error


def is_of_loading(error: Exception) -> bool:
    """Whether an error comes from reading the checkpoint, and not from training."""
    return any(frame.f_code.co_name in LOADERS for frame, _ in traceback.walk_tb(error.__traceback__))


def check_optimizer_fits(optimizer: torch.optim.Optimizer, checkpoint: str, flag: str) -> None:
    """Refuse a checkpoint whose optimizer is of another kind: PyTorch loads it, and fails or differs later.

    Args:
        flag: `--optim` and its value.

    Raises:
        UsageError: a value that this optimizer needs is not in the checkpoint.
    """
    # PyTorch adds "differentiable" to the defaults of any optimizer when it loads a state, and not to its groups.
    needed = getattr(optimizer, "optimizer", optimizer).defaults.keys() - {"differentiable"}
    missing = sorted({name for group in optimizer.param_groups for name in needed - group.keys()})
    if missing:
        raise UsageError(
            f"{flag}: {checkpoint} was written by another optimizer (it has no {missing[0]}). Choose that one, or "
            "another --output_dir and leave --resume out."
        )
