"""The points of `--learning_curve`, decided before training: their rows, and those that cannot be trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from transformers import TrainingArguments

from classification.cli.flags import TrainerFlags
from classification.cli.options import Options
from classification.data.corpus import Corpus
from classification.data.findings import quantity
from classification.data.nested_rows import NestedRows
from classification.errors import UsageError, join_first
from classification.messages.log import Line, warning
from classification.training.schedule import ENOUGH, Schedule

FOLDER = "learning_curve"
STEP_FLAGS = ("max_steps", "warmup_steps", "logging_steps")


@dataclass(frozen=True)
class Point:
    """A part of train that is trained on: its percentage, rows and optimizer steps.

    Args:
        trainer: flags of the Trainer that count steps, for this part.
        is_short: its few steps can hardly move a model.
    """

    percent: float
    rows: int
    steps: int
    trainer: Mapping[str, object]
    is_short: bool = False

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.percent:g}-percent"

    def options(self, options: Options) -> Options:
        """The options of its run, from those of the whole run."""
        return options.for_curve_point(f"{FOLDER}/{self.name}", self.rows, **self.trainer)


@dataclass(frozen=True)
class CurvePlan:
    """The points, the smallest first.

    Args:
        left_out: why a percentage is not trained.
        rows: of all of train.
    """

    points: tuple[Point, ...]
    rows: int
    left_out: Mapping[float, str] = field(default_factory=dict)

    def summary(self, args: TrainingArguments) -> list[Line]:
        """What will be trained beside the run itself, and what is left out."""
        epochs = "1 epoch" if args.num_train_epochs == 1 else f"{args.num_train_epochs:g} epochs"
        length = (
            f"their share of the {args.max_steps} steps" if args.max_steps > 0 else f"{epochs} each, as the run itself"
        )
        parts = join_first(
            [f"{point.percent:g}% ({quantity(point.rows, 'row')}, {quantity(point.steps, 'step')})"
             for point in self.points], 20,
        )  # fmt: skip
        left = [warning(f"--learning_curve: {percent:g}% is left out: {why}") for percent, why in self.left_out.items()]
        text = f"also trains on {parts} of the {quantity(self.rows, 'row')} of train, for {length}"
        short = join_first(f"{point.percent:g}%" for point in self.points if point.is_short)
        if short:
            problem = f"the few steps at {short} can hardly move a model: the curve shows that, not only the labels"
            left.append(warning(f"--learning_curve: {problem}. Pass a higher --num_train_epochs"))
        return [*left, Line("curve", text)]


def plan_curve(options: Options, corpus: Corpus, args: TrainingArguments) -> CurvePlan:
    """The points that can be trained.

    Args:
        args: of the run itself.

    Raises:
        UsageError: none of the percentages can be trained.
    """
    train, points, left_out = corpus.splits["train"], list[Point](), dict[float, str]()
    more = len(corpus.unlabelled or ())  # rows of --teacher, which every point reads too
    batch = Schedule.from_args(args, len(train)).batch
    fewest = NestedRows.of(train, options.rows.seed).fewest
    for percent in options.run.learning_curve:
        rows = round(len(train) * percent / 100)
        problem = why_not(rows, fewest, batch - more)
        if any(point.rows == rows for point in points) or rows == len(train):
            problem = f"another point has {quantity(rows, 'row')} too"
        if problem:
            left_out[percent] = problem
            continue
        changes = scaled_steps(options.trainer, (rows + more) / (len(train) + more))
        schedule = Schedule.from_args(changed(args, changes), rows + more)
        try:
            schedule.check_best(changed(args, changes))
            schedule.check_early_stopping(options.training.patience)
        except UsageError as error:
            left_out[percent] = str(error)
            continue
        is_short = schedule.total_rate(args) < ENOUGH
        points.append(Point(percent, rows, schedule.steps, changes, is_short))
    if not points:
        why = "; ".join(f"{percent:g}%: {why}" for percent, why in left_out.items())
        raise UsageError(
            f"--learning_curve {','.join(f'{percent:g}' for percent in options.run.learning_curve)}: no point can be "
            f"trained on {quantity(len(train), 'row')} of train ({why}). Give larger percentages, or leave it out."
        )
    return CurvePlan(tuple(points), len(train), left_out)


def curve_lines(options: Options, corpus: Corpus, args: TrainingArguments) -> list[Line]:
    """Before training: what `--learning_curve` adds to this run; nothing without the flag.

    Raises:
        UsageError: as `plan_curve`.
    """
    return plan_curve(options, corpus, args).summary(args) if options.run.learning_curve else []


def why_not(rows: int, fewest: int, batch: int) -> str:
    """Why rows cannot be a point, "" where they can.

    Args:
        fewest: rows in which each label has one. batch: rows per optimizer step.
    """
    if rows < fewest:
        return f"its {quantity(rows, 'row')} cannot hold a row of each label ({fewest} are needed)"
    if rows < batch:
        return f"its {quantity(rows, 'row')} are less than one batch of {batch}"
    return ""


def scaled_steps(trainer: TrainerFlags, share: float) -> dict[str, object]:
    """The flags that count optimizer steps, for a part of the rows: the part trains as many epochs, and is evaluated as
    often. A share of all steps, below 1, stays.
    """
    names = [*STEP_FLAGS, *(["eval_delay"] if trainer.get("eval_strategy") == "steps" else [])]
    found: dict[str, object] = {
        name: math.ceil(trainer.number(name) * share) for name in names if trainer.number(name) >= 1
    }
    every = trainer.number("eval_steps") or trainer.number("logging_steps")
    if trainer.get("eval_strategy") == "steps" and every >= 1:
        found["eval_steps"] = math.ceil(every * share)
    saves = trainer.number("save_steps", 500)
    if trainer.get("save_strategy") == "steps" and saves >= 1:  # each checkpoint that is saved must be evaluated
        times = max(1, round(saves / every)) if every >= 1 else 1
        found["save_steps"] = times * math.ceil((every if every >= 1 else saves) * share)
    return found


def changed(args: TrainingArguments, changes: Mapping[str, object]) -> TrainingArguments:
    """The arguments of a point, for the arithmetic of its steps."""
    args = copy.copy(args)
    for name, value in changes.items():
        setattr(args, name, value)
    return args
