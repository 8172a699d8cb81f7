"""A training on texts before its first step, and whether it may go on from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from classification.cli.checks.trainer_table import repeated_arguments
from classification.cli.hardware import Hardware
from classification.errors import UsageError
from classification.messages.log import log_lines
from classification.report.json_fields import read_json
from classification.reporting.adapted_folder import RECORD
from classification.reporting.differences import mapping
from classification.reporting.environment import environment
from classification.reporting.output_folder import OutputFolder
from classification.training.pretraining import PretrainingTrainer
from classification.training.pretraining_texts import PretrainingTexts
from classification.training.resume_guard import check_resume, describe_accepted, steps_done
from classification.training.resumed_optimizer import NewOptimizerFlags
from classification.training.run_decisions import run_decisions, stored_facts
from classification.training.run_fingerprint import (
    RATE,
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
    """

    folder: OutputFolder
    texts: PretrainingTexts
    trainer: PretrainingTrainer
    schedule: Schedule
    has_new_head: bool
    length: int
    share: float

    def has_begun(self) -> bool:
        return self.trainer.state.global_step > 0


def guard(ready: Adaptation, hardware: Hardware, *, anyway: bool) -> None:
    """Give the training its fingerprint, and refuse to resume another one.

    Args:
        anyway: `--resume_anyway`.

    Raises:
        UsageError: texts, model or flags are not those of the checkpoint.
    """
    trainer, folder = ready.trainer, ready.folder
    decisions = run_decisions(hardware.device, hardware.precision.name, trainer.model, hardware.args)
    new = fingerprint(ready, decisions)
    trainer.facts.update(fingerprint=new, decisions=decisions, environment=environment())
    if folder.checkpoint is None:
        return
    facts, done = stored_facts(folder.checkpoint, folder.path), steps_done(folder.checkpoint)
    old = mapping(facts, "fingerprint")
    found = check_resume(folder.checkpoint, old, new, anyway=anyway, done=done)
    if found:
        log_lines(describe_accepted(found, done, ready.schedule.steps))
        trainer.add_callback(NewOptimizerFlags(trainer, ready.schedule.steps, old.get(RATE)))
    before = facts.get("resumed_anyway")
    accepted = list(before) if isinstance(before, list) else []
    accepted += [{"step": done, "differences": [str(each) for each in found]}] if found else []
    if accepted:
        trainer.facts["resumed_anyway"] = accepted


def fingerprint(ready: Adaptation, decisions: Mapping[str, object]) -> dict[str, object]:
    """What decides the weights, as short printable values."""
    trainer, args = ready.trainer, ready.trainer.args
    values: dict[str, object] = {"kind of training": "masked tokens", "--max_seq_length": ready.length}
    values["--mlm_probability"] = ready.share
    for split, data in (("train", trainer.train_dataset), ("validation", trainer.eval_dataset)):
        values[f"{split} blocks"] = None if data is None else f"{len(data)} ({hash_of(data.blocks.tobytes())})"
    values |= fingerprint_of_model(trainer.model)
    values |= {f"--{name}": plain_value(getattr(args, name)) for name in repeated_arguments(with_best=True)}
    for name in (*without_effect(args), "--eval_on_start"):
        values.pop(name, None)
    values |= {"--precision" if name == "precision" else name: value for name, value in decisions.items()}
    return values | {STEPS: ready.schedule.steps, "number of processes": args.world_size}


def finished_results(ready: Adaptation) -> dict[str, object]:
    """The results of this very training, where `--resume auto` finds it finished; else empty."""
    folder = ready.folder
    if folder.checkpoint is None or not (folder.path / "model.safetensors").is_file():
        return {}
    try:
        record = read_json(folder.path / RECORD) or {}
    except UsageError:  # the file is damaged: it is written again
        return {}
    is_same = record.get("fingerprint") == ready.trainer.facts["fingerprint"]
    return {name: value for name, value in mapping(record, "results").items() if name != "seconds"} if is_same else {}
