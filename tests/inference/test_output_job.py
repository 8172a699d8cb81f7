"""Parts, resume, shards and joins: the output is that of an undisturbed run, or one line says why there is none."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import shlex
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_refused
from made_streams import ListStream, answer, made_job
from planned_deaths import dies_in_child

from classification.errors import RunError, UsageError
from classification.inference import part_files
from classification.inference.jobs import Shard
from classification.inference.joining import join_folders
from classification.inference.output_formats import FORMATS
from classification.inference.output_job import Target, predict_to_file, predict_to_stream
from classification.inference.part_folders import check_target, opened_parts

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


@pytest.fixture
def expected(tmp_path) -> bytes:
    predict(tmp_path / "expected.csv")
    return (tmp_path / "expected.csv").read_bytes()


def test_only_the_output_is_left(tmp_path):
    parts = predict(tmp_path / "out.csv")
    assert content_of(tmp_path) == {"out.csv"} and (parts.rows, parts.written) == (9, 9)


def test_a_run_that_fails_keeps_its_parts_and_goes_on(tmp_path, expected, caplog):
    with pytest.raises(KeyError):
        predict(tmp_path / "out.csv", answers=failing(3, KeyError()))
    assert_refused(["out.csv.parts", "--resume", "--overwrite"], predict, tmp_path / "out.csv")
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), resume=True)
    assert numbers == [3, 4] and (tmp_path / "out.csv").read_bytes() == expected
    assert content_of(tmp_path) == {"out.csv", "expected.csv"}


def test_resume_without_anything_begins(tmp_path, expected):
    predict(tmp_path / "out.csv", resume=True)
    assert (tmp_path / "out.csv").read_bytes() == expected


def test_a_run_that_failed_before_its_first_part_is_no_obstacle(tmp_path, expected):
    with pytest.raises(KeyError):
        predict(tmp_path / "out.csv", answers=failing(0, KeyError()), facts={"--top_k": "3"})
    predict(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == expected


@pytest.mark.parametrize(
    ("name", "step"),
    [("csv", 7), pytest.param("csv", 1, marks=pytest.mark.slow), pytest.param("parquet", 1, marks=pytest.mark.slow)],
)
def test_a_kill_at_any_change_of_the_disk_loses_no_complete_part(tmp_path, name, step):
    """Resumed, the bytes are those of an undisturbed run."""
    rows = ROWS[:3]
    predict(tmp_path / f"expected.{name}", name, rows)
    expected = (tmp_path / f"expected.{name}").read_bytes()
    for at in range(2, 200, step):
        out = tmp_path / f"{at}.{name}"
        if not dies_in_child(lambda out=out: predict(out, name, rows), at):
            break
        records = len(list(out.with_name(out.name + ".parts").glob("*.done.json"))) if not out.exists() else 0
        numbers: list[int] = []
        if out.exists() and not out.with_name(out.name + ".parts").exists():
            assert_refused(
                ["nothing to continue", "--overwrite"], lambda out=out: predict(out, name, rows, resume=True)
            )
        else:
            predict(out, name, rows, answers=counted(numbers), resume=True)
            assert len(numbers) <= 2 - records
        assert out.read_bytes() == expected
        left = [path for path in tmp_path.iterdir() if path.name.strip(".").startswith(f"{at}.")]
        assert [path for path in left if path != out and not path.name.startswith(f".{at}.")] == []
    assert at > 20


@pytest.mark.parametrize("harm", ["cut", "flip", "remove", "no record", "broken record"])
def test_a_damaged_part_is_computed_again(tmp_path, expected, harm, caplog):
    with pytest.raises(KeyError):
        predict(tmp_path / "out.csv", answers=failing(4, KeyError()))
    part = tmp_path / "out.csv.parts" / "part-000002.csv"
    record = part.with_suffix(".done.json")
    content = part.read_bytes()
    if harm == "remove":
        part.unlink()
    elif harm == "no record":
        record.unlink()
    elif harm == "broken record":
        record.write_text('{"number": 2, "files"')
    else:
        part.write_bytes(content[:-3] if harm == "cut" else content[:-3] + b"xyz")
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), resume=True)
    assert numbers == [2, 4] and (tmp_path / "out.csv").read_bytes() == expected
    assert ("part 2 is computed again" in caplog.text) == ("record" not in harm)


def test_another_job_is_refused_with_what_differs(tmp_path):
    with pytest.raises(KeyError):
        predict(tmp_path / "out.csv", answers=failing(3, KeyError()), facts={"--top_k": "3", "model": "a" * 64})
    words = ["--top_k: 3 there, 5 now", "model: aaaaaaaaaaaa... there, bbbbbbbbbbbb... now", "--overwrite"]
    other = {"--top_k": "5", "model": "b" * 64}
    for resume in (True,):
        with pytest.raises(UsageError) as refused:
            predict(tmp_path / "out.csv", facts=other, resume=resume)
        assert not [word for word in words if word not in str(refused.value)]
    predict(tmp_path / "out.csv", facts=other, overwrite=True)
    assert content_of(tmp_path) == {"out.csv"}


def test_an_old_output_stays_until_the_new_one_is_complete(tmp_path, expected):
    out = tmp_path / "out.csv"
    out.write_text("old")
    assert_refused(["out.csv: exists", "--overwrite"], predict, out)
    assert_refused(["nothing to continue", "--overwrite"], lambda: predict(out, resume=True))
    with pytest.raises(KeyError):
        predict(out, answers=failing(3, KeyError()), overwrite=True)
    assert out.read_text() == "old"
    predict(out, resume=True)
    assert out.read_bytes() == expected


def test_strangers_are_not_touched(tmp_path):
    folder = tmp_path / "out.csv.parts"
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    assert_refused(["thesis.tex", "another -o"], lambda: predict(tmp_path / "out.csv", overwrite=True))
    assert (folder / "thesis.tex").exists()
    (tmp_path / "b.csv.parts").write_text("x")
    assert_refused(["is a file"], predict, tmp_path / "b.csv")
    (tmp_path / "c.csv").mkdir()
    assert_refused(["is a folder"], lambda: check_target(tmp_path / "c.csv", resume=False, overwrite=True))


@pytest.mark.parametrize("place", ["part-000002.csv", "part-000002.done.json", "out.csv", "done-1-of-1.json"])
def test_a_full_disk_is_one_line_and_all_complete_parts_stay(tmp_path, monkeypatch, expected, place):
    def no_room(prefix, **how):
        if prefix == f".{place}.":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return make(prefix=prefix, **how)

    from classification.system import files

    make = files.tempfile.mkstemp
    monkeypatch.setattr(files.tempfile, "mkstemp", no_room)
    with pytest.raises(RunError) as error:
        predict(tmp_path / "out.csv")
    complete = 2 if "000002" in place else 5
    words = [f"{place} cannot be written", "No space left", "Free some space", "--resume", f"{complete} complete parts"]
    assert not [word for word in words if word not in str(error.value)], str(error.value)
    assert "\n" not in str(error.value) and not (tmp_path / "out.csv").exists()
    monkeypatch.setattr(files.tempfile, "mkstemp", make)
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), resume=True)
    assert len(numbers) == 5 - complete and (tmp_path / "out.csv").read_bytes() == expected


@pytest.mark.parametrize("name", ["csv", "json", "parquet", "arrow"])
def test_a_disk_that_fills_up_while_a_part_is_written_is_recognised(tmp_path, monkeypatch, name):
    """Also where the bytes come from Arrow's writers."""

    def full(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(part_files.Summing, "write", full)
    with pytest.raises(RunError, match=f"part-000000.{name} cannot be written .No space left"):
        predict(tmp_path / f"out.{name}", name)


# ------------------------------------------------------------------------------------------------ shards and joining


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("apart", [False, True])
def test_shards_joined_are_one_run(tmp_path, name, apart):
    predict(tmp_path / f"expected.{name}", name)
    outs = [tmp_path / (f"s{index}.{name}" if apart else f"s.{name}") for index in (2, 3, 1)]
    for index, out in zip((2, 3, 1), outs, strict=True):
        assert predict(out, name, shard=Shard(index, 3)) is None
    folders = [out.with_name(out.name + ".parts") for out in outs]
    parts = join_folders(folders, tmp_path / f"all.{name}")
    assert (tmp_path / f"all.{name}").read_bytes() == (tmp_path / f"expected.{name}").read_bytes()
    assert parts.rows == 9 and not [path for path in tmp_path.iterdir() if "parts" in path.name]


@pytest.fixture
def shards(tmp_path) -> list[Path]:
    for index in (1, 2):
        predict(tmp_path / f"s{index}.csv", shard=Shard(index, 2))
    return [tmp_path / f"s{index}.csv.parts" for index in (1, 2)]


def refused_join(words, folders, out, **more):
    with pytest.raises(UsageError) as refused:
        join_folders(folders, out, **more)
    assert not [word for word in words if word not in str(refused.value)], str(refused.value)
    assert not out.exists() and all(folder.is_dir() for folder in folders if folder.name.endswith("parts"))


def test_a_missing_part_is_named_with_the_command_that_makes_it(tmp_path, shards, expected):
    refused_join(
        ["parts 1, 3 missing of 5", "python predict.py M IN -o OUT --shard 2/2 --resume"],
        shards[:1],
        tmp_path / "a.csv",
    )
    (shards[1] / "part-000003.csv").write_bytes(b"x")
    refused_join(["part 3 (part-000003.csv has 1 bytes", "damaged", "--shard 2/2 --resume"], shards, tmp_path / "a.csv")
    predict(tmp_path / "s2.csv", shard=Shard(2, 2), resume=True)
    join_folders(shards, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == expected


def test_a_shard_that_has_not_ended_is_missing(tmp_path, shards):
    with pytest.raises(KeyError):
        predict(tmp_path / "t.csv", answers=failing(2, KeyError()), shard=Shard(1, 2))
    refused_join(["no process has come to the end"], [tmp_path / "t.csv.parts"], tmp_path / "a.csv")


def test_a_part_in_two_folders_counts_once_if_it_is_equal(tmp_path, shards, expected, caplog):
    caplog.set_level(logging.INFO)
    predict(tmp_path / "again.csv", shard=Shard(2, 2))
    join_folders([shards[1], tmp_path / "again.csv.parts", shards[0], shards[0]], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == expected
    assert "equal parts" in caplog.text and "again.csv.parts" in caplog.text and "part 3" in caplog.text


def test_a_part_in_two_folders_with_other_content_is_an_error_and_the_remedy_works(tmp_path, shards, expected):
    def other(batches):
        for batch, columns in answer(batches):
            columns.columns[0].values[0] = "other"
            yield batch, columns

    predict(tmp_path / "again.csv", answers=other, shard=Shard(2, 2))
    again = tmp_path / "again.csv.parts"
    refused_join(
        [str(shards[1]), str(again), "part 1 ", "part-000001.csv and part-000001.done.json"],
        [*shards, again],
        tmp_path / "a.csv",
    )
    for path in again.glob("part-*"):
        path.unlink()
    join_folders([*shards, again], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == expected


def test_folders_of_two_jobs_are_refused(tmp_path, shards):
    predict(tmp_path / "t.csv", facts={"--top_k": "2"}, shard=Shard(2, 2))
    words = [f"--top_k: not given in {shards[0]}, 2 in {tmp_path / 't.csv.parts'}"]
    refused_join(words, [shards[0], tmp_path / "t.csv.parts"], tmp_path / "a.csv")


def test_what_is_no_folder_of_parts_is_refused(tmp_path, shards):
    (tmp_path / "empty").mkdir()
    for folder, word in (
        (tmp_path / "s1.csv", "Did you mean"),
        (tmp_path / "no", "does not exist"),
        (tmp_path / "empty", "no folder of parts"),
    ):
        refused_join([str(folder), word], [shards[0], folder], tmp_path / "a.csv")
    refused_join(["the parts are csv", "a.csv"], shards, tmp_path / "a.parquet")
    refused_join(["--format json", "csv"], shards, tmp_path / "a.csv", format_name="json")
    (tmp_path / "b.csv").write_text("old")
    assert_refused(["exists", "--overwrite"], join_folders, shards, tmp_path / "b.csv")
    join_folders(shards, tmp_path / "b.csv", overwrite=True)


def test_a_foreign_part_in_the_folder_is_not_used(tmp_path, shards):
    predict(tmp_path / "t.csv", facts={"--top_k": "2"}, shard=Shard(2, 2))
    for path in (tmp_path / "t.csv.parts").glob("part-*"):
        path.rename(shards[0] / path.name)
    refused_join(["part", "it is of another job", "--shard 2/2"], shards[:1], tmp_path / "a.csv")


def test_a_whole_run_fills_what_the_shards_lack(tmp_path, expected):
    predict(tmp_path / "out.csv", shard=Shard(2, 3))
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), resume=True)
    assert numbers == [0, 2, 3] and (tmp_path / "out.csv").read_bytes() == expected


def test_a_shard_is_not_computed_twice_by_accident(tmp_path):
    predict(tmp_path / "out.csv", shard=Shard(2, 3))
    assert_refused(["--resume", "--overwrite"], lambda: predict(tmp_path / "out.csv", shard=Shard(2, 3)))
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), shard=Shard(2, 3), resume=True)
    assert numbers == []
    predict(tmp_path / "out.csv", answers=counted(numbers), shard=Shard(2, 3), overwrite=True)
    assert numbers == [1, 4]
    predict(tmp_path / "out.csv", shard=Shard(1, 3))


