"""An output of five parts, and what stops it on the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from made_streams import ListStream, answer, made_job

from classification.inference.output_job import Target, predict_to_file

ROWS = [{"id": str(i), "text": f'text "{i}",\n{"long " * i}'} for i in range(9)]  # 5 parts of 2 rows


def predict(out: Path, name: str = "csv", rows=ROWS, *, answers=answer, facts=None, at_end=None, **target):
    stream = ListStream(rows)
    written, job = made_job(stream, name, **(facts or {}))
    return predict_to_file(stream, answers, written, job, Target(out, **target), at_end=at_end)


def counted(numbers: list[int]):
    """As `answer`; the batches that are answered are added to `numbers`."""

    def answers(batches):
        for batch, columns in answer(batches):
            numbers.append(batch.number)
            yield batch, columns

    return answers


def failing(at: int, error: BaseException):
    def answers(batches):
        for batch, columns in answer(batches):
            if batch.number == at:
                raise error
            yield batch, columns

    return answers


def content_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def no_room(parts):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.csv.metrics.json")
