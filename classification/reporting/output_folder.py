"""Which folder a run may write to, and how another run in it is moved aside, and back if the new run fails at once."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from classification.errors import UsageError, join_first
from classification.reporting import run_lock
from classification.system.files import LEFTOVER, remove
from classification.system.kept_folders import keep_folders, lost_folders_explained, remove_empty
from classification.training.checkpoints import CHECKPOINT, find_resume, last_good, unusable_checkpoints
from classification.training.disk_errors import disk_errors_explained
from classification.training.finished_run import finished_run
from classification.training.processes import made_by_main, stop_together, this_process
from classification.training.run_decisions import stored_facts
from classification.training.unsealed_checkpoint import WEIGHTS

logger = logging.getLogger(__name__)

Finished = Callable[[Path], Mapping[str, object]]
STUDY_FOLDER = re.compile(r"(seed|fold)-\d+")
RUN_FILES = (
    "run.json", "all_results.json", "baselines.json", "search.json", *WEIGHTS, "config.json", "predictions.csv",
)  # fmt: skip
TRIALS = "search"  # the folder of the trials of a search, `trial-001` and so on
# What a run may leave before the end of its first step: unfinished files, and the logs of a tracker.
BEGINNINGS = re.compile(
    rf"checkpoint-\d+(\.\w+)?|{STUDY_FOLDER.pattern}|{LEFTOVER.pattern}|runs|baselines|{TRIALS}|study_progress\.json"
)


@dataclass(frozen=True)
class OutputFolder:
    """The folder that a run writes to.

    Args:
        path: where this run writes.
        guarded: the folder that must hold no other run: `path`, or the study's folder around it.
        checkpoint: the checkpoint to continue from.
    """

    path: Path
    guarded: Path
    overwrite: bool
    checkpoint: str | None

    @classmethod
    def claim(
        cls, path: Path, guarded: Path, *, overwrite: bool, resume: str | None, inputs: list[str], check: bool = True,
        finished: Finished = finished_run,
    ) -> OutputFolder:  # fmt: skip
        """Lock the folder, find the checkpoint, and refuse a folder that holds another run; changes no file.

        Args:
            resume: `--resume`; inputs: paths that the run reads.
            check: False for a dry run, which writes nothing: it is warned where the run would be refused.
            finished: the record of a finished run in a folder, empty without one.

        Raises:
            UsageError: the folder cannot be used, or the checkpoint cannot.
        """
        if path.parent in RETURNED:  # by a run of this study that failed in its first step: this run guards it
            guarded, overwrite = path.parent, True
        try:
            refuse_file(guarded)
            if check:
                run_lock.lock_folder(guarded)
            else:
                run_lock.make_until_the_end(path)
            checkpoint = made_by_main(lambda: find_resume(resume, path, finished))  # all continue from the same one
            continues_here = not overwrite and resume is not None
            if not (continues_here and made_by_main(lambda: is_finished_with(checkpoint, path, finished))):
                # By one process: it makes the folder of a study's run next, and another would find a run there.
                with nullcontext() if check else refusal_foretold():
                    made_by_main(lambda: check_output_dir(
                        guarded, overwrite=overwrite, resume=checkpoint, inputs=inputs, finished=finished
                    ))  # fmt: skip
            if check:
                run_lock.lock_folder(path)
        except BaseException:
            for folder in (path, guarded):
                run_lock.unlock_folder(folder, keep=False)
            raise
        return cls(path, guarded, overwrite, checkpoint)

    @contextmanager
    def room(self, is_begun: Callable[[], bool]) -> Iterator[None]:
        """Inside, the folder is this run's own: with `--overwrite_output_dir` another run is moved aside on entry.

        It is moved back if an error ends this run before `is_begun` is true.
        """
        backup = None
        with stop_together():
            keep_folders()
            if this_process().is_main_process and self.overwrite and not self.checkpoint:
                backup = self._move_aside()

        def way() -> str:  # not with --resume auto, which would find the run that is back
            return "run the same command again." if backup is not None and not is_begun() else ""

        try:
            with disk_errors_explained(self.guarded, way=way):
                yield
        except BaseException:
            if backup is not None and not is_begun():
                self._move_back(backup)
            raise

    def _move_aside(self) -> Path | None:
        """Move another run to the first free `OUT.bak-N`, and lock the new folder; None if there is no other run."""
        if self.path != self.guarded:
            run_lock.unlock_folder(self.path)
            remove_empty([self.path, self.path.parent])  # it was made inside the folder that moves away
        backup = move_aside(self.guarded)
        RETURNED.discard(self.guarded)
        for folder in dict.fromkeys((self.guarded, self.path)):
            run_lock.lock_folder(folder)
        return backup

    def _move_back(self, backup: Path) -> None:
        """Put the other run back in its place; a file of somebody else in the new folder prevents it."""
        place = real_folder(self.guarded)
        try:
            remove_beginnings(place)
            for folder in (self.path, self.guarded):
                run_lock.unlock_folder(folder)
            if place.exists():
                place.rmdir()
            backup.rename(place)
        except OSError as error:
            logger.warning("the run before stays in %s: %s is in use (%s)", backup, self.guarded, error.strerror)
            return
        RETURNED.add(self.guarded)
        logger.info("output       this run has failed in its first step: the run before is back in %s", self.guarded)


def is_finished_with(checkpoint: str | None, path: Path, finished: Finished) -> bool:
    """Whether a run is finished in a folder, and the checkpoint, if there is one, is its own."""
    record = finished(path)
    resumed = stored_facts(checkpoint, path) if checkpoint else record
    return bool(record) and resumed.get("fingerprint") == record.get("fingerprint")


@contextmanager
def refusal_foretold() -> Iterator[None]:
    """Inside, a dry run is told what the run would be refused for."""
    try:
        yield
    except UsageError as error:
        logger.warning("without --dry_run, this command would be refused: %s", error)


RETURNED: set[Path] = set()  # folders whose other run was moved back since the command began


@contextmanager
def output_guarded(output_dir: Path) -> Iterator[None]:
    """Around a command: on exit the folders that it has locked are unlocked, and an error of the disk is one line.

    Raises:
        RunError: a file cannot be written, or a folder is not in its place.
    """
    try:
        with run_lock.folders_unlocked(), disk_errors_explained(output_dir), lost_folders_explained():
            yield
    finally:
        RETURNED.clear()


def holds_a_run(folder: Path) -> bool:
    """Whether a folder has the files of a run, finished or not."""
    if not folder.is_dir():
        return False
    return (
        any((folder / name).exists() for name in RUN_FILES)
        or any(CHECKPOINT.fullmatch(entry.name) or STUDY_FOLDER.fullmatch(entry.name) for entry in folder.iterdir())
        or holds_trials(folder)
    )


def holds_trials(folder: Path) -> bool:
    """Whether a folder has what trials of a search have left; a lock alone is nothing."""
    return any(not path.name.startswith(".") for path in folder.glob(f"{TRIALS}/trial-*/*"))


def refuse_file(output_dir: Path) -> None:
    if output_dir.exists() and not output_dir.is_dir():
        raise UsageError(f"--output_dir {output_dir}: is a file. Name a folder.")


def check_output_dir(
    output_dir: Path, *, overwrite: bool, resume: str | None, inputs: list[str], finished: Finished = finished_run
) -> None:
    """Refuse a folder that holds another run, before any long work; changes nothing.

    Args:
        resume: the checkpoint to continue from. A folder that holds it, or a study's folder around it, holds this run.
        inputs: paths that the run reads; a folder that contains one of them is never moved.
        finished: as for `OutputFolder.claim`.

    Raises:
        UsageError: the folder is a file, holds another run, or holds what this run reads.
    """
    refuse_file(output_dir)
    if not holds_a_run(output_dir) or (resume is not None and continues(Path(resume), output_dir)):
        return
    if not overwrite:
        raise UsageError(f"--output_dir {output_dir}: holds another run{ways_out(output_dir, finished)}")
    inside = [name for name in (*inputs, ".") if Path(name).resolve().is_relative_to(output_dir.resolve())]
    if inside:
        raise UsageError(
            f"--overwrite_output_dir: {output_dir} would be moved aside, but it contains {inside[0]!r}, which this run "
            "uses. Choose another --output_dir."
        )


def ways_out(output_dir: Path, finished: Finished) -> str:
    """What to do about another run: `--resume auto` is named where it can continue the run."""
    is_study = any(STUDY_FOLDER.fullmatch(entry.name) for entry in output_dir.iterdir())
    is_finished = bool(finished(output_dir))
    is_search = not is_finished and ((output_dir / "search.json").exists() or holds_trials(output_dir))
    if is_study or is_search or is_finished or last_good(output_dir, quiet=True):
        kind = "study" if is_study else "search"
        flags = f"the flags of its {kind} and --resume auto" if is_study or is_search else "--resume auto"
        return (
            f". Choose another folder, continue the run with {flags}, or pass --overwrite_output_dir to move it aside."
        )
    problems = [f"{name}: {problem}" for name, problem in unusable_checkpoints(output_dir).items()]
    return (
        f", and --resume auto cannot continue it ({join_first(problems) or 'it has no checkpoint'}). Choose another "
        "folder, or pass --overwrite_output_dir to move it aside."
    )


def continues(checkpoint: Path, output_dir: Path) -> bool:
    """Whether a checkpoint is in the folder, or in that of a run of the study or the search in the folder."""
    folder = output_dir.resolve()
    # The second is the place of a link: a checkpoint may lie on another disk.
    runs = (checkpoint.resolve().parent, checkpoint.parent.resolve())
    return any(
        run in (folder, folder / TRIALS / run.name) or (run.parent == folder and STUDY_FOLDER.fullmatch(run.name))
        for run in runs
    )


def remove_beginnings(folder: Path) -> None:
    """Remove what a run may leave before the end of its first step; other files stay."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name in RUN_FILES or BEGINNINGS.fullmatch(path.name):
            remove(path)


def move_aside(output_dir: Path) -> Path | None:
    """Rename a folder that holds another run to the first free `OUT.bak-N`, which is returned; None without a run.

    A link stays: the folder behind it is renamed. Nothing is ever copied.

    Raises:
        UsageError: the folder cannot be renamed, for example because a disk is mounted there.
    """
    if not holds_a_run(output_dir):
        return None
    place = real_folder(output_dir)
    number = 1
    while os.path.lexists(backup := place.with_name(f"{place.name}.bak-{number}")):
        number += 1
    try:
        run_lock.rename_locked(place, backup)
    except UsageError:  # another run has taken the name
        logger.warning("the run that was in %s is now in %s", output_dir, backup)
        raise
    except OSError as error:
        raise UsageError(
            f"--overwrite_output_dir: {output_dir} cannot be renamed to {backup.name} ({error.strerror}). Choose "
            "another --output_dir."
        ) from error
    logger.info("output       the run in %s was moved to %s", output_dir, backup)
    return backup


def real_folder(folder: Path) -> Path:
    """The folder behind a link; any other path as the user wrote it."""
    return folder.resolve() if folder.is_symlink() or folder.name in ("", "..") else folder