def test_more_shards_than_parts_is_no_error(tmp_path):
    for index in range(1, 5):
        predict(tmp_path / "out.csv", rows=ROWS[:3], shard=Shard(index, 4))
    join_folders([tmp_path / "out.csv.parts"], tmp_path / "out.csv")
    predict(tmp_path / "expected.csv", rows=ROWS[:3])
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


# ------------------------------------------------------------------------------------------- two processes, a pipe


def child(action) -> int:
    process = os.fork()
    if process == 0:
        try:
            action()
        finally:
            os._exit(0)
    return process


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("other", [None, Shard(1, 2), Shard(2, 3)])
def test_a_second_process_is_refused_and_a_killed_one_is_no_obstacle(tmp_path, other, expected):
    """A second process of another shard of the same division is welcome."""

    def slow(batches):
        for batch, columns in answer(batches):
            yield batch, columns
            time.sleep(60)

    out = tmp_path / "out.csv"
    process = child(lambda: predict(out, answers=slow, shard=other))
    try:
        wait_until(lambda: list(tmp_path.glob("out.csv.parts/*.done.json")))
        assert_refused([f"process {process}", "another process"], lambda: predict(out, resume=True))
        assert_refused([f"process {process}"], lambda: predict(out, overwrite=True, facts={"--top_k": "3"}))
        if other == Shard(1, 2):
            predict(out, shard=Shard(2, 2))
            with pytest.raises(UsageError, match="shard 1/2 is being computed"):
                join_folders([tmp_path / "out.csv.parts"], tmp_path / "a.csv")
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    predict(out, resume=True)
    assert out.read_bytes() == expected


