"""A disk that is full or fails costs one file: one line says which, the rest is whole, and `--resume auto` adds it."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest
from helpers import AGAIN, ROOT, RUN_FILES, TRAINED_FILES, file_times, read_predictions

import classification.errors
from classification.errors import RunError, UsageError
from classification.reporting import run_result
from classification.system import files
from classification.training import final_model
from run_classification import main

Usage = namedtuple("Usage", "total used free")
EXTRA = {"baselines": "naive_bayes", "suspect_labels": True, "num_train_epochs": 2, "save_total_limit": 1}


@pytest.fixture(autouse=True)
def forgiving(monkeypatch):
    """As in a user's run."""
    monkeypatch.setattr(classification.errors, "FORGIVING", True)


@pytest.fixture
def refuse(monkeypatch):
    """A function: files of this name cannot be written from now on, at the first byte or at the rename."""

    def refuse(name: str, number: int = errno.ENOSPC, *, at_rename: bool = False) -> None:
        make, replace = files.tempfile.mkstemp, os.replace

        def no_room(*arguments, **keywords):
            if keywords["prefix"] == f".{name}.":
                raise OSError(number, os.strerror(number))
            return make(*arguments, **keywords)

        def no_rename(source, target, **keywords):
            if os.path.basename(target) == name:
                raise OSError(number, os.strerror(number))
            return replace(source, target, **keywords)

        if at_rename:
            monkeypatch.setattr(os, "replace", no_rename)
        else:
            monkeypatch.setattr(files.tempfile, "mkstemp", no_room)

    return refuse


def no_leftovers(folder) -> bool:
    return not [path for path in folder.rglob(".*") if path.name.endswith((".partial", ".lock"))]


@pytest.fixture(scope="session")
def with_extras(finished):
    return finished(**EXTRA)


@pytest.mark.parametrize(
    ("name", "at_rename"),
    [
        ("predictions.csv", False),
        ("predictions.csv", True),
        ("all_results.json", False),
        ("run.json", True),
        ("baselines.json", False),
        ("suspect_labels.csv", True),
        ("neighbours.json", False),
        ("curves.svg", True),
        ("confusion_matrix.svg", False),
        ("report.html", True),
        ("README.md", False),
    ],
)
def test_a_result_that_cannot_be_written_is_one_line_and_resuming_adds_it(
    command, refuse, with_extras, tmp_path, monkeypatch, name, at_rename
):
    line, out = command(**EXTRA), tmp_path / "out"
    refuse(name, at_rename=at_rename)
    with pytest.raises(RunError) as ended:
        main(line)
    text = str(ended.value)
    flags = {"baselines.json": "--baselines", "suspect_labels.csv": "--suspect_labels"}
    assert flags.get(name, name) in text and "--resume auto" in text and "checkpoint-16" in text and "\n" not in text
    everything = {path.name for path in with_extras.folder.iterdir()}
    made_of_it = {"predictions.csv": {"neighbours.json"}, "run.json": {"neighbours.json", "README.md"}}.get(name, set())
    assert {path.name for path in out.iterdir()} == everything - {name} - made_of_it and no_leftovers(out)
    monkeypatch.undo()
    monkeypatch.setattr(classification.errors, "FORGIVING", True)
    main([*line, "--resume=auto"])
    assert {path.name for path in out.iterdir()} == everything
    assert read_predictions(out) == with_extras.predictions


def test_the_neighbours_are_lost_with_the_first_run_json_though_the_second_can_be_written(
    command, monkeypatch, tmp_path
):
    make, calls = run_result.write_json, []

    def full_once(path, content):
        calls.append(path.name)
        if calls == ["all_results.json", "run.json"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return make(path, content)

    monkeypatch.setattr(run_result, "write_json", full_once)
    with pytest.raises(RunError, match=r"without neighbours\.json;.*--resume auto"):
        main(command(num_train_epochs=2))
    main(command(num_train_epochs=2, resume="auto"))
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} == TRAINED_FILES | RUN_FILES


