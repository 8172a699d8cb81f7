"""Which tokens of a block are masked: decided by seed, epoch and block alone, so that every process agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from classification.data.windows import IGNORED

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens; the rest stays as it is
FIXED, PER_EPOCH = 1, 2  # kinds of random numbers

# N blocks, T tokens of a block, P chosen ones.


@dataclass(frozen=True)
class Masking:
    """The rule of BERT (Devlin et al. 2019): of the chosen tokens 80% become the mask, 10% another token, 10% stay.

    Args:
        share: of the tokens that are chosen, special tokens not counted.
        mask_id: of the mask token.
        special: whether each token of the vocabulary is special, bool [V]: never chosen, and never put in.
    """

    share: float
    mask_id: int
    special: np.ndarray

    @classmethod
    def from_tokenizer(cls, tokenizer: PreTrainedTokenizerBase, share: float, vocabulary: int) -> Masking:
        """
        Args:
            vocabulary: rows of the model's embeddings. Those that the tokenizer does not know are never put in.
        """
        special = np.ones(vocabulary, dtype=bool)
        known = [token for token in tokenizer.get_vocab().values() if token < vocabulary]
        special[known] = False
        special[[token for token in tokenizer.all_special_ids if token < vocabulary]] = True
        return cls(share, tokenizer.mask_token_id, special)

    @cached_property
    def ordinary(self) -> np.ndarray:
        """The tokens that are not special, int64."""
        return np.flatnonzero(~self.special)

    def room(self, length: int) -> int:
        """The most tokens that are chosen in a block of `length` tokens, P."""
        return max(1, round(self.share * length))

    def mask(self, ids: np.ndarray, draws: np.random.Generator) -> dict[str, np.ndarray]:
        """A block with masked tokens.

        Args:
            ids: int64 [T].

        Returns:
            `input_ids` [T]; `positions` [P] of the chosen tokens, in order, then zeros; `labels` [P] with their ids,
            then IGNORED.
        """
        candidates = np.flatnonzero(~self.special[ids])
        count = min(len(candidates), max(1, round(self.share * len(candidates))))
        chosen = np.sort(draws.choice(candidates, count, replace=False)) if count else candidates
        positions = np.zeros(self.room(len(ids)), dtype=np.int64)
        labels = np.full(self.room(len(ids)), IGNORED, dtype=np.int64)
        positions[:count], labels[:count] = chosen, ids[chosen]
        kinds, others = draws.random(count), draws.choice(self.ordinary, count)
        masked = ids.copy()
        masked[chosen] = np.where(
            kinds < MASKED, self.mask_id, np.where(kinds < MASKED + RANDOM, others, labels[:count])
        )
        return {"input_ids": masked, "positions": positions, "labels": labels}


class MaskedBlocks(Dataset):
    """Blocks whose tokens are masked when they are read. Row N is a block that counts nothing.

    In training the number of a row says the epoch too (see `BlockSampler`), so that each epoch has masks of its own and
    worker processes need not know the epoch.

    Args:
        blocks: token ids, [N, T].
        has_fixed_masks: True for validation: the same masks in every evaluation.
    """

    def __init__(self, blocks: np.ndarray, masking: Masking, seed: int, *, has_fixed_masks: bool = False):
        self.blocks, self.masking, self.seed = blocks, masking, seed
        self.has_fixed_masks = has_fixed_masks

    def __len__(self) -> int:
        return len(self.blocks)

    @property
    def num_tokens(self) -> int:
        return self.blocks.size

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        epoch, row = divmod(number, len(self.blocks) + 1)
        is_padding = row == len(self.blocks)
        place = (FIXED, row) if self.has_fixed_masks else (PER_EPOCH, epoch, row)
        ids = self.blocks[0 if is_padding else row].astype(np.int64)
        block = self.masking.mask(ids, np.random.default_rng((self.seed, *place)))
        if is_padding:
            block["labels"][:] = IGNORED
        return block


class BlockNames(Sequence[str]):
    """The names of the numbers that `MaskedBlocks` reads, for errors."""

    def __init__(self, num_blocks: int):
        self.num_blocks = num_blocks

    def __len__(self) -> int:
        return 1 << 62  # every epoch has numbers of its own

    def __getitem__(self, number: Any) -> str:
        row = number % (self.num_blocks + 1)
        return f"block {row}" if row < self.num_blocks else "padding"


def collate(rows: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """A batch of blocks: `input_ids` [B, T], `positions` and `labels` [B, P]. There is no padding."""
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
