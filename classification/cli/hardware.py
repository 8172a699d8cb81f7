"""What the flags and the hardware decide together: number format, loaders, and the Trainer's arguments."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from transformers import TrainingArguments

from classification.cli.options import Options
from classification.log import Line
from classification.models.precision import Precision, decide_precision, device_type
from classification.training.loaders import describe_loaders, device_arguments, make_training_arguments


@dataclass(frozen=True)
class Hardware:
    """Device (`cuda`, `mps`, `xpu` or `cpu`), number format and the Trainer's arguments."""

    device: str
    precision: Precision
    args: TrainingArguments

    def summary(self) -> list[Line]:
        precision = replace(self.precision, tf32=bool(self.args.tf32))
        return [precision.summary(self.device), describe_loaders(self.args)]


def decide_hardware(options: Options) -> Hardware:
    """Choose what suits the hardware; flags override it.

    Raises:
        UsageError: a number format that the device does not have, or arguments that the Trainer refuses.
    """
    device = device_type(options.trainer.is_on("use_cpu"))
    precision = decide_precision(options.run.precision, device, int(os.environ.get("WORLD_SIZE", 1)))
    if options.run.logging_dir:
        os.environ["TENSORBOARD_LOGGING_DIR"] = options.run.logging_dir
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    decided = device_arguments(device, precision, processes, options.loader_workers)
    return Hardware(device, precision, make_training_arguments(options.trainer, decided, options.given))
