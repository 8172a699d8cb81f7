"""A training on texts before its first step, and whether it may go on from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from classification.cli.checks.trainer_table import repeated_arguments
from classification.cli.hardware import Hardware
from classification.errors import UsageError
from classification.messages.log import log_lines
from classification.report.json_fields import read_json
from classification.reporting.adapted_folder import RECORD
from classification.reporting.differences import describe_place, mapping
from classification.reporting.environment import environment
from classification.reporting.output_folder import OutputFolder
from classification.training.pretraining import PretrainingTrainer
from classification.training.pretraining_texts import PretrainingTexts
from classification.training.processes import made_by_main
from classification.training.resume_guard import differences, resume_as, steps_done
from classification.training.run_decisions import run_decisions, stored_facts
from classification.training.run_fingerprint import (
    STEPS,
    fingerprint_of_model,
    hash_of,
    plain_value,
    without_effect,
)
from classification.training.schedule import Schedule


@dataclass(frozen=True)
class Adaptation:
    """All that is ready before the first step.

    Args:
        length: tokens of a block. share: of the tokens that are predicted.
        finished: the results, where this training was finished before.
    """

    folder: OutputFolder
    texts: PretrainingTexts
    trainer: PretrainingTrainer
    schedule: Schedule
    has_new_head: bool
    length: int
    share: float
    finished: dict[str, object] = field(default_factory=dict)

    def has_begun(self) -> bool:
        return self.trainer.state.global_step > 0


def guard(ready: Adaptation, hardware: Hardware, *, resumes: bool, anyway: bool) -> dict[str, object]:
    """Give the training its fingerprint, and refuse to resume another one.

    Args:
        resumes: whether there is `--resume`. anyway: `--resume_anyway`.

    Returns:
        The results of this very training, where it is finished; else empty.

    Raises:
        UsageError: texts, model or flags are not those of the checkpoint, or of the finished training.
    """
    trainer, folder = ready.trainer, ready.folder
    decisions = run_decisions(hardware.device, hardware.precision.name, trainer.model, hardware.args)
    new = fingerprint(ready, decisions)
    trainer.facts.update(fingerprint=new, decisions=decisions, environment=environment())
    record = made_by_main(lambda: finished_adaptation(folder.path)) if resumes else {}
    if record and not differences(mapping(record, "fingerprint"), new):
        return {name: value for name, value in mapping(record, "results").items() if name != "seconds"}
    if folder.checkpoint is None and (not record or folder.overwrite):
        return {}
    facts, source = facts_before(folder), folder.checkpoint or "auto"
    old, accepts = mapping(facts, "fingerprint"), anyway if folder.checkpoint else None
    resume_as(trainer, source, facts, old, new, anyway=accepts, done=steps_done(folder.checkpoint))
    log_lines(describe_place(mapping(facts, "environment"), environment()))
    return {}


def facts_before(folder: OutputFolder) -> Mapping[str, object]:
    """What the checkpoint, or else the finished training in the folder, holds about itself; as from `stored_facts`."""
    return stored_facts(folder.checkpoint, folder.path) if folder.checkpoint else finished_adaptation(folder.path)


def finished_adaptation(folder: Path) -> dict[str, object]:
    """pretraining.json of a training that has written all its output; empty for any other folder."""
    try:
        record = read_json(folder / RECORD) or {}
    except UsageError:  # the file is damaged: it is written again
        return {}
    is_whole = (folder / "model.safetensors").is_file() and not record.get("lost")
    return record if is_whole and mapping(record, "fingerprint") else {}


def fingerprint(ready: Adaptation, decisions: Mapping[str, object]) -> dict[str, object]:
    """What decides the weights, as short printable values."""
    trainer, args = ready.trainer, ready.trainer.args
    values: dict[str, object] = {"kind of training": "masked tokens", "--max_seq_length": ready.length}
    values["--mlm_probability"] = ready.share
    validation = trainer.eval_dataset
    values["--shuffle_seed"] = None if validation is None else validation.seed  # it decides the masks
    for split, data in (("train", trainer.train_dataset), ("validation", validation)):
        values[f"{split} blocks"] = None if data is None else f"{len(data)} ({hash_of(data.blocks.tobytes())})"
    values |= fingerprint_of_model(trainer.model)
    values |= {f"--{name}": plain_value(getattr(args, name)) for name in repeated_arguments(with_best=True)}
    for name in (*without_effect(args), "--eval_on_start"):
        values.pop(name, None)
    values |= {"--precision" if name == "precision" else name: value for name, value in decisions.items()}
    return values | {STEPS: ready.schedule.steps, "number of processes": args.world_size}
