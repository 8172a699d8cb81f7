"""Before training: can the optimizer be made, and is there room on the disk for what the training is going to write?

A run is refused only where it cannot succeed: `least` counts what is certain to be on the disk at one moment. Where
only `likely` does not fit, there is a warning: the best checkpoint may be an older one, and predictions, plots and
other programs need room too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from transformers import PreTrainedTokenizerBase

from classification.errors import UsageError
from classification.messages.log import log_lines, warning
from classification.system.files import free_bytes
from classification.training.checkpoint_rotation import LEFTOVER
from classification.training.checkpoint_seal import damage_of
from classification.training.checkpoints import all_checkpoints, step_of
from classification.training.optimizer_trial import optimizer_made
from classification.training.resume_guard import steps_done
from classification.training.schedule import Schedule
from classification.training.trainer import ClassificationTrainer

# Numbers that an optimizer keeps per trained parameter. One that is missing here may keep fewer than it seems (8 bits,
# low rank, none), so that nothing is counted for it.
STATES = {"Adam": 2, "AdamW": 2, "NAdam": 2, "RAdam": 2, "Adamax": 2, "Adagrad": 1, "RMSprop": 1, "SGD": 0}
RECORD = 340  # bytes around a tensor in a file of torch.save
SMALL_FILES = 25_000  # bytes: random states, Trainer's state, config, manifest
ROOM = 1.05  # for predictions, plots and other programs, in the warning
GB = 1e9


@dataclass(frozen=True)
class PlannedSaves:
    """What a training writes, in bytes.

    Args:
        checkpoint: one checkpoint. model: the model at the end.
        count: of checkpoints that are still saved at least. limit: how many are kept, 0 for all.
        keeps_best: the best one may be an older one.
        old: number of checkpoints that are there; each counts as long as a new one.
    """

    checkpoint: int
    model: int
    count: int
    limit: int
    keeps_best: bool
    old: int = 0

    @property
    def new_at_once(self) -> int:
        """How many more checkpoints than now are certain to be there at one moment."""
        total = self.old + self.count
        return max(min(total, (self.limit or total) + 1) - self.old, min(self.count, 1))

    @property
    def least(self) -> int:
        """The most that is certain to be on the disk at one moment, beside what is there.

        A new checkpoint is complete before an old one is deleted, and the model is written beside the checkpoints.
        """
        total = self.old + self.count
        more = min(total, self.limit or total) - self.old if self.count else 0
        return max(self.new_at_once * self.checkpoint, more * self.checkpoint + self.model)

    @property
    def likely(self) -> int:
        """The same where the best checkpoint is not the last one."""
        return replace(self, limit=2).least if self.keeps_best and self.limit == 1 else self.least


def check_start(
    trainer: ClassificationTrainer, schedule: Schedule | None, *, checkpoint: str | None = None, merges: bool = False
) -> None:
    """Make optimizer and schedule once, and refuse a training whose checkpoints and model do not fit on the disk.

    Where they only just fit, there is a warning.

    Args:
        schedule: None where nothing is trained.
        checkpoint: to continue from: then the checkpoints in the output folder are this run's.
        merges: adapters are merged into the model at the end.

    Raises:
        UsageError: optimizer or schedule cannot be made; or names what is needed and what is free, and the remedies
            that suffice.
    """
    if schedule is None:
        return
    folder = Path(trainer.args.output_dir)
    done = steps_done(checkpoint)
    old = {path for path in all_checkpoints(folder) if step_of(path) <= done} if checkpoint else set()
    with optimizer_made(trainer, schedule.steps):
        saves = plan_saves(trainer, schedule, done=done, old=len(old), merges=merges)
    free = free_bytes(folder) if trainer.args.should_save else None
    if free is None:
        return
    free += sum(map(bytes_in, removed_by_next_save(folder, done))) if checkpoint else 0
    needs = f"--output_dir {folder}: the training needs {{}} GB on this disk for {describe(saves)}; {{}} GB are free"
    if saves.least > free:
        raise UsageError(f"{needs.format(*in_gb(saves.least, free))}. {remedies(saves, free)}")
    if saves.likely * ROOM > free:
        log_lines([warning(f"{needs.format(*in_gb(saves.likely, free))}: it may become full")])


def removed_by_next_save(folder: Path, done: int) -> list[Path]:
    """Unfinished checkpoints, and damaged ones of later steps; good ones of later steps are renamed, and stay."""
    later = [path for path in all_checkpoints(folder) if step_of(path) > done and damage_of(path) is not None]
    return [*later, *(path for path in folder.glob("checkpoint-*") if LEFTOVER.fullmatch(path.name))]


def bytes_in(checkpoint: Path) -> int:
    """The size of the files in a checkpoint; 0 where it is no folder that can be read."""
    try:
        return sum(file.stat().st_size for file in checkpoint.iterdir() if file.is_file())
    except OSError:  # a file or a link of such a name; a folder of another user
        return 0


def plan_saves(
    trainer: ClassificationTrainer, schedule: Schedule, *, done: int = 0, old: int = 0, merges: bool = False
) -> PlannedSaves:
    """What `trainer` is going to write, once it has its optimizer. What is unknown counts as nothing.

    Args:
        done: steps of the checkpoint that it continues from. old: see `PlannedSaves`.
    """
    args, tokenizer = trainer.args, tokenizer_bytes(trainer.processing_class)
    checkpoint = tokenizer + tensor_bytes(saved_tensors(trainer.model))
    average = trainer.average.bytes if trainer.average else 0
    checkpoint += 0 if args.save_only_model else optimizer_bytes(trainer) + average
    model = tokenizer + tensor_bytes(saved_tensors(trainer.model, merges=merges))
    count = count_saves(trainer, schedule, done)
    keeps_best = bool(args.load_best_model_at_end or args.metric_for_best_model)
    return PlannedSaves(checkpoint, model, count, args.save_total_limit or 0, keeps_best, old)


def count_saves(trainer: ClassificationTrainer, schedule: Schedule, done: int = 0) -> int:
    """How many checkpoints are saved at least, after `done` steps.

    Early stopping may end the run after `patience` + 1 of them, and a run that is resumed at once.
    """
    args, steps = trainer.args, schedule.steps
    if args.save_strategy == "no" or done >= steps or (done and trainer.patience):
        return 0
    if args.save_strategy == "best":
        return 0 if done else 1
    if args.save_strategy == "epoch":
        every = schedule.per_epoch
    else:
        every = math.ceil(steps * args.save_steps) if args.save_steps < 1 else int(args.save_steps)
    count = math.ceil(steps / every) - done // every  # the Trainer saves once more at the end
    return min(count, trainer.patience + 1) if trainer.patience else count


# --------------------------------------------------------------------------------------------------------------- sizes


def saved_tensors(model: torch.nn.Module, *, merges: bool = False) -> Mapping[str, torch.Tensor]:
    """The weights that a saved model has: of an adapter its own, unless it `merges` into the model."""
    if not isinstance(model, PeftModel):
        return model.state_dict()
    if not merges:
        return get_peft_model_state_dict(model)
    own = ("lora_", ".original_module.")  # what the merge replaces
    return {name: tensor for name, tensor in model.state_dict().items() if not any(part in name for part in own)}


def tensor_bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    """Tied weights are written once."""
    once = {(tensor.data_ptr(), tensor.shape): tensor for tensor in tensors.values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in once.values())


def optimizer_bytes(trainer: ClassificationTrainer) -> int:
    """What the optimizer keeps, and the small files that only a checkpoint has."""
    optimizer, total = trainer.optimizer, SMALL_FILES
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled or optimizer is None:
        return total
    for group in optimizer.param_groups:
        states = states_per_number(type(optimizer).__name__, group)
        for parameter in group["params"]:
            total += states * parameter.numel() * parameter.element_size()
            total += RECORD * (states + 1) if states else 0  # the number of steps is a tensor too
    return total


def states_per_number(optimizer: str, group: Mapping[str, object]) -> int:
    """Numbers that an optimizer keeps per trained parameter of a group."""
    states = STATES.get(optimizer, 0)
    if optimizer in ("SGD", "RMSprop"):
        states += bool(group.get("momentum")) + bool(group.get("centered"))
    return states + bool(group.get("amsgrad"))


def tokenizer_bytes(tokenizer: PreTrainedTokenizerBase) -> int:
    """tokenizer.json; 0 for a tokenizer that has none."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return 0 if backend is None else len(backend.to_str(pretty=True).encode())


