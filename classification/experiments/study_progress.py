"""How far a study has come, in a file of its output folder: what `--resume auto` reads, and what is deleted at the end.

Nothing is deleted before what replaces it is complete and recorded here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from classification.cli.options import Options, Study
from classification.errors import UsageError, join_first
from classification.experiments.record_files import read_record
from classification.experiments.run_parts import is_empty, remove_part
from classification.reporting.output_folder import STUDY_FOLDER, holds_a_run
from classification.reporting.run_record import write_json
from classification.training.processes import this_process

FILE = "study_progress.json"
NOT_CLOSED, CHOSEN, RECORDED = "", "chosen", "recorded"  # the model is chosen; the results are recorded as well


@dataclass(frozen=True)
class Progress:
    """What is known of a study.

    Args:
        kind: `seeds` or `folds`. folds: how many, 0 for seeds.
        begun: names of the runs that have begun. failed: the error of each run that has no result.
        stage: how far the end of the study has come.
        key: `Study.key` of the command that began it.
    """

    kind: str
    folds: int = 0
    begun: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    stage: str = NOT_CLOSED
    key: str = ""

    @classmethod
    def read(cls, folder: Path) -> Progress | None:
        """None where the folder holds no unfinished study.

        Raises:
            UsageError: the file is damaged.
        """
        return read_record(folder, FILE, lambda content: cls(**content | {"begun": tuple(content["begun"])}))

    def write(self, folder: Path) -> None:
        write_json(folder / FILE, asdict(self))

    @property
    def flag(self) -> str:
        """The flag of the study, such as `--folds 5`."""
        return f"--folds {self.folds}" if self.kind == "folds" else f"--seeds {seeds_in(self.begun)}"

    def without_deleted(self, folder: Path) -> Progress:
        """Without the runs whose folder the user has deleted: these start again."""
        begun = tuple(name for name in self.begun if (folder / name).is_dir())
        return replace(self, begun=begun, failed={name: self.failed[name] for name in self.failed if name in begun})


def record_begun(options: Options) -> None:
    """Record that a run of a study begins; any other run is not recorded. Only the main process writes."""
    study, folder, name = options.member_of, options.output_dir.parent, options.output_dir.name
    if study is None or not this_process().is_main_process:
        return
    is_first = options.study_dir is not None
    progress = None if is_first else Progress.read(folder)
    progress = progress or Progress(study.kind, study.folds, key=study.key)
    if name not in progress.begun:
        replace(progress, begun=(*progress.begun, name)).write(folder)


def record_failed(folder: Path, failed: Mapping[str, str]) -> None:
    """Record the runs that have no result."""
    progress = Progress.read(folder)
    if progress is not None:
        replace(progress, begun=tuple(dict.fromkeys((*progress.begun, *failed))), failed=failed).write(folder)


def record_stage(folder: Path, stage: str) -> None:
    """Record how far the end of the study has come."""
    progress = Progress.read(folder)
    if progress is not None:
        replace(progress, stage=stage).write(folder)


# ----------------------------------------------------------------------------------------------------------- resuming


def find_progress(folder: Path, study: Study, names: Iterable[str], *, overwrite: bool) -> Progress | None:
    """The study that `--resume auto` continues in a folder; None if it starts there.

    Args:
        names: of the runs of the command. overwrite: `--overwrite_output_dir`.

    Raises:
        UsageError: the folder holds another study, or something else.
    """
    progress, names = Progress.read(folder), list(names)
    if progress is None:
        progress = finished_study(folder)
    if progress is None:
        refuse_other_runs(folder, study, overwrite=overwrite)
        return None
    if progress.stage == NOT_CLOSED:
        progress = progress.without_deleted(folder)
    compare(progress, study, names, folder)
    for name in names:
        if name not in progress.begun and holds_a_run(folder / name):
            raise UsageError(
                f"--output_dir {folder}: {name} holds a run that is not part of the study there. Move that folder "
                "elsewhere, or choose another --output_dir."
            )
    return progress


def finished_study(folder: Path) -> Progress | None:
    """A study whose end is recorded in run.json; None for anything else."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        results = record["results"]
        names = (*results["runs"], *results.get("failed", {}))
        study = record.get("study", {})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if not study:
        raise UsageError(
            f"--output_dir {folder}: holds a finished study of an earlier version, which --resume auto cannot compare "
            "with this command. Choose another --output_dir, or pass --overwrite_output_dir without --resume."
        )
    begun = tuple(sorted(names, key=study["runs"].index))
    return Progress(study["kind"], study["folds"], begun, results.get("failed", {}), stage=RECORDED)


def refuse_other_runs(folder: Path, study: Study, *, overwrite: bool) -> None:
    """Refuse a folder with runs that `--resume auto` cannot continue as a study. Removes empty folders of runs.

    Raises:
        UsageError: the folder holds a run.
    """
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if STUDY_FOLDER.fullmatch(path.name) and path.is_dir() and is_empty(path):
            remove_part(path)  # a run that was killed before its first step
    if holds_a_run(folder) and not overwrite:
        raise UsageError(
            f"--output_dir {folder}: holds another run, and no study that --resume auto could continue with "
            f"--{study.kind}. Choose another --output_dir, or pass --overwrite_output_dir to move it aside."
        )


def compare(progress: Progress, study: Study, names: list[str], folder: Path) -> None:
    """Refuse to continue a study with other folds, or without one of its seeds.

    Raises:
        UsageError: names the old value, the new one and the remedy.
    """
    new = f"--folds {study.folds}" if study.kind == "folds" else f"--seeds {seeds_in(names)}"
    missing, added = [name for name in progress.begun if name not in names], set(names) - set(progress.begun)
    if progress.kind != study.kind or progress.folds != study.folds:
        raise UsageError(
            f"{new}: the study in {folder} has {progress.flag}. Pass {progress.flag} to continue it, or another "
            "--output_dir."
        )
    if missing:
        raise UsageError(
            f"{new}: the study in {folder} has {join_first(missing)} too. Pass {progress.flag} to continue it, or "
            "another --output_dir."
        )
    if added and progress.stage != NOT_CLOSED:
        raise UsageError(
            f"{new}: the study of {progress.flag} in {folder} has ended, and only its best model is kept. Pass "
            f"{progress.flag} for its results, or another --output_dir to train all seeds."
        )


def seeds_in(names: Iterable[str]) -> str:
    """The value of `--seeds` for the names of its runs.

    >>> seeds_in(["seed-3", "seed-5"])
    '3,5'
    """
    return ",".join(name.rpartition("-")[2] for name in names)
