"""`TrainingArguments` from the flags and the device, and the combinations of both that are refused."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Mapping
from weakref import WeakSet

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from classification.errors import UsageError
from classification.evaluation.metrics import LOWER_IS_BETTER
from classification.messages.log import Line
from classification.models.precision import Precision
from classification.training.tracker_names import check_trackers

# Each worker is a fork of a process that holds a GPU. On an H200, 8 workers for each of the three loaders took 9 of the
# 13 seconds of the quickstart, and one worker collates faster than a training step.
MAX_LOADER_WORKERS = 2
# The Trainer would create a repository before training and push its whole folder whenever it saves, and the token would
# be in its arguments, which it pickles and gives to trackers. `reporting/hub_push.py` pushes instead.
PUSH_FLAGS = ("push_to_hub", "hub_token", "hub_always_push")
# `smaller_batches.py` and `interruption.py` do better: the library would begin the training again, or save twice.
DONE_HERE = ("auto_find_batch_size", "enable_jit_checkpoint")


def loader_settings(device: str, num_processes: int = 1, workers: int | None = None) -> dict[str, object]:
    """`TrainingArguments` of the data loaders.

    Beside an accelerator, worker processes collate ahead into pinned memory. On a CPU a worker would take time from
    the arithmetic, and there is nothing to copy to.

    Args:
        workers: as the user asked; None to decide by the device.
    """
    accelerated = device != "cpu"
    if workers is None:
        workers = max(1, min(MAX_LOADER_WORKERS, (os.cpu_count() or 2) // 2 // num_processes)) if accelerated else 0
    settings: dict[str, object] = {"dataloader_num_workers": workers, "dataloader_pin_memory": device == "cuda"}
    if workers:
        settings |= {"dataloader_prefetch_factor": 2, "dataloader_persistent_workers": True}
    return settings | ({"accelerator_config": {"non_blocking": True}} if device == "cuda" else {})


def device_arguments(
    device: str, precision: Precision, num_processes: int = 1, workers: int | None = None
) -> dict[str, object]:
    """`TrainingArguments` that follow from the device: its number format and its loaders."""
    return {
        "use_cpu": device == "cpu",
        "bf16": precision.name == "bf16",
        "fp16": precision.name == "fp16",
        "tf32": True if precision.tf32 else None,
        **loader_settings(device, num_processes, workers),
    }


def make_training_arguments(
    flags: Mapping[str, object], decided: Mapping[str, object], given: Collection[str]
) -> TrainingArguments:
    """`TrainingArguments` from the flags, and from what the device decided where a flag was not given.

    Args:
        flags: a value for every flag of the Trainer; those in `PUSH_FLAGS` and `DONE_HERE` are left out.
        decided: as from `device_arguments`.
        given: names of the flags on the command line or in the preset; they override decisions.

    Raises:
        UsageError: the library or `refuse_unfit` refuses them.
    """
    best = str(flags["metric_for_best_model"]).removeprefix("eval_")
    own = {"greater_is_better": best not in LOWER_IS_BETTER, **decided}
    flags = {name: value for name, value in flags.items() if name not in (*PUSH_FLAGS, *DONE_HERE)}
    try:
        args = TrainingArguments(**{**flags, **{name: value for name, value in own.items() if name not in given}})
    except (ValueError, TypeError) as error:
        raise UsageError(f"The Trainer refuses these arguments: {error}") from error
    refuse_unfit(args)
    return args


class EqualDraws(TrainerCallback):
    """Every pass over a loader draws one random number, whether its workers start or stay from the pass before.

    torch draws one when a loader starts. A resumed run starts its workers anew: without the draw of the uninterrupted
    run, its dropout would differ.
    """

    def __init__(self) -> None:
        self.evaluated: WeakSet = WeakSet()

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):
        if _keeps_workers(train_dataloader) and train_dataloader.base_dataloader._iterator is not None:
            _draw_one()

    def on_evaluate(self, args, state, control, eval_dataloader=None, **kwargs):
        if not _keeps_workers(eval_dataloader):
            return
        if eval_dataloader in self.evaluated:
            _draw_one()
        self.evaluated.add(eval_dataloader)


def _keeps_workers(loader) -> bool:
    """Whether a loader of accelerate keeps its workers from one pass to the next."""
    return bool(getattr(getattr(loader, "base_dataloader", None), "persistent_workers", False))


def _draw_one() -> None:
    torch.empty((), dtype=torch.int64).random_()  # as `_BaseDataLoaderIter` draws its seed


def end_workers(trainer: Trainer) -> None:
    """End the worker processes of all loaders of a Trainer.

    The library and accelerate keep the loaders, and torch waits 5 seconds at the exit of the process for each worker
    that is alive (`_MultiProcessingDataLoaderIter._clean_up_worker`, for persistent workers with pinned memory).
    """
    if not trainer.args.dataloader_num_workers:
        return
    getattr(trainer, "_eval_dataloaders", {}).clear()
    handler = trainer.callback_handler
    handler.train_dataloader = handler.eval_dataloader = None
    trainer.accelerator._dataloaders.clear()
    gc.collect()  # the loaders are in reference cycles


def refuse_unfit(args: TrainingArguments) -> None:
    """Refuse what this machine or its processes cannot do right.

    Raises:
        UsageError: one process with several GPUs (it would use `DataParallel`, which is slow and multiplies the loss
            by their number), an order of rows that repeats rows over several processes, a tracker that is not
            installed.
    """
    if args.n_gpu > 1:
        raise UsageError(
            f"{args.n_gpu} GPUs are visible to one process. Use all of them with: bash scripts/run_multi_gpu.sh ... "
            f"(accelerate launch --num_processes {args.n_gpu} run_classification.py ...), or one: "
            "CUDA_VISIBLE_DEVICES=0"
        )
    if args.world_size > 1 and args.train_sampling_strategy not in ("random", "group_by_length"):
        raise UsageError(
            f"--train_sampling_strategy {args.train_sampling_strategy}: would repeat rows over several processes. "
            "Use random or group_by_length."
        )
    check_trackers(args.report_to)


def describe_loaders(args: TrainingArguments) -> Line:
    pinned = "on" if args.dataloader_pin_memory else "off"
    return Line("loader", f"{args.dataloader_num_workers} workers, pinned memory {pinned}")
