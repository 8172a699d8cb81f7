"""What a person sees: a bar per class that fits the terminal, and a dialogue that goes on after errors."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from wcwidth import wcswidth

from classification.data.label_hints import LabelHints
from classification.data.rules.cost_tables import CostTable
from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.inference.answers import decide, typed_answers
from classification.inference.terminal import Style, answer_lines, converse, write, write_answers

TWO = infer_task(["neg", "pos"])
SEVERAL = infer_task([["joy"], ["anger"], []]).with_thresholds({"joy": 0.3, "anger": 0.6})
NUMBER = infer_task([1.5, 2.5], LabelHints(do_regression=True))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    encoding = "utf-8"


def one(task, logits, below=None, full=5):
    return typed_answers(decide(np.array([logits], np.float32), task, below), np.array([5]), np.array([full]))[0]


def lines(task, logits, style=None, most=10, **more) -> list[str]:
    return list(answer_lines(one(task, logits, **more), task, style or Style(40, has_blocks=True), most))


def test_classes_are_sorted_and_the_predicted_one_is_marked():
    first, second = lines(TWO, [0.0, np.log(3)])
    assert first.startswith("* pos  75.0%  ███") and second.startswith("  neg  25.0%  ███")
    assert first.count("█") == pytest.approx(3 * second.count("█"), abs=3)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("blocks", [True, False])
def test_no_line_is_wider_than_the_terminal(width, blocks):
    task = infer_task(["a" * 60, "中文" * 20, "e\u0301" * 50, "b", "\x1b[31mred", "tab\tline\nend"])
    for logits in ([0, 0, 0, 0, 0, 0], [50, 0, 0, 0, 0, 0], [0, 50, 0, 0, 0, 0]):
        for line in lines(task, logits, Style(width, has_blocks=blocks)):
            assert wcswidth(line) <= width and "\x1b" not in line and "\n" not in line and "\t" not in line


def test_a_stream_without_blocks_gets_ascii():
    plain = lines(TWO, [0.0, 2.0], Style(40))
    assert all(line.isascii() for line in plain) and "####" in plain[0]
    assert not Style.of(io.TextIOWrapper(io.BytesIO(), encoding="ascii")).has_blocks
    assert not Style.of(io.TextIOWrapper(io.BytesIO(), encoding="cp1252")).has_blocks
    assert Style.of(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")).has_blocks


def test_colours_are_for_terminals_whose_user_wants_them(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Style.of(Terminal()).has_colours and not Style.of(io.StringIO()).has_colours
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Style.of(Terminal()).has_colours
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not Style.of(Terminal()).has_colours


def test_the_width_is_that_of_the_terminal_and_80_in_a_pipe(monkeypatch):
    monkeypatch.setenv("COLUMNS", "43")
    assert Style.of(Terminal()).width == 43 and Style.of(io.StringIO()).width == 80
    monkeypatch.setenv("COLUMNS", "3")
    assert Style.of(Terminal()).width == 20


def test_at_most_ten_classes_are_shown_and_the_predicted_one_always():
    task = infer_task([f"c{i:02}" for i in range(30)])
    shown = lines(task, list(range(30)))
    assert len(shown) == 11 and shown[0].startswith("* c29") and shown[-1] == "  and 20 more"
    costs = CostTable("--costs", {name: {other: float(name != other) for other in task.names} for name in task.names})
    costs.rows["c00"].update({other: 1e9 for other in task.names if other != "c00"})
    shown = lines(task.with_costs(costs), [0.0, *[1.0] * 29], most=3)
    assert [line for line in shown if line.startswith("* c00")] and "decided by another rule" in shown[-1]


def test_thresholds_are_marked_on_the_bars():
    first, second, note = lines(SEVERAL, [2.0, -2.0], Style(60, has_blocks=True))
    assert first.startswith("* anger") and second.startswith("  joy") and "threshold" in note
    places = [line.index("│") - line.index("%") for line in (first, second)]
    assert places[0] == pytest.approx(2 * places[1], abs=4)  # 0.6 and 0.3
    assert any("no label reaches its threshold" in line for line in lines(SEVERAL, [-9.0, -9.0]))


def test_a_number_is_a_number():
    assert lines(NUMBER, [0.0]) == ["  2"]


def test_what_the_bars_do_not_tell_is_said():
    assert lines(TWO, [0.0, 0.1], below=0.9)[-1] == "  no answer: the model is 52.5% sure"
    assert not [line for line in lines(TWO, [0.0, 0.1], below=0.9) if line.startswith("*")]
    assert lines(TWO, [0.0, 0.1], full=9)[-1] == "  the text is longer: only 5 tokens of it were read"


def test_several_texts_have_their_beginnings_above():
    stream = io.StringIO()
    answers = [one(TWO, [0.0, 1.0]), one(TWO, [1.0, 0.0])]
    write_answers(answers, ["first\x1b[31m\nline", "x" * 500], ["second", ""], TWO, stream)
    shown = stream.getvalue()
    assert shown.startswith("first\\x1b[31m\\nline\nsecond\n* pos") and "\n\nxxx" in shown
    assert max(map(len, shown.splitlines())) <= 80
    stream = io.StringIO()
    write_answers(answers[:1], ["only"], None, TWO, stream)
    assert "only" not in stream.getvalue()


def test_a_reader_that_has_left_is_no_error():
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    write(["a"], Broken())


# -------------------------------------------------------------------------------------------------------- the dialogue


def talk(*given, has_pairs=False, fails=()) -> tuple[int, list, list]:
    rest, heard, asked = list(given), [], []

    def read(prompt):
        asked.append(prompt)
        return rest.pop(0) if rest else None

    def respond(text, pair):
        if text in fails:
            raise UsageError(f"{text}: is wrong.")
        heard.append((text, pair))

    return converse(respond, has_pairs=has_pairs, read=read), heard, asked


def test_a_dialogue_ends_with_an_empty_line_or_the_end_of_the_input():
    assert talk("a", "b", "", "c") == (2, [("a", None), ("b", None)], ["text> "] * 3)
    assert talk("a")[0] == 1 and talk()[0] == 0 and talk("   ", "a")[0] == 0


def test_an_error_in_one_text_does_not_end_it(capsys):
    assert talk("a", "bad", "b", fails=["bad"])[:2] == (2, [("a", None), ("b", None)])
    assert re.fullmatch("error: bad: is wrong.\n", capsys.readouterr().out)


def test_pairs_are_asked_for_both_texts():
    count, heard, asked = talk("a", "b", "c", "", "d", has_pairs=True)
    assert (count, heard) == (2, [("a", "b"), ("c", "")]) and asked[:2] == ["text 1> ", "text 2> "]
