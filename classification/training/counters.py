"""Sums that a run keeps on the device, so that no step waits for a figure to be read back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from classification.data.labels import LabelSpace
from classification.data.unlabelled import UNLABELLED
from classification.data.windows import IGNORED
from classification.training.flops import Flops

# B rows of a micro-batch, C labels, T tokens.


def running_sums(count: int, device: torch.device) -> torch.Tensor:
    """Zeros [count] on the device, in fp64, or in fp32 on MPS, which has no fp64."""
    return torch.zeros(count, dtype=torch.float64 if device.type != "mps" else torch.float32, device=device)


class EpochTotals:
    """Sums of loss, of rows decided correctly, of rows, and of those without a label."""

    def __init__(self, task: LabelSpace, device: torch.device):
        self.task = task
        self.counts_hits = task.headline == "accuracy"
        self.sums = running_sums(4, device)

    def add(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """A micro-batch: the sum of its rows' losses [], logits [B, C], labels [B] or [B, C]."""
        hits = self.task.torch_hits(logits, labels)
        if hits is None:
            hits = torch.zeros((), device=loss.device)
        first = labels.reshape(len(labels), -1)[:, 0]
        figures = (loss.reshape(()), hits, (first != IGNORED).sum(), (first == UNLABELLED).sum())
        self.sums += torch.stack([figure.to(self.sums) for figure in figures])

    def take(self) -> torch.Tensor:
        """The sums [4] since the last call, which start again at zero."""
        sums = self.sums.clone()
        self.sums.zero_()
        return sums

    def state_dict(self) -> dict:
        """For a checkpoint: the sums so far, in this process."""
        return {"sums": self.sums.tolist()}

    def load_state_dict(self, state: dict) -> None:
        sums = [*state["sums"], 0.0][: len(self.sums)]  # older checkpoints count no rows without a label
        self.sums.copy_(torch.tensor(sums, dtype=self.sums.dtype))

    @staticmethod
    def share(states: list[dict], rank: int, processes: int) -> dict | None:
        """The first process gets the sums of another number of processes."""
        total = [sum(values) for values in zip(*(state["sums"] for state in states), strict=True)]
        return {"sums": total} if rank == 0 else None


class Meter:
    """Counts what one kind of work (training, or evaluation) does.

    A document in windows is one row, and has the tokens of all of them.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.passes = 1.0
        self.reset()

    def reset(self) -> None:
        """Start again at zero."""
        # Rows, tokens of texts, tokens with padding, squared lengths (attention's share of the arithmetic).
        self.counts = running_sums(4, self.device)
        self.seconds = self.seconds_waiting = 0.0

    def add(self, rows: int, attention_mask: torch.Tensor) -> None:
        """A batch of `rows` documents with attention_mask [B, T]."""
        lengths = attention_mask.to(self.device).sum(1).to(self.counts)
        self.counts[0] += rows
        self.counts[1] += lengths.sum()
        self.counts[2] += attention_mask.numel()
        self.counts[3] += lengths.square().sum()

    @contextmanager
    def working(self) -> Iterator[None]:
        """The time inside is work."""
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The time inside is work that waits for data."""
        before = self.seconds
        with self.working():
            yield
        self.seconds_waiting += self.seconds - before

    def figures(self, flops: Flops | None, ceiling: float) -> dict[str, float]:
        """Rates, shares and `mean_context`, the number of tokens in the text of an average token.

        Args:
            flops: None where the model's arithmetic could not be counted; the figures about it are left out.
            ceiling: FLOP/s of the fastest matrix product.
        """
        rows, real, padded, squares = self.counts.tolist()
        seconds = max(self.seconds, 1e-9)
        figures = {
            "rows": int(rows),
            "seconds": self.seconds,
            "rows_per_second": rows / seconds,
            "tokens_per_second": real / seconds,
            "padded_tokens_per_second": padded / seconds,
            "padding_share": 1 - real / max(padded, 1),
            "waiting_share": self.seconds_waiting / seconds,
            "mean_context": squares / max(real, 1),
        }
        if flops is None:
            return figures
        speed = self.passes * (flops.per_token * real + flops.per_square * squares) / seconds
        return figures | {"flops_per_second": speed, "mfu": speed / ceiling}
