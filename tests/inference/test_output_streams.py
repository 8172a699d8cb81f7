"""Answers to a pipe: part by part, and its reader may leave."""

from __future__ import annotations

import errno
import io
import os

import pytest
from made_parts import ROWS, predict
from made_streams import ListStream, answer, made_job

from classification.errors import RunError
from classification.inference.output_formats import FORMATS
from classification.inference.output_job import predict_to_stream


@pytest.mark.parametrize("name", FORMATS)
def test_a_stream_gets_the_bytes_of_the_file(tmp_path, name):
    predict(tmp_path / f"expected.{name}", name)
    stream, handle = ListStream(ROWS), io.BytesIO()
    written, job = made_job(stream, name)
    parts = predict_to_stream(stream, answer, written, job, handle)
    assert handle.getvalue() == (tmp_path / f"expected.{name}").read_bytes() and parts.rows == 9


def test_a_stream_is_written_part_by_part():
    stream, handle = ListStream(ROWS), io.BytesIO()
    seen = []

    def watched(batches):
        for batch, columns in answer(batches):
            seen.append(handle.getvalue().count(b"text "))
            yield batch, columns

    written, job = made_job(stream)
    predict_to_stream(stream, watched, written, job, handle)
    assert seen == [0, 2, 4, 6, 8]


def test_a_reader_that_leaves_is_no_error(tmp_path):
    class Left(io.BytesIO):
        def flush(self):
            raise BrokenPipeError

    stream = ListStream(ROWS)
    written, job = made_job(stream)
    with pytest.raises(SystemExit) as left:
        predict_to_stream(stream, answer, written, job, Left())
    assert left.value.code == 0


def test_a_full_disk_behind_standard_output_is_one_line():
    class Full(io.BytesIO):
        def flush(self):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stream = ListStream(ROWS)
    written, job = made_job(stream)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)\. Free some space, and predict"):
        predict_to_stream(stream, answer, written, job, Full())
