"""From rows to a finished output: part by part into a folder that is joined at the end, or straight to a pipe."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import BinaryIO

from classification.data.findings import quantity
from classification.data.sources.row_batches import RowBatch, RowStream
from classification.errors import own_error
from classification.inference.answer_columns import AnswerColumns
from classification.inference.format_protocol import OutputFormat
from classification.inference.jobs import WHOLE, Job, Shard
from classification.inference.joining import Parts, collect, write_joined
from classification.inference.launched_ranks import Ranks
from classification.inference.part_files import PartFolder, disk_errors_explained
from classification.inference.part_folders import discard, opened_parts
from classification.messages.log import Line, log_lines
from classification.models.kernels.allocator import return_freed_memory
from classification.system.files import disk_problem

logger = logging.getLogger(__name__)

Answer = Callable[[Iterator[RowBatch]], Iterable[tuple[RowBatch, AnswerColumns]]]  # in the order of the batches
AtEnd = Callable[[Parts], None]


@dataclass(frozen=True)
class Target:
    """Where answers go.

    Args:
        out: a path. shard: a part of the work, as `--shard` says; None for all of it.
    """

    out: Path
    resume: bool = False
    overwrite: bool = False
    shard: Shard | None = None


class Missing:
    """The batches that a shard has still to answer; counts all of them."""

    def __init__(self, stream: RowStream, folder: PartFolder):
        self.stream, self.folder = stream, folder
        self.parts = self.rows = 0

    def __iter__(self) -> Iterator[RowBatch]:
        for batch in self.stream.batches():
            self.parts, self.rows = self.parts + 1, self.rows + len(batch)
            if self.folder.shard.has(batch.number) and batch.number not in self.folder.complete:
                yield batch


def predict_to_file(
    stream: RowStream, answer: Answer, written: OutputFormat, job: Job, target: Target, *,
    ranks: Ranks | None = None, at_end: AtEnd | None = None,
) -> Parts | None:  # fmt: skip
    """Answer every row of the input, and write the output when all parts are complete.

    Args:
        answer: is called once with the batches of the missing parts.
        ranks: the processes of a launch, inside `Ranks.together`.
        at_end: is called with all parts after the output is written, in the main process.

    Returns:
        The parts, whose files are gone; None with a shard, and in processes that are not the main one.

    Raises:
        UsageError, RunError: as `opened_parts`; complete parts stay.
    """
    ranks = ranks or Ranks()
    shard = target.shard or Shard(ranks.rank + 1, ranks.size)
    resume, overwrite = target.resume, target.overwrite
    if not ranks.is_main:
        ranks.wait_for("opened", 0)
        resume, overwrite = True, False
    claims = WHOLE if target.shard is None else shard
    out = target.out.resolve() if target.out.is_symlink() else target.out  # the link stays
    with opened_parts(out, job, shard, claims=claims, resume=resume, overwrite=overwrite) as folder:
        ranks.mark("opened")
        compute_parts(stream, answer, written, folder, out, ranks)
        if target.shard is not None:
            say_how_to_join(folder, out)
            return None
        if ranks.is_main:
            for rank in range(1, ranks.size):
                ranks.wait_for("done", rank)
            return finish(folder, out, ranks, at_end)
    ranks.mark("done")
    ranks.wait_for("joined", 0)
    return None


def finish(folder: PartFolder, out: Path, ranks: Ranks, at_end: AtEnd | None) -> Parts:
    """Join the parts of a folder, and remove it."""
    parts = collect([folder.path], folder.job, thorough=False)
    write_joined(parts, out, folder.path)
    if at_end is not None:
        with disk_errors_explained(out, folder.path):
            at_end(parts)
    discard(folder.path)
    ranks.mark("joined")
    return parts


def compute_parts(
    stream: RowStream, answer: Answer, written: OutputFormat, folder: PartFolder, out: Path, ranks: Ranks
) -> None:
    """Compute the parts of this shard that are not complete."""
    known = len(folder.complete)
    for number, problem in sorted(folder.damaged.items()):
        logger.warning("part %d is computed again: %s", number, problem)
    if known:
        log_lines([Line("resume", f"{quantity(known, 'complete part')} of {folder.path} will be used")])
    missing = Missing(stream, folder)
    for batch, answers in answer(iter(missing)):
        with disk_errors_explained(out, folder.path):
            write_part(folder, written, batch, answers)
        ranks.check()
    with disk_errors_explained(out, folder.path):
        folder.finish(missing.parts, missing.rows)


def write_part(folder: PartFolder, written: OutputFormat | None, batch: RowBatch, answers: AnswerColumns) -> None:
    """Write a part; without a format only what is needed at the end."""

    def write(handle: BinaryIO) -> None:
        if written is not None:
            written.write_part(handle, batch, answers)

    kept = len(batch) if answers.kept is None else len(answers.kept)
    folder.write(
        batch.number, write, rows=len(batch), written=kept,
        scores=answers.scores, uncertain=answers.uncertain, facts=answers.facts,
    )  # fmt: skip
    return_freed_memory()


def say_how_to_join(folder: PartFolder, out: Path) -> None:
    parts = quantity(len(folder.complete), "part")
    text = f"shard {folder.shard} is complete: {parts} in {folder.path}. When all "
    log_lines(
        [Line("output", f"{text}shards are: python predict.py --join {quote(str(folder.path))} -o {quote(str(out))}")]
    )


def predict_to_stream(
    stream: RowStream, answer: Answer, written: OutputFormat, job: Job, handle: BinaryIO, *,
    at_end: AtEnd | None = None,
) -> Parts:  # fmt: skip
    """As `predict_to_file`, part by part to a pipe; what is needed at the end is kept in a temporary folder.

    Raises:
        SystemExit: the reader of the pipe has left, which is no error.
        RunError: the disk behind the pipe, or that of temporary files, is full.
    """
    with tempfile.TemporaryDirectory(prefix="predict.") as name:
        folder = PartFolder(Path(name), job, WHOLE)
        missing = Missing(stream, folder)
        with reader_may_leave(), written.joined(handle) as add:
            for batch, answers in answer(iter(missing)):
                with io.BytesIO() as part:
                    written.write_part(part, batch, answers)
                    part.seek(0)
                    add(part)
                handle.flush()
                write_part(folder, None, batch, answers)
        with reader_may_leave():
            handle.flush()
        folder.finish(missing.parts, missing.rows)
        complete = collect([folder.path], job, thorough=False)
        if at_end is not None:
            at_end(complete)
        return complete


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Inside, a reader that has left ends the command in silence, and a full disk with one line.

    Raises:
        SystemExit, RunError: as said.
    """
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        if (problem := disk_problem(error)) is None:
            raise
        raise own_error(
            f"the answers cannot be written ({problem}). {problem.remedy}, and predict again; with a file as -o, "
            "complete parts would stay."
        ) from error
