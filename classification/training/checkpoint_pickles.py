"""The pickles of a checkpoint: optimizer, schedule and random state, which the Trainer reads without running code."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError

from classification.errors import UsageError


@contextmanager
def refuse_code_in(checkpoint: str | None) -> Iterator[None]:
    """Inside, the Trainer continues from `checkpoint`; its pickles may hold tensors and numbers only.

    Raises:
        UsageError: a file is damaged or holds other objects, which could execute code. Nothing was executed.
    """
    try:
        yield
    except (pickle.UnpicklingError, SafetensorError) as error:
        if checkpoint is None:
            raise
        raise UsageError(
            f"--resume {checkpoint}: its weights, optimizer.pt, scheduler.pt or rng_state.pth are damaged or hold "
            "objects that could execute code; nothing was executed. Use a checkpoint that you wrote, or leave --resume "
            "out."
        ) from error