@pytest.mark.parametrize("name", ["report.html", "README.md"])
def test_a_page_of_a_study_that_cannot_be_written_is_one_line_and_resuming_adds_it(
    command, refuse, tmp_path, monkeypatch, capsys, name
):
    line, out = command(seeds="1,2", max_train_samples=16), tmp_path / "out"
    refuse(name)
    with pytest.raises(RunError, match=rf"without {name};.*--resume auto: no run that has all its results"):
        main(line)
    monkeypatch.undo()
    capsys.readouterr()
    main([*line, "--resume=auto"])
    assert "[Epoch" not in capsys.readouterr().out
    assert (out / name).exists() and not (out / "study_progress.json").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_model_that_cannot_be_written_is_one_line_and_resuming_saves_it(
    command, refuse, tmp_path, monkeypatch, number
):
    out = tmp_path / "out"
    replace = os.replace

    def no_rename(source, target, **keywords):
        if os.fspath(target) == str(out / "model.safetensors"):
            raise OSError(number, os.strerror(number))
        return replace(source, target, **keywords)

    monkeypatch.setattr(final_model.os, "replace", no_rename)
    with pytest.raises(RunError) as ended:
        main(command(num_train_epochs=2))
    text = str(ended.value)
    assert os.strerror(number) in text and "--resume auto" in text and str(out / "checkpoint-16") in text
    assert "model.safetensors" not in {path.name for path in out.iterdir()} and no_leftovers(out)
    monkeypatch.undo()
    main(command(num_train_epochs=2, resume="auto"))
    assert {path.name for path in out.iterdir() if path.is_file()} == TRAINED_FILES | RUN_FILES


@pytest.mark.parametrize("name", ["data_checks.json", "suspect_labels.csv"])
def test_checks_of_the_data_that_cannot_be_written_are_one_line(command, refuse, name):
    refuse(name)
    with pytest.raises(RunError, match=rf"--output_dir .*{name} cannot be written \(No space left on device\)"):
        main([*command(suspect_labels=True), "--check_data"])


@pytest.mark.parametrize("name", ["predictions.csv", "run.json"])
def test_a_prediction_that_cannot_be_written_is_one_line(command, refuse, trained, tmp_path, name):
    refuse(name)
    with pytest.raises(RunError, match=rf"without {name}"):
        main(command(**AGAIN, model_name_or_path=trained.folder))
    assert {path.name for path in (tmp_path / "out").iterdir()} == RUN_FILES - {"curves.svg", "neighbours.json", name}


@pytest.mark.parametrize("name", ["oof.csv", "run.json"])
def test_a_study_whose_results_cannot_be_written_is_one_line(command, refuse, tmp_path, monkeypatch, name):
    replace = os.replace

    def no_rename(source, target, **keywords):
        if os.fspath(target) == str(tmp_path / "out" / name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(source, target, **keywords)

    monkeypatch.setattr(os, "replace", no_rename)
    with pytest.raises(RunError, match=name):
        main(command(folds=2, validation_file=None))


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_the_limit_of_file_sizes_of_the_system_is_one_line_and_leaves_no_half_model(command, tmp_path):
    """Really: the weights (60 kB) are written in Rust."""
    line = command(save_strategy="no", load_best_model_at_end=False)
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_classification.py"), *line],
        capture_output=True, text=True, preexec_fn=limit_file_size, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        f"error: --output_dir {tmp_path / 'out'}: the model cannot be written"
    )
    assert "(File too large). Allow larger files (ulimit -f)" in done.stderr
    assert not (tmp_path / "out" / "model.safetensors").exists() and no_leftovers(tmp_path / "out")


# ----------------------------------------------------------------------------------------- too little from the start


@pytest.fixture
def free(monkeypatch):
    """A function that sets how many bytes are free."""

    def set_free(size: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 10**9 - size, size))

    return set_free


def test_too_little_room_is_refused_before_the_first_step_and_the_remedy_works(command, tmp_path, free):
    free(350_000)
    flags = {"num_train_epochs": 4, "save_total_limit": 4}
    for dry in ([], ["--dry_run"]):
        with pytest.raises(UsageError, match="GB are free.*--save_strategy no --load_best_model_at_end false"):
            main([*command(**flags), *dry])
        assert not (tmp_path / "out").exists()
    main(command(**flags | {"save_strategy": "no", "load_best_model_at_end": False}))


def test_a_run_that_finds_too_little_room_leaves_the_run_before_in_its_place(command, trained, tmp_path, free):
    shutil.copytree(trained.folder, tmp_path / "out", copy_function=shutil.copyfile)
    before = file_times(tmp_path / "out")
    free(1000)
    with pytest.raises(UsageError, match="GB are free"):
        main([*command(), "--overwrite_output_dir"])
    assert file_times(tmp_path / "out") == before and os.listdir(tmp_path) == ["out"]
