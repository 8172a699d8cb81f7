"""Which tokens of a long text the model reads: its head, its tail, both ends, or all of it in overlapping windows.

Of a pair, the windows slide over the longer text. Every window also has the other text, in at most half of its room.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classification.errors import UsageError

if TYPE_CHECKING:  # the command line checks this before transformers is imported
    from transformers import PreTrainedConfig

HEAD, TAIL, HEAD_TAIL, WINDOW = "head", "tail", "head_tail", "window"
STRATEGIES = (HEAD, TAIL, HEAD_TAIL, WINDOW)
HEAD_SHARE = 128 / 510  # the first 128 of 510 tokens, then the last 382


@dataclass(frozen=True)
class Truncation:
    """How texts that are too long are cut; saved in the model's config for every later use.

    `head_tail` keeps the first 128 and the last 382 of 510 tokens, and the same proportion of other lengths: the best
    strategy in Sun et al. 2019, How to Fine-Tune BERT for Text Classification?

    Args:
        strategy: one of `STRATEGIES`.
        stride: tokens from the start of one window to the start of the next; None is half a window.
    """

    strategy: str = HEAD
    stride: int | None = None

    @classmethod
    def from_config(cls, config: PreTrainedConfig) -> Truncation:
        """What `write_to` saved."""
        return cls(getattr(config, "truncation_strategy", HEAD), getattr(config, "window_stride", None))

    @classmethod
    def choose(cls, strategy: str | None, stride: int | None, trained: PreTrainedConfig | None = None) -> Truncation:
        """The given values; a value that is not given is taken from the config of a trained model.

        Args:
            strategy, stride: None where the flag was not given.
            trained: the config of a trained model, None if the model will be trained.

        Raises:
            UsageError: a stride without windows.
        """
        saved = cls() if trained is None else cls.from_config(trained)
        strategy = strategy or saved.strategy
        if strategy == WINDOW:
            return cls(WINDOW, stride or saved.stride)
        if stride is not None:
            raise UsageError(f"--window_stride {stride}: needs --truncation_strategy window, not {strategy}.")
        return cls(strategy)

    def write_to(self, config: PreTrainedConfig) -> None:
        """Write what `from_config` reads, and remove what an earlier training left in the config."""
        for name in ("truncation_strategy", "window_stride"):
            if hasattr(config, name):
                delattr(config, name)
        if self.strategy != HEAD:
            config.truncation_strategy = self.strategy
        if self.stride is not None:
            config.window_stride = self.stride

    @property
    def in_windows(self) -> bool:
        return self.strategy == WINDOW

    @property
    def side(self) -> str:
        """The `truncation_side` with which the tokenizer alone cuts the same way, or most nearly."""
        return "left" if self.strategy == TAIL else "right"

    def check_stride(self, max_length: int, num_special: int) -> None:
        """Refuse a stride that leaves tokens between two windows unread.

        Args:
            max_length: tokens of a window, `num_special` of which are special tokens.
        """
        room = max_length - num_special
        if self.in_windows and self.stride is not None and self.stride > room:
            raise UsageError(
                f"--window_stride {self.stride} (given, or saved with the model): longer than the window. With "
                f"--max_seq_length {max_length} a window has {room} tokens of text, and tokens between two windows "
                f"would not be read. Pass at most {room}."
            )

    def windows(self, lengths: Sequence[int], room: int) -> Iterator[list[Sequence[int]]]:
        """Which tokens each window has; one window unless the strategy is `window`.

        Args:
            lengths: tokens of the text, or of the two texts of a pair.
            room: tokens that fit into a window beside the special tokens.

        Yields:
            For each text the positions to keep, in ascending order.

        >>> list(Truncation("head_tail").windows([10], 4))
        [[[0, 7, 8, 9]]]
        >>> [[list(kept) for kept in window] for window in Truncation("window", 3).windows([9], 4)]
        [[[0, 1, 2, 3]], [[3, 4, 5, 6]], [[5, 6, 7, 8]]]
        """
        shares = longest_first(lengths, room)
        if not self.in_windows:
            yield [self._positions(length, share) for length, share in zip(lengths, shares, strict=True)]
            return
        slides = max(range(len(lengths)), key=lengths.__getitem__)  # the longer text of a pair
        size = shares[slides]
        step = max(1, min(self.stride or size // 2, size))
        # The last window ends with the text, so that it is as long as the others.
        last = lengths[slides] - size
        for start in (*range(0, last, step), last):
            window: list[Sequence[int]] = [range(share) for share in shares]
            window[slides] = range(start, start + size)
            yield window

    def _positions(self, length: int, share: int) -> Sequence[int]:
        if self.strategy == TAIL:
            return range(length - share, length)
        if self.strategy == HEAD_TAIL and share < length:
            head = round(share * HEAD_SHARE)
            return [*range(head), *range(length - share + head, length)]
        return range(share)


def longest_first(lengths: Sequence[int], room: int) -> list[int]:
    """How many tokens of each text fit into `room`.

    Of a pair, the longer text is cut first, down to an even share: the rule `longest_first` of the tokenizers.

    >>> longest_first([3, 20], 10), longest_first([20, 20], 9)
    ([3, 7], [4, 5])
    """
    if len(lengths) == 1 or sum(lengths) <= room:
        return [min(length, room) for length in lengths]
    short, long = (1, 0) if lengths[0] > lengths[1] else (0, 1)
    shares = [0, 0]
    shares[short] = min(lengths[short], room // 2)
    shares[long] = room - shares[short]
    return shares
