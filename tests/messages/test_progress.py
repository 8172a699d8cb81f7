"""Progress: a line per tenth of long work without a terminal, one bar at a time on a terminal, nothing if disabled."""

from __future__ import annotations

import io
import time

import pytest
from tqdm.auto import tqdm

from classification.messages import progress as module
from classification.messages.progress import Progress, progress, rough_duration


@pytest.fixture
def lines(caplog):
    """A function that returns the log lines so far."""
    caplog.set_level("INFO")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def terminal(monkeypatch):
    """A terminal whose content can be read."""
    screen = io.StringIO()
    monkeypatch.setattr(module, "has_terminal", lambda: True)
    monkeypatch.setattr(module, "tqdm", lambda **settings: tqdm(file=screen, mininterval=0, **settings))
    yield screen
    assert not Progress._open


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set: `clock[0]` is the time in seconds."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_long_work_logs_a_line_per_tenth(lines, clock, capsys):
    for _ in progress(range(40), "Counting", "row"):
        clock[0] += 1
    assert len(lines()) == 8  # of ten: nothing in the first ten seconds
    assert lines()[0] == "counting      30%: row 12 of 40, 1 rows/s"
    assert lines()[-1] == "counting     100%: row 40 of 40, 1 rows/s"
    shown = capsys.readouterr()
    assert not shown.out and not shown.err


def test_short_work_logs_nothing(lines, clock):
    assert list(progress([3, 1, 2], "Counting", "row")) == [3, 1, 2]
    assert not lines()


def test_no_more_lines_than_units(lines, clock):
    with Progress(3, "Training", "step", quiet_seconds=0) as shown:
        for _ in range(3):
            clock[0] += 20
            shown.update(loss=0.5)
    assert lines() == [
        "training      30%: step 1 of 3, loss 0.5000, 20 s per step",
        "training      60%: step 2 of 3, loss 0.5000, 20 s per step",
        "training     100%: step 3 of 3, loss 0.5000, 20 s per step",
    ]


def test_the_rate_of_a_resumed_run_is_its_own(lines, clock):
    with Progress(100, "Training", "step", done=50, quiet_seconds=0) as shown:
        clock[0] += 5
        shown.update(10)
    assert lines() == ["training      60%: step 60 of 100, 2 steps/s"]


def test_the_unit_has_a_plural(lines, clock):
    with Progress(1, "Evaluation", "batch", done=0, quiet_seconds=0) as shown:
        clock[0] += 0.5
        shown.update()
    assert lines() == ["evaluation   100%: batch 1 of 1, 2 batches/s"]


@pytest.mark.parametrize("silence", ["disabled", "another process"])
def test_silent_work_shows_nothing(silence, lines, terminal, monkeypatch):
    if silence == "another process":
        monkeypatch.setenv("RANK", "1")
    with Progress(2, "Training", "step", disable=silence == "disabled", quiet_seconds=0) as shown:
        shown.update(2)
    assert not lines() and not terminal.getvalue()


def test_a_terminal_has_a_bar_and_no_lines(lines, terminal):
    with Progress(4, "Training", "step", quiet_seconds=0, keep=True) as shown:
        shown.update(4, loss=0.5)
    assert "Training: 100%" in terminal.getvalue() and "loss=0.5000" in terminal.getvalue()
    assert not lines()


def test_inner_work_replaces_the_bar_and_gives_it_back(terminal):
    """No bar is drawn below another: no cursor moves up."""
    with Progress(4, "Training", "step", keep=True) as outer:
        outer.update(2, loss=0.25)
        with Progress(3, "Evaluation", "batch") as inner:
            assert outer.bar is None and inner.bar is not None
            inner.update(3)
        assert outer.bar.n == 2 and outer.bar.postfix == "loss=0.2500" and inner.bar is None
        outer.update(2)
    text = terminal.getvalue()
    assert "\x1b[A" not in text and "\n" not in text.rstrip("\n")
    frames = [part.split(":")[0].strip() for part in text.split("\r") if part.strip()]
    order = [name for name, before in zip(frames, [None, *frames], strict=False) if name != before]
    assert order == ["Training", "Evaluation", "Training"]


def test_work_that_an_error_ends_leaves_no_bar(terminal):
    with pytest.raises(KeyError), Progress(4, "Training", "step") as outer:
        Progress(3, "Evaluation", "batch")
        raise KeyError
    assert outer.bar is None
    outer.close()


def test_a_line_can_say_how_long_the_rest_will_take(lines, clock):
    with Progress(1000, "Predict", "row", quiet_seconds=0, time_left=True) as shown:
        clock[0] += 10
        shown.update(100)
    assert lines() == ["predict       10%: row 100 of 1000, 10 rows/s, 2 min left"]


def test_work_of_an_earlier_run_does_not_count_for_the_rate(lines, clock):
    with Progress(1000, "Predict", "row", quiet_seconds=0, time_left=True) as shown:
        shown.skip(800)
        clock[0] += 100
        shown.update(100)
    assert lines() == ["predict       90%: row 900 of 1000, 1 rows/s, 2 min left"]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5400, "1.5 h")])
def test_lengths_of_time_are_rough(seconds, text):
    assert rough_duration(seconds) == text
