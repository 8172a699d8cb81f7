"""The benchmark of two runs at once: medians over the rounds, and each setting in processes of its own."""

from __future__ import annotations

import benchmark_two_runs
import pytest
from benchmark_two_runs import Process, measure, table
from helpers import ROOT

from classification.cli.threads import SPINS


class Clockwork:
    """Replaces a process: its turns have speeds that are fixed here."""

    def __init__(self, *speeds: float):
        self.speeds, self.turns = iter(speeds), []

    def start(self, shape: str, seconds: float) -> None:
        self.turns.append((shape, seconds))

    def speed(self) -> float:
        return next(self.speeds)


def test_figures_are_medians_over_the_rounds_without_the_first_turn():
    first = Clockwork(1, 100, 20, 104, 30, 102, 25)  # a warm-up, then alone and in a pair three times
    second = Clockwork(1, 40, 50, 45)
    assert measure({"default": [first, second]}, "16x12", 3, 5.0) == {"default": {"alone": 102, "pair": [25, 45]}}
    assert first.turns == [("16x12", 1.0), *[("16x12", 5.0)] * 6] and len(second.turns) == 4


def test_the_table_compares_with_a_lone_run_without_a_setting():
    figures = {"default": {"alone": 100, "pair": [25, 50]}, "GOMP_SPINCOUNT=7": {"alone": 95, "pair": [40, 41]}}
    rows = table("16x12", figures)[-2:]
    assert rows[0] == "| default | 100 | +0% | 25 and 50 | 4.0 |"
    assert rows[1] == "| GOMP_SPINCOUNT=7 | 95 | -5% | 40 and 41 | 2.5 |"


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [("default", {}), ("GOMP_SPINCOUNT=7", {"GOMP_SPINCOUNT": "7"}),
     ("OMP_WAIT_POLICY=PASSIVE", {"OMP_WAIT_POLICY": "PASSIVE"})],
)  # fmt: skip
def test_a_process_has_its_own_setting_and_none_of_the_caller(setting, wanted, monkeypatch):
    environments = []
    monkeypatch.setattr(benchmark_two_runs.subprocess, "Popen", lambda *_, env, **__: environments.append(env))
    monkeypatch.setenv("GOMP_SPINCOUNT", "3")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    Process(setting)
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    assert {name: environments[0][name] for name in names if name in environments[0]} == wanted


def test_the_documentation_names_the_setting_of_a_command():
    assert f"`GOMP_SPINCOUNT={SPINS}`" in (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
