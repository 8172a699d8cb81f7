"""An explanation at the terminal: the text with its words marked, in colour and by signs, and the strongest words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from wcwidth import wrap

from classification.errors import join_first
from classification.inference.explanation import Explanation, LabelExplanation
from classification.inference.terminal import write
from classification.messages.streams import has_colours, is_terminal, on_one_line, printable

LISTED = 20  # words below the text
LONGEST_WORD = 40  # characters, in this list
STRONG, WEAK = 0.6, 0.2  # of the score of the strongest word: marked with two signs, with one, or not at all
STYLES = {  # of the terminal; none has a background, so that they are legible in light and dark ones
    "++": "\x1b[1;32m", "+": "\x1b[32m", "-": "\x1b[31m", "--": "\x1b[1;31m", "faint": "\x1b[2m", "title": "\x1b[1m",
}  # fmt: skip


@dataclass(frozen=True)
class Segment:
    """A piece of a text.

    Args:
        level: 2 and 1 speak for the label, -1 and -2 against it, 0 is not marked.
        score: of a marked word.
        is_read: whether the model read it.
    """

    text: str
    level: int = 0
    score: float = 0.0
    is_read: bool = True

    @property
    def signs(self) -> str:
        """`++`, `+`, `-`, `--`, or nothing."""
        return ("+" if self.level > 0 else "-") * abs(self.level)


def segments(explanation: Explanation, label: LabelExplanation, number: int) -> list[Segment]:
    """A whole text, in pieces that are marked or not."""
    text = explanation.texts[number]
    largest = max((abs(word.score) for word in label.words), default=0.0)
    pieces = [
        (word.start, word.end, level_of(word.score, largest), word.score, True)
        for word in label.words
        if word.text_number == number and level_of(word.score, largest)
    ]
    pieces += [(start, end, 0, 0.0, False) for start, end in explanation.unread[number]]
    found, place = [], 0
    for start, end, level, score, is_read in sorted(pieces):
        found += [Segment(text[place:start]), Segment(text[start:end], level, score, is_read)]
        place = end
    return [segment for segment in [*found, Segment(text[place:])] if segment.text]


def level_of(score: float, largest: float) -> int:
    share = abs(score) / largest if largest else 0.0
    level = 2 if share >= STRONG else 1 if share >= WEAK else 0
    return level if score > 0 else -level


def write_explanation(explanation: Explanation, stream: TextIO) -> None:
    """Write the marked text, the strongest words and the completeness error of each label, below an empty line.

    Colours and line breaks between words only at a terminal, and no colours with NO_COLOR; the signs are always there.
    """
    width = shutil.get_terminal_size().columns if is_terminal(stream) else None
    for label in explanation.labels:
        write(("", *explained_lines(explanation, label, has_colours=has_colours(stream), width=width)), stream)


def explained_lines(
    explanation: Explanation, label: LabelExplanation, *, has_colours: bool, width: int | None = None
) -> Iterator[str]:
    """The lines about one label.

    Args:
        width: columns to which the text is wrapped; None leaves its lines as they are.
    """
    for line in unwrapped_lines(explanation, label, has_colours=has_colours):
        yield from [line] if width is None else wrap(line, width, break_on_hyphens=False) or [""]


def unwrapped_lines(explanation: Explanation, label: LabelExplanation, *, has_colours: bool) -> Iterator[str]:
    def styled(text: str, style: str) -> str:
        return f"{STYLES[style]}{text}\x1b[0m" if has_colours and style else text

    yield styled(on_one_line(heading(label)), "title")
    for number in range(len(explanation.texts)):
        name = f"text {number + 1}: " if explanation.is_pair else ""
        marked = name + "".join(
            styled(f"[{one.signs}{printable(one.text)}]" if one.level else printable(one.text), style_of(one))
            for one in segments(explanation, label, number)
        )
        yield from marked.split("\n")
    if explanation.has_unread:
        yield styled(describe_unread(explanation), "faint")
    for word in label.strongest(LISTED):
        place = f"{word.start}-{word.end}" + (f" of text {word.text_number + 1}" if explanation.is_pair else "")
        sign = "+" if word.score > 0 else "-" if word.score < 0 else ""
        yield f"{word.score:+10.4f}  {styled(shortened(on_one_line(word.text)), sign)}  {styled(f'({place})', 'faint')}"
    yield styled(completeness(label), "faint")


def shortened(word: str) -> str:
    return word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}..."


def describe_unread(explanation: Explanation) -> str:
    """Which words the model did not read, in characters of the text."""
    ends = [part for parts in explanation.unread for part in parts]
    places = join_first((f"{start}-{end}" for start, end in ends), 3)
    return f"The text is longer than the model reads: it did not read characters {places}."


def heading(label: LabelExplanation) -> str:
    """What the words moved, and from where to where."""
    asked = "" if label.is_predicted else " (not predicted)"
    return f"{label.label}{asked}: {label.baseline:.4g} without the words, {label.output:.4g} with them"


def style_of(segment: Segment) -> str:
    return segment.signs if segment.level else "" if segment.is_read else "faint"


def completeness(label: LabelExplanation) -> str:
    """How far the scores are from what they must add up to, and whether that is near enough."""
    difference = label.output - label.baseline
    share = f", {label.completeness_error / abs(difference):.1%} of the change" if difference else ""
    found = f"completeness error {label.completeness_error:.2g}{share}, with {label.steps} steps"
    return found if label.is_exact else f"{found}: more than 1%, so the scores are rough"
