"""A search tries settings on validation, goes on after a kill as if there had been none, and keeps the best model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from planned_deaths import dies_in_child
from trial_recipe import TrialRecipe, loss_of

from classification.cli.parser import parse_arguments
from classification.errors import Diverged, RunError, UsageError
from classification.experiments.search import search_settings
from classification.reporting.output_folder import holds_a_run, output_guarded
from classification.training import checkpoints

pytest.importorskip("optuna")


@pytest.fixture(autouse=True)
def checkpoints_are_good(monkeypatch):
    """A stand-in's checkpoint is good if it has its name and its file."""
    monkeypatch.setattr(checkpoints, "problem_of", lambda path: None if (path / "optimizer.pt").exists() else "damaged")


@pytest.fixture
def options(tmp_path):
    """A function that parses a command line."""
    for name in ("a", "test"):
        (tmp_path / f"{name}.csv").write_text("text,label\n")
    words = [f"--train_file={tmp_path / 'a.csv'}", f"--test_file={tmp_path / 'test.csv'}"]
    return lambda *more: parse_arguments([*words, f"--output_dir={tmp_path / 'out'}", *more])


def search(options, recipe):
    """A command with `--search`; returns the options of its run."""
    with output_guarded(options.output_dir):
        chosen = search_settings(options, recipe)
        if not options.run.dry_run:
            recipe(chosen)
        return chosen


def record(folder) -> dict:
    """search.json without times."""
    content = json.loads((Path(folder) / "search.json").read_text())
    return {**content, "trials": [{**trial, "seconds": None} for trial in content["trials"]]}


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


# ------------------------------------------------------------------------------------------------------------- results


def test_the_run_has_the_best_settings_and_is_not_trained_again(options, tmp_path):
    recipe, out = TrialRecipe(), tmp_path / "out"
    chosen = search(options("--search=6"), recipe)
    found = record(out)
    assert len(found["trials"]) == 6 and [name for name, *_ in recipe.trained] == [f"trial-00{i}" for i in range(1, 7)]
    best = min((trial for trial in found["trials"]), key=lambda trial: trial["value"])
    assert chosen.best_trial == found["best"] == f"trial-{best['number']:03d}"
    assert loss_of(chosen) == best["value"] < found["trials"][0]["value"]
    assert chosen.run.resume == str(out / "search" / chosen.best_trial / "checkpoint-8")


def test_the_first_trial_has_the_settings_of_the_command(options, tmp_path):
    search(options("--search=2"), TrialRecipe())
    settings = record(tmp_path / "out")["trials"][0]["settings"]
    assert settings == {
        "learning_rate": 2e-5, "num_train_epochs": 3, "per_device_train_batch_size": 16, "warmup_steps": 0.1,
        "layerwise_lr_decay": None,
    }  # fmt: skip


def test_a_trial_never_predicts_test_and_the_run_does_what_was_asked(options):
    recipe = TrialRecipe()
    chosen = search(options("--search=2", "--baselines=majority", "--push_to_hub=true", "--token=hf_x"), recipe)
    assert recipe.seen == {"train", "eval"}
    assert chosen.phases == {"train", "eval", "predict"} and chosen.run.baselines == ("majority",) and chosen.push
    assert chosen.values["search"] == 2 and "layerwise_lr_decay" not in chosen.values and chosen.search is None


def test_a_typed_flag_is_not_searched(options, tmp_path, caplog):
    caplog.set_level("INFO")
    search(options("--search=3", "--learning_rate=5e-5"), TrialRecipe())
    assert all("learning_rate" not in trial["settings"] for trial in record(tmp_path / "out")["trials"])
    assert "not searched --learning_rate: typed" in caplog.text


def test_only_the_best_trial_keeps_its_checkpoints_until_the_run_is_finished(options, tmp_path):
    kept, recipe = [], TrialRecipe()

    def watched(made, fold=None):
        kept.append(sorted(path.parent.name for path in (tmp_path / "out").rglob("checkpoint-*")))
        return recipe(made, fold)

    search(options("--search=4"), watched)
    assert all(len(names) <= 1 for names in kept) and kept[-1] == [record(tmp_path / "out")["best"]]
    left = {path.parent.name for path in (tmp_path / "out").rglob("checkpoint-*")}
    assert left == {"out"} and not list((tmp_path / "out" / "search").rglob("*.safetensors"))


def test_a_higher_metric_is_better_where_it_is(options, tmp_path):
    search(options("--search=4", "--metric_for_best_model=accuracy"), TrialRecipe())
    found = record(tmp_path / "out")
    best = max(found["trials"], key=lambda trial: trial["value"])
    assert found["higher"] and found["best"] == f"trial-{best['number']:03d}"


