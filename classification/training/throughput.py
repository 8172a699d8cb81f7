"""How fast a run was, how much of it was padding or waiting, and what would make it faster."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments

from classification.models.freezing import in_head
from classification.models.kernels.cpu_dropout import dropout_of_attention
from classification.models.precision import product_ceiling, running_sums

MUCH_WAITING, MUCH_PADDING, LITTLE_USED = 0.1, 0.15, 0.3
LONG = 64  # tokens of a text for which attention, and what is dropped of it, counts


class Meter:
    """Counts what one kind of work (training, or evaluation) does.

    A document in windows is one row, and has the tokens of all of them.
    """

    def __init__(self, device: torch.device):
        self.device = device
        # Rows, tokens of texts, tokens with padding, squared lengths (attention's share of the arithmetic).
        self.counts = running_sums(4, device)
        self.seconds = 0.0
        self.seconds_waiting = 0.0
        self.passes = 1.0

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
        """Rates and shares, and `mean_context`: of how many tokens a token's text has, on average. Without `flops`
        nothing of arithmetic."""
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
        done = self.passes * (flops.per_token * real + flops.per_square * squares) / seconds
        return figures | {"flops_per_second": done, "mfu": done / ceiling}


class StepTimer(TrainerCallback):
    """Measures the steps of training, from the first batch's forward pass to the optimizer's end, without what comes
    between them: evaluations and checkpoints."""

    def __init__(self, meter: Meter):
        self.meter = meter
        self.start = 0.0

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.meter.passes = passes_of_training(model)

    def on_step_begin(self, args, state, control, **kwargs):
        self.start = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        if control.should_log or control.should_evaluate or control.should_save:
            self._wait_for_device()  # as those would, with the clock stopped
        self.meter.seconds += time.perf_counter() - self.start

    def on_epoch_end(self, args, state, control, **kwargs):
        """A GPU may have steps in its queue."""
        with self.meter.working():
            self._wait_for_device()

    def _wait_for_device(self) -> None:
        if self.meter.device.type != "cpu":
            torch.accelerator.synchronize(self.meter.device)


class Flops:
    """Floating-point operations of a forward pass over a text of T tokens: `per_token` * T + `per_square` * T * T, the
    last part attention's, and a constant that is left out, the head's. Read off three counted passes."""

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel, longest: int):
        long = min(128, longest)
        lengths = (long // 4, long // 2, long)
        self.per_square, self.per_token, _ = np.polyfit(lengths, [self._count(model, length) for length in lengths], 2)

    @staticmethod
    def _count(model: PreTrainedModel, length: int) -> int:
        was_training = model.training
        model.eval()
        ids = torch.full((1, length), 1, device=model.device)
        # The counter knows the products that attention is made of, not every fused form of it, and no fused LSTM.
        with FlopCounterMode(display=False, custom_mapping=LSTMS) as counter, sdpa_kernel(SDPBackend.MATH):
            type(model).forward(model, input_ids=ids, attention_mask=torch.ones_like(ids))
        model.train(was_training)
        return counter.get_total_flops()


def _mkldnn_lstm(states, input_weight, hidden_weight, *others, **outputs) -> int:
    return 2 * math.prod(states[:-1]) * (math.prod(input_weight) + math.prod(hidden_weight))


def _cudnn_lstm(states, weights, *others, **outputs) -> int:
    return 2 * math.prod(states[:-1]) * sum(math.prod(weight) for weight in weights if len(weight) == 2)


# Operations of torch -> their arithmetic, from the shapes of their arguments: states [T, B, E] (or [B, T, E]).
LSTMS = {torch.ops.aten.mkldnn_rnn_layer: _mkldnn_lstm, torch.ops.aten._cudnn_rnn: _cudnn_lstm}


def passes_of_training(model: nn.Module) -> float:
    """What a step costs, in forward passes: with every weight training 3 (a backward pass has two products for each of
    the forward's), less where weights are frozen; adapters need the gradients of the states, not of the weights."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    weights = [  # of every product in its layers
        weight
        for name, weight in base.named_parameters()
        if weight.dim() == 2 and not in_head(name, base) and any(part.isdigit() for part in name.split("."))
    ]
    trains = sum(weight.numel() for weight in weights if weight.requires_grad)
    share = trains / max(sum(weight.numel() for weight in weights), 1)
    return 2 + share if base is not model else 1 + 2 * share


def peak_memory(device: torch.device) -> int:
    """Bytes at the peak: of the process on a CPU, of tensors on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def account(
    model: PreTrainedModel,
    training: Meter,
    evaluation: Meter,
    args: TrainingArguments,
    *,
    longest: int,
    pads_to_max: bool,
) -> dict:
    """The figures of a run: of training and evaluation, where there was any, and of the machine; and advice.

    Args:
        longest: tokens that the model reads.
        pads_to_max: whether every batch was padded to so many.
    """
    device = training.device
    dtype = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else torch.float32
    ceiling = args.world_size * product_ceiling(device, dtype)
    try:
        flops = Flops(model, longest)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        flops = None  # a model of its own kind: its arithmetic is not counted
    figures = {"product_flops_per_second": ceiling, "peak_memory_bytes": peak_memory(device)}
    for name, meter in (("training", training), ("evaluation", evaluation)):
        if meter.counts[0]:
            figures[name] = meter.figures(flops, ceiling)
    advice = None
    if "training" in figures:
        can_fuse = getattr(model.base_model, "_supports_sdpa", False)
        dropout = dropout_of_attention(model.config) if can_fuse else 0.0
        advice = advise(figures["training"], args, pads_to_max, dropout)
    return figures | {"advice": advice}


def advise(training: dict, args: TrainingArguments, pads_to_max: bool, attention_dropout: float) -> str | None:
    """The first thing that would make training faster, with its figure; None where nothing stands out.

    Args:
        training: the figures of training.
        pads_to_max: as for `account`.
        attention_dropout: share of the attention weights that was dropped, of a model that has fused attention.
    """
    waiting, padding = training["waiting_share"], training["padding_share"]
    if padding > MUCH_PADDING and pads_to_max:
        return f"{padding:.0%} of the tokens are padding: leave out --pad_to_max_length"
    if padding > MUCH_PADDING and args.train_sampling_strategy == "random":
        return f"{padding:.0%} of the tokens are padding: pass --train_sampling_strategy group_by_length"
    if waiting > MUCH_WAITING:
        workers = max(2, 2 * args.dataloader_num_workers)
        return f"{waiting:.0%} of training waits for data: pass --dataloader_num_workers {workers}"
    if args.device.type == "cpu" and training["mean_context"] > LONG and attention_dropout:
        return "attention dropout draws a random number for every pair of tokens: pass --attention_dropout 0"
    if args.device.type == "cuda" and training.get("mfu", 1) < LITTLE_USED:
        return f"{training['mfu']:.0%} of the GPU's arithmetic is used: try a larger --per_device_train_batch_size"
    return None
