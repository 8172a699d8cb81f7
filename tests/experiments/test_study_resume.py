"""A study that is killed anywhere is continued by `--resume auto`, and leaves what it would have left."""

from __future__ import annotations

import errno
import json
import logging
import shutil
from pathlib import Path

import pytest
import stand_in_recipe
from planned_deaths import Killed, dies_in_child
from stand_in_recipe import MADE, TWO, StandIn, study

from classification.errors import RunError, UsageError
from classification.experiments import out_of_fold, seeds_and_folds
from classification.experiments import study_closing as closing
from classification.experiments.saved_predictions import FILE as PREDICTIONS
from classification.experiments.study_progress import FILE as PROGRESS
from classification.training import checkpoints
from classification.training.finished_run import finished_run


@pytest.fixture(autouse=True)
def checkpoints_are_good(monkeypatch):
    """A stand-in's checkpoint is good if it has its name and its file."""
    monkeypatch.setattr(checkpoints, "problem_of", lambda path: None if (path / "optimizer.pt").exists() else "damaged")
    monkeypatch.setattr(closing, "run_record", lambda argv, arguments, **facts: facts)  # git takes its time


def content(folder: Path) -> dict[str, bytes | None]:
    """The files and folders in a folder; of run.json, whose command and times differ, only the results."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = path.read_bytes() if path.is_file() else None
        if path.name == "run.json":
            found[name] = json.dumps(json.loads(path.read_text())["results"]).encode()
    return found


def killed_at(monkeypatch, module, name: str, number: int = 1):
    """From its `number`-th call on, a function of a module fails as if the process were dead."""
    calls, function = [0], getattr(module, name)

    def dying(*args, **kwargs):
        calls[0] += 1
        if calls[0] >= number:
            raise Killed
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, dying)


@pytest.mark.parametrize("flag", ["--seeds=1,2", "--folds=2"])
@pytest.mark.parametrize("is_killed_twice", [False, True])
def test_a_study_killed_at_any_change_of_the_disk_ends_with_the_same_files(
    flag, is_killed_twice, options, tmp_path, pytestconfig
):
    step = 1 if pytestconfig.getoption("--slow") else 23 * (1 + is_killed_twice)
    out, run = tmp_path / "out", StandIn(TWO, MADE)
    results = study(options(flag), run)
    whole = content(out)
    shutil.rmtree(out)
    for dies_at in range(1 + is_killed_twice, 1000, step):
        if not dies_in_child(lambda: study(options(flag), run), dies_at):
            assert dies_at > 70, "the audit hook sees nothing"
            return
        if is_killed_twice:
            dies_in_child(lambda: study(options(flag, "--resume=auto"), run), dies_at // 3 + 1)
        finished, resumed = [path.name for path in out.glob("*-*") if finished_run(path)], StandIn(TWO, MADE)
        again = study(options(flag, "--resume=auto"), resumed)
        assert json.dumps(again) == json.dumps(results), dies_at
        assert not [name for name in finished if name in " ".join(resumed.trained)], dies_at
        assert content(out) == whole, dies_at
        shutil.rmtree(out)
    raise AssertionError("the study does not end")


@pytest.fixture
def killed(options, monkeypatch):
    """A function that runs a study and kills it in a call of a function; returns the names of the runs it trained."""

    def run(words: list[str], module=closing, name: str = "record_stage", number: int = 1, **stand_in) -> list[str]:
        recipe = StandIn(TWO, MADE, **stand_in)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            killed_at(patch, module, name, number)
            study(options(*words), recipe)
        return recipe.trained

    return run


def test_the_first_unfinished_run_continues_and_finished_ones_are_not_trained_again(killed, options):
    assert killed(["--seeds=1,2,3"], stand_in_recipe, "keep_predictions", 2) == ["seed-1", "seed-2"]
    run = StandIn(TWO, MADE)
    study(options("--seeds=1,2,3", "--resume=auto"), run)
    assert run.trained == ["seed-2 continued", "seed-3"]


def test_seeds_can_be_added_until_the_study_has_ended(killed, options, tmp_path):
    assert killed(["--seeds=1,2"]) == ["seed-1", "seed-2"]  # all trained, no model chosen yet
    run = StandIn(TWO, MADE)
    results = study(options("--seeds=1,2,3", "--resume=auto"), run)
    assert run.trained == ["seed-3"]
    resumed = content(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    assert json.dumps(study(options("--seeds=1,2,3"), run)) == json.dumps(results)
    assert content(tmp_path / "out") == resumed


def refused(options, *words: str) -> str:
    """The message of a refusal, which leaves every file as it was."""
    out = options().output_dir
    before, run = content(out), StandIn(TWO, MADE)
    with pytest.raises(UsageError) as refusal:
        study(options(*words), run)
    assert content(out) == before and not run.trained
    return str(refusal.value)


@pytest.mark.parametrize("stage", [1, 2, 3], ids=["the model is chosen", "the results are recorded", "ended"])
def test_a_seed_cannot_be_added_once_the_models_of_the_others_are_going(stage, killed, options):
    if stage < 3:
        killed(["--seeds=1,2"], closing, "sync_folder" if stage == 1 else "tidy_part")
    else:
        study(options("--seeds=1,2"), StandIn(TWO, MADE))
    message = refused(options, "--seeds=1,2,3", "--resume=auto")
    assert message.startswith("--seeds 1,2,3: the study of --seeds 1,2 in ")
    assert "Pass --seeds 1,2 for its results, or another --output_dir to train all seeds." in message
    run = StandIn(TWO, MADE)
    assert study(options("--seeds=1,2", "--resume=auto"), run)["best"] and not run.trained


OTHER_STUDIES = {
    "fewer seeds": ("--seeds=1,2,3", "--seeds=1,2", "--seeds 1,2: the study in {} has seed-3 too. Pass --seeds 1,2,3"),
    "other seeds": ("--seeds=1,2", "--seeds=1,3", "--seeds 1,3: the study in {} has seed-2 too. Pass --seeds 1,2"),
    "more folds": ("--folds=2", "--folds=3", "--folds 3: the study in {} has --folds 2. Pass --folds 2"),
    "seeds, not folds": ("--folds=2", "--seeds=1,2", "--seeds 1,2: the study in {} has --folds 2. Pass --folds 2"),
    "folds, not seeds": ("--seeds=1,2", "--folds=2", "--folds 2: the study in {} has --seeds 1,2. Pass --seeds 1,2"),
}


@pytest.mark.parametrize("is_ended", [False, True])
@pytest.mark.parametrize(("old", "new", "message"), OTHER_STUDIES.values(), ids=OTHER_STUDIES)
def test_another_study_is_refused_with_both_values_and_the_remedy_works(
    old, new, message, is_ended, killed, options, tmp_path
):
    study(options(old), StandIn(TWO, MADE)) if is_ended else killed([old])
    shown = refused(options, new, "--resume=auto")
    assert shown.startswith(message.format(tmp_path / "out"))
    remedy = shown.rpartition("Pass ")[2].partition(" to continue")[0].replace(" ", "=", 1)
    assert remedy == old
    assert study(options(remedy, "--resume=auto"), StandIn(TWO, MADE))["runs"]


@pytest.mark.parametrize("flag", ["--seeds=1,2", "--folds=2"])
def test_resuming_a_finished_study_changes_nothing_and_says_so(flag, options, tmp_path, caplog):
    results = study(options(flag), StandIn(TWO, MADE))
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    caplog.set_level(logging.INFO, "classification")
    run = StandIn(TWO, MADE)
    again = study(options(flag, "--resume=auto"), run)
    assert again == results and not run.trained
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()} == times
    assert f"this study is finished: nothing to do; results in {tmp_path / 'out'}" in caplog.text


def test_a_finished_study_that_is_asked_for_label_errors_says_that_it_has_none(options, caplog):
    study(options("--folds=2"), StandIn(TWO, MADE))
    study(options("--folds=2", "--resume=auto", "--suspect_labels"), StandIn(TWO, MADE))
    assert (
        "--suspect_labels: the study has ended without it. Run the same command with another --output_dir."
        in caplog.text
    )


def test_a_finished_study_without_one_of_its_runs_ends_as_before(options, tmp_path):
    run = StandIn(TWO, MADE, failing=("seed-2",))
    errors = []
    for words in (["--seeds=1,2,3"], ["--seeds=1,2,3", "--resume=auto"]):
        with pytest.raises(RunError, match=f"ended without seed-2;.* is in {tmp_path / 'out'}.$") as error:
            study(options(*words), run)
        errors.append(str(error.value))
    assert errors[0] == errors[1] and run.trained == ["seed-1", "seed-2", "seed-3"]


def test_a_run_that_failed_is_not_repeated_until_its_folder_is_deleted(killed, options, tmp_path, caplog):
    killed(["--seeds=1,2,3"], stand_in_recipe, "keep_predictions", 2, failing=("seed-2",))
    run = StandIn(TWO, MADE)
    with pytest.raises(RunError, match="ended without seed-2"):
        study(options("--seeds=1,2,3", "--resume=auto"), run)
    assert run.trained == ["seed-3 continued"]
    assert "seed-2 has no result: Training diverged at step 3 of 9." in caplog.text
    assert f"To try it again, delete {tmp_path / 'out' / 'seed-2'}" in caplog.text


def test_the_remedy_for_a_study_in_which_every_run_failed_works(options, tmp_path):
    for run in (StandIn(TWO, MADE, failing=("seed-1", "seed-2")), StandIn(TWO, MADE)):
        with pytest.raises(RunError, match="None of 2 runs has a result. seed-1: Training diverged"):
            study(options("--seeds=1,2", "--resume=auto"), run)
    assert not run.trained
    shutil.rmtree(tmp_path / "out" / "seed-1")
    with pytest.raises(RunError, match="ended without seed-2;"):
        study(options("--seeds=1,2", "--resume=auto"), run)
    assert run.trained == ["seed-1"]


def test_a_full_disk_stops_the_study_and_the_run_continues(options, monkeypatch):
    run = StandIn(TWO, MADE)
    with monkeypatch.context() as patch, pytest.raises(RunError, match="checkpoint-8 cannot be saved"):
        patch.setattr(stand_in_recipe, "keep_predictions", full_disk)
        study(options("--seeds=1,2"), run)
    assert run.trained == ["seed-1"]
    assert "failed" not in study(options("--seeds=1,2", "--resume=auto"), run)
    assert run.trained == ["seed-1", "seed-1 continued", "seed-2"]


def full_disk(*args):
    raise RunError("--output_dir out: checkpoint-8 cannot be saved") from OSError(errno.ENOSPC, "No space left")


@pytest.mark.parametrize(("module", "name"), [(out_of_fold, "write_predictions"), (closing, "write_json")])
def test_a_full_disk_at_the_end_of_a_study_is_one_line_and_its_remedy_trains_nothing(
    module, name, options, monkeypatch
):
    def refuse(path, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"\(No space left on device\)") as error:
        patch.setattr(module, name, refuse)
        study(options("--folds=2"), StandIn(TWO, MADE))
    assert str(error.value).endswith(f"then {closing.RESUME}")
    run = StandIn(TWO, MADE)
    assert study(options("--folds=2", "--resume=auto"), run)["runs"] and not run.trained


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-30])])
def test_a_finished_run_without_its_predictions_is_evaluated_again(damage, killed, options, tmp_path):
    results = study(options("--folds=2"), StandIn(TWO, MADE))
    whole = content(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    killed(["--folds=2"])
    damage(tmp_path / "out" / "fold-1" / PREDICTIONS)
    run = StandIn(TWO, MADE)
    assert study(options("--folds=2", "--resume=auto"), run) == results
    assert run.trained == ["fold-1"] and content(tmp_path / "out") == whole


def test_a_run_without_a_good_checkpoint_starts_again(killed, options, tmp_path, caplog):
    killed(["--seeds=1,2"], stand_in_recipe, "keep_predictions", 1)
    (tmp_path / "out" / "seed-1" / "checkpoint-8" / "optimizer.pt").unlink()
    caplog.set_level(logging.INFO, "classification")
    run = StandIn(TWO, MADE)
    study(options("--seeds=1,2", "--resume=auto"), run)
    assert run.trained == ["seed-1", "seed-2"] and "seed-1 has no good checkpoint: it starts again" in caplog.text


def test_a_run_that_is_not_of_the_study_is_not_taken_for_one(killed, options, tmp_path):
    killed(["--seeds=1,2"])
    alone = tmp_path / "out" / "seed-3"
    shutil.copytree(tmp_path / "out" / "seed-1", alone)
    message = refused(options, "--seeds=1,2,3", "--resume=auto")
    assert "seed-3 holds a run that is not part of the study there. Move that folder elsewhere" in message
    alone.rename(tmp_path / "elsewhere")
    run = StandIn(TWO, MADE)
    study(options("--seeds=1,2,3", "--resume=auto"), run)
    assert run.trained == ["seed-3"]


@pytest.mark.parametrize("place", ["", "seed-1"])
def test_a_single_run_in_the_folder_is_no_study(place, options, tmp_path):
    folder = tmp_path / "out" / place
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"finished": true, "results": {"eval_loss": 0.5}}')
    message = refused(options, "--seeds=1,2", "--resume=auto")
    assert "holds another run, and no study that --resume auto could continue with --seeds" in message


def test_a_study_of_the_first_version_is_refused(options, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text('{"results": {"runs": {"seed-1": {}}}}')
    assert "a finished study of an earlier version" in refused(options, "--seeds=1,2", "--resume=auto")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": "seeds", "begun": [], "more": 1}'])
def test_a_damaged_record_of_a_study_is_named(content, killed, options, tmp_path):
    killed(["--seeds=1,2"])
    (tmp_path / "out" / PROGRESS).write_text(content)
    assert f"its {PROGRESS} cannot be read: " in refused(options, "--seeds=1,2", "--resume=auto")


def test_a_study_that_was_killed_before_its_first_step_starts(options, tmp_path):
    (tmp_path / "out" / "seed-1").mkdir(parents=True)
    (tmp_path / "out" / "seed-1" / ".run.lock").write_text("{}")
    assert study(options("--seeds=1,2", "--resume=auto"), StandIn(TWO, MADE))["best"]


def test_a_push_that_fails_is_tried_again(options, monkeypatch, tmp_path):
    pushed = []

    def push(target, folder):
        pushed.append(sorted(path.name for path in folder.iterdir() if path.is_file()))
        if len(pushed) == 1:
            raise UsageError("--push_to_hub: no network")

    monkeypatch.setattr(seeds_and_folds, "push_model", push)
    run = StandIn(TWO, MADE)
    with pytest.raises(UsageError, match="no network"):
        study(options("--seeds=1,2"), run)
    for _ in range(2):
        study(options("--seeds=1,2", "--resume=auto"), run)
    assert len(pushed) == 2 and run.trained == ["seed-1", "seed-2"] and PROGRESS not in content(tmp_path / "out")


def test_a_first_run_that_fails_at_once_does_not_mix_the_study_with_the_run_that_makes_room(options, tmp_path):
    """The other run is moved back, so that the next run of the study makes room again."""
    study(options("--seeds=1,2"), StandIn(TWO, MADE))
    other, run = content(tmp_path / "out"), StandIn(TWO, MADE, failing=("seed-1",))
    with pytest.raises(RunError, match="ended without seed-1;"):
        study(options("--seeds=1,2,3", "--overwrite_output_dir=true"), run)
    assert content(tmp_path / "out.bak-1") == other and not (tmp_path / "out.bak-2").exists()
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert list(results["runs"]) == ["seed-2", "seed-3"] and list(results["failed"]) == ["seed-1"]
    assert not (tmp_path / "out" / PROGRESS).exists()


def test_resume_and_overwrite_move_another_run_aside_and_continue_the_study(killed, options, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    words = ["--seeds=1,2", "--resume=auto", "--overwrite_output_dir=true"]
    killed(words, stand_in_recipe, "keep_predictions", 2)
    run = StandIn(TWO, MADE)
    study(options(*words), run)
    assert run.trained == ["seed-2 continued"] and (tmp_path / "out.bak-1" / "run.json").read_text() == "{}"
    assert not (tmp_path / "out.bak-2").exists()


@pytest.mark.parametrize("flag", ["--seeds=1,2", "--folds=2"])
def test_an_unfinished_study_is_refused_without_resume_and_the_remedy_works(flag, killed, options):
    killed([flag], stand_in_recipe, "keep_predictions", 2)
    message = refused(options, flag)
    assert (
        "holds another run" in message and "continue the run with the flags of its study and --resume auto" in message
    )
    assert study(options(flag, "--resume=auto"), StandIn(TWO, MADE))["runs"]


def test_another_test_file_after_the_end_of_a_study_names_the_folder_of_the_model(options, tmp_path):
    study(options("--seeds=1,2"), StandIn(TWO, MADE))

    def refuse(plan, fold=None):
        raise UsageError(f"other results cannot be added. Pass --model_name_or_path {plan.output_dir}.")

    with pytest.raises(UsageError) as refusal:
        study(options("--seeds=1,2", "--resume=auto"), refuse)
    assert str(refusal.value).endswith(f"Pass --model_name_or_path {tmp_path / 'out'}.")


END = {  # what the end of a study calls, and how often before it is killed
    "nothing is chosen": ("record_stage", 1),
    "the model is not moved": ("move_model", 1),
    "the model is moved": ("sync_folder", 1),
    "the results are not written": ("write_records", 1),
    "the results are not marked as written": ("record_stage", 2),
    "one model is deleted": ("forget_predictions", 2),
    "all is deleted": ("end_study", 1),
}


@pytest.mark.parametrize(("name", "number"), END.values(), ids=END)
def test_the_end_of_a_study_can_be_killed_between_its_steps(name, number, killed, options, tmp_path):
    results = study(options("--seeds=1,2"), StandIn(TWO, MADE))
    whole = content(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    killed(["--seeds=1,2"], seeds_and_folds if name == "end_study" else closing, name, number)
    run = StandIn(TWO, MADE)
    assert study(options("--seeds=1,2", "--resume=auto"), run) == results
    assert not run.trained and content(tmp_path / "out") == whole
