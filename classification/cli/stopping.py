"""The end of a run that a signal has stopped: what is printed, how the run continues, and the exit code."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from classification.errors import Stopped
from classification.messages.redaction import HIDDEN, is_secret, redact_command
from classification.models.kernels.allocator import is_own_process
from classification.system.stop_signals import SIGNALS, Request
from classification.training.checkpoints import all_checkpoints, last_good
from classification.training.disk_errors import continues_by_parts
from classification.training.interruption import describe_weights_alone
from classification.training.processes import this_process
from classification.training.unsealed_checkpoint import WEIGHTS

REPLACED = ("resume", "resume_from_checkpoint", "overwrite_output_dir", "inject_fault")
SWITCH_VALUES = ("true", "false", "yes", "no", "t", "f", "y", "n", "1", "0")


@contextmanager
def stoppable(argv: Sequence[str], output_dir: Path, guarded_dir: Path) -> Iterator[None]:
    """Inside, a signal ends the run with a message about what was saved and how the run continues.

    Args:
        argv: the command line.
        output_dir: of the run; guarded_dir: of the study around it, or the same.

    Raises:
        Stopped: with the exit code of the signal.
        KeyboardInterrupt: after Ctrl-C, where a program has called `main`.
    """
    created = [folder for folder in (output_dir, guarded_dir) if not folder.exists()]
    try:
        with SIGNALS.handled():
            yield
    except (Stopped, KeyboardInterrupt) as error:
        stopped = Stopped(error.number if isinstance(error, Stopped) else 130, describe_stop(error, argv, guarded_dir))
        stopped.is_shared = getattr(error, "is_shared", False)
    else:
        return
    if not SIGNALS.has_trained and this_process().is_main_process:
        for folder in created:
            with suppress(OSError):  # not empty, or not there
                folder.rmdir()
    if stopped.number == 130 and not is_own_process():
        raise KeyboardInterrupt(stopped.message)
    raise stopped


def describe_stop(error: Stopped | KeyboardInterrupt, argv: Sequence[str], folder: Path) -> str:
    """What was saved, and the command that goes on."""
    has_parts = continues_by_parts(folder)
    if isinstance(error, Stopped) and error.message:
        # A part beside a run without checkpoints cannot continue: the run itself would begin again.
        goes_on = has_parts or (error.can_resume and all_checkpoints(folder))
        return f"{error.message}\n{how_to_resume(argv)}" if goes_on else error.message
    title = "SIGTERM" if isinstance(error, Stopped) and error.number == Request.TERMINATE.code else "Ctrl-C"
    if not SIGNALS.has_trained:
        return f"{title}: stopped before training. Nothing is lost; the same command starts again."
    if has_parts or last_good(folder, quiet=True):
        return f"{title}: stopped before the run was finished.\n{how_to_resume(argv)}"
    if any((folder / name).exists() for name in WEIGHTS):
        return f"{title}: stopped after training, without a checkpoint to continue. The trained model is in {folder}."
    if checkpoints := all_checkpoints(folder):
        return f"{title}: stopped before the run was finished. {describe_weights_alone(checkpoints[-1])}"
    return f"{title}: stopped before the first checkpoint. The same command starts from the beginning."


def how_to_resume(argv: Sequence[str]) -> str:
    if "LOCAL_RANK" in os.environ:
        return "Continue with the same launch and --resume auto."
    if not is_own_process():
        return "Continue with the same arguments and --resume auto."
    hidden = " (without the secrets, which you have to add)" if hides_secrets(argv) else ""
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    return f"Continue with{hidden}:\n  {join(['python', sys.argv[0], *resume_words(argv)])}"


def hides_secrets(argv: Sequence[str]) -> bool:
    return redact_command(argv) != list(argv)


def resume_words(argv: Sequence[str]) -> list[str]:
    """The command line with `--resume auto`, and without secrets, faults and `--overwrite_output_dir`."""
    words, rest = [], redact_command(argv)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        name = name.removeprefix("--").replace("-", "_") if word.startswith("--") else ""
        if name not in REPLACED and not (name and is_secret(name) and HIDDEN in [word.rpartition("=")[2], *rest[:1]]):
            words.append(word)
        elif not equals and rest and not rest[0].startswith("--"):
            if name != "overwrite_output_dir" or rest[0].lower() in SWITCH_VALUES:
                rest.pop(0)
    return [*words, "--resume", "auto"]
