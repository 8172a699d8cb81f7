"""Parts and resume: the output is that of an undisturbed run, or one line says why there is none."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers import assert_refused
from made_parts import ROWS, content_of, counted, failing, predict
from made_streams import ListStream, answer, made_job
from planned_deaths import dies_in_child

from classification.errors import UsageError
from classification.inference.jobs import Shard
from classification.inference.joining import join_folders
from classification.inference.part_folders import opened_parts


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


def test_facts_of_all_parts_come_back_in_order(tmp_path):
    def with_facts(batches):
        for batch, columns in answer(batches):
            yield batch, type(columns)(columns.columns, None, {"sum": len(batch)} if batch.number else {})

    found = []
    predict(tmp_path / "a.csv", answers=with_facts, at_end=lambda parts: found.extend(parts.facts("sum")))
    assert found == [2, 2, 2, 1]


def test_the_job_is_the_same_however_it_was_written(tmp_path):
    written, job = made_job(ListStream(ROWS))
    with opened_parts(tmp_path / "o.csv", job) as folder:
        stored = json.loads((folder.path / "job.json").read_text())
    assert stored["facts"]["rows per part"].startswith("8192") and stored["layout"]["own"] == ["id", "text"]


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