# ------------------------------------------------------------------------------------------------------------ messages


def gb(size: int, more: int = 0) -> str:
    """Bytes in GB with as many digits as say something, and some more.

    >>> gb(1_234_567_890), gb(12_300_000), gb(12_300_000, 1)
    ('1.23', '0.012', '0.0123')
    """
    return f"{size / GB:.{2 + more}f}" if size >= 0.1 * GB else f"{size / GB:.{2 + more}g}"


def in_gb(needed: int, free: int) -> tuple[str, str]:
    """Both in GB, with as many digits as tell them apart.

    >>> in_gb(12_310_000, 12_300_000)
    ('0.01231', '0.0123')
    """
    pairs = [(gb(needed, more), gb(free, more)) for more in range(8)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def describe(saves: PlannedSaves) -> str:
    """The checkpoints that are on the disk at one moment, and the model."""
    if not saves.count:
        return "the model"
    number = saves.new_at_once
    more = f"{number}{' more' * bool(saves.old)} checkpoint{'s' * (number > 1)}"
    return f"{more} of {gb(saves.checkpoint)} GB and the model of {gb(saves.model)} GB"


def remedies(saves: PlannedSaves, free: int) -> str:
    """The flags with which the training fits, the least costly first."""
    only_model = replace(saves, checkpoint=saves.model)
    not_resumed, last = "no checkpoint can be resumed", "nothing can be resumed, and the last weights are kept"
    ways = [
        ("--save_total_limit 1", replace(saves, limit=1), ""),
        ("--save_only_model true", only_model, not_resumed),
        ("--save_only_model true --save_total_limit 1", replace(only_model, limit=1), not_resumed),
        ("--save_strategy no --load_best_model_at_end false", replace(saves, count=0), last),
    ]
    fitting = [
        f"{flags} ({gb(way.likely)} GB{'; ' + cost if cost else ''})"
        for flags, way, cost in ways
        if way.likely * ROOM <= free and way.least < saves.least
    ]
    return f"Free some space, choose an --output_dir on another disk{''.join(', or pass ' + way for way in fitting)}."
