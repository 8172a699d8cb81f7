"""How fast a run was, how much of it was padding or waiting, and what would make it faster."""

from __future__ import annotations

import sys
import time

import torch
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments

from classification.messages.log import Line
from classification.models.attention_dropout import get_attention_dropout
from classification.models.kernels.machine import product_ceiling
from classification.training.counters import Meter
from classification.training.flops import Flops, passes_of_training

MUCH_WAITING, MUCH_PADDING, LITTLE_USED = 0.1, 0.15, 0.3
LONG = 64  # tokens per text from which attention dropout costs much


class StepTimer(TrainerCallback):
    """Measures training steps, from the first forward pass to the end of the optimizer step.

    Evaluations and checkpoints between the steps are not counted.

    Args:
        passes: forward passes of each row, 2 with `--r_drop`.
    """

    def __init__(self, meter: Meter, passes: int = 1):
        self.meter, self.passes = meter, passes
        self.start = 0.0

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.meter.reset()  # drops a training before this one
        self.meter.passes = self.passes * passes_of_training(model)

    def on_step_begin(self, args, state, control, **kwargs):
        self.start = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        if control.should_log or control.should_evaluate or control.should_save:
            self._wait_for_device()  # these would wait for it too, with the clock stopped
        self.meter.seconds += time.perf_counter() - self.start

    def on_epoch_end(self, args, state, control, **kwargs):
        with self.meter.working():  # a GPU may have steps in its queue
            self._wait_for_device()

    def _wait_for_device(self) -> None:
        if self.meter.device.type != "cpu":
            torch.accelerator.synchronize(self.meter.device)


def peak_memory(device: torch.device) -> int:
    """Peak memory in bytes: of the process on a CPU, of tensors on a GPU; 0 on Windows without a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure_throughput(
    model: PreTrainedModel,
    training: Meter,
    evaluation: Meter,
    args: TrainingArguments,
    *,
    longest: int,
    pads_to_max: bool,
) -> dict:
    """The figures of training and evaluation, where there was any, those of the machine, and `advice` (or None).

    Args:
        longest: tokens that the model reads at most.
        pads_to_max: whether every batch was padded to `longest`.
    """
    device = training.device
    memory = peak_memory(device)  # before the large matrices of the product take theirs
    dtype = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else torch.float32
    ceiling = args.world_size * product_ceiling(device, dtype)
    try:
        flops = Flops(model, longest)
    except Exception:  # whatever an unusual model raises: its operations are not counted
        flops = None
    figures: dict = {"product_flops_per_second": ceiling, "peak_memory_bytes": memory}
    for name, meter in (("training", training), ("evaluation", evaluation)):
        if meter.counts[0]:
            figures[name] = meter.figures(flops, ceiling)
    advice = None
    if "training" in figures:
        can_fuse = getattr(model.base_model, "_supports_sdpa", False)
        dropout = get_attention_dropout(model.config) if can_fuse else 0.0
        advice = advise(figures["training"], args, pads_to_max, dropout)
    return figures | {"advice": advice}


def advise(training: dict, args: TrainingArguments, pads_to_max: bool, attention_dropout: float) -> str | None:
    """The first thing that would make training faster, with its figure; None where nothing would.

    Args:
        training: the figures of training.
        pads_to_max: as for `measure_throughput`.
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


def speed_shown(value: float) -> str:
    """Three digits, and no exponent.

    >>> speed_shown(2986.4), speed_shown(36.12), speed_shown(2)
    ('2,986', '36.1', '2')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def summary(figures: dict) -> list[Line]:
    """The figures of `measure_throughput` in one line, and the advice, if any, in another; nothing without figures."""
    if not figures:
        return []
    parts = []
    if "training" in figures:
        speed = figures["training"]
        used = ""
        if "mfu" in speed:
            ceiling = figures["product_flops_per_second"] / 1e9
            used = f", {speed['mfu']:.0%} of the {ceiling:,.0f} GFLOP/s of a matrix product"
        parts.append(
            f"training {speed_shown(speed['rows_per_second'])} rows/s ({speed['tokens_per_second']:,.0f} tokens/s, "
            f"{speed['padding_share']:.0%} padding, {speed['waiting_share']:.1%} waiting for data{used})"
        )
    if "evaluation" in figures:
        speed = figures["evaluation"]
        parts.append(
            f"evaluation {speed_shown(speed['rows_per_second'])} rows/s ({speed['padding_share']:.0%} padding)"
        )
    parts.append(f"peak memory {figures['peak_memory_bytes'] / 1e9:.1f} GB")
    lines = [Line("speed", "; ".join(parts))]
    return lines + ([Line("faster", figures["advice"])] if figures.get("advice") else [])
