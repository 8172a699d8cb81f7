"""Which folder a run may write to, and how another run in it is moved aside, and back."""

from __future__ import annotations

import os

import pytest
from helpers import assert_refused

from classification.errors import RunError, UsageError
from classification.reporting import output_folder, run_lock
from classification.reporting.output_folder import OutputFolder, holds_a_run, output_guarded
from classification.reporting.run_lock import LOCK_FILE
from classification.system import kept_folders


@pytest.fixture(autouse=True)
def guarded(tmp_path):
    with output_guarded(tmp_path / "out"):
        yield


@pytest.fixture
def out(tmp_path):
    """A folder with the result of another run and a file of the user."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "run.json").write_text("old")
    (folder / "notes.txt").write_text("mine")
    return folder


def claim(folder, study=None, **changes) -> OutputFolder:
    return OutputFolder.claim(folder, study or folder, **{"overwrite": True, "resume": None, "inputs": []} | changes)


def files(folder) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != LOCK_FILE
    }


def fail(folder: OutputFolder, error: BaseException, *, begun: bool = False, leaves=()) -> None:
    """A run that ends with `error` and leaves files, each by its path in the folder."""
    with pytest.raises(type(error)), folder.room(lambda: begun):
        for name in leaves:
            path = folder.guarded / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("new")
        raise error


@pytest.mark.parametrize("name", ["predictions.csv", "model.safetensors", "run.json", "checkpoint-5", "seed-1"])
def test_every_kind_of_run_is_moved_aside(tmp_path, name):
    """A prediction alone, a model alone, an unfinished training, a study."""
    (tmp_path / "out" / name).mkdir(parents=True)
    assert holds_a_run(tmp_path / "out")
    for number in (1, 2):
        with output_guarded(tmp_path / "out"), claim(tmp_path / "out").room(lambda: True):
            assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK_FILE]
        assert [path.name for path in (tmp_path / f"out.bak-{number}").iterdir()] == [name]
        (tmp_path / "out" / name).mkdir(parents=True)


def test_a_folder_of_other_files_is_no_run(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("x")
    assert not holds_a_run(tmp_path / "out")
    with claim(tmp_path / "out", overwrite=False).room(lambda: False):
        assert (tmp_path / "out" / "notes.txt").exists()


def test_another_run_is_refused_without_the_flag_and_stays_unlocked(out):
    with pytest.raises(UsageError, match="holds another run.*it has no checkpoint.*--overwrite_output_dir"):
        claim(out, overwrite=False)
    assert not run_lock.LOCKS and files(out) == {"run.json", "notes.txt"}


def test_a_run_without_a_usable_checkpoint_is_not_sent_in_a_circle(out):
    """`--resume auto` is no remedy for a run that it cannot continue; the answer names each checkpoint's problem."""
    for step, name in ((8, "model.safetensors"), (16, "trainer_state.json")):
        (out / f"checkpoint-{step}").mkdir()
        (out / f"checkpoint-{step}" / name).write_text("{}")
    for resume in (None, "auto"):
        with pytest.raises(UsageError) as caught:
            claim(out, overwrite=False, resume=resume)
        message = str(caught.value)
        assert "checkpoint-16: model.safetensors is missing" in message and "checkpoint-8: " in message
        assert "Choose another folder, or pass --overwrite_output_dir" in message and "continue" in message
    assert claim(out, overwrite=True, resume="auto").checkpoint is None


@pytest.mark.parametrize(
    "error", [RunError("diverged"), MemoryError(), KeyboardInterrupt(), SystemExit(143), ValueError("in the forward")]
)
def test_the_run_before_is_back_if_the_first_step_fails(out, error):
    fail(claim(out), error)
    assert files(out) == {"run.json", "notes.txt"} and (out / "run.json").read_text() == "old"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_what_the_failed_run_left_is_removed(out):
    leaves = ["runs/x/events.out", "checkpoint-1.partial/a", ".run.json.ab12cd34.partial", "config.json", "run.json"]
    fail(claim(out), RunError("diverged"), leaves=leaves)
    assert files(out) == {"run.json", "notes.txt"} and (out / "run.json").read_text() == "old"


