"""The marked text is read with colours and without, at any width, by any stream."""

from __future__ import annotations

import io

import pytest
from explanation_facts import COMPLETE
from wcwidth import strip_sequences, width

from classification.inference.explained_text import (
    completeness,
    explained_lines,
    has_colours,
    level_of,
    segments,
    write_explanation,
)
from classification.inference.explanation import Explanation, LabelExplanation, WordScore

TEXT = "A wonderful film\x1b[31m, but the ending is dull; 电影很好\n\nsecond\tpart not read"


def word(text: str, score: float, number: int = 0, source: str = TEXT) -> WordScore:
    start = source.index(text)
    return WordScore(text, start, start + len(text), score, number)


def explanation(*words, text=TEXT, unread=(), label="positive", **changes) -> Explanation:
    return Explanation((text,), (LabelExplanation(label, tuple(words), **COMPLETE | changes),), (tuple(unread),), False)


WORDS = (word("wonderful", 2.0), word("film", 0.5), word("dull", -1.5), word("电影", -0.5), word("ending", 0.1))
READ_TO = (TEXT.index("not read"), len(TEXT))


def lines(subject: Explanation, **options) -> list[str]:
    return list(explained_lines(subject, subject.labels[0], **{"has_colours": False} | options))


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_signs_show_the_direction_and_the_strength_without_colours():
    shown = "\n".join(lines(explanation(*WORDS)))
    assert "A [++wonderful] [+film]" in shown and "the ending is [--dull]; [-电影]很好" in shown


@pytest.mark.parametrize(("share", "level"), [(1.0, 2), (0.61, 2), (0.59, 1), (0.21, 1), (0.19, 0), (0.0, 0)])
def test_marks_follow_the_share_of_the_strongest_word(share, level):
    assert level_of(share * 3, 3.0) == level and level_of(-share * 3, 3.0) == -level
    assert level_of(0.0, 0.0) == 0


def test_the_pieces_are_the_whole_text():
    subject = explanation(*WORDS, unread=[READ_TO])
    found = segments(subject, subject.labels[0], 0)
    assert "".join(piece.text for piece in found) == TEXT
    assert [piece.text for piece in found if not piece.is_read] == ["not read"]
    assert [piece.text for piece in segments(explanation(text=""), explanation().labels[0], 0)] == []


def test_the_same_letters_are_shown_with_colours():
    subject = explanation(*WORDS, unread=[READ_TO])
    plain, coloured = lines(subject), lines(subject, has_colours=True)
    assert "\x1b[1;32m[++wonderful]\x1b[0m" in "\n".join(coloured)
    styles = ("\x1b[1;32m", "\x1b[32m", "\x1b[31m", "\x1b[1;31m", "\x1b[2m", "\x1b[1m", "\x1b[0m")
    for style in styles:
        coloured = [line.replace(style, "") for line in coloured]
    assert coloured == plain


def test_a_text_cannot_steer_the_terminal():
    shown = "\n".join(lines(explanation(*WORDS, label="a\x1b[2Jb\nc")))
    assert "\x1b" not in shown and "\\x1b[31m" in shown and lines(explanation(label="a\nb"))[0].startswith("a\\nb: ")


@pytest.mark.parametrize(("columns", "first"), [(40, "but the"), (80, "[-电影]很好")])
def test_lines_of_a_terminal_break_between_words(columns, first):
    shown = lines(explanation(*WORDS, unread=[READ_TO]), has_colours=True, width=columns)
    assert all(width(line) <= columns for line in shown)
    start = next(line for line in map(strip_sequences, shown) if line.startswith("A [++wonderful]"))
    assert start.endswith(first)


def test_a_word_without_end_is_shortened_in_the_list():
    assert lines(explanation(word("a" * 500, 1.0, source="a" * 500), text="a" * 500))[2].endswith("aaa...  (0-500)")


def test_the_parts_that_were_not_read_are_named():
    shown = lines(explanation(*WORDS, unread=[READ_TO]))
    assert f"did not read characters {READ_TO[0]}-{READ_TO[1]}" in "\n".join(shown)
    assert "did not read" not in "\n".join(lines(explanation(*WORDS)))


def test_the_strongest_words_are_listed_with_their_places():
    shown = lines(explanation(*WORDS))
    listed = [line.split() for line in shown if line.startswith("   ")]
    assert [line[1] for line in listed] == ["wonderful", "dull", "film", "电影", "ending"]
    assert listed[0] == ["+2.0000", "wonderful", "(2-11)"] and listed[1][0] == "-1.5000"


def test_words_of_a_pair_name_their_text():
    label = LabelExplanation("yes", (word("bad", -1.0, 1, "bad"),), 0.0, 1.0, 0.0, 16, True, True)
    shown = lines(Explanation(("good", "bad"), (label,), ((), ()), False))
    assert "text 1: good" in shown and "text 2: [--bad]" in shown and "-1.0000  bad  (0-3 of text 2)" in shown[3]


def test_the_completeness_error_is_shown_and_judged():
    exact, rough = explanation().labels[0], explanation(is_exact=False, completeness_error=0.2, steps=256).labels[0]
    assert completeness(exact) == "completeness error 0.003, 0.3% of the change, with 16 steps"
    assert completeness(rough).endswith("20.0% of the change, with 256 steps: more than 1%, so the scores are rough")
    assert "%" not in completeness(explanation(output=0.2, completeness_error=0.0).labels[0])


def test_a_label_that_is_not_predicted_is_named_so():
    assert "(not predicted)" in lines(explanation(is_predicted=False))[0]


def test_pipes_and_no_color_get_no_colours(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert has_colours(Terminal()) and not has_colours(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colours(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colours(Terminal())


def test_a_stream_gets_escapes_for_what_it_cannot_show():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    write_explanation(explanation(*WORDS), stream)
    stream.flush()
    assert b"[-\\u7535\\u5f71]" in stream.buffer.getvalue()


def test_a_reader_that_has_left_ends_nothing():
    closed = io.StringIO()
    closed.close()
    write_explanation(explanation(*WORDS), closed)
