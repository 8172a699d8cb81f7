"""A trial of a search that has no prospect is stopped at an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transformers import TrainerCallback

from classification.training.processes import made_by_main


class Pruned(Exception):
    """A training that was stopped because others were better at the same evaluation; in all processes.

    Args:
        values: of `--metric_for_best_model`, one per evaluation.
    """

    is_shared = True  # see `training.processes`

    def __init__(self, values: Sequence[float]):
        super().__init__(f"stopped at evaluation {len(values)}")
        self.values = list(values)


class StopHopeless(TrainerCallback):
    """Asks after each evaluation whether the training has a prospect.

    The library's own hook (`Trainer._report_to_hp_search`) reports values by optimizer step, so that trials of another
    batch size are never compared, and of several processes it would stop the first one alone. A run that is resumed
    has its earlier values in the Trainer's state.

    Args:
        is_hopeless: of the values so far, one per evaluation.

    Raises:
        Pruned: it has none; not at the last step, where the result is known anyway.
    """

    def __init__(self, is_hopeless: Callable[[Sequence[float]], bool]):
        self.is_hopeless = is_hopeless
        self.is_training = False

    def on_train_begin(self, args, state, control, **kwargs):
        self.is_training = True

    def on_train_end(self, args, state, control, **kwargs):
        self.is_training = False

    def on_evaluate(self, args, state, control, **kwargs):
        key = "eval_" + args.metric_for_best_model.removeprefix("eval_")
        values = [entry[key] for entry in state.log_history if key in entry and entry["step"] > 0]
        if not self.is_training or state.global_step >= state.max_steps or not values:
            return
        if made_by_main(lambda: self.is_hopeless(values)):
            raise Pruned(values)