def test_a_file_of_somebody_else_in_the_new_folder_is_kept_and_the_backup_too(out, caplog):
    fail(claim(out), RunError("diverged"), leaves=["important.txt", "run.json"])
    assert files(out) == {"important.txt"}
    assert files(out.parent / "out.bak-1") == {"run.json", "notes.txt"}
    assert "stays in" in caplog.text and "out.bak-1" in caplog.text


def test_after_the_first_step_the_backup_stays(out):
    fail(claim(out), RunError("diverged"), begun=True, leaves=["checkpoint-1/a"])
    assert files(out) == {"checkpoint-1/a"}
    assert files(out.parent / "out.bak-1") == {"run.json", "notes.txt"}


def test_a_run_that_is_continued_is_not_moved(out, monkeypatch):
    (out / "checkpoint-4").mkdir()
    monkeypatch.setattr(output_folder, "find_resume", lambda *args: str(out / "checkpoint-4"))
    with pytest.raises(RunError), claim(out, resume="auto").room(lambda: False):
        assert (out / "run.json").exists()
        raise RunError("in the first step")
    assert files(out) == {"run.json", "notes.txt"}


def test_a_checkpoint_on_another_disk_belongs_to_the_folder_of_its_link(out, tmp_path, monkeypatch):
    (tmp_path / "large disk").mkdir()
    (out / "checkpoint-4").symlink_to(tmp_path / "large disk")
    monkeypatch.setattr(output_folder, "find_resume", lambda *args: str(out / "checkpoint-4"))
    assert claim(out, resume="auto", overwrite=False).checkpoint == str(out / "checkpoint-4")


def test_a_backup_never_hides_another(out):
    (out.parent / "out.bak-1").symlink_to("nowhere")
    with claim(out).room(lambda: True):
        assert files(out.parent / "out.bak-2") == {"run.json", "notes.txt"}


def test_the_folder_behind_a_link_is_moved_and_the_link_stays(out):
    """The link may lead to another disk: nothing is copied, and the new run writes there too."""
    link = out.parent / "link"
    link.symlink_to(out)
    with claim(link).room(lambda: True):
        assert link.is_symlink() and files(out.parent / "out.bak-1") == {"run.json", "notes.txt"}
        (link / "run.json").write_text("new")
    assert (out / "run.json").read_text() == "new"


def test_a_folder_that_cannot_be_renamed_is_refused_and_unchanged(out, monkeypatch):
    """A mounted disk, for example."""

    def refuse(self, target):
        raise OSError(16, os.strerror(16))

    monkeypatch.setattr(type(out), "rename", refuse)
    folder = claim(out)
    with pytest.raises(UsageError, match="--overwrite_output_dir: .*busy.*another --output_dir"), folder.room(bool):
        pass
    assert files(out) == {"run.json", "notes.txt"}


def test_no_other_run_gets_the_folder_while_it_is_moved(out, monkeypatch):
    with claim(out).room(lambda: True):
        monkeypatch.setattr(run_lock, "LOCKS", {})
        assert_refused(["another run"], claim, out)
        monkeypatch.undo()
    assert not (out.parent / "out.bak-1" / LOCK_FILE).exists()


@pytest.mark.parametrize("renames_open_files", [True, False])
def test_a_system_that_renames_no_open_file_works_the_same(out, monkeypatch, renames_open_files):
    monkeypatch.setattr(kept_folders, "RENAMES_OPEN_FILES", renames_open_files)
    fail(claim(out), RunError("diverged"))
    assert files(out) == {"run.json", "notes.txt"}


# ------------------------------------------------------------------------------------------------------------ studies


def test_the_first_run_of_a_study_guards_the_folder_of_the_study(out):
    with claim(out / "seed-1", out).room(lambda: True):
        assert files(out.parent / "out.bak-1") == {"run.json", "notes.txt"}
        assert (out / "seed-1" / LOCK_FILE).exists() and (out / LOCK_FILE).exists()
    with claim(out / "seed-2", overwrite=False).room(lambda: True):
        assert not (out.parent / "out.bak-2").exists()


