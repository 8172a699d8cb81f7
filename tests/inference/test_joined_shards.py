"""Shards and joins: the output is that of one run, or one line says what is missing and which command makes it."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path

import pytest
from helpers import assert_refused
from made_parts import ROWS, counted, failing, no_room, predict
from made_streams import answer

from classification.errors import RunError, UsageError
from classification.inference.jobs import Shard
from classification.inference.joining import join_folders
from classification.inference.output_formats import FORMATS


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


@pytest.mark.parametrize("at_end", [no_room, None])
def test_a_full_disk_while_parts_are_joined_is_one_line_and_the_remedy_works(tmp_path, shards, expected, at_end):
    out = tmp_path / "out.csv"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunError, match="the same command with --overwrite: 3"):
        if at_end is None:
            patch.setattr("classification.inference.joining.replacing_bytes", no_room)
        join_folders(shards, out, at_end=at_end)
    join_folders(shards, out, overwrite=True)
    assert out.read_bytes() == expected


def test_the_command_that_joins_can_be_pasted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "my files").mkdir()
    predict(tmp_path / "my files" / "out.csv", shard=Shard(1, 1))
    words = shlex.split(caplog.messages[-1].partition("python predict.py ")[2])
    assert words[0] == "--join"
    join_folders([Path(words[1])], Path(words[3]))
