"""A full disk in a part of a command stops the command, and what its message proposes throws nothing away."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import namedtuple

import pytest

from classification.errors import RunError, UsageError
from classification.experiments import study_progress
from run_classification import main

Usage = namedtuple("Usage", "total used free")


def remedy(message: str) -> list[str]:
    """The flags that an error of the disk asks the user to add."""
    found = re.search(r"Free some space, then run the same command with (--[a-z_]+)( auto)?:", message)
    assert found and "\n" not in message, message
    return [found[1] + "=auto"] if found[2] else [found[1]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ({"seeds": "1,2"}, "seed-1/all_results.json"),
        ({"search": 2}, "search/trial-001/all_results.json"),
        ({"learning_curve": "50"}, "model.safetensors"),
    ],
    ids=str,
)
def test_the_remedy_in_a_part_keeps_what_is_finished(command, tmp_path, flags, kept):
    line, out = command(**flags), tmp_path / "out"
    with pytest.raises(RunError, match="checkpoint-[0-9]+ cannot be saved") as ended:
        main([*line, "--inject_fault=enospc@save=2"])
    before = (out / kept).read_bytes()
    main([*line, *remedy(str(ended.value))])
    assert (out / kept).read_bytes() == before and (out / "run.json").exists()
    assert not list(tmp_path.glob("*.bak-*"))


@pytest.mark.slow
def test_the_remedy_keeps_a_study_whose_progress_cannot_be_written(command, tmp_path, monkeypatch):
    write, count = study_progress.write_json, 0

    def full(path, content):
        nonlocal count
        count += 1
        if count == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    line = command(seeds="1,2")
    monkeypatch.setattr(study_progress, "write_json", full)
    with pytest.raises(RunError, match="study_progress.json cannot be written") as ended:
        main(line)
    main([*line, *remedy(str(ended.value))])
    assert not list(tmp_path.glob("*.bak-*"))


def test_without_any_checkpoint_a_run_begins_again(command, tmp_path):
    with pytest.raises(RunError, match="there is no checkpoint to continue from") as ended:
        main([*command(), "--inject_fault=enospc@save=1"])
    main([*command(), *remedy(str(ended.value))])


# ------------------------------------------------------------------------------------ nothing is left to be written


def files_in(folder) -> list:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".run.lock"]


@pytest.fixture
def nothing_free(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 10**9 - 1000, 1000))


@pytest.mark.parametrize("flags", [{}, {"seeds": "1,2"}], ids=["run", "study"])
def test_a_finished_run_needs_no_room(command, tmp_path, request, capsys, flags):
    line = command(**flags)
    main(line)
    before = {path: path.read_bytes() for path in files_in(tmp_path)}
    request.getfixturevalue("nothing_free")
    main([*line, "--resume=auto"])
    assert "is finished: nothing to do" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in files_in(tmp_path)} == before


def test_a_run_that_was_killed_after_its_last_step_needs_room_for_its_model_alone(command, tmp_path, monkeypatch):
    line, out = command(num_train_epochs=2, save_total_limit=1), tmp_path / "out"
    main(line)
    model = (out / "model.safetensors").stat().st_size
    for name in ("run.json", "model.safetensors", "all_results.json"):
        (out / name).unlink()
    free = int(1.5 * model)  # less than a checkpoint
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 10**9 - free, free))
    main([*line, "--resume=auto"])
    (out / "run.json").unlink()
    free = model // 2
    with pytest.raises(UsageError, match="for the model; .* GB are free. Free some space"):
        main([*line, "--resume=auto"])