def test_the_same_command_makes_the_same_trials(options, tmp_path):
    search(options("--search=7"), TrialRecipe())
    first = record(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    search(options("--search=7"), TrialRecipe())
    assert record(tmp_path / "out") == first
    shutil.rmtree(tmp_path / "out")
    search(options("--search=7", "--seed=1"), TrialRecipe())
    assert record(tmp_path / "out")["trials"][1] != first["trials"][1]


def test_a_dry_run_prints_the_space_and_the_first_settings(options, tmp_path, caplog):
    caplog.set_level("INFO")
    chosen = search(options("--search=4", "--dry_run"), TrialRecipe())
    assert "1e-05 to 0.0002 (log)" in caplog.text and "--learning_rate 2e-05" in caplog.text
    assert chosen.run.dry_run and chosen.trainer["learning_rate"] == 2e-5 and not (tmp_path / "out").exists()


def test_a_small_space_is_tried_once(options, tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "space.yaml").write_text("learning_rate: [1e-5, 1e-4]\nnum_train_epochs: {low: 2, high: 3}\n")
    recipe = TrialRecipe()
    search(options("--search=9", f"--search_space={tmp_path / 'space.yaml'}"), recipe)
    assert len({(rate, epochs) for _, rate, epochs in recipe.trained}) == len(recipe.trained) == 4
    assert "all 4 different settings of the space were tried" in caplog.text


# ------------------------------------------------------------------------------------------------------------ failures


def test_a_trial_that_diverges_has_failed_and_the_search_goes_on(options, tmp_path, caplog):
    recipe = TrialRecipe(failing={"trial-002": Diverged("Training diverged at step 3 of 9.")})
    search(options("--search=4"), recipe)
    trials = record(tmp_path / "out")["trials"]
    assert [trial["state"] for trial in trials] == ["complete", "failed", "complete", "complete"]
    assert "diverged at step 3" in trials[1]["problem"] and "trial 2 of 4 has no result" in caplog.text


def test_settings_that_a_check_refuses_have_failed_but_not_those_of_the_command(options):
    refused = UsageError("--layerwise_lr_decay 0.9: no layers.")
    search(options("--search=3"), TrialRecipe(failing={"trial-002": refused}))
    with pytest.raises(UsageError, match="holds another run.*the flags|holds another run"):
        search(options("--search=3"), TrialRecipe())
    again = options("--search=3", "--overwrite_output_dir")
    with pytest.raises(UsageError, match="no layers"):
        search(again, TrialRecipe(failing={"trial-001": refused}))


def test_without_any_result_the_search_is_an_error(options):
    recipe = TrialRecipe(failing={f"trial-00{i}": Diverged("Training diverged.") for i in (1, 2)})
    with pytest.raises(RunError, match="None of 2 trials has a result. Training diverged"):
        search(options("--search=2"), recipe)


@pytest.mark.parametrize("message", ["checkpoint-8 cannot be written", "Out of memory at step 3: one row of 9 tokens"])
def test_a_lack_of_disk_or_memory_ends_the_search_and_the_trial_continues(message, options, tmp_path):
    with pytest.raises(RunError, match=message):
        search(options("--search=3"), TrialRecipe(failing={"trial-002": RunError(message)}))
    assert len(record(tmp_path / "out")["trials"]) == 1
    recipe = TrialRecipe()
    search(options("--search=3", "--resume=auto"), recipe)
    assert [name for name, *_ in recipe.trained] == ["trial-002", "trial-003"]


def test_a_hopeless_trial_is_stopped_and_is_never_the_best(options, tmp_path, caplog):
    caplog.set_level("INFO")
    search(options("--search=14"), TrialRecipe())
    found = record(tmp_path / "out")
    pruned = [trial for trial in found["trials"] if trial["state"] == "pruned"]
    assert pruned and all(trial["value"] is None and trial["number"] > 5 for trial in pruned)
    assert "worse than the median of the trials before" in caplog.text


# ------------------------------------------------------------------------------------------------------------ resuming


def test_a_search_killed_at_any_change_of_the_disk_ends_as_if_it_had_not_been(options, tmp_path, pytestconfig):
    out, step = tmp_path / "out", 1 if pytestconfig.getoption("--slow") else 29
    search(options("--search=7"), TrialRecipe())
    whole, files = record(out), files_in(out)
    shutil.rmtree(out)
    for dies_at in range(1, 1000, step):
        if not dies_in_child(lambda: search(options("--search=7"), TrialRecipe()), dies_at):
            assert dies_at > 100, "the audit hook sees nothing"
            return
        ended = record(out)["trials"] if (out / "search.json").exists() else []
        recipe = TrialRecipe()
        search(options("--search=7", "--resume=auto"), recipe)
        assert record(out) == whole and files_in(out) == files, dies_at
        assert not {f"trial-{trial['number']:03d}" for trial in ended} & {name for name, *_ in recipe.trained}, dies_at
        shutil.rmtree(out)
    raise AssertionError("the search never ended")


def test_more_trials_continue_a_finished_search(options, tmp_path):
    search(options("--search=9"), TrialRecipe())
    whole = record(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    search(options("--search=3"), TrialRecipe())
    recipe = TrialRecipe()
    chosen = search(options("--search=9", "--resume=auto"), recipe)
    assert record(tmp_path / "out") == whole and chosen.best_trial == whole["best"]
    assert [name for name, *_ in recipe.trained] == [f"trial-00{i}" for i in range(4, 10)]


def test_fewer_trials_are_those_that_there_are(options, tmp_path):
    search(options("--search=4"), TrialRecipe())
    recipe = TrialRecipe()
    chosen = search(options("--search=2", "--resume=auto"), recipe)
    assert not recipe.trained and chosen.best_trial == record(tmp_path / "out")["best"]


def test_a_finished_run_is_left_alone(options, tmp_path):
    search(options("--search=3"), TrialRecipe())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.name == "run.json"}
    recipe = TrialRecipe()
    chosen = search(options("--search=3", "--resume=auto"), recipe)
    assert chosen.run.resume == "auto" and not recipe.trained
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_best_trial_whose_checkpoints_were_deleted_is_trained_again(options, tmp_path, monkeypatch):
    recipe, out = TrialRecipe(), tmp_path / "out"
    with output_guarded(out):
        chosen = search_settings(options("--search=3"), recipe)
    shutil.rmtree(Path(chosen.run.resume))
    again = TrialRecipe()
    assert search(options("--search=3", "--resume=auto"), again).best_trial == chosen.best_trial
    assert [name for name, *_ in again.trained] == [chosen.best_trial]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--learning_rate=1e-4"], "the space: .*learning_rate.* then"),
        (["--seed=7"], "--seed: 42 then, 7 now. Give the old flags"),
        (["--metric_for_best_model=accuracy"], "--metric_for_best_model: val_loss then, accuracy now"),
        (["--calibrate=false"], "--calibrate: true then, false now"),
        (["--tune_thresholds=per_label"], "--tune_thresholds: nothing then, per_label now"),
        (["--thresholds=0.3"], "--thresholds: nothing then, 0.3 now"),
        (["--target_recall=0.9"], "--target_recall: nothing then, 0.9 now"),
    ],
)
def test_another_search_is_not_continued(flags, message, options):
    search(options("--search=2"), TrialRecipe())
    with pytest.raises(UsageError, match=message):
        search(options("--search=4", "--resume=auto", *flags), TrialRecipe())
    search(options("--search=4", "--resume=auto"), TrialRecipe())


