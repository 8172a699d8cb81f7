"""A run that resumes after its last step trains no further step."""

from __future__ import annotations

from classification.training.trainer_errors import TrainerErrors


class FinishedTraining(TrainerErrors):
    """A Trainer that knows that a checkpoint was the last one of its run."""

    def _run_epoch(self, *args, **kwargs) -> None:
        """Trains nothing after the last step, or after early stopping.

        The library looks at the number of steps after a step only: resumed in the middle of the last epoch, it would
        train one step too many.
        """
        if self.state.global_step >= self.state.max_steps or self.control.should_training_stop:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*args, **kwargs)
