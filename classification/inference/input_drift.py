"""Whether an input is unlike the training data, so that the answers may be wrong: one warning with both figures.

A figure counts where it is far from that of train, also at the careful end of its interval: a few rows need a larger
difference than many. See docs/predicting.md for the limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from classification.data.labels import LabelSpace
from classification.data.text_shapes import NO_LETTERS, OTHER
from classification.data.text_sums import TextSums, quantiles_of
from classification.evaluation.share_interval import wilson_interval
from classification.inference.classifier import Outputs
from classification.inference.data_statistics import HIGH, LOW, MEDIAN, DataStatistics
from classification.messages.log import Line, warning

FACT = "input"  # name of the sums among the facts of a part
Z = 2.6  # standard errors: 1 input in 200 is beyond them by chance
UNKNOWN, TIMES = 0.03, 3.0  # more unknown tokens than train has, by so much and so many times
NEW_SCRIPT, MORE_SCRIPT = 0.05, 0.25  # more letters of a script that train lacks, or has
RARE = 0.005  # of a script that train lacks
IS_LANGUAGE = 0.12  # share of function words that makes a language
LANGUAGE_LEFT, OTHER_LANGUAGE = 0.45, 0.12  # part of train's share that is left; more of another language
WORDS_TOGETHER, MOST_WORDS = 3, 10  # words of a text depend on each other: 3 count as one, and a text as 10 at most
LONGER = 2.0  # times the median
PIECES = 0.65  # of the characters per token
FEWEST = 10  # rows for figures without an interval
CLASSES = 0.25  # total variation; with several labels per row, the largest difference of a label's share


class Difference(NamedTuple):
    """What differs, and a sentence part with both figures."""

    kind: str
    text: str


def differences(train: DataStatistics, sums: TextSums, *, with_classes: bool = True) -> list[Difference]:
    """All that is far from train; empty where nothing is.

    Args:
        with_classes: False where only the first rows are known: many files are sorted by class.
    """
    if not sums.rows or not sums.measured:
        return []
    found = [*unknown_tokens(train, sums), *lengths(train, sums), *scripts(train, sums)]
    is_other_script = any(each.kind.startswith("script") for each in found)
    if not is_other_script:  # which explains the following two
        found += [*languages(train, sums), *token_sizes(train, sums)]
    return [*found, *class_shares(train, sums)] if with_classes else found


class DriftWatch:
    """Gives one warning: about the first rows, or at the end where these were like train.

    A second one comes only where the first rows differed in lengths alone, and later ones in what they are written in.

    Args:
        train: statistics of the training data; None is silent.
    """

    def __init__(self, train: DataStatistics | None):
        self.train = train
        self.known: list[Difference] = []

    def after_first(self, sums: TextSums) -> list[Line]:
        """The warning about the first rows, so that nobody waits for answers that may be wrong."""
        return self._lines(sums, f"the first {sums.rows:,} rows are", with_classes=False)

    def at_end(self, sums: TextSums) -> list[Line]:
        """The warning about all rows; empty if the first rows had it."""
        return self._lines(sums, "the input is", with_classes=True)

    def _lines(self, sums: TextSums, subject: str, *, with_classes: bool) -> list[Line]:
        found = [] if self.train is None else differences(self.train, sums, with_classes=with_classes)
        is_new = any(map(is_about_writing, found)) and not any(map(is_about_writing, self.known))
        if not found or (self.known and not is_new):
            return []
        self.known += found
        parts = "; ".join(each.text for each in found)
        return [warning(f"{subject} unlike the training data: {parts}. The answers may be wrong.")]


def is_about_writing(difference: Difference) -> bool:
    return difference.kind not in ("lengths", "classes")


def sums_of_answers(task: LabelSpace, texts: Sequence[str], pairs: Sequence[str] | None, outputs: Outputs) -> TextSums:
    """The sums over answered texts; `TextSums.as_dict` keeps them as `FACT` beside a part.

    Args:
        texts, pairs: [N]; outputs: of these rows. Rows without an answer count as texts only.
    """
    decisions = task.decide(outputs.logits[outputs.is_finite]).tolist()
    return TextSums.of(
        texts, pairs, full_lengths=outputs.full_tokens, unknown=outputs.unknown,
        classes=task.counts(decisions), answered=len(decisions),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ the measures


def unknown_tokens(train: DataStatistics, sums: TextSums) -> Iterator[Difference]:
    share, before = sums.unknown / sums.rows, train.unknown_tokens
    if lowest(share, sums.rows) > before + UNKNOWN and share > TIMES * before:
        yield Difference("unknown tokens", f"unknown tokens {percent(share)} (train {percent(before)})")


def lengths(train: DataStatistics, sums: TextSums) -> Iterator[Difference]:
    """Where surely over half of the texts are longer (or shorter) than 95% of train, and the median is far away."""
    if not {LOW, MEDIAN, HIGH} <= train.tokens.keys():
        return
    median, before = quantiles_of(sums.full_lengths)[MEDIAN], train.tokens[MEDIAN]
    counts = sums.full_lengths.items()
    longer = sum(count for length, count in counts if length > train.tokens[HIGH]) / sums.rows
    shorter = sum(count for length, count in counts if length < train.tokens[LOW]) / sums.rows
    is_longer = lowest(longer, sums.rows) > 0.5 and median > LONGER * before
    if is_longer or (lowest(shorter, sums.rows) > 0.5 and median * LONGER < before):
        yield Difference("lengths", f"median length {median} tokens (train {before:.0f})")


def scripts(train: DataStatistics, sums: TextSums) -> Iterator[Difference]:
    shares = sums.shares("scripts")
    for name in sorted(shares, key=lambda name: -shares[name]):
        share, before = shares[name], train.scripts.get(name, 0.0)
        limit = before + (NEW_SCRIPT if before < RARE and name != NO_LETTERS else MORE_SCRIPT)
        if name != OTHER and train.scripts and lowest(share, sums.measured) > limit:
            title = "texts without letters" if name == NO_LETTERS else f"script {name}"
            yield Difference(f"script {name}", f"{title} {percent(share)} (train {percent(before)})")


def languages(train: DataStatistics, sums: TextSums) -> Iterator[Difference]:
    """Where the function words of train's language are rare, or those of another language frequent.

    Nothing is known about a language that `function_words` does not list.
    """
    before = train.function_words
    own = max(before, key=lambda name: before[name], default=None)
    if own is None or before[own] < IS_LANGUAGE or not sums.words:
        return
    shares = sums.shares("languages")
    words = max(min(sums.words // WORDS_TOGETHER, MOST_WORDS * sums.measured), 1)
    gains = {name: share - before.get(name, 0.0) for name, share in shares.items() if name != own}
    other = max(gains, key=lambda name: gains[name], default=own)
    has_gained = other != own and lowest(shares[other], words) > before.get(other, 0.0) + OTHER_LANGUAGE
    has_lost = highest(shares.get(own, 0.0), words) < LANGUAGE_LEFT * before[own]
    if has_gained or has_lost:
        named = [other, own] if has_gained else [own]
        figures = [
            f"{percent(shares.get(name, 0.0))} {name} {word} (train {percent(before.get(name, 0.0))})"
            for name, word in zip(named, ("function words", "ones"), strict=False)
        ]
        yield Difference(f"language {named[0]}", f"language: {', '.join(figures)}")


def token_sizes(train: DataStatistics, sums: TextSums) -> Iterator[Difference]:
    """Words that the vocabulary does not have fall into many small tokens."""
    size, before = sums.characters / max(sums.tokens, 1), train.characters_per_token
    if sums.measured >= FEWEST and size < PIECES * before:
        yield Difference("token sizes", f"{size:.1f} characters per token (train {before:.1f})")


def class_shares(train: DataStatistics, sums: TextSums) -> Iterator[Difference]:
    """Where the predicted labels are far from those of train, beyond chance.

    A sample of n rows has by chance a distance of sum(sqrt(p (1 - p) / n)) / sqrt(2 pi), and one row moves it by 1 / n.
    """
    if not train.classes or not sums.answered:
        return
    shares = sums.shares("classes")
    names = sorted({*shares, *train.classes})
    changes = {name: shares.get(name, 0.0) - train.classes.get(name, 0.0) for name in names}
    is_exclusive = abs(sum(train.classes.values()) - 1) < 1e-3 and abs(sum(shares.values()) - 1) < 1e-3
    spread = [math.sqrt(share * max(1 - share, 0) / sums.answered) for share in train.classes.values()]
    if is_exclusive:
        distance = sum(map(abs, changes.values())) / 2
        chance = sum(spread) / math.sqrt(2 * math.pi) + Z / (2 * math.sqrt(sums.answered))
    else:
        distance = max(map(abs, changes.values()))
        chance = (Z + 1) / (2 * math.sqrt(sums.answered))  # the largest of several
    if distance - chance > CLASSES:
        name = max(names, key=lambda name: (changes[name] if is_exclusive else abs(changes[name]), name))
        share, before = percent(shares.get(name, 0.0)), percent(train.classes.get(name, 0.0))
        yield Difference("classes", f"class {name!r} predicted for {share} of the rows (train {before})")


# ----------------------------------------------------------------------------------------------------------- figures


def lowest(share: float, rows: int) -> float:
    """The lower end of Wilson's interval of a mean share."""
    return wilson_interval(share, rows, Z)[0]


def highest(share: float, rows: int) -> float:
    return wilson_interval(share, rows, Z)[1]


def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.1423), percent(0.003), percent(0.00001), percent(0.0)
    ('14%', '0.3%', 'under 0.1%', '0%')
    """
    if 0 < share < 0.0005:
        return "under 0.1%"
    return f"{100 * share:.0f}%" if share >= 0.095 or share == 0 else f"{100 * share:.1f}%"
