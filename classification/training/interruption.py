"""A training that stops politely: at the end of a step it saves a checkpoint, and it goes on there when resumed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers import TrainerCallback

from classification.errors import Stopped
from classification.system.stop_signals import SIGNALS, Request
from classification.training.callbacks import FaultAtStep
from classification.training.loaders import end_workers
from classification.training.processes import any_process, highest_of_all
from classification.training.smaller_evaluation import SmallerEvaluation

logger = logging.getLogger(__name__)

COMPLETE = "training is complete, and no checkpoint has it"


class PoliteStop(TrainerCallback):
    """Asks for a checkpoint at the end of a step in which a signal has arrived. All processes agree.

    The Trainer evaluates before it saves. What a step brings with it is therefore in the checkpoint, and the resumed
    run neither lacks nor repeats it.
    """

    def __init__(self) -> None:
        self.request = Request.NOTHING  # of all processes
        self.saved_step: int | None = None
        self.evaluates = False  # in this step

    def agree(self, processes: int) -> None:
        """Exchange the requests of all processes."""
        number = max(self.request, SIGNALS.request)
        self.request = Request(highest_of_all(number) if processes > 1 else number)

    def on_train_begin(self, args, state, control, **kwargs):
        self.request, self.saved_step = Request.NOTHING, None

    def on_step_end(self, args, state, control, **kwargs):
        self.agree(args.world_size)
        if self.request:
            control.should_save = True

    on_epoch_end = on_step_end

    def on_evaluate(self, args, state, control, **kwargs):
        self.evaluates = True

    def on_save(self, args, state, control, **kwargs):
        self.saved_step, SIGNALS.saves = state.global_step, False
        if self.request is Request.SAVE:
            logger.info("SIGUSR1      checkpoint-%d is saved, training goes on", state.global_step)
            self.request = Request.NOTHING


class InterruptibleTrainer(SmallerEvaluation):
    """A Trainer that SIGTERM, Ctrl-C and SIGUSR1 reach between two steps.

    Attributes:
        polite_stop: what was asked for.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.add_callback(FaultAtStep())  # its signal counts in the step in which it comes
        self.polite_stop = PoliteStop()
        self.add_callback(self.polite_stop)  # before `FiniteSteps`, which looks whether a checkpoint is due

    @contextmanager
    def until_saved(self) -> Iterator[None]:
        """Inside, train and save the model: a signal after training waits for the model, unless a checkpoint of the
        last step can continue the run.

        Raises:
            Stopped: in all processes, after the model is saved.
            KeyboardInterrupt: at the second Ctrl-C, at once.
        """
        with SIGNALS.polite():
            try:
                yield
            finally:
                SIGNALS.saves = False  # a SIGUSR1 after the last step asks for nothing in the next training
            self.polite_stop.agree(self.args.world_size)
            if self.polite_stop.request.stops:
                raise Stopped(self.polite_stop.request.code)

    def train(self, *args, **kwargs):
        """Stops at the end of a step where a signal asks for it.

        Raises:
            Stopped: in all processes, after the checkpoint is saved.
            KeyboardInterrupt: at the second Ctrl-C, at once.
        """
        try:
            with SIGNALS.polite():
                output = super().train(*args, **kwargs)
                self._stop_at_the_end()
                return output
        except (Stopped, KeyboardInterrupt) as stop:
            stopped = stop.with_traceback(None)  # its frames hold the loaders, whose workers would live on
        end_workers(self)
        raise stopped

    def _maybe_log_save_evaluate(self, tr_loss, grad_norm, model, trial, *args, **kwargs) -> None:
        """Leaves training once the checkpoint of a polite stop is saved.

        The library would evaluate and save again at the end of the epoch that has just been broken off, and load the
        best model.
        """
        stop = self.polite_stop
        stop.evaluates = False
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, trial, *args, **kwargs)
        if stop.evaluates:  # which may take long
            stop.agree(self.args.world_size)
        if not stop.request or self._epoch_ends_next():
            return
        if stop.saved_step != self.state.global_step:  # a signal during evaluation, or --save_strategy best
            self._save_checkpoint(model, trial)
            self.callback_handler.on_save(self.args, self.state, self.control)
        if stop.request.stops:
            self.callback_handler.on_train_end(self.args, self.state, self.control)  # bars and trackers
            raise self._stopped()

    def _stop_at_the_end(self) -> None:
        """Obey a signal that came after the last step, while the best model was loaded.

        Without a checkpoint of the last step, the run goes on: to stop would lose the training.
        """
        is_there = not any_process(not self._checkpoint().is_dir())  # some network disks show it late
        can_continue = is_there and not self.args.save_only_model
        if can_continue:
            SIGNALS.end_politeness()
        else:
            SIGNALS.promise = f"{COMPLETE}: the run stops when the model is saved."
        self.polite_stop.agree(self.args.world_size)
        if not self.polite_stop.request.stops:
            return
        if can_continue:
            raise self._stopped()
        logger.warning("%s: the run goes on until the model is saved", COMPLETE)

    def _checkpoint(self) -> Path:
        return Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"

    def _stopped(self) -> Stopped:
        request, state, folder = self.polite_stop.request, self.state, self._checkpoint()
        at = f"{request.title}: stopped after step {state.global_step} of {state.max_steps}."
        if not self.args.save_only_model:
            return Stopped(request.code, f"{at} {folder} is saved.")
        return Stopped(request.code, f"{at} {describe_weights_alone(folder)}", can_resume=False)


def describe_weights_alone(checkpoint: Path) -> str:
    """What can be done with a checkpoint of `--save_only_model`."""
    return (
        f"{checkpoint} has the weights without the optimizer (--save_only_model), so that this training cannot "
        f"continue. --model_name_or_path {checkpoint} begins another training with its weights."
    )