def test_parts_that_cannot_be_removed_cost_nothing(tmp_path, monkeypatch, caplog, expected):
    from classification.inference import part_folders

    def refuse(folder):
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(part_folders, "remove_folder", refuse)
    predict(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == expected and "could not be removed (busy)" in caplog.text


def test_an_error_at_the_end_leaves_output_and_parts(tmp_path, expected):
    def fail(parts):
        raise KeyError

    with pytest.raises(KeyError):
        predict(tmp_path / "out.csv", at_end=fail)
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), resume=True)
    assert numbers == [] and (tmp_path / "out.csv").read_bytes() == expected


def no_room(parts):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.csv.metrics.json")


def test_a_disk_that_is_full_at_the_end_is_one_line_and_the_remedy_works(tmp_path, expected):
    with pytest.raises(
        RunError, match=r"out\.csv\.metrics\.json cannot be written .*the same command with --resume: 5"
    ):
        predict(tmp_path / "out.csv", at_end=no_room)
    predict(tmp_path / "out.csv", resume=True)
    assert (tmp_path / "out.csv").read_bytes() == expected


@pytest.mark.parametrize("at_end", [no_room, None])
def test_a_full_disk_while_parts_are_joined_is_one_line_and_the_remedy_works(tmp_path, shards, expected, at_end):
    out = tmp_path / "out.csv"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunError, match="the same command with --overwrite: 3"):
        if at_end is None:
            patch.setattr("classification.inference.joining.replacing_bytes", no_room)
        join_folders(shards, out, at_end=at_end)
    join_folders(shards, out, overwrite=True)
    assert out.read_bytes() == expected


