"""The page of a study: how its runs spread, which one is kept and why, and the rows that stand in for test."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from browsing import open_page

from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.report.page.figures import drawing
from classification.report.page.page import draw_page, write_page
from classification.report.page.studies_section import studies_section
from classification.report.run_files import RunFiles
from classification.report.study_files import kept_run, read_folder

TWO, NUMBER = infer_task(["a", "b"]), infer_task([1.5, 2.5])


def run_of(study: dict, task=TWO, **changes) -> RunFiles:
    return RunFiles("out", {}, {}, task, None, {}, study=study, **changes)


def values_of(study: dict, task=TWO) -> dict:
    with drawing():
        return studies_section(run_of(study, task)).values


SEEDS = {
    "runs": {f"seed-{i}": {"test_loss": 0.5, "test_accuracy": value, "eval_loss": loss, "eval_accuracy": 0.5}
             for i, (value, loss) in enumerate(((0.8, 0.4), (0.9, 0.3), (0.7, 0.9)), 1)},
    "best": "seed-2", "collapsed": ["seed-3"], "failed": {"seed-4": "Training diverged at step 3 of 9."},
    "test_loss_mean": 0.5, "test_loss_sd": 0.0, "test_accuracy_mean": 0.8, "test_accuracy_sd": 0.1,
    "eval_loss_mean": 0.53, "eval_loss_sd": 0.3, "eval_accuracy_mean": 0.5, "eval_accuracy_sd": 0.0,
}  # fmt: skip


def test_runs_with_the_same_figure_have_no_spread():
    runs = {name: entry | {"test_accuracy": 0.8} for name, entry in SEEDS["runs"].items()}
    assert values_of(SEEDS | {"runs": runs})["lead"] == "Accuracy on the test rows is 80.0% in each of 3 runs."


def test_the_spread_the_kept_run_and_its_reason_are_named():
    values = values_of(SEEDS)
    spread = "80.0% on average over 3 runs, from 70.0% to 90.0% (standard deviation 10.0 points)."
    assert values["lead"] == f"Accuracy on the test rows is {spread}"
    assert values["kept"] == "The model of seed-2 is kept, because it has the lowest validation loss (0.300)."
    assert values["failed"] == [("seed-4", "Training diverged at step 3 of 9.")] and values["collapsed"] == ["seed-3"]
    rows = {row["name"]: row for row in values["runs"]}
    assert rows["seed-2"]["is_kept"] and rows["seed-2"]["cells"] == ["90.0%", "50.0%", "0.300"]
    assert rows["seed-3"]["badges"] == [("collapsed", "bad")]


def test_the_table_has_mean_and_deviation_of_each_main_metric():
    rows = {row["name"]: row["cells"] for row in values_of(SEEDS)["metrics"]}
    assert rows["Accuracy"] == ["80.0% ± 10.0 points", "50.0% ± 0.0 points"]
    assert "Loss" in rows and "Macro F1" not in rows  # no run has it


def test_the_plot_has_a_point_per_run_with_their_values_for_a_screen_reader():
    svg = str(values_of(SEEDS)["plot"])
    assert "seed-1 80.0%, seed-2 90.0%, seed-3 70.0%; the line is the mean, 80.0%." in svg
    assert all(f">{name}<" in svg for name in ("seed-1", "seed-2 (kept)", "seed-3"))


def test_a_study_of_folds_shows_all_rows_together_with_their_interval():
    runs = {f"fold-{i}": {"eval_loss": 0.5, "eval_accuracy": 0.6 + i / 10} for i in (1, 2)}
    study = {
        "runs": runs, "collapsed": [], "eval_loss_mean": 0.5, "eval_accuracy_mean": 0.75, "eval_accuracy_sd": 0.07,
        "out_of_fold_accuracy": 0.74, "out_of_fold_accuracy_low": 0.7, "out_of_fold_accuracy_high": 0.78,
    }  # fmt: skip
    values = values_of(study)
    assert values["lead"].startswith("Accuracy on the held-out fold is 75.0% on average over 2 folds")
    rows = {row["name"]: row["cells"] for row in values["metrics"]}
    assert rows["Accuracy"] == ["75.0% ± 7.0 points", "74.0% (70.0% to 78.0%)"] and not values["kept"]


@pytest.mark.parametrize("runs", [{"seed-1": {"eval_loss": 0.5, "eval_accuracy": 0.5}},
                                  {"seed-1": {"eval_loss": None}, "seed-2": {"eval_loss": None}}])  # fmt: skip
def test_one_run_or_undefined_figures_draw_no_plot(runs):
    assert values_of({"runs": runs, "best": "seed-1", "collapsed": []})["plot"] is None


def test_a_metric_in_units_of_its_own_is_no_percentage():
    runs = {f"seed-{i}": {"test_loss": 1.0, "test_rmse": 10.0 + i, "eval_loss": 1.0} for i in (1, 2, 3)}
    study = {"runs": runs, "best": "seed-1", "collapsed": [], "test_loss_mean": 1.0, "test_rmse_mean": 12.0,
             "test_rmse_sd": 1.0}  # fmt: skip
    values = values_of(study, NUMBER)
    assert "is 12 on average" in values["lead"] and "%" not in values["lead"] + str(values["plot"])


def test_a_run_of_its_own_has_no_such_section():
    assert studies_section(run_of({})) is None


# ---------------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def seeds(finished):
    return finished(seeds="1,2", num_train_epochs=2, learning_rate=0.001)


@pytest.fixture(scope="module")
def folds(finished):
    return finished(folds=2, validation_file=None, num_train_epochs=3)


def test_a_study_of_seeds_is_read_as_the_run_that_is_kept(seeds):
    run, best = read_folder(seeds.folder), seeds.results["best"]
    assert run.metrics["test_accuracy"] == seeds.results["runs"][best]["test_accuracy"]
    assert run.predictions.ids == [row["id"] for row in seeds.predictions] and run.neighbours
    assert "--seeds=1,2" in run.record["command"] and run.record["data"]["train"]["rows"] == 64
    assert kept_run(seeds.folder) == seeds.folder / best


def test_a_study_of_folds_is_read_as_its_out_of_fold_rows(folds):
    run = read_folder(folds.folder)
    assert run.rows_are == "out-of-fold" and len(run.predictions.ids) == 64 == run.metrics["test_scored"]
    assert run.metrics["test_accuracy"] == folds.results["out_of_fold_accuracy"]
    assert set(run.predictions.slices["fold"]) == {"1", "2"} and kept_run(folds.folder) is None
    assert "The models get" in (folds.folder / "report.html").read_text(encoding="utf-8")
    assert "there are no test rows" not in folds.shown


def test_no_part_of_a_study_has_a_page_of_its_own(seeds, folds):
    pages = [path.parent for study in (seeds, folds) for path in study.folder.rglob("report.html")]
    assert pages == [seeds.folder, folds.folder]
    assert [path.parent for path in seeds.folder.rglob("README.md")] == [seeds.folder]


def copy_of(study: Path, place: Path) -> Path:
    """A copy that can be written to."""
    shutil.copytree(study, place, copy_function=shutil.copyfile)
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755)
    return place


@pytest.fixture(scope="module")
def pages(seeds, folds, tmp_path_factory) -> dict[str, Path]:
    """The page of each study, drawn from a copy of its files."""
    place = tmp_path_factory.mktemp("pages")
    return {
        kind: write_page(copy_of(study.folder, place / kind)) for kind, study in (("seeds", seeds), ("folds", folds))
    }


@pytest.mark.parametrize("kind", ["seeds", "folds"])
def test_the_page_is_drawn_again_from_the_files_alone(kind, pages, tmp_path):
    again = write_page(copy_of(pages[kind].parent, tmp_path / kind))
    before, now = (re.sub(r"/[^\s\"<&]*", "", page.read_text(encoding="utf-8")) for page in (pages[kind], again))
    assert 'id="study"' in before and before.count("<h1") == 1 and before == now


def test_the_page_of_a_study_of_the_first_version_is_drawn(folds, tmp_path):
    """It had no `task` and no `study` in run.json, and another name for the out-of-fold rows."""
    copy_of(folds.folder, tmp_path / "old")
    (tmp_path / "old" / "oof.csv").rename(tmp_path / "old" / "out_of_fold_predictions.csv")
    for file in (tmp_path / "old").rglob("run.json"):
        record = json.loads(file.read_text(encoding="utf-8"))
        gone = ("task", "study", "predictions", "labels") if file.parent.name == "old" else ("task",)
        file.write_text(json.dumps({key: value for key, value in record.items() if key not in gone}), encoding="utf-8")
    run = read_folder(tmp_path / "old")
    assert len(run.predictions.ids) == 64 and 'id="study"' in draw_page(run)


def test_a_study_that_has_not_ended_says_how_to_continue(tmp_path):
    (tmp_path / "study_progress.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="the study has not ended. Continue it: .*--resume auto"):
        read_folder(tmp_path)


@pytest.mark.parametrize("kind", ["seeds", "folds"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_of_a_study_is_readable_at_both_widths(kind, width, browser, pages):
    with open_page(browser, pages[kind], width) as opened:
        opened.assert_alone()
        opened.assert_readable()
        opened.assert_accessible()
        assert opened.page.locator("#study h2").count() == 1
