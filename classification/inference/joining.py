"""Complete parts become one file: each part once and in order, all rows counted, in constant memory."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classification.data.sources.file_formats import ENDINGS
from classification.errors import UsageError, join_first, own_error
from classification.inference.jobs import Job, Shard, differences, read_job
from classification.inference.output_formats import format_of
from classification.inference.part_files import PartRecord, disk_errors_explained, read_records
from classification.inference.part_folders import discard, running
from classification.system.files import replacing_bytes

logger = logging.getLogger(__name__)

DONE = re.compile(r"done-(\d+)-of-(\d+)\.json")


@dataclass(frozen=True)
class Parts:
    """All parts of a job.

    Args:
        records: in the order of the rows. rows: of the input.
    """

    job: Job
    records: tuple[PartRecord, ...]
    rows: int

    @property
    def written(self) -> int:
        """Rows of the output."""
        return sum(record.written for record in self.records)

    def facts(self, name: str) -> Iterator[Any]:
        """One of the `AnswerColumns.facts` of each part that has it, in order."""
        return (record.facts[name] for record in self.records if name in record.facts)

    @property
    def uncertain(self) -> Iterator[Path]:
        """The files of rows worth labelling, in order."""
        return (path for record in self.records if (path := record.uncertain) is not None)


@dataclass(frozen=True)
class Ends:
    """What the shards that came to the end of the input have found there."""

    parts: int
    rows: int
    of: int  # shards; the largest number, where there are several


def join_folders(
    folders: Sequence[Path], out: Path, *, format_name: str | None = None, overwrite: bool = False,
    at_end: Callable[[Parts], None] | None = None,
) -> Parts:  # fmt: skip
    """`--join`: the parts of the folders as one file; the folders are removed when it is complete.

    Args:
        format_name: as from `--format`. at_end: is called with the parts before they are removed.

    Raises:
        UsageError: a folder is no folder of parts or in use; two have different jobs; a part is missing, damaged or
            there twice with other content; `out` exists or has another format.
        RunError: the disk refuses the file.
    """
    folders = list({folder.resolve(): folder for folder in folders}.values())
    jobs = {folder: job_in(folder) for folder in folders}
    check_one_job(jobs)
    job = jobs[folders[0]]
    check_out(out, job, format_name, overwrite=overwrite)
    for folder in folders:
        for shard, owner, _ in running(folder):
            raise UsageError(f"--join {folder}: shard {shard} is being computed{owner}. Wait until it ends.")
    parts = collect(folders, job)
    again = "with --overwrite"
    write_joined(parts, out, folders[0], again=again)
    if at_end is not None:
        with disk_errors_explained(out, folders[0], again=again):
            at_end(parts)
    for folder in folders:
        discard(folder)
    return parts


def job_in(folder: Path) -> Job:
    if not folder.is_dir():
        beside = folder.with_name(folder.name + ".parts")
        hint = f" Did you mean {beside}?" if beside.is_dir() else " Name the folders OUT.parts that --shard has made."
        raise UsageError(f"--join {folder}: {'is a file' if folder.exists() else 'does not exist'}.{hint}")
    job = read_job(folder)
    if job is None:
        raise UsageError(f"--join {folder}: is no folder of parts. Name the folders OUT.parts that --shard has made.")
    return job


def check_one_job(jobs: dict[Path, Job]) -> None:
    (first, job), *others = jobs.items()
    for folder, other in others:
        if found := differences(job, other, (f"in {first}", f"in {folder}")):
            raise UsageError(f"--join: {first} and {folder} hold parts of different jobs: {found}. Join parts of one "
                             "job.")  # fmt: skip


def check_out(out: Path, job: Job, format_name: str | None, *, overwrite: bool) -> None:
    written = str(job.layout["name"])
    if format_name not in (None, written):
        raise UsageError(f"--format {format_name}: the parts are {written}. Leave the flag out.")
    promised = ENDINGS.get(out.suffix.lower(), written)
    if promised != written:
        raise UsageError(f"-o {out}: the parts are {written}. Name it {out.with_suffix('.' + written)}")
    if out.is_dir():
        raise UsageError(f"-o {out}: is a folder. Name a file in it.")
    if out.exists() and not overwrite:
        raise UsageError(f"-o {out}: exists. Pass --overwrite to replace it, or choose another -o.")


def collect(folders: Sequence[Path], job: Job, *, thorough: bool = True) -> Parts:
    """Every part of a job once.

    Args:
        thorough: whether the content of the files is compared with their sums.

    Raises:
        UsageError: a part is missing or damaged, two are not equal, or the rows do not add up.
    """
    ends = read_ends(folders, job)
    found: dict[int, PartRecord] = {}
    problems: dict[int, str] = {}
    repeated = []
    for record in (record for folder in folders for record in read_records(folder)):
        other = found.get(record.number)
        problem = "it is of another job" if record.job != job.digest else record.problem(thorough=thorough)
        if problem:
            problems[record.number] = problem
        elif other is None:
            found[record.number] = record
        elif other.sum == record.sum:
            repeated.append(f"part {record.number} ({other.folder} and {record.folder})")
        else:
            raise UsageError(
                f"--join: part {record.number} is in {other.folder} and in {record.folder}, with different content. "
                f"Remove one of the two: {other.file.name} and {other.file.name.split('.')[0]}.done.json"
            )
    if repeated:
        logger.info("join         equal parts are in two folders and used once: %s", join_first(repeated, 3))
    check_all_there(found, problems, ends, job)
    records = tuple(found[number] for number in range(ends.parts))
    if (rows := sum(record.rows for record in records)) != ends.rows:
        raise UsageError(f"--join: the parts have {rows} rows, and the input {ends.rows}. Predict again with "
                         "--overwrite.")  # fmt: skip
    return Parts(job, records, ends.rows)


def read_ends(folders: Sequence[Path], job: Job) -> Ends:
    """The numbers of parts and rows, which every shard knows that came to the end of the input."""
    found = set()
    shards = []
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if match := DONE.fullmatch(path.name):
                try:
                    facts = json.loads(path.read_text(encoding="utf-8"))
                    if facts["job"] == job.digest:
                        found.add((int(facts["parts"]), int(facts["rows"])))
                        shards.append(int(match[2]))
                except (ValueError, KeyError, TypeError):
                    continue
    if not found:
        raise UsageError(
            f"--join {join_first(folders)}: no process has come to the end of the input, so that the number of parts "
            f"is not known. Run each shard to its end: {job.shard_command(Shard())}"
        )
    if len(found) > 1:
        raise UsageError(f"--join {join_first(folders)}: the shards have read different inputs: {sorted(found)} parts "
                         "and rows. Predict again with --overwrite.")  # fmt: skip
    return Ends(*found.pop(), of=max(shards))


def check_all_there(found: dict[int, PartRecord], problems: dict[int, str], ends: Ends, job: Job) -> None:
    missing = [number for number in range(ends.parts) if number not in found]
    if not missing:
        return
    damaged = [f"{number} ({problems[number]})" for number in missing if number in problems]
    lost = [str(number) for number in missing if number not in problems]
    what = [f"part{'s' if len(names) > 1 else ''} {join_first(names)} {word}" for names, word in
            ((lost, "missing"), (damaged, "damaged")) if names]  # fmt: skip
    shards = dict.fromkeys(Shard(number % ends.of + 1, ends.of) for number in missing)
    commands = join_first((job.shard_command(shard) for shard in shards), 4)
    raise UsageError(f"--join: {' and '.join(what)} of {ends.parts}. Compute what is missing, then join: {commands}")


def write_joined(parts: Parts, out: Path, folder: Path, *, again: str = "with --resume") -> None:
    """Write the output beside its name, then rename it.

    Args:
        again: how the same command goes on after an error.

    Raises:
        RunError: the disk refuses the file.
    """
    written = format_of(parts.job.layout)
    explained = disk_errors_explained(out, folder, out.name, again)
    with explained, replacing_bytes(out) as handle, written.joined(handle) as add:
        for record in parts.records:
            try:
                with record.file.open("rb") as part:
                    add(part)
            except FileNotFoundError as error:
                raise own_error(f"-o {out}: {record.file} has disappeared. Run the same command {again}.") from error