def test_data_that_changes_between_two_trials_ends_the_search(options, tmp_path):
    recipe = TrialRecipe()

    def changing(made, fold=None):
        recipe.label = "another" if made.output_dir.name == "trial-003" else "text"
        return recipe(made, fold)

    with pytest.raises(UsageError, match="trial-003: the data has changed since the search began"):
        search(options("--search=4"), changing)
    assert len(record(tmp_path / "out")["trials"]) == 2


def test_another_run_in_the_folder_is_refused_or_moved_aside(options, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="holds another run"):
        search(options("--search=2"), TrialRecipe())
    with pytest.raises(UsageError, match="holds a run, and no search that --resume auto could continue"):
        search(options("--search=2", "--resume=auto"), TrialRecipe())
    assert files_in(out) == {"run.json"}
    search(options("--search=2", "--overwrite_output_dir"), TrialRecipe())
    assert files_in(tmp_path / "out.bak-1") == {"run.json"} and len(record(out)["trials"]) == 2


def test_an_unfinished_search_is_a_run_that_nobody_overwrites(options, tmp_path):
    with pytest.raises(RunError):
        search(options("--search=3"), TrialRecipe(failing={"trial-002": RunError("full")}))
    assert holds_a_run(tmp_path / "out")
    with pytest.raises(UsageError, match="continue the run with the flags of its search and --resume auto"):
        search(options("--search=3"), TrialRecipe())


def test_a_run_that_is_moved_aside_returns_if_the_first_trial_fails_at_once(options, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("{}")
    with pytest.raises(RunError, match="diverged"):
        search(
            options("--search=2", "--overwrite_output_dir"), TrialRecipe(failing={"trial-001": Diverged("diverged")})
        )
    assert files_in(out) == {"run.json"} and not (tmp_path / "out.bak-1").exists()
