"""How many steps and evaluations a run will take, before it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass

from transformers import TrainingArguments

from classification.errors import UsageError


@dataclass(frozen=True)
class Schedule:
    """`batch` rows a step over all processes, `steps` in all, `per_epoch` of them an epoch, and `evaluations`."""

    batch: int
    steps: int
    per_epoch: int
    evaluations: int

    @classmethod
    def of(cls, args: TrainingArguments, num_rows: int) -> Schedule:
        """The Trainer's own arithmetic (`Trainer.set_initial_training_values`), which it does only in training."""
        micro_batch = args.per_device_train_batch_size * args.world_size
        per_epoch = math.ceil(math.ceil(num_rows / micro_batch) / args.gradient_accumulation_steps)
        steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * per_epoch)
        if args.eval_strategy == "no":
            looks = range(0)
        elif args.eval_strategy == "epoch":
            looks = range(1, math.ceil(steps / per_epoch) + 1)
        else:
            every = math.ceil(steps * args.eval_steps) if args.eval_steps < 1 else int(args.eval_steps)
            looks = {*range(every, steps + 1, every), steps}  # the Trainer looks once more at the end
        evaluations = sum(look >= (args.eval_delay or 0) for look in looks)
        return cls(micro_batch * args.gradient_accumulation_steps, steps, per_epoch, evaluations)

    def check_early_stopping(self, patience: int | None) -> None:
        """Refuse a patience that outlasts the run: the first evaluation is the best so far, `patience` more without a
        better one stop it, and at the last one there is nothing left to stop."""
        if patience is not None and patience + 1 >= self.evaluations:
            raise UsageError(
                f"--early_stopping_patience {patience}: could never fire: this run evaluates {self.evaluations} times, "
                f"and it would need {patience + 2}. Train longer (--num_train_epochs), evaluate more often "
                "(--eval_strategy steps --eval_steps N), or leave it out."
            )
