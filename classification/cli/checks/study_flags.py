"""Checks of the flags that train several times or compare with other methods."""

from __future__ import annotations

from classification.cli.flag_values import BASELINES, baselines_of, seeds_of
from classification.cli.flags import Flags
from classification.errors import UsageError, did_you_mean, join_first

LARGEST_SEED = 2**32  # numpy's limit


def check_study(flags: Flags) -> None:
    """Seeds and folds: what they cannot be combined with, and numbers that make a study."""
    run, given = flags.run, flags.given
    if not flags.study:
        return
    flag = f"--{flags.study} {getattr(run, flags.study)}"
    if run.seeds is not None and run.folds is not None:
        raise UsageError(f"--seeds {run.seeds} and --folds {run.folds}: one study at a time.")
    if run.seeds is not None:
        seeds = seeds_of(run.seeds)
        usable = [seed for seed in set(seeds) if 0 <= seed < LARGEST_SEED]
        if len(usable) < max(2, len(seeds)):
            raise UsageError(f"{flag}: give at least two different whole numbers from 0 on, such as 1,2,3.")
    if run.seeds and "seed" in given:
        raise UsageError(f"{flag} and --seed {flags.trainer['seed']}: give one of them.")
    if not (flags.includes("train") and flags.includes("eval")):
        raise UsageError(f"{flag}: trains and evaluates; pass --do_train --do_eval, or no --do_* flag.")
    if run.resume and run.resume != "auto":
        raise UsageError(
            f"--resume {run.resume} and {flag}: every run of a study has checkpoints of its own. Pass --resume auto to "
            "continue the study in --output_dir."
        )
    if run.resume_anyway:
        raise UsageError(f"--resume_anyway and {flag}: all runs of a study have the same flags. Leave it out.")
    if run.folds:
        check_folds(flags, flag)


def check_folds(flags: Flags, flag: str) -> None:
    """Folds make their own validation sets."""
    for name in ("validation_file", "validation_split_name", "max_eval_samples", "validation_fraction"):
        if name in flags.given:
            raise UsageError(f"{flag} and --{name}: each fold is the validation set of one run. Leave --{name} out.")
    if flags.data.validation_strategy in ("tail", "time"):
        raise UsageError(f"{flag}: folds have no order in time. Leave out --validation_strategy.")
    for name in ("tune_thresholds", "target_precision", "target_recall"):
        if value := getattr(flags.objective, name):
            raise UsageError(
                f"{flag} and --{name} {value}: the rule would be chosen on the rows that are scored. Leave it out, or "
                "give a fixed rule with --thresholds or --costs."
            )


def check_baselines(flags: Flags) -> None:
    """Baselines that exist, and data to fit them to."""
    baselines = baselines_of(flags.run.baselines)
    for name in baselines:
        if name not in BASELINES:
            raise UsageError(
                f"--baselines {name}: unknown baseline. Choose from {join_first(BASELINES, 12)}, or all."
                + did_you_mean(name, BASELINES)
            )
    for flag, is_given in (("baselines", bool(baselines)), ("suspect_labels", flags.run.suspect_labels)):
        if is_given and not flags.includes("train"):
            raise UsageError(f"--{flag}: needs the training rows, which this run does not read. Pass --do_train too.")
        if is_given and flags.study and (flag, flags.study) != ("suspect_labels", "folds"):
            study = f"--{flags.study} {getattr(flags.run, flags.study)}"
            raise UsageError(f"--{flag} and {study}: give --{flag} to a run of its own, without --{flags.study}.")
    if baselines and flags.run.check_data:
        raise UsageError("--check_data and --baselines: fit baselines with python scripts/baselines.py.")
    if baselines and not flags.includes("eval"):
        raise UsageError("--baselines: validation decides which is best. Pass --do_eval too, or no --do_* flag.")
