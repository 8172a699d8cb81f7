"""The save of a checkpoint as an operation to break: what may be on the disk afterwards, and how the run must end."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from reliability.shim_loop import Operation, digests, in_fork, restored
from reliability.shim_trainings import BROKEN, SAVE_STEPS, STEPS, make_trainer, train_with, weights_of

from classification.training.checkpoints import CHECKPOINT, find_resume

SAME_AFTER_RESUME = ("model.safetensors", "adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth")


class BrokenSave:
    """The save of step 6 of a training that already has one good checkpoint.

    Args:
        kind: of `shim_trainings.make_trainer`.
        root: the training writes to `root/kind/out`.
    """

    def __init__(self, kind: str, root: Path):
        self.kind, self.folder = kind, root / kind / "out"
        self.old = f"checkpoint-{BROKEN - SAVE_STEPS[kind]}"
        self.new = f"checkpoint-{BROKEN}"
        shutil.rmtree(self.folder.parent, ignore_errors=True)
        self.folder.mkdir(parents=True)
        trainer = make_trainer(kind, self.folder)
        trainer.train()
        self.weights, self.last = weights_of(trainer), self._last_files()
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def run(self, test: Callable[[Operation], None]) -> None:
        """Train, and call `test` with the operation in the middle of the training."""

        def at_save(save_now: Callable[[], object]) -> None:
            now = time.time()

            def save() -> None:
                with mock.patch("time.time", lambda: now):  # two saves write the same bytes
                    save_now()

            operation = Operation(self.kind, self.folder, save, self.judge, self.judge_error, self.resume)
            self.before = digests(self.folder)
            with restored(self.folder):
                in_fork(save)
                self.after = digests(self.folder)
            test(operation)

        train_with(make_trainer(self.kind, self.folder), at_save)

    def _last_files(self) -> dict[str, str]:
        files = digests(self.folder / f"checkpoint-{STEPS}")
        return {name: value for name, value in files.items() if name in SAME_AFTER_RESUME}

    def found(self) -> str:
        checkpoint = find_resume("auto", self.folder)
        return Path(checkpoint).name if checkpoint else "none"

    def judge(self, succeeded: bool) -> tuple[str, list[str]]:
        """`old` or `new`, by the checkpoint that a resumed run would take; every checkpoint must be whole."""
        found, now = self.found(), digests(self.folder)
        problems = []
        for entry in os.listdir(self.folder):
            if CHECKPOINT.fullmatch(entry):
                files = files_in(now, entry)
                if files != files_in(self.before, entry) and files != files_in(self.after, entry):
                    problems.append(f"{entry} is neither the one before the save nor the one after it")
        if found not in (self.old, self.new):
            problems.append(f"a resumed run takes {found}")
        if succeeded and found != self.new:
            problems.append("the save reported no error, but the new checkpoint is not used")
        if self.kind == "rotation" and not files_in(now, "checkpoint-2"):
            problems.append("the best checkpoint is gone")
        return {self.old: "old", self.new: "new"}.get(found, found), problems

    def judge_error(self, error: dict) -> list[str]:
        """An error is one line that names the last good checkpoint; nothing half-written is left."""
        problems = []
        if error["kind"] != "RunError":
            problems.append(f"raised {error['kind']}: {error['message'][:200]}")
        elif "\n" in error["message"] or self.found() not in error["message"]:
            problems.append(f"message without {self.found()}: {error['message']}")
        return problems + [f"left {name}" for name in os.listdir(self.folder) if not CHECKPOINT.fullmatch(name)]

    def resume(self) -> list[str]:
        """Go on to the end: the final weights are those of the run without a fault; nothing half-written is left."""
        trainer = make_trainer(self.kind, self.folder)
        trainer.train(resume_from_checkpoint=find_resume("auto", self.folder))
        weights = weights_of(trainer)
        problems = [f"left {name}" for name in os.listdir(self.folder) if not CHECKPOINT.fullmatch(name)]
        problems += [f"other {name}" for name in self.weights if not torch.equal(self.weights[name], weights[name])]
        last = self._last_files()
        return problems + [f"other {name} of the last step" for name in self.last if self.last[name] != last.get(name)]


def files_in(files: dict[str, str], folder: str) -> dict[str, str]:
    return {name: value for name, value in files.items() if name.startswith(folder + "/")}
