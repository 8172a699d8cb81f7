"""A Trainer whose checkpoints are complete or do not count, and that goes on with every figure when it resumes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from classification.errors import RunError, UsageError
from classification.system.kept_folders import keep_folders
from classification.training.checkpoint_pickles import check_optimizer_fits
from classification.training.checkpoint_rotation import (
    PARTIAL,
    adopt,
    clear_leftovers,
    no_reason_to_stop,
    rotate,
    set_aside_later,
    set_aside_replaced,
)
from classification.training.checkpoint_seal import RUN_STATE, damage_of, seal
from classification.training.failed_saves import one_error_for_all
from classification.training.faults import fault_at
from classification.training.finished_training import FinishedTraining
from classification.training.processes import any_process, stop_together
from classification.training.run_state import (
    LossSums,
    Stateful,
    StatefulFiles,
    gather_run_state,
    read_run_state,
    restore_kept,
)
from classification.training.unsealed_checkpoint import WEIGHTS, refuse_cut_off

logger = logging.getLogger(__name__)

LOADED = (*WEIGHTS, "adapter_config.json")  # of the best checkpoint, at the end


class SealedCheckpoints(FinishedTraining):
    """A Trainer that writes a checkpoint aside, seals it, and only then gives it its name.

    Attributes:
        facts: plain JSON about the run that each checkpoint holds.
        kept: by name, the parts of the run whose state each checkpoint holds and a resumed run gets back.
        kept_files: the parts whose state is a file of each checkpoint that can be resumed.
        lost: what damage has cost, such as the best checkpoint.
    """

    _tr_loss: torch.Tensor

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.facts: dict[str, object] = {}
        self.loss_sums = LossSums(self)
        self.kept: dict[str, Stateful] = {"loss": self.loss_sums}
        self.kept_files: list[StatefulFiles] = []
        self.lost: list[str] = []
        self.epoch_end = EpochEnd()
        self.add_callback(self.epoch_end)
        self.resumed_from: str | None = None

    def _save_checkpoint(self, model, trial) -> None:
        """Writes to `checkpoint-N.partial`, by the library's own methods, and renames it when it is whole.

        The library writes into `checkpoint-N` itself, and a killed run leaves a part of it there.

        Raises:
            RunError: a file cannot be written, or the folder is another run's; in every process. Earlier checkpoints
                are unchanged.
        """
        if self._is_saved_later():
            return
        self.keep_folders()
        self.store_flos()
        folder = Path(self._get_output_dir(trial=trial))
        final = folder / f"checkpoint-{self.state.global_step}"
        self._note_best(final)
        best = self._best_name()
        run_state = gather_run_state(self.facts, self.kept, self.args.world_size) | {"best": best}
        partial, writes = final.with_name(final.name + PARTIAL), self.args.should_save
        with one_error_for_all(partial, removes=writes):
            fault_at("save:begin")
            if writes:
                folder.mkdir(parents=True, exist_ok=True)
                clear_leftovers(folder)
                partial.mkdir()
        with one_error_for_all(partial, removes=writes):
            self._write_checkpoint(partial, run_state)
        with one_error_for_all(partial, removes=writes):
            if writes:
                refuse_cut_off(partial)
                set_aside_later(folder, partial, self.state.global_step)  # a kill from here on goes on before them
                seal(partial, final)
        if self.args.push_to_hub:
            self._push_from_checkpoint(str(final))
        with no_reason_to_stop():
            fault_at("save:rotate")
            if writes:
                set_aside_replaced(folder)
                rotate(folder, self.args.save_total_limit, saved=final, best=folder / best if best else None)

    def keep_folders(self) -> None:
        """Before this run writes: its folder must still be its own. All processes must call it.

        Raises:
            RunError: another run is in its place; in every process.
        """
        try:
            with stop_together():
                keep_folders()
        except UsageError as error:
            raise RunError(str(error)) from error

    def _write_checkpoint(self, partial: Path, run_state: dict) -> None:
        """Write all files of a checkpoint but its manifest."""
        fault_at("save:weights")
        self.save_model(str(partial), _internal_call=True)
        if not self.args.save_only_model:
            fault_at("save:optimizer")
            self._save_optimizer_and_scheduler(str(partial))
            self._save_scaler(str(partial))
            fault_at("save:random")
            self._save_rng_state(str(partial))
        fault_at("save:state")
        if self.args.should_save:
            for part in [] if self.args.save_only_model else self.kept_files:
                part.save(partial)
            self._export_callbacks()
            # A path would be wrong once the output folder is moved or renamed.
            replace(self.state, best_model_checkpoint=None).save_to_json(str(partial / "trainer_state.json"))
            (partial / RUN_STATE).write_text(json.dumps(run_state, indent=1) + "\n", encoding="utf-8")

    def _export_callbacks(self) -> None:
        """Put the state of each callback that has one into the Trainer's state, as the library does."""
        for callback in [*self.callback_handler.callbacks, self.control]:
            if isinstance(callback, ExportableState):
                name, states = type(callback).__name__, self.state.stateful_callbacks
                if isinstance(states.get(name), list):
                    states[name].append(callback.state())
                else:
                    states[name] = callback.state()

    def _note_best(self, final: Path) -> None:
        """The best checkpoint becomes that of the best step, if it is saved; `final` is about to be."""
        if self.state.best_global_step:
            best = final.with_name(f"checkpoint-{self.state.best_global_step}")
            if best == final or best.is_dir():
                self.state.best_model_checkpoint = str(best)

    def _best_name(self) -> str | None:
        return Path(self.state.best_model_checkpoint).name if self.state.best_model_checkpoint else None

    def _maybe_log_save_evaluate(self, *args, **kwargs) -> None:
        """Saves the last step of an epoch after the evaluation and the figures of the epoch.

        The library saves it before them, and a run that is resumed there never makes them.
        """
        if self.control.should_save and self._epoch_ends_next():
            self.control.should_save, self.epoch_end.is_save_due = False, True
        super()._maybe_log_save_evaluate(*args, **kwargs)

    def _determine_best_metric(self, metrics, trial) -> bool:
        """Saves every step that is the best so far.

        With `--save_steps` a multiple of `--eval_steps`, the library may load an earlier checkpoint as the best one.
        """
        is_best = super()._determine_best_metric(metrics, trial)
        self.control.should_save |= is_best and self.args.load_best_model_at_end
        return is_best

    def _is_saved_later(self) -> bool:
        """The same for a save that is decided after the evaluation."""
        if not self.control.should_save or not self._epoch_ends_next():
            return False
        self.epoch_end.is_save_due = True
        return True

    def _epoch_ends_next(self) -> bool:
        """Whether this is the end of a step that ends its epoch too."""
        is_last = float(self.state.epoch or 0.0).is_integer() or self.state.global_step >= self.state.max_steps
        return is_last and not self.epoch_end.is_now

    def _init_training_state(
        self, max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial
    ):
        """Finds the best checkpoint by its step, beside the one that is resumed; also in a folder that was moved."""
        self.resumed_from = resume_from_checkpoint
        with false_warning_hidden():
            counts = super()._init_training_state(
                max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial
            )
        if resume_from_checkpoint is not None:
            self.state.compute_steps(self.args, max_steps)  # of this run, as --logging_steps may have changed
            self._find_best(Path(resume_from_checkpoint), Path(self._get_output_dir(trial=trial)))
        return counts

    def _find_best(self, resumed: Path, folder: Path) -> None:
        """Set the path of the best checkpoint of a run that is resumed, and copy it from another folder."""
        step = self.state.best_global_step
        name = read_run_state(resumed).get("best", f"checkpoint-{step}" if step else None)
        self.state.best_model_checkpoint = None if name is None else str(folder / name)
        if name is None or not self.args.load_best_model_at_end:
            return
        with one_error_for_all(folder / (name + PARTIAL), removes=self.args.should_save):
            if self.args.should_save and not (folder / name).exists():
                adopt(resumed.resolve().parent / name, folder / name)

    def _load_best_model(self) -> None:
        """Keeps the weights of the last step where the best checkpoint is damaged or gone."""
        best = Path(self.state.best_model_checkpoint)
        damage = damage_of(best, only=LOADED) if self.is_local_process_zero() else None  # it reads these files
        if not any_process(damage is not None):
            return super()._load_best_model()
        self.state.best_model_checkpoint = None
        damage = damage or "another machine cannot read it"
        logger.warning("best         %s is not used: %s; the weights of the last step are kept", best, damage)
        self.lost.append(f"the best checkpoint, {best.name} ({damage})")

    def _finalize_training(self, trial, num_train_samples, start_time):
        """Keeps the last checkpoint, counts the time of earlier processes, and reports the loss of all processes.

        The library deletes it with `--save_total_limit 1`, and a finished run could not be resumed. Its train_loss is
        that of one process for the steps since the last log, and 0 where no step is known.
        """
        self._tr_loss = self.accelerator.reduce(self._tr_loss, reduction="mean")
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            output = super()._finalize_training(trial, num_train_samples, start_time - self.loss_sums.seconds_before)
        finally:
            self.args.save_total_limit = limit
        if self.state.global_step == self.loss_sums.first_step:  # an unsealed checkpoint after the last step
            output.metrics.pop("train_loss", None)
        return output

    def keep_figures(self, epoch_totals: Stateful) -> None:
        """Checkpoints hold the sums of the epoch too. To be called after all other callbacks are added."""
        self.kept["epoch"] = epoch_totals
        self.add_callback(ResumedFigures(self._restore_figures))

    def _restore_figures(self) -> None:
        """Go on with the figures of the checkpoint that is resumed, if any."""
        self.loss_sums.begin()
        if self.resumed_from is not None:
            check_optimizer_fits(self.optimizer, self.resumed_from, f"--optim {self.args.optim.value}")
            state = read_run_state(self.resumed_from)
            restore_kept(state, self.kept, self.args.process_index, self.args.world_size)
            for part in self.kept_files:
                part.load(Path(self.resumed_from))


@contextmanager
def false_warning_hidden() -> Iterator[None]:
    """Inside, the library does not warn that the path of the best checkpoint is wrong: it is not used."""

    def is_true(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("The best checkpoint ")

    library = logging.getLogger("transformers.trainer")
    library.addFilter(is_true)
    try:
        yield
    finally:
        library.removeFilter(is_true)


class EpochEnd(TrainerCallback):
    """Knows whether an epoch ends now, and saves then if a save waits for it."""

    def __init__(self) -> None:
        self.is_now = self.is_save_due = False

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.is_now = self.is_save_due = False

    def on_epoch_end(self, args, state, control, **kwargs):
        self.is_now = True
        control.should_save = control.should_save or self.is_save_due
        self.is_save_due = False


class ResumedFigures(TrainerCallback):
    """The last callback of a Trainer: when training begins, the others have dropped their sums."""

    def __init__(self, restore: Callable[[], None]):
        self.restore = restore

    def on_train_begin(self, args, state, control, **kwargs):
        self.restore()
