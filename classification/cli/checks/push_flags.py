"""Checks of `--push_to_hub`: what cannot be pushed, or not to there, is refused before training."""

from __future__ import annotations

import re
from pathlib import Path

from classification.cli.flags import Flags
from classification.errors import UsageError, first_line

SENDABLE = re.compile(r"[!-~]+")  # in a header of HTTP
NEEDS_PUSH = ("hub_model_id", "hub_revision")


def repo_id_of(flags: Flags) -> str:
    """`--hub_model_id`, or the name of the output folder."""
    return flags.trainer.text("hub_model_id") or Path(flags.trainer.text("output_dir")).absolute().resolve().name


def check_push(flags: Flags) -> None:
    """A model to push, a name that the Hub takes and a token; nothing is sent here."""
    trainer = flags.trainer
    strategy = trainer.text("hub_strategy")
    if strategy and strategy != "end":
        raise UsageError(f"--hub_strategy {strategy}: checkpoints are never pushed, only the finished model. Use end.")
    if not trainer.is_on("push_to_hub"):
        for name in NEEDS_PUSH:
            if trainer.get(name) and "push_to_hub" not in flags.given:
                raise UsageError(f"--{name} {trainer[name]}: has no effect without --push_to_hub true. Add it.")
        if flags.run.push_report and "push_to_hub" not in flags.given:
            raise UsageError("--push_report true: has no effect without --push_to_hub true. Add it.")
        return
    if flags.run.check_data:
        return
    check_model_to_push(flags)
    check_target(flags)


def check_model_to_push(flags: Flags) -> None:
    """One model that this run makes, pushed once, at the end."""
    model, trainer = flags.model, flags.trainer
    if not flags.includes("train"):
        raise UsageError(
            "--push_to_hub: pushes the model that a training has made, and this run does not train. Leave it out; hf "
            "upload REPOSITORY FOLDER . --include FILE pushes the files of a saved model."
        )
    if flags.run.folds:
        raise UsageError(
            f"--folds {flags.run.folds} and --push_to_hub: every fold has a model of its own and none is the best. "
            "Leave --push_to_hub out and push the model of a training without --folds."
        )
    if trainer.is_on("hub_always_push"):
        raise UsageError("--hub_always_push true: the model is pushed once, at the end. Leave it out.")
    if model.lora_r and not model.lora_merge and Path(model.model_name_or_path).exists():
        raise UsageError(
            f"--push_to_hub and --lora_merge False: the adapter needs its base model {model.model_name_or_path}, a "
            "folder that nobody else has. Leave --lora_merge out, or train from a model on the Hub."
        )


def check_target(flags: Flags) -> None:
    """A name that the Hub takes, a branch and a token."""
    from huggingface_hub import get_token  # takes a while to import, and most runs push nothing
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    trainer, repo_id = flags.trainer, repo_id_of(flags)
    if trainer.get("hub_model_id") is not None and not trainer.text("hub_model_id").strip():
        raise UsageError("--hub_model_id '': must be OWNER/NAME. Leave it out for the name of --output_dir.")
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        flag = "--hub_model_id" if trainer.text("hub_model_id") else "--push_to_hub: the name of --output_dir,"
        raise UsageError(f"{flag} {repo_id}: {first_line(error)} Pass --hub_model_id OWNER/NAME.") from error
    token = trainer.text("hub_token") or flags.model.token or get_token()
    if not token:
        raise UsageError(
            "--push_to_hub: there is no access token for the Hub. Run hf auth login, set HF_TOKEN, or pass --token."
        )
    if not SENDABLE.fullmatch(token):  # the error of the library would quote it
        raise UsageError(
            "--push_to_hub: the access token has a space, a line end or a letter that no token has. Copy it again."
        )
