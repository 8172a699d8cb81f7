"""What a training step that is repeated in smaller passes starts from, and how small the passes are."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from classification.training.out_of_memory import Batch


@dataclass
class PassSizes:
    """How small the passes through the model have to be. It only shrinks, and checkpoints keep it.

    Args:
        parts: into how many passes a micro-batch is cut.
        eval_tokens: of a pass of evaluation at most, padding included; None for whole batches.
    """

    parts: int = 1
    eval_tokens: int | None = None

    def rows(self, batch_rows: int) -> int:
        """Rows of a training pass."""
        return max(1, -(-batch_rows // self.parts))

    def state_dict(self) -> dict:
        return {"parts": self.parts, "eval_tokens": self.eval_tokens}

    def load_state_dict(self, state: dict) -> None:
        self.parts, self.eval_tokens = state["parts"], state["eval_tokens"]

    @staticmethod
    def share(states: list[dict], rank: int, processes: int) -> dict:
        """All processes of a resumed run need the same number of parts."""
        limits = [state["eval_tokens"] for state in states if state["eval_tokens"]]
        return {"parts": max(state["parts"] for state in states), "eval_tokens": min(limits, default=None)}


class RandomStates:
    """The states of torch's generators, to be set again."""

    def __init__(self, device: torch.device):
        self.device = device
        self.on_cpu = torch.get_rng_state()
        self.on_device = torch.get_device_module(device).get_rng_state() if device.type != "cpu" else None

    def restore(self) -> None:
        torch.set_rng_state(self.on_cpu)
        if self.on_device is not None:
            torch.get_device_module(self.device).set_rng_state(self.on_device)


@dataclass
class StepStart:
    """What a repeated step starts from: the random states, and the sums that count each row once.

    Args:
        sums: each with its value when the step began.
        micro_batches: of the step, up to the current one.
    """

    random: RandomStates
    sums: list[tuple[torch.Tensor, torch.Tensor]]
    micro_batches: list[Batch] = field(default_factory=list)

    def restore(self) -> None:
        self.random.restore()
        for current, before in self.sums:
            current.copy_(before)
