"""A run that resumes must be the run of its checkpoint: other data, labels or flags are refused, or accepted aloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from classification.errors import UsageError, join_first
from classification.messages.log import Line, log_lines, warning
from classification.training.checkpoint_seal import read_step
from classification.training.distillation import NO_TEACHER
from classification.training.resumed_optimizer import NewOptimizerFlags
from classification.training.run_fingerprint import (
    ARCHITECTURE,
    BEST,
    COUNTS_ON,
    ENCODER,
    LABELS,
    PARAMETERS,
    RATE,
    STEPS,
    TASK,
    TRAINABLE,
)
from classification.training.sealed_checkpoints import SealedCheckpoints

FIXED = {  # what no resumed run can change, with the reason
    **dict.fromkeys((LABELS, TASK), "the head of the checkpoint has the labels that it was trained with"),
    **dict.fromkeys((ARCHITECTURE, PARAMETERS), "the weights of the checkpoint do not fit"),
    TRAINABLE: "the optimizer's state does not fit",
    **dict.fromkeys(
        ("--optim", "--optim_args", "--optim_target_modules", "--layerwise_lr_decay"),
        "the optimizer's state does not fit",
    ),
    **dict.fromkeys(("--lr_scheduler_type", "--lr_scheduler_kwargs"), "the schedule's state does not fit"),
    **dict.fromkeys((f"--{name}" for name in BEST), "the best value so far is that of the other metric"),
    "--seed": "the checkpoint holds the state of the random numbers",
    "--shuffle_seed": "the best value so far is that of other masks",  # of scripts/adapt_pretrain.py
}
# Flags that older checkpoints do not name, because they had none.
LATER = ("--layerwise_lr_decay", "--r_drop", "--average", *NO_TEACHER)
# Names that older checkpoints lack although their runs had a value: it counts as equal.
UNRECORDED = tuple(f"--{name}" for name in (*BEST, COUNTS_ON))
NOT_GIVEN = "nothing"


@dataclass(frozen=True)
class Difference:
    """A value that the checkpoint and this run do not share."""

    name: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.name}: the checkpoint was trained with {printed(self.old)}, this run has {printed(self.new)}"


def printed(value: object) -> str:
    return NOT_GIVEN if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def with_later_flags(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """An old fingerprint as this version records it.

    What the old run could not have had is None, and what it had without a record is equal.
    """
    unrecorded = {name: new[name] for name in UNRECORDED if name in new}
    return {name: None for name in LATER if name in new} | unrecorded | dict(old)


def differences(old: Mapping[str, object], new: Mapping[str, object]) -> list[Difference]:
    """The values that differ, of those that both have.

    The number of steps follows from other values: it is named only where none of them differs.
    """
    old = with_later_flags(old, new)
    found = [Difference(name, old[name], new[name]) for name in old if name in new and old[name] != new[name]]
    others = [difference for difference in found if difference.name != STEPS]
    return others or found


def resume_as(
    trainer: SealedCheckpoints,
    source: str,
    facts: Mapping[str, object],
    old: Mapping[str, object],
    new: Mapping[str, object],
    *,
    anyway: bool | None,
    done: int,
) -> None:
    """Let a Trainer go on as the run `new`, or refuse it.

    What `--resume_anyway` accepts is said, takes effect in the optimizer, and is kept in the facts of the Trainer,
    after what was accepted before.

    Args:
        facts: what the checkpoint holds, as from `stored_facts`; the others are those of `check_resume`.

    Raises:
        UsageError: names each old and new value, and the remedies.
    """
    found, before = check_resume(source, old, new, anyway=anyway, done=done), facts.get("resumed_anyway")
    accepted = list(before) if isinstance(before, list) else []
    if found:
        steps = int(str(new[STEPS]))
        log_lines(describe_accepted(found, done, steps))
        accepted.append({"step": done, "differences": [str(each) for each in found]})
        trainer.add_callback(NewOptimizerFlags(trainer, steps, old.get(RATE)))
    if accepted:
        trainer.facts["resumed_anyway"] = accepted


def check_resume(
    source: str, old: Mapping[str, object], new: Mapping[str, object], *, anyway: bool | None, done: int
) -> list[Difference]:
    """Refuse to resume a run as another one; returns the differences that `--resume_anyway` accepts.

    Args:
        source: what is resumed, as the user knows it.
        old, new: fingerprints of the checkpoint and of this run.
        anyway: `--resume_anyway`, None where the flag is not possible.
        done: optimizer steps of the checkpoint.

    Raises:
        UsageError: names each old and new value, and the remedies.
    """
    found = differences(old, new)
    if not found:
        return []
    fixed = {each.name: FIXED[each.name] for each in found if each.name in FIXED}
    if done > int(str(new[STEPS])):
        fixed[STEPS] = f"the checkpoint has done {done}, and this run has {new[STEPS]}"
    what = "; ".join(map(str, found))
    old_values = "Give the old values, or choose another --output_dir and leave out --resume"
    if fixed:
        reasons = join_first(f"{name} ({reason})" for name, reason in fixed.items())
        raise UsageError(
            f"--resume {source}: is another run. {what}. {old_values}: no resumed run can change {reasons}."
        )
    if not anyway:
        go_on = ", or pass --resume_anyway to go on" if anyway is not None else ""
        raise UsageError(f"--resume {source}: is another run. {what}. {old_values}{go_on}.")
    return found


def describe_accepted(found: list[Difference], done: int, steps: int) -> list[Line]:
    """The warning of `--resume_anyway`.

    Args:
        done: optimizer steps of the checkpoint. steps: of this run in all.
    """
    lines = [warning(f"--resume_anyway: {difference}") for difference in found]
    rest = f"the run goes on at step {done} of {steps}, with the learning rate and the rows of this command's schedule"
    lines.append(warning(f"--resume_anyway: {rest}"))
    if ENCODER in {difference.name for difference in found}:
        lines.append(warning("--resume_anyway: the weights are those of the checkpoint, not of --model_name_or_path"))
    return lines


def steps_done(checkpoint: str | None) -> int:
    return 0 if checkpoint is None else read_step(Path(checkpoint))
