"""Check of the flag that averages weights."""

from __future__ import annotations

from classification.cli.flag_values import average_of
from classification.cli.flags import Flags
from classification.errors import UsageError


def check_average(flags: Flags) -> None:
    """An average that exists, in a run that trains; the last evaluations need evaluations."""
    average = average_of(flags)
    if average is None or flags.run.check_data:
        return
    if not flags.includes("train"):
        raise UsageError(
            f"--average {average}: weights are averaged while they train, and this run does not train. Pass "
            "--do_train, or leave the flag out."
        )
    if average.kind == "last" and flags.trainer["eval_strategy"] == "no":
        raise UsageError(
            f"--average {average} and --eval_strategy no: there are no evaluations. Pass --average ema, or leave out "
            "--eval_strategy."
        )
