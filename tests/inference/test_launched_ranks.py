"""The processes of a launch, as real processes: one ordered file, one error, and nobody waits for the dead."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from made_streams import ListStream, answer, made_job

from classification.errors import RunError, UsageError
from classification.inference.launched_ranks import Ranks
from classification.inference.output_job import Target, predict_to_file
from classification.messages.streams import write_line

ROWS = [{"text": f"text {i}"} for i in range(11)]


def predict(out: Path, ranks: Ranks | None = None, answers=answer, **target):
    stream = ListStream(ROWS)
    written, job = made_job(stream)
    return predict_to_file(stream, answers, written, job, Target(out, **target), ranks=ranks)


def launch(out: Path, errors: Path, answers_of=lambda rank: answer, size: int = 3, **target) -> list[int]:
    """Start one process per rank and wait for all of them; returns their exit codes, negative after a signal."""
    children = []
    for rank in range(size):
        process = os.fork()
        if process:
            children.append(process)
            continue
        code = 9
        try:
            sys.stderr = errors.open("a")
            os.environ.update(RANK=str(rank), WORLD_SIZE=str(size))
            ranks = Ranks.of_launch(str(out))
            ranks.began = started
            try:
                with ranks.together():
                    predict(out, ranks, answers_of(rank), **target)
                code = 0
            except (UsageError, RunError) as error:  # as `exit_on_usage_error`
                if rank == 0 or (isinstance(error, RunError) and not error.is_shared):
                    write_line(f"error: {error}", sys.stderr)
                code = 2 if isinstance(error, UsageError) else 1
            except SystemExit as stop:
                code = stop.code
        finally:
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + 20
    codes = {}
    while len(codes) < size:
        assert time.monotonic() < end or not [
            os.kill(child, signal.SIGKILL) for child in children if child not in codes
        ]
        process, status = os.waitpid(-1, os.WNOHANG)
        if process in children:
            codes[process] = os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return [codes[child] for child in children]


started = time.time()


@pytest.fixture(autouse=True)
def a_launch_of_its_own():
    global started
    started = time.time() - 0.02  # file times are a little behind


def failing(at: int, error: BaseException):
    def answers(batches):
        for batch, columns in answer(batches):
            if batch.number == at:
                raise error
            time.sleep(0.05)
            yield batch, columns

    return answers


def test_the_ranks_write_one_ordered_file_and_leave_nothing(tmp_path):
    predict(tmp_path / "expected.csv")
    assert launch(tmp_path / "out.csv", tmp_path / "log") == [0, 0, 0]
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv", "expected.csv", "log"}


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize(("error", "code"), [(UsageError("INPUT: row 5 is bad"), 2), (RunError("row 5 is bad"), 1)])
def test_an_error_of_one_rank_ends_all_and_is_printed_once(tmp_path, rank, error, code):
    out = tmp_path / "out.csv"
    codes = launch(out, tmp_path / "log", lambda me: failing(3 + rank, error) if me == rank else answer)
    assert codes == [code] * 3
    assert (tmp_path / "log").read_text().count("row 5 is bad") == 1
    predict(tmp_path / "expected.csv")
    predict(out, resume=True)
    assert out.read_bytes() == (tmp_path / "expected.csv").read_bytes()


@pytest.mark.parametrize("rank", [0, 1])
def test_nobody_waits_for_a_killed_rank(tmp_path, rank):
    def dies(batches):
        for batch, columns in answer(batches):
            yield batch, columns
            os.kill(os.getpid(), signal.SIGKILL)

    codes = launch(tmp_path / "out.csv", tmp_path / "log", lambda me: dies if me == rank else answer)
    assert codes[rank] == -signal.SIGKILL and [code for code in codes if code != -signal.SIGKILL] == [1, 1]
    text = (tmp_path / "log").read_text()
    assert text.count(f"process {rank} of 3 has ended without a result") == 1 and "--resume" in text
    assert not (tmp_path / "out.csv").exists()


def test_a_launch_goes_on_where_another_one_was_ended(tmp_path):
    out = tmp_path / "out.csv"
    launch(out, tmp_path / "log", lambda me: failing(4, RunError("x")) if me == 1 else answer)
    global started
    started = time.time()
    time.sleep(0.05)
    assert launch(out, tmp_path / "log2") == [2, 2, 2]
    assert (tmp_path / "log2").read_text().count("--resume") == 1
    started = time.time()
    time.sleep(0.05)
    assert launch(out, tmp_path / "log3", resume=True, size=2) == [0, 0]
    predict(tmp_path / "expected.csv")
    assert out.read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_marks_of_an_earlier_launch_do_not_count(tmp_path):
    ranks = Ranks(0, 2, tmp_path / ".out.ranks")
    ranks.folder.mkdir()
    for mark in ("done", "failed"):
        for rank in ("any", 0, 1):
            ranks.path(rank, mark).write_text("{}")
            os.utime(ranks.path(rank, mark), (1e9, 1e9))
    ranks.check()
    assert not ranks.has(1, "done")
    assert ranks.mark_failed(1) and not ranks.mark_failed(1)
    with pytest.raises(SystemExit):
        ranks.check()


def test_a_process_alone_is_no_launch(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    ranks = Ranks.of_launch("-")
    with ranks.together():
        ranks.check()
    assert ranks.size == 1 and ranks.is_main and ranks.folder is None