def test_facts_of_all_parts_come_back_in_order(tmp_path):
    def with_facts(batches):
        for batch, columns in answer(batches):
            yield batch, type(columns)(columns.columns, None, {"sum": len(batch)} if batch.number else {})

    found = []
    predict(tmp_path / "a.csv", answers=with_facts, at_end=lambda parts: found.extend(parts.facts("sum")))
    assert found == [2, 2, 2, 1]


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


def test_the_job_is_the_same_however_it_was_written(tmp_path):
    written, job = made_job(ListStream(ROWS))
    with opened_parts(tmp_path / "o.csv", job) as folder:
        stored = json.loads((folder.path / "job.json").read_text())
    assert stored["facts"]["rows per part"].startswith("8192") and stored["layout"]["own"] == ["id", "text"]


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


def dropping(batches):
    """As `answer`, without the rows whose text has a 3 or a 7."""
    for batch, columns in answer(batches):
        kept = np.array([row for row, text in enumerate(batch.column("text")) if not set(text) & set("37")], np.int64)
        some = [replace(column, values=[column.values[row] for row in kept]) for column in columns.columns]
        yield batch, replace(columns, columns=tuple(some), kept=kept)


def test_a_run_that_a_bad_row_has_ended_goes_on_without_it(tmp_path):
    with pytest.raises(UsageError):
        predict(tmp_path / "out.csv", answers=failing(3, UsageError("row 7")), facts={"--on_bad_row": "error"})
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), facts={"--on_bad_row": "drop"}, resume=True)
    assert numbers == [3, 4]


