"""What to know about the Hub before training: a push that cannot work offline, and code that can change."""

from __future__ import annotations

import re
from pathlib import Path

from classification.cli.flags import Flags
from classification.data.hub_access import offline_variable

COMMIT = re.compile(r"[0-9a-f]{40}")
CODE_FLAGS = ("model_name_or_path", "config_name", "tokenizer_name")


def hub_notes(flags: Flags) -> list[str]:
    """One sentence for each."""
    return [note for note in (note_offline_push(flags), note_changing_code(flags)) if note]


def note_offline_push(flags: Flags) -> str | None:
    """Of a dry run, which asks the Hub nothing; the run itself is refused before training."""
    if not flags.trainer.is_on("push_to_hub") or not flags.run.dry_run:
        return None
    name = offline_variable()
    return name and f"--push_to_hub: without --dry_run this command is refused, because {name} is set: unset it"


def note_changing_code(flags: Flags) -> str | None:
    """Code on a branch of the Hub can be another one tomorrow."""
    model = flags.model
    if not model.trust_remote_code or COMMIT.fullmatch(model.model_revision):
        return None
    names = {name: getattr(model, name) for name in CODE_FLAGS}
    on_hub = [f"--{name} {value}" for name, value in names.items() if value and not Path(value).exists()]
    if not on_hub or flags.from_scratch:
        return None
    return (
        f"--trust_remote_code true: the code of {on_hub[0]} can change on branch {model.model_revision}; "
        "--model_revision COMMIT runs the same code again, and run.json has the commit of this run"
    )