def test_the_run_before_is_back_if_the_first_run_of_a_study_fails_at_once(out):
    fail(claim(out / "seed-1", out), RunError("diverged"), leaves=["seed-1/runs/x"])
    assert files(out) == {"run.json", "notes.txt"}


def test_the_next_run_of_the_study_guards_the_folder_then(out):
    """Otherwise it would write into the folder of the run that came back."""
    fail(claim(out / "seed-1", out), RunError("diverged"))
    with claim(out / "seed-2", overwrite=False).room(lambda: True):
        (out / "seed-2" / "run.json").write_text("new")
    assert files(out) == {"seed-2/run.json"}
    assert files(out.parent / "out.bak-1") == {"run.json", "notes.txt"}


def test_a_study_is_refused_while_a_run_writes_to_its_folder(out, monkeypatch):
    (out / "run.json").unlink()
    claim(out)
    monkeypatch.setattr(run_lock, "LOCKS", {})
    assert_refused(["another run"], claim, out / "seed-1", out)
    assert not (out / "seed-1").exists()


# ----------------------------------------------------------------------------------------------------- refused, dry run


def test_a_dry_run_takes_no_lock_and_leaves_no_file(tmp_path):
    with output_guarded(tmp_path):
        claim(tmp_path / "new" / "out", check=False)
        assert not files(tmp_path) and not list(tmp_path.rglob(LOCK_FILE))
        (tmp_path / "new" / "out").mkdir(parents=True, exist_ok=True)  # as the Trainer does
    assert not (tmp_path / "new").exists()


def test_a_dry_run_beside_a_live_run_is_allowed(out, monkeypatch):
    claim(out)
    monkeypatch.setattr(run_lock, "LOCKS", {})
    claim(out, check=False)


def test_a_dry_run_is_told_that_the_run_would_be_refused(out, caplog):
    claim(out, check=False, overwrite=False)
    assert "would be refused" in caplog.text and "holds another run" in caplog.text
    caplog.clear()
    claim(out, check=False)
    assert not caplog.text


def test_another_kind_of_training_says_itself_whether_it_is_finished(out):
    def finished(folder):
        return {"results": {}}

    assert claim(out, overwrite=False, resume="auto", finished=finished).checkpoint is None
    with pytest.raises(UsageError, match="holds another run.*continue the run with --resume auto"):
        claim(out, overwrite=False, finished=finished)


def test_a_finished_run_is_continued_from_a_checkpoint_elsewhere_only_if_that_is_its_own(out, monkeypatch):
    monkeypatch.setattr(output_folder, "find_resume", lambda *args: "elsewhere/checkpoint-4")
    monkeypatch.setattr(output_folder, "stored_facts", lambda *args: {"fingerprint": "of one run"})
    flags = {"overwrite": False, "resume": "elsewhere/checkpoint-4"}
    assert claim(out, **flags, finished=lambda folder: {"fingerprint": "of one run"}).checkpoint
    with pytest.raises(UsageError, match="holds another run"):
        claim(out, **flags, finished=lambda folder: {"fingerprint": "of another run"})


@pytest.mark.parametrize("check", [True, False])
def test_what_a_link_leads_to_is_made(tmp_path, check):
    """A link to a folder on another disk, before the first run; the Trainer would end with "File exists"."""
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "out")
    with output_guarded(tmp_path):
        claim(tmp_path / "link", check=check)
        assert (tmp_path / "disk" / "out").is_dir()
    assert (tmp_path / "link").is_symlink() and not (tmp_path / "disk").exists()


def test_a_folder_that_was_made_for_a_refused_run_is_removed(tmp_path):
    with pytest.raises(UsageError), output_guarded(tmp_path / "new"):
        claim(tmp_path / "new" / "out")
        raise UsageError("--train_file: no such file")
    assert not (tmp_path / "new").exists()


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    assert_refused(["--output_dir", "is a file"], claim, tmp_path / "file")
