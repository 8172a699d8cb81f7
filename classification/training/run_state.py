"""What a checkpoint holds beside the Trainer's files: facts about the run, and sums that a resumed run goes on with."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from accelerate.utils import gather_object

from classification.training.checkpoint_seal import RUN_STATE

if TYPE_CHECKING:
    from transformers import Trainer


class Stateful(Protocol):
    """A part of a run whose state a checkpoint keeps, as plain JSON.

    A class may have `share(states, rank, processes)`: what one of `processes` gets of the states of another number of
    processes, or None. Without it the first process gets the first state and the others nothing.
    """

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...


class StatefulFiles(Protocol):
    """A part of a run whose state a checkpoint keeps in a file of its own, the same for every process."""

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


def read_run_state(checkpoint: str | Path) -> dict:
    """`facts`, `kept` and the number of `processes` of a checkpoint; empty for one of the first version."""
    path = Path(checkpoint) / RUN_STATE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def gather_run_state(facts: dict[str, object], kept: dict[str, Stateful], processes: int) -> dict:
    """What `read_run_state` returns later: the state of each part is a list by process."""
    states = gather_object([{name: part.state_dict() for name, part in kept.items()}])
    by_part = {name: [state[name] for state in states] for name in kept}
    return {"facts": facts, "kept": by_part, "processes": processes}


def restore_kept(run_state: dict, kept: dict[str, Stateful], rank: int, processes: int) -> None:
    """Give each part the state that it had in this process."""
    for name, states in run_state.get("kept", {}).items():
        if name not in kept or not states:
            continue
        part = kept[name]
        if len(states) == processes:
            state = states[rank]
        elif hasattr(part, "share"):
            state = part.share(states, rank, processes)
        else:
            state = states[0] if rank == 0 else None
        if state is not None:
            part.load_state_dict(state)


class LossSums:
    """The sums behind the logged `loss`, `train_loss` and `train_runtime`, which the library drops when it resumes.

    Args:
        trainer: whose sums they are; it resets them when training begins.

    Attributes:
        first_step: the step after which the sums begin; 0 where those of earlier processes are known.
    """

    def __init__(self, trainer: Trainer):
        self.trainer, self.first_step = trainer, 0
        self.seconds_before = 0.0  # in earlier processes
        self.start = time.time()

    def begin(self) -> None:
        """Training begins; a state is loaded afterwards."""
        self.seconds_before, self.start = 0.0, time.time()
        self.first_step = self.trainer.state.global_step

    def state_dict(self) -> dict:
        trainer = self.trainer
        return {
            "since_logged": trainer._tr_loss.item(),
            "until_logged": trainer._total_loss_scalar,
            "logged_step": trainer._globalstep_last_logged,
            "seconds": self.seconds_before + time.time() - self.start,
        }

    def load_state_dict(self, state: dict) -> None:
        trainer = self.trainer
        trainer._tr_loss.fill_(state["since_logged"])
        trainer._total_loss_scalar = state["until_logged"]
        trainer._globalstep_last_logged = state["logged_step"]
        # train_loss is a mean over all steps, also those of earlier processes. transformers 5.17 has it so, unasked.
        self.first_step = trainer._initial_global_step = 0
        self.seconds_before = state["seconds"]

    @staticmethod
    def share(states: list[dict], rank: int, processes: int) -> dict:
        """The library logs the mean over the processes, which stays the same."""
        mean = sum(state["since_logged"] for state in states) / len(states)
        return states[0] | {"since_logged": mean}
