"""Lines reach a stream that can take them as they are, and the run goes on where a stream cannot."""

from __future__ import annotations

import io
import sys

import pytest

from classification.messages.streams import flush_or_discard, is_terminal, on_one_line, printable, usable, write_line


class Pipe(io.TextIOWrapper):
    """Standard output whose reader has left."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


class Bare:
    """A notebook's or a program's stand-in for standard output: it can only be written to."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


def stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("cp1252", "正面 café", r"\u6b63\u9762 café"),
        ("ascii", "café 😀", r"caf\xe9 \U0001f600"),
        ("utf-8", "正面 \ud800", r"正面 \ud800"),
        ("utf-16", "正面", "正面"),
        ("latin-1", "Ω", r"\u03a9"),
    ],
)
def test_what_an_encoding_lacks_is_escaped(encoding, text, written):
    out = stream(encoding)
    write_line(text, out)
    out.flush()
    assert out.buffer.getvalue().decode(encoding) == written + "\n"


@pytest.mark.parametrize("text", ["\x1b[31mred", "\x9b31m", "bell\x07", "back\x08", "over\rwritten", "\x00", "\x7f"])
def test_control_characters_never_reach_the_terminal(text):
    out = io.StringIO()
    write_line(text, out)
    assert out.getvalue().isascii() and out.getvalue()[:-1].isprintable()


def test_tabs_and_line_ends_stay_in_a_text_and_are_escaped_in_a_name():
    assert printable("a\tb\nc") == "a\tb\nc" and on_one_line("a\tb\nc") == r"a\tb\nc"


def closed() -> io.StringIO:
    out = io.StringIO()
    out.close()
    return out


@pytest.mark.parametrize("out", [None, closed(), Pipe(io.BytesIO())], ids=["none", "closed", "no reader"])
def test_a_line_that_nobody_reads_is_lost_and_nothing_else(out):
    write_line("a line", out)
    flush_or_discard(out if isinstance(out, io.StringIO) else None)
    assert not is_terminal(out)


def test_a_stand_in_needs_no_more_than_write(monkeypatch):
    out = Bare()
    monkeypatch.setattr(sys, "stdout", out)
    write_line("a line", sys.stdout)
    assert out.text == "a line\n" and not is_terminal(out)


@pytest.mark.parametrize("out", [Bare(), closed()], ids=["bare", "closed"])
def test_libraries_get_a_stream_that_they_can_use(out):
    stand_in = usable(out)
    assert stand_in is not out and stand_in.write("text") == 4 and not stand_in.isatty()
    stand_in.flush()
    assert getattr(out, "text", "text") == "text"


def test_a_good_stream_is_used_as_it_is():
    assert usable(None) is None and usable(sys.stdout) is sys.stdout
