"""Which checkpoints are deleted after a save, and how: a kill in the middle leaves nothing that looks like one."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classification.system.files import remove
from classification.training.checkpoint_seal import REPLACED, damage_of, problem_of, take_name
from classification.training.checkpoints import CHECKPOINT, all_checkpoints, restore_replaced, step_of
from classification.training.run_state import read_run_state

logger = logging.getLogger(__name__)

PARTIAL, DELETED, SUPERSEDED = ".partial", ".deleted", ".superseded"
LEFTOVER = re.compile(r"checkpoint-\d+(\.partial|\.deleted)")


def rotate(folder: Path, limit: int | None, *, saved: Path | None, best: Path | None) -> None:
    """Delete the oldest checkpoints until `limit` are left; 0 or None keeps all.

    The best one and the last good one are never deleted: a newer one that is damaged does not replace it.

    Args:
        saved: was just saved, so that it is known to be good.
    """
    checkpoints = all_checkpoints(folder)
    if not limit or len(checkpoints) <= limit:
        return
    good = (path for path in reversed(checkpoints) if path == saved or problem_of(path) is None)
    protected = {next(good, None), best} & set(checkpoints)
    excess = len(checkpoints) - max(limit, len(protected))
    for checkpoint in [path for path in checkpoints if path not in protected][:excess]:
        delete(checkpoint)


def delete(checkpoint: Path) -> None:
    """Delete a checkpoint; it loses its name first. An error costs disk space only."""
    deleted = checkpoint.with_name(checkpoint.name + DELETED)
    try:
        remove(deleted)
        checkpoint.rename(deleted)
        remove(deleted)
    except OSError as error:
        logger.warning("checkpoint   %s cannot be deleted: %s", checkpoint, error.strerror or error)


def set_aside_later(folder: Path, new: Path, step: int) -> None:
    """Rename the checkpoints of another course after `step`: this run was resumed from an earlier one.

    Otherwise `--resume auto` would continue from them. Damaged ones are deleted.

    Args:
        new: the checkpoint of `step` that is being saved. An older one of the same course keeps its name until then.
    """
    for checkpoint in all_checkpoints(folder):
        if step_of(checkpoint) > step or (step_of(checkpoint) == step and _is_same_course(checkpoint, new) is False):
            _set_aside(checkpoint, checkpoint)


def set_aside_replaced(folder: Path) -> None:
    """The same for a checkpoint whose name a newer one of its step has taken; one of the same course is deleted."""
    for checkpoint in sorted(folder.glob(f"checkpoint-*{REPLACED}")):
        newer = checkpoint.with_name(checkpoint.name.removesuffix(REPLACED))
        if CHECKPOINT.fullmatch(newer.name):
            _set_aside(checkpoint, newer)


def _set_aside(checkpoint: Path, named: Path) -> None:
    """Rename a checkpoint that is `named`, or was before a newer one took its name."""
    if damage_of(checkpoint) is not None or (checkpoint != named and _is_same_course(checkpoint, named)):
        return delete(checkpoint)
    aside = _free_name(named.with_name(named.name + SUPERSEDED))
    checkpoint.rename(aside)
    logger.warning(
        "checkpoint   %s was saved before this run began again at an earlier step; it is now %s and may be deleted",
        named.name,
        aside.name,
    )


def _is_same_course(one: Path, other: Path) -> bool | None:
    """Whether two checkpoints of a step have the same weights, as the facts about their run say; None: unknown."""
    try:
        facts = [read_run_state(path).get("facts", {}) for path in (one, other)]
    except (OSError, ValueError):
        return None
    known = [(each.get("fingerprint"), each.get("resumed_anyway")) for each in facts]
    return None if None in (known[0][0], known[1][0]) else known[0] == known[1]


def clear_leftovers(folder: Path) -> None:
    """Remove what killed saves and deletions have left; a checkpoint that waits to be replaced gets its name back."""
    restore_replaced(folder)
    set_aside_replaced(folder)
    for path in sorted(folder.iterdir()):
        if LEFTOVER.fullmatch(path.name):
            remove(path)


def adopt(source: Path, target: Path) -> None:
    """Copy a checkpoint of another folder, if it is there."""
    if source.is_dir():
        partial = target.with_name(target.name + PARTIAL)
        remove(partial)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, partial)
        take_name(partial, target)


@contextmanager
def no_reason_to_stop() -> Iterator[None]:
    """Inside, older checkpoints are put in order; an error is a warning, since the new one is saved."""
    try:
        yield
    except OSError as error:
        logger.warning("checkpoint   older checkpoints are not deleted: %s", error.strerror or error)


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number, free = number + 1, path.with_name(f"{path.name}-{number + 1}")
    return free
