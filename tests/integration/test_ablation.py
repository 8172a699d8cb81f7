"""The ablation trains every ingredient over seeds, on validation, and continues where it was killed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import ablate
import pytest
from ablate import BASE, INGREDIENTS, LINES, TABLE, Result, best_together, gains, read_results, table

from classification.errors import RunError, UsageError


def result(name: str, seed: int, loss: float | None, headline: float | None = 0.5, **more) -> Result:
    flags = ["--num_train_epochs=1", *ablate.INGREDIENTS.get(name, ())]
    return Result(name, seed, flags, loss, "accuracy", headline, 10.0, **more)


RESULTS = {
    BASE: [result(BASE, 1, 0.50, 0.70), result(BASE, 2, 0.60, 0.80)],
    "pooling": [result("pooling", 1, 0.40, 0.72), result("pooling", 2, 0.54, 0.78)],
    "ema": [result("ema", 1, 0.49, 0.7), result("ema", 2, 0.59, 0.8)],
    "last_3": [result("last_3", 1, 0.45, 0.7), result("last_3", 2, 0.55, 0.8)],
    "r_drop": [result("r_drop", 1, 0.70, 0.6), result("r_drop", 2, None, None, failed="loss is nan")],
}


def test_a_difference_is_that_of_equal_seeds():
    assert gains(RESULTS[BASE], RESULTS["pooling"], "loss") == pytest.approx([-0.10, -0.06])
    assert gains(RESULTS[BASE], RESULTS["r_drop"], "headline") == pytest.approx([-0.1])
    assert gains(RESULTS[BASE], [result("ema", 9, 0.1)], "loss") == []


def test_the_table_has_mean_and_deviation_of_values_and_differences():
    rows = {line.split(" | ")[0].strip("| "): line for line in table(RESULTS).splitlines()[2:]}
    assert "| 0.4700 ± 0.0990 | -0.0800 ± 0.0283 | 0.7500 ± 0.0424 | +0.0000 ± 0.0283 | 1.00 |" in rows["pooling"]
    assert "`--pooling=mean`" in rows["pooling"] and "-0.0" not in rows[BASE]
    assert "| 0.7000 | +0.2000 |" in rows["r_drop (1 of 2 failed)"]


def test_what_lowers_the_loss_is_combined_and_one_flag_has_one_value():
    """last_3 gains more than ema, which sets the same flag."""
    assert best_together(RESULTS) == ["--pooling=mean", *INGREDIENTS["last_3"]]


def test_a_line_that_a_kill_has_cut_off_is_removed(tmp_path):
    path = tmp_path / LINES
    ablate.add_result(path, RESULTS[BASE][0])
    whole = path.read_text()
    path.write_text(whole + whole[:20])
    assert read_results(path) == [RESULTS[BASE][0]] and path.read_text() == whole
    assert read_results(tmp_path / "none") == []


@pytest.fixture
def run_ablation(command, tmp_path, monkeypatch):
    """Runs the script on the tiny model and returns its flags per training."""
    trainings: list[list[str]] = []
    real = ablate.fine_tune

    def fine_tune(flags):
        trainings.append(flags)
        return real(flags)

    def run(*words: str, **flags) -> list[list[str]]:
        trainings.clear()
        common = command(output_dir=tmp_path / "ablation", **flags)
        monkeypatch.setattr(sys, "argv", ["ablate.py", *common, *words])
        monkeypatch.setattr(ablate, "fine_tune", fine_tune)
        ablate.main()
        return trainings

    return run


def test_finished_runs_are_not_repeated_and_test_is_not_read(run_ablation, tmp_path):
    words = ("--ingredients", "smoothing", "--seeds", "1,2")
    assert len(run_ablation(*words)) == 4
    path = tmp_path / "ablation" / LINES
    first = path.read_text()
    lines = [json.loads(line) for line in first.splitlines()]
    assert [(line["ingredient"], line["seed"]) for line in lines] == [(BASE, 1), (BASE, 2), ("smoothing", 1),
                                                                      ("smoothing", 2)]  # fmt: skip
    assert len({line["loss"] for line in lines}) == 4 and all("test" not in key for line in lines for key in line)
    assert sorted(each.name for each in (tmp_path / "ablation").iterdir()) == sorted([LINES, TABLE])
    path.write_text("".join(first.splitlines(keepends=True)[:3]))  # killed in the last run
    (tmp_path / "ablation" / "base-1" / "checkpoint-8").mkdir(parents=True)  # killed before it was deleted
    assert [flags[-2] for flags in run_ablation(*words)] == ["--seed=2"]
    assert sorted(each.name for each in (tmp_path / "ablation").iterdir()) == sorted([LINES, TABLE])
    assert [replace(one, seconds=0) for one in read_results(path)] == [
        replace(Result(**line), seconds=0) for line in lines
    ]
    with pytest.raises(UsageError, match=r"has base with other flags \(.*\). Choose another --output_dir"):
        run_ablation(*words, num_train_epochs=5)


def test_a_run_that_diverges_is_recorded_and_the_others_go_on(run_ablation, tmp_path, monkeypatch):
    monkeypatch.setattr(ablate, "INGREDIENTS", {"huge": ("--learning_rate=1e30",)})
    run_ablation("--ingredients", "huge", "--seeds", "1")
    failed = read_results(tmp_path / "ablation" / LINES)[1]
    assert failed.ingredient == "huge" and failed.loss is None and failed.failed
    assert "1 of 1 failed" in (tmp_path / "ablation" / TABLE).read_text()


def test_an_ingredient_that_the_model_refuses_has_failed_and_a_lack_of_disk_ends_the_command(
    run_ablation, tmp_path, monkeypatch, capsys
):
    run_ablation("--ingredients", "r_drop", "--seeds", "1,1")  # the tiny model has no dropout
    results = read_results(tmp_path / "ablation" / LINES)
    assert [(one.ingredient, one.seed, bool(one.failed)) for one in results] == [(BASE, 1, False), ("r_drop", 1, True)]
    assert "failed: --r_drop 1" in capsys.readouterr().out

    def full(flags):
        raise RunError("no space") from OSError("no space")

    monkeypatch.setattr(ablate, "fine_tune", full)
    with pytest.raises(RunError, match="no space"):
        ablate.run_one("ema", 1, [], tmp_path / "ablation" / "ema-1")


def test_the_mean_of_three_evaluations_fits_two_epochs(run_ablation, tmp_path):
    run_ablation("--ingredients", "last_3", "--seeds", "1", "--num_train_epochs", "2")
    assert [one.failed for one in read_results(tmp_path / "ablation" / LINES)] == ["", ""]


def test_only_the_ingredients_that_were_asked_for_are_checked(command, monkeypatch):
    monkeypatch.setitem(INGREDIENTS, "last_3", ("--average=last=3",))
    flags = command(output_dir=None, eval_strategy="no")
    ablate.check(flags, ["smoothing"])
    with pytest.raises(UsageError, match="--average last=3"):
        ablate.check(flags, ["last_3"])
