"""The parts of an output in the folder `OUT.parts`: each one complete, with its sum, or not there.

A part is `part-000000.csv`, perhaps `part-000000.scores` and `part-000000.uncertain`, and last of all its record
`part-000000.done.json`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from classification.data.findings import quantity
from classification.errors import own_error
from classification.inference.jobs import Job, Shard
from classification.system.files import (
    LEFTOVER,
    REMEDIES,
    DiskProblem,
    disk_problem,
    remove,
    replacing,
    replacing_bytes,
)

RECORD = re.compile(r"part-(\d{6,})\.done\.json")
PART = re.compile(r"\.?part-(\d{6,})\..+")
SCORES = "scores"  # the ending of the file of logits and labels
UNCERTAIN = "uncertain"  # that of the rows worth labelling


@dataclass(frozen=True)
class PartRecord:
    """What is known of a complete part.

    Args:
        folder: where its files are. rows: of the input; written: of them to the output.
        files: name -> size and sha256; the first one has the rows.
        facts: as in `AnswerColumns`.
    """

    folder: Path
    number: int
    job: str
    rows: int
    written: int
    files: Mapping[str, tuple[int, str]]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / next(iter(self.files))

    @property
    def sum(self) -> str:
        """Of the rows that were written."""
        return next(iter(self.files.values()))[1]

    @property
    def scores(self) -> Path | None:
        return self._file(SCORES)

    @property
    def uncertain(self) -> Path | None:
        return self._file(UNCERTAIN)

    def _file(self, ending: str) -> Path | None:
        name = f"{part_name(self.number)}.{ending}"
        return self.folder / name if name in self.files else None

    def problem(self, *, thorough: bool = True) -> str | None:
        """Why the part does not count, None where it is whole.

        Args:
            thorough: whether to read the files, not only their sizes.
        """
        for name, (size, digest) in self.files.items():
            path = self.folder / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != size:
                return f"{name} has {path.stat().st_size} bytes, not {size}"
            if thorough and file_sum(path) != digest:
                return f"the content of {name} has changed"
        return None


class PartFolder:
    """The parts of one job in a folder.

    Args:
        shard: whose parts are computed here.
    """

    def __init__(self, path: Path, job: Job, shard: Shard):
        self.path, self.job, self.shard = path, job, shard
        self.damaged: dict[int, str] = {}

    @cached_property
    def complete(self) -> dict[int, PartRecord]:
        """The whole parts of this shard by number; `damaged` gets the others."""
        whole = {}
        for record in read_records(self.path):
            if not self.shard.has(record.number):
                continue
            problem = "it is of another job" if record.job != self.job.digest else record.problem()
            if problem is None and self.job.has_all_rows and record.written < record.rows:
                problem = "bad rows were left out of it"
            if problem is None:
                whole[record.number] = replace(record, facts={})
            else:
                self.damaged[record.number] = problem
        return whole

    def write(
        self,
        number: int,
        write: Callable[[BinaryIO], None],
        *,
        rows: int,
        written: int,
        scores: bytes | None = None,
        uncertain: bytes | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> PartRecord:
        """Write a part; it counts once its record is on the disk.

        Raises:
            OSError: the disk refuses a file.
        """
        name = part_name(number)
        with suppress(FileNotFoundError):
            (self.path / f"{name}.done.json").unlink()  # of a damaged part: its files change now
        contents = {f"{name}.{self.job.ending}": write}
        if scores is not None:
            contents[f"{name}.{SCORES}"] = lambda handle: writes(handle, scores)
        if uncertain is not None:
            contents[f"{name}.{UNCERTAIN}"] = lambda handle: writes(handle, uncertain)
        files = {}
        for file, fill in contents.items():
            with replacing_bytes(self.path / file) as handle:
                summing = Summing(handle)
                fill(summing)  # type: ignore[arg-type]
            files[file] = (summing.size, summing.digest.hexdigest())
        record = PartRecord(self.path, number, self.job.digest, rows, written, files, dict(facts or {}))
        content = {key: value for key, value in vars(record).items() if key != "folder"}
        write_json(self.path / f"{name}.done.json", content)
        self.complete[number] = replace(record, facts={})  # they are read again at the end; memory must not grow
        return record

    def finish(self, parts: int, rows: int) -> None:
        """Record that this shard has come to the end of the input, which has so many parts and rows."""
        facts = {"job": self.job.digest, "parts": parts, "rows": rows}
        write_json(self.path / f"done-{self.shard.index}-of-{self.shard.of}.json", facts)

    def remove_leftovers(self) -> None:
        """Remove unfinished files of this shard, which a killed process has left."""
        for path in self.path.iterdir():
            match = PART.match(path.name)
            if match and LEFTOVER.fullmatch(path.name) and self.shard.has(int(match[1])):
                with suppress(OSError):
                    path.unlink()


class Summing:
    """A stream to write to that knows the size and the sha256 of what was written."""

    def __init__(self, handle: BinaryIO):
        self.handle, self.size, self.digest = handle, 0, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.handle.write(content)
        self.digest.update(content)
        self.size += memoryview(content).nbytes
        return memoryview(content).nbytes


def writes(handle: BinaryIO, content: bytes | None) -> None:
    handle.write(content or b"")


def part_name(number: int) -> str:
    return f"part-{number:06d}"


def file_sum(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    with replacing(path) as handle:
        handle.write(json.dumps(value, ensure_ascii=True) + "\n")


def read_records(folder: Path) -> Iterator[PartRecord]:
    """The records of a folder in the order of their parts; one that cannot be read is none."""
    numbers = {int(match[1]): path for path in folder.iterdir() if (match := RECORD.fullmatch(path.name))}
    for number in sorted(numbers):
        try:
            facts = json.loads(numbers[number].read_text(encoding="utf-8"))
            facts["files"] = {str(name): (int(size), str(digest)) for name, (size, digest) in facts["files"].items()}
            record = PartRecord(folder=folder, **facts)
            if record.number == number and record.files:
                yield record
        except (ValueError, TypeError, KeyError, AttributeError):
            continue


def remove_folder(folder: Path) -> None:
    """Remove a folder of parts: first its name, so that a kill leaves all of it or nothing that looks like it.

    Raises:
        OSError: it cannot be removed.
    """
    hidden = folder.parent / f".{folder.name}.removed"
    remove(hidden)
    folder.rename(hidden)
    remove(hidden)


@contextmanager
def disk_errors_explained(
    out: Path, folder: Path, what: str = "a file", again: str = "with --resume"
) -> Iterator[None]:
    """Inside, an error of the disk becomes one line: the file, the reason, what is safe, and how to go on.

    Args:
        again: how the same command goes on.

    Raises:
        RunError: of this process alone.
    """
    try:
        yield
    except OSError as error:
        problem = disk_problem(error)
        if problem is None and (error.errno in REMEDIES or isinstance(error, FileNotFoundError | NotADirectoryError)):
            problem = DiskProblem.of(error)
        if problem is None:
            raise
        safe = sum(1 for _ in read_records(folder)) if folder.is_dir() else 0
        name = Path(str(error.filename)).name if error.filename else what
        name = name[1:].rsplit(".", 2)[0] if LEFTOVER.fullmatch(name) else name
        explained = own_error(
            f"-o {out}: {name} cannot be written ({problem}). {problem.remedy}, then run the same command {again}: "
            f"{quantity(safe, 'complete part')} in {folder} will be used."
        )
        raise explained from error
