"""Checks of `--learning_curve`: its percentages, and what it cannot be combined with."""

from __future__ import annotations

from classification.cli.flag_values import curve_of
from classification.cli.flags import Flags
from classification.errors import UsageError


def check_curve(flags: Flags) -> None:
    """Percentages that make a curve, in a run that trains and evaluates one model."""
    run = flags.run
    if not curve_of(run.learning_curve):
        return
    flag = f"--learning_curve {run.learning_curve}"
    if run.check_data:
        raise UsageError(f"{flag} and --check_data: nothing is trained. Leave one of them out.")
    if not (flags.includes("train") and flags.includes("eval")):
        raise UsageError(f"{flag}: trains on parts of train and scores validation. Pass --do_train --do_eval too.")
    if flags.study:
        study = f"--{flags.study} {getattr(run, flags.study)}"
        raise UsageError(f"{flag} and {study}: one study at a time. Give --learning_curve to a run of its own.")
    if run.search is not None:
        raise UsageError(
            f"{flag} and --search {run.search}: one study at a time. Search first, then pass the settings that it has "
            "found together with --learning_curve."
        )
