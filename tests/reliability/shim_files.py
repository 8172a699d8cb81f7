"""What else a run writes, as operations to break: the final model, the results, a folder that is moved aside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from corpus import make_rows
from datasets import Dataset
from reliability.shim_loop import Operation, digests, in_fork, restored
from reliability.shim_trainings import STEPS, TASK, make_trainer

from classification.errors import RunError
from classification.evaluation.predictions import Predictions
from classification.reporting import run_lock
from classification.reporting.output_folder import OutputFolder
from classification.reporting.predictions_file import write_predictions
from classification.reporting.run_record import write_json
from classification.system.files import LEFTOVER
from classification.training.checkpoints import find_resume
from classification.training.disk_errors import disk_errors_explained
from classification.training.final_model import save_final_model


def one_line(error: dict, kinds: str, word: str) -> list[str]:
    """What is wrong with an error that should be one line, of one of the kinds, and name `word`."""
    if error["kind"] not in kinds.split():
        return [f"raised {error['kind']}: {error['message'][:200]}"]
    right = "\n" not in error["message"] and word in error["message"]
    return [] if right else [f"message without {word}: {error['message']}"]


class FinalModel:
    """The model that is saved after training, into a folder without one or over the model of an earlier end.

    Args:
        is_again: there is an earlier model.
    """

    def __init__(self, root: Path, kind: str = "plain", *, is_again: bool = False):
        name = f"final {kind}" + (" again" if is_again else "")
        self.kind, self.folder, self.is_again = kind, root / name / "out", is_again
        shutil.rmtree(self.folder.parent, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.operation = Operation(name, self.folder, self.save, self.judge, self.judge_error, self.resume)

    def run(self, test: Callable[[Operation], None]) -> None:
        self.trainer = make_trainer(self.kind, self.folder)
        if self.is_again:
            save_final_model(self.trainer)
        self.trainer.train()
        self.before = digests(self.folder)
        with restored(self.folder):
            in_fork(self.save)
            self.after = digests(self.folder)
        test(self.operation)

    def save(self) -> None:
        save_final_model(self.trainer)

    def judge(self, succeeded: bool) -> tuple[str, list[str]]:
        """`old` or `new`, by the weights; a folder that has the new ones has every file of the model."""
        now = digests(self.folder)
        problems = [f"{name} has changed" for name, value in self.before.items()
                    if name.startswith("checkpoint-") and now.get(name) != value]  # fmt: skip
        for name, value in now.items():
            if not name.startswith(".") and value not in (self.before.get(name), self.after[name]):
                problems.append(f"{name} is neither the old nor the new one")
        weights = next(name for name in self.after if name.endswith("model.safetensors") and "/" not in name)
        is_new = now.get(weights) == self.after[weights]
        if is_new:
            problems += [f"{name} is missing or old" for name in self.after if now.get(name) != self.after[name]]
        if succeeded and not is_new:
            problems.append("the save reported no error, but the model is not there")
        return "new" if is_new else "old" if weights in now else "none", problems

    def judge_error(self, error: dict) -> list[str]:
        return one_line(error, "RunError", f"checkpoint-{STEPS}") + self._leftovers()

    def _leftovers(self) -> list[str]:
        return [f"left {name}" for name in os.listdir(self.folder) if name.startswith(".")]

    def resume(self) -> list[str]:
        """The same command with --resume auto: nothing is trained again, and the model is that of the first end."""
        trainer = make_trainer(self.kind, self.folder)
        trainer.train(resume_from_checkpoint=find_resume("auto", self.folder))
        save_final_model(trainer)
        now = digests(self.folder)
        return self._leftovers() + [f"other {name}" for name in self.after if now.get(name) != self.after[name]]


class Results:
    """predictions.csv, all_results.json and run.json, written over those of an earlier end of the run."""

    def __init__(self, root: Path):
        self.folder = root / "results" / "out"
        shutil.rmtree(self.folder.parent, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.operation = Operation("results", self.folder, self.write, self.judge, self.judge_error, self.resume)

    def run(self, test: Callable[[Operation], None]) -> None:
        self._write(16)
        self.before = digests(self.folder)
        with restored(self.folder):
            in_fork(self.write)
            self.after = digests(self.folder)
        test(self.operation)

    def _write(self, count: int) -> None:
        rows = Dataset.from_list([{**row, "label": TASK.encode(row["label"])} for row in make_rows(count, 3)])
        tokens = np.full(count, 7)
        predictions = Predictions(rows, np.linspace(-1, 1, 2 * count).reshape(count, 2), tokens, tokens)
        write_predictions(self.folder / "predictions.csv", predictions, TASK)
        write_json(self.folder / "all_results.json", {"test_samples": count})
        write_json(self.folder / "run.json", {"results": {"test_samples": count}})

    def write(self) -> None:
        with disk_errors_explained(self.folder):
            self._write(200)

    def judge(self, succeeded: bool) -> tuple[str, list[str]]:
        now = {name: value for name, value in digests(self.folder).items() if not name.startswith(".")}
        problems = [f"{name} is missing" for name in self.before if name not in now]
        problems += [f"{name} is neither the old nor the new one" for name, value in now.items()
                     if value not in (self.before.get(name), self.after.get(name))]  # fmt: skip
        if succeeded and now != self.after:
            problems.append("no error was reported, but a file is old")
        new = sum(now.get(name) == value for name, value in self.after.items())
        return "new" if new == len(self.after) else "old" if new == 0 else "some new", problems

    def judge_error(self, error: dict) -> list[str]:
        return one_line(error, "RunError", str(self.folder)) + self._leftovers()

    def _leftovers(self) -> list[str]:
        return [f"left {name}" for name in os.listdir(self.folder) if name not in self.before]

    def resume(self) -> list[str]:
        """The next run into the folder removes what is left, and writes all files."""
        run_lock.lock_folder(self.folder)
        problems = [f"left {name}" for name in os.listdir(self.folder) if LEFTOVER.fullmatch(name)]
        self.write()
        run_lock.unlock_folder(self.folder)
        return problems + self._leftovers() + ([] if digests(self.folder) == self.after else ["a file is old"])


class MovedAside:
    """`--overwrite_output_dir`: a finished run is moved to OUT.bak-1, and with `is_back` from there to its place.

    Args:
        is_back: the new run fails in its first step.
    """

    def __init__(self, root: Path, *, is_back: bool):
        name, self.is_back = ("moved back" if is_back else "moved aside"), is_back
        self.folder = root / name / "out"
        shutil.rmtree(self.folder.parent, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.operation = Operation(name, self.folder, self.act, self.judge, self.judge_error, self.resume)

    def run(self, test: Callable[[Operation], None]) -> None:
        for name in ("run.json", "model.safetensors", "config.json"):
            (self.folder / name).write_text(f"the old {name}")
        self.before = digests(self.folder)
        test(self.operation)

    def act(self) -> None:
        folder = OutputFolder.claim(self.folder, self.folder, overwrite=True, resume=None, inputs=[])
        try:
            with disk_errors_explained(self.folder), folder.room(lambda: not self.is_back):
                if self.is_back:
                    (self.folder / "checkpoint-1.partial").mkdir()
                    raise RunError("the first step failed")
        except RunError as error:
            if "the first step" not in str(error):
                raise
        finally:
            run_lock.unlock_folder(self.folder)

    def places(self) -> list[str]:
        """The folders that hold the whole old run."""
        found = []
        for folder in sorted(self.folder.parent.iterdir()):
            files = {name: value for name, value in digests(folder).items() if name != run_lock.LOCK_FILE}
            found += [folder.name] if files == self.before else []
        return found

    def judge(self, succeeded: bool) -> tuple[str, list[str]]:
        places = self.places()
        problems = [] if len(places) == 1 else [f"the old run is whole in {places or 'no folder'}"]
        return {"out": "old", "out.bak-1": "moved"}.get(places[0] if places else "", "?"), problems

    def judge_error(self, error: dict) -> list[str]:
        return one_line(error, "UsageError RunError", str(self.folder))

    def resume(self) -> list[str]:
        """The same command again: the old run is whole, and the folder is free for a new one."""
        folder = OutputFolder.claim(self.folder, self.folder, overwrite=True, resume=None, inputs=[])
        with folder.room(lambda: True):
            problems = [] if not any((self.folder / name).exists() for name in self.before) else ["no room"]
        run_lock.unlock_folder(self.folder)
        return problems + self.judge(True)[1]
