"""The section about a search shows every trial, names the chosen one, and says how lucky the choice was."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from classification.report.page.figures import drawing, write_figure
from classification.report.page.search_figure import draw_trials
from classification.report.page.search_section import search_section


def trial(number: int, value: float | None, state: str = "complete", **facts) -> dict:
    settings = {"learning_rate": number * 1e-5, "average": None}
    return {"number": number, "settings": settings, "state": state, "value": value, "headline": 0.8, "seconds": 24.0,
            "problem": "", **facts}  # fmt: skip


def search_of(*trials: dict, **facts) -> dict:
    return {
        "metric": "val_loss", "higher": False, "headline": "accuracy", "space": {"learning_rate": {}, "average": []},
        "rows": 100, "cross_fitted": None, "best": "trial-002", "starts_with_own": True,
        "trials": list(trials), **facts,
    }  # fmt: skip


def section_of(*trials: dict, **facts):
    with drawing():
        return search_section(SimpleNamespace(record={"search": search_of(*trials, **facts)}))


def test_the_best_trial_comes_first_and_is_marked():
    values = section_of(trial(1, 0.5), trial(2, 0.4), trial(3, None, "pruned")).values
    assert [row["name"] for row in values["rows"]] == ["trial-002", "trial-001", "trial-003"]
    assert [row["badges"] for row in values["rows"]] == [[("chosen", "ok")], [], [("stopped early", "note")]]
    assert values["rows"][0]["cells"][0] == "0.4000" and values["rows"][0]["cells"][-2:] == ["2e-05", "left out"]
    assert "3 settings were tried" in values["lead"] and "learning_rate 2e-05, average left out" in values["lead"]
    assert values["gain"] == "The first trial has the settings of the command: validation loss 0.5000."


def test_a_failed_trial_has_its_reason_and_no_place_in_the_plot():
    failed = trial(3, None, "failed", problem="Training diverged at step 3.", headline=None, seconds=None)
    section = section_of(trial(1, 0.5), trial(2, 0.4), failed)
    assert section.values["problems"] == [("trial-003", "Training diverged at step 3.")]
    assert "trial-003" not in section.values["plot"] and section.values["rows"][-1]["cells"][0] == "–"


def test_the_luck_of_the_choice_has_a_figure_where_there_is_one():
    assert "a little too good." in section_of(trial(1, 0.5), trial(2, 0.4)).values["luck"]
    luck = section_of(trial(1, 0.5), trial(2, 0.4), cross_fitted=0.42).values["luck"]
    assert luck.endswith("Chosen on one half of the 100 rows and measured on the other, it is 0.4200 on average.")


def test_where_more_is_better_the_highest_comes_first():
    values = section_of(trial(1, 0.5), trial(2, 0.6), metric="f1_macro", higher=True).values
    assert values["rows"][0]["name"] == "trial-002" and values["columns"][1][0] == "F1 (macro)"


def test_if_the_command_had_the_best_settings_it_is_said():
    values = section_of(trial(1, 0.3), trial(2, 0.4), best="trial-001").values
    assert values["gain"] == "The first trial has the settings of the command. No other trial was better."


def test_a_first_trial_with_other_settings_is_no_measure_of_the_gain():
    assert section_of(trial(1, 0.5), trial(2, 0.4), starts_with_own=False).values["gain"] == ""


def test_a_search_by_the_headline_metric_has_it_once():
    section = section_of(trial(1, 0.7), trial(2, 0.8), metric="accuracy", higher=True)
    assert [title for title, _ in section.values["columns"]].count("Accuracy") == 1
    assert len(section.values["rows"][0]["cells"]) == len(section.values["columns"]) - 1


def test_many_trials_are_cut_and_one_has_no_plot():
    section = section_of(*(trial(number, 1 / number) for number in range(1, 61)), best="trial-060")
    assert len(section.values["rows"]) == 50 and section.left_out == "10 more trials are in search.json."
    alone = section_of(trial(2, 0.4))
    assert alone.values["plot"] is None and "1 setting was tried" in alone.values["lead"]


@pytest.mark.parametrize(("higher", "best"), [(False, [3, 3, 1]), (True, [3, 4, 4])])
def test_the_line_of_the_plot_is_the_best_of_the_trials_before(higher, best):
    trials = [trial(1, 3.0), trial(2, None, "pruned"), trial(3, 4.0), trial(4, 1.0)]
    with drawing():
        lines = draw_trials(search_of(*trials, best="trial-001", higher=higher)).axes[0].lines
    assert [line.get_xdata().tolist() for line in lines] == [[1, 3, 4], [1, 3, 4], [1]]
    assert [line.get_ydata().tolist() for line in lines] == [best, [3, 4, 1], [3]]


def test_the_file_of_the_plot_is_the_same_twice_and_text_stays_text(tmp_path):
    found = search_of(trial(1, 0.5), trial(2, 0.4), trial(3, None, "failed"))
    for name in ("a.svg", "b.svg"):
        write_figure(tmp_path / name, lambda: draw_trials(found))
    shown = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "Validation loss" in shown and "best so far" in shown
    assert (tmp_path / "b.svg").read_text(encoding="utf-8") == shown


@pytest.mark.parametrize("record", [{}, {"search": {}}, {"search": {"trials": [], "best": None}}, {"search": 3}])
def test_a_run_without_a_search_has_no_section(record):
    assert search_section(SimpleNamespace(record=record)) is None
