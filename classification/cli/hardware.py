"""What the flags and the hardware decide together: number format, loaders, and the Trainer's arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from transformers import TrainingArguments

from classification.cli.options import Options
from classification.messages.log import Line
from classification.models.kernels.machine import number_of_processes
from classification.models.precision import Precision, decide_precision, device_type
from classification.training.loaders import describe_loaders, device_arguments, make_training_arguments


@dataclass(frozen=True)
class Hardware:
    """What the flags and the hardware decide.

    Args:
        device: `cuda`, `mps`, `xpu` or `cpu`.
        args: of the Trainer.
        attention: the implementation that the run began with; None where it begins now, or other decisions differ.
    """

    device: str
    precision: Precision
    args: TrainingArguments
    attention: str | None = None

    def summary(self) -> list[Line]:
        precision = replace(self.precision, tf32=bool(self.args.tf32))
        return [precision.summary(self.device), describe_loaders(self.args)]


def decide_hardware(options: Options, stored: Mapping[str, object] | None = None) -> Hardware:
    """Choose what suits the hardware; flags override it.

    Args:
        stored: the decisions of the run that is continued (`run_decisions`), which are used again.

    Raises:
        UsageError: a number format that the device does not have, or arguments that the Trainer refuses.
    """
    device = device_type(options.trainer.is_on("use_cpu"))
    known = {name: str(value) for name, value in (stored or {}).items()}
    known = known if known.get("device") == device else {}
    precision = decide_precision(options.run.precision, device, number_of_processes(), known.get("precision"))
    if options.run.logging_dir:
        os.environ["TENSORBOARD_LOGGING_DIR"] = options.run.logging_dir
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    decided = device_arguments(device, precision, processes, options.loader_workers)
    args = make_training_arguments(options.trainer, decided, options.given)
    is_same = (precision.name, str(args.torch_compile)) == (known.get("precision"), known.get("torch_compile"))
    return Hardware(device, precision, args, known.get("attention") if is_same else None)
