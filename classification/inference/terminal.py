"""Answers for a person at a terminal: a bar per class, and a dialogue that keeps the model loaded."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from wcwidth import wcswidth

from classification.data.labels import LabelSpace
from classification.errors import RunError, UsageError
from classification.inference.answers import Answer
from classification.messages.streams import encodable, has_colours, is_terminal, on_one_line

MOST_BARS = 10  # of one answer
WIDEST_BAR, WIDEST_NAME = 50, 30  # columns
NARROWEST = 20  # columns of a terminal; a narrower one breaks the lines
PIPED_WIDTH = 80
BLOCKS = "▏▎▍▌▋▊▉█"  # eighths of a column
BOLD, FAINT, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True)
class Style:
    """What a stream can show.

    Args:
        width: in columns. has_blocks: whether it has block characters. has_colours: whether it has bold and faint.
    """

    width: int = PIPED_WIDTH
    has_blocks: bool = False
    has_colours: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        width = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if is_terminal(stream) else PIPED_WIDTH
        encoding = getattr(stream, "encoding", None)
        blocks = BLOCKS + "│…"
        return cls(max(width, NARROWEST), encodable(blocks, encoding) == blocks, has_colours(stream))

    def marked(self, text: str, mark: str) -> str:
        return f"{mark}{text}{PLAIN}" if self.has_colours and text else text

    def cut(self, text: str, width: int) -> str:
        """A text of at most `width` columns on one line, with dots where it is longer."""
        text, dots = on_one_line(text), "…" if self.has_blocks else "..."
        if columns(text) <= width:
            return text
        while text and columns(text) > width - len(dots):
            text = text[:-1]
        return text + dots[:width]

    def bar(self, share: float, width: int, threshold: float | None = None) -> str:
        """A bar of `width` columns that is filled to `share`, with a mark at the threshold."""
        eighths = round(share * width * 8)
        if self.has_blocks:
            bar = "█" * (eighths // 8) + (BLOCKS[eighths % 8 - 1] if eighths % 8 else "")
        else:
            bar = "#" * round(share * width)
        if threshold is not None:
            place = min(int(threshold * width), width - 1)
            bar = bar.ljust(width)
            bar = bar[:place] + ("│" if self.has_blocks else "|") + bar[place + 1 :]
        return bar.rstrip()


def columns(text: str) -> int:
    """Columns of a terminal: two for East Asian letters, none for combining marks."""
    return max(wcswidth(text), 0) if wcswidth(text) >= 0 else len(text)


def answer_lines(answer: Answer, task: LabelSpace, style: Style, most: int = MOST_BARS) -> Iterator[str]:
    """The lines of one answer: the predicted labels and the most probable others, each with its probability and bar.

    A `*` is before what is predicted. With thresholds, a line across each bar shows the label's own.

    Args:
        most: labels at most; what is predicted is always among them.
    """
    if not answer.probabilities:
        yield style.marked(f"  {answer}", BOLD)
        return
    chosen = answer.label if isinstance(answer.label, tuple) else (answer.label,)
    cuts = dict(zip(task.names, task.thresholds, strict=True)) if task.thresholds else {}
    ranked = answer.top(len(answer.probabilities))
    shown = [(name, value) for place, (name, value) in enumerate(ranked) if place < most or name in chosen]
    name_width = min(max(columns(on_one_line(name)) for name, _ in shown), WIDEST_NAME, max(style.width // 3, 8))
    bar_width = max(min(style.width - name_width - 12, WIDEST_BAR), 1)
    for name, value in shown:
        is_chosen = name in chosen
        title = style.cut(name, name_width)
        title += " " * (name_width - columns(title))
        bar = style.bar(value, bar_width, cuts.get(name))
        line = f"{'*' if is_chosen else ' '} {title} {100 * value:5.1f}%  {bar}".rstrip()
        yield style.marked(line, BOLD) if is_chosen else line
    others = notes(answer, task, chosen, len(ranked) - len(shown), has_blocks=style.has_blocks)
    yield from (style.marked(note, FAINT) for note in others)


def notes(
    answer: Answer, task: LabelSpace, chosen: Sequence[object], hidden: int, *, has_blocks: bool
) -> Iterator[str]:  # fmt: skip
    """What the bars do not tell."""
    if hidden:
        yield f"  and {hidden} more"
    if task.thresholds:
        yield f"  {'│' if has_blocks else '|'} the threshold of each label"
    if answer.abstained:
        yield f"  no answer: the model is {100 * (answer.probability or 0):.1f}% sure"
    elif chosen == ():
        yield "  no label reaches its threshold"
    elif not task.thresholds and answer.top(1)[0][0] not in chosen:
        yield f"  decided by another rule than the highest probability: {on_one_line(task.describe_rule())}"
    if answer.truncated:
        yield f"  the text is longer: only {answer.tokens} tokens of it were read"


def write(lines: Iterator[str] | Sequence[str], stream: TextIO) -> None:
    """Write lines; where nobody reads them, they are lost. Control characters in texts were made visible before."""
    with contextlib.suppress(OSError, ValueError):
        for line in lines:
            stream.write(encodable(line, getattr(stream, "encoding", None)) + "\n")
        stream.flush()


def write_answers(
    answers: Sequence[Answer], texts: Sequence[str], pairs: Sequence[str] | None, task: LabelSpace, stream: TextIO,
    most: int = MOST_BARS,
) -> None:  # fmt: skip
    """Write each answer below its text; a single text is not repeated."""
    style = Style.of(stream)
    for place, answer in enumerate(answers):
        if len(answers) > 1:
            given = [texts[place]] + ([pairs[place]] if pairs else [])
            write([style.cut(text, style.width) for text in given], stream)
        write(answer_lines(answer, task, style, most), stream)
        if len(answers) > 1 and place < len(answers) - 1:
            write([""], stream)


def ask(prompt: str) -> str | None:
    """A line of standard input, None at its end; the prompt is shown only where a person types."""
    is_person = is_terminal(sys.stdin) and is_terminal(sys.stdout)
    with contextlib.suppress(ImportError):  # Windows has none
        import readline  # noqa: F401  # the arrow keys then move the cursor and bring lines back
    try:
        return input(prompt if is_person else "")
    except EOFError:
        if is_person:
            write([""], sys.stdout)
        return None


def converse(
    respond: Callable[[str, str | None], object], *, has_pairs: bool, read: Callable[[str], str | None] = ask
) -> int:
    """Answer one text per line until an empty line or the end of the input; an error in one text ends nothing.

    Args:
        respond: writes the answer to a text, or to a pair.
        has_pairs: whether to ask for two texts each time.
        read: gives the next line for a prompt, None at the end.

    Returns:
        How many texts were answered.
    """
    count = 0
    if isinstance(getattr(sys.stdin, "errors", None), str) and hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="surrogateescape")  # bytes that are no text are an error of one text only
    prompt = "text 1> " if has_pairs else "text> "
    while (text := read(prompt)) is not None and text.strip():
        pair = read("text 2> ") if has_pairs else None
        if has_pairs and pair is None:
            break
        try:
            respond(text, pair)
            count += 1
        except (UsageError, RunError) as error:
            write([f"error: {on_one_line(str(error))}"], sys.stdout)
    return count
