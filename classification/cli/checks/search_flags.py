"""Checks of `--search`: what it needs, and what it cannot be combined with."""

from __future__ import annotations

from importlib.util import find_spec

from classification.cli.flags import Flags
from classification.errors import UsageError


def check_search(flags: Flags) -> None:
    """Refuse a search that could not be run, or whose best trial could not become the model."""
    run, trainer = flags.run, flags.trainer
    if run.search is None:
        if run.search_space is not None:
            raise UsageError(f"--search_space {run.search_space}: needs a number of trials, such as --search 20.")
        return
    flag = f"--search {run.search}"
    if find_spec("optuna") is None:
        raise UsageError("--search: optuna is not installed: pip install -r requirements-extras.txt")
    if run.check_data:
        raise UsageError(f"--check_data and {flag}: nothing is trained. Leave --search out.")
    if not flags.includes("train"):
        raise UsageError(f"{flag}: trains; pass --do_train too, or no --do_* flag.")
    if flags.study:
        study = f"--{flags.study} {getattr(run, flags.study)}"
        raise UsageError(
            f"{flag} and {study}: search first, without --{flags.study}. Then pass the settings that it prints, with "
            f"--{flags.study}."
        )
    if run.resume and run.resume != "auto":
        raise UsageError(
            f"--resume {run.resume} and {flag}: every trial has checkpoints of its own. Pass --resume auto to continue "
            "the search in --output_dir."
        )
    if run.resume_anyway:
        raise UsageError(f"--resume_anyway and {flag}: all trials have the same data and flags. Leave it out.")
    if trainer["save_strategy"] == "no" or trainer.is_on("save_only_model"):
        name = "save_strategy no" if trainer["save_strategy"] == "no" else "save_only_model true"
        raise UsageError(f"--{name} and {flag}: the last checkpoint of the best trial becomes the model. Leave it out.")
