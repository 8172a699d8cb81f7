"""The texts of a request, cut into pieces for the batches, and the future that gets their outputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field

import numpy as np

from classification.data.length_order import longest_first
from classification.inference.classifier import Encoded, Outputs

# N texts of a request, n of a piece, C labels.

ENCODED_TEXTS, ENCODED_CHARACTERS = 64, 100_000  # of a slice; then it is another request's turn
NEVER_READ = np.int64(-1)


@dataclass(frozen=True)
class Piece:
    """Some texts of a request, encoded: they are computed in one batch.

    Args:
        rows: their positions in the request, int64 [n].
    """

    job: TextJob
    rows: np.ndarray
    encoded: Encoded

    @property
    def tokens(self) -> int:
        return int(self.encoded.tokens.sum())

    def give(self, outputs: Outputs) -> None:
        """The outputs of these texts."""
        self.job.take(self.rows, outputs)


@dataclass(eq=False)
class TextJob:
    """The N texts of a request, and the outputs so far.

    Attributes:
        future: gets an `Outputs` with a row per text, or an error; who waits for it may cancel it.
        pieces: encoded and not computed yet.
        encoded_texts: how many have been encoded.
    """

    texts: list[str]
    pairs: list[str] | None
    labels: int
    future: Future[Outputs] = field(default_factory=Future, init=False)
    pieces: deque[Piece] = field(default_factory=deque, init=False)
    encoded_texts: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        count = len(self.texts)
        self.missing = count
        self.outputs = Outputs(
            np.full((count, self.labels), np.nan, dtype=np.float32), np.full(count, NEVER_READ),
            np.full(count, NEVER_READ), np.zeros(count, dtype=np.float32),
        )  # fmt: skip

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for the answers."""
        return not self.future.done()

    def next_slice(self) -> slice:
        """Choose the texts that are encoded next."""
        start = stop = self.encoded_texts
        characters = 0
        while stop < len(self.texts) and stop - start < ENCODED_TEXTS and characters < ENCODED_CHARACTERS:
            characters += len(self.texts[stop])
            stop += 1
        self.encoded_texts = stop
        return slice(start, stop)

    def take(self, rows: np.ndarray, outputs: Outputs) -> None:
        """Keep the outputs of some rows; with the last of them the future has its result."""
        mine = self.outputs
        mine.logits[rows], mine.tokens[rows] = outputs.logits, outputs.tokens
        mine.full_tokens[rows], mine.unknown[rows] = outputs.full_tokens, outputs.unknown
        self.missing -= len(rows)
        if not self.missing:
            self.settle(self.outputs)

    def settle(self, result: Outputs | BaseException) -> None:
        """Give the future its result or error, unless it has one or is cancelled."""
        try:
            if isinstance(result, BaseException):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)
        except InvalidStateError:
            return


def cut(job: TextJob, start: int, encoded: Encoded, most_tokens: int) -> Iterator[Piece]:
    """Pieces of at most `most_tokens` tokens, or of one text, the longest texts first.

    Args:
        start: position in the request of the first encoded text.
    """
    rows: list[int] = []
    room = most_tokens
    for row in longest_first(encoded.tokens).tolist():
        if rows and room < encoded.tokens[row]:
            yield Piece(job, np.array(rows) + start, select(encoded, rows))
            rows, room = [], most_tokens
        rows.append(row)
        room -= int(encoded.tokens[row])
    if rows:
        yield Piece(job, np.array(rows) + start, select(encoded, rows))


def select(encoded: Encoded, rows: Sequence[int]) -> Encoded:
    columns = {name: [values[row] for row in rows] for name, values in encoded.columns.items()}
    return Encoded(columns, encoded.tokens[rows], encoded.full_tokens[rows], encoded.unknown[rows])


def joined(pieces: Sequence[Piece]) -> Encoded:
    """The texts of several pieces as one batch."""
    parts = [piece.encoded for piece in pieces]
    if len(parts) == 1:
        return parts[0]
    columns = {name: [row for part in parts for row in part.columns[name]] for name in parts[0].columns}
    tokens, full, unknown = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("tokens", "full_tokens", "unknown")
    )
    return Encoded(columns, tokens, full, unknown)


def split(outputs: Outputs, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Outputs]]:
    """Each piece with its rows of the outputs of `joined(pieces)`."""
    start = 0
    for piece in pieces:
        rows = np.arange(start, start + len(piece.rows))
        yield piece, outputs.of(rows)
        start += len(rows)