def test_rows_that_were_left_out_are_not_forgotten(tmp_path, expected):
    """Resumed without `drop`, parts that lack rows are computed again."""

    def stopped(batches):
        for batch, columns in dropping(batches):
            if batch.number == 4:
                raise KeyError
            yield batch, columns

    with pytest.raises(KeyError):
        predict(tmp_path / "out.csv", answers=stopped, facts={"--on_bad_row": "drop"})
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), facts={"--on_bad_row": "error"}, resume=True)
    assert numbers == [1, 3, 4] and (tmp_path / "out.csv").read_bytes() == expected


def test_a_link_stays_a_link(tmp_path, expected):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "out.csv").symlink_to("real.csv")
    predict(tmp_path / "out.csv", overwrite=True)
    assert (tmp_path / "out.csv").is_symlink() and (tmp_path / "real.csv").read_bytes() == expected


def test_a_device_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (Path("/dev/null"), tmp_path / "pipe"):
        assert_refused(["device or a pipe"], lambda place=place: predict(place, overwrite=True))


def test_parts_that_somebody_removes_during_the_run_are_one_line(tmp_path):
    def robbed(batches):
        for batch, columns in answer(batches):
            if batch.number == 2:
                shutil.rmtree(tmp_path / "out.csv.parts")
            yield batch, columns

    with pytest.raises(RunError, match="part-000002.csv cannot be written .No such file.*--resume: 0 complete parts"):
        predict(tmp_path / "out.csv", answers=robbed)
    with pytest.raises(RunError, match="out.csv.parts cannot be written"):
        predict(tmp_path / "gone" / "out.csv")


def test_the_command_that_joins_can_be_pasted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "my files").mkdir()
    predict(tmp_path / "my files" / "out.csv", shard=Shard(1, 1))
    words = shlex.split(caplog.messages[-1].partition("python predict.py ")[2])
    assert words[0] == "--join"
    join_folders([Path(words[1])], Path(words[3]))
